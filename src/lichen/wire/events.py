"""What a muxrpc session reports, and what it can be told to do.

Calls are named by one signed number, the number that stands on the frames *we* send for it:
positive for a call of ours (we chose it: 1, 2, 3 ...), negative for a call of the remote peer.
"""

from enum import Enum, IntEnum

import msgspec

from lichen.feed.message import FeedId


class CallKind(Enum):
    """The four kinds of call; ``ASYNC`` also covers what manifests name ``sync``."""

    ASYNC = "async"
    SOURCE = "source"
    SINK = "sink"
    DUPLEX = "duplex"


class BodyType(IntEnum):
    """How a frame's body is to be read (packet-stream flags, bits 0 and 1)."""

    BINARY = 0
    TEXT = 1
    JSON = 2


class Identified(msgspec.Struct, frozen=True):
    """The handshake has proved who the other side is.

    As server nothing was answered yet: the shell calls ``Connection.accept`` or ``refuse``.
    """

    peer: FeedId


class Ready(msgspec.Struct, frozen=True):
    """The handshake is complete; calls may flow."""


class CallReceived(msgspec.Struct, frozen=True):
    """The remote peer calls ``name`` with ``args``, the JSON text of a list."""

    call: int
    name: tuple[str, ...]
    args: bytes
    kind: CallKind


class ItemsReceived(msgspec.Struct, frozen=True):
    """Consecutive items of one stream, all of one body type, in order."""

    call: int
    body_type: BodyType
    items: list[bytes]


class AnswerReceived(msgspec.Struct, frozen=True):
    """The answer to an async call of ours; the call is over."""

    call: int
    body_type: BodyType
    body: bytes


class CallEnded(msgspec.Struct, frozen=True):
    """A call is over on the remote side: ``error`` is its message, None a normal end.

    The session has already answered the end if it had not ended the call itself.
    """

    call: int
    error: str | None
    error_name: str = "Error"
    error_details: bytes = b""
    """The JSON text of the error object's ``details``, empty if it has none."""


class GoodbyeReceived(msgspec.Struct, frozen=True):
    """The remote peer will send nothing more; the connection may be closed."""


MuxrpcEvent = CallReceived | ItemsReceived | AnswerReceived | CallEnded
WireEvent = Identified | Ready | MuxrpcEvent | GoodbyeReceived


class OpenCall(msgspec.Struct, frozen=True):
    """Start a call of ours; ``call`` is a positive number not used before on this connection."""

    call: int
    name: tuple[str, ...]
    args: bytes
    kind: CallKind


class SendItems(msgspec.Struct, frozen=True):
    """Send items on an open stream. Items are never empty bytes."""

    call: int
    body_type: BodyType
    items: tuple[bytes, ...] | list[bytes]


class Answer(msgspec.Struct, frozen=True):
    """Answer an async call of the remote peer; the call is over."""

    call: int
    body_type: BodyType
    body: bytes


class EndCall(msgspec.Struct, frozen=True):
    """End a stream, or answer an async call with an error. ``error`` None is a normal end.

    ``error_name`` is the ``name`` member of the error object, by which a program tells errors
    apart.
    """

    call: int
    error: str | None = None
    error_name: str = "Error"
    error_details: bytes = b""
    """JSON text for a member ``details``, which peers that do not know it pass over."""


Command = OpenCall | SendItems | Answer | EndCall
