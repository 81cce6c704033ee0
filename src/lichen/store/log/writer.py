"""The write side of the log, for the writer thread: transactions, and the memory kept level."""

from collections.abc import Mapping, Sequence

import apsw

from lichen.feed.message import FeedId, FeedState, ForkProof, MsgId
from lichen.feed.refs import is_feed_id, msg_id_from_bytes, msg_key_bytes
from lichen.store.errors import DAMAGED, StoreReadFailed
from lichen.store.ingest.values import Kept, Unaudited
from lichen.store.log.reader import Log, LogRow
from lichen.store.log.stretches import Stretches, with_stretches, without
from lichen.store.schema import Schema, durable, immediate

LOG_SCHEMA = Schema(
    name="log",
    application_id=0x4C63_6C6F,
    page_bytes=8192,
    steps=(
        """
        CREATE TABLE meta(name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE feeds(
            feed_no INTEGER PRIMARY KEY, feed TEXT NOT NULL UNIQUE, format TEXT NOT NULL) STRICT;
        CREATE TABLE messages(
            received_no INTEGER PRIMARY KEY,
            feed_no INTEGER NOT NULL,
            sequence INTEGER NOT NULL,
            key BLOB NOT NULL,
            received_ms REAL NOT NULL,
            data BLOB NOT NULL) STRICT;
        CREATE INDEX messages_by_key ON messages(substr(key, 1, 8));
        CREATE UNIQUE INDEX messages_by_feed ON messages(feed_no, sequence);
        CREATE TABLE forks(
            feed_no INTEGER PRIMARY KEY, sequence INTEGER NOT NULL,
            first_key BLOB NOT NULL, first_data BLOB NOT NULL,
            second_key BLOB NOT NULL, second_data BLOB NOT NULL) STRICT;
        """,
        """
        CREATE TABLE unaudited(
            feed_no INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
            source TEXT, PRIMARY KEY(feed_no, first)) STRICT, WITHOUT ROWID;
        """,
    ),
)

NUMBERS_FREE = 1_000_000
"""Numbers that a log may have given to messages that it has no more, however short it is."""
RECEIVED_STEPS_PER_MS = 1000
"""Receive times are whole numbers of such steps, and no two are the same: they order the log."""


