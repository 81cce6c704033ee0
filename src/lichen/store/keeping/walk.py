"""Reading a log of which parts may be unreadable: row by row around the damage.

SQLite keeps rows of the log in pages by ``received_no``. A damaged page hides its own rows, a
damaged inner page all below it; every other row can still be found by its number. Each slice is a
statement of its own, so that a running peer can move its write-ahead log in between.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import apsw
import msgspec

from lichen.store.log.reader import LogRow

SLICE_ROWS = 500
"""Rows read at once: some 20 ms of work, so that a running peer gets its turns."""
ROW_BYTES_MIN = 256
"""No row of a log takes less; bounds the numbers that are tried when no index can be read."""
PROBES_MAX = 2_000_000
"""Numbers tried one after the other, some 10 s: what is damaged may claim any number to be last."""

UNREADABLE = (
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.IOError,
    apsw.SQLError,
    apsw.MismatchError,
    UnicodeDecodeError,
)
"""What SQLite says of parts that it cannot read; a text may be none any more, too."""
_KINDS = (int, int, int, bytes, float, bytes)
COLUMNS = "received_no, feed_no, sequence, key, received_ms, data"


class Unread(msgspec.Struct, frozen=True):
    """Numbers of receipt, both ends included, whose rows cannot be read."""

    first: int
    last: int


def last_number(db: apsw.Connection, path: Path) -> int:
    """Return a number that no row of the log is above: the last one, where that can be read."""
    for source in ("messages", "messages INDEXED BY messages_by_feed"):
        with suppress(*UNREADABLE):
            found: int = db.execute(f"SELECT ifnull(max(received_no), 0) FROM {source}").get  # noqa: S608 (fixed texts)
            return found
    return path.stat().st_size // ROW_BYTES_MIN


def walk(
    db: apsw.Connection, last: int, rows_max: int = SLICE_ROWS
) -> Iterator[list[LogRow] | Unread]:
    """Yield all rows up to a number in slices, and between them what cannot be read."""
    number = 1
    while number <= last:
        rows, is_broken = _slice(db, number, last, rows_max)
        if rows:
            yield rows
            number = rows[-1][0] + 1
        if is_broken or not rows:
            # What lies behind a changed number is not found in order any more, but by its own.
            end = min(last, number + PROBES_MAX)
            found = _next_readable(db, number + is_broken, end)
            if is_broken or found <= end:
                yield Unread(number, found - 1)
            if found > end:
                return
            number = found


def places(db: apsw.Connection, unread: Iterable[Unread]) -> dict[int, int]:
    """Return of which feed numbers messages are unreadable, from which sequence on.

    The index by feed says so, as far as it can be read itself.
    """
    found: dict[int, int] = {}
    spans = [range(span.first, span.last + 1) for span in unread]
    with suppress(*UNREADABLE):
        for number, feed_no, sequence in db.execute(
            "SELECT received_no, feed_no, sequence FROM messages INDEXED BY messages_by_feed"
            " WHERE feed_no > 0 ORDER BY feed_no, sequence"
        ):
            if feed_no not in found and any(number in span for span in spans):
                found[feed_no] = sequence
    return found


def _slice(db: apsw.Connection, first: int, last: int, rows_max: int) -> tuple[list[LogRow], bool]:
    """Return rows in order, and whether the next one cannot be read."""
    rows: list[LogRow] = []
    number = first - 1
    try:
        for row in db.execute(
            f"SELECT {COLUMNS} FROM messages"  # noqa: S608 (fixed texts)
            " WHERE received_no BETWEEN ? AND ? ORDER BY received_no LIMIT ?",
            (first, last, rows_max),
        ):
            if not _is_row(row):
                return rows, True
            if row[0] <= number:
                # Of two that are not in order one claims a number that is not its own.
                if rows and row[0] > (rows[-2][0] if len(rows) > 1 else first - 1):
                    rows.pop()
                return rows, True
            number = row[0]
            rows.append(row)
    except UNREADABLE:
        return rows, True
    return rows, False


def _next_readable(db: apsw.Connection, first: int, last: int) -> int:
    """Return the first number from here on that has a readable row, else the one after the last."""
    for number in range(first, last + 1):
        with suppress(*UNREADABLE):
            row = db.execute(
                f"SELECT {COLUMNS} FROM messages WHERE received_no = ?",  # noqa: S608 (fixed texts)
                (number,),
            ).fetchone()
            if row is not None and _is_row(row):
                return number
    return last + 1


def _is_row(row: tuple[object, ...]) -> bool:
    """Tell whether the columns hold what they should; of a damaged page they may hold anything."""
    return len(row) == len(_KINDS) and all(map(isinstance, row, _KINDS))
