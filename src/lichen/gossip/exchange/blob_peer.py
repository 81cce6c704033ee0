"""What one connected peer and we have told each other of blobs, and what goes between us."""

from lichen.feed.message import BlobId, FeedId
from lichen.gossip.effects import ReadBlob
from lichen.gossip.events import ConnectionId
from lichen.gossip.limits import BLOB_RUN_BYTES


class ServedBlob:
    """A blobs.get or blobs.getSlice that we answer."""

    __slots__ = ("at", "blob", "call", "end")

    def __init__(self, call: int, blob: BlobId, start: int, end: int) -> None:
        self.call = call
        self.blob = blob
        self.at = start
        self.end = end


class Download:
    """A blobs.get of ours. ``expected``: the size that the peer had said, if it said one."""

    __slots__ = (
        "blob",
        "call",
        "connection",
        "expected",
        "heard_at",
        "is_finishing",
        "received",
        "since",
    )

    def __init__(
        self, blob: BlobId, connection: ConnectionId, call: int, expected: int | None, now: float
    ) -> None:
        self.blob = blob
        self.connection = connection
        self.call = call
        self.expected = expected
        self.since = self.heard_at = now
        self.received = 0
        self.is_finishing = False
        """All of it has come; the disk has the word."""


class BlobPeer:
    """One connection, as far as blobs go."""

    __slots__ = (
        "asked",
        "changes_call",
        "connection",
        "download",
        "failed",
        "has_calls",
        "has_heard",
        "in_flight",
        "is_legacy",
        "lies",
        "must_tell",
        "news",
        "our_call",
        "our_changes_call",
        "peer",
        "served",
        "their_call",
        "want_calls",
        "wants",
    )

    def __init__(self, connection: ConnectionId, peer: FeedId) -> None:
        self.connection = connection
        self.peer = peer
        self.our_call = 0
        """Our createWants at the peer: it tells us what it wants and has."""
        self.has_heard = False
        self.their_call = 0
        """The peer's createWants here: we tell it; 0 for none yet."""
        self.want_calls = 0
        self.news: dict[BlobId, int] = {}
        """Wants and sizes to tell, merged until there is room."""
        self.must_tell = False
        """The first object goes out even if it is empty."""
        self.wants: dict[BlobId, int] = {}
        """What the peer wants and we did not have, with the hops: it is told when we do."""
        self.asked: dict[BlobId, None] = {}
        """What we look for on the peer's behalf."""
        self.is_legacy = False
        """The peer has no createWants: it is asked by blobs.has, and tells by blobs.changes."""
        self.has_calls: dict[int, tuple[BlobId, ...]] = {}
        self.our_changes_call = 0
        self.changes_call = 0
        """The peer's blobs.changes here."""
        self.served: dict[int, ServedBlob] = {}
        """What we serve, first come first served."""
        self.in_flight: ReadBlob | None = None
        self.download: Download | None = None
        self.failed: dict[BlobId, None] = {}
        """What the peer said to have and did not give."""
        self.lies = 0
        """Blobs of which it gave wrong bytes."""

    def take_run(self) -> ReadBlob | None:
        """Return what to read and send next, None if it is nobody's turn."""
        if self.in_flight is not None:
            return None
        for served in self.served.values():
            end = min(served.at + BLOB_RUN_BYTES, served.end)
            self.in_flight = ReadBlob(self.connection, served.call, served.blob, served.at, end)
            return self.in_flight
        return None
