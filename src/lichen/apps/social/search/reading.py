"""Answering a question from the index and the log, for one viewer.

What fits is looked at by windows: the newest so many messages by number of receipt. Within a
window they are ordered by the time to show, or by BM25 with ``sort:best``, which looks no further
than its first window, and keeps the order of the last few questions: what is best changes with what
comes in. A cursor names the window's upper end and the last message seen, so that a
page goes on where the one before ended, whatever arrives meanwhile.

The index is not believed: each message is read from the log, and one that is no longer there, or in
whose place another stands, is not found. Nor is what blocked feeds wrote, nor a name or a
description for which the same author gave another one later.
"""

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary

import msgspec
import orjson

from lichen.apps.social.content import parse_about
from lichen.apps.social.reading.circle import Circle, as_list, circle_of
from lichen.apps.social.reading.entries import Entry, read_entry
from lichen.apps.social.reading.threads import title_of
from lichen.apps.social.search.excerpts import Excerpt, excerpt_of
from lichen.apps.social.search.query import BEST, NEWEST, Query, can_fit, matching
from lichen.apps.social.search.view import SPAN_BITS, SearchView, author_number
from lichen.apps.social.search.words import TEXT_MEMBERS
from lichen.feed.message import FeedId

if TYPE_CHECKING:
    from lichen.store.store import Store

WINDOW = 1_000
"""Messages that are put in order at once: a few milliseconds' work."""
BEST_WINDOW = 1_000
"""Newest messages among which the best are looked for: each is weighed on its own."""
LIMIT_DEFAULT = 20
LIMIT_MAX = 200
"""Messages of one answer."""
BEST_KEPT_MAX = 8
"""Questions for the best of which the order is kept, so that their next pages go on in it."""
WINDOWS_MAX = 5
"""Windows looked through for one answer, where most of what fits may not be shown."""

_SHOWN = tuple(key for key in TEXT_MEMBERS if key not in {"contentWarning", "channel"})
_CURSOR = re.compile(r"([nb])(\d{1,18})-(\d{1,12})-(\d{1,18})")
_KINDS = {NEWEST: "n", BEST: "b"}
FAR_S = 10**12
"""A second after all others."""
_BEGIN = (10**11, 0)
"""Before the first message of a window."""


class Cursor(msgspec.Struct, frozen=True):
    """Where a page begins: in the window up to ``top``, after ``written_s`` and ``received_no``.

    With ``sort:best`` ``received_no`` is how many were seen, and ``written_s`` says nothing.
    """

    kind: str
    top: int
    written_s: int
    received_no: int

    def __str__(self) -> str:
        return f"{self.kind}{self.top}-{self.written_s}-{self.received_no}"


class Found(msgspec.Struct, frozen=True):
    """A message that fits. ``care`` is what its author asks for care about, else empty.

    ``thread_title`` names the thread that a reply stands in, as far as it is here.
    """

    entry: Entry
    excerpt: Excerpt
    care: str
    thread_title: str


class Answer(msgspec.Struct, frozen=True):
    """A page of what fits, newest or best first, and where the next one begins.

    On the first page ``count`` says how many fit; more, unless ``is_count_whole``.
    ``folded`` of ``total`` messages of the log are in the index.
    """

    found: tuple[Found, ...] = ()
    after: str | None = None
    count: int | None = None
    is_count_whole: bool = True
    folded: int = 0
    total: int = 0


class Matched(msgspec.Struct, frozen=True):
    """The messages of a page, where the next one begins, and how many fit, as in ``Answer``."""

    entries: tuple[Entry, ...]
    after: Cursor | None
    count: int | None
    is_count_whole: bool


class _Window(msgspec.Struct, frozen=True):
    """Numbers of messages in the order of the answer, each with its second, and what is below."""

    rows: Sequence[tuple[int, int]]
    next_top: int | None


_best_orders: WeakKeyDictionary["Store", deque[tuple[object, _Window]]] = WeakKeyDictionary()
"""What was asked for the best of lately, and the order of what fitted."""


def parse_cursor(text: str) -> Cursor | None:
    """Read the place where a page begins; None if it is none."""
    parts = _CURSOR.fullmatch(text)
    if parts is None:
        return None
    return Cursor(parts[1], int(parts[2]), int(parts[3]), int(parts[4]))


def search(
    store: "Store",
    viewer: FeedId,
    query: Query,
    people: Mapping[str, Sequence[FeedId]],
    *,
    after: Cursor | None = None,
    limit: int = LIMIT_DEFAULT,
    circle: Circle | None = None,
) -> Answer:
    """Return the messages that fit a question, as shown; ``people``: whom its names mean."""
    circle = circle or circle_of(store, viewer)
    (progress,) = (one for one in store.views.progress() if one.name == SearchView.name)
    matched = find(store, query, people, circle, after=after, limit=limit)
    return Answer(
        found=tuple(_shown(store, query, circle, matched.entries)),
        after=None if matched.after is None else str(matched.after),
        count=matched.count,
        is_count_whole=matched.is_count_whole,
        folded=progress.folded,
        total=progress.total,
    )


