"""The real peer, killed at random instants: a short campaign; the long one is in the Makefile.

It runs as a program of its own, for it forks: a process with threads must not.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = 48
SEED = os.environ.get("LICHEN_CRASH_SEED", "short")
KILLS_UNTIL_FOUND = 60
BUGS = (
    "a_run_is_not_marked",
    "the_lock_stays",
    "own_messages_are_told_before_they_are_written",
)
"""Those that need no power cut to be seen, and are seen soon."""


def kill(kills: int, *options: str) -> subprocess.CompletedProcess[str]:
    program = Path(__file__).with_name("kills.py")
    return subprocess.run(
        [sys.executable, str(program), "--kills", str(kills), "--seed", SEED, *options],
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_is_lost_when_the_peer_is_killed() -> None:
    ended = kill(KILLS)
    print(ended.stdout)
    assert ended.returncode == 0, ended.stderr
    assert f"{KILLS} kills" in ended.stdout


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str) -> None:
    ended = kill(KILLS_UNTIL_FOUND, "--bug", bug)
    assert ended.returncode != 0
    assert f"LostError: story {SEED}." in ended.stderr, ended.stderr
