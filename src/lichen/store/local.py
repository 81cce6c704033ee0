"""Facts about this machine and this run: settings, peers, the publish guard, what is on the desk.

None of it can be derived from messages. Small facts are mirrored in memory, so that reading never
waits; writing goes through the writer thread. A peer's clock may be used only if nothing was lost
since it was saved, so clocks carry a generation: an unclean end of a run begins a new one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress

import apsw
import msgspec

from lichen.feed.canonical import JsonValue
from lichen.feed.message import BlobId, FeedId, MsgId
from lichen.store.desk import Desk, Draft, Submit
from lichen.store.schema import Readers, Schema, durable, immediate, only_row

LOCAL_SCHEMA = Schema(
    name="local",
    application_id=0x4C63_6C63,
    steps=(
        """
        CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE peer_clocks(
            peer TEXT PRIMARY KEY, generation INTEGER NOT NULL, clock TEXT NOT NULL) STRICT;
        CREATE TABLE addresses(
            address TEXT PRIMARY KEY, peer TEXT NOT NULL, autoconnect INTEGER NOT NULL,
            failures INTEGER NOT NULL) STRICT;
        CREATE TABLE guard(
            only INTEGER PRIMARY KEY CHECK (only = 1), is_guarded INTEGER NOT NULL,
            asked_peers TEXT NOT NULL) STRICT;
        CREATE TABLE run(
            only INTEGER PRIMARY KEY CHECK (only = 1), is_dirty INTEGER NOT NULL,
            generation INTEGER NOT NULL) STRICT;
        CREATE TABLE log_seen(
            only INTEGER PRIMARY KEY CHECK (only = 1), received_no INTEGER NOT NULL,
            key TEXT NOT NULL) STRICT;
        INSERT INTO guard VALUES(1, 0, '[]');
        INSERT INTO run VALUES(1, 0, 1);
        """,
        """
        CREATE TABLE read_marks(
            thread TEXT PRIMARY KEY, received_no INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE drafts(
            place TEXT PRIMARY KEY, text TEXT NOT NULL, saved_ms REAL NOT NULL)
            STRICT, WITHOUT ROWID;
        """,
        "ALTER TABLE addresses ADD COLUMN source TEXT NOT NULL DEFAULT 'address'",
        """
        CREATE TABLE pushes(blob TEXT PRIMARY KEY, peers TEXT NOT NULL) STRICT, WITHOUT ROWID;
        """,
        "CREATE TABLE distrusted(peer TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
    ),
)


UNSAVED_MAX = 1_000
"""Facts that wait in memory for room on the disk; beyond, the oldest are forgotten at the end."""
_LASTING = (apsw.FullError, apsw.IOError, apsw.ReadOnlyError, apsw.CantOpenError, apsw.BusyError)
"""Faults of the disk that pass: what met them is tried again."""


class SavedAddress(msgspec.Struct, frozen=True):
    """An entry of the address book. ``failures``: attempts since the peer was last reached.

    ``source``: how the peer was met, e.g. ``address`` (a person typed it) or ``lan``.
    """

    address: str
    peer: FeedId
    autoconnect: bool = True
    failures: int = 0
    source: str = "address"


class Guard(msgspec.Struct, frozen=True):
    """Whether publishing waits, and which peers were asked for the own feed meanwhile."""

    is_guarded: bool
    asked_peers: tuple[FeedId, ...] = ()


class LogEnd(msgspec.Struct, frozen=True):
    """The newest message of the log when a run ended well; number 0 for an empty log."""

    received_no: int
    key: str


_decode_clock = msgspec.json.Decoder(dict[FeedId, int]).decode
_decode_peers = msgspec.json.Decoder(tuple[FeedId, ...]).decode


class Local:
    """local.db. Reading is for any thread and never waits; saving returns a future to wait for."""

    __slots__ = (
        "_addresses", "_clocks", "_db", "_desk", "_distrusted", "_flush_log", "_generation",
        "_guard", "_is_clean", "_log_end", "_pushes", "_readers", "_settings", "_submit",
        "_unsaved",
    )  # fmt: skip

    def __init__(
        self,
        db: apsw.Connection,
        readers: Readers,
        submit: Submit,
        flush_log: Callable[[], LogEnd],
    ) -> None:
        self._db = db
        self._readers = readers
        self._submit = submit
        self._flush_log = flush_log
        self._settings: dict[str, JsonValue] = {
            name: msgspec.json.decode(value)
            for name, value in db.execute("SELECT name, value FROM settings")
        }
        self._addresses = {
            address: SavedAddress(address, FeedId(peer), bool(autoconnect), failures, source)
            for address, peer, autoconnect, failures, source in db.execute(
                "SELECT address, peer, autoconnect, failures, source FROM addresses"
            )
        }
        self._pushes = {
            BlobId(blob): _decode_peers(peers)
            for blob, peers in db.execute("SELECT blob, peers FROM pushes")
        }
        self._distrusted = {
            FeedId(peer): None for (peer,) in db.execute("SELECT peer FROM distrusted")
        }
        is_guarded, asked = only_row(db, "SELECT is_guarded, asked_peers FROM guard")
        self._guard = Guard(bool(is_guarded), _decode_peers(asked))
        is_dirty, self._generation = only_row(db, "SELECT is_dirty, generation FROM run")
        self._is_clean = not is_dirty
        row = db.execute("SELECT received_no, key FROM log_seen").get
        self._log_end = None if row is None else LogEnd(*row)
        self._clocks: dict[FeedId, Mapping[FeedId, int]] = {}
        self._unsaved: dict[tuple[str, str | float], tuple[str | float, ...]] = {}
        """Statements that the disk had no room for, in order, by what they are about."""
        self._desk = Desk(db, self._write, submit)

    # Settings

    def setting(self, name: str) -> JsonValue:
        """Return a setting, None if it was never set."""
        return self._settings.get(name)

    def settings(self) -> dict[str, JsonValue]:
        """Return all settings."""
        return dict(self._settings)

    def set_setting(self, name: str, value: JsonValue, *, is_durable: bool = False) -> Future[None]:
        """Keep a setting; None forgets it. ``is_durable``: it is on the disk itself in the end."""
        text = msgspec.json.encode(value).decode()
        if value is None:
            self._settings.pop(name, None)
            return self._write("DELETE FROM settings WHERE name = ?", name)
        self._settings[name] = value
        return self._write("REPLACE INTO settings VALUES(?,?)", name, text, is_durable=is_durable)

    # What was read and begun

    def read_to(self, thread: MsgId) -> int:
        """Return the ``received_no`` up to which a thread was read, 0 if it never was."""
        return self._desk.read_to(thread)

    def mark_read(self, thread: MsgId, received_no: int) -> Future[None]:
        """Note that a thread was read up to a message. A mark only ever moves forward."""
        return self._desk.mark_read(thread, received_no)

    def draft(self, place: str) -> Draft | None:
        """Return what was begun at a place, e.g. in a thread; None for nothing."""
        return self._desk.draft(place)

    def drafts(self) -> dict[str, Draft]:
        """Return all drafts by place, the one saved last first."""
        return self._desk.drafts()

    def save_draft(self, place: str, text: str, now_ms: float) -> Future[None]:
        """Keep what was begun at a place; an empty text drops it. Raises ``DraftRefused``."""
        return self._desk.save_draft(place, text, now_ms)

    def drop_draft(self, place: str) -> Future[None]:
        """Forget what was begun at a place: it was published, or given up."""
        return self._desk.drop_draft(place)

    # Peers

    def addresses(self) -> list[SavedAddress]:
        """Return the address book."""
        return list(self._addresses.values())

    def save_address(self, saved: SavedAddress) -> Future[None]:
        """Keep how a peer was met and reached, or how often it was not."""
        self._addresses[saved.address] = saved
        return self._write(
            "REPLACE INTO addresses(address, peer, autoconnect, failures, source)"
            " VALUES(?,?,?,?,?)",
            saved.address,
            saved.peer,
            int(saved.autoconnect),
            saved.failures,
            saved.source,
        )

    def forget_address(self, address: str) -> Future[None]:
        """Take an entry out of the address book."""
        self._addresses.pop(address, None)
        return self._write("DELETE FROM addresses WHERE address = ?", address)

    def load_clock(self, peer: FeedId) -> dict[FeedId, int]:
        """Return what a peer had when last seen, empty if that cannot be trusted any more."""
        waiting = self._clocks.get(peer)
        if waiting is not None:
            return dict(waiting)
        with self._readers.lend() as db:
            clock: str | None = db.execute(
                "SELECT clock FROM peer_clocks WHERE peer = ? AND generation = ?",
                (peer, self._generation),
            ).get
        with suppress(msgspec.MsgspecError):  # a damaged one is as good as none
            return {} if clock is None else _decode_clock(clock)
        return {}

    def save_clock(self, peer: FeedId, clock: Mapping[FeedId, int]) -> Future[None]:
        """Keep what a peer has."""
        self._clocks[peer] = clock

        def save() -> None:
            with immediate(self._db):
                self._db.execute(
                    "REPLACE INTO peer_clocks VALUES(?,?,?)",
                    (peer, self._generation, msgspec.json.encode(clock).decode()),
                )
            if self._clocks.get(peer) is clock:
                del self._clocks[peer]

        return self._submit(save)

    def distrusted(self) -> tuple[FeedId, ...]:
        """Return the peers that once sent what its author had not signed."""
        return tuple(self._distrusted)

    def trust(self, peer: FeedId) -> Future[None]:
        """Forget that a peer sent what its author had not signed."""
        self._distrusted.pop(peer, None)
        return self._write("DELETE FROM distrusted WHERE peer = ?", peer)

    # Blobs

    def pushes(self) -> dict[BlobId, tuple[FeedId, ...]]:
        """Return the blobs that others are to have, and which peers have them by now."""
        return dict(self._pushes)

    def save_push(self, blob: BlobId, peers: Sequence[FeedId]) -> Future[None]:
        """Keep which peers have a blob that others are to have."""
        self._pushes[blob] = tuple(peers)
        text = msgspec.json.encode(self._pushes[blob]).decode()
        return self._write("REPLACE INTO pushes VALUES(?,?)", blob, text)

    def forget_push(self, blob: BlobId) -> Future[None]:
        """Enough peers have a blob, or nobody is to have it any more."""
        self._pushes.pop(blob, None)
        return self._write("DELETE FROM pushes WHERE blob = ?", blob)

    # Publishing

    def guard(self) -> Guard:
        """Return whether publishing waits for the own feed."""
        return self._guard

    def save_guard(self, is_guarded: bool, asked_peers: Sequence[FeedId] = ()) -> Future[None]:
        """Close or open publishing. It counts at once, and is durable when the future resolves."""
        self._guard = Guard(is_guarded, tuple(asked_peers))
        return self._submit(lambda: self._write_guard(self._guard))

    # Runs

    def begin_run(self) -> bool:
        """Mark the run as open, durably; return whether the last one ended well.

        If it did not, all saved clocks are void: the log may have lost what a peer believes we
        have. Waits for the disk.
        """
        is_clean = self._is_clean
        self._is_clean = False
        if not is_clean:
            self._generation += 1
        self._submit(lambda: self._write_run(is_dirty=True)).result()
        return is_clean

    def end_run(self) -> Future[None]:
        """Mark the run as ended well, once everything in the log has reached the disk."""

        def end() -> None:
            self._write_all()
            self._write_log_end(self._flush_log())
            self._write_run(is_dirty=False)
            self._is_clean = True

        return self._submit(end)

    def distrust_clocks(self) -> Future[None]:
        """Make all saved clocks void, durably: the log was restored or healed."""
        self._generation += 1
        self._clocks.clear()
        return self._submit(lambda: self._write_run(is_dirty=True))

    @property
    def log_end(self) -> LogEnd | None:
        """Return a message that the log had for good: the newest own one, or the last of a run."""
        return self._log_end

    def note_published(self, end: LogEnd) -> None:
        """Note, unflushed, that the log ends with an own message. For the writer thread."""
        with suppress(*_LASTING):
            self._write_log_end(end, is_durable=False)

    def note_cut(self, end: LogEnd, sources: Iterable[FeedId]) -> None:
        """Before a cut, in the writer thread: trust no clock nor ``sources``; ``end`` is left."""
        for source in sources:
            self._distrusted[source] = None
            self._put("INSERT OR IGNORE INTO distrusted VALUES(?)", source, is_durable=True)
        self._generation += 1
        self._clocks.clear()
        self._write_run(is_dirty=not self._is_clean)
        if self._log_end is not None:
            self._write_log_end(end)

    def note_replaced_log(self) -> None:
        """Trust no clock and guard publishing: the log is not the one this machine wrote last.

        Called while the store opens, before the writer thread starts.
        """
        self._generation += 1
        self._write_run(is_dirty=not self._is_clean)
        self._write_log_end(None)
        # Numbers of receipt mean nothing in another log.
        self._desk.forget_all_marks()
        self._guard = Guard(is_guarded=True)
        self._write_guard(self._guard)

    def _write_guard(self, guard: Guard) -> None:
        with durable(self._db):
            self._db.execute(
                "UPDATE guard SET is_guarded = ?, asked_peers = ?",
                (int(guard.is_guarded), msgspec.json.encode(guard.asked_peers).decode()),
            )

    def _write_run(self, *, is_dirty: bool) -> None:
        with durable(self._db):
            self._db.execute(
                "UPDATE run SET is_dirty = ?, generation = ?", (int(is_dirty), self._generation)
            )

    def _write_log_end(self, end: LogEnd | None, *, is_durable: bool = True) -> None:
        with durable(self._db) if is_durable else immediate(self._db):
            self._db.execute("DELETE FROM log_seen")
            if end is not None:
                self._db.execute("INSERT INTO log_seen VALUES(1,?,?)", (end.received_no, end.key))
        self._log_end = end

    @property
    def has_unsaved(self) -> bool:
        """Tell whether something is kept in memory alone because the disk refused it."""
        return bool(self._unsaved)

    def save_again(self) -> Future[None]:
        """Try once more to write what the disk refused."""
        return self._submit(self._write_all)

    def _write(self, sql: str, *bindings: str | float, is_durable: bool = False) -> Future[None]:
        return self._submit(lambda: self._put(sql, *bindings, is_durable=is_durable))

    def _put(self, sql: str, *bindings: str | float, is_durable: bool) -> None:
        # What is in memory already is no less true because it could not be written.
        key = (sql, bindings[0])
        self._unsaved.pop(key, None)
        self._unsaved[key] = bindings
        while len(self._unsaved) > UNSAVED_MAX:
            del self._unsaved[next(iter(self._unsaved))]
        self._write_all(is_durable=is_durable)

    def _write_all(self, *, is_durable: bool = False) -> None:
        """Write what waits, in order, or nothing of it; it waits on then."""
        if not self._unsaved:
            return
        try:
            with durable(self._db) if is_durable else immediate(self._db):
                for (sql, _), bindings in self._unsaved.items():
                    self._db.execute(sql, bindings)
        except _LASTING:
            raise
        except apsw.Error:
            self._unsaved.popitem()  # not the disk's fault: it would stop all others for good
            raise
        self._unsaved.clear()
