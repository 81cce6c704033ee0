"""A log as lines of JSON: the messages in a file, in batches, and the lines that are none."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import cast

import msgspec

from lichen.feed.canonical import encode_compact, parse_json
from lichen.feed.message import MsgId, RawMessage, Rejected
from lichen.node import limits
from lichen.node.errors import ApiError
from lichen.words import N_

READ_FAULTS = (OSError, EOFError, zlib.error)
GZIP_MAGIC = b"\x1f\x8b"
BLOCK_BYTES = 1 << 20
"""Read at once, at most: some thousand lines, which are then cut apart in one go."""
LINE_BYTES_MAX = 256 * 1024
"""A longer line is no message; only its beginning is kept, and refused."""

Parse = Callable[[bytes], RawMessage | Rejected]
Refuse = Callable[[Rejected, int], None]


class Batch(msgspec.Struct):
    """Messages of a file, with the ids that it gives them and the lines they stand in.

    ``read`` counts also the lines that are no messages.
    """

    messages: list[RawMessage] = []
    keys: list[MsgId | None] = []
    lines: list[int] = []
    read: int = 0


class _Line(msgspec.Struct, gc=False):
    """Either ``{key, value, timestamp}`` or a bare message value."""

    key: str | None = None
    value: msgspec.Raw = msgspec.Raw()


_decode_line = msgspec.json.Decoder(_Line).decode


def open_lines(path: Path) -> BufferedIOBase:
    """Open a file, whether or not it is compressed. Raises ApiError."""
    try:
        with path.open("rb") as file:
            is_gzip = file.read(2) == GZIP_MAGIC
        return cast("BufferedIOBase", gzip.open(path, "rb") if is_gzip else path.open("rb"))
    except OSError as error:
        raise ApiError(
            "not-found" if isinstance(error, FileNotFoundError) else "failed",
            N_("{path} cannot be read: {words}.", path=path, words=error.strerror),
        ) from error


def read_batches(file: BufferedIOBase, parse: Parse, refuse: Refuse) -> Iterator[Batch]:
    """Read a file in batches; ``refuse`` is told of the lines that are no messages.

    What was read before a fault (``READ_FAULTS``) is yielded before it is raised.
    """
    batch = Batch()
    number = 0
    blocks = _blocks(file)
    while True:
        try:
            lines = next(blocks, None)
        except READ_FAULTS:
            if batch.read:
                yield batch
            raise
        if lines is None:
            break
        for line in lines:
            number += 1
            try:
                decoded = _decode_line(line)
                data, key = bytes(decoded.value) or line.strip(), decoded.key
            except (ValueError, RecursionError):
                if not line.strip():
                    continue
                data, key = _open_odd_line(line)
            batch.read += 1
            raw = parse(data)
            if isinstance(raw, Rejected):
                refuse(raw, number)
                continue
            batch.messages.append(raw)
            batch.keys.append(MsgId(key) if key else None)
            batch.lines.append(number)
            if len(batch.lines) == limits.IMPORT_BATCH:
                yield batch
                batch = Batch()
    if batch.read:
        yield batch


def _blocks(file: BufferedIOBase) -> Iterator[list[bytes]]:
    """Yield the lines of a file, many at once; of a longer one than any, its beginning."""
    rest = b""
    while block := file.read1(BLOCK_BYTES):
        lines = (rest + block).split(b"\n")
        rest = lines.pop()[:LINE_BYTES_MAX]
        yield lines
    if rest:
        yield [rest]


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
