"""Making a new log of what holds in a damaged one.

Only the texts are believed: each message that is readable, follows the one before it and bears its
author's signature goes into the new log, in the order of receipt and with its time. All others that
can be read are written to a file of JSON lines, in the form that ``lichen import`` reads, with the
reason. Columns and indexes of the old log count for nothing, so that damage there is healed too.
"""

import os
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO

import apsw
import msgspec

from lichen.feed.canonical import JsonValue, encode_compact
from lichen.feed.formats import FeedFormat
from lichen.feed.message import FeedId, Reason
from lichen.feed.refs import msg_key_bytes
from lichen.store.binding import is_binding
from lichen.store.checking.signatures import SignatureThreads
from lichen.store.keeping.check import is_fork_proved
from lichen.store.keeping.files import open_for_looking
from lichen.store.keeping.judge import Judge, Judged
from lichen.store.keeping.report import Cut, Progress
from lichen.store.keeping.walk import COLUMNS, UNREADABLE, Unread, last_number, walk
from lichen.store.log import LOG_SCHEMA
from lichen.store.log.writer import RECEIVED_STEPS_PER_MS
from lichen.store.schema import immediate, open_for_writing

PAGE_COUNT_AT = 28
"""Where the first page says how many pages there are (SQLite file format, 1.3)."""


class Rescued(msgspec.Struct):
    """What became of the messages of a damaged log."""

    messages: int = 0
    aside: int = 0
    unread: int = 0
    cuts: tuple[Cut, ...] = ()
    own: FeedId | None = None
    """The own feed, if the log says which, and it has messages."""


class Rescue:
    """Reads one log and writes a new one beside it."""

    def __init__(
        self,
        old: Path,
        new: Path,
        aside: Path,
        formats: Mapping[str, FeedFormat],
        threads: SignatureThreads,
    ) -> None:
        self.result = Rescued()
        self._old = old
        self._new = new
        self._aside = aside
        self._formats = formats
        self._threads = threads
        self._feed_nos: dict[FeedId, int] = {}
        self._last_no = 0
        self._last_ms = 0.0
        self._newest_read: dict[int, int] = {}
        self._counts: Counter[FeedId] = Counter()

    def run(self) -> Iterator[Progress]:
        """Do it; when this ends, both new files have reached the disk."""
        with (
            closing(open_for_writing(self._new, LOG_SCHEMA)) as new,
            closing(_open_damaged(self._old, self._new.with_suffix(".read"))) as old,
            self._aside.open("xb") as aside,
        ):
            new.pragma("synchronous", "off")  # it counts only when all of it is flushed below
            yield from self._copy(old, new, aside)
            aside.flush()
            os.fsync(aside.fileno())
        _sync(self._new)

    def _copy(
        self, old: apsw.Connection, new: apsw.Connection, aside: BinaryIO
    ) -> Iterator[Progress]:
        format_names = _format_names(old)
        judge = Judge(self._formats, format_names, self._threads)
        last = last_number(old, self._old)
        for rows in walk(old, last):
            if isinstance(rows, Unread):
                self.result.unread += rows.last - rows.first + 1
                continue
            judged = judge.judge(rows, checks_signatures=True)
            with immediate(new):
                self._keep(new, judged)
            for found in judged:
                _, feed_no, sequence, *_ = found.row
                self._newest_read[feed_no] = max(sequence, self._newest_read.get(feed_no, 0))
                if found.message is None:
                    self._put_aside(aside, found)
            yield Progress("rescue", rows[-1][0], last)
        self._find_missing(old, judge)
        with immediate(new):
            self._keep_facts(old, new)
            self._keep_forks(old, new, aside)
        self.result.cuts = tuple(
            Cut(feed, sequence, self._counts[feed]) for feed, sequence in judge.ended.items()
        )

    def _find_missing(self, old: apsw.Connection, judge: Judge) -> None:
        """Name the feeds whose last messages the index knows and nobody has read."""
        missing = 0
        with suppress(*UNREADABLE):
            for feed_no, feed, newest in old.execute(
                "SELECT feed_no, feed, max(sequence) FROM messages INDEXED BY messages_by_feed"
                " JOIN feeds USING (feed_no) GROUP BY feed_no"
            ):
                read = self._newest_read.get(feed_no, 0)
                if isinstance(newest, int) and read < newest:
                    missing += newest - read
                    judge.ended.setdefault(feed, read + 1)
        self.result.unread = max(self.result.unread, missing)

    def _keep(self, new: apsw.Connection, judged: list[Judged]) -> None:
        rows = []
        for found in judged:
            message = found.message
            if message is None:
                continue
            self._last_no += 1
            step = (round(self._last_ms * RECEIVED_STEPS_PER_MS) + 1) / RECEIVED_STEPS_PER_MS
            self._last_ms = max(found.row[4], step) if 0 < found.row[4] < 1e15 else step
            rows.append((
                self._last_no, self._feed_no(new, message.author, message.format),
                message.sequence, msg_key_bytes(message.key), self._last_ms, message.data,
            ))  # fmt: skip
        new.executemany("INSERT INTO messages VALUES(?,?,?,?,?,?)", rows)
        self.result.messages += len(rows)

    def _feed_no(self, new: apsw.Connection, feed: FeedId, name: str) -> int:
        number = self._feed_nos.get(feed)
        if number is None:
            new.execute("INSERT INTO feeds(feed, format) VALUES(?,?)", (feed, name))
            number = self._feed_nos[feed] = new.last_insert_rowid()
        return number

    def _put_aside(self, aside: BinaryIO, found: Judged) -> None:
        _, _, _, key, received_ms, data = found.row
        reason = found.reason or Reason.NOT_JSON
        aside.write(_line(key, data, received_ms, reason.value))
        self.result.aside += 1
        if found.author is not None:
            self._counts[found.author] += 1

    def _keep_facts(self, old: apsw.Connection, new: apsw.Connection) -> None:
        """Keep what the log says of itself, as far as it makes sense.

        Without an own feed the next start binds it anew, to the feed of the secret file.
        """
        facts: dict[object, object] = {}
        with suppress(*UNREADABLE):
            facts.update(old.execute("SELECT name, value FROM meta"))
        own = facts.pop("own", None)
        if isinstance(own, bytes) and own.decode("utf-8", "replace") in self._feed_nos:
            self.result.own = FeedId(own.decode())
            new.execute("REPLACE INTO meta VALUES('own', ?)", (own,))
        network_key, hmac_key = facts.get("network_key"), facts.get("hmac_key", b"")
        if is_binding(network_key, hmac_key):
            new.execute("REPLACE INTO meta VALUES('network_key', ?)", (network_key,))
            new.execute("REPLACE INTO meta VALUES('hmac_key', ?)", (hmac_key,))

    def _keep_forks(self, old: apsw.Connection, new: apsw.Connection, aside: BinaryIO) -> None:
        names = _format_names(old)
        with suppress(*UNREADABLE):
            for feed, number, sequence, *halves in old.execute(
                "SELECT feed, feed_no, sequence, first_key, first_data, second_key, second_data"
                " FROM forks JOIN feeds USING (feed_no)"
            ):
                name = names.get(number, "")
                if is_fork_proved(halves, self._formats.get(name), feed):
                    new.execute(
                        "INSERT INTO forks VALUES(?,?,?,?,?,?)",
                        (self._feed_no(new, feed, name), sequence, *halves),
                    )
                    continue
                for key, data in (halves[:2], halves[2:]):
                    if isinstance(key, bytes) and isinstance(data, bytes):
                        aside.write(_line(key, data, 0.0, Reason.FORKED.value))
                        self.result.aside += 1


