"""Whom the viewer follows and blocks: the plain facts from which timelines and threads are chosen.

They come from the contacts that are folded so far; whoever wants a relation that was published just
now waits for the view ``contacts`` first. Other rooms may hand in a circle of their own.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import msgspec
import orjson

from lichen.feed.message import FeedId
from lichen.store.log import feed_mark
from lichen.store.views.queries import SqlValue

if TYPE_CHECKING:
    from lichen.store.store import Store

FOLLOWS = 1
BLOCKS = -1


class Relation(msgspec.Struct, frozen=True):
    """How two feeds see each other: ``follows``, ``blocks`` or ``none``, both ways."""

    mine: str
    theirs: str


class Circle(msgspec.Struct, frozen=True, dict=True):
    """The viewer, and whom the viewer follows and blocks. Nobody follows or blocks oneself."""

    viewer: FeedId
    follows: frozenset[FeedId] = frozenset()
    blocks: frozenset[FeedId] = frozenset()

    @cached_property
    def mine(self) -> frozenset[FeedId]:
        """Return whose messages a home page is made of: the followed, and the viewer."""
        return self.follows | {self.viewer}

    @cached_property
    def mine_marks(self) -> frozenset[int]:
        """Return the marks of the same."""
        return frozenset(map(feed_mark, self.mine))

    @cached_property
    def mine_marked(self) -> str:
        """Return these as a list for SQL."""
        return as_numbers(self.mine_marks)

    @cached_property
    def follows_marks(self) -> frozenset[int]:
        """Return the marks of whom the viewer follows."""
        return frozenset(map(feed_mark, self.follows))

    @cached_property
    def follows_marked(self) -> str:
        """Return these as a list for SQL."""
        return as_numbers(self.follows_marks)

    @cached_property
    def follows_listed(self) -> str:
        """Return whom the viewer follows as a list for SQL."""
        return as_list(self.follows)

    @cached_property
    def blocks_listed(self) -> str:
        """Return whom the viewer blocks as a list for SQL."""
        return as_list(self.blocks)

    @cached_property
    def blocks_marked(self) -> str:
        """Return the same as a list of marks."""
        return as_marks(self.blocks)

    def word_for(self, feed: FeedId) -> str:
        """Return how the viewer sees a feed, as a ``Relation`` says it."""
        if feed in self.follows:
            return "follows"
        return "blocks" if feed in self.blocks else "none"

    def steps(self, feed: FeedId) -> int:
        """Return how far a feed is: 0 the viewer, 1 followed, 2 anybody else."""
        return 0 if feed == self.viewer else 1 if feed in self.follows else 2


_kept: WeakKeyDictionary["Store", tuple[int, Circle]] = WeakKeyDictionary()
"""The circle of the person whose peer this is, as of which change of the contacts."""


def circle_of(store: "Store", viewer: FeedId) -> Circle:
    """Return the circle of a feed, by the contacts folded so far."""
    changes = store.views.changes("contacts")
    kept_changes, kept = _kept.get(store, (-1, None))
    if kept is not None and kept.viewer == viewer and kept_changes == changes:
        return kept
    circle = read_circle(store, viewer)
    if viewer == store.own():
        _kept[store] = (changes, circle)
    return circle


def read_circle(store: "Store", viewer: FeedId) -> Circle:
    """Return the circle of a feed, read anew."""
    follows, blocks = set(), set()
    for target, value in store.views.read(
        "SELECT target, value FROM contacts WHERE source = ? AND target != ? AND value IN (1, -1)",
        (feed_mark(viewer), viewer),
    ):
        if value == FOLLOWS:
            follows.add(FeedId(str(target)))
        elif value == BLOCKS:
            blocks.add(FeedId(str(target)))
    return Circle(viewer, frozenset(follows), frozenset(blocks))


def as_list(ids: Collection[str]) -> str:
    """Return ids as the JSON list that SQL reads with ``json_each``."""
    return orjson.dumps(sorted(ids)).decode()


def as_marks(feeds: Collection[FeedId]) -> str:
    """Return the marks of feeds as such a list."""
    return orjson.dumps(sorted(map(feed_mark, feeds))).decode()


def as_numbers(marks: Collection[int]) -> str:
    """Return marks as such a list."""
    return orjson.dumps(sorted(marks)).decode()


def as_hex(marks: Collection[bytes]) -> str:
    """Return marks of messages, in this order, as a list from which SQL gets them by ``unhex``."""
    return orjson.dumps([mark.hex() for mark in marks]).decode()


def relation_word(value: SqlValue) -> str:
    """Return the word of a ``Relation`` for the value of a contact."""
    return "follows" if value == FOLLOWS else "blocks" if value == BLOCKS else "none"


def feeds_in(rows: Sequence[Sequence[SqlValue]]) -> frozenset[FeedId]:
    """Return the feeds in the first column of what was read."""
    return frozenset(FeedId(str(row[0])) for row in rows)


def feeds_marked(store: "Store", marks: Iterable[SqlValue]) -> Iterator[FeedId]:
    """Yield the feeds that marks stand for, as far as they are in the log."""
    for mark in marks:
        if isinstance(mark, int) and (feed := store.log.feed_of(mark)) is not None:
            yield feed
