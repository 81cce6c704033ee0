"""The other process: reads requests from standard input, chains, writes answers to standard output.

``python -m lichen.store.chaining.process``. A request is its length (four bytes, little endian),
a letter and a body; an answer is its length and a body, in the order of the requests. An answer of
length 0 says that the process is ready. It ends when its input does: with the peer, however that
ends. It never sees a key, opens no file and says nothing.
"""

import signal
import sys
from collections.abc import Callable, Sequence
from typing import BinaryIO, Final

import msgspec

from lichen.feed.formats import FeedFormat
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.lines import chain_lines
from lichen.feed.message import ChainedMessage

TEXTS: Final = b"T"
"""The body is a list of texts, the answer a list of ``ChainedMessage`` or None."""
LINES: Final = b"L"
"""The body is a block of lines, the answer ``ChainedLines``."""
LENGTH_BYTES: Final = 4

_read_texts = msgspec.msgpack.Decoder(list[bytes]).decode
_write = msgspec.msgpack.Encoder().encode


def chain_texts(texts: Sequence[bytes], feed_format: FeedFormat) -> list[ChainedMessage | None]:
    """Chain each message alone; None: it is refused, and somebody has to find the reason."""
    chained = map(feed_format.chain_text, texts)
    return [each if isinstance(each, ChainedMessage) else None for each in chained]


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    feed_format = ClassicFormat()
    work: dict[bytes, Callable[[bytes], object]] = {
        TEXTS: lambda body: chain_texts(_read_texts(body), feed_format),
        LINES: lambda body: chain_lines(body, feed_format),
    }
    _send(answers, b"")
    while head := requests.read(LENGTH_BYTES):
        kind, body = requests.read(1), requests.read(int.from_bytes(head, "little"))
        _send(answers, _write(work[kind](body)))


def _send(answers: BinaryIO, body: bytes) -> None:
    answers.write(len(body).to_bytes(LENGTH_BYTES, "little"))
    answers.write(body)
    answers.flush()


if __name__ == "__main__":
    # Whoever interrupts the peer from a keyboard interrupts all processes: the peer decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer)
