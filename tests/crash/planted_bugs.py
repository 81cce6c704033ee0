"""Bugs of keeping, planted on purpose, to see whether power cuts find them.

Each takes a ``MonkeyPatch``. They are what one forgets: a flush, an order, a generation, a check.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import pytest

from lichen.store import blobs, local, publish, schema
from lichen.store import store as stores
from lichen.store.audit.auditor import Auditor
from lichen.store.audit.register import AuditRegister
from lichen.store.local import Local, LogEnd
from lichen.store.lock import DirectoryLock
from lichen.store.log import LogWriter
from lichen.store.log import writer as log_writer
from lichen.store.schema import immediate
from lichen.store.views import engine
from lichen.store.views.engine import FoldEngine
from lichen.store.views.intervals import with_interval

Patch = pytest.MonkeyPatch
TOLD_EARLY_S = 0.03
"""How long before it is written a message is told of: long enough to be killed in between."""


def _nothing(*_args: Any, **_options: Any) -> None:
    return None


def _change_opening(patch: Patch, change: Callable[[apsw.Connection], None]) -> None:
    """Have something done to each database that is opened for writing."""

    def open_for_writing(path: Path, wanted: schema.Schema) -> apsw.Connection:
        db = schema.open_for_writing(path, wanted)
        change(db)
        return db

    patch.setattr(stores, "open_for_writing", open_for_writing)
    patch.setattr(engine, "open_for_writing", open_for_writing)


# Flushes


def nothing_is_ever_flushed(patch: Patch) -> None:
    _change_opening(patch, lambda db: db.pragma("synchronous", "off"))
    patch.setattr(log_writer, "durable", immediate)
    patch.setattr(local, "durable", immediate)


def own_messages_are_not_flushed(patch: Patch) -> None:
    append = LogWriter.append

    def append_lazily(
        self: LogWriter, *args: Any, is_durable: bool = False, **options: Any
    ) -> None:
        append(self, *args, **options)

    patch.setattr(LogWriter, "append", append_lazily)


def whose_log_it_is_is_not_flushed(patch: Patch) -> None:
    def set_meta(self: LogWriter, **facts: bytes) -> None:
        with immediate(self._db):
            self._db.executemany("REPLACE INTO meta VALUES(?,?)", facts.items())

    patch.setattr(LogWriter, "set_meta", set_meta)


def the_log_is_not_flushed_at_a_clean_end(patch: Patch) -> None:
    patch.setattr(LogWriter, "flush", _nothing)


def the_guard_is_not_flushed(patch: Patch) -> None:
    write = Local._write_guard

    def write_lazily(self: Local, guard: Any) -> None:
        with pytest.MonkeyPatch.context() as lazily:
            lazily.setattr(local, "durable", immediate)
            write(self, guard)

    patch.setattr(Local, "_write_guard", write_lazily)


def the_log_is_moved_to_its_file_unflushed(patch: Patch) -> None:
    def checkpoint(db: apsw.Connection, name: str, _pages: int) -> int:
        db.pragma("synchronous", "off")
        db.wal_checkpoint(name, apsw.SQLITE_CHECKPOINT_PASSIVE)
        db.pragma("synchronous", "normal")
        return apsw.SQLITE_OK

    _change_opening(patch, lambda db: db.set_wal_hook(checkpoint))


def blobs_are_named_before_they_are_flushed(patch: Patch) -> None:
    members = {**vars(os), "fsync": _nothing}
    patch.setattr(blobs, "os", SimpleNamespace(**members))


def names_of_blobs_are_not_flushed(patch: Patch) -> None:
    patch.setattr(blobs, "_sync_directory", _nothing)


# The order of things


def own_messages_are_told_before_they_are_written(patch: Patch) -> None:
    def publish_all(
        tasks: Sequence[Any], feed_format: Any, log: LogWriter, threads: Any, now_ms: float
    ) -> None:
        for task in tasks:
            head = publish._head_of(task.asked.identity.id, feed_format, log)
            messages = publish._make(task.asked, feed_format, head, threads)
            task.future.set_result(messages)
            time.sleep(TOLD_EARLY_S)
            log.append(messages, now_ms=now_ms, is_durable=True)

    patch.setattr(stores, "publish_all", publish_all)


def views_are_noted_before_they_are_folded(patch: Patch) -> None:
    write, fold_view = FoldEngine._write, FoldEngine._fold_view
    waiting: list[tuple[Any, Any]] = []

    def write_first(self: FoldEngine) -> None:
        write(self)
        while waiting:
            view, rows = waiting.pop()
            with immediate(self._db):
                fold_view(self, view, rows)

    patch.setattr(FoldEngine, "_write", write_first)
    patch.setattr(FoldEngine, "_fold_view", lambda _self, view, rows: waiting.append((view, rows)))


# What is remembered of other times


def a_run_is_not_marked(patch: Patch) -> None:
    def begin_run(self: Local) -> bool:
        return self._is_clean

    patch.setattr(Local, "begin_run", begin_run)


def the_mark_of_a_run_is_not_flushed(patch: Patch) -> None:
    write = Local._write_run

    def write_lazily(self: Local, *, is_dirty: bool) -> None:
        with pytest.MonkeyPatch.context() as lazily:
            lazily.setattr(local, "durable", immediate)
            write(self, is_dirty=is_dirty)

    patch.setattr(Local, "_write_run", write_lazily)


def a_run_is_marked_as_ended_too_early(patch: Patch) -> None:
    begin = Local.begin_run

    def begin_and_end(self: Local) -> bool:
        is_clean = begin(self)
        self._submit(lambda: self._write_run(is_dirty=False))
        return is_clean

    patch.setattr(Local, "begin_run", begin_and_end)


def old_clocks_are_of_the_same_generation(patch: Patch) -> None:
    begin = Local.begin_run

    def begin_run(self: Local) -> bool:
        if not self._is_clean:
            self._generation -= 1
        return begin(self)

    patch.setattr(Local, "begin_run", begin_run)


def views_are_not_compared_with_the_log(patch: Patch) -> None:
    def agreed(db: apsw.Connection, name: str, _log: Any) -> Any:
        intervals: tuple[tuple[int, int], ...] = ()
        keys: dict[int, bytes] = {}
        for first, first_key, last, last_key in db.execute(
            "SELECT first, first_key, last, last_key FROM view_folded WHERE view = ?", (name,)
        ):
            intervals = with_interval(intervals, (first, last))
            keys |= {first: first_key, last: last_key}
        return intervals, keys

    patch.setattr(engine, "agreed", agreed)


def notes_are_written_in_any_order(patch: Patch) -> None:
    """Each note once more, later: an old one comes back over a newer one."""
    write = Local._write
    late: list[tuple[Any, ...]] = []

    def write_late(
        self: Local, sql: str, *bindings: Any, is_durable: bool = False
    ) -> "Future[None]":
        late.append((sql, *bindings))
        if len(late) > 2:
            write(self, *late.pop(0))
        return write(self, "SELECT 1")

    patch.setattr(Local, "_write", write_late)


def the_lock_stays(patch: Patch) -> None:
    def lock(_descriptor: int, _operation: int) -> None:
        raise BlockingIOError

    take = DirectoryLock.__init__

    def take_unless_there(self: DirectoryLock, directory: Path) -> None:
        if (directory / "lock").exists() and (directory / "lock").read_text():
            patch.setattr(fcntl, "flock", lock)
        take(self, directory)

    patch.setattr(DirectoryLock, "__init__", take_unless_there)


# The audit


def signatures_are_not_checked(patch: Patch) -> None:
    patch.setattr(Auditor, "_first_bad", _nothing)


def what_waits_for_the_audit_is_not_written_down(patch: Patch) -> None:
    patch.setattr(LogWriter, "_write_stretches", _nothing)


def views_keep_what_is_cut_off(patch: Patch) -> None:
    patch.setattr(FoldEngine, "forget", _nothing)


def clocks_are_kept_when_a_feed_is_cut(patch: Patch) -> None:
    patch.setattr(Local, "note_cut", _nothing)


def the_log_is_cut_before_the_views_let_go(patch: Patch) -> None:
    cut = LogWriter.cut

    def cut_first(self: AuditRegister, piece: Any, sequence: int) -> None:
        if piece.cuts == self._log.cuts:
            numbers = self._writer.numbers_from(piece.feed, sequence)
            newest = self._writer.newest_but(piece.feed, sequence)
            self._writer.flush()
            cut(self._writer, piece.feed, sequence)
            self._local.note_cut(LogEnd(0, "") if newest is None else LogEnd(*newest), ())
            self._engine.forget(numbers)

    patch.setattr(AuditRegister, "_cut", cut_first)


def the_log_is_not_flushed_before_a_cut(patch: Patch) -> None:
    cut = AuditRegister._cut

    def cut_at_once(self: AuditRegister, piece: Any, sequence: int) -> None:
        with pytest.MonkeyPatch.context() as lazily:
            lazily.setattr(LogWriter, "flush", _nothing)
            cut(self, piece, sequence)

    patch.setattr(AuditRegister, "_cut", cut_at_once)


# Transactions


def steps_of_a_format_are_written_one_by_one(patch: Patch) -> None:
    @contextmanager
    def no_transaction(_db: apsw.Connection) -> Iterator[None]:
        yield

    migrate = schema._check_and_migrate

    def check_and_migrate(*args: Any) -> None:
        with pytest.MonkeyPatch.context() as loosely:
            loosely.setattr(schema, "immediate", no_transaction)
            migrate(*args)

    patch.setattr(schema, "_check_and_migrate", check_and_migrate)


BUGS: Mapping[str, Callable[[Patch], None]] = {
    name: plant
    for name, plant in list(globals().items())
    if callable(plant) and getattr(plant, "__module__", "") == __name__ and name[0] != "_"
}
