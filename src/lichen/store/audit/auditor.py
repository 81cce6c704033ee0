"""The audit behind: signatures that a later one bound are checked when there is time.

One thread goes through what the log says is unaudited, feed by feed and in order, and has others
check it in errands of a few hundred messages, which they read themselves: libsodium works without
Python's global lock, so all cores are busy when nothing else is to do. While many messages come in
it makes way, but for one errand every ``WAIT_S_MAX``; while views are folded, one at a time.

What it finds, the writer writes down: it goes on after a restart where it was. A wrong signature
ends the feed before it; the peers are asked for the rest again. A text with letters beyond ASCII is
passed over, for its signature was checked when it came (``ingest.deciding``).
"""

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import msgspec

from lichen.feed.formats import FeedFormat
from lichen.feed.message import FeedId
from lichen.store.checking.signatures import cores
from lichen.store.errors import StoreClosed, StoreError
from lichen.store.log import Log

ERRAND_MESSAGES = 256
"""Messages checked at a stretch by one thread: some 20 ms in which it does not look up."""
ERRAND_BYTES = 1024 * 1024
"""Text of a feed that is read at once: what an errand of long messages holds in memory."""
MARK_MESSAGES = 4_096
"""Checked messages after which it is written down: what a crash makes us check again."""
WORKERS_MAX = 8
"""Threads at most; beyond that reading is what takes time."""
AHEAD_MAX = 2
"""Errands given out beyond one for each thread, so that none waits for its next."""
CALM_S = 0.1
"""How long no message must have come in before the audit goes on: between two batches of a sync it
would only delay the second one."""
CALM_MESSAGES = 100
"""So many at once are a batch of a sync. For fewer it makes way in proportion: to a peer with many
neighbours some come all the time."""
LOOK_S = 0.01
"""How often it looks whether messages are still being decided; then it hears how many were kept."""
WAIT_S_MAX = 2.0
"""How long the audit is put off while messages pour in; then it takes a turn of one errand."""
RETRY_S = 5.0
"""How long to wait after the disk refused to be read or written."""


class Audited(msgspec.Struct, frozen=True):
    """Feeds, and up to which message every signature of each was checked now."""

    feeds: tuple[tuple[FeedId, int], ...]


class AuditFailed(msgspec.Struct, frozen=True):
    """A wrong signature was found: the log of ``feed`` ends before ``sequence`` now.

    ``source`` is who sent it, None if nobody is known to have.
    """

    feed: FeedId
    sequence: int
    source: FeedId | None


AuditNews = Audited | AuditFailed


class Piece(msgspec.Struct, frozen=True):
    """Messages of one feed that belong together; ``cuts`` is how often the log had been cut."""

    feed: FeedId
    first: int
    last: int
    source: FeedId | None
    cuts: int


class Register(Protocol):
    """Where it is written down what the audit finds; each answers once it is."""

    def mark_audited(self, pieces: list[Piece]) -> Future[None]:
        """Note that all signatures of some pieces hold."""
        ...

    def cut(self, piece: Piece, sequence: int) -> Future[None]:
        """End a feed before a message whose signature does not hold."""
        ...

    def is_folding(self) -> bool:
        """Tell whether views are behind the log, and being brought up to it."""
        ...

    def is_ingesting(self) -> bool:
        """Tell whether messages wait to be decided, or are being."""
        ...


class _Checked(msgspec.Struct, frozen=True):
    """What an errand came to: pieces that hold, and where one does not."""

    good: list[Piece]
    failed: tuple[Piece, int] | None


