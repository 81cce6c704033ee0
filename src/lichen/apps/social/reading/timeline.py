"""Timelines: threads as cards, a page of them at a time, for one viewer.

A home page is made of the threads in which the viewer, or somebody the viewer follows, posted. A
thread stands where its newest such post stands, so a stranger's reply does not lift it, and it is
on one page only: a page takes a thread if nothing that lifts it came after the page's start. Side
threads are threads of their own here. A channel's page is the same with the posts in that channel,
a profile's page has the threads that somebody began.

A page goes on before a ``received_no``, so what arrives meanwhile shifts nothing. What is looked at
grows step by step, first of all posts and then of those who count alone, so silence costs little.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from lichen.apps.social.reading.cards import Found, Reason, Sketch, Timeline, make_page
from lichen.apps.social.reading.circle import Circle, as_hex, as_numbers, circle_of
from lichen.feed.message import FeedId
from lichen.feed.refs import normalize_channel
from lichen.store.log import feed_mark

if TYPE_CHECKING:
    from lichen.store.store import Store

REPLIERS_NAMED = 3
"""Feeds that the line above a card names."""
ROWS_FIRST = 60
"""Newest posts looked at first: in them are a page's threads, mostly."""
ROWS_PER_FEED = 4
"""While no more than so many for each feed that counts were looked at, all posts are."""
GROWTH = 4
"""Each step looks at so many times as much as the one before."""
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
    found = _threads_of(store, circle, before)
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
    posts = (post for part in _parts(store, circle.follows_marks, None, after) for post in part)
    fresh = list(islice(dict.fromkeys(thread for thread, _ in posts), FRESH_MAX))
    roots = store.log.with_marks(fresh)
    return len(fresh) - sum(root.feed in circle.blocks for root in roots.values())


# Which threads, newest first


def _threads_of(store: "Store", circle: Circle, before: int | None) -> Iterator[Found]:
    """Yield the threads in which those who count posted, each at its newest such post."""
    seen: set[bytes] = set()
    for found in _parts(store, circle.mine_marks, before):
        fresh = {thread: number for thread, number in found if thread not in seen}
        if before is not None and fresh:
            for thread in _lifted_later(store, circle, fresh, before):
                del fresh[thread]
        yield from fresh.items()
        seen.update(thread for thread, _ in found)


def _parts(
    store: "Store", feeds: frozenset[int], before: int | None, after: int = 0
) -> Iterator[list[Found]]:
    """Yield the threads of posts by these feeds, each at its newest, by parts of the log.

    First all posts are looked at, some more each time; then those of each feed.
    """
    end = top = store.log.last_no + 1 if before is None else before
    rows, looked_at = ROWS_FIRST, 0
    while looked_at < max(ROWS_FIRST, ROWS_PER_FEED * len(feeds)):
        posts = store.views.read(
            "SELECT thread, received_no, feed FROM social_threads"
            " INDEXED BY social_threads_newest"
            " WHERE is_post = 1 AND role < 2 AND received_no > ? AND received_no < ?"
            " ORDER BY received_no DESC LIMIT ?",
            (after, end, rows),
        )
        newest: dict[bytes, int] = {}
        for thread, number, feed in posts:
            if feed in feeds:
                newest.setdefault(*_found((thread, number)))
        yield list(newest.items())
        if len(posts) < rows:
            return
        # No message has two rows here: it is a side thread's besides, but of one thread alone.
        end = _found(posts[-1][:2])[1]
        looked_at, rows = looked_at + rows, rows * GROWTH
    span = GROWTH * (top - end)
    while end > after + 1:
        yield list(_posts(store, feeds, max(after + 1, end - span), end))
        end, span = end - span, span * GROWTH


def _lifted_later(
    store: "Store", circle: Circle, threads: Collection[bytes], before: int
) -> list[bytes]:
    """Return those threads that stand on an earlier page."""
    rows = store.views.read(
        "SELECT t.value FROM json_each(?) t WHERE EXISTS ("
        " SELECT 1 FROM social_threads WHERE thread = unhex(t.value) AND received_no >= ?"
        " AND is_post = 1 AND role < 2 AND feed IN (SELECT value FROM json_each(?)))",
        (as_hex(threads), before, circle.mine_marked),
    )
    return [bytes.fromhex(str(thread)) for (thread,) in rows]


def _posts(store: "Store", feeds: Collection[int], first: int, end: int) -> Iterator[Found]:
    """Return the threads that such feeds posted in, in a span, each at the newest such post."""
    rows = store.views.read(
        "SELECT thread, max(received_no) AS newest FROM json_each(?) f"
        " CROSS JOIN social_threads INDEXED BY social_threads_by_feed ON feed = f.value"
        " WHERE is_post = 1 AND role < 2 AND received_no >= ? AND received_no < ?"
        " GROUP BY thread ORDER BY newest DESC",
        (as_numbers(feeds), first, end),
    )
    return map(_found, rows)


def _threads_in(
    store: "Store", channel: str, circle: Circle, before: int | None
) -> Iterator[Found]:
    """Yield the threads of posts in a channel, each at its newest."""
    blocked = circle.blocks_marked
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
    return Reason("wrote", () if sketch.root_feed is None else (sketch.root_feed,))


def _why_channel(circle: Circle, sketch: Sketch) -> Reason:
    return Reason("channel", ())
