"""A log as lines of JSON, as other programs write it too: what stands in them.

A line is either ``{key, value, timestamp}`` or a message value alone. What is quick is done for a
whole block at once, so that it can be done elsewhere: nothing here knows a log.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from lichen.feed.canonical import encode_compact, parse_json
from lichen.feed.formats import FeedFormat
from lichen.feed.message import ChainedMessage, RawMessage, Reason, Rejected

LINE_BYTES_MAX: Final = 256 * 1024
"""A longer line is no message; only its beginning is kept, and refused."""


class _Line(msgspec.Struct, gc=False):
    key: str | None = None
    value: msgspec.Raw = msgspec.Raw()


_decode_line = msgspec.json.Decoder(_Line).decode


def chain_lines(
    block: bytes, feed_format: FeedFormat
) -> tuple[list[ChainedMessage | None], dict[int, str]]:
    """Chain every line of a block alone: all is checked but its signature and its place.

    None: somebody has to ``open_line`` it, for it is blank, odd, or no message. Beside them, by
    line, the ids that the file gives messages that have another.
    """
    messages: list[ChainedMessage | None] = []
    claimed: dict[int, str] = {}
    chain_text = feed_format.chain_text
    for line in block.split(b"\n"):
        message: ChainedMessage | None = None
        try:
            decoded = _decode_line(line)
        except (ValueError, RecursionError):
            messages.append(None)
            continue
        if len(line) <= LINE_BYTES_MAX:
            chained = chain_text(bytes(decoded.value) or line.strip())
            if type(chained) is ChainedMessage:
                message = chained
                if decoded.key != message.key and decoded.key:
                    claimed[len(messages)] = decoded.key
        messages.append(message)
    return messages, claimed


def open_line(
    line: bytes, parse: Callable[[bytes], RawMessage | Rejected]
) -> tuple[RawMessage | Rejected, str | None] | None:
    """Open one line: its message, or why it is none, and the id that it is given. None: blank."""
    if not line.strip():
        return None
    if len(line) > LINE_BYTES_MAX:
        return Rejected(Reason.TOO_LONG), None
    try:
        decoded = _decode_line(line)
        data, key = bytes(decoded.value) or line.strip(), decoded.key
    except (ValueError, RecursionError):
        data, key = _open_odd_line(line)
    return parse(data), key


def _open_odd_line(line: bytes) -> tuple[bytes, str | None]:
    """Open a line with a surrogate that stands alone: msgspec reads none."""
    try:
        members = parse_json(line)
    except ValueError:
        return line, None
    if not isinstance(members, dict) or not isinstance(members.get("value"), dict):
        return line, None
    key = members.get("key")
    return encode_compact(members["value"]).encode(), key if isinstance(key, str) else None
