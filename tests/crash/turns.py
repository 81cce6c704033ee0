"""The store's writer without its thread: work is done when it is given, folding when it is asked.

Everything the writer does is the store's own code; only the order no longer hangs on the clock, so
that a seed gives the same life each time.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

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
