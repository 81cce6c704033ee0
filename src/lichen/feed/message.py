"""What a message is, at each step of being believed.

A message arrives as bytes and gains trust in three steps, each with a type of its own, so that the
type says what was proved and nothing downstream checks again:

``RawMessage``      it parses and names an author and a sequence; nothing is proved
``ChainedMessage``  its text is canonical, its id is computed, it follows the message before it
``Message``         its signature is the author's as well

What fails is a value, not an exception: ``Rejected`` says why, ``ForkProof`` holds two validly
signed messages that cannot both be part of one append-only feed.
"""

from enum import Enum
from typing import NewType, TypeVar

import msgspec

FeedId = NewType("FeedId", str)
"""``@`` + base64 of an Ed25519 public key + ``.ed25519``."""
MsgId = NewType("MsgId", str)
"""``%`` + base64 of a SHA-256 + ``.sha256``."""
BlobId = NewType("BlobId", str)
"""``&`` + base64 of a SHA-256 + ``.sha256``."""


class RawMessage(msgspec.Struct, frozen=True, gc=False):
    """A message as a peer or a file gave it: ``author`` and ``sequence`` are its own claims."""

    author: FeedId
    sequence: int
    data: bytes
    format: str = "classic"


class FeedState(msgspec.Struct, frozen=True, gc=False):
    """Where a feed stands: sequence and key of its last message."""

    sequence: int
    key: MsgId


class ChainedMessage(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Canonical, with a computed key, following the feed's last message. Not yet verified.

    ``data`` is the compact JSON text of the value (what is stored and sent on), ``content`` the
    part of ``data`` that is the content.
    """

    key: MsgId
    previous: MsgId | None
    author: FeedId
    sequence: int
    timestamp: float
    content: bytes
    data: bytes
    format: str = "classic"


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message whose text, id, place in its feed and signature all hold."""

    key: MsgId
    previous: MsgId | None
    author: FeedId
    sequence: int
    timestamp: float
    content: bytes
    data: bytes
    format: str = "classic"


Candidate = RawMessage | ChainedMessage | Message
"""A message that is to follow the last one of its feed: what its type says was proved before, but
not its place."""
Placed = TypeVar("Placed", bound=ChainedMessage | Message)


class Reason(Enum):
    """Why a message is refused. The value is the sentence shown to a person."""

    NOT_JSON = "the text is not JSON"
    NOT_OBJECT = "a message must be an object"
    MEMBERS = "a message has seven members, in one of two orders"
    AUTHOR = "the author is not a classic feed id"
    SEQUENCE = "the sequence is not a positive integer"
    SEQUENCE_GAP = "the sequence does not follow the last message of the feed"
    PREVIOUS = "previous is not the id of the message before it"
    TIMESTAMP = "the timestamp is not a number"
    HASH = "hash must be sha256"
    CONTENT = "content must be an object or private text"
    TYPE = "content.type must be a text of 3 to 52 characters"
    PRIVATE_TEXT = "private content is not canonical base64 followed by .box"
    TOO_LONG = "the message is longer than 8192 characters"
    SIGNATURE_FORM = "the signature is not written as one"
    SIGNATURE = "the signature does not fit the author and the text"
    HMAC_KEY = "the network's HMAC key is not 32 bytes of canonical base64"
    FORMAT = "the feed format is not known here"
    FORKED = "the feed is known to be forked; nothing is added to it"
    DEPENDS = "an earlier message of the same feed was refused"


class Rejected(msgspec.Struct, frozen=True):
    """A message that is not taken, with the reason; author and sequence as claimed, if readable."""

    reason: Reason
    author: FeedId | None = None
    sequence: int = 0


class ForkProof(msgspec.Struct, frozen=True):
    """Two validly signed messages of one author that cannot both be part of one feed.

    Either they have the same sequence and differ, or ``second`` has the next sequence and names
    another message than ``first`` as the one before it.
    """

    first: Message
    second: Message


def as_verified(message: ChainedMessage) -> Message:
    """Say that the signature is known to hold: it was checked, or just made."""
    return Message(
        message.key,
        message.previous,
        message.author,
        message.sequence,
        message.timestamp,
        message.content,
        message.data,
        message.format,
    )


def check_place(message: Placed, state: FeedState | None) -> Placed | Rejected:
    """Check that a message follows the last one of its feed; ``state`` None: there is none."""
    sequence, previous = (1, None) if state is None else (state.sequence + 1, state.key)
    if message.sequence != sequence:
        return Rejected(Reason.SEQUENCE_GAP, message.author, message.sequence)
    if message.previous != previous:
        return Rejected(Reason.PREVIOUS, message.author, message.sequence)
    return message


def prove_fork(first: Message, second: Message) -> ForkProof | None:
    """Return the proof if two verified messages cannot both be of one feed, else None.

    They cannot if they have the same place and differ, or if the second is to follow the first and
    names another message before it.
    """
    if first.author != second.author or first.format != second.format:
        return None
    if first.sequence == second.sequence:
        is_fork = first.key != second.key
    else:
        is_fork = second.sequence == first.sequence + 1 and second.previous != first.key
    return ForkProof(first, second) if is_fork else None
