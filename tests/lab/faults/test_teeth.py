"""Does the lab bite? Bugs are planted, and lives are lived until one of them shows it.

With every test run the bugs that are quick to find; in the campaign all of them, in up to
``LICHEN_LAB_SEEDS`` lives each, of which at least 95 % must be found.
"""

import itertools
import os
import runpy
from pathlib import Path

import pytest

from lichen.lab.checkers.tally import Tally
from lichen.lab.faults.draw import draw_plan
from lichen.lab.faults.life import live
from lichen.lab.faults.plan import Fault, Plan
from lichen.lab.faults.shrink import shrink

BUGS = runpy.run_path(str(Path(__file__).parent / "planted_bugs.py"))["BUGS"]
SEEDS_QUICK = 60
SEEDS = int(os.environ.get("LICHEN_LAB_SEEDS", "1000"))
RARE = {
    "clocks_are_trusted_after_a_crash",
    "a_block_is_never_lifted",
    "a_lost_source_stays_in_the_table",
    "a_lower_claim_is_not_believed",
    "the_rest_of_a_long_feed_is_forgotten",
    "a_blocked_peer_is_sent_what_was_ready",
    "a_failed_write_is_forgotten",
    "a_stalled_blob_is_waited_for",
    "another_peer_is_not_asked_after_a_failed_audit",
    "old_peers_are_not_told_of_news",
    "the_hash_of_a_blob_is_not_checked",
    "what_was_sent_counts_as_received",
}
"""Bugs that take more lives than every test run has time for."""
FOUND_SHARE = 0.95


def lives_until_found(seeds: int) -> int | None:
    """Return how many lives it takes to see that something is wrong."""
    return next((seed + 1 for seed in range(seeds) if live(draw_plan(seed)).failure), None)


def test_there_are_enough_bugs_to_say_something() -> None:
    assert len(BUGS) - len(RARE) >= 20
    assert set(BUGS) >= RARE


@pytest.mark.parametrize("name", [name for name in BUGS if name not in RARE])
def test_a_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS[name](monkeypatch)
    assert lives_until_found(SEEDS_QUICK) is not None


@pytest.mark.campaign
def test_nearly_all_planted_bugs_are_found_in_a_campaign() -> None:
    found: dict[str, int | None] = {}
    for name, plant in BUGS.items():
        with pytest.MonkeyPatch.context() as patch:
            plant(patch)
            found[name] = lives_until_found(SEEDS)
        print(f"{name}: {found[name] or 'not found'}", flush=True)
    missed = [name for name, lives in found.items() if lives is None]
    assert len(missed) <= (1 - FOUND_SHARE) * len(BUGS), missed


def test_a_claim_that_was_taken_back_and_is_still_believed_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    everybody = tuple(itertools.permutations(range(3), 2))
    plan = Plan(
        seed=1,
        peers=3,
        hops_max=2,
        follows=everybody,
        links=((0, 1), (1, 2)),
        roles={},
        posts=(5, 5, 5),
        faults=(Fault(8.0, "detour", 1, 2, 20),),
    )
    assert live(plan).failure is None
    BUGS["a_lower_claim_is_not_believed"](monkeypatch)
    assert (live(plan).check or "").startswith("same")


def test_a_failing_life_is_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS["what_was_sent_counts_as_received"](monkeypatch)
    lives = lives_until_found(200)
    assert lives is not None
    plan = draw_plan(lives - 1)
    small = shrink(plan)
    assert live(small).check == live(plan).check
    assert len(small.faults) <= 10 < len(plan.faults)


def test_planted_bugs_are_gone_afterwards() -> None:
    assert live(draw_plan(1), Tally()).failure is None
