"""A file with a log in it: opened, cut into blocks of lines, and these into batches of messages."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import cast

import msgspec

from lichen.feed.lines import LINE_BYTES_MAX, open_line
from lichen.feed.message import Candidate, MsgId, RawMessage, Rejected
from lichen.node.errors import ApiError
from lichen.store.checking.work import Chained
from lichen.words import N_

READ_FAULTS = (OSError, EOFError, zlib.error)
GZIP_MAGIC = b"\x1f\x8b"
BLOCK_BYTES = 1 << 20
"""Read at once, at most: some thousand lines, which are then taken apart in one go."""

Parse = Callable[[bytes], RawMessage | Rejected]
Refuse = Callable[[Rejected, int], None]


class Batch(msgspec.Struct):
    """Messages of a file, and the lines they stand in.

    ``claimed``: by place in the batch, the ids that the file gives messages, where these are not
    known to be theirs. ``read`` counts also the lines that are no messages.
    """

    messages: list[Candidate] = []
    lines: list[int] = []
    claimed: dict[int, MsgId] = {}
    read: int = 0

    def add(self, block: bytes, chained: Chained, before: int, parse: Parse, refuse: Refuse) -> int:
        """Add what stands in a block, ``before`` which the file has so many lines; return how many.

        ``refuse`` is told of the lines that are no messages.
        """
        found = chained.found()
        if None not in chained.messages and not chained.claimed:
            self.messages += cast("list[Candidate]", found)
            self.lines += range(before + 1, before + len(found) + 1)
            self.read += len(found)
            return len(found)
        lines = block.split(b"\n")
        for place, message in enumerate(found):
            candidate: Candidate | Rejected | None = message
            key = chained.claimed.get(place)
            if candidate is None:
                opened = open_line(lines[place], parse)
                if opened is None:
                    continue
                candidate, key = opened
            self.read += 1
            if isinstance(candidate, Rejected):
                refuse(candidate, before + place + 1)
                continue
            if key:
                self.claimed[len(self.messages)] = MsgId(key)
            self.messages.append(candidate)
            self.lines.append(before + place + 1)
        return len(lines)


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


def read_blocks(file: BufferedIOBase) -> Iterator[bytes]:
    """Read a file in blocks of whole lines; of a line longer than any, only its beginning.

    What was read before a fault (``READ_FAULTS``) is yielded before it is raised.
    """
    block = b""
    fault: Exception | None = None
    while fault is None:
        try:
            piece = file.read1(BLOCK_BYTES)
        except READ_FAULTS as error:
            piece, fault = b"", error
        block += piece
        if piece and len(block) < BLOCK_BYTES:
            continue
        end = block.rfind(b"\n")
        if end >= 0:
            yield block[:end]
            block = block[end + 1 :]
        block = block[: LINE_BYTES_MAX + 1]
        if not piece:
            break
    if fault is not None:
        raise fault
    if block:
        yield block
