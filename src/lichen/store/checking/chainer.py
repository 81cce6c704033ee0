"""The other process as this one sees it: asked for much at once, and never needed.

Python computes in one thread at a time. Reading and chaining a message is a good half of what it
costs to take it in; so where there is a second core and much to do, another process does that half
(``process``), while this one checks signatures and writes. It is started when a first large batch
comes, which does not wait for it, and let go when nothing came for ``IDLE_S``. Answers come in the
order of the requests. If it cannot be started, or ends before its time, all that it owes is done
here, and from then on all that comes.
"""

import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import BinaryIO, TypeVar

import msgspec

from lichen.feed.formats import FeedFormat
from lichen.feed.message import Candidate, RawMessage
from lichen.store.checking.process import BEGIN, LENGTH_BYTES, LINES, TEXTS
from lichen.store.checking.signatures import cores
from lichen.store.checking.work import Chained, chain_block, chain_texts

WORTH_MESSAGES = 64
"""Messages of a batch for which it is worth to ask: fewer are chained before an answer is back."""
IDLE_S = 10.0
"""After so long without a request the process is let go: its 30 MB are worth more elsewhere."""
STOP_S_MAX = 2.0
"""So long the process may take to end once it is told to."""
PIPE_BYTES = 1 << 20
"""Room in each pipe, where the system can give it: a block goes through without stops."""
COMMAND = (sys.executable, "-P", "-m", "lichen.store.checking.process")

Got = TypeVar("Got")


class _Request:
    """Something asked, and how to do without."""

    __slots__ = ("body", "do_here", "future", "kind")

    def __init__(self, kind: bytes, body: bytes, do_here: Callable[[], Chained]) -> None:
        self.kind = kind
        self.body = body
        self.do_here = do_here
        self.future: Future[Chained] = Future()
        self.future.set_running_or_notify_cancel()


_write_texts = msgspec.msgpack.Encoder().encode
_read_chained = msgspec.msgpack.Decoder(Chained).decode


