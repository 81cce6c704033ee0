"""Lives of small worlds, drawn from seeds: the real brain under faults, every checker looking.

``LICHEN_LAB_SEEDS`` says how many; ``make campaign-lab`` lives many more.
"""

import os

import pytest

from lichen.lab.checkers.tally import Broken, Tally
from lichen.lab.faults.acts import Acts
from lichen.lab.faults.draw import ROLES, draw_plan
from lichen.lab.faults.fuzz import fuzz
from lichen.lab.faults.life import CHECKS

SEEDS = int(os.environ.get("LICHEN_LAB_SEEDS", "150"))


def test_all_lives_end_well_and_every_checker_had_something_to_check() -> None:
    done = fuzz(range(SEEDS))
    assert done.fault is None, done.fault
    assert done.lives == SEEDS
    assert set(done.looks) == set(CHECKS)


def test_a_run_in_which_a_checker_never_looked_fails_in_words() -> None:
    done = fuzz(range(1))
    assert not done.failures
    assert done.fault is not None
    assert done.fault.startswith("These checkers never had anything to check")


def test_a_tally_counts_looks_and_raises_what_does_not_hold() -> None:
    tally = Tally()
    tally.hold("one", True, "fine")
    with pytest.raises(Broken, match="two: not fine"):
        tally.hold("two", False, "not fine")
    assert tally.idle(("one", "two", "three")) == ["three"]


def test_plans_use_every_role_and_every_kind_of_fault() -> None:
    plans = [draw_plan(seed) for seed in range(200)]
    assert {role for plan in plans for role in plan.roles.values()} == set(ROLES)
    kinds = {fault.kind for plan in plans for fault in plan.faults}
    assert kinds == {name for name in vars(Acts) if name[0] != "_" and name != "perform"}
    assert all(len(plan.roles) <= max(1, plan.peers // 3) for plan in plans)
