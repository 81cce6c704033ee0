"""Standard error of a program that nothing may hold up: it says what there is room for.

A peer that another program has started writes to a pipe, and one in a terminal to a screen that can
be halted (Ctrl-S). If nobody reads, the pipe is full one day, and the next line would stop the peer
for ever. So what has no room is left out, and that is told when there is room again.
"""

import io
import select
import threading
from contextlib import suppress
from typing import TextIO

from lichen.cli.output import PIECE_BYTES
from lichen.cli.words import ngettext


class Unhurried(io.TextIOBase):
    """Takes the place of ``sys.stderr``. From any thread; a write never waits."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._left_out = 0
        self._poll: select.poll | None = None
        with suppress(OSError, ValueError):  # nothing that one could ask, as in a test
            number = stream.fileno()
            self._poll = select.poll()
            self._poll.register(number, select.POLLOUT)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Return how texts are encoded."""
        return self._stream.encoding

    def fileno(self) -> int:
        """Return the number of the stream."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Return whether a terminal is at the other end."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """Texts can be written."""
        return True

    def write(self, text: str, /) -> int:
        """Write a text as far as there is room."""
        with self._lock:
            if self._left_out and self._has_room():
                words = ngettext(
                    "{count} text was left out: nobody was reading.",
                    "{count} texts were left out: nobody was reading.",
                    self._left_out,
                )
                self._put("\n" + words.format(count=self._left_out) + "\n")
                self._left_out = 0
            # So many characters that their bytes have room in a pipe that has any.
            pieces = range(0, len(text), PIECE_BYTES // 4)
            is_whole = all(self._put(text[at : at + PIECE_BYTES // 4]) for at in pieces)
            # A line and its end may come as two texts.
            self._left_out += not is_whole and not text.isspace()
        return len(text)

    def flush(self) -> None:
        """Nothing waits: each write is done when it returns."""

    def _has_room(self) -> bool:
        return self._poll is None or bool(self._poll.poll(0))

    def _put(self, piece: str) -> bool:
        """Write a piece if there is room for it; whoever has hung up needs none."""
        if not self._has_room():
            return False
        with suppress(OSError):
            self._stream.write(piece)
            self._stream.flush()
        return True
