"""Many lives, one seed after the other; the first that fails is made small.

A run in which some checker never had anything to check counts as failed: it proves nothing.
"""

from collections.abc import Callable, Iterable

import msgspec

from lichen.lab.checkers.tally import Tally
from lichen.lab.faults.draw import draw_plan
from lichen.lab.faults.life import CHECKS, Outcome, live
from lichen.lab.faults.plan import Plan
from lichen.lab.faults.shrink import shrink


class Fuzzed(msgspec.Struct, frozen=True):
    """What came of many lives."""

    lives: int
    events: int
    virtual_s: float
    failures: tuple[Outcome, ...]
    looks: dict[str, int]
    fault: str | None
    """In a sentence why the run counts as failed; None if all was well."""


def fuzz(
    seeds: Iterable[int],
    *,
    failures_max: int = 1,
    on_life: Callable[[Outcome], None] | None = None,
) -> Fuzzed:
    """Live the lives of all seeds, until so many have failed."""
    tally = Tally()
    failures: list[Outcome] = []
    lives, events, virtual_s = 0, 0, 0.0
    for seed in seeds:
        outcome = live(draw_plan(seed), tally)
        lives += 1
        events += outcome.events
        virtual_s += outcome.virtual_s
        if on_life is not None:
            on_life(outcome)
        if outcome.failure is not None:
            failures.append(outcome)
            if len(failures) >= failures_max:
                break
    fault = tally.fault(CHECKS)
    if failures:
        fault = f"seed {failures[0].seed}: {failures[0].failure}"
    return Fuzzed(lives, events, virtual_s, tuple(failures), dict(tally.counts), fault)


def shrink_seed(seed: int) -> Plan:
    """Return the smallest failing plan of a seed that fails."""
    return shrink(draw_plan(seed))