def find(
    store: "Store",
    query: Query,
    people: Mapping[str, Sequence[FeedId]],
    circle: Circle,
    *,
    after: Cursor | None = None,
    limit: int = LIMIT_DEFAULT,
) -> Matched:
    """Return the messages that fit a question."""
    if query.is_private or query.is_empty or not can_fit(query, people):
        return Matched((), None, 0, is_count_whole=True)
    asked = _Asked(store, query, matching(query, people), circle)
    begin = Cursor(_KINDS[query.order], store.log.last_no, *_BEGIN)
    start = begin if after is None or after.kind != begin.kind else after
    first = asked.best(start) if query.order == BEST else asked.window(start.top)
    entries: list[Entry] = []
    last = start
    goes_on_after: Cursor | None = None
    limit = max(1, min(limit, LIMIT_MAX))
    for cursor, entry in asked.walk(first, start, at_once=limit + 1):
        if entry is None or len(entries) == limit:
            # Either enough was looked through for one answer, or one more fits.
            goes_on_after = cursor if entry is None else last
            break
        entries.append(entry)
        last = cursor
    return Matched(
        tuple(entries),
        goes_on_after,
        len(first.rows) if start is begin else None,
        is_count_whole=first.next_top is None,
    )


class _Asked:
    """One question being answered."""

    __slots__ = ("_circle", "_match", "_query", "_store")

    def __init__(self, store: "Store", query: Query, match: str | None, circle: Circle) -> None:
        self._store = store
        self._query = query
        self._match = match
        self._circle = circle

    def walk(
        self, window: "_Window", start: Cursor, *, at_once: int
    ) -> Iterator[tuple[Cursor, Entry | None]]:
        """Yield what fits after ``start``, each with its place; at last None where to go on.

        ``at_once``: how many messages are read in one go.
        """
        for _ in range(WINDOWS_MAX):
            yield from self._walk_window(window, start, at_once)
            if window.next_top is None or self._query.order == BEST:
                return
            start = Cursor(start.kind, window.next_top, *_BEGIN)
            window = self.window(window.next_top)
        yield start, None

    def _walk_window(
        self, window: "_Window", start: Cursor, at_once: int
    ) -> Iterator[tuple[Cursor, Entry | None]]:
        rows = window.rows
        if self._query.order == BEST:
            places = range(start.received_no if start.written_s == 0 else 0, len(rows))
        else:
            key = (start.written_s, start.received_no)
            places = range(bisect_right(rows, (-key[0], -key[1]), key=_backwards), len(rows))
        for chunk in _chunks(places, at_once):
            entries = self._entries([rows[place] for place in chunk])
            for place in chunk:
                number, at_s = rows[place]
                entry = entries.get(number)
                if entry is not None:
                    key = (0, place + 1) if self._query.order == BEST else (at_s, number)
                    yield Cursor(start.kind, start.top, *key), entry

    def best(self, start: Cursor) -> "_Window":
        """Return the best messages, for a further page in the order of the first one."""
        kept = _best_orders.setdefault(self._store, deque(maxlen=BEST_KEPT_MAX))
        asked = (self._match, start.top, self._times(), self._circle.blocks)
        if start.written_s == 0:
            for known, window in tuple(kept):
                if known == asked:
                    return window
        window = self.window(start.top)
        kept.appendleft((asked, window))
        return window

    def _times(self) -> tuple[int, int]:
        """Return between which seconds messages may be written: the first, and the end."""
        after, before = self._query.after, self._query.before
        return (
            -1 if after is None else int(after.timestamp()),
            FAR_S if before is None else int(before.timestamp()),
        )

    def window(self, top: int) -> "_Window":
        """Return the newest messages up to a number that fit, in the order of the answer."""
        is_best = self._query.order == BEST and self._match is not None
        most = BEST_WINDOW if self._query.order == BEST else WINDOW
        after, before = self._times()
        bottom, top = self._stretch(top, after, before)
        found = self._store.views.read(
            _sql(has_words=self._match is not None, is_best=is_best),
            {
                "match": self._match,
                "top": top,
                "bottom": bottom,
                "after": after,
                "before": before,
                "blocked": _numbers_listed(self._circle.blocks),
                "most": most + 1,
            },
        )
        rows = cast("list[tuple[int, int, float]]", found)
        next_top = rows[most][0] if len(rows) > most else None
        ordered = sorted(rows[:most], key=itemgetter(1, 0), reverse=True)
        if is_best:
            ordered.sort(key=itemgetter(2))  # BM25 is the smaller the better
        return _Window([(number, at_s) for number, at_s, _ in ordered], next_top)

    def _stretch(self, top: int, after: int, before: int) -> tuple[int, int]:
        """Return between which numbers up to ``top`` all messages written at such times are."""
        if after < 0 and before == FAR_S:
            return 0, top
        ((first, last),) = self._store.views.read(
            "SELECT min(span), max(span) FROM search_spans"
            " WHERE span <= ? AND first_s < ? AND last_s >= ?",
            (top >> SPAN_BITS, before, after),
        )
        if not isinstance(first, int) or not isinstance(last, int):
            return 0, -1
        return first << SPAN_BITS, min(top, ((last + 1) << SPAN_BITS) - 1)

    def _entries(self, rows: Sequence[tuple[int, int]]) -> dict[int, Entry]:
        """Return those of the messages that are there, fit to be shown, and still hold."""
        seconds = dict(rows)
        entries = [read_entry(stored) for stored in self._store.log.at_numbers(sorted(seconds))]
        shown = {
            entry.received_no: entry
            for entry in entries
            if int(entry.shown_ms // 1000) == seconds[entry.received_no]
            and entry.feed not in self._circle.blocks
        }
        for number in _outdated(self._store, shown.values()):
            del shown[number]
        return shown


def _shown(
    store: "Store", query: Query, circle: Circle, entries: Sequence[Entry]
) -> Iterator[Found]:
    """Yield messages as they are shown among what was found."""
    threads = {entry.place.root for entry in entries if entry.place.root}
    titles = {
        thread: title_of(read_entry(root))
        for thread, root in store.log.with_keys(threads).items()
        if root.feed not in circle.blocks
    }
    words = query.said
    for entry in entries:
        content, thread = entry.content, entry.place.root
        said = [text for key in _SHOWN if isinstance(text := content.get(key), str)]
        care = content.get("contentWarning")
        yield Found(
            entry=entry,
            excerpt=excerpt_of("\n\n".join(said), words),
            care=care if isinstance(care, str) else "",
            thread_title=titles.get(thread, "") if thread else "",
        )


@lru_cache(maxsize=4)
def _numbers_listed(feeds: frozenset[FeedId]) -> str:
    """Return the numbers by which the index knows feeds, as a list for SQL."""
    return orjson.dumps(list(map(author_number, feeds))).decode()


def _sql(*, has_words: bool, is_best: bool) -> str:
    source = (
        "search CROSS JOIN search_times t ON t.received_no = search.rowid"
        " WHERE search MATCH :match AND search.rowid BETWEEN :bottom AND :top"
        if has_words
        else "search_times t WHERE t.received_no BETWEEN :bottom AND :top"
    )
    return (
        # Only fixed texts are put together.
        f"SELECT t.received_no, t.written_s, {'bm25(search)' if is_best else '0'} FROM {source}"  # noqa: S608
        " AND t.written_s >= :after AND t.written_s < :before"
        " AND t.author NOT IN (SELECT value FROM json_each(:blocked))"
        f" ORDER BY {'search.rowid' if has_words else 't.received_no'} DESC LIMIT :most"
    )


def _backwards(row: tuple[int, int]) -> tuple[int, int]:
    number, at_s = row
    return -at_s, -number


def _outdated(store: "Store", entries: Iterable[Entry]) -> set[int]:
    """Return the messages of which everything was said anew by the same author later."""
    abouts = {}
    for entry in entries:
        about = parse_about(entry.content)
        fields = [key for key, value in about.fields if key != "image" and value] if about else []
        if about and fields and not isinstance(entry.content.get("title"), str):
            abouts[entry.received_no] = (about.subject, entry.feed, entry.sequence, fields)
    if not abouts:
        return set()
    later = {
        (str(subject), str(author), str(field)): sequence
        for subject, author, field, sequence in store.views.read(
            "SELECT subject, author, field, sequence FROM social_abouts"
            " WHERE subject IN (SELECT value FROM json_each(?))"
            " AND author IN (SELECT value FROM json_each(?))",
            (as_list({a[0] for a in abouts.values()}), as_list({a[1] for a in abouts.values()})),
        )
        if isinstance(sequence, int)
    }
    return {
        number
        for number, (subject, author, sequence, fields) in abouts.items()
        if all(later.get((subject, author, field), 0) > sequence for field in fields)
    }


def _chunks(places: range, at_once: int) -> Iterator[range]:
    for first in range(0, len(places), at_once):
        yield places[first : first + at_once]
