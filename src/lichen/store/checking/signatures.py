"""Checking many signatures on several cores from one writer thread.

libsodium works without Python's global lock, so threads help, if they get that lock in between: a
thread that computes keeps it for up to 5 ms. So the writer, while it prepares a batch, checks a
signature itself whenever some wait, then goes on with the workers until nothing is left. README.md
has the figures, also of what was tried and made no difference.
"""

import os
import threading
from queue import Empty, SimpleQueue

from lichen.feed.formats import FeedFormat
from lichen.feed.message import ChainedMessage, Message, Rejected

WORKERS_MAX = 4
"""Worker threads at most; beyond that the writer's own share of the work is what takes time."""

BACKLOG_MAX = 4
"""Jobs that may wait before the writer checks one in between: only while it is inside libsodium can
the workers come back for their next one."""
KEPT_MAX = 4
"""The first jobs of a batch, which the writer does itself: waking a worker takes longer."""

Verdict = Message | Rejected


class SignaturePass:
    """The signatures of one batch. Belongs to the writer thread; ``finish`` ends it."""

    __slots__ = ("_jobs", "_kept", "_outstanding", "_verdicts")

    def __init__(self, jobs: "SimpleQueue[_Job | None]") -> None:
        self._jobs = jobs
        self._kept: list[_Job] = []
        self._verdicts: SimpleQueue[_Verdict] = SimpleQueue()
        self._outstanding = 0

    def add(self, number: int, feed_format: FeedFormat, message: ChainedMessage) -> None:
        """Have a signature checked; ``number`` finds its verdict in the result."""
        job = (number, feed_format, message, self._verdicts)
        self._outstanding += 1
        if len(self._kept) < KEPT_MAX:
            self._kept.append(job)
        else:
            self._jobs.put(job)
            if self._jobs.qsize() > BACKLOG_MAX:
                self._help()

    def finish(self) -> dict[int, Verdict]:
        """Check what is left and return all verdicts by number."""
        kept, self._kept = self._kept, []
        for job in kept:
            _perform(job)
        while self._help():
            pass
        found: dict[int, Verdict] = {}
        fault: Exception | None = None
        for _ in range(self._outstanding):
            number, verdict = self._verdicts.get()
            if isinstance(verdict, Exception):
                fault = verdict
            else:
                found[number] = verdict
        self._outstanding = 0
        if fault is not None:
            raise fault
        return found

    def _help(self) -> bool:
        try:
            job = self._jobs.get_nowait()
        except Empty:
            return False
        assert job is not None, "workers are told to stop only after the last pass"
        _perform(job)
        return True


_Verdict = tuple[int, Verdict | Exception]
_Job = tuple[int, FeedFormat, ChainedMessage, SimpleQueue[_Verdict]]


class SignatureThreads:
    """The worker threads, started once and shared by all batches, one after the other."""

    __slots__ = ("_jobs", "_threads")

    def __init__(self, count: int | None = None) -> None:
        if count is None:
            count = min(WORKERS_MAX, max(1, cores() - 1))
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=_work, args=(self._jobs,), name=f"signatures-{n}", daemon=True)
            for n in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def begin(self) -> SignaturePass:
        """Begin a batch."""
        return SignaturePass(self._jobs)

    def close(self) -> None:
        """Stop the threads."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()


def cores() -> int:
    """Return how many cores this process may use, where the system can tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _work(jobs: "SimpleQueue[_Job | None]") -> None:
    while (job := jobs.get()) is not None:
        _perform(job)


def _perform(job: _Job) -> None:
    number, feed_format, message, verdicts = job
    try:
        verdicts.put((number, feed_format.verify(message)))
    except Exception as fault:  # noqa: BLE001 (raised again in the writer, which waits for it)
        verdicts.put((number, fault))
