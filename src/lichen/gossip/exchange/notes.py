"""EBT notes: one number per feed that says what one has and whether one wants more.

From epidemic-broadcast-trees (``v3.js``): -1 is "I do not replicate this feed", else the number is
``sequence * 2``, plus 1 for "do not send it to me now". JavaScript shifts 32-bit integers, so a
sequence is at most 2^30 - 1. What a peer sends is hostile until read here: members that are not
feed ids are left out, and a value that is no such number reads as -1 does in JavaScript.
"""

from collections.abc import Mapping

import msgspec
import orjson

from lichen.feed.message import FeedId
from lichen.gossip.limits import NOTE_BYTES_MAX

NOTE_SEQUENCE_MAX = 2**30 - 1
"""The highest sequence that a note can carry."""

_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1
_decode_numbers = msgspec.json.Decoder(dict[str, int]).decode


class Note(msgspec.Struct, frozen=True):
    """What one note says of one feed."""

    sequence: int
    replicates: bool
    receives: bool


NOT_REPLICATED = Note(-1, replicates=False, receives=False)
"""The note -1."""


def encode_note(sequence: int, *, receives: bool) -> int:
    """Return the number for "I have ``sequence``" and "send me more" or not."""
    if sequence < 0:
        return -1
    sequence = min(sequence, NOTE_SEQUENCE_MAX)
    return sequence * 2 if receives else sequence * 2 + 1


def decode_note(value: object) -> Note:
    """Read the number of a note as JavaScript does; what is no 32-bit integer has sequence -1."""
    if type(value) is int and 0 <= value <= _INT32_MAX:
        return Note(value >> 1, True, not value & 1)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return Note(-1, replicates=True, receives=True)
    if not _INT32_MIN <= value <= _INT32_MAX:
        return NOT_REPLICATED
    if value == -1:
        return NOT_REPLICATED
    return Note(value >> 1, replicates=True, receives=value & 1 == 0)


def parse_notes(item: bytes) -> Mapping[str, object] | None:
    """Return the members of an object of notes (also inside ``clock``); None if it is none."""
    if len(item) > NOTE_BYTES_MAX:
        return None
    try:
        return _decode_numbers(item)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        value = orjson.loads(item)
    except orjson.JSONDecodeError:
        return None
    if isinstance(value, dict) and isinstance(value.get("clock"), dict):
        value = value["clock"]
    return value if isinstance(value, dict) else None


def encode_notes(notes: Mapping[FeedId, int]) -> bytes:
    """Return the object of notes as compact JSON."""
    return orjson.dumps(notes)


def looks_like_notes(item: bytes) -> bool:
    """Tell whether an item is certainly not a message, by its first bytes alone.

    No message of either member order begins with a feed id or is empty.
    """
    return item.startswith((b'{"@', b"{}", b'{"clock":'))
