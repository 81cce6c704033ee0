"""Cards: threads as a timeline shows them, for one viewer.

A card has the root, the last replies in reading order, and counts; what blocked feeds wrote is left
out and counted apart.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from lichen.apps.social.reading.circle import Circle
from lichen.apps.social.reading.entries import Entry, Gap, read_entry
from lichen.apps.social.rules import sort_thread
from lichen.feed.message import FeedId, MsgId
from lichen.store.log import Stored, message_mark

if TYPE_CHECKING:
    from lichen.store.store import Store

CARDS_MAX = 100
"""Cards of one page."""
REPLIES_SHOWN = 2
"""Replies at the end of a thread that its card shows."""
REPLIES_SORTED_MAX = 60
"""Newest replies among which the last in reading order are looked for: whole threads, mostly."""
CARD_ROWS_MAX = 1_000
"""Newest posts of a thread that its card looks at; beyond, only their number is asked for."""

Found = tuple[bytes, int]
"""The mark of a thread, and the newest message that lifts it."""


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


class Row(msgspec.Struct, frozen=True):
    """A post of a thread, as a card looks at it."""

    received_no: int
    feed: FeedId
    is_root: bool


class Sketch(msgspec.Struct, frozen=True):
    """A card whose replies are not read yet."""

    thread: MsgId
    newest_no: int
    root: Stored | None
    rows: tuple[Row, ...]
    replies: tuple[Row, ...]


Why = Callable[[Circle, Sketch], Reason]
"""What says why a card is there."""


def make_page(
    store: "Store", circle: Circle, found: Iterator[Found], limit: int, why: Why
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
    for mark, number in found:
        root = store.log.marked(mark)
        thread = _thread_named(store, mark, number) if root is None else root.key
        if thread is not None and (root is None or root.feed not in circle.blocks):
            yield thread, number, root


def _thread_named(store: "Store", mark: bytes, number: int) -> MsgId | None:
    """Return the thread with a mark that a message says it is in; None if that was cut since."""
    places = [read_entry(stored).place for stored in store.log.at_numbers([number])]
    named = (thread for place in places for thread in (place.root, place.fork))
    return next((each for each in named if each and message_mark(each) == mark), None)


def _sketch(
    store: "Store", circle: Circle, thread: MsgId, newest_no: int, root: Stored | None
) -> Sketch:
    rows = tuple(
        Row(number, feed, number == (root.received_no if root else None))
        for number, mark in store.views.read(
            "SELECT received_no, feed FROM social_threads WHERE thread = ? AND is_post = 1"
            " ORDER BY received_no DESC LIMIT ?",
            (message_mark(thread), CARD_ROWS_MAX),
        )
        if isinstance(number, int)
        and isinstance(mark, int)
        and (feed := store.log.feed_of(mark)) is not None
    )
    visible = (row for row in rows if not row.is_root and row.feed not in circle.blocks)
    return Sketch(thread, newest_no, root, rows, tuple(islice(visible, REPLIES_SORTED_MAX)))


def _card(
    store: "Store", circle: Circle, sketch: Sketch, entries: dict[int, Entry], why: Why
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


def _count_replies(store: "Store", sketch: Sketch) -> int:
    """Count the replies of a thread with more posts than a card looks at."""
    ((count,),) = store.views.read(
        "SELECT count(*) FROM social_threads WHERE thread = ? AND is_post = 1 AND role > 0",
        (message_mark(sketch.thread),),
    )
    assert isinstance(count, int), "a count is a number"
    return count


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
