"""Classic messages: JSON, signed and hashed in the exact text that V8 writes.

The rules are in ``classic_rules``; this is the order in which they are put, and the two ways to the
text (Scuttlebutt Protocol Guide, Feeds; ssb-validate). Most messages go the way of
``classic_quick``. All others go the exact way of ``lichen.feed.canonical``, which also finds the
reason for a refusal.

The id hashes only the low byte of each UTF-16 unit of the text, so an id never authenticates a
text: only ``verify`` does.
"""

import math
from binascii import a2b_base64, b2a_base64
from typing import Final

import msgspec

from lichen.feed.canonical import JsonError, canonicalize, encode_number, parse_json
from lichen.feed.formats import ContentError
from lichen.feed.formats.classic_quick import (
    COMPACT_TAIL,
    CONTENT_MARK,
    SIGNATURE_FROM,
    SIGNATURE_TO,
    chain_quickly,
)
from lichen.feed.formats.classic_rules import (
    SEQUENCE_MAX,
    SIGNATURE_LENGTH,
    SIGNATURE_SUFFIX,
    TEXT_UNITS_MAX,
    find_content_fault,
    measure,
    read_members,
    read_sequence,
)
from lichen.feed.identity import Identity, bytes_to_sign, verify_signature
from lichen.feed.message import (
    ChainedMessage,
    FeedId,
    FeedState,
    Message,
    RawMessage,
    Reason,
    Rejected,
    as_verified,
    check_place,
)
from lichen.feed.refs import feed_key_bytes, is_feed_id, msg_id_from_bytes

RECEIVED_BYTES_MAX: Final = 131_072
"""Bytes of a message as received: 8192 units, all escaped, with room for white space."""

_INDENTED_TAIL: Final = len(',\n  "signature": ""\n}') + SIGNATURE_LENGTH
"""Bytes of the signature at the end of the indented text."""
# What stands around a content in a later message, the digits of the sequence not counted.
_HEADER_UNITS = len(
    '  "previous": "%.sha256",\n  "sequence": ,\n  "author": "@.ed25519",\n'
    '  "timestamp": 1577836800000,\n  "hash": "sha256",\n'
) + 2 * len("A" * 44)


class _Header(msgspec.Struct, gc=False):
    author: str
    sequence: int


_read_header = msgspec.json.Decoder(_Header).decode


