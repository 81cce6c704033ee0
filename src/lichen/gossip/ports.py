"""What the brain may look at: the log's clock, in memory, and chance. Nothing else of the world."""

from collections.abc import Mapping
from typing import Protocol

from lichen.feed.message import FeedId


class Log(Protocol):
    """The log as the brain sees it."""

    def received(self, feed: FeedId) -> int:
        """Return the sequence of the last message held of a feed, 0 for none. Never blocks."""
        ...

    def clock(self) -> Mapping[FeedId, int]:
        """Return feed to last held sequence, for every feed with messages. Never blocks."""
        ...


class Random(Protocol):
    """The part of ``random.Random`` the brain draws from; the lab seeds one per peer."""

    def random(self) -> float:
        """Return a number in [0, 1)."""
        ...
