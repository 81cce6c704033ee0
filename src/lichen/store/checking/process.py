"""The other process: reads requests from standard input, works, writes answers to standard output.

``python -m lichen.store.checking.process``. A request is its length (four bytes, little endian),
a letter and a body; an answer is its length and a body, in the order of the requests. The first
request brings the network's HMAC key, if it has one, and its answer says that the process is ready.
It ends when its input does: with the peer, however that ends. It opens no file and says nothing.
"""

import gc
import signal
import sys
from collections.abc import Callable
from typing import BinaryIO, Final

import msgspec

from lichen.feed.formats.classic import ClassicFormat
from lichen.store.checking.work import chain_block, chain_texts

BEGIN: Final = b"B"
"""The body is the HMAC key or empty, the answer empty."""
TEXTS: Final = b"T"
"""The body is a list of texts, the answer ``Chained``."""
LINES: Final = b"L"
"""The body is a block of lines, the answer ``Chained``."""
LENGTH_BYTES: Final = 4

_read_texts = msgspec.msgpack.Decoder(list[bytes]).decode
_write = msgspec.msgpack.Encoder().encode


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    feed_format = ClassicFormat()
    work: dict[bytes, Callable[[bytes], object]] = {
        TEXTS: lambda body: chain_texts(_read_texts(body), feed_format),
        LINES: lambda body: chain_block(body, feed_format),
    }
    while head := requests.read(LENGTH_BYTES):
        kind, body = requests.read(1), requests.read(int.from_bytes(head, "little"))
        if kind == BEGIN:
            feed_format = ClassicFormat(body or None)
            answer = b""
        else:
            answer = _write(work[kind](body))
        answers.write(len(answer).to_bytes(LENGTH_BYTES, "little"))
        answers.write(answer)
        answers.flush()


if __name__ == "__main__":
    # A keyboard and a service manager send these to all processes: the peer decides when it ends.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Nothing here goes in circles, and a search for circles costs a tenth.
    gc.disable()
    serve(sys.stdin.buffer, sys.stdout.buffer)
