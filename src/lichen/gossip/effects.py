"""What the brain wants done. Effects are imperatives; whoever performs one reports back an event.

=================  ==========================================================================
effect             comes back as
=================  ==========================================================================
``SendMessages``   ``MessagesSent``
``AwaitRoom``      ``Drained``, at once if the pipe has room
``ReadBlob``       ``BlobRead``
``FinishBlob``     ``BlobStored`` or ``BlobFailed``
``Dial``           ``Connected`` or ``DialFailed``
``Close``          ``Disconnected``
``Ingest``         ``Ingested`` or ``IngestFailed``; perhaps later ``Audited``, ``AuditFailed``
``WakeAt``         ``Woke`` (only the latest ``WakeAt`` counts)
``WriteBlob``      ``BlobFailed``, and that only if it failed
the others         nothing
=================  ==========================================================================
"""

from enum import Enum

import msgspec

from lichen.feed.message import BlobId, FeedId, RawMessage
from lichen.gossip.events import ConnectionId
from lichen.wire.events import Command


class Send(msgspec.Struct, frozen=True):
    """Put one command on a connection's muxrpc session."""

    connection: ConnectionId
    command: Command


class MessageForm(Enum):
    """How ``SendMessages`` writes each message."""

    VALUE = "value"
    KEY_VALUE = "key value"
    KEY = "key"


class SendMessages(msgspec.Struct, frozen=True):
    """Stream messages ``first`` to ``last`` of a feed from the log as items of an open call."""

    connection: ConnectionId
    call: int
    feed: FeedId
    first: int
    last: int
    form: MessageForm = MessageForm.VALUE


class AwaitRoom(msgspec.Struct, frozen=True):
    """Report ``Drained`` as soon as the connection's pipe has room: now, if it has."""

    connection: ConnectionId


class Dial(msgspec.Struct, frozen=True):
    """Connect to an address."""

    address: str
    peer: FeedId


class Close(msgspec.Struct, frozen=True):
    """Close a connection; ``reason`` is counted and shown."""

    connection: ConnectionId
    reason: str


class PauseReading(msgspec.Struct, frozen=True):
    """Read nothing more from a connection for now: its share of the queue is full."""

    connection: ConnectionId


class ResumeReading(msgspec.Struct, frozen=True):
    """Read again from a paused connection."""

    connection: ConnectionId


class Ingest(msgspec.Struct, frozen=True):
    """Check and keep messages, in order. ``connection`` is whom to thank or to blame.

    ``verifies_all`` False: of a run of one author's messages the last one's signature will do for
    now, and the others' are checked later. ``source`` is whom to blame if one of them is wrong.
    """

    connection: ConnectionId
    batch: tuple[RawMessage, ...]
    source: FeedId
    verifies_all: bool = True


class SaveClock(msgspec.Struct, frozen=True):
    """Remember what a peer has (feed to sequence; -1: it does not replicate the feed)."""

    peer: FeedId
    clock: dict[FeedId, int]


class SaveAddress(msgspec.Struct, frozen=True):
    """Remember how a peer was reached, or how often it was not."""

    address: str
    peer: FeedId
    autoconnect: bool
    failures: int
    source: str


class ForgetAddress(msgspec.Struct, frozen=True):
    """Take an address out of the address book."""

    address: str


class WakeAt(msgspec.Struct, frozen=True):
    """Send ``Woke`` at this time, in seconds of the clock that ``handle`` is given."""

    at: float


class Notify(msgspec.Struct, frozen=True):
    """Tell the people around what happened.

    ``topic`` is ``connected``, ``disconnected``, ``dial-failed``, ``nearby``, ``nearby-gone``,
    ``guard-set``, ``guard-lifted``, ``taken-back`` (messages of a peer failed their audit) or
    ``blob`` (one that a person wanted is here); ``detail`` the words, the reason, the address or
    the id that belong to it.
    """

    topic: str
    peer: FeedId | None = None
    feed: FeedId | None = None
    detail: str = ""


class SaveGuard(msgspec.Struct, frozen=True):
    """Remember how far the own feed's recovery is: ``is_guarded`` False opens publishing."""

    is_guarded: bool
    asked_peers: tuple[FeedId, ...]


class ReadBlob(msgspec.Struct, frozen=True):
    """Stream the bytes of a blob from ``start`` up to ``end`` as items of an open call."""

    connection: ConnectionId
    call: int
    blob: BlobId
    start: int
    end: int


class WriteBlob(msgspec.Struct, frozen=True):
    """Add bytes to the blob that comes on a call of ours; the first ones begin it."""

    connection: ConnectionId
    call: int
    blob: BlobId
    items: tuple[bytes, ...]


class FinishBlob(msgspec.Struct, frozen=True):
    """Keep what came on a call if it is the blob; else drop it."""

    connection: ConnectionId
    call: int
    blob: BlobId


class DropBlob(msgspec.Struct, frozen=True):
    """Drop what came on a call; nothing comes back."""

    connection: ConnectionId
    call: int


class SavePush(msgspec.Struct, frozen=True):
    """Remember who has a blob that others are to have; ``peers`` None: that is done."""

    blob: BlobId
    peers: tuple[FeedId, ...] | None


Effect = (
    Send
    | SendMessages
    | AwaitRoom
    | Dial
    | Close
    | PauseReading
    | ResumeReading
    | Ingest
    | SaveClock
    | SaveAddress
    | ForgetAddress
    | SaveGuard
    | ReadBlob
    | WriteBlob
    | FinishBlob
    | DropBlob
    | SavePush
    | WakeAt
    | Notify
)
