"""Worlds that are run for their figures."""

from lichen.lab.scenarios.gossip import Report, gossip

__all__ = ["Report", "gossip"]
