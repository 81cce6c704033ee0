"""Healing a data directory that nobody uses: what holds is kept, the rest laid aside, never lost.

A damaged log is replaced by a new one (``rescue``); each feed in it ends before its first message
that does not hold, so that peers give the rest again. The old file and the messages that were not
taken over stay in the folder ``damaged``. Clocks of peers are void afterwards, for the log now has
less than they believe. If the own feed lost anything, or that cannot be told, publishing waits
until peers were asked for it: a lost own message that a peer has would fork the feed.
"""

# ruff: noqa: S608 (only names of our own tables and question marks are put into SQL)

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import apsw
import msgspec

from lichen.feed.formats import FeedFormat
from lichen.feed.message import FeedId
from lichen.store.binding import LOG_FILE
from lichen.store.blobs import BLOBS_FOLDER, find_blobs
from lichen.store.checking.signatures import SignatureThreads
from lichen.store.errors import DISK_FULL, StoreError, StoreWriteFailed, writing
from lichen.store.keeping.files import LOCAL_FILE, VIEWS_FILE, open_for_looking
from lichen.store.keeping.manifest import copying_to
from lichen.store.keeping.report import Damage, Depth, Healed, Progress, Report
from lichen.store.keeping.rescue import Rescue, Rescued
from lichen.store.keeping.walk import UNREADABLE
from lichen.store.local import LOCAL_SCHEMA
from lichen.store.schema import (
    delete_database,
    durable,
    immediate,
    is_absent,
    open_for_writing,
)
from lichen.words import N_

DAMAGED_FOLDER = "damaged"
ASIDE_FILE = "messages.jsonl"
_SPARE_BYTES = 16 << 20
"""Room that must be left beside the new log."""
_RESCUED_TABLES = ("settings", "addresses", "read_marks", "drafts", "pushes", "distrusted")
"""What of local.db is worth copying from a damaged one; clocks, guard and run begin anew."""
_DECODERS: Mapping[str, Callable[[Any], object]] = {
    "settings": msgspec.json.decode,
    "pushes": msgspec.json.Decoder(tuple[FeedId, ...]).decode,
}
"""What the second column of these tables has to be; other texts may be any."""


class Heal:
    """One healing; the caller holds the directory's lock."""

    def __init__(
        self, directory: Path, formats: Mapping[str, FeedFormat], threads: SignatureThreads
    ) -> None:
        self.result = Healed()
        self._directory = directory
        self._formats = formats
        self._threads = threads
        self._kept = directory / DAMAGED_FOLDER / time.strftime("%Y-%m-%d-%H%M%S", time.gmtime())

    def run(self, damages: Sequence[Damage]) -> Iterator[Progress]:
        """Mend what a full check found. Raises ``StoreWriteFailed``: the log is as it was."""
        try:
            with copying_to(self._directory):
                yield from self._mend(damages)
        except (StoreError, GeneratorExit):
            self._give_up()
            raise

    def _mend(self, damages: Sequence[Damage]) -> Iterator[Progress]:
        broken = {damage.place for damage in damages}
        rescued: Rescued | None = None
        is_guarded = False
        if broken & {"log", "feed", "fork"}:
            rescue = self._begin_rescue()
            yield from rescue.run()
            rescued = rescue.result
            is_guarded = _is_own_in_doubt(rescued, has_lost_log="log" in broken)
        if "local" in broken:
            self._mend_local()
            is_guarded = True
        if rescued is not None:
            # Before the new log is in its place: a crash in between asks once too often.
            note_changed_log(
                self._directory / LOCAL_FILE, is_guarded=is_guarded, is_renumbered=True
            )
            self._swap_log()
        if rescued is not None or "views" in broken:
            delete_database(self._directory / VIEWS_FILE)
        blobs = self._drop_blobs(damages)
        self.result = Healed(
            kept=str(self._kept) if self._kept.exists() else "",
            messages=rescued.messages if rescued else 0,
            aside=rescued.aside if rescued else 0,
            unread=rescued.unread if rescued else 0,
            cuts=rescued.cuts if rescued else (),
            blobs=blobs,
            is_log_new=rescued is not None,
            is_local_new="local" in broken,
            are_views_dropped=rescued is not None or "views" in broken,
            is_guarded=is_guarded,
        )

    @property
    def _new_log(self) -> Path:
        return self._directory / "log.new"

    @property
    def _new_local(self) -> Path:
        return self._directory / "local.new"

    def _begin_rescue(self) -> Rescue:
        log = self._directory / LOG_FILE
        free = shutil.disk_usage(self._directory).free
        needed = log.stat().st_size + _SPARE_BYTES
        if free < needed:
            raise StoreWriteFailed(
                DISK_FULL,
                N_(
                    "Healing writes a new log beside the old one: {size} MiB must be free.",
                    size=needed >> 20,
                ),
            )
        self._kept.mkdir(mode=0o700, parents=True)
        delete_database(self._new_log)  # an earlier healing that was broken off
        delete_database(self._new_log.with_suffix(".read"))
        return Rescue(log, self._new_log, self._kept / ASIDE_FILE, self._formats, self._threads)

    def _give_up(self) -> None:
        """Leave nothing that takes room; what was moved to the folder stays there."""
        for scratch in (self._new_log, self._new_log.with_suffix(".read"), self._new_local):
            delete_database(scratch)
        if not (self._kept / LOG_FILE).exists():
            (self._kept / ASIDE_FILE).unlink(missing_ok=True)
        with suppress(OSError):
            self._kept.rmdir()
            self._kept.parent.rmdir()

    def _swap_log(self) -> None:
        """Put the new log in the place of the old one, which stays in the folder beside it."""
        log = self._directory / LOG_FILE
        delete_database(self._new_log.with_suffix(".read"))
        _join_write_ahead_log(log)
        for suffix in ("-wal", "-shm"):
            # A new log must never find the pages of another one beside it.
            waiting = Path(f"{log}{suffix}")
            if waiting.exists():
                waiting.rename(self._kept / waiting.name)
        (self._kept / LOG_FILE).hardlink_to(log)
        self._new_log.replace(log)

    def _mend_local(self) -> None:
        """Move the damaged file away and take over what can be read of it."""
        path, scratch = self._directory / LOCAL_FILE, self._new_local
        delete_database(scratch)
        with (
            closing(open_for_writing(scratch, LOCAL_SCHEMA)) as new,
            suppress(*UNREADABLE),
            closing(open_for_looking(path)) as damaged,
        ):
            for table in _RESCUED_TABLES:
                _copy_table(damaged, new, table)
        note_changed_log(scratch, is_guarded=True, is_renumbered=False)
        self._kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        for suffix in ("", "-wal", "-shm"):
            old = Path(f"{path}{suffix}")
            if old.exists():
                old.rename(self._kept / old.name)
        scratch.replace(path)

    def _drop_blobs(self, damages: Sequence[Damage]) -> int:
        """Throw damaged blobs away: whoever has them gives them again."""
        damaged = {damage.blob for damage in damages if damage.blob is not None}
        files = [
            path for blob, path, _ in find_blobs(self._directory / BLOBS_FOLDER) if blob in damaged
        ]
        for path in files:
            path.unlink(missing_ok=True)
        return len(files)