class Auditor:
    """The audit of one log. ``grew`` and ``when_audited`` may be called from any thread."""

    def __init__(
        self,
        log: Log,
        formats: Mapping[str, FeedFormat],
        register: Register,
        workers: int | None = None,
    ) -> None:
        self._log = log
        self._formats = formats
        self._register = register
        self._workers = min(WORKERS_MAX, cores()) if workers is None else workers
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="audit")
        self._changed = threading.Condition()
        self._is_closing = False
        self._is_idle = False
        self._is_calm = True
        self._calm_at = time.monotonic() + CALM_S
        self._turn_at = self._calm_at
        self._doubted: dict[FeedId, None] = {}
        self._waiters: list[Future[None]] = []
        self._good: list[Piece] = []
        self._thread = threading.Thread(target=self._run, name="auditor", daemon=True)

    def start(self) -> None:
        """Begin, with what an earlier run left."""
        self._thread.start()

    def close(self) -> None:
        """Write down what is checked and end the threads; whoever still waits is told so."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown(cancel_futures=True)
        self._fail(StoreClosed())

    def grew(self, count: int, doubted: list[tuple[FeedId, int]]) -> None:
        """Hear how many messages were kept, and which feeds hold one that cannot be true."""
        calm_s = CALM_S * min(count, CALM_MESSAGES) / CALM_MESSAGES
        with self._changed:
            self._calm_at = max(self._calm_at, time.monotonic() + calm_s)
            self._doubted.update((feed, None) for feed, _ in doubted)
            if doubted or (self._is_idle and self._log.unaudited_count()):
                self._changed.notify()

    def when_audited(self) -> Future[None]:
        """Return a future for when every signature in the log now is checked."""
        waiter: Future[None] = Future()
        with self._changed:
            if self._is_closing:
                raise StoreClosed
            self._waiters.append(waiter)
            self._changed.notify()
        return waiter

    # In the auditor's thread

    def _run(self) -> None:
        while self._await_work():
            with self._changed:
                waiters, self._waiters = self._waiters, []
            try:
                is_whole = self._round(is_urgent=bool(waiters))
            except (StoreError, StoreClosed) as error:
                _answer(waiters, error)
                self._pause()
                continue
            if is_whole:
                _answer(waiters)
            else:
                with self._changed:
                    self._waiters += waiters

    def _await_work(self) -> bool:
        """Wait until there is something to do; False: the store is being closed."""
        with self._changed:
            while not self._is_closing:
                if self._waiters or self._log.unaudited_count():
                    return True
                self._doubted.clear()
                self._is_idle = True
                self._changed.wait()
                self._is_idle = False
        return False

    def _pause(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_closing, RETRY_S)

    def _round(self, *, is_urgent: bool) -> bool:
        """Audit everything that waits now; False: not all of it could be."""
        cuts = self._log.cuts
        under_way: deque[Future[_Checked]] = deque()
        try:
            for errand in self._errands():
                if not self._await_turn(is_urgent=is_urgent):
                    return False
                for each in (*self._doubted_errands(), errand):
                    under_way.append(self._pool.submit(self._check, each))
                    while len(under_way) >= self._depth():
                        self._settle(under_way.popleft().result())
            while under_way:
                self._settle(under_way.popleft().result())
        finally:
            for future in under_way:
                future.cancel()
            self._write()
        return cuts == self._log.cuts

    def _depth(self) -> int:
        is_slow = self._register.is_folding() or not self._is_calm
        return 1 if is_slow else self._workers + AHEAD_MAX

    def _await_turn(self, *, is_urgent: bool) -> bool:
        """Wait while messages come in; False: the store is being closed."""
        with self._changed:
            while not self._is_closing:
                now = time.monotonic()
                if self._register.is_ingesting():
                    self._calm_at = max(self._calm_at, now + LOOK_S)
                at = min(self._calm_at, self._turn_at + WAIT_S_MAX)
                self._is_calm = is_urgent or bool(self._waiters) or self._calm_at <= now
                if self._is_calm or self._doubted or at <= now:
                    self._turn_at = now
                    return True
                self._changed.wait(at - now)
        return False

    def _errands(self) -> Iterator[list[Piece]]:
        """Yield what waits in errands, each feed in order."""
        errand: list[Piece] = []
        size = 0
        for piece in self._pieces():
            errand.append(piece)
            size += piece.last - piece.first + 1
            if size >= ERRAND_MESSAGES:
                yield errand
                errand, size = [], 0
        if errand:
            yield errand

    def _pieces(self) -> Iterator[Piece]:
        for feed in self._log.unaudited_feeds():
            yield from self._pieces_of(feed)

    def _doubted_errands(self) -> list[list[Piece]]:
        """Return what waits of feeds that are in doubt, which are no longer after this."""
        with self._changed:
            doubted, self._doubted = self._doubted, {}
        return [[piece] for feed in doubted for piece in self._pieces_of(feed)]

    def _pieces_of(self, feed: FeedId) -> Iterator[Piece]:
        cuts = self._log.cuts
        for stretch in self._log.unaudited(feed):
            for first in range(stretch.first, stretch.last + 1, ERRAND_MESSAGES):
                last = min(stretch.last, first + ERRAND_MESSAGES - 1)
                yield Piece(feed, first, last, stretch.source, cuts)

    def _settle(self, checked: _Checked) -> None:
        self._good += checked.good
        size = sum(piece.last - piece.first + 1 for piece in self._good)
        if checked.failed is not None or size >= MARK_MESSAGES or not self._is_calm:
            self._write()
        if checked.failed is not None:
            # All that was given out before this is of another log now: the writer passes it over.
            self._register.cut(*checked.failed).result()

    def _write(self) -> None:
        good, self._good = self._good, []
        if good:
            self._register.mark_audited(good).result()

    def _fail(self, error: Exception) -> None:
        waiters, self._waiters = self._waiters, []
        _answer(waiters, error)

    # In the other threads

    def _check(self, errand: list[Piece]) -> _Checked:
        good: list[Piece] = []
        for piece in errand:
            bad = self._first_bad(piece)
            if bad is None:
                good.append(piece)
                continue
            if piece.first < bad:
                good.append(msgspec.structs.replace(piece, last=bad - 1))
            return _Checked(good, (piece, bad))
        return _Checked(good, None)

    def _first_bad(self, piece: Piece) -> int | None:
        feed_format = self._formats[self._log.format_of(piece.feed)]
        sequence = piece.first
        while sequence <= piece.last:
            texts = self._log.run_texts(piece.feed, sequence, piece.last, ERRAND_BYTES)
            if not texts:
                break  # it was cut off meanwhile
            for _, data in texts:
                if data.isascii() and not feed_format.is_signed(piece.feed, data):
                    return sequence
                sequence += 1
        return None


def _answer(waiters: list[Future[None]], error: Exception | None = None) -> None:
    for waiter in waiters:
        if not waiter.set_running_or_notify_cancel():
            continue
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
