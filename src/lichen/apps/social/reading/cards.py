"""Cards: threads as a timeline shows them, for one viewer.

A card has the root, the last replies in reading order, and counts; what blocked feeds wrote is left
out and counted apart.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from lichen.apps.social.reading.circle import Circle, as_hex
from lichen.apps.social.reading.entries import Entry, Gap, order_of, read_entry
from lichen.apps.social.rules import sort_thread
from lichen.apps.social.view import BEGINS
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
    """A card of which only the rows of the view are read.

    ``root``: the message, or its number where a row tells that; its id if it is not here.
    """

    mark: bytes
    newest_no: int
    root: Stored | int | MsgId
    root_feed: FeedId | None
    rows: tuple[Row, ...]
    replies: tuple[Row, ...]


Why = Callable[[Circle, Sketch], Reason]
"""What says why a card is there."""


def make_page(
    store: "Store", circle: Circle, found: Iterator[Found], limit: int, why: Why
) -> Timeline:
    """Make cards of the first visible threads, and say where the next page goes on."""
    limit = max(1, min(limit, CARDS_MAX))
    chosen: list[Sketch] = []
    # One more than is shown tells whether there is a next page.
    while len(chosen) <= limit and (some := list(islice(found, limit + 1 - len(chosen)))):
        chosen += _sketches(store, circle, some)
    sketches = chosen[:limit]
    numbers = [row.received_no for sketch in sketches for row in sketch.replies]
    numbers += [sketch.root for sketch in sketches if isinstance(sketch.root, int)]
    messages = {stored.received_no: stored for stored in store.log.at_numbers(numbers)}
    cards = tuple(
        _card(store, circle, sketch, root, messages, why)
        for sketch in sketches
        if (root := messages.get(sketch.root) if isinstance(sketch.root, int) else sketch.root)
    )
    return Timeline(
        cards,
        older_before=cards[-1].newest_no if len(chosen) > limit else None,
        newest_no=cards[0].newest_no if cards else 0,
    )


def _sketches(store: "Store", circle: Circle, found: Sequence[Found]) -> Iterator[Sketch]:
    """Look at the posts of threads; leave out the threads that a blocked feed began."""
    rows: dict[bytes, list[Row]] = {mark: [] for mark, _ in found}
    for mark, number, whose, role in store.views.read(
        "SELECT thread, received_no, feed, role FROM json_each(?) t"
        " CROSS JOIN social_threads ON thread = unhex(t.value) AND is_post = 1"
        # Of a thread with very many posts only the newest are looked at.
        " AND received_no >= ifnull((SELECT received_no FROM social_threads"
        "  WHERE thread = unhex(t.value) AND is_post = 1"
        "  ORDER BY received_no DESC LIMIT 1 OFFSET ?), 0)"
        " ORDER BY t.key, received_no DESC",
        (as_hex(rows), CARD_ROWS_MAX - 1),
    ):
        assert isinstance(mark, bytes), "the column holds marks"
        assert isinstance(number, int), "the column holds integers"
        assert isinstance(whose, int), "the column holds marks"
        if (feed := store.log.feed_of(whose)) is not None:
            rows[mark].append(Row(number, feed, role == BEGINS))
    begun = {mark: row for mark, of_thread in rows.items() for row in of_thread if row.is_root}
    # Side threads, and what others answer that is no post, do not begin with a row of their own.
    others = store.log.with_marks([mark for mark in rows if mark not in begun])
    for mark, newest_no in found:
        row, other = begun.get(mark), others.get(mark)
        root_feed = row.feed if row else other.feed if other else None
        root = row.received_no if row else other or _root_named(store, mark, newest_no)
        if root is None or root_feed in circle.blocks:
            continue
        visible = (r for r in rows[mark] if not r.is_root and r.feed not in circle.blocks)
        yield Sketch(
            mark,
            newest_no,
            root,
            root_feed,
            tuple(rows[mark]),
            tuple(islice(visible, REPLIES_SORTED_MAX)),
        )


def _root_named(store: "Store", mark: bytes, number: int) -> MsgId | None:
    """Return the thread with a mark that a message says it is in; None if that was cut since."""
    places = [read_entry(stored).place for stored in store.log.at_numbers([number])]
    named = (thread for place in places for thread in (place.root, place.fork))
    return next((each for each in named if each and message_mark(each) == mark), None)


def _card(
    store: "Store",
    circle: Circle,
    sketch: Sketch,
    root: Stored | MsgId,
    messages: Mapping[int, Stored],
    why: Why,
) -> Card:
    rows = sketch.rows
    thread = root.key if isinstance(root, Stored) else root
    read_to_no = store.local.read_to(thread)
    hidden = sum(row.feed in circle.blocks for row in rows)
    replies = sum(not row.is_root for row in rows)
    if len(rows) == CARD_ROWS_MAX:
        replies = _count_replies(store, sketch)
    return Card(
        thread=thread,
        root=read_entry(root) if isinstance(root, Stored) else Gap(root),
        reason=why(circle, sketch),
        replies=_last_replies(sketch, messages),
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
        thread_no=rows[0].received_no if rows else sketch.newest_no,
    )


def _last_replies(sketch: Sketch, messages: Mapping[int, Stored]) -> tuple[Entry, ...]:
    """Read the replies that are shown: the last in reading order."""
    candidates = {
        stored.key: stored
        for row in sketch.replies
        if (stored := messages.get(row.received_no))  # it may have been cut off the log since
    }
    if len(candidates) < 2:
        return tuple(map(read_entry, candidates.values()))
    in_order = sort_thread(map(order_of, candidates.values()))
    return tuple(read_entry(candidates[each.key]) for each in in_order[-REPLIES_SHOWN:])


def _count_replies(store: "Store", sketch: Sketch) -> int:
    """Count the replies of a thread with more posts than a card looks at."""
    ((count,),) = store.views.read(
        "SELECT count(*) FROM social_threads WHERE thread = ? AND is_post = 1 AND role > 0",
        (sketch.mark,),
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
