"""The real peer in a process of its own, started fast: forked from one that has imported it all.

In the child ``lichen start`` runs as from a terminal: on a real folder, with real sockets, on
127.0.0.1 only. The parent must have no thread and no open database.
"""

import gc
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lichen.apps import all_apps
from lichen.cli.main import run

FD_MAX = 256
"""Open files that a child does not take along."""
WAIT_S_MAX = 60.0
"""Nothing here takes long; what takes longer than this does not come at all."""
_PREPARED = (
    "lichen.cli.commands.peer.serving",
    "lichen.node.service",
    "lichen.node.client",
    "lichen.node.api.doctor",
)


def prepare() -> None:
    """Import what a peer imports while it starts, so that no child has to."""
    for name in _PREPARED:
        __import__(name)
    all_apps()
    gc.freeze()


class Ended(Exception):  # noqa: N818 (says what is the case)
    """The peer has ended, or closed its output."""


class Forked:
    """A peer that was forked: its process, and the lines of JSON that it says."""

    def __init__(self, home: Path, plant: Callable[[pytest.MonkeyPatch], None] | None) -> None:
        reading, writing = os.pipe()
        self.home = home
        self.printed = home.with_name(f"{home.name}.printed.txt")
        self.pid = os.fork()
        if self.pid == 0:
            _be_peer(home, self.printed, writing, plant)
        os.close(writing)
        self._out = os.fdopen(reading, "rb")
        self._is_reaped = False
        self.started_at = time.monotonic()

    def hear_started(self) -> Any:
        """Wait until it serves; return its first line. Raises ``Ended``."""
        line = self._out.readline()
        if not line.endswith(b"\n"):
            raise Ended
        return json.loads(line)

    def kill(self) -> None:
        """End it as nothing else does."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end; return its exit code, negative for the signal that ended it."""
        self._out.read()
        _, status = os.waitpid(self.pid, 0)
        self._is_reaped = True
        self._out.close()
        return os.waitstatus_to_exitcode(status)

    def end(self) -> None:
        """Make sure that nothing of it is left."""
        if not self._is_reaped:
            self.kill()
            self.wait()

    def stop(self) -> int:
        """Stop it in good order; return its exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return self.wait()


def _be_peer(
    home: Path, printed: Path, writing: int, plant: Callable[[pytest.MonkeyPatch], None] | None
) -> None:
    """Become a peer; never returns."""
    code = 70
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(writing, 1)
        os.dup2(os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
        os.closerange(3, FD_MAX)
        sys.stdin = os.fdopen(0)
        sys.stdout = os.fdopen(1, "w")
        sys.stderr = os.fdopen(2, "w")
        if plant is not None:
            plant(pytest.MonkeyPatch())
        options = ("--host", "127.0.0.1", "--port", "0", "--no-lan", "--no-web", "--json")
        code = run(["start", "--home", str(home), *options])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
