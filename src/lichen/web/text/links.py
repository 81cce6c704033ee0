"""Where things of Secure Scuttlebutt have their pages on this peer."""

from typing import Protocol
from urllib.parse import quote

from lichen.feed.message import BlobId, FeedId, MsgId
from lichen.node.paths import segment_of


class Links(Protocol):
    """Gives the local path of what a text refers to."""

    def feed(self, feed: FeedId, /) -> str:
        """Return the path of a person's page."""
        ...

    def message(self, key: MsgId, /) -> str:
        """Return the path of a message's page."""
        ...

    def blob(self, blob: BlobId, /) -> str:
        """Return the path of a blob's bytes."""
        ...

    def channel(self, name: str, /) -> str:
        """Return the path of a channel's page; the name has no ``#``."""
        ...


class PathLinks:
    """The paths that the pages of this peer have."""

    __slots__ = ()

    def feed(self, feed: FeedId, /) -> str:
        """Return the path of a person's page."""
        return f"/people/{segment_of(feed)}"

    def message(self, key: MsgId, /) -> str:
        """Return the path of the thread around a message."""
        return f"/thread/{segment_of(key)}"

    def blob(self, blob: BlobId, /) -> str:
        """Return the path of a blob's bytes."""
        return f"/blob/{segment_of(blob)}"

    def channel(self, name: str, /) -> str:
        """Return the path of a channel's page."""
        return f"/channel/{quote(name.encode('utf-8', 'replace'), safe='')}"


PATHS: Links = PathLinks()
