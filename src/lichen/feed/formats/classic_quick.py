"""The quick way to a classic message: most are, byte for byte, what V8 writes for what it reads.

A message that follows a known one begins with a text known beforehand, down to its timestamp, and
ends with its signature; so these are compared as bytes. The content between is read and written
again: the same bytes mean no white space, no repeated key and no spelling but the shortest. What
V8 would write otherwise though msgspec writes it back is kept out: by the type, numbers that are
no integers, integers beyond 2^53 - 1 and deep nesting; by a search, keys that are array indexes;
and lone surrogates msgspec itself refuses. Then msgspec indents the text as V8 does, as bytes.

``None`` is no refusal: such a message, be it good or bad, goes the exact way of ``canonical``.
"""

import re
from binascii import a2b_base64, b2a_base64
from typing import Final

import msgspec

from lichen.feed.canonical import PlainObject, has_index_keys
from lichen.feed.formats.classic_rules import (
    SIGNATURE_LENGTH,
    SIGNATURE_SUFFIX,
    TEXT_UNITS_MAX,
    find_content_fault,
    measure,
)
from lichen.feed.message import ChainedMessage, MsgId, RawMessage
from lichen.feed.refs import is_msg_id

COMPACT_TAIL: Final = len(',"signature":""}') + SIGNATURE_LENGTH
"""Bytes of the signature at the end of the compact text."""
CONTENT_MARK: Final = b'"content":'

_HASH_TO_CONTENT = b',"hash":"sha256",' + CONTENT_MARK
_HASH_TO_CONTENT_LENGTH = len(_HASH_TO_CONTENT)
_SIGNATURE_MARK = b',"signature":"'
_SIGNATURE_END = SIGNATURE_SUFFIX.encode() + b'"}'
SIGNATURE_FROM: Final = -COMPACT_TAIL + len(_SIGNATURE_MARK)
SIGNATURE_TO: Final = -len(_SIGNATURE_END)
"""Where the base64 of the signature stands, from the end of the compact text."""

_PREVIOUS_FROM = len('{"previous":"')
_PREVIOUS_TO = _PREVIOUS_FROM + len("%.sha256") + 44

TIMESTAMP_DIGITS_MAX: Final = 15
"""Digits of a whole timestamp that every double holds."""
_TIMESTAMP_BYTES_MAX = 24
_ZERO = ord("0")
_match_fraction = re.compile(rb"[1-9][0-9]{0,14}\.[0-9]+").fullmatch

_read_content = msgspec.json.Decoder(PlainObject | str).decode
_write_content = msgspec.json.Encoder().encode
_indent = msgspec.json.format


def chain_quickly(raw: RawMessage, previous: MsgId | None) -> ChainedMessage | None:
    """Check everything but the signature of a message that is to follow ``previous``.

    None: it must go the exact way.
    """
    sequence, author, data = raw.sequence, raw.author, raw.data
    if (previous is None) is not (sequence == 1):
        return None
    before = "null" if previous is None else f'"{previous}"'
    header = (
        f'{{"previous":{before},"sequence":{sequence},"author":"{author}","timestamp":'
    ).encode()
    if not data.startswith(header):
        header = (
            f'{{"previous":{before},"author":"{author}","sequence":{sequence},"timestamp":'
        ).encode()
        if not data.startswith(header):
            return None
    first = len(header)
    last = data.find(
        _HASH_TO_CONTENT, first, first + _TIMESTAMP_BYTES_MAX + _HASH_TO_CONTENT_LENGTH
    )
    if last < 0 or not data.endswith(_SIGNATURE_END):
        return None
    timestamp = _read_timestamp(data[first:last])
    base64 = data[SIGNATURE_FROM:SIGNATURE_TO]
    content = data[last + _HASH_TO_CONTENT_LENGTH : -COMPACT_TAIL]
    try:
        signature = a2b_base64(base64)
        value = _read_content(content)
        is_same = _write_content(value) == content
    except (ValueError, RecursionError):
        return None
    if (
        timestamp is None
        or not is_same
        or len(signature) != 64
        or b2a_base64(signature, newline=False) != base64
        or not data.startswith(_SIGNATURE_MARK, len(data) - COMPACT_TAIL)
        or find_content_fault(value) is not None
        or has_index_keys(content)
    ):
        return None
    units, digest = measure(_indent(data, indent=2))
    if units > TEXT_UNITS_MAX:
        return None
    return ChainedMessage(
        MsgId(f"%{b2a_base64(digest, newline=False).decode('ascii')}.sha256"),
        previous,
        author,
        sequence,
        timestamp,
        content,
        data,
    )


def claimed_previous(raw: RawMessage) -> MsgId | None:
    """Return what a message says it follows, None for nothing or for what no quick one says."""
    previous = raw.data[_PREVIOUS_FROM:_PREVIOUS_TO].decode("latin-1")
    return previous if raw.sequence > 1 and is_msg_id(previous) else None


def _read_timestamp(text: bytes) -> float | None:
    """Read a number that every writer lays out alike: no sign, no exponent, shortest digits."""
    if text.isdigit():
        is_short = len(text) <= TIMESTAMP_DIGITS_MAX and text[0] != _ZERO
        return int(text) if is_short else None
    if _match_fraction(text) is None:
        return None
    number = float(text)
    return number if repr(number).encode() == text and not number.is_integer() else None