class ClassicFormat:
    """The classic feed format of one network: ``hmac_key`` is the network's, if it has one."""

    __slots__ = ("_hmac_key",)

    name: Final = "classic"

    def __init__(self, hmac_key: bytes | None = None) -> None:
        if hmac_key is not None and len(hmac_key) != 32:
            raise ValueError(Reason.HMAC_KEY.value)
        self._hmac_key = hmac_key

    def parse(self, data: bytes) -> RawMessage | Rejected:
        """Read author and sequence, without looking into the content."""
        try:
            header = _read_header(data)
        except (ValueError, RecursionError):
            return _parse_exactly(data)
        if CONTENT_MARK not in data:
            return _parse_exactly(data)
        if not is_feed_id(header.author):
            return Rejected(Reason.AUTHOR)
        if not 0 < header.sequence <= SEQUENCE_MAX:
            return Rejected(Reason.SEQUENCE, header.author)
        return RawMessage(header.author, header.sequence, data)

    def chain(self, raw: RawMessage, state: FeedState | None) -> ChainedMessage | Rejected:
        """Check everything but the signature."""
        if raw.sequence != (1 if state is None else state.sequence + 1):
            return Rejected(Reason.SEQUENCE_GAP, raw.author, raw.sequence)
        message = self.chain_alone(raw)
        return message if isinstance(message, Rejected) else check_place(message, state)

    def chain_alone(self, raw: RawMessage) -> ChainedMessage | Rejected:
        """Check everything but the signature and the message before.

        It goes the quick way if that leads to what the message claims to be, else the exact one.
        """
        quick = chain_quickly(raw.data)
        if quick is None or quick.author != raw.author or quick.sequence != raw.sequence:
            return self._chain_exactly(raw)
        return quick

    def chain_text(self, data: bytes) -> ChainedMessage | Rejected:
        """Read a text and check everything but the signature and the message before."""
        quick = chain_quickly(data)
        if quick is not None:
            return quick
        raw = self.parse(data)
        return raw if isinstance(raw, Rejected) else self.chain_alone(raw)

    def verify(self, message: ChainedMessage) -> Message | Rejected:
        """Check the signature."""
        if not self.is_signed(message.author, message.data):
            return Rejected(Reason.SIGNATURE, message.author, message.sequence)
        return as_verified(message)

    def is_signed(self, author: FeedId, data: bytes) -> bool:
        """Check the signature of a text alone: that it is a message, was checked when it came."""
        public = feed_key_bytes(author)
        quick: bytes | None = None
        try:
            signature = a2b_base64(data[SIGNATURE_FROM:SIGNATURE_TO])
            quick = self._sign_part(msgspec.json.format(data, indent=2))
        except (ValueError, RecursionError):
            pass
        else:
            if verify_signature(public, signature, quick):
                return True
        # What V8 lays out otherwise than msgspec is rare; nothing is called false because of it.
        try:
            exact = self.signed_bytes(data)
        except JsonError:
            return False
        return exact != quick and verify_signature(public, signature, exact)

    def has_key(self, data: bytes, key: bytes) -> bool:
        """Tell whether a text that was a message when it came still has this id, as bytes."""
        try:
            if measure(msgspec.json.format(data, indent=2))[1] == key:
                return True
        except (ValueError, RecursionError):
            pass  # what msgspec does not lay out as V8 does is rare, and no less a message
        try:
            return measure(canonicalize(data).indented)[1] == key
        except JsonError:
            return False

    def signed_bytes(self, data: bytes) -> bytes:
        """Return what the signature of a text has to fit: all before it, indented as V8 does it.

        It goes through HMAC where the network has such a key. Raises ``JsonError``.
        """
        return self._sign_part(canonicalize(data).indented)

    def _sign_part(self, indented: bytes) -> bytes:
        return bytes_to_sign(indented[:-_INDENTED_TAIL] + b"\n}", self._hmac_key)

    def create(
        self, content: bytes, identity: Identity, state: FeedState | None, timestamp: float
    ) -> Message:
        """Make and sign the next message; its members stand in the order of today's peers."""
        if not math.isfinite(timestamp):
            raise ContentError(Reason.TIMESTAMP)
        try:
            canonical = canonicalize(content)
        except JsonError:
            raise ContentError(Reason.NOT_JSON) from None
        fault = find_content_fault(canonical.value)
        if fault is not None:
            raise ContentError(fault)
        unsigned = _write_unsigned(canonical.compact, identity, state, timestamp)
        text = canonicalize(unsigned + b"}").indented
        signature = identity.sign(bytes_to_sign(text, self._hmac_key))
        written = b2a_base64(signature, newline=False) + SIGNATURE_SUFFIX.encode()
        sequence = 1 if state is None else state.sequence + 1
        raw = RawMessage(identity.id, sequence, b'%b,"signature":"%b"}' % (unsigned, written))
        chained = self.chain(raw, state)
        if isinstance(chained, Rejected):
            raise ContentError(chained.reason)
        return as_verified(chained)

    def _chain_exactly(self, raw: RawMessage) -> ChainedMessage | Rejected:
        """Go the exact way."""
        if len(raw.data) > RECEIVED_BYTES_MAX:
            return Rejected(Reason.TOO_LONG, raw.author, raw.sequence)
        try:
            canonical = canonicalize(raw.data)
        except JsonError:
            return Rejected(Reason.NOT_JSON, raw.author, raw.sequence)
        members = read_members(canonical.value, raw.author, raw.sequence)
        if isinstance(members, Reason):
            return Rejected(members, raw.author, raw.sequence)
        compact = canonical.compact
        units, digest = measure(canonical.indented)
        if units > TEXT_UNITS_MAX:
            return Rejected(Reason.TOO_LONG, raw.author, raw.sequence)
        # None of the members before the content has its mark.
        content = compact.index(CONTENT_MARK) + len(CONTENT_MARK)
        return ChainedMessage(
            msg_id_from_bytes(digest),
            members.previous,
            raw.author,
            raw.sequence,
            members.timestamp,
            compact[content:-COMPACT_TAIL],
            compact,
        )


def draft_units(content: bytes, sequence: int) -> int:
    """Return the length in UTF-16 units of the message that a content would become.

    It is that of a message after the first, with a time in whole milliseconds of today.
    """
    indented = canonicalize(b'{"content":%b}' % content).indented
    units, _digest = measure(indented)
    return units + _HEADER_UNITS + len(str(sequence)) + _INDENTED_TAIL - len("\n}")


def _write_unsigned(
    content: bytes, identity: Identity, state: FeedState | None, timestamp: float
) -> bytes:
    """Write a message up to its content, without the closing brace."""
    sequence, previous = (1, "null") if state is None else (state.sequence + 1, f'"{state.key}"')
    header = (
        f'{{"previous":{previous},"sequence":{sequence},"author":"{identity.id}",'
        f'"timestamp":{encode_number(timestamp)},"hash":"sha256","content":'
    )
    return header.encode() + content


def _parse_exactly(data: bytes) -> RawMessage | Rejected:
    """Read the header of a text that the quick reader does not take."""
    if len(data) > RECEIVED_BYTES_MAX:
        return Rejected(Reason.TOO_LONG)
    try:
        value = parse_json(data)
    except JsonError:
        return Rejected(Reason.NOT_JSON)
    if not isinstance(value, dict):
        return Rejected(Reason.NOT_OBJECT)
    author = value.get("author")
    if not is_feed_id(author):
        return Rejected(Reason.AUTHOR)
    sequence = read_sequence(value.get("sequence"))
    if sequence == 0:
        return Rejected(Reason.SEQUENCE, author)
    if "content" not in value:
        return Rejected(Reason.MEMBERS, author, sequence)
    return RawMessage(author, sequence, data)
