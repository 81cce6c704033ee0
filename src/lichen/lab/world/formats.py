"""Feed formats of the lab: the classic one with seals, and a stand-in without any rules of text.

``SealedFormat`` is the classic format to the letter: canonical text, ids, chains, lengths. Only the
64 bytes of the signature are a hash under the author's name instead, which costs a twentieth. With
``is_sealed=False`` they are real ones. What is read once is remembered by its bytes, so that a
thousand peers that hold a message share one object and one check.

``StandInFormat`` is for tests of a single brain: messages that can be made without the one before.
"""

from binascii import a2b_base64
from collections.abc import Mapping
from hashlib import blake2b, sha256
from typing import Final

import msgspec
import orjson

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.formats.classic_quick import SIGNATURE_FROM, SIGNATURE_TO
from lichen.feed.identity import Identity, generate_identity
from lichen.feed.message import (
    ChainedMessage,
    FeedId,
    FeedState,
    Message,
    MsgId,
    RawMessage,
    Reason,
    Rejected,
)
from lichen.feed.refs import feed_key_bytes

REMEMBERED_MAX = 2_000_000
"""Messages remembered at once, before all are forgotten: some 2 GB."""


def seal(public: bytes, signed: bytes) -> bytes:
    """Return what stands for a signature."""
    return blake2b(signed, digest_size=64, key=public).digest()


class SealedIdentity(Identity, frozen=True):
    """A key pair that seals instead of signing."""

    def sign(self, data: bytes) -> bytes:
        """Return what stands for a signature."""
        return seal(feed_key_bytes(self.id), data)


def lab_identity(number: int, *, is_sealed: bool = True) -> Identity:
    """Return the key pair of the peer with this number: real keys, also where they only seal."""
    made = generate_identity(sha256(f"lichen lab peer {number}".encode()).digest())
    return SealedIdentity(made.id, made.secret) if is_sealed else made


class _Known:
    """What is known of the bytes of one message."""

    __slots__ = ("chained", "raw", "stamp", "verdict")

    def __init__(self, raw: RawMessage) -> None:
        self.raw = raw
        self.chained: ChainedMessage | Rejected | None = None
        self.verdict: Message | Rejected | None = None
        self.stamp: bytes | None = None


class SealedFormat(ClassicFormat):
    """The classic format, remembered, with seals or with signatures."""

    __slots__ = ("_is_sealed", "_known")

    def __init__(self, *, is_sealed: bool = True) -> None:
        super().__init__()
        self._is_sealed = is_sealed
        self._known: dict[bytes, _Known] = {}

    def parse(self, data: bytes) -> RawMessage | Rejected:
        """Read author and sequence."""
        known = self._known.get(data)
        if known is not None:
            return known.raw
        raw = super().parse(data)
        if isinstance(raw, RawMessage):
            self._remember(raw)
        return raw

    def _remember(self, raw: RawMessage) -> _Known:
        known = self._known.get(raw.data)
        if known is None:
            if len(self._known) >= REMEMBERED_MAX:
                self._known.clear()
            known = self._known[raw.data] = _Known(raw)
        return known

    def chain_alone(self, raw: RawMessage) -> ChainedMessage | Rejected:
        """Check everything but the signature and the message before."""
        known = self._remember(raw)
        if known.chained is None:
            known.chained = super().chain_alone(raw)
        return known.chained

    def verify(self, message: ChainedMessage) -> Message | Rejected:
        """Check the signature, or the seal in its place."""
        known = self._known.get(message.data)
        if known is not None and known.verdict is not None:
            return known.verdict
        verdict = super().verify(message)
        if known is not None:
            known.verdict = verdict
        return verdict

    def is_signed(self, author: FeedId, data: bytes) -> bool:
        """Check the signature or the seal of a text alone."""
        known = self._known.get(data)
        if known is not None and known.verdict is not None:
            return isinstance(known.verdict, Message) and known.verdict.author == author
        if not self._is_sealed:
            return super().is_signed(author, data)
        try:
            signature = a2b_base64(data[SIGNATURE_FROM:SIGNATURE_TO])
            return seal(feed_key_bytes(author), self.signed_bytes(data)) == signature
        except ValueError:
            return False

    def stamp(self, data: bytes) -> bytes:
        """Return a hash of what a message says, whoever has signed it and how."""
        raw = self.parse(data)
        if isinstance(raw, Rejected):
            return data
        known = self._remember(raw)
        if known.stamp is None:
            chained = self.chain_alone(raw)
            content = data if isinstance(chained, Rejected) else chained.content
            text = f"{raw.author} {raw.sequence} ".encode() + content
            known.stamp = blake2b(text, digest_size=16).digest()
        return known.stamp


