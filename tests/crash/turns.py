"""The store's writer and auditor without threads: work is done when it is given, folding and
auditing when it is asked.

Everything they do is the store's own code; only the order no longer hangs on the clock, so
that a seed gives the same life each time.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import islice
from typing import Any

from lichen.store.audit.auditor import Auditor
from lichen.store.errors import StoreClosed
from lichen.store.writer import Lane, Task


class Turns:
    """Stands in for ``lichen.store.writer.Writer``."""

    def __init__(self, lanes: Sequence[Lane[Any, Any]], fold: Callable[[], float | None]) -> None:
        self._lanes = tuple(lanes)
        self._fold = fold
        self._is_held = False
        self._is_closed = False

    def start(self) -> None:
        """Nothing to start."""

    def submit(self, lane: Lane[Any, Any], asked: Any, *, weight: int = 1) -> "Future[Any]":
        """Do work at once, unless it is held."""
        if self._is_closed:
            raise StoreClosed
        task: Task[Any, Any] = Task(asked, weight)
        lane.put(task)
        if not self._is_held:
            self._work()
        return task.future

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let work pile up, as when much comes at once, then do it, the most urgent first."""
        self._is_held = True
        yield
        self._is_held = False
        self._work()

    def fold(self, slices: int = 10**6) -> None:
        """Fold some slices, or all there is."""
        for _ in range(slices):
            if self._fold() is None:
                return

    def close(self) -> None:
        """Take no more work."""
        self._work()
        self._is_closed = True

    def _work(self) -> None:
        while True:
            lane = next((lane for lane in self._lanes if lane.since is not None), None)
            if lane is None:
                return
            lane.take()()


class AuditByTurns(Auditor):
    """Stands in for ``lichen.store.audit.auditor.Auditor``."""

    def start(self) -> None:
        """Nothing to start."""

    def check_some(self, pieces: int = 10**6) -> None:
        """Check some pieces of feeds, or all that waits, and write down what was found."""
        for piece in islice(list(self._pieces()), pieces):
            self._settle(self._check([piece]))
        self._write()

    def check_all(self) -> None:
        """Check until nothing waits: what is cut off may have come again."""
        while self._log.unaudited_count():
            self.check_some()
