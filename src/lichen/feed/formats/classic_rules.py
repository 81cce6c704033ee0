"""What a classic message must look like, member by member, and how its text is measured.

The rules are those of ssb-validate and ssb-classic; where the two differ, what either refuses is
refused, except that any ``.box...`` suffix of private text is taken (ssb-validation-dataset).
Refused are also timestamps that overflow to infinity, because their text is ``null``.
"""

import math
from binascii import a2b_base64
from hashlib import sha256
from typing import Final, TypeGuard

import msgspec

from lichen.feed.canonical import JsonValue
from lichen.feed.message import FeedId, MsgId, Reason
from lichen.feed.refs import is_canonical_base64, is_msg_id

TEXT_UNITS_MAX: Final = 8192
"""UTF-16 units of the indented text with its signature: what every peer of the network refuses."""
SEQUENCE_MAX: Final = 2**31 - 1
"""Highest sequence; ssb-validate counts in 32-bit integers."""
TYPE_UNITS_MIN: Final = 3
"""UTF-16 units of the shortest type."""
TYPE_UNITS_MAX: Final = 52
"""UTF-16 units of the longest type."""
SIGNATURE_SUFFIX: Final = ".sig.ed25519"
"""What a written signature ends with."""
SIGNATURE_LENGTH: Final = 100
"""Characters of a written signature: 64 bytes in base64, and the suffix."""

_LINE_ENDS = frozenset("\n\r\u2028\u2029")
_MEMBERS = ["previous", "sequence", "author", "timestamp", "hash", "content", "signature"]
_LEGACY_MEMBERS = ["previous", "author", "sequence", "timestamp", "hash", "content", "signature"]


class Members(msgspec.Struct):
    """What the checked members of a message hold, apart from its content."""

    previous: MsgId | None
    timestamp: float
    signature: bytes


def read_members(value: JsonValue, author: FeedId, sequence: int) -> Members | Reason:
    """Check a message's members; the answer is what they hold, or what is wrong.

    ``author`` and ``sequence`` are claims that were read and checked before: the members only have
    to be the same.
    """
    if not isinstance(value, dict):
        return Reason.NOT_OBJECT
    if list(value) not in (_MEMBERS, _LEGACY_MEMBERS):
        return Reason.MEMBERS
    if value["author"] != author:
        return Reason.AUTHOR
    if read_sequence(value["sequence"]) != sequence:
        return Reason.SEQUENCE
    previous = value["previous"]
    if sequence == 1:
        if previous is not None:
            return Reason.PREVIOUS
    elif not is_msg_id(previous):
        return Reason.PREVIOUS
    timestamp = value["timestamp"]
    if not _is_number(timestamp) or not math.isfinite(timestamp):
        return Reason.TIMESTAMP
    if value["hash"] != "sha256":
        return Reason.HASH
    fault = find_content_fault(value["content"])
    if fault is not None:
        return fault
    signature = read_signature(value["signature"])
    if signature is None:
        return Reason.SIGNATURE_FORM
    return Members(previous, timestamp, signature)


def find_content_fault(content: object) -> Reason | None:
    """Say what is wrong with content, None if nothing is."""
    if isinstance(content, dict):
        kind = content.get("type")
        if isinstance(kind, str):
            units = len(kind) if kind.isascii() else count_units(kind)
            if TYPE_UNITS_MIN <= units <= TYPE_UNITS_MAX:
                return None
        return Reason.TYPE
    if not isinstance(content, str):
        return Reason.CONTENT
    return None if is_private_text(content) else Reason.PRIVATE_TEXT


def is_private_text(text: str) -> bool:
    """Tell whether this is canonical base64, ``.box``, and anything more on the same line."""
    base64, dot, suffix = text.partition(".")
    return (
        dot == "."
        and suffix.startswith("box")
        and is_canonical_base64(base64)
        and _LINE_ENDS.isdisjoint(suffix)
    )


def read_sequence(value: JsonValue) -> int:
    """Return a sequence, however it was spelt; 0 for what is none."""
    if not _is_number(value) or not 0 < value <= SEQUENCE_MAX or value != int(value):
        return 0
    return int(value)


def read_signature(text: JsonValue) -> bytes | None:
    """Return the 64 bytes of a well written signature, else None."""
    if (
        not isinstance(text, str)
        or len(text) != SIGNATURE_LENGTH
        or not text.endswith(SIGNATURE_SUFFIX)
    ):
        return None
    base64 = text[: -len(SIGNATURE_SUFFIX)]
    if not is_canonical_base64(base64):
        return None
    signature = a2b_base64(base64)
    return signature if len(signature) == 64 else None


def measure(indented: bytes) -> tuple[int, bytes]:
    """Return the length of a text in UTF-16 units, and the hash of these units' low bytes."""
    if indented.isascii():
        return len(indented), sha256(indented).digest()
    units = indented.decode("utf-8").encode("utf-16-le")
    return len(units) // 2, sha256(units[::2]).digest()


def count_units(text: str) -> int:
    """Return the length that JavaScript sees."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _is_number(value: JsonValue) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
