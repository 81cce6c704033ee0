"""Whom the viewer follows and blocks: the plain facts from which timelines and threads are chosen.

They come from the contacts that are folded so far; whoever wants a relation that was published just
now waits for the view ``contacts`` first. Other rooms may hand in a circle of their own.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import msgspec
import orjson

from lichen.feed.message import FeedId
from lichen.store.log import feed_mark

if TYPE_CHECKING:
    from lichen.store.store import Store

FOLLOWS = 1
BLOCKS = -1


class Circle(msgspec.Struct, frozen=True):
    """The viewer, and whom the viewer follows and blocks. Nobody follows or blocks oneself."""

    viewer: FeedId
    follows: frozenset[FeedId] = frozenset()
    blocks: frozenset[FeedId] = frozenset()

    @property
    def mine(self) -> frozenset[FeedId]:
        """Return whose messages a home page is made of: the followed, and the viewer."""
        return self.follows | {self.viewer}

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
    circle = _read_circle(store, viewer)
    if viewer == store.own():
        _kept[store] = (changes, circle)
    return circle


def _read_circle(store: "Store", viewer: FeedId) -> Circle:
    follows, blocks = set(), set()
    for target, value in store.views.read(
        "SELECT target, value FROM contacts WHERE source = ? AND target != ? AND value IN (1, -1)",
        (viewer, viewer),
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


def as_hex(marks: Collection[bytes]) -> str:
    """Return marks of messages as a list from which SQL gets them with ``unhex``."""
    return orjson.dumps([mark.hex() for mark in marks]).decode()
