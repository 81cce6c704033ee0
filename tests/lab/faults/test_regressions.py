"""What the lab has found once: each life failed before the brain was mended, and must end well."""

from pathlib import Path

import pytest

from lichen.lab.faults.life import live
from lichen.lab.faults.plan import PLAN_BYTES_MAX, read_plan, write_plan

FOLDER = Path(__file__).parent.parent / "regressions"
FAULTS_MAX = 10


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_life_that_failed_ends_well(path: Path) -> None:
    plan = read_plan(path)
    assert len(plan.faults) <= FAULTS_MAX
    outcome = live(plan)
    assert outcome.failure is None


def test_a_plan_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    plan = read_plan(next(FOLDER.glob("*.json")))
    write_plan(tmp_path / "plan.json", plan)
    assert read_plan(tmp_path / "plan.json") == plan
    (tmp_path / "long.json").write_bytes(b" " * (PLAN_BYTES_MAX + 1))
    with pytest.raises(ValueError, match="too long"):
        read_plan(tmp_path / "long.json")
