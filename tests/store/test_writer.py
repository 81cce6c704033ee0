"""The writer thread: what goes first, what goes together, what is left when it ends."""

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

import pytest

from lichen.store import writer as writer_module
from lichen.store.errors import StoreClosed
from lichen.store.writer import Lane, Task, Writer


class Desk:
    """A writer with two lanes that notes what was done, in which groups."""

    def __init__(self, fold: Callable[[], float | None] = lambda: None) -> None:
        self.done: list[tuple[str, ...]] = []
        self.urgent: Lane[str, str] = Lane(self._perform, weight_max=3)
        self.other: Lane[str, str] = Lane(self._perform, weight_max=3)
        self.writer = Writer((self.urgent, self.other), fold)

    def _perform(self, tasks: Sequence[Task[str, str]]) -> None:
        self.done.append(tuple(task.asked for task in tasks))
        for task in tasks:
            if task.asked == "fault":
                raise ValueError(task.asked)
            if task.asked != "forgotten":
                task.future.set_result(task.asked)


def test_urgent_work_goes_first_and_together() -> None:
    desk = Desk()
    for number in range(2):
        desk.writer.submit(desk.other, f"other {number}")
    for number in range(5):
        desk.writer.submit(desk.urgent, f"urgent {number}")
    heavy = desk.writer.submit(desk.urgent, "heavy", weight=50)
    desk.writer.start()
    desk.writer.close()
    assert desk.done == [
        ("urgent 0", "urgent 1", "urgent 2"),
        ("urgent 3", "urgent 4"),
        ("heavy",),
        ("other 0", "other 1"),
    ]
    assert heavy.result(0) == "heavy"


def test_folding_waits_little_after_little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "FOLD_CALM_S", 1e6)
    monkeypatch.setattr(writer_module, "FOLD_WAIT_S_MAX", 1e6)
    folded: SimpleQueue[None] = SimpleQueue()
    desk = Desk(lambda: folded.put(None))
    desk.writer.start()
    folded.get(timeout=10)
    for _ in range(3):
        desk.writer.submit(desk.urgent, "a message").result(10)
        folded.get(timeout=10)
    desk.writer.close()


def test_what_waited_too_long_goes_before_more_urgent_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer_module, "WAIT_S_MAX", -1.0)
    desk = Desk()
    desk.writer.submit(desk.urgent, "urgent")
    desk.writer.submit(desk.other, "old")
    desk.writer.start()
    desk.writer.close()
    assert desk.done == [("old",), ("urgent",)]


def test_folding_is_not_starved_by_endless_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "FOLD_WAIT_S_MAX", 0.0)
    folds: list[int] = []
    desk = Desk(lambda: folds.append(len(desk.done)))
    perform = desk._perform
    is_over = threading.Event()

    def go_on(tasks: Sequence[Task[str, str]]) -> None:
        perform(tasks)
        if len(folds) < 3 and len(desk.done) < 5000:
            desk.writer.submit(desk.urgent, "more")
        else:
            is_over.set()

    desk.urgent._perform = go_on
    desk.writer.submit(desk.urgent, "first")
    desk.writer.start()
    assert is_over.wait(10)
    desk.writer.close()
    assert len(folds) >= 3


def test_work_wakes_folding_up_again() -> None:
    folds: list[int] = []
    again = threading.Semaphore(0)

    def fold() -> None:
        folds.append(1)
        again.release()

    desk = Desk(fold)
    desk.writer.start()
    assert again.acquire(timeout=10)
    desk.writer.submit(desk.urgent, "work").result(10)
    assert again.acquire(timeout=10)
    desk.writer.close()


def test_fault_reaches_those_who_wait_and_the_thread_lives() -> None:
    desk = Desk()
    fine = desk.writer.submit(desk.urgent, "fine")
    fault = desk.writer.submit(desk.urgent, "fault")
    after = desk.writer.submit(desk.urgent, "after")
    desk.writer.start()
    assert fine.result(10) == "fine"
    for future in (fault, after):
        with pytest.raises(ValueError, match="fault"):
            future.result(10)
    assert desk.writer.submit(desk.urgent, "next").result(10) == "next"
    desk.writer.close()


def test_cancelled_work_is_not_done() -> None:
    desk = Desk()
    assert desk.writer.submit(desk.urgent, "regretted").cancel()
    kept = desk.writer.submit(desk.urgent, "kept")
    desk.writer.start()
    assert kept.result(10) == "kept"
    desk.writer.close()
    assert desk.done == [("kept",)]


def test_closed_writer_takes_no_work() -> None:
    desk = Desk()
    desk.writer.start()
    desk.writer.close()
    with pytest.raises(StoreClosed):
        desk.writer.submit(desk.urgent, "late")