class LogWriter:
    """The write side, for the writer thread alone: transactions, and the memory kept level."""

    __slots__ = ("_db", "_last_ms", "_log", "_states")

    def __init__(self, db: apsw.Connection, log: Log) -> None:
        self._db = db
        self._log = log
        self._states: dict[FeedId, FeedState] = {}
        is_sound = is_possible(log.last_no, log.count())
        if not is_sound or not all(is_feed_id(feed) for feed, _ in log._feeds.values()):
            raise StoreReadFailed(DAMAGED)
        self._last_ms: float = db.execute(
            "SELECT ifnull((SELECT received_ms FROM messages ORDER BY received_no DESC LIMIT 1), 0)"
        ).get

    def state(self, feed: FeedId) -> FeedState | None:
        """Return where a feed stands in the log, None if nothing of it is held."""
        state = self._states.get(feed)
        if state is not None:
            return state
        sequence = self._log._clock.get(feed, 0)
        if sequence == 0:
            return None
        key = self._db.execute(
            "SELECT key FROM messages WHERE feed_no = ? AND sequence = ?",
            (self._log._feed_nos[feed], sequence),
        ).get
        state = self._states[feed] = FeedState(sequence, msg_id_from_bytes(key))
        return state

    def is_audited(self, feed: FeedId, sequence: int) -> bool:
        """Tell whether the signature of a message in the log was checked."""
        return self._log.is_audited(feed, sequence)

    def has_unaudited(self, feed: FeedId) -> bool:
        """Tell whether messages of a feed wait for the audit of their signatures."""
        return bool(self._log.unaudited(feed))

    def is_forked(self, feed: FeedId) -> bool:
        """Tell whether a fork of this feed is proved."""
        return feed in self._log._forked

    def fork_sequence(self, feed: FeedId) -> int | None:
        """Return at which sequence a feed is proved to be forked, None if it is not."""
        found: int | None = self._db.execute(
            "SELECT sequence FROM forks WHERE feed_no = ?", (self._log._feed_nos.get(feed),)
        ).get
        return found

    def held(self, feed: FeedId, sequence: int) -> tuple[MsgId, bytes] | None:
        """Return key and text of a message in the log."""
        row = self._db.execute(
            "SELECT key, data FROM messages WHERE feed_no = ? AND sequence = ?",
            (self._log._feed_nos.get(feed), sequence),
        ).fetchone()
        return None if row is None else (msg_id_from_bytes(row[0]), row[1])

    def append(
        self,
        messages: Sequence[Kept],
        forks: Sequence[ForkProof] = (),
        unaudited: Sequence[Unaudited] = (),
        *,
        now_ms: float,
        is_durable: bool = False,
    ) -> None:
        """Write messages, each following the last of its feed, and proofs of forks, or nothing.

        ``unaudited``: the stretches of these messages whose signatures are not checked yet.
        ``is_durable``: they have reached the disk itself when this returns.
        """
        if not messages and not forks:
            return
        log = self._log
        number = log._last_no
        last_step = round(self._last_ms * RECEIVED_STEPS_PER_MS)
        before = max(round(now_ms * RECEIVED_STEPS_PER_MS) - 1, last_step)
        with durable(self._db) if is_durable else immediate(self._db):
            new_feeds = self._add_feeds(messages, forks)
            feed_nos = {**log._feed_nos, **new_feeds} if new_feeds else log._feed_nos
            rows: list[LogRow] = [
                (
                    number + place, feed_nos[message.author], message.sequence,
                    msg_key_bytes(message.key), (before + place) / RECEIVED_STEPS_PER_MS,
                    message.data,
                )
                for place, message in enumerate(messages, 1)
            ]  # fmt: skip
            self._db.executemany("INSERT INTO messages VALUES(?,?,?,?,?,?)", rows)
            self._db.executemany(
                "INSERT OR IGNORE INTO forks VALUES(?,?,?,?,?,?)",
                [_fork_row(feed_nos, fork) for fork in forks],
            )
            stretches = with_stretches(log._unaudited, unaudited)
            self._write_stretches(feed_nos, stretches)
        if rows:
            self._last_ms = rows[-1][4]
        log._feed_nos.update(new_feeds)
        # Before the clock: what it says then is never taken for audited.
        self._remember_stretches(stretches)
        self._remember(messages, forks, number + len(rows))

    def mark_audited(self, checked: Sequence[tuple[FeedId, int, int]]) -> None:
        """Note that all signatures hold of some feeds' messages, from the first to the last."""
        log = self._log
        changed: dict[FeedId, Stretches] = {}
        for feed, first, last in checked:
            held = changed[feed] if feed in changed else log.unaudited(feed)
            changed[feed] = without(held, first, last)
        with immediate(self._db):
            self._write_stretches(log._feed_nos, changed)
        self._remember_stretches(changed)

    def numbers_from(self, feed: FeedId, sequence: int) -> list[int]:
        """Return the ``received_no`` of a feed's messages from one on."""
        return [
            number
            for (number,) in self._db.execute(
                "SELECT received_no FROM messages WHERE feed_no = ? AND sequence >= ?"
                " ORDER BY sequence",
                (self._log._feed_nos[feed], sequence),
            )
        ]

    def newest_but(self, feed: FeedId, sequence: int) -> tuple[int, MsgId] | None:
        """Return number and key of the newest message that a cut of this feed would leave."""
        row = self._db.execute(
            "SELECT received_no, key FROM messages WHERE feed_no <> ? OR sequence < ?"
            " ORDER BY received_no DESC LIMIT 1",
            (self._log._feed_nos[feed], sequence),
        ).fetchone()
        return None if row is None else (row[0], msg_id_from_bytes(row[1]))

    def cut(self, feed: FeedId, sequence: int) -> None:
        """Take away a feed's messages from one on, durably: a signature did not hold.

        With them goes the proof of a fork that follows: the feed may come again, up to there.
        """
        log = self._log
        number = log._feed_nos[feed]
        left = without(log.unaudited(feed), sequence, log.received(feed))
        with durable(self._db):
            self._db.execute("REPLACE INTO meta VALUES('last_no', ?)", (log._last_no,))
            self._db.execute(
                "DELETE FROM messages WHERE feed_no = ? AND sequence >= ?", (number, sequence)
            )
            self._db.execute(
                "DELETE FROM forks WHERE feed_no = ? AND sequence >= ?", (number, sequence)
            )
            is_forked = self.fork_sequence(feed) is not None
            self._write_stretches(log._feed_nos, {feed: left})
        self._states.pop(feed, None)
        if not is_forked:
            log._forked.discard(feed)
        # The clock goes back first, so that nobody takes what is gone for audited.
        if sequence > 1:
            log._clock[feed] = sequence - 1
        else:
            log._clock.pop(feed, None)
        log._cuts += 1
        self._remember_stretches({feed: left})

    def flush(self) -> None:
        """Return once every message in the log has reached the disk itself."""
        # A durable transaction flushes the write-ahead log with all that stood in it before.
        with durable(self._db):
            self._db.execute("REPLACE INTO meta VALUES('flushed_at', ?)", (self._last_ms,))

    def meta(self, name: str) -> bytes | None:
        """Return one of the log's facts about itself."""
        found: bytes | None = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).get
        return found

    def set_meta(self, **facts: bytes) -> None:
        """Write facts about the log itself, durably."""
        with durable(self._db):
            self._db.executemany("REPLACE INTO meta VALUES(?,?)", facts.items())

    def _write_stretches(
        self, feed_nos: Mapping[FeedId, int], changed: Mapping[FeedId, Stretches]
    ) -> None:
        """Bring the table level with what the stretches of some feeds become."""
        gone: list[tuple[int, int]] = []
        rows: list[tuple[int, int, int, FeedId | None]] = []
        for feed, stretches in changed.items():
            number = feed_nos[feed]
            before = self._log._unaudited.get(feed, ())
            firsts = {stretch.first for stretch in stretches}
            gone += [(number, each.first) for each in before if each.first not in firsts]
            rows += [
                (number, each.first, each.last, each.source)
                for each in stretches
                if each not in before
            ]
        self._db.executemany("DELETE FROM unaudited WHERE feed_no = ? AND first = ?", gone)
        self._db.executemany("INSERT OR REPLACE INTO unaudited VALUES(?,?,?,?)", rows)

    def _remember_stretches(self, changed: Mapping[FeedId, Stretches]) -> None:
        for feed, stretches in changed.items():
            if stretches:
                self._log._unaudited[feed] = stretches
            else:
                self._log._unaudited.pop(feed, None)

    def _add_feeds(self, messages: Sequence[Kept], forks: Sequence[ForkProof]) -> dict[FeedId, int]:
        known = self._log._feed_nos
        new = {message.author: message.format for message in messages}
        new.update({fork.first.author: fork.first.format for fork in forks})
        added: dict[FeedId, int] = {}
        for feed, name in new.items():
            if feed not in known:
                self._db.execute("INSERT INTO feeds(feed, format) VALUES(?,?)", (feed, name))
                number = added[feed] = self._db.last_insert_rowid()
                # Readers may see the new rows from the moment they are committed. If they never
                # are, the number goes to the next new feed, and this entry with it.
                self._log._feeds[number] = (feed, name)
        return added

    def _remember(self, messages: Sequence[Kept], forks: Sequence[ForkProof], last_no: int) -> None:
        log = self._log
        for author, newest in {message.author: message for message in messages}.items():
            self._states[author] = FeedState(newest.sequence, newest.key)
            log._clock[author] = newest.sequence
        log._forked.update(fork.first.author for fork in forks)
        log._last_no = last_no


def is_possible(last_no: int, messages: int) -> bool:
    """Tell whether the last number of so many messages is one: numbers are given one by one.

    Only what an audit cuts off leaves a gap, which is little; whoever folds goes through gaps.
    """
    return 0 <= last_no <= 10 * messages + NUMBERS_FREE


def _fork_row(feed_nos: Mapping[FeedId, int], fork: ForkProof) -> tuple[int | bytes, ...]:
    return (
        feed_nos[fork.first.author], fork.first.sequence,
        msg_key_bytes(fork.first.key), fork.first.data,
        msg_key_bytes(fork.second.key), fork.second.data,
    )  # fmt: skip
