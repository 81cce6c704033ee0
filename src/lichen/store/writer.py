"""The one writer thread: everything that changes a file passes through here, in order of urgency.

Publishing goes first (a person waits), then what peers sent, then notes about this machine, and
folding views when nothing else waits. Nobody starves: what has waited ``WAIT_S_MAX`` goes next.
All work of one kind that waits is taken together, so that it can share a transaction. Closing does
all work that was accepted and then ends the thread; unfolded messages are folded in the next run.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, Protocol, TypeVar

from lichen.store.errors import StoreClosed, StoreError, writing

FOLD_WAIT_S_MAX = 1.0
"""How long views may lag while messages pour in: folding then takes a turn of one slice, some
hundreds of the nearest people's newest messages, so that there is something to read meanwhile. With
four times as many turns a first sync takes 3 % longer."""
FOLD_CALM_S = 0.03
"""How long nothing else must have come before folding begins: between two batches of a first sync
it would only delay the second one."""
FOLD_CALM_WORKS = 5
"""How many times as long as the work before it folding waits at most: single messages, which come
all the time to a peer with many neighbours, are no batch of a first sync."""
WAIT_S_MAX = 0.5
"""How long less urgent work may be passed over: notes and views stay usable in a first sync."""

Job = Callable[[], None]
"""Something to do in the writer thread that has no answer."""
Asked = TypeVar("Asked")
Got = TypeVar("Got")


class Task(Generic[Asked, Got]):
    """Something asked of the writer, and the future in which the answer is awaited."""

    __slots__ = ("asked", "future", "since", "weight")

    def __init__(self, asked: Asked, weight: int) -> None:
        self.asked = asked
        self.weight = weight
        self.future: Future[Got] = Future()
        self.since = time.monotonic()


class Waiting(Protocol):
    """Work of one urgency, as the writer sees it."""

    @property
    def since(self) -> float | None:
        """Return since when the first task waits, None if there is none."""
        ...

    def take(self) -> Callable[[], None]:
        """Take what goes together, and return what does it."""
        ...


class Lane(Generic[Asked, Got]):
    """Tasks of one urgency. ``perform`` gets several at once and must answer each of them."""

    __slots__ = ("_perform", "_tasks", "_weight_max")

    def __init__(
        self, perform: Callable[[Sequence[Task[Asked, Got]]], None], *, weight_max: int
    ) -> None:
        self._perform = perform
        self._weight_max = weight_max
        self._tasks: deque[Task[Asked, Got]] = deque()

    def put(self, task: Task[Asked, Got]) -> None:
        """Add a task at the end."""
        self._tasks.append(task)

    @property
    def since(self) -> float | None:
        """Return since when the first task waits, None if there is none."""
        return self._tasks[0].since if self._tasks else None

    def take(self) -> Callable[[], None]:
        """Take at least one task, then as many as ``weight_max`` allows; return what does them."""
        taken: list[Task[Asked, Got]] = []
        weight = 0
        while self._tasks:
            weight += self._tasks[0].weight
            if taken and weight > self._weight_max:
                break
            task = self._tasks.popleft()
            if task.future.set_running_or_notify_cancel():
                taken.append(task)
        return lambda: self._do(taken)

    def _do(self, tasks: Sequence[Task[Asked, Got]]) -> None:
        if not tasks:
            return
        try:
            self._perform(tasks)
        except Exception as fault:  # noqa: BLE001 (handed to everyone who waits for it)
            for task in tasks:
                if not task.future.done():
                    task.future.set_exception(fault)


def do_jobs(tasks: Sequence[Task[Job, None]]) -> None:
    """Do one job after the other; each that fails is told alone."""
    for task in tasks:
        try:
            with writing():
                task.asked()
        except (StoreError, StoreClosed) as error:
            task.future.set_exception(error)
        else:
            task.future.set_result(None)


class Writer:
    """The thread.

    ``lanes``: most urgent first. ``fold`` does a slice of folding and returns after how many
    seconds it has more to do, None if there is nothing left.
    """

    def __init__(self, lanes: Sequence[Waiting], fold: Callable[[], float | None]) -> None:
        self._lanes = tuple(lanes)
        self._fold = fold
        self._changed = threading.Condition()
        self._is_closing = False
        self._fold_at: float | None = time.monotonic()
        self._unfolded_since: float | None = self._fold_at
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def submit(self, lane: Lane[Asked, Got], asked: Asked, *, weight: int = 1) -> Future[Got]:
        """Queue work and return the future of its answer."""
        task: Task[Asked, Got] = Task(asked, weight)
        with self._changed:
            if self._is_closing:
                raise StoreClosed
            lane.put(task)
            self._changed.notify()
        return task.future

    def close(self) -> None:
        """Finish all accepted work and end the thread."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                lane = self._next()
                while lane is None and not self._is_closing and not self._is_fold_due():
                    self._changed.wait(self._until_fold())
                    lane = self._next()
                if lane is None and self._is_closing:
                    return
                work = None if lane is None else lane.take()
            if work is None:
                more_in_s = self._fold()
                now = time.monotonic()
                self._fold_at = None if more_in_s is None else now + more_in_s
                self._unfolded_since = None if more_in_s is None else now
            else:
                since = time.monotonic()
                work()
                self._put_off_folding(since, is_awaited=lane is self._lanes[-1])

    def _put_off_folding(self, since: float, *, is_awaited: bool) -> None:
        """Fold in a calm moment, at once if a job may have asked for it: what it waits for."""
        now = time.monotonic()
        calm_s = 0.0 if is_awaited else min(FOLD_CALM_S, FOLD_CALM_WORKS * (now - since))
        self._fold_at = now + calm_s
        if self._unfolded_since is None:
            self._unfolded_since = now

    def _next(self) -> Waiting | None:
        """Choose the most urgent lane, or one that has waited too long, or (None) folding."""
        overdue = time.monotonic() - WAIT_S_MAX
        chosen: Waiting | None = None
        for lane in self._lanes:
            since = lane.since
            if since is None:
                continue
            if chosen is None:
                chosen = lane
            elif since < overdue:
                return lane
        return None if self._is_fold_overdue() and not self._is_closing else chosen

    def _is_fold_overdue(self) -> bool:
        since = self._unfolded_since
        return since is not None and since < time.monotonic() - FOLD_WAIT_S_MAX

    def _is_fold_due(self) -> bool:
        is_calm = self._fold_at is not None and self._fold_at <= time.monotonic()
        return is_calm or self._is_fold_overdue()

    def _until_fold(self) -> float | None:
        return None if self._fold_at is None else max(0.0, self._fold_at - time.monotonic())
