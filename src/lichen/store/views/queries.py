"""Questions to log and views that every peer can answer: by author, by type, by link, contacts.

A page is part of an order by receipt. It goes on after (or, newest first, before) the
``received_no`` of the last message seen, so that what arrives in between shifts nothing.
"""

# ruff: noqa: S608 (only fixed texts and question marks are put into SQL)

from collections.abc import Callable, Iterable, Mapping, Sequence

import apsw
import msgspec
import orjson

from lichen.feed.content import Contact
from lichen.feed.message import FeedId
from lichen.store.errors import StoreReadFailed
from lichen.store.log import Log, Stored, link_mark
from lichen.store.views.base import PATHS, kept_path
from lichen.store.views.cursors import ViewProgress
from lichen.store.views.engine import FoldEngine

SqlValue = None | int | float | str | bytes
"""What a column may hold."""
EVERYTHING = 2**62
"""Above every ``received_no``."""
AUTHOR_NUMBERS_FIRST = 200
AUTHOR_NUMBERS_MAX = 3_200
"""Messages of an author that are looked up at once when asked for one type: each time more."""


class Page(msgspec.Struct, frozen=True):
    """Which part of an order: numbers between ``after`` and ``before``, both left out."""

    limit: int = 100
    after: int = 0
    before: int = EVERYTHING
    newest_first: bool = True


class Link(msgspec.Struct, frozen=True):
    """A message that links to something, and by which path of keys, e.g. ``vote.link``."""

    source: Stored
    rel: str


class Behind(msgspec.Struct, frozen=True):
    """What is not in the views yet: ``messages`` of ``total``, by the view that lags most."""

    messages: int
    total: int
    rate: float
    left_s: float | None


