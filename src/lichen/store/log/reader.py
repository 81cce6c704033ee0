"""The read side of the log, and the clock in memory. Everything may be called from any thread."""

# ruff: noqa: S608 (only fixed texts and question marks are put into SQL)

from binascii import Error as Base64Error
from binascii import a2b_base64
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import apsw
import orjson

from lichen.feed.canonical import encode_string
from lichen.feed.message import FeedId, MsgId
from lichen.feed.refs import msg_id_from_bytes, msg_key_bytes
from lichen.store.ingest.values import Unaudited
from lichen.store.log.marks import feed_mark, message_mark
from lichen.store.log.stretches import Stretches, count, possible, with_stretches
from lichen.store.log.values import Stored, StoredFork
from lichen.store.schema import OnFault, Readers

_COLUMNS = "received_no, feed_no, sequence, m.key, received_ms, data"
_BY_KEY = "substr(key, 1, 8) = substr(?1, 1, 8) AND key = ?1"
"""The index holds the first bytes of keys only: written in no order at all, it has to be small. In
files that have one of whole keys the same question finds that."""
LogRow = tuple[int, int, int, bytes, float, bytes]
Texts = list[tuple[bytes, bytes]]


class Log:
    """The read side. Everything may be called from any thread."""

    __slots__ = (
        "_clock", "_cuts", "_feed_nos", "_feeds", "_forked", "_last_no", "_marked", "_readers",
        "_unaudited",
    )  # fmt: skip

    def __init__(self, path: Path, on_fault: OnFault | None = None) -> None:
        self._readers = Readers(path, on_fault)
        self._clock: dict[FeedId, int] = {}
        self._feeds: dict[int, tuple[FeedId, str]] = {}
        self._feed_nos: dict[FeedId, int] = {}
        self._marked: dict[int, FeedId] = {}
        self._forked: set[FeedId] = set()
        self._unaudited: dict[FeedId, Stretches] = {}
        self._cuts = 0
        self._last_no = 0
        with self._readers.lend() as db:
            for number, feed, name, last in db.execute(
                "SELECT feed_no, feed, format, (SELECT max(sequence) + 0"
                " FROM messages m WHERE m.feed_no = f.feed_no) FROM feeds f"
            ):
                self._feeds[number] = (FeedId(feed), name)
                self._feed_nos[FeedId(feed)] = number
                if last is not None:
                    self._clock[FeedId(feed)] = last
            forks = db.execute("SELECT feed FROM forks JOIN feeds USING (feed_no)")
            self._forked.update(FeedId(feed) for (feed,) in forks)
            waiting = (
                Unaudited(FeedId(feed), first, last, source)
                for feed, first, last, source in db.execute(
                    "SELECT feed, first, last, source FROM unaudited JOIN feeds USING (feed_no)"
                    " ORDER BY feed_no, first"
                )
            )
            self._unaudited.update(with_stretches({}, possible(waiting, self._clock)))
            # Numbers of messages that were cut off again are not given to others.
            self._last_no = db.execute(
                "SELECT max(ifnull((SELECT max(received_no) FROM messages), 0),"
                " ifnull((SELECT value FROM meta WHERE name = 'last_no'), 0))"
            ).get

    @property
    def last_no(self) -> int:
        """Return the ``received_no`` of the newest message, 0 for an empty log."""
        return self._last_no

    def received(self, feed: FeedId) -> int:
        """Return the sequence of the last message held of a feed, 0 for none. Never blocks."""
        return self._clock.get(feed, 0)

    def clock(self) -> Mapping[FeedId, int]:
        """Return feed to last held sequence as of now, for feeds with messages. Never blocks."""
        return MappingProxyType(self._clock.copy())

    def audited(self, feed: FeedId) -> int:
        """Return up to which message every signature of a feed was checked. Never blocks."""
        received = self._clock.get(feed, 0)
        stretches = self._unaudited.get(feed)
        if stretches:
            return stretches[0].first - 1
        # What was cut off in between was taken from the clock first.
        return min(received, self._clock.get(feed, 0))

    def is_audited(self, feed: FeedId, sequence: int) -> bool:
        """Tell whether the signature of a message in the log was checked. Never blocks."""
        stretches = self._unaudited.get(feed, ())
        return not any(each.first <= sequence <= each.last for each in stretches)

    def is_checked(self, stored: Stored) -> bool:
        """Tell whether a signature was checked: by the audit, or, beyond ASCII, on receipt."""
        return self.is_audited(stored.feed, stored.sequence) or not stored.data.isascii()

    @property
    def cuts(self) -> int:
        """Return how often the end of a feed was cut off since the log was opened."""
        return self._cuts

    def unaudited_feeds(self) -> list[FeedId]:
        """Return the feeds with messages that wait for the audit of their signatures."""
        return list(self._unaudited.copy())

    def unaudited(self, feed: FeedId) -> Stretches:
        """Return the stretches of a feed that wait for their audit, in order."""
        return self._unaudited.get(feed, ())

    def format_of(self, feed: FeedId) -> str:
        """Return the format of a feed in the log."""
        return self._feeds[self._feed_nos[feed]][1]

    def unaudited_count(self) -> int:
        """Return how many messages wait for the audit of their signatures. Never blocks."""
        return count(self._unaudited.copy().values())

    def count(self) -> int:
        """Return how many messages are in the log. Never blocks."""
        return sum(self._clock.copy().values())

    def is_forked(self, feed: FeedId) -> bool:
        """Tell whether a fork of this feed is proved: nothing is added to it any more."""
        return feed in self._forked

    def forked(self) -> frozenset[FeedId]:
        """Return all feeds with a proved fork."""
        return frozenset(self._forked)

    def fork(self, feed: FeedId) -> StoredFork | None:
        """Return the proof that a feed is forked."""
        with self._readers.lend() as db:
            row = db.execute(
                "SELECT sequence, first_key, first_data, second_key, second_data FROM forks"
                " WHERE feed_no = ?",
                (self._feed_nos.get(feed),),
            ).fetchone()
        if row is None:
            return None
        sequence, first, first_data, second, second_data = row
        first_key, second_key = msg_id_from_bytes(first), msg_id_from_bytes(second)
        return StoredFork(feed, sequence, first_key, first_data, second_key, second_data)

    def get(self, key: MsgId) -> Stored | None:
        """Return a message by its id."""
        found = self._select(f"WHERE {_BY_KEY}", (msg_key_bytes(key),))
        return found[0] if found else None

    def at(self, feed: FeedId, sequence: int) -> Stored | None:
        """Return a message by its place in its feed."""
        return next(iter(self.run(feed, sequence, sequence, 0)), None)

    def run(self, feed: FeedId, first: int, last: int, bytes_max: int) -> list[Stored]:
        """Return messages ``first`` to ``last`` of a feed, as many as fit: always one if any."""
        number = self._feed_nos.get(feed)
        if number is None:
            return []
        name = self._feeds[number][1]
        found: list[Stored] = []
        size = 0
        with self._readers.lend() as db:
            for no, sequence, key, received_ms, data in db.execute(
                "SELECT received_no, sequence, key, received_ms, data FROM messages"
                " WHERE feed_no = ? AND sequence BETWEEN ? AND ? ORDER BY sequence",
                (number, first, last),
            ):
                size += len(data)
                if found and size > bytes_max:
                    break
                found.append(
                    Stored(no, msg_id_from_bytes(key), feed, sequence, received_ms, data, name)
                )
        return found

    def run_texts(self, feed: FeedId, first: int, last: int, bytes_max: int) -> Texts:
        """Return keys and texts alone of ``run``: what is sent to peers that want plain values."""
        found: Texts = []
        size = 0
        with self._readers.lend() as db:
            for key, data in db.execute(
                "SELECT key, data FROM messages"
                " WHERE feed_no = ? AND sequence BETWEEN ? AND ? ORDER BY sequence",
                (self._feed_nos.get(feed), first, last),
            ):
                size += len(data)
                if found and size > bytes_max:
                    break
                found.append((key, data))
        return found

    def since(self, received_no: int, limit: int) -> list[Stored]:
        """Return up to ``limit`` messages received after ``received_no``, oldest first."""
        where = "WHERE received_no > ? ORDER BY received_no LIMIT ?"
        return self._select(where, (received_no, limit))

    def before(self, received_no: int, limit: int) -> list[Stored]:
        """Return up to ``limit`` messages received before ``received_no``, newest first."""
        where = "WHERE received_no < ? ORDER BY received_no DESC LIMIT ?"
        return self._select(where, (received_no, limit))

    def at_numbers(self, numbers: Sequence[int]) -> list[Stored]:
        """Return the messages with these ``received_no``, in the order asked for."""
        if not numbers:
            return []
        # One statement for all costs a quarter of one for each.
        with self._readers.lend() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM json_each(?) n"
                " CROSS JOIN messages m ON received_no = n.value",
                (orjson.dumps(numbers).decode(),),
            )
            return list(self._stored(rows))

    def with_keys(self, keys: Collection[MsgId]) -> dict[MsgId, Stored]:
        """Return those messages with these ids that are in the log."""
        found = self.with_marks(list(map(message_mark, keys))).values()
        return {stored.key: stored for stored in found if stored.key in keys}

    def with_marks(self, marks: Collection[bytes]) -> dict[bytes, Stored]:
        """Return those messages with these marks (``marks.py``) that are in the log."""
        if not marks:
            return {}
        with self._readers.lend() as db:
            rows: Iterable[LogRow] = db.execute(
                f"SELECT {_COLUMNS} FROM json_each(?) k CROSS JOIN messages m"
                " ON substr(m.key, 1, 8) = unhex(substr(k.value, 1, 16))"
                " AND substr(m.key, 1, 16) = unhex(k.value)",
                (orjson.dumps([mark.hex() for mark in marks]).decode(),),
            )
            return {message_mark(stored.key): stored for stored in self._stored(rows)}

    def between(
        self, first: int, last: int, types: Sequence[str] | None = None
    ) -> Iterator[Stored]:
        """Yield messages by ``received_no``, both ends included, oldest first.

        With ``types``, only messages whose text has one of these types somewhere, which nearly
        always is their own: a quick sieve, not an answer.
        """
        sieve = ""
        marks: list[bytes] = []
        if types is not None:
            sieve = f"AND ({' OR '.join(['instr(data, ?)'] * len(types)) or 'FALSE'})"
            # Stored text is canonical, so a member has one spelling.
            marks = [b'"type":' + encode_string(kind).encode() for kind in types]
        with self._readers.lend() as db:
            yield from self._stored(
                db.execute(
                    f"SELECT {_COLUMNS} FROM messages m"
                    f" WHERE received_no BETWEEN ? AND ? {sieve} ORDER BY received_no",
                    (first, last, *marks),
                )
            )

    def numbers_of(
        self, feed: FeedId, *, after: int, before: int, limit: int, newest_first: bool
    ) -> list[int]:
        """Return the ``received_no`` of a feed's messages between two numbers, both left out."""
        direction = "DESC" if newest_first else "ASC"
        feed_no, last = self._feed_nos.get(feed), self._clock.get(feed, 0)
        with self._readers.lend() as db:

            def number_of(sequence: int) -> int:
                found: int | None = db.execute(
                    "SELECT received_no FROM messages INDEXED BY messages_by_feed"
                    " WHERE feed_no = ? AND sequence = ?",
                    (feed_no, sequence),
                ).get
                return 0 if found is None else found

            # A feed is received in the order of its sequence, so that both grow together: places
            # are found by halves, however deep in a long feed a page begins.
            feed_sequences = range(1, last + 1)
            first = bisect_right(feed_sequences, after, key=number_of) + 1 if after else 1
            if before <= self._last_no:
                last = bisect_left(feed_sequences, before, key=number_of)
            return [
                number
                for (number,) in db.execute(
                    "SELECT received_no FROM messages INDEXED BY messages_by_feed"
                    " WHERE feed_no = ? AND sequence BETWEEN ? AND ?"
                    f" ORDER BY sequence {direction} LIMIT ?",
                    (feed_no, first, last, limit),
                )
            ]

    def missing(self, keys: Sequence[MsgId], *, after: int | None = None) -> list[MsgId]:
        """Return those ids whose messages are not in the log.

        With ``after`` they are looked for first among the messages received after that number.
        """
        wanted = {msg_key_bytes(key).hex().upper(): key for key in keys}
        if not wanted:
            return []
        # One step of the database for all of them: between two, another thread may compute.
        with self._readers.lend() as db:
            if after is not None:
                recent: str | None = db.execute(
                    "SELECT group_concat(hex(key)) FROM messages WHERE received_no > ?", (after,)
                ).get
                for held in (recent or "").split(","):
                    wanted.pop(held, None)
            rows = db.execute(
                "SELECT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM messages"
                " WHERE substr(key, 1, 8) = unhex(substr(value, 1, 16)) AND key = unhex(value))",
                (orjson.dumps([*wanted]).decode(),),
            )
            return [wanted[key] for (key,) in rows]

    def last_no_at(self, received_ms: float) -> int:
        """Return the ``received_no`` of the last message received at or before a time, or 0."""
        with self._readers.lend() as db:

            def received_ms_of(number: int) -> float:
                found: float | None = db.execute(
                    "SELECT received_ms FROM messages WHERE received_no >= ?"
                    " ORDER BY received_no LIMIT 1",
                    (number,),
                ).get
                return float("inf") if found is None else found

            return bisect_right(range(1, self._last_no + 1), received_ms, key=received_ms_of)

    def ids_with_prefix(self, prefix: str, limit: int) -> list[MsgId]:
        """Return up to ``limit`` message ids that begin like ``prefix``, with or without ``%``."""
        wanted = prefix.removeprefix("%")
        base64 = wanted.removesuffix(".sha256")[:43]
        try:
            low = a2b_base64(base64.ljust(43, "A") + "=")
            high = a2b_base64(base64.ljust(43, "/") + "=")
        except (Base64Error, ValueError):
            return []
        with self._readers.lend() as db:
            found = [
                msg_id_from_bytes(key)
                for (key,) in db.execute(
                    "SELECT key FROM messages"
                    " WHERE substr(key, 1, 8) BETWEEN substr(?1, 1, 8) AND substr(?2, 1, 8)"
                    " AND key BETWEEN ?1 AND ?2 ORDER BY key LIMIT ?3",
                    (low, high, limit),
                )
            ]
        return [key for key in found if key[1:].startswith(wanted)]

    def feeds_with_prefix(self, prefix: str, limit: int) -> list[FeedId]:
        """Return up to ``limit`` held feeds that begin like ``prefix``, with or without ``@``."""
        wanted = "@" + prefix.removeprefix("@")
        return sorted(feed for feed in self._clock.copy() if feed.startswith(wanted))[:limit]

    def feed_of(self, mark: int) -> FeedId | None:
        """Return the feed in the log that has a mark (``marks.py``). Never blocks."""
        if mark not in self._marked:
            self._marked = {feed_mark(feed): feed for feed, _ in self._feeds.copy().values()}
        return self._marked.get(mark)

    def damage(self) -> str:
        """Read the whole file and return what is damaged in it, nothing if all is well."""
        with self._readers.lend() as db:
            found = [str(words) for (words,) in db.execute("PRAGMA quick_check(3)")]
        return "" if found == ["ok"] else "; ".join(found)

    def close(self) -> None:
        """Close the reading connections."""
        self._readers.close()

    def _select(self, where: str, bindings: tuple[object, ...]) -> list[Stored]:
        with self._readers.lend() as db:
            rows = db.execute(f"SELECT {_COLUMNS} FROM messages m {where}", bindings)
            return list(self._stored(rows))

    def _stored(self, rows: Iterable[LogRow]) -> Iterator[Stored]:
        try:
            for no, feed_no, sequence, key, received_ms, data in rows:
                feed, name = self._feeds[feed_no]
                yield Stored(no, msg_id_from_bytes(key), feed, sequence, received_ms, data, name)
        except (KeyError, TypeError) as error:
            raise apsw.CorruptError from error  # such a number is that of no feed
