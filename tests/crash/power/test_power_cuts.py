"""Power cuts at many instants of many lives: nothing that was promised is lost.

Here a short campaign; the long one is ``make campaign-crash``. ``LICHEN_CRASH_SEED`` chooses other
lives.
"""

import os
from pathlib import Path

import pytest
from lives import Run
from planted_bugs import BUGS
from power import CutFailed, Tally, cut_many, live, quick_folder
from recorder import Recorder

CUTS = 600
SEED = os.environ.get("LICHEN_CRASH_SEED", "short")
LIVES_UNTIL_FOUND = 30
ONLY_BY_KILLS = {"the_lock_stays"}
RARE = {
    "the_log_is_not_flushed_at_a_clean_end",
    "the_guard_is_not_flushed",
    "clocks_are_kept_when_a_feed_is_cut",
    "views_are_not_compared_with_the_log",
}
"""Bugs that take more lives than every test run has time for."""
QUICK = sorted(BUGS.keys() - ONLY_BY_KILLS - RARE)


def test_nothing_is_lost_in_a_power_cut() -> None:
    tally = cut_many(CUTS, SEED)
    print(f"seed {SEED}: {tally.cuts} cuts in {tally.lives} lives")
    assert tally.cuts >= CUTS


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.campaign) for name in sorted(RARE))]
)
def test_a_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS[name](monkeypatch)
    with pytest.raises(CutFailed):
        live_many(LIVES_UNTIL_FOUND)


def live_many(lives: int) -> None:
    with quick_folder() as folder:
        for number in range(lives):
            live(f"t{number}", folder, Tally())


def test_a_life_is_the_same_each_time() -> None:
    """Else a seed would not find a fault again."""
    with quick_folder() as folder:
        records = []
        for _ in range(2):
            directory = folder / "live"
            run = Run(directory, "same", "same", 0)
            records.append(repr(run.live()))
            for path in sorted(directory.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
    assert records[0] == records[1]


def test_planted_bugs_are_gone_afterwards() -> None:
    live_many(1)


def test_the_recorder_leaves_sqlite_as_it_was(tmp_path: Path) -> None:
    import apsw  # noqa: PLC0415 (asked for its state)

    before = apsw.vfs_names()
    with Recorder(tmp_path, "").recording():
        assert apsw.vfs_names()[0] == "recording"
    assert apsw.vfs_names() == before