class Chainer:
    """Has batches and blocks of lines chained by a process that comes and goes.

    ``is_alone``: there is no core for another process, or it is not wanted. ``on_notice`` is told
    in words if the process was lost.
    """

    __slots__ = (
        "_changed", "_command", "_feed_format", "_hmac_key", "_is_closing", "_is_lost",
        "_is_ready", "_on_notice", "_owed", "_process", "_threads", "_waiting",
    )  # fmt: skip

    def __init__(
        self,
        feed_format: FeedFormat,
        hmac_key: bytes | None = None,
        *,
        is_alone: bool | None = None,
        on_notice: Callable[[str], None] | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._feed_format = feed_format
        self._hmac_key = hmac_key
        self._on_notice = on_notice
        self._command = command
        self._changed = threading.Condition()
        self._waiting: deque[_Request] = deque()
        self._owed: deque[_Request] = deque()
        self._process: subprocess.Popen[bytes] | None = None
        self._threads: tuple[threading.Thread, ...] = ()
        self._is_ready = self._is_closing = False
        self._is_lost = cores() < 2 if is_alone is None else is_alone

    @property
    def is_ready(self) -> bool:
        """Return whether the process is there and takes requests."""
        return self._is_ready

    def start(self) -> None:
        """Have the process started: there will be much to do."""
        with self._changed:
            self._start()

    def chain_lines(self, block: bytes) -> Future[Chained] | None:
        """Have a block of lines chained. None: do it yourself."""
        with self._changed:
            if not self._is_ready:
                return None
            return self._ask(LINES, block, lambda: chain_block(block, self._feed_format))

    def pass_on(
        self,
        batch: Sequence[Candidate],
        onward: Callable[[Sequence[Candidate]], Future[Got]],
    ) -> Future[Got]:
        """Have a batch chained, if that is worth while, then do with it what is to be done.

        Batches go onward in the order in which they came. What the process does not take goes on as
        it is: the reason of a refusal is still to be found.
        """
        with self._changed:
            chained = self._take(batch)
        if chained is None:
            return onward(batch)
        answer: Future[Got] = Future()

        def go_on(done: Future[Chained]) -> None:
            try:
                merged = self._merge(batch, done.result())
                onward(merged).add_done_callback(lambda passed: _copy(passed, answer))
            except Exception as fault:  # noqa: BLE001 (handed to whoever waits for it)
                answer.set_exception(fault)

        chained.add_done_callback(go_on)
        return answer

    def close(self) -> None:
        """Wait for what is under way, and let the process go."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _merge(self, batch: Sequence[Candidate], chained: Chained) -> list[Candidate]:
        """Take what was chained in place of what claimed to be that."""
        name = self._feed_format.name
        return [
            found
            if found is not None
            and found.author == candidate.author
            and found.sequence == candidate.sequence
            and candidate.format == name
            else candidate
            for candidate, found in zip(batch, chained.found(), strict=True)
        ]

    # Under the lock

    def _take(self, batch: Sequence[Candidate]) -> Future[Chained] | None:
        is_behind = bool(self._owed or self._waiting)
        if not all(isinstance(each, RawMessage) for each in batch):
            return None
        if not is_behind:
            if len(batch) < WORTH_MESSAGES:
                return None
            if not self._is_ready:
                self._start()
                return None
        texts = [each.data for each in batch]
        return self._ask(TEXTS, _write_texts(texts), lambda: chain_texts(texts, self._feed_format))

    def _ask(self, kind: bytes, body: bytes, do_here: Callable[[], Chained]) -> Future[Chained]:
        request = _Request(kind, body, do_here)
        self._waiting.append(request)
        self._changed.notify_all()
        return request.future

    def _start(self) -> None:
        if self._process is not None or self._is_lost or self._is_closing:
            return
        try:
            process = subprocess.Popen(  # noqa: S603 (this program itself)
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            self._lose(str(error))
            return
        assert process.stdin is not None, "it was asked for"
        assert process.stdout is not None, "it was asked for"
        for pipe in (process.stdin, process.stdout):
            _widen(pipe.fileno())
        self._process = process
        self._threads = (
            threading.Thread(target=self._send, args=(process, process.stdin), daemon=True),
            threading.Thread(target=self._receive, args=(process, process.stdout), daemon=True),
        )
        for thread, name in zip(self._threads, ("chainer-send", "chainer"), strict=True):
            thread.name = name
            thread.start()

    def _lose(self, reason: str) -> None:
        self._is_lost = True
        self._is_ready = False
        if self._on_notice is not None and not self._is_closing:
            self._on_notice(
                f"The process that reads messages is gone ({reason}); all goes on without it."
            )

    # In the sending thread

    def _send(self, process: "subprocess.Popen[bytes]", pipe: BinaryIO) -> None:
        with suppress(OSError), pipe:
            _write_request(pipe, BEGIN, self._hmac_key or b"")
            while (request := self._next(process)) is not None:
                _write_request(pipe, request.kind, request.body)
        with self._changed:
            owes_nothing = not self._owed
        if owes_nothing:
            # It may still be starting: nobody waits for that.
            process.kill()

    def _next(self, process: "subprocess.Popen[bytes]") -> _Request | None:
        """Return what is to be sent next; None: the process may go."""
        with self._changed:
            while process is self._process and not self._is_lost:
                if self._waiting and self._is_ready:
                    request = self._waiting.popleft()
                    self._owed.append(request)
                    return request
                if self._is_closing and not self._waiting:
                    return None
                is_told = self._changed.wait(IDLE_S)
                if not is_told and self._is_ready and not self._waiting and not self._owed:
                    self._is_ready = False
                    return None
        return None

    # In the receiving thread

    def _receive(self, process: "subprocess.Popen[bytes]", pipe: BinaryIO) -> None:
        with pipe:
            has_begun = _read_answer(pipe) is not None
            with self._changed:
                self._is_ready = has_begun
                self._changed.notify_all()
            while (body := _read_answer(pipe)) is not None:
                request = self._owed[0]
                try:
                    request.future.set_result(_read_chained(body))
                except msgspec.MsgspecError:
                    _do_here(request)
                with self._changed:
                    self._owed.popleft()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S_MAX)
        process.kill()
        process.wait()
        with self._changed:
            self._process = None
            if self._is_ready or self._owed or self._waiting or not has_begun:
                self._lose(f"exit {process.returncode}")
            self._changed.notify_all()
        self._do_what_is_owed()

    def _do_what_is_owed(self) -> None:
        while True:
            with self._changed:
                queue = self._owed or self._waiting
                if not queue:
                    return
                request = queue[0]
            _do_here(request)
            with self._changed:
                queue.popleft()


def _do_here(request: _Request) -> None:
    try:
        request.future.set_result(request.do_here())
    except Exception as fault:  # noqa: BLE001 (handed to whoever waits for it)
        request.future.set_exception(fault)


def _copy(done: Future[Got], answer: Future[Got]) -> None:
    fault = done.exception()
    if fault is None:
        answer.set_result(done.result())
    else:
        answer.set_exception(fault)


def _write_request(pipe: BinaryIO, kind: bytes, body: bytes) -> None:
    pipe.write(len(body).to_bytes(LENGTH_BYTES, "little") + kind)
    pipe.write(body)
    pipe.flush()


def _read_answer(pipe: BinaryIO) -> bytes | None:
    head = pipe.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    length = int.from_bytes(head, "little")
    body = pipe.read(length)
    return body if len(body) == length else None


def _widen(descriptor: int) -> None:
    """Make room in a pipe; without, it only takes more turns."""
    if sys.platform == "linux":
        import fcntl  # noqa: PLC0415 (there is none everywhere)

        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
