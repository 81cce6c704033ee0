"""The fold engine: brings what is in the log into views, slice by slice, in the writer thread.

Rows and the note of what is folded are one transaction, so a crash costs nothing but that. It
spans several slices: each is short, so that nobody who writes waits long, and pages that many
slices touch are written once. A view whose notes disagree with the log (a power cut shortened it,
another log lies there), whose version changed, or whose file is damaged is thrown away and folded
anew. A message that makes a fold fail is set aside with the reason, and folding goes on.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from pathlib import Path

import apsw

from lichen.feed.message import FeedId
from lichen.feed.refs import msg_key_bytes
from lichen.store.errors import NewerFormat, StoreClosed, StoreError, Unreadable, reason_of
from lichen.store.log import Log
from lichen.store.schema import (
    Readers,
    delete_database,
    durable,
    immediate,
    open_for_writing,
)
from lichen.store.views.cursors import Cursor, ViewProgress, agreed
from lichen.store.views.intervals import Interval, first_gap
from lichen.store.views.order import Order, Slice, Wanted
from lichen.store.views.rows import FoldRow, UnfoldingView, View, decode_row
from lichen.store.views.tables import VIEWS_SCHEMA, create_tables, drop_tables

COMMIT_ROWS = 20_000
"""Messages folded in one transaction at most: some 0.5 s of work that a crash would cost."""
COMMIT_S = 1.0
"""How long what is folded may be hidden from readers."""
CACHE_KIB = 65_536
"""Pages kept in memory while folding, which touches pages everywhere; given back afterwards."""
CHECKPOINT_PAGES = 16_384
"""Pages of the write-ahead log (64 MiB) at which it is moved to the file: most of them are written
several times while much is folded, and only the last time counts."""
_FAULTS_OF_A_FOLD = (
    apsw.SQLError,
    apsw.ConstraintError,
    apsw.MismatchError,
    apsw.TooBigError,
    apsw.RangeError,
    apsw.BindingsError,
)
RETRY_S = 5.0
"""How long to wait after the disk refused a slice."""


class _FoldError(Exception):
    """A message made a fold fail where it could not be undone alone."""


def _nobody() -> FeedId | None:
    """Nobody has told yet whose peer this is."""
    return None


class FoldEngine:
    """Owns views.db. Everything but ``folded`` and ``progress`` is for the writer thread.

    ``own`` tells whose peer this is. ``is_doubted``: a reader met damage, and the writer has not
    come to it yet.
    """

    def __init__(
        self,
        path: Path,
        log: Log,
        views: Sequence[View],
        on_notice: Callable[[str], None],
        own: Callable[[], FeedId | None] = _nobody,
        on_fault: Callable[[StoreError], None] | None = None,
    ) -> None:
        self._path = path
        self._log = log
        self._on_notice = on_notice
        self._on_fault = on_fault
        self._cursors = {view.name: Cursor(view) for view in views}
        assert len(self._cursors) == len(views), "two views share a name"
        self._order = Order(tuple(self._cursors.values()), log, own)
        self._waiting: list[tuple[Wanted, Future[None]]] = []
        self._told_faulty: set[str] = set()
        self._is_held = False
        self._is_careful = False
        self._unwritten = 0
        self._begun_at = 0.0
        self.is_doubted = False
        self._db = self._open()
        self._is_cache_full = False
        self.readers = Readers(path)

    def folded(self) -> dict[str, tuple[Interval, ...]]:
        """Return what each view has folded. From any thread."""
        if self.is_doubted:
            return dict.fromkeys(self._cursors, ())
        return {name: cursor.folded for name, cursor in self._cursors.items()}

    def progress(self) -> list[ViewProgress]:
        """Return how far each view is, and at what pace. From any thread."""
        total = self._log.last_no
        if self.is_doubted:
            return [
                ViewProgress(name, 0, total, title=cursor.title)
                for name, cursor in self._cursors.items()
            ]
        return [cursor.progress(total) for cursor in self._cursors.values()]

    def changes(self, name: str) -> int:
        """Return a number that grows whenever a view's rows may have changed. From any thread."""
        return self._cursors[name].changes

    def hold(self, is_held: bool) -> None:
        """Fold only what somebody waits for, or (False) everything again."""
        self._is_held = is_held

    def when_folded(self, names: frozenset[str], interval: Interval, future: Future[None]) -> None:
        """Answer the future once the views show an interval of the log."""
        self._waiting.append((Wanted(names, interval), future))
        self._answer()

    def fold_slice(self) -> float | None:
        """Fold a little; return after how many seconds to go on, None if all is done."""
        is_done = False
        # Whoever has given up waiting decides no longer what comes first.
        self._waiting = [each for each in self._waiting if not each[1].cancelled()]
        try:
            waiting = [wanted for wanted, _ in self._waiting]
            chosen = self._order.next(self._db, waiting, is_held=self._is_held)
            if chosen is not None:
                self._fold(chosen)
            if chosen is None or self._is_writing_due():
                self._write()
            is_done = chosen is None
            if is_done and self._is_cache_full:
                self._db.release_memory()
                self._is_cache_full = False
        except _FoldError:
            # From now on, so that a message that makes a fold fail slows nothing down twice.
            self._fall_back()
            self._is_careful = True
        except (apsw.CorruptError, apsw.NotADBError) as error:
            self.start_again(reason_of(error))
        except apsw.Error as error:
            self._fall_back()
            self._on_notice(f"Views cannot be brought up to date: {reason_of(error)}.")
            return RETRY_S
        except StoreError as error:
            # The log itself cannot be read here: nobody shall wait for what may never come.
            self._fall_back()
            self._on_notice(f"Views cannot be brought up to date: {error}")
            if self._on_fault is not None:
                self._on_fault(error)
            waiters, self._waiting = self._waiting, []
            for _, future in waiters:
                if future.set_running_or_notify_cancel():
                    future.set_exception(error)
            return RETRY_S
        self._answer()
        return None if is_done else 0.0

    def is_behind(self) -> bool:
        """Tell whether there is something to fold now. From any thread."""
        if self._is_held and not self._waiting:
            return False
        last_no = self._log.last_no
        return any(first_gap(cursor.folded, last_no) for cursor in self._cursors.values())

    def rebuild(self, names: Sequence[str]) -> None:
        """Empty these views; they are folded anew from the whole log."""
        try:
            self._write()
            for name in names:
                self._make_view(self._db, self._cursors[name])
        except (apsw.CorruptError, apsw.NotADBError) as error:
            self.start_again(reason_of(error))

    def forget(self, numbers: Sequence[int]) -> None:
        """Take messages out of the views, durably, before they leave the log for good.

        Their numbers count as folded: nothing will ever have them again.
        """
        try:
            self._write()
            gone = [cursor for cursor in self._cursors.values() if cursor.holds_any(numbers)]
            with durable(self._db):
                for cursor in gone:
                    if isinstance(cursor.view, UnfoldingView):
                        cursor.view.unfold(self._db, numbers)
                        cursor.forget(self._db, numbers)
                    else:
                        drop_tables(self._db, cursor.view.name)
                        create_tables(self._db, cursor.view)
        except (apsw.CorruptError, apsw.NotADBError) as error:
            self.start_again(reason_of(error))
            return
        for cursor in gone:
            if not isinstance(cursor.view, UnfoldingView):
                name = cursor.view.name
                cursor.restart()
                self._on_notice(f"View {name} is made anew without messages that were cut.")

    def start_again(self, reason: str) -> None:
        """Throw the file away in the middle of a run: it turned out to be damaged."""
        self._db.close(True)
        self._unwritten = 0
        for cursor in self._cursors.values():
            cursor.restart()
        self._db = _with_room(self._make_anew(f"The views are damaged: {reason}."))
        self._prepare(self._db)
        self.readers.renew()
        self.is_doubted = False

    def close(self) -> None:
        """Close views.db; whoever still waits is told so."""
        for _, future in self._waiting:
            if future.set_running_or_notify_cancel():
                future.set_exception(StoreClosed())
        self._waiting.clear()
        try:
            self._write()
        except apsw.Error as error:
            self._on_notice(f"Views cannot be brought up to date: {reason_of(error)}.")
        self.readers.close()
        self._db.close(True)

    def _fold(self, chosen: Slice) -> None:
        types: set[str] = set()
        is_typed = True
        for cursor in chosen.cursors:
            is_typed = is_typed and cursor.types is not None
            types |= cursor.types or set()
        rows = [
            decode_row(stored)
            for stored in self._log.between(*chosen.interval, sorted(types) if is_typed else None)
        ]
        keys = self._keys_at(chosen.interval)
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")
            self._begun_at = time.monotonic()
        wanted = {
            cursor: rows if of is None else [row for row in rows if row.type in of]
            for cursor, of in ((cursor, cursor.types) for cursor in chosen.cursors)
        }
        for cursor, its_rows in wanted.items():
            self._fold_view(cursor.view, its_rows)
        for cursor, its_rows in wanted.items():
            cursor.reach(chosen.interval, keys, has_rows=bool(its_rows))
        self._unwritten += max(len(rows), 1)

    def _is_writing_due(self) -> bool:
        if self._unwritten >= COMMIT_ROWS or time.monotonic() - self._begun_at >= COMMIT_S:
            return True
        return any(self._is_reached(wanted) for wanted, _ in self._waiting)

    def _is_reached(self, wanted: Wanted) -> bool:
        """Tell whether what somebody waits for is folded, be it written or not."""
        first, last = wanted.interval
        reached = (self._cursors[name].reached for name in wanted.names)
        return all(first_gap(intervals, last, first) is None for intervals in reached)

    def _write(self) -> None:
        """Write what is folded, and let everybody see it."""
        if not self._db.in_transaction:
            return
        for cursor in self._cursors.values():
            cursor.write(self._db)
        self._db.execute("COMMIT")
        self._is_cache_full = self._is_cache_full or self._unwritten > COMMIT_ROWS // 2
        self._unwritten = 0
        for cursor in self._cursors.values():
            cursor.written(self._log.last_no)

    def _fall_back(self) -> None:
        """Give up what is folded and could not be written."""
        # A full disk may have ended the transaction already.
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._unwritten = 0
        for cursor in self._cursors.values():
            cursor.fall_back()

    def _fold_view(self, view: View, rows: Sequence[FoldRow]) -> None:
        if not rows:
            return
        try:
            # A savepoint costs as much as the fold: SQLite keeps a copy of each page it touches.
            with _savepoint(self._db) if self._is_careful else nullcontext():
                view.fold(self._db, rows)
        except Exception as fault:
            # A fold is an app's and meets any content; but the disk's faults are nobody's message.
            if isinstance(fault, apsw.Error) and not isinstance(fault, _FAULTS_OF_A_FOLD):
                raise
            if not self._is_careful:
                raise _FoldError from fault
            if len(rows) > 1:
                for row in rows:
                    self._fold_view(view, (row,))
                return
            self._set_aside(view, rows[0], fault)

    def _set_aside(self, view: View, row: FoldRow, fault: Exception) -> None:
        """Note that a message makes a fold fail."""
        self._db.execute(
            "INSERT OR REPLACE INTO view_faults VALUES(?,?,?)",
            (view.name, row.received_no, f"{type(fault).__name__}: {fault}"[:200]),
        )
        if view.name not in self._told_faulty:
            self._told_faulty.add(view.name)
            self._on_notice(
                f"View {view.name} sets message {row.key} aside: {type(fault).__name__}."
            )

    def _keys_at(self, interval: Interval) -> dict[int, bytes]:
        """Return the keys of an interval's ends; an empty one where no message is."""
        found = {one.received_no: one.key for one in self._log.at_numbers(interval)}
        return {
            number: msg_key_bytes(found[number]) if number in found else b"" for number in interval
        }

    def _answer(self) -> None:
        still: list[tuple[Wanted, Future[None]]] = []
        for wanted, future in self._waiting:
            first, last = wanted.interval
            folded = (self._cursors[name].folded for name in wanted.names)
            if any(first_gap(intervals, last, first) for intervals in folded):
                still.append((wanted, future))
            elif future.set_running_or_notify_cancel():
                future.set_result(None)
        self._waiting = still

    def _open(self) -> apsw.Connection:
        try:
            db = open_for_writing(self._path, VIEWS_SCHEMA)
        except (Unreadable, NewerFormat) as error:
            db = self._make_anew(str(error))
        try:
            self._prepare(db)
        except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError) as error:
            db.close(True)
            db = self._make_anew(f"The views cannot be read: {reason_of(error)}.")
            self._prepare(db)
        return _with_room(db)

    def _make_anew(self, words: str) -> apsw.Connection:
        self._on_notice(f"{words} The views are made anew from the log.")
        delete_database(self._path)
        return open_for_writing(self._path, VIEWS_SCHEMA)

    def _prepare(self, db: apsw.Connection) -> None:
        """Make each view's tables unless they are there in its version and agree with the log."""
        for cursor in self._cursors.values():
            view = cursor.view
            version = db.execute(
                "SELECT version FROM view_versions WHERE view = ?", (view.name,)
            ).get
            held = agreed(db, view.name, self._log) if version == view.version else None
            if held is not None:
                cursor.restart(*held)
                continue
            if version == view.version:
                self._on_notice(f"View {view.name} disagrees with the log and is made anew.")
            self._make_view(db, cursor)

    def _make_view(self, db: apsw.Connection, cursor: Cursor) -> None:
        with immediate(db):
            drop_tables(db, cursor.view.name)
            create_tables(db, cursor.view)
        cursor.restart()


def _with_room(db: apsw.Connection) -> apsw.Connection:
    """Give a connection the memory that folding a whole log needs."""
    db.pragma("cache_size", -CACHE_KIB)
    db.wal_autocheckpoint(CHECKPOINT_PAGES)
    return db


@contextmanager
def _savepoint(db: apsw.Connection) -> Iterator[None]:
    db.execute("SAVEPOINT fold")
    try:
        yield
        db.execute("RELEASE fold")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK TO fold")
            db.execute("RELEASE fold")
        raise
