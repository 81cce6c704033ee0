"""The store: one data directory, its files opened together, its writer thread, its questions.

``log.db`` holds messages as they came, ``local.db`` facts of this machine, ``views.db`` what is
folded from the log. The directory belongs to one process, one network and one identity at a time.
Nothing that fails to be written is believed: the answer is an error, the clock in memory stays,
and the next batch is tried as usual.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from lichen.feed.content import Contact, parse_contact
from lichen.feed.formats import FeedFormat
from lichen.feed.identity import Identity
from lichen.feed.message import Candidate, FeedId, Message
from lichen.store.audit.auditor import AuditNews, Auditor
from lichen.store.audit.register import AuditRegister
from lichen.store.binding import (
    LOG_FILE,
    Binding,
    bind_feed,
    bound_feed,
    check_binding,
    read_binding,
)
from lichen.store.blobs import BLOBS_FOLDER, Blobs
from lichen.store.checking.chainer import Chainer
from lichen.store.checking.signatures import SignatureThreads
from lichen.store.errors import (
    DAMAGED,
    PublishGuarded,
    StoreError,
    StoreReadFailed,
    WrongIdentity,
    opening,
    writing,
)
from lichen.store.ingest import Claimed, IngestResult, decide
from lichen.store.keeping.files import LOCAL_FILE, VIEWS_FILE, refuse_newer_files
from lichen.store.keeping.trouble import Trouble, TroubleWatch
from lichen.store.local import LOCAL_SCHEMA, Local, LogEnd
from lichen.store.lock import DirectoryLock
from lichen.store.log import LOG_SCHEMA, Log, LogWriter
from lichen.store.publish import Publication, publish_all
from lichen.store.schema import Readers, is_absent, open_for_writing
from lichen.store.views.engine import FoldEngine
from lichen.store.views.intervals import Interval, first_gap
from lichen.store.views.queries import Views
from lichen.store.views.rows import View
from lichen.store.writer import Job, Lane, Task, Writer, do_jobs

__all__ = ["Binding", "Store", "read_binding"]

OWN_FORMAT = "classic"
TOGETHER_MAX = 2_000
"""Messages of several waiting batches decided in one transaction: some 30 ms of work, 100 ms if all
their signatures are checked. With half as many a first sync takes 5 % longer: each transaction
writes anew the pages of the index that it touches."""
NEWEST_ROWS = 200
"""How many messages are the newest ones, for whoever waits to see what was just written."""

Verify = Literal["chain", "all"]
"""Which signatures are checked on receipt: those that cannot wait, or all."""


def _wall_clock_ms() -> float:
    return time.time() * 1000


class Store:
    """All that is kept, behind one door: ``log``, ``views``, ``local``, ``blobs`` answer."""

    def __init__(self, directory: Path, formats: Mapping[str, FeedFormat]) -> None:
        """Made by ``open``."""
        self.directory = directory
        self.log: Log
        self.views: Views
        self.local: Local
        self.blobs: Blobs
        self.chainer: Chainer
        self.formats = formats
        self._clock_ms: Callable[[], float] = _wall_clock_ms
        self._opened = ExitStack()
        self._is_closed = False
        self._own: FeedId | None = None
        self.faults: TroubleWatch
        self._verifies_all = False
        self._is_deciding = False
        self._on_audit: Callable[[AuditNews], None] = _drop_notice
        self._log_writer: LogWriter
        self._engine: FoldEngine
        self._threads: SignatureThreads
        self._auditor: Auditor
        self._publishing = Lane(self._publish, weight_max=TOGETHER_MAX)
        self._ingesting = Lane(self._ingest, weight_max=TOGETHER_MAX)
        self._auditing = Lane(do_jobs, weight_max=1)
        self._noting = Lane(do_jobs, weight_max=TOGETHER_MAX)
        self._writer = Writer(
            (self._publishing, self._ingesting, self._auditing, self._noting), self._fold
        )

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        binding: Binding,
        formats: Mapping[str, FeedFormat],
        views: Sequence[View],
        on_notice: Callable[[str], None] | None = None,
        on_trouble: Callable[[Trouble | None], None] | None = None,
        verify: Verify = "chain",
        on_audit: Callable[[AuditNews], None] | None = None,
        clock_ms: Callable[[], float] = _wall_clock_ms,
        signature_threads: int | None = None,
    ) -> "Store":
        """Open or create a data directory. Raises ``StoreError`` in words.

        ``verify="all"`` leaves no signature to the audit from now on. ``on_audit`` is told from
        the writer thread what the audit has come to, once it is written.
        ``on_notice`` is told in words, also from the writer thread, what was repaired without
        asking. ``on_trouble`` is told there when writing begins to fail, and when it works again
        (None). ``signature_threads`` check signatures beside the writer: by default one for each
        further core.
        """
        store = cls(directory, formats)
        store._clock_ms = clock_ms
        store.faults = TroubleWatch(clock_ms, on_trouble)
        store._verifies_all = verify == "all"
        store._on_audit = on_audit or _drop_notice
        with ExitStack() as opened:
            store._open_files(binding, views, on_notice or _drop_notice, opened)
            store._threads = SignatureThreads(signature_threads)
            opened.callback(store._threads.close)
            store._writer.start()
            opened.callback(store._writer.close)
            store._auditor = Auditor(store.log, formats, store._make_register())
            opened.callback(store._auditor.close)
            store._auditor.start()
            store.chainer = Chainer(formats[OWN_FORMAT], binding.hmac_key, on_notice=on_notice)
            opened.callback(store.chainer.close)
            store._opened = opened.pop_all()
        return store

    def close(self) -> None:
        """Finish all accepted work, close the files and let another process have the directory."""
        self._is_closed = True
        self._opened.close()

    # Messages

    def ingest(
        self,
        batch: Sequence[Candidate],
        *,
        source: FeedId | None = None,
        verifies_all: bool = True,
    ) -> Future[IngestResult]:
        """Check and keep messages, in order. The future fails with ``StoreWriteFailed``.

        Without ``verifies_all`` the signatures that a later one binds are left to the audit, and
        ``source``, the peer that sent these messages, answers for them.
        """
        verifies_all = verifies_all or self._verifies_all
        return self.chainer.pass_on(
            batch,
            lambda chained: self._writer.submit(
                self._ingesting, Claimed(chained, source, verifies_all), weight=len(batch)
            ),
        )

    def wait_audited(self) -> Future[None]:
        """Return a future for when every signature in the log now is checked."""
        return self._auditor.when_audited()

    def publish(
        self, contents: Sequence[bytes], identity: Identity, now_ms: float
    ) -> Future[list[Message]]:
        """Sign contents, JSON texts, as the next own messages: all of them, durably, or none.

        The future fails with ``ContentRefused``, ``PublishGuarded``, ``WrongIdentity``,
        ``OwnFeedForked``, ``OwnFeedUnaudited`` or ``StoreWriteFailed``.
        """
        asked = Publication(contents, identity, now_ms)
        return self._writer.submit(self._publishing, asked, weight=len(contents))

    def own(self) -> FeedId | None:
        """Return the feed that this directory is bound to, None before ``bind_own``."""
        return self._own

    def bind_own(self, feed: FeedId) -> None:
        """Bind the directory to the own feed, for good. Raises ``WrongIdentity``."""
        if self._own is None:
            self._submit(lambda: self._bind(feed)).result()
        if self._own != feed:
            assert self._own is not None, "the feed was just bound"
            raise WrongIdentity(self._own, feed)

    @property
    def trouble(self) -> Trouble | None:
        """Return why and since when writing fails, None while it works."""
        return self.faults.now

    # Views

    def contacts(self) -> list[Contact]:
        """Return who follows and blocks whom by every message in the log; may wait for folding."""
        self.wait_folded("contacts").result()
        return self.views.contacts()

    def contacts_of(self, messages: Iterable[Message]) -> tuple[Contact, ...]:
        """Return what messages say of following and blocking."""
        found = (parse_contact(message) for message in messages)
        return tuple(contact for contact in found if contact is not None)

    def wait_folded(self, *names: str) -> Future[None]:
        """Return a future for when these views, or all, show everything that is in the log now."""
        return self._wait_for(names, (1, self.log.last_no))

    def wait_newest(self, *names: str) -> Future[None]:
        """Return a future for when these views, or all, show what came into the log last.

        That is soon, however much else is not folded yet.
        """
        last_no = self.log.last_no
        return self._wait_for(names, (max(1, last_no - NEWEST_ROWS + 1), last_no))

    def _wait_for(self, names: tuple[str, ...], interval: Interval) -> Future[None]:
        folded = self._engine.folded()
        wanted = frozenset(names or folded)
        first, last = interval
        answer: Future[None] = Future()
        if all(first_gap(folded[name], last, first) is None for name in wanted):
            answer.set_result(None)
        else:
            self._submit(lambda: self._engine.when_folded(wanted, interval, answer))
        return answer

    def rebuild(self, names: Sequence[str]) -> Future[None]:
        """Empty these views, so that they are folded anew from the whole log."""
        return self._submit(lambda: self._engine.rebuild(names))

    def hold_folding(self, is_held: bool = True) -> None:
        """Leave folding for later, but for what somebody waits for; or take it up again."""
        self._submit(lambda: self._engine.hold(is_held))

    # In the writer thread

    def _ingest(self, tasks: Sequence[Task[Claimed, IngestResult]]) -> None:
        log = self._log_writer
        claims = [task.asked for task in tasks]
        self._is_deciding = True
        try:
            with self.faults.watching(is_proof=False), writing():
                decided = decide(claims, self.formats, log, self._threads, self._own)
                log.append(
                    decided.messages, decided.forks, decided.unaudited, now_ms=self._clock_ms()
                )
        finally:
            self._is_deciding = False
        if decided.messages:
            self.faults.note(None)
        self._auditor.grew(len(decided.messages), decided.doubted)
        if any(log.is_audited(feed, sequence) for feed, sequence in decided.doubted):
            self.faults.note_fault(StoreReadFailed(DAMAGED))  # it held once
        for task, result in zip(tasks, decided.results, strict=True):
            task.future.set_result(result)

    def _publish(self, tasks: Sequence[Task[Publication, list[Message]]]) -> None:
        ready: list[Task[Publication, list[Message]]] = []
        for task in tasks:
            try:
                self._may_publish(task.asked.identity.id)
            except StoreError as error:
                task.future.set_exception(error)
            else:
                ready.append(task)
        made = publish_all(
            ready, self.formats[OWN_FORMAT], self._log_writer, self._threads, self._clock_ms()
        )
        for task in ready:
            if task.asked.contents:
                self.faults.note(task.future.exception())
        if made:
            self.local.note_published(LogEnd(self.log.last_no, made[-1].key))

    def _may_publish(self, feed: FeedId) -> None:
        if self.local.guard().is_guarded:
            raise PublishGuarded
        if self._own is None:
            self._bind(feed)
        elif self._own != feed:
            raise WrongIdentity(self._own, feed)

    def _bind(self, feed: FeedId) -> None:
        if self._own is None:
            with writing():
                bind_feed(self._log_writer, feed)
            self._own = feed

    def _views_damaged(self, reason: str) -> None:
        self._engine.is_doubted = True
        self._submit(lambda: self._engine.start_again(reason))

    def _fold(self) -> float | None:
        return self._engine.fold_slice()

    def _make_register(self) -> AuditRegister:
        return AuditRegister(
            self.log,
            self._log_writer,
            self._engine,
            self.local,
            lambda job: self._submit_write(job, self._auditing),
            self._on_audit,
            lambda: self._is_deciding or self._ingesting.since is not None,
        )

    def _submit(self, job: Job) -> Future[None]:
        return self._writer.submit(self._noting, job)

    def _submit_write(self, job: Job, lane: Lane[Job, None] | None = None) -> Future[None]:
        def write() -> None:
            with self.faults.watching(), writing():
                job()

        return self._writer.submit(lane or self._noting, write)

    # Opening

    def _open_files(
        self,
        binding: Binding,
        views: Sequence[View],
        on_notice: Callable[[str], None],
        opened: ExitStack,
    ) -> None:
        directory = self.directory
        with opening(directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened.callback(DirectoryLock(directory).release)
        # Before anything is brought forward: an older version could not go back to half of it.
        refuse_newer_files(directory)
        with opening(directory / LOG_FILE):
            self._open_log(binding, opened)
        is_local_new = is_absent(directory / LOCAL_FILE)
        with opening(directory / LOCAL_FILE):
            self._open_local(opened)
        with opening(directory / BLOBS_FOLDER):
            self.blobs = Blobs.open(directory / BLOBS_FOLDER)
        with opening(directory / LOG_FILE):
            if self._is_other_log(is_local_new):
                on_notice("This log is not the one this folder had; publishing waits for peers.")
                self.local.note_replaced_log()
            # What goes wrong with views.db itself is mended, so that a fault here is the log's.
            self._engine = FoldEngine(
                directory / VIEWS_FILE, self.log, views, on_notice, self.own, self.faults.note_fault
            )
        opened.callback(self._engine.close)
        self.views = Views(self.log, self._engine, self._views_damaged)

    def _open_log(self, binding: Binding, opened: ExitStack) -> None:
        db = open_for_writing(self.directory / LOG_FILE, LOG_SCHEMA)
        opened.callback(db.close, True)
        self.log = Log(self.directory / LOG_FILE, self.faults.note_fault)
        opened.callback(self.log.close)
        self._log_writer = LogWriter(db, self.log)
        check_binding(self.directory, self._log_writer, binding)
        self._own = bound_feed(self._log_writer)

    def _open_local(self, opened: ExitStack) -> None:
        db = open_for_writing(self.directory / LOCAL_FILE, LOCAL_SCHEMA)
        opened.callback(db.close, True)
        readers = Readers(self.directory / LOCAL_FILE, self.faults.note_fault)
        opened.callback(readers.close)
        self.local = Local(db, readers, self._submit_write, self._flush_log)

    def _is_other_log(self, is_local_new: bool) -> bool:
        """Tell whether the log was put here without this machine's memory of it, or shortened."""
        if is_local_new:
            return self.log.last_no > 0
        end = self.local.log_end
        if end is None or end.received_no == 0:
            return False
        found = self.log.at_numbers([end.received_no])
        return not found or found[0].key != end.key

    def _flush_log(self) -> LogEnd:
        self._log_writer.flush()
        newest = self.log.before(self.log.last_no + 1, 1)
        return LogEnd(newest[0].received_no, newest[0].key) if newest else LogEnd(0, "")


def _drop_notice(_news: object) -> None:
    """Nobody asked to be told."""
