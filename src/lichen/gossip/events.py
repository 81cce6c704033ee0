"""What the brain is told. Events are facts, in the past tense; each is a frozen value."""

from typing import NewType

import msgspec

from lichen.feed.content import Contact
from lichen.feed.message import BlobId, FeedId, ForkProof, MsgId, Rejected
from lichen.wire.events import MuxrpcEvent

ConnectionId = NewType("ConnectionId", int)
"""One connection of this run; never used again after it has closed."""


FROM_ADDRESS = "address"
"""How a peer was met: a person typed its address."""
FROM_LAN = "lan"
"""How a peer was met: it announced itself on the local network."""
CALLED_US = "called-us"
"""How a peer was met: it dialled."""


class Address(msgspec.Struct, frozen=True):
    """An entry of the address book: where a peer was reachable, and how it was met."""

    address: str
    peer: FeedId
    autoconnect: bool = True
    source: str = FROM_ADDRESS


class Started(msgspec.Struct, frozen=True):
    """The replication set is folded, the address book read: the first event of a run."""

    contacts: tuple[Contact, ...]
    addresses: tuple[Address, ...]
    hops_max: int
    is_guarded: bool
    """Publishing waits until peers were asked for the own feed (imported key, restored log)."""
    asked_peers: tuple[FeedId, ...] = ()
    """Peers already asked for the own feed in earlier runs under the same guard."""
    forked: tuple[FeedId, ...] = ()
    """Feeds known to be forked: nothing more is asked of them."""
    clock_ms: float = 0.0
    """Milliseconds since 1970 at second 0 of the clock that ``handle`` is given; only for pings."""
    pushes: tuple[tuple[BlobId, tuple[FeedId, ...]], ...] = ()
    """Blobs that others are to have, each with the peers that have it by now."""
    distrusted: tuple[FeedId, ...] = ()
    """Peers that once sent a message whose signature was found wrong after it was kept."""


class Connected(msgspec.Struct, frozen=True):
    """A handshake is complete.

    ``is_client``: we dialled. ``saved_clock``: what the peer had at the end of its last session,
    empty when there was none or it cannot be trusted.
    """

    connection: ConnectionId
    peer: FeedId
    is_client: bool
    address: str
    saved_clock: dict[FeedId, int]


class Disconnected(msgspec.Struct, frozen=True):
    """A connection is gone, for whatever reason."""

    connection: ConnectionId
    reason: str


class FromPeer(msgspec.Struct, frozen=True):
    """Something a remote peer said on an open connection."""

    connection: ConnectionId
    event: MuxrpcEvent


class Drained(msgspec.Struct, frozen=True):
    """The pipe to a peer has room again: ``queued_bytes`` are still waiting in it."""

    connection: ConnectionId
    queued_bytes: int


class MessagesSent(msgspec.Struct, frozen=True):
    """A ``SendMessages`` was performed up to and including ``last``.

    ``last`` is ``first - 1`` when nothing was found. ``queued_bytes`` now wait in the pipe.
    """

    connection: ConnectionId
    call: int
    feed: FeedId
    first: int
    last: int
    queued_bytes: int


class Progress(msgspec.Struct, frozen=True):
    """A feed has grown: messages ``first`` to ``last`` are in the log, ``key`` is the last's."""

    feed: FeedId
    first: int
    last: int
    key: MsgId


class Ingested(msgspec.Struct, frozen=True):
    """A batch has been decided and what was accepted is in the log.

    ``connection`` None: own messages, or an import. ``count`` is the size of the batch as given.
    """

    connection: ConnectionId | None
    count: int
    progress: tuple[Progress, ...]
    rejected: tuple[Rejected, ...] = ()
    forks: tuple[ForkProof, ...] = ()
    contacts: tuple[Contact, ...] = ()
    duplicates: tuple[tuple[FeedId, int], ...] = ()
    """(feed, sequence) of messages that the log had already."""


class Audited(msgspec.Struct, frozen=True):
    """The signatures of kept messages were checked and hold: feed and up to where, for some."""

    progress: tuple[tuple[FeedId, int], ...]


class AuditFailed(msgspec.Struct, frozen=True):
    """A kept message was not what its author signed: the feed now ends before ``sequence``.

    ``source``: the peer that had sent it; None if it came in another way.
    """

    feed: FeedId
    sequence: int
    source: FeedId | None


class IngestFailed(msgspec.Struct, frozen=True):
    """A batch could not be written; nothing of it is in the log. ``reason`` e.g. ``disk full``."""

    connection: ConnectionId | None
    count: int
    reason: str


class DialFailed(msgspec.Struct, frozen=True):
    """No connection came of a ``Dial``."""

    address: str
    reason: str


class AddressAdded(msgspec.Struct, frozen=True):
    """A person asked to connect to an address (now, and again later if it says so)."""

    address: Address


class AddressForgotten(msgspec.Struct, frozen=True):
    """A person wants an address kept no longer; a connection over it stays."""

    address: str


class PeerDismissed(msgspec.Struct, frozen=True):
    """A person wants no connection with a peer until they ask for one, or the next run begins."""

    peer: FeedId


class PeerTrusted(msgspec.Struct, frozen=True):
    """A person trusts a peer again that once sent what its author had not signed."""

    peer: FeedId


class PeerSeen(msgspec.Struct, frozen=True):
    """A peer was announced on the local network; ``is_verified`` if it signed that itself."""

    address: str
    peer: FeedId
    is_verified: bool


class HopsChanged(msgspec.Struct, frozen=True):
    """A person changed how far to replicate."""

    hops_max: int


class GuardLifted(msgspec.Struct, frozen=True):
    """A person allowed publishing in words, although too few peers were asked."""


class BlobRead(msgspec.Struct, frozen=True):
    """A ``ReadBlob`` was performed up to ``end``; not as far as asked: the blob is here no more."""

    connection: ConnectionId
    call: int
    blob: BlobId
    end: int
    queued_bytes: int


class BlobStored(msgspec.Struct, frozen=True):
    """A blob is here, durably. ``connection`` and ``call`` None: it was added by a person."""

    blob: BlobId
    size: int
    connection: ConnectionId | None = None
    call: int | None = None


class BlobFailed(msgspec.Struct, frozen=True):
    """A blob of a peer was not kept: its bytes were wrong, or (not its fault) the disk failed."""

    blob: BlobId
    connection: ConnectionId
    call: int
    reason: str
    is_peers_fault: bool


class BlobWanted(msgspec.Struct, frozen=True):
    """A person would like to see a blob."""

    blob: BlobId


class BlobPushed(msgspec.Struct, frozen=True):
    """A person wants others to have a blob that is here."""

    blob: BlobId


class BlobRemoved(msgspec.Struct, frozen=True):
    """A person threw a blob away."""

    blob: BlobId


class Woke(msgspec.Struct, frozen=True):
    """The time asked for by ``WakeAt`` has come."""


Event = (
    Started
    | Connected
    | Disconnected
    | FromPeer
    | Drained
    | MessagesSent
    | Ingested
    | Audited
    | AuditFailed
    | IngestFailed
    | DialFailed
    | AddressAdded
    | AddressForgotten
    | PeerDismissed
    | PeerTrusted
    | PeerSeen
    | HopsChanged
    | GuardLifted
    | BlobRead
    | BlobStored
    | BlobFailed
    | BlobWanted
    | BlobPushed
    | BlobRemoved
    | Woke
)