def note_changed_log(path: Path, *, is_guarded: bool, is_renumbered: bool) -> None:
    """Make local.db fit a log that has lost something, or was put here from elsewhere.

    Clocks of peers are void; with ``is_guarded``, or where there is no memory at all, publishing
    waits for the own feed. ``is_renumbered``: read marks no longer mean the same messages.
    """
    is_guarded = is_guarded or is_absent(path)
    with closing(open_for_writing(path, LOCAL_SCHEMA)) as db, durable(db):
        db.execute("UPDATE run SET is_dirty = 1, generation = generation + 1")
        db.execute("DELETE FROM log_seen")
        if is_guarded:
            db.execute("UPDATE guard SET is_guarded = 1, asked_peers = '[]'")
        if is_renumbered:
            db.execute("DELETE FROM read_marks")


def settle_audit(directory: Path, report: Report) -> None:
    """Note what a full check proved: every signature holds, but for feeds that are damaged.

    The caller holds the directory's lock. A log of a format without audits is left alone.
    """
    if report.depth is not Depth.FULL or any(each.place == "log" for each in report.damages):
        return
    damaged = [each.feed for each in report.damages if each.feed is not None]
    if report.omitted:
        return
    with (
        writing(),
        closing(apsw.Connection(str(directory / LOG_FILE), flags=apsw.SQLITE_OPEN_READWRITE)) as db,
    ):
        if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'unaudited'").get is None:
            return
        marks = ",".join("?" * len(damaged))
        with immediate(db):
            db.execute(
                "DELETE FROM unaudited WHERE feed_no NOT IN"
                f" (SELECT feed_no FROM feeds WHERE feed IN ({marks}))",
                damaged,
            )


def _is_own_in_doubt(rescued: Rescued, *, has_lost_log: bool) -> bool:
    """Tell whether own messages may be missing: if rows of the log are, nobody knows whose."""
    is_cut = any(cut.feed == rescued.own for cut in rescued.cuts)
    return has_lost_log or rescued.unread > 0 or rescued.own is None or is_cut


def _join_write_ahead_log(path: Path) -> None:
    """Move what waits in the write-ahead log into the file, so that one file holds everything."""
    with (
        suppress(apsw.Error),
        closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as db,
    ):
        db.pragma("journal_mode", "delete")


def _is_sound(table: str, row: tuple[object, ...]) -> bool:
    """Tell whether a row says something."""
    decode = _DECODERS.get(table)
    try:
        if decode is not None:
            decode(row[1])
    except msgspec.MsgspecError:
        return False
    return True


def _copy_table(old: apsw.Connection, new: apsw.Connection, table: str) -> None:
    """Copy the rows of a table as far as they can be read."""
    names = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
    columns, marks = ", ".join(names), ",".join("?" * len(names))
    with immediate(new), suppress(*UNREADABLE):
        for row in old.execute(f"SELECT {columns} FROM {table}"):
            if _is_sound(table, row):
                with suppress(apsw.ConstraintError):
                    new.execute(f"INSERT OR REPLACE INTO {table} VALUES({marks})", row)