class StandIn(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message of the stand-in format: ``valid`` False stands for a wrong signature."""

    author: FeedId
    sequence: int
    content: dict[str, object]
    branch: int = 0
    valid: bool = True


_decode = msgspec.json.Decoder(StandIn).decode
_encode = msgspec.json.Encoder().encode


def encode_message(
    author: FeedId,
    sequence: int,
    content: Mapping[str, object],
    *,
    branch: int = 0,
    valid: bool = True,
) -> bytes:
    """Return the bytes of a stand-in message."""
    return _encode(StandIn(author, sequence, dict(content), branch, valid))


def parse_message(data: bytes) -> RawMessage | Rejected:
    """Read who claims to have written a stand-in, and where in the feed it stands."""
    try:
        message = _decode(data)
    except (msgspec.DecodeError, RecursionError):
        return Rejected(Reason.NOT_JSON)
    if message.sequence < 1:
        return Rejected(Reason.SEQUENCE, message.author)
    return RawMessage(message.author, message.sequence, data)


class StandInFormat:
    """Messages with author, sequence, content and a mark; another ``branch`` stands for a fork."""

    __slots__ = ()

    name: Final = "classic"

    def parse(self, data: bytes) -> RawMessage | Rejected:
        """Read author and sequence."""
        return parse_message(data)

    def chain(self, raw: RawMessage, state: FeedState | None) -> ChainedMessage | Rejected:
        """Check the sequence."""
        if raw.sequence != (1 if state is None else state.sequence + 1):
            return Rejected(Reason.SEQUENCE_GAP, raw.author, raw.sequence)
        return self.chain_alone(raw)

    def chain_alone(self, raw: RawMessage) -> ChainedMessage | Rejected:
        """Compute the id."""
        message = _decode(raw.data)
        return ChainedMessage(
            key=MsgId("%" + sha256(raw.data).hexdigest()[:12]),
            previous=None,
            author=message.author,
            sequence=message.sequence,
            timestamp=0.0,
            content=orjson.dumps(message.content),
            data=raw.data,
        )

    def chain_text(self, data: bytes) -> ChainedMessage | Rejected:
        """Read a message and compute its id."""
        raw = self.parse(data)
        return raw if isinstance(raw, Rejected) else self.chain_alone(raw)

    def verify(self, message: ChainedMessage) -> Message | Rejected:
        """Look at the mark."""
        if not self.is_signed(message.author, message.data):
            return Rejected(Reason.SIGNATURE, message.author, message.sequence)
        return Message(
            message.key,
            None,
            message.author,
            message.sequence,
            0.0,
            message.content,
            message.data,
        )

    def is_signed(self, author: FeedId, data: bytes) -> bool:
        """Look at the mark."""
        return _decode(data).valid

    def has_key(self, data: bytes, key: bytes) -> bool:
        """No disk of the lab changes a text."""
        return True

    def create(
        self, content: bytes, identity: Identity, state: FeedState | None, timestamp: float
    ) -> Message:
        """Make the next message."""
        sequence = 1 if state is None else state.sequence + 1
        raw = RawMessage(
            identity.id, sequence, encode_message(identity.id, sequence, orjson.loads(content))
        )
        message = self.verify(_chained(self.chain_alone(raw)))
        assert isinstance(message, Message), "it was made to be valid"
        return message

    def stamp(self, data: bytes) -> bytes:
        """Return what stands for a message in the trace: itself."""
        return data


def _chained(outcome: ChainedMessage | Rejected) -> ChainedMessage:
    assert isinstance(outcome, ChainedMessage), "a stand-in has no rules to break"
    return outcome


LabFormat = SealedFormat | StandInFormat
"""What a world can be told to use."""