class Views:
    """The read side of the views. Everything may be called from any thread."""

    __slots__ = ("_engine", "_log", "_on_damage", "_readers")

    def __init__(self, log: Log, engine: FoldEngine, on_damage: Callable[[str], None]) -> None:
        self._readers = engine.readers
        self._log = log
        self._engine = engine
        self._on_damage = on_damage

    def read(
        self, sql: str, bindings: Sequence[SqlValue] | Mapping[str, SqlValue] = ()
    ) -> list[tuple[SqlValue, ...]]:
        """Ask the tables of views.db anything; nothing can be changed.

        If the file turns out to be damaged this fails, and the views are made anew.
        """
        try:
            with self._readers.lend() as db:
                return db.execute(sql, bindings).fetchall()
        except UnicodeEncodeError:
            return []  # asked for a text with half a character, which no table holds
        except StoreReadFailed as error:
            if isinstance(error.__cause__, apsw.CorruptError | apsw.NotADBError):
                self._on_damage(error.reason)
            raise

    def progress(self) -> list[ViewProgress]:
        """Return how far each view is."""
        return self._engine.progress()

    def behind(self, *names: str) -> Behind | None:
        """Return what is not in these views yet, or in any; None if nothing is missing."""
        lagging = [
            each for each in self.progress() if each.behind and (not names or each.name in names)
        ]
        if not lagging:
            return None
        last = max(lagging, key=lambda each: each.behind)
        return Behind(last.behind, last.total, last.rate, last.left_s)

    def changes(self, name: str) -> int:
        """Return a number that grows whenever a view's rows may have changed.

        Take it before reading, and what was read may be kept as long as it stays the same.
        """
        return self._engine.changes(name)

    def contacts(self) -> list[Contact]:
        """Return the contacts as folded so far; ``Store.contacts`` waits for all of them."""
        return [
            Contact(source, FeedId(str(target)), _int(value), _int(sequence))
            for mark, target, value, sequence in self.read(
                "SELECT source, target, value, sequence FROM contacts"
            )
            if (source := self._log.feed_of(_int(mark))) is not None
        ]

    def contacts_with_prefix(self, prefix: str, limit: int) -> list[FeedId]:
        """Return up to ``limit`` feeds whose ids begin so that somebody follows or blocks."""
        rows = self.read(
            "SELECT DISTINCT target FROM contacts INDEXED BY contacts_by_target"
            " WHERE target >= ? AND target < ? ORDER BY target LIMIT ?",
            (prefix, f"{prefix}\x7f", limit),
        )
        return [FeedId(str(target)) for (target,) in rows]

    def by_type(self, kind: str, page: Page) -> list[Stored]:
        """Return messages of one content type."""
        return self._stored(
            self.read(
                "SELECT received_no FROM messages WHERE type = ?"
                " AND received_no > ? AND received_no < ? ORDER BY received_no"
                f" {_direction(page)} LIMIT ?",
                (kind, page.after, page.before, page.limit),
            )
        )

    def by_author(self, feed: FeedId, page: Page, *, kind: str | None = None) -> list[Stored]:
        """Return messages of one author, of one type if ``kind`` is given."""
        if kind is None:
            return self._log.at_numbers(self._numbers_of(feed, page, page.limit))
        found: list[int] = []
        count = AUTHOR_NUMBERS_FIRST
        while len(found) < page.limit:
            numbers = self._numbers_of(feed, page, count)
            of_kind = self._of_type(numbers, kind)
            found += [number for number in numbers if number in of_kind]
            if len(numbers) < count:
                break
            if page.newest_first:
                page = msgspec.structs.replace(page, before=numbers[-1])
            else:
                page = msgspec.structs.replace(page, after=numbers[-1])
            count = min(2 * count, AUTHOR_NUMBERS_MAX)
        return self._log.at_numbers(found[: page.limit])

    def by_link(self, target: str, page: Page, *, rel: str | None = None) -> list[Stored]:
        """Return messages that link to an id, each once, by the path ``rel`` if given."""
        kept = None if rel is None else kept_path(rel)
        found = self._stored(
            self.read(
                "SELECT DISTINCT received_no FROM links WHERE target = ?1"
                " AND (?2 IS NULL OR rel = ?2) AND received_no > ?3 AND received_no < ?4"
                f" ORDER BY received_no {_direction(page)} LIMIT ?5",
                (link_mark(target), kept, page.after, page.before, page.limit),
            )
        )
        return [each for each in found if _names(each, target)]

    def links_to(self, target: str, page: Page) -> list[Link]:
        """Return the links to an id; a message that links twice by different paths comes twice.

        All links of one message are on the same page, which may be a little longer for that.
        """
        mark = link_mark(target)
        rows = self.read(
            "SELECT received_no, rel FROM links WHERE target = ?"
            " AND received_no > ? AND received_no < ?"
            f" ORDER BY received_no {_direction(page)}, rel LIMIT ?",
            (mark, page.after, page.before, page.limit),
        )
        if len(rows) == page.limit:
            last = rows[-1][0]
            rows = [row for row in rows if row[0] != last] + self.read(
                "SELECT received_no, rel FROM links WHERE target = ? AND received_no = ?"
                " ORDER BY rel",
                (mark, last),
            )
        found = [
            (_int(number), PATHS[rel] if isinstance(rel, int) else str(rel)) for number, rel in rows
        ]
        found.sort(key=lambda each: (-each[0] if page.newest_first else each[0], each[1]))
        numbers = dict.fromkeys(number for number, _ in found)
        sources = {stored.received_no: stored for stored in self._log.at_numbers([*numbers])}
        return [
            Link(source, rel)
            for number, rel in found
            # It may have been cut off the log since.
            if (source := sources.get(number)) is not None and _names(source, target)
        ]

    def _numbers_of(self, feed: FeedId, page: Page, limit: int) -> list[int]:
        return self._log.numbers_of(
            feed,
            after=page.after,
            before=page.before,
            limit=limit,
            newest_first=page.newest_first,
        )

    def _of_type(self, numbers: list[int], kind: str) -> set[int]:
        return {
            _int(number)
            for (number,) in self.read(
                "SELECT received_no FROM json_each(?) n CROSS JOIN messages"
                " ON messages.type = ? AND received_no = n.value",
                (orjson.dumps(numbers).decode(), kind),
            )
        }

    def _stored(self, rows: Iterable[Sequence[SqlValue]]) -> list[Stored]:
        return self._log.at_numbers([_int(row[0]) for row in rows])


def _direction(page: Page) -> str:
    return "DESC" if page.newest_first else "ASC"


def _names(stored: Stored, target: str) -> bool:
    """Tell whether an id is in a message, and not another one with the same mark."""
    return target.encode() in stored.data


def _int(value: SqlValue) -> int:
    assert isinstance(value, int), "the column holds integers"
    return value
