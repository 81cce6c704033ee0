"""What the brain may look at: clock and blob sizes, in memory, and chance. Nothing else."""

from typing import Protocol

from lichen.feed.message import BlobId, FeedId


class Log(Protocol):
    """The log as the brain sees it."""

    def received(self, feed: FeedId) -> int:
        """Return the sequence of the last message held of a feed, 0 for none. Never blocks."""
        ...

    def audited(self, feed: FeedId) -> int:
        """Return up to where every signature of a feed was checked. Never blocks.

        It never falls within a run, and is ``received`` but for a feed that still has messages
        of which only the chain was checked.
        """
        ...


class Blobs(Protocol):
    """The blobs as the brain sees them."""

    def size(self, blob: BlobId) -> int | None:
        """Return the size of a blob, None if it is not here. Never blocks."""
        ...


class Random(Protocol):
    """The part of ``random.Random`` the brain draws from; the lab seeds one per peer."""

    def random(self) -> float:
        """Return a number in [0, 1)."""
        ...
