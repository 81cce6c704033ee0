"""The quick way to a classic message: most are, byte for byte, what V8 writes for what it reads.

What stands around the content of such a message has one form, members in one of two orders; it is
matched as bytes. The content between is read and written again: the same bytes mean no white space,
no repeated key and no spelling but the shortest. What V8 would write otherwise though msgspec
writes it back is kept out: by the type, numbers that are no integers, integers beyond 2^53 - 1 and
deep nesting; by a search, keys that are array indexes; and lone surrogates msgspec itself refuses.
Then msgspec indents the text as V8 does, as bytes.

``None`` is no refusal: such a message, be it good or bad, goes the exact way of ``canonical``.
"""

import re
from binascii import b2a_base64
from typing import Final

import msgspec

from lichen.feed.canonical import PlainObject, has_index_keys
from lichen.feed.formats.classic_rules import (
    SEQUENCE_MAX,
    SIGNATURE_LENGTH,
    SIGNATURE_SUFFIX,
    TEXT_UNITS_MAX,
    find_content_fault,
    measure,
)
from lichen.feed.message import ChainedMessage, FeedId, MsgId
from lichen.feed.refs import KEY_PATTERN

COMPACT_TAIL: Final = len(',"signature":""}') + SIGNATURE_LENGTH
"""Bytes of the signature at the end of the compact text."""
CONTENT_MARK: Final = b'"content":'
SIGNATURE_FROM: Final = -COMPACT_TAIL + len(',"signature":"')
SIGNATURE_TO: Final = -len(SIGNATURE_SUFFIX + '"}')
"""Where the base64 of the signature stands, from the end of the compact text."""

_SEQUENCE = '"sequence":([1-9][0-9]{0,9}),'
_match_head = re.compile(
    (
        rf'\{{"previous":(?:null|"(%{KEY_PATTERN}\.sha256)"),(?:{_SEQUENCE})?'
        rf'"author":"(@{KEY_PATTERN}\.ed25519)",(?:{_SEQUENCE})?'
        r'"timestamp":([0-9.]{1,24}),"hash":"sha256","content":'
    ).encode()
).match
# The last letter of 64 bytes in base64 has two bits.
_match_tail = re.compile(
    rb',"signature":"[A-Za-z0-9+/]{85}[AQgw]==' + re.escape(SIGNATURE_SUFFIX).encode() + rb'"\}'
).fullmatch

TIMESTAMP_DIGITS_MAX: Final = 15
"""Digits of a whole timestamp that every double holds."""
_ZERO = ord("0")
_match_fraction = re.compile(rb"[1-9][0-9]{0,14}\.[0-9]+").fullmatch

_read_content = msgspec.json.Decoder(PlainObject | str).decode
_write_content = msgspec.json.Encoder().encode
_indent = msgspec.json.format


def chain_quickly(data: bytes) -> ChainedMessage | None:
    """Check everything of a text but its signature and what it follows.

    None: it must go the exact way.
    """
    head = _match_head(data)
    if head is None or _match_tail(data, len(data) - COMPACT_TAIL) is None:
        return None
    previous, first, author, second, time = head.groups()
    sequence = _read_sequence(first, second)
    timestamp = _read_timestamp(time)
    if (previous is None) is not (sequence == 1) or sequence == 0 or timestamp is None:
        return None
    content = data[head.end() : -COMPACT_TAIL]
    try:
        value = _read_content(content)
        if _write_content(value) != content:
            return None
    except (ValueError, RecursionError):
        return None
    if find_content_fault(value) is not None or has_index_keys(content):
        return None
    units, digest = measure(_indent(data, indent=2))
    if units > TEXT_UNITS_MAX:
        return None
    return ChainedMessage(
        MsgId(f"%{b2a_base64(digest, newline=False).decode('ascii')}.sha256"),
        None if previous is None else MsgId(previous.decode("ascii")),
        FeedId(author.decode("ascii")),
        sequence,
        timestamp,
        content,
        data,
    )


def _read_sequence(first: bytes | None, second: bytes | None) -> int:
    """Read the sequence, which stands in one of two places; 0: in both, in none, or too high."""
    digits = second if first is None else first
    if digits is None or (first is not None and second is not None):
        return 0
    sequence = int(digits)
    return sequence if sequence <= SEQUENCE_MAX else 0


def _read_timestamp(text: bytes) -> float | None:
    """Read a number that every writer lays out alike: no sign, no exponent, shortest digits."""
    if text.isdigit():
        is_short = len(text) <= TIMESTAMP_DIGITS_MAX and text[0] != _ZERO
        return int(text) if is_short else None
    if _match_fraction(text) is None:
        return None
    number = float(text)
    return number if repr(number).encode() == text and not number.is_integer() else None
