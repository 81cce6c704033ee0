"""Timelines: threads as cards, a page of them at a time, for one viewer.

A home page is made of the threads in which the viewer, or somebody the viewer follows, posted. A
thread stands where its newest such post stands, so a stranger's reply does not lift it, and it is
on one page only: a page takes a thread if nothing that lifts it came after the page's start. Side
threads are threads of their own here. A channel's page is the same with the posts in that channel,
a profile's page has the threads that somebody began.

A page goes on before a ``received_no``, so what arrives meanwhile shifts nothing. Only the posts of
those who count are looked at, by index and in spans that grow, so silence costs little.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from lichen.apps.social.reading.cards import Found, Reason, Sketch, Timeline, make_page
from lichen.apps.social.reading.circle import Circle, as_hex, as_marks, circle_of
from lichen.feed.message import FeedId
from lichen.feed.refs import normalize_channel
from lichen.store.log import feed_mark

if TYPE_CHECKING:
    from lichen.store.store import Store

REPLIERS_NAMED = 3
"""Feeds that the line above a card names."""
SPAN_FIRST = 300
"""Messages of the log looked through first; each further span is four times as long."""
SPAN_PER_FEED = 4
"""In a span of up to so many messages for each feed that counts, all posts are looked at; in a
longer one those of each feed."""
CHUNK_ROWS = 200
"""Posts of a channel, or threads of a feed, looked at in one go."""
FRESH_MAX = 100
"""Fresh threads that are counted; a page says 99+."""


def home_page(
    store: "Store",
    viewer: FeedId,
    *,
    before: int | None = None,
    limit: int = 12,
    circle: Circle | None = None,
) -> Timeline:
    """Return the threads in which the viewer or somebody followed posted, latest activity first."""
    circle = circle or circle_of(store, viewer)
    found = _threads_of(store, circle.mine, before)
    return make_page(store, circle, found, limit, _why_home)


def channel_page(
    store: "Store",
    viewer: FeedId,
    channel: str,
    *,
    before: int | None = None,
    limit: int = 12,
    circle: Circle | None = None,
) -> Timeline:
    """Return the threads with posts in a channel, by anybody not blocked, latest post first."""
    circle = circle or circle_of(store, viewer)
    name = normalize_channel(channel)
    found = iter(()) if name is None else _threads_in(store, name, circle, before)
    return make_page(store, circle, found, limit, _why_channel)


def profile_page(
    store: "Store",
    viewer: FeedId,
    feed: FeedId,
    *,
    before: int | None = None,
    limit: int = 12,
    circle: Circle | None = None,
) -> Timeline:
    """Return the threads that a feed began, newest first; also of a feed that is blocked."""
    circle = circle or circle_of(store, viewer)
    if feed in circle.blocks:
        circle = msgspec.structs.replace(circle, blocks=circle.blocks - {feed})
    return make_page(store, circle, _threads_begun(store, feed, before), limit, _why_profile)


def count_fresh(store: "Store", viewer: FeedId, after: int, *, circle: Circle | None = None) -> int:
    """Return in how many threads of the home page somebody followed posted after ``after``.

    The viewer's own posts do not count. Stops at ``FRESH_MAX``.
    """
    circle = circle or circle_of(store, viewer)
    end = store.log.last_no + 1
    posts = _posts(store, circle.follows, after + 1, end)
    fresh = list(islice(dict.fromkeys(thread for thread, _ in posts), FRESH_MAX))
    roots = (store.log.marked(thread) for thread in fresh)
    return sum(root is None or root.feed not in circle.blocks for root in roots)


# Which threads, newest first


def _threads_of(store: "Store", feeds: Collection[FeedId], before: int | None) -> Iterator[Found]:
    """Yield the threads of posts by these feeds, each at its newest, by spans of the log."""
    whose = as_marks(feeds)
    end = store.log.last_no + 1 if before is None else before
    span = SPAN_FIRST
    seen: set[bytes] = set()
    while end > 0:
        first = max(0, end - span)
        found = [pair for pair in _posts(store, feeds, first, end) if pair[0] not in seen]
        if before is not None and found:
            later = store.views.read(
                "SELECT DISTINCT thread FROM json_each(?) t"
                " CROSS JOIN social_threads ON thread = unhex(t.value)"
                " WHERE is_post = 1 AND role < 2 AND received_no >= ?"
                " AND feed IN (SELECT value FROM json_each(?))",
                (as_hex([thread for thread, _ in found]), before, whose),
            )
            seen.update(thread for (thread,) in later if isinstance(thread, bytes))
        yield from (pair for pair in found if pair[0] not in seen)
        seen.update(thread for thread, _ in found)
        end, span = first, span * 4


def _posts(store: "Store", feeds: Collection[FeedId], first: int, end: int) -> Iterator[Found]:
    """Return the threads that these feeds posted in, in a span, each at the newest such post."""
    if end - first <= SPAN_PER_FEED * len(feeds):
        rows = store.views.read(
            "SELECT thread, received_no, feed FROM social_threads"
            " INDEXED BY social_threads_newest"
            " WHERE is_post = 1 AND role < 2 AND received_no >= ? AND received_no < ?"
            " ORDER BY received_no DESC",
            (first, end),
        )
        newest: dict[bytes, int] = {}
        marks = set(map(feed_mark, feeds))
        for thread, number, feed in rows:
            if feed in marks:
                newest.setdefault(*_found((thread, number)))
        return iter(newest.items())
    rows = store.views.read(
        "SELECT thread, max(received_no) AS newest FROM json_each(?) f"
        " CROSS JOIN social_threads INDEXED BY social_threads_by_feed ON feed = f.value"
        " WHERE is_post = 1 AND role < 2 AND received_no >= ? AND received_no < ?"
        " GROUP BY thread ORDER BY newest DESC",
        (as_marks(feeds), first, end),
    )
    return map(_found, rows)


def _threads_in(
    store: "Store", channel: str, circle: Circle, before: int | None
) -> Iterator[Found]:
    """Yield the threads of posts in a channel, each at its newest."""
    blocked = as_marks(circle.blocks)
    end = store.log.last_no + 1 if before is None else before
    seen: set[bytes] = set()
    while True:
        rows = store.views.read(
            "SELECT thread, received_no FROM social_channels WHERE channel = ?"
            " AND received_no < ? AND feed NOT IN (SELECT value FROM json_each(?))"
            " ORDER BY received_no DESC LIMIT ?",
            (channel, end, blocked, CHUNK_ROWS),
        )
        for thread, number in map(_found, rows):
            if thread not in seen:
                seen.add(thread)
                is_later = before is not None and store.views.read(
                    "SELECT 1 FROM social_channels INDEXED BY social_channels_by_thread"
                    " WHERE channel = ? AND thread = ? AND received_no >= ?"
                    " AND feed NOT IN (SELECT value FROM json_each(?)) LIMIT 1",
                    (channel, thread, before, blocked),
                )
                if not is_later:
                    yield thread, number
        if len(rows) < CHUNK_ROWS:
            return
        end = _found(rows[-1])[1]


def _threads_begun(store: "Store", feed: FeedId, before: int | None) -> Iterator[Found]:
    """Yield the threads that a feed began."""
    end = store.log.last_no + 1 if before is None else before
    while True:
        rows = store.views.read(
            "SELECT thread, received_no FROM social_threads INDEXED BY social_threads_begun"
            " WHERE feed = ? AND is_post = 1 AND role = 0 AND received_no < ?"
            " ORDER BY received_no DESC LIMIT ?",
            (feed_mark(feed), end, CHUNK_ROWS),
        )
        yield from map(_found, rows)
        if len(rows) < CHUNK_ROWS:
            return
        end = _found(rows[-1])[1]


def _found(row: Sequence[object]) -> Found:
    thread, number = row
    assert isinstance(thread, bytes), "the column holds marks"
    assert isinstance(number, int), "the column holds integers"
    return thread, number


# Why a card is there


def _why_home(circle: Circle, sketch: Sketch) -> Reason:
    repliers = dict.fromkeys(
        row.feed for row in sketch.rows if not row.is_root and row.feed in circle.mine
    )
    if repliers:
        return Reason("replied", tuple(repliers)[:REPLIERS_NAMED])
    return _why_profile(circle, sketch)


def _why_profile(circle: Circle, sketch: Sketch) -> Reason:
    return Reason("wrote", () if sketch.root is None else (sketch.root.feed,))


def _why_channel(circle: Circle, sketch: Sketch) -> Reason:
    return Reason("channel", ())
