"""Timelines: threads as cards, a page of them at a time, for one viewer.

A home page is made of the threads in which the viewer, or somebody the viewer follows, posted. A
thread stands where its newest such post stands, so a stranger's reply does not lift it, and it is
on one page only: a page takes a thread if nothing that lifts it came after the page's start. Side
threads are threads of their own here. A channel's page is the same with the posts in that channel,
a profile's page has the threads that somebody began.

A page goes on before a ``received_no``, so what arrives meanwhile shifts nothing. Only the posts of
those who count are looked at, by index and in spans that grow, so silence costs little.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from lichen.apps.social.reading.circle import Circle, as_list, circle_of
from lichen.apps.social.reading.entries import Entry, Gap, read_entry
from lichen.apps.social.rules import sort_thread
from lichen.feed.message import FeedId, MsgId
from lichen.feed.refs import normalize_channel
from lichen.store.log import Stored

if TYPE_CHECKING:
    from lichen.store.store import Store

CARDS_MAX = 100
"""Cards of one page."""
REPLIES_SHOWN = 2
"""Replies at the end of a thread that its card shows."""
REPLIERS_NAMED = 3
"""Feeds that the line above a card names."""
REPLIES_SORTED_MAX = 60
"""Newest replies among which the last in reading order are looked for: whole threads, mostly."""
CARD_ROWS_MAX = 1_000
"""Newest posts of a thread that its card looks at; beyond, only their number is asked for."""
SPAN_FIRST = 300
"""Messages of the log looked through first; each further span is four times as long."""
SPAN_PER_FEED = 4
"""In a span of up to so many messages for each feed that counts, all posts are looked at; in a
longer one those of each feed."""
CHUNK_ROWS = 200
"""Posts of a channel, or threads of a feed, looked at in one go."""
FRESH_MAX = 100
"""Fresh threads that are counted; a page says 99+."""

Found = tuple[MsgId, int]
"""A thread, and the newest message that lifts it."""


class Reason(msgspec.Struct, frozen=True):
    """Why a card is there: ``wrote``, ``replied`` (``feeds``, newest first) or ``channel``."""

    kind: str
    feeds: tuple[FeedId, ...]


class Card(msgspec.Struct, frozen=True):
    """A thread on a timeline. ``newest_no`` is the message that put it where it stands.

    Counts are of posts: ``reply_count`` without those of blocked feeds, which are
    ``hidden_count``; ``unread_count`` without the viewer's own, the root included.
    ``thread_no`` is the newest post of all: what to mark the thread read to.
    """

    thread: MsgId
    root: Entry | Gap
    reason: Reason
    replies: tuple[Entry, ...]
    reply_count: int
    hidden_count: int
    unread_count: int
    read_to_no: int
    newest_no: int
    thread_no: int


class Timeline(msgspec.Struct, frozen=True):
    """A page of cards. ``older_before``: where the next page goes on, None after the last.

    ``newest_no`` is what ``count_fresh`` counts from; 0 where there is nothing.
    """

    cards: tuple[Card, ...]
    older_before: int | None
    newest_no: int


class _Row(msgspec.Struct, frozen=True):
    """A post of a thread, as a card looks at it."""

    received_no: int
    feed: FeedId
    is_root: bool


class _Sketch(msgspec.Struct, frozen=True):
    """A card whose replies are not read yet."""

    thread: MsgId
    newest_no: int
    root: Stored | None
    rows: tuple[_Row, ...]
    replies: tuple[_Row, ...]


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
    return _page(store, circle, found, limit, _why_home)


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
    return _page(store, circle, found, limit, _why_channel)


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
    return _page(store, circle, _threads_begun(store, feed, before), limit, _why_profile)


def count_fresh(store: "Store", viewer: FeedId, after: int, *, circle: Circle | None = None) -> int:
    """Return in how many threads of the home page somebody followed posted after ``after``.

    The viewer's own posts do not count. Stops at ``FRESH_MAX``.
    """
    circle = circle or circle_of(store, viewer)
    end = store.log.last_no + 1
    posts = _posts(store, circle.follows, after + 1, end)
    fresh = list(islice(dict.fromkeys(thread for thread, _ in posts), FRESH_MAX))
    roots = (store.log.get(thread) for thread in fresh)
    return sum(root is None or root.feed not in circle.blocks for root in roots)


def people_of(timeline: Timeline) -> frozenset[FeedId]:
    """Return every feed that a page of cards names: authors, repliers, those mentioned."""
    people: set[FeedId] = set()
    for card in timeline.cards:
        people.update(card.reason.feeds)
        people.update(
            feed
            for entry in (card.root, *card.replies)
            if isinstance(entry, Entry)
            for feed in named_in(entry)
        )
    return frozenset(people)


def named_in(entry: Entry) -> Iterator[FeedId]:
    """Yield the feeds that an entry names: its author, and whom it mentions."""
    yield entry.feed
    for mention in entry.mentions:
        if mention.link.startswith("@"):
            yield FeedId(mention.link)


# Which threads, newest first


def _threads_of(store: "Store", feeds: Collection[FeedId], before: int | None) -> Iterator[Found]:
    """Yield the threads of posts by these feeds, each at its newest, by spans of the log."""
    whose = as_list(feeds)
    end = store.log.last_no + 1 if before is None else before
    span = SPAN_FIRST
    seen: set[MsgId] = set()
    while end > 0:
        first = max(0, end - span)
        found = [pair for pair in _posts(store, feeds, first, end) if pair[0] not in seen]
        if before is not None and found:
            later = store.views.read(
                "SELECT DISTINCT thread FROM json_each(?) t"
                " CROSS JOIN social_threads ON thread = t.value"
                " WHERE is_post = 1 AND role < 2 AND received_no >= ?"
                " AND feed IN (SELECT value FROM json_each(?))",
                (as_list([thread for thread, _ in found]), before, whose),
            )
            seen.update(MsgId(str(thread)) for (thread,) in later)
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
        newest: dict[MsgId, int] = {}
        for thread, number, feed in rows:
            if feed in feeds:
                newest.setdefault(*_found((thread, number)))
        return iter(newest.items())
    rows = store.views.read(
        "SELECT thread, max(received_no) AS newest FROM json_each(?) f"
        " CROSS JOIN social_threads INDEXED BY social_threads_by_feed ON feed = f.value"
        " WHERE is_post = 1 AND role < 2 AND received_no >= ? AND received_no < ?"
        " GROUP BY thread ORDER BY newest DESC",
        (as_list(feeds), first, end),
    )
    return map(_found, rows)


def _threads_in(
    store: "Store", channel: str, circle: Circle, before: int | None
) -> Iterator[Found]:
    """Yield the threads of posts in a channel, each at its newest."""
    blocked = as_list(circle.blocks)
    end = store.log.last_no + 1 if before is None else before
    seen: set[MsgId] = set()
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
            (feed, end, CHUNK_ROWS),
        )
        yield from map(_found, rows)
        if len(rows) < CHUNK_ROWS:
            return
        end = _found(rows[-1])[1]


def _found(row: Sequence[object]) -> Found:
    thread, number = row
    assert isinstance(number, int), "the column holds integers"
    return MsgId(str(thread)), number


# Cards

_Why = Callable[[Circle, _Sketch], Reason]


def _page(
    store: "Store", circle: Circle, found: Iterator[Found], limit: int, why: _Why
) -> Timeline:
    """Make cards of the first visible threads, and say where the next page goes on."""
    limit = max(1, min(limit, CARDS_MAX))
    # One more than is shown tells whether there is a next page.
    chosen = list(islice(_visible(store, circle, found), limit + 1))
    sketches = [
        _sketch(store, circle, thread, number, root) for thread, number, root in chosen[:limit]
    ]
    numbers = {row.received_no for sketch in sketches for row in sketch.replies}
    entries = {
        stored.received_no: read_entry(stored) for stored in store.log.at_numbers(sorted(numbers))
    }
    cards = tuple(_card(store, circle, sketch, entries, why) for sketch in sketches)
    return Timeline(
        cards,
        older_before=cards[-1].newest_no if len(chosen) > limit else None,
        newest_no=cards[0].newest_no if cards else 0,
    )


def _visible(
    store: "Store", circle: Circle, found: Iterator[Found]
) -> Iterator[tuple[MsgId, int, Stored | None]]:
    """Leave out the threads that a blocked feed began."""
    for thread, number in found:
        root = store.log.get(thread)
        if root is None or root.feed not in circle.blocks:
            yield thread, number, root


def _sketch(
    store: "Store", circle: Circle, thread: MsgId, newest_no: int, root: Stored | None
) -> _Sketch:
    rows = tuple(
        _Row(number, FeedId(str(feed)), number == (root.received_no if root else None))
        for number, feed in store.views.read(
            "SELECT received_no, feed FROM social_threads WHERE thread = ? AND is_post = 1"
            " ORDER BY received_no DESC LIMIT ?",
            (thread, CARD_ROWS_MAX),
        )
        if isinstance(number, int)
    )
    visible = (row for row in rows if not row.is_root and row.feed not in circle.blocks)
    return _Sketch(thread, newest_no, root, rows, tuple(islice(visible, REPLIES_SORTED_MAX)))


def _card(
    store: "Store", circle: Circle, sketch: _Sketch, entries: dict[int, Entry], why: _Why
) -> Card:
    rows, thread = sketch.rows, sketch.thread
    read_to_no = store.local.read_to(thread)
    hidden = sum(row.feed in circle.blocks for row in rows)
    replies = sum(not row.is_root for row in rows)
    if len(rows) == CARD_ROWS_MAX:
        replies = _count_replies(store, sketch)
    candidates = {
        entries[row.received_no].key: entries[row.received_no]
        for row in sketch.replies
        if row.received_no in entries  # it may have been cut off the log since
    }
    in_order = sort_thread(entry.message for entry in candidates.values())
    return Card(
        thread=thread,
        root=Gap(thread) if sketch.root is None else read_entry(sketch.root),
        reason=why(circle, sketch),
        replies=tuple(candidates[message.key] for message in in_order[-REPLIES_SHOWN:]),
        reply_count=replies - hidden,
        hidden_count=hidden,
        unread_count=sum(
            row.received_no > read_to_no
            and row.feed != circle.viewer
            and row.feed not in circle.blocks
            for row in rows
        ),
        read_to_no=read_to_no,
        newest_no=sketch.newest_no,
        thread_no=max((row.received_no for row in rows), default=sketch.newest_no),
    )


def _count_replies(store: "Store", sketch: _Sketch) -> int:
    """Count the replies of a thread with more posts than a card looks at."""
    ((count,),) = store.views.read(
        "SELECT count(*) FROM social_threads WHERE thread = ? AND is_post = 1 AND role > 0",
        (sketch.thread,),
    )
    assert isinstance(count, int), "a count is a number"
    return count


def _why_home(circle: Circle, sketch: _Sketch) -> Reason:
    repliers = dict.fromkeys(
        row.feed for row in sketch.rows if not row.is_root and row.feed in circle.mine
    )
    if repliers:
        return Reason("replied", tuple(repliers)[:REPLIERS_NAMED])
    return _why_profile(circle, sketch)


def _why_profile(circle: Circle, sketch: _Sketch) -> Reason:
    return Reason("wrote", () if sketch.root is None else (sketch.root.feed,))


def _why_channel(circle: Circle, sketch: _Sketch) -> Reason:
    return Reason("channel", ())
