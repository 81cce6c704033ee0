"""The fold engine: brings what is in the log into views, slice by slice, in the writer thread.

Rows and the note of what is folded are one transaction, so a crash costs nothing but the slice. A
view whose notes disagree with the log (a power cut shortened it, another log lies there), whose
version changed, or whose file is damaged is thrown away and folded anew. A message that makes a
fold fail is set aside with the reason, and folding goes on.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import apsw

from lichen.feed.refs import msg_key_bytes
from lichen.store.errors import NewerFormat, StoreClosed, StoreError, Unreadable, reason_of
from lichen.store.log import Log
from lichen.store.schema import (
    Readers,
    Schema,
    delete_database,
    durable,
    immediate,
    open_for_writing,
)
from lichen.store.views.intervals import Interval, first_gap, with_interval
from lichen.store.views.rows import FoldRow, TypedView, UnfoldingView, View, decode_row

VIEWS_SCHEMA = Schema(
    name="views",
    application_id=0x4C63_7677,
    steps=(
        """
        CREATE TABLE view_versions(view TEXT PRIMARY KEY, version INTEGER NOT NULL);
        CREATE TABLE view_tables(name TEXT PRIMARY KEY, view TEXT NOT NULL);
        CREATE TABLE view_folded(
            view TEXT NOT NULL, first INTEGER NOT NULL, first_key BLOB NOT NULL,
            last INTEGER NOT NULL, last_key BLOB NOT NULL, PRIMARY KEY(view, first));
        CREATE TABLE view_faults(
            view TEXT NOT NULL, received_no INTEGER NOT NULL, fault TEXT NOT NULL,
            PRIMARY KEY(view, received_no));
        """,
    ),
)

SLICE_ROWS = 400
"""Messages folded in one transaction: some 15 ms in which the writer does nothing else."""
SCAN_ROWS = 20_000
"""Messages looked through at once for the few types that a lagging view asks for."""
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


class _Cursor:
    """A view, and what of the log it holds."""

    __slots__ = ("folded", "types", "view")

    def __init__(self, view: View) -> None:
        self.view = view
        self.types = view.types if isinstance(view, TypedView) else None
        self.folded: tuple[Interval, ...] = ()


class FoldEngine:
    """Owns views.db. Everything but ``folded`` is for the writer thread.

    ``is_doubted``: a reader met damage, and the writer has not come to it yet.
    """

    def __init__(
        self, path: Path, log: Log, views: Sequence[View], on_notice: Callable[[str], None]
    ) -> None:
        self._path = path
        self._log = log
        self._on_notice = on_notice
        self._cursors = {view.name: _Cursor(view) for view in views}
        assert len(self._cursors) == len(views), "two views share a name"
        self._waiting: list[tuple[frozenset[str], int, Future[None]]] = []
        self._told_faulty: set[str] = set()
        self._is_held = False
        self.is_doubted = False
        self._db = self._open()
        self.readers = Readers(path)

    def folded(self) -> dict[str, tuple[Interval, ...]]:
        """Return what each view has folded. From any thread."""
        if self.is_doubted:
            return dict.fromkeys(self._cursors, ())
        return {name: cursor.folded for name, cursor in self._cursors.items()}

    def hold(self, is_held: bool) -> None:
        """Fold only what somebody waits for, or (False) everything again."""
        self._is_held = is_held

    def when_folded(self, names: frozenset[str], future: Future[None]) -> None:
        """Answer the future once the views show everything that is in the log now."""
        self._waiting.append((names, self._log.last_no, future))
        self._answer()

    def fold_slice(self) -> float | None:
        """Fold a little; return after how many seconds to go on, None if all is done."""
        names, last_no = self._wanted()
        chosen = self._choose(names, last_no)
        if chosen is None:
            self._answer()
            return None
        cursors, gap = chosen
        try:
            self._fold(cursors, gap)
        except (apsw.CorruptError, apsw.NotADBError) as error:
            self.start_again(reason_of(error))
        except apsw.Error as error:
            self._on_notice(f"Views cannot be brought up to date: {reason_of(error)}.")
            return RETRY_S
        except StoreError as error:
            # The log itself cannot be read here: nobody shall wait for what may never come.
            self._on_notice(f"Views cannot be brought up to date: {error}")
            waiting, self._waiting = self._waiting, []
            for _, _, future in waiting:
                if future.set_running_or_notify_cancel():
                    future.set_exception(error)
            return RETRY_S
        self._answer()
        return 0.0

    def is_behind(self) -> bool:
        """Tell whether there is something to fold now. From any thread."""
        names, last_no = self._wanted()
        return any(first_gap(self._cursors[name].folded, last_no) for name in names)

    def forget(self, numbers: Sequence[int]) -> None:
        """Take messages out of the views, durably, before they leave the log for good.

        Their numbers count as folded: nothing will ever have them again.
        """
        gone = [cursor for cursor in self._cursors.values() if _holds_any(cursor.folded, numbers)]
        anew = [cursor for cursor in gone if not isinstance(cursor.view, UnfoldingView)]
        try:
            with durable(self._db):
                for cursor in gone:
                    if isinstance(cursor.view, UnfoldingView):
                        cursor.view.unfold(self._db, numbers)
                        _forget_numbers(self._db, cursor.view.name, numbers)
                    else:
                        _drop(self._db, cursor.view.name)
                        _create(self._db, cursor.view)
        except (apsw.CorruptError, apsw.NotADBError) as error:
            self.start_again(reason_of(error))
            return
        for cursor in anew:
            cursor.folded = ()
            self._on_notice(f"View {cursor.view.name} is made anew without messages that were cut.")

    def start_again(self, reason: str) -> None:
        """Throw the file away in the middle of a run: it turned out to be damaged."""
        self._db.close(True)
        for cursor in self._cursors.values():
            cursor.folded = ()
        self._db = self._make_anew(f"The views are damaged: {reason}.")
        self._prepare(self._db)
        self.readers.renew()
        self.is_doubted = False

    def rebuild(self, names: Sequence[str]) -> None:
        """Empty these views; they are folded anew from the whole log."""
        try:
            for name in names:
                cursor = self._cursors[name]
                with immediate(self._db):
                    _drop(self._db, name)
                    _create(self._db, cursor.view)
                cursor.folded = ()
        except (apsw.CorruptError, apsw.NotADBError) as error:
            self.start_again(reason_of(error))

    def close(self) -> None:
        """Close views.db; whoever still waits is told so."""
        for _, _, future in self._waiting:
            if future.set_running_or_notify_cancel():
                future.set_exception(StoreClosed())
        self._waiting.clear()
        self.readers.close()
        self._db.close(True)

    def _wanted(self) -> tuple[frozenset[str], int]:
        """Return which views to fold, and up to where: awaited ones come first."""
        for names, last_no, _ in self._waiting:
            if any(first_gap(self._cursors[name].folded, last_no) for name in names):
                return names, last_no
        return frozenset() if self._is_held else frozenset(self._cursors), self._log.last_no

    def _choose(self, names: frozenset[str], last_no: int) -> tuple[list[_Cursor], Interval] | None:
        """Choose the oldest gap, and all wanted views that have it in common."""
        gaps = {}
        for name in names:
            gap = first_gap(self._cursors[name].folded, last_no)
            if gap is not None:
                gaps[name] = gap
        if not gaps:
            return None
        start = min(first for first, _ in gaps.values())
        end = min(last if first == start else first - 1 for first, last in gaps.values())
        return [self._cursors[name] for name, gap in gaps.items() if gap[0] == start], (start, end)

    def _fold(self, cursors: list[_Cursor], gap: Interval) -> None:
        types: set[str] = set()
        is_typed = True
        for cursor in cursors:
            is_typed = is_typed and cursor.types is not None
            types |= cursor.types or set()
        first, last = gap
        last = min(last, first + (SCAN_ROWS if is_typed else SLICE_ROWS) - 1)
        rows = [
            decode_row(stored)
            for stored in self._log.between(first, last, sorted(types) if is_typed else None)
        ]
        keys = self._keys_at(first, last)
        joined: dict[str, tuple[Interval, ...]] = {}
        with immediate(self._db):
            for cursor in cursors:
                if cursor.types is None:
                    self._fold_view(cursor.view, rows)
                else:
                    self._fold_view(cursor.view, [r for r in rows if r.type in cursor.types])
                joined[cursor.view.name] = with_interval(cursor.folded, (first, last))
                self._note(cursor, joined[cursor.view.name], dict(keys))
        for name, intervals in joined.items():
            self._cursors[name].folded = intervals

    def _keys_at(self, first: int, last: int) -> dict[int, bytes]:
        """Return the keys of two messages; empty where one was cut off and its number is no more.

        Cuts are durable, so whatever of the log a power cut takes came after such a number.
        """
        keys = {first: b"", last: b""}
        for stored in self._log.at_numbers((first, last)):
            keys[stored.received_no] = msg_key_bytes(stored.key)
        return keys

    def _fold_view(self, view: View, rows: Sequence[FoldRow]) -> None:
        if not rows:
            return
        try:
            with _savepoint(self._db):
                view.fold(self._db, rows)
        except Exception as fault:
            # A fold is an app's and meets any content; but the disk's faults are nobody's message.
            if isinstance(fault, apsw.Error) and not isinstance(fault, _FAULTS_OF_A_FOLD):
                raise
            if len(rows) > 1:
                for row in rows:
                    self._fold_view(view, (row,))
                return
            self._db.execute(
                "INSERT OR REPLACE INTO view_faults VALUES(?,?,?)",
                (view.name, rows[0].received_no, f"{type(fault).__name__}: {fault}"[:200]),
            )
            if view.name not in self._told_faulty:
                self._told_faulty.add(view.name)
                self._on_notice(f"View {view.name} sets message {rows[0].key} aside: {fault}.")

    def _note(self, cursor: _Cursor, joined: tuple[Interval, ...], keys: dict[int, bytes]) -> None:
        """Write down what a view has folded; ``keys`` are those of the ends that are new."""
        name = cursor.view.name
        for first, first_key, last, last_key in self._db.execute(
            "SELECT first, first_key, last, last_key FROM view_folded WHERE view = ?", (name,)
        ):
            keys[first], keys[last] = first_key, last_key
        self._db.execute("DELETE FROM view_folded WHERE view = ?", (name,))
        self._db.executemany(
            "INSERT INTO view_folded VALUES(?,?,?,?,?)",
            [(name, first, keys[first], last, keys[last]) for first, last in joined],
        )

    def _answer(self) -> None:
        still: list[tuple[frozenset[str], int, Future[None]]] = []
        for names, last_no, future in self._waiting:
            if any(first_gap(self._cursors[name].folded, last_no) for name in names):
                still.append((names, last_no, future))
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
        return db

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
            intervals = self._agreed(db, view.name) if version == view.version else None
            if intervals is not None:
                cursor.folded = intervals
                continue
            if version == view.version:
                self._on_notice(f"View {view.name} disagrees with the log and is made anew.")
            with immediate(db):
                _drop(db, view.name)
                _create(db, view)

    def _agreed(self, db: apsw.Connection, name: str) -> tuple[Interval, ...] | None:
        """Return what a view has folded, None if the log has other messages there."""
        intervals: tuple[Interval, ...] = ()
        for first, first_key, last, last_key in db.execute(
            "SELECT first, first_key, last, last_key FROM view_folded WHERE view = ?", (name,)
        ):
            if self._keys_at(first, last) != {first: first_key, last: last_key}:
                return None
            intervals = with_interval(intervals, (first, last))
        return intervals


def _tables(db: apsw.Connection) -> set[str]:
    return {
        name
        for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
    }


def _create(db: apsw.Connection, view: View) -> None:
    before = _tables(db)
    db.execute(view.schema)
    db.executemany(
        "INSERT INTO view_tables VALUES(?,?)",
        [(name, view.name) for name in sorted(_tables(db) - before)],
    )
    db.execute("INSERT INTO view_versions VALUES(?,?)", (view.name, view.version))


def _drop(db: apsw.Connection, name: str) -> None:
    """Drop a view's tables; a virtual table takes the ones behind it along."""
    kinds = db.execute(
        "SELECT s.name, s.type FROM sqlite_schema s JOIN view_tables t ON t.name = s.name"
        " WHERE t.view = ? ORDER BY s.sql LIKE 'CREATE VIRTUAL%' DESC",
        (name,),
    ).fetchall()
    for table, kind in kinds:
        if table in _tables(db):
            db.execute(f'DROP {kind} "{table}"')
    for notes in ("view_tables", "view_folded", "view_faults", "view_versions"):
        db.execute(f"DELETE FROM {notes} WHERE view = ?", (name,))  # noqa: S608 (fixed names)


def _holds_any(intervals: tuple[Interval, ...], numbers: Sequence[int]) -> bool:
    return any(first <= number <= last for first, last in intervals for number in numbers)


def _forget_numbers(db: apsw.Connection, name: str, numbers: Sequence[int]) -> None:
    """Note that a view's interval may end where no message is any more."""
    pairs = [(name, number) for number in numbers]
    for column, key in (("first", "first_key"), ("last", "last_key")):
        db.executemany(
            f"UPDATE view_folded SET {key} = x'' WHERE view = ? AND {column} = ?",  # noqa: S608
            pairs,
        )
    db.executemany("DELETE FROM view_faults WHERE view = ? AND received_no = ?", pairs)


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
