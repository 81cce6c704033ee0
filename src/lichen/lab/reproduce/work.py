"""Computing tables: one process for each, every table from the same seed."""

from collections.abc import Iterator, Sequence

import msgspec

from lichen.lab.parallel import perform_here
from lichen.lab.reproduce.catalogue import load
from lichen.lab.reproduce.table import Effort, Row

_SLOW = (
    "gossip/demers-3",
    "slime/tero",
    "slime/tero-flow",
    "ants/fairness",
    "beeps/feedback",
    "small_world/watts-strogatz",
)
"""These begin first, so that no core waits for them at the end."""


class Job(msgspec.Struct, frozen=True):
    """One table to compute."""

    table: str
    effort: Effort


def compute(job: Job) -> list[Row]:
    """Compute one table."""
    return load(job.table).rows(job.effort)


def reproduce(
    names: Sequence[str], effort: Effort, workers: int
) -> Iterator[tuple[str, list[Row]]]:
    """Yield tables as they are done."""
    order = [name for name in _SLOW if name in names]
    order += [name for name in names if name not in _SLOW]
    jobs = [Job(name, effort) for name in order]
    for number, rows in perform_here(compute, jobs, min(workers, len(jobs))):
        yield order[number], rows