def _line(key: bytes, data: bytes, received_ms: float, reason: str) -> bytes:
    """Return a message as a line of JSON: readable if its text is, else its bytes in base64."""
    head: dict[str, JsonValue] = {
        "key": f"%{b64encode(key).decode()}.sha256",
        "timestamp": received_ms,
        "reason": reason,
    }
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return encode_compact({**head, "bytes": b64encode(data).decode()}).encode() + b"\n"
    return encode_compact(head).encode()[:-1] + b',"value":' + data + b"}\n"


def _format_names(db: apsw.Connection) -> dict[int, str]:
    with suppress(*UNREADABLE):
        return dict(db.execute("SELECT feed_no, format FROM feeds"))
    return {}


def _open_damaged(path: Path, scratch: Path) -> apsw.Connection:
    """Open a log; where the first page is gone, a copy with the first page of a new log.

    Every log is made by the same statements, so its tables begin at the same pages.
    """
    db = open_for_looking(path)
    with suppress(*UNREADABLE):
        db.execute(f"SELECT {COLUMNS} FROM messages LIMIT 1").fetchall()  # noqa: S608 (fixed texts)
        return db
    db.close(True)
    open_for_writing(scratch, LOG_SCHEMA).close()
    page_bytes = LOG_SCHEMA.page_bytes
    first = bytearray(scratch.read_bytes()[:page_bytes])
    with path.open("rb") as damaged, scratch.open("wb") as mended:
        damaged.seek(page_bytes)
        mended.seek(page_bytes)
        while data := damaged.read(1 << 20):
            mended.write(data)
        pages = -(-max(mended.tell(), page_bytes) // page_bytes)
        mended.truncate(pages * page_bytes)
        first[PAGE_COUNT_AT : PAGE_COUNT_AT + 4] = pages.to_bytes(4, "big")
        mended.seek(0)
        mended.write(first)
    return open_for_looking(scratch)


def _sync(path: Path) -> None:
    for target in (path, path.parent):
        descriptor = os.open(target, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
