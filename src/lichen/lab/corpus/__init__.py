"""A made-up network's log, the same for the same seed: for measuring and for trying things out.

Real keys, real signatures, people who follow, write, answer, like and block one another, in many
scripts, and the awkward part of life in known shares. Only ``Random.random`` of the standard
library is drawn from, because Python promises its sequence; nothing here depends on a version.
"""

from lichen.lab.corpus.generator import CorpusSummary, generate_corpus

__all__ = ["CorpusSummary", "generate_corpus"]
