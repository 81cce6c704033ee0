"""What a command says: data to standard output, words to standard error.

With ``--json`` every value is one line of JSON on standard output, nothing but a fault is said on
standard error, and the fault's last line there is an object too. Without it the same values are
tables and sentences. Colour appears on a terminal only and never carries a meaning alone; the
rules are those of NO_COLOR and of CLICOLOR_FORCE.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

from lichen.cli.exits import Exit
from lichen.cli.terminal import clean_block, clean_line, text_width
from lichen.cli.words import WORDS, _
from lichen.feed.canonical import JsonValue, encode_compact
from lichen.node.errors import ApiError
from lichen.store.errors import DISK_FULL, reason_of
from lichen.words import phrase_of

PIECE_BYTES = 4096
"""Written at once to a slow reader: a pipe that has room at all has room for this."""
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


class OutputClosed(Exception):  # noqa: N818 (a state of the world, not a fault)
    """Whoever read standard output has gone away, or (``fault``) it takes nothing more."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.fault: ApiError | None = None
        if not isinstance(error, BrokenPipeError):
            reason = reason_of(error)
            words = _("Standard output cannot be written: {words}.")
            self.fault = ApiError(
                (Exit.LIMIT if reason == DISK_FULL else Exit.FAILED).slug,
                words.format(words=WORDS.tell(phrase_of(reason))),
                _("Choose another place, or make room."),
            )


class Output:
    """The two streams of one command. All texts given to it may come from strangers."""

    __slots__ = ("_has_colour", "_is_error_tty", "_pouring", "_progress_width", "is_json")

    def __init__(self, *, is_json: bool, colour: str = "auto") -> None:
        self.is_json = is_json
        self._has_colour = wants_colour(colour, is_tty=sys.stdout.isatty())
        self._is_error_tty = sys.stderr.isatty()
        self._progress_width = 0
        self._pouring = asyncio.Lock()

    @property
    def is_error_tty(self) -> bool:
        """Return whether words go to a terminal, where a line can be drawn anew."""
        return self._is_error_tty

    def value(self, value: JsonValue, text: str) -> None:
        """Say a result: the value with ``--json``, else its text."""
        if self.is_json:
            self.line_of_json(value)
        else:
            self.text(text)

    def line_of_json(self, value: JsonValue) -> None:
        """Write one value as one line of the exact text that JavaScript would write."""
        self._write(json_line(value))

    def text(self, text: str) -> None:
        """Write a text to standard output; a line break is added."""
        self._write(text_line(text))

    def raw(self, data: bytes) -> None:
        """Write bytes to standard output as they are."""
        self._write(data)

    def words(self, text: str) -> None:
        """Say something to the person who watches; silent with ``--json``."""
        if not self.is_json:
            self.end_progress()
            _say(text)

    def progress(self, text: str) -> None:
        """Draw the progress line anew on a terminal; elsewhere write it as a line of its own."""
        if self.is_json:
            return
        if not self._is_error_tty:
            _say(text)
            return
        line = clean_line(text)
        padding = max(0, self._progress_width - text_width(line))
        sys.stderr.write("\r" + line + " " * padding)
        sys.stderr.flush()
        self._progress_width = text_width(line)

    def end_progress(self) -> None:
        """Leave the progress line as it stands and go on below it."""
        if self._progress_width:
            sys.stderr.write("\n")
            self._progress_width = 0

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write rows in columns, the last one as long as it likes."""
        cells = [[clean_line(cell) for cell in row] for row in rows]
        widths = [
            max(text_width(row[column]) for row in [list(header), *cells])
            for column in range(len(header))
        ]
        self.text(self.style(_columns(header, widths), "bold"))
        for row in cells:
            self.text(_columns(row, widths))

    def style(self, text: str, style: str) -> str:
        """Return a text in bold, dim, red, green or yellow where colour is wanted."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._has_colour else text

    async def pour(self, line: bytes) -> None:
        """Write a line as the reader takes it: nothing else waits for one that does not."""
        async with self._pouring:
            for start in range(0, len(line), PIECE_BYTES):
                await _room()
                self._write(line[start : start + PIECE_BYTES])
                self.flush()

    def flush(self) -> None:
        """Bring everything to the reader now."""
        try:
            sys.stdout.flush()
        except OSError as error:
            _close_stdout()
            raise OutputClosed(error) from error

    def _write(self, data: bytes) -> None:
        try:
            sys.stdout.buffer.write(data)
        except OSError as error:
            _close_stdout()
            raise OutputClosed(error) from error


def json_line(value: JsonValue) -> bytes:
    """Return one value as one line of the exact text that JavaScript would write."""
    return (encode_compact(value) + "\n").encode("utf-8", "replace")


def text_line(text: str) -> bytes:
    """Return a text with a line break, as standard output writes it."""
    return (text + "\n").encode(sys.stdout.encoding or "utf-8", "replace")


async def _room() -> None:
    """Wait until standard output takes something; a file always does."""
    loop, has_room = asyncio.get_running_loop(), asyncio.Event()
    try:
        number = sys.stdout.fileno()
        loop.add_writer(number, has_room.set)
    except (OSError, ValueError):  # nothing that one can wait for
        return
    try:
        await has_room.wait()
    finally:
        loop.remove_writer(number)


def print_error(error: ApiError, *, is_json: bool, code: int | None = None) -> None:
    """Say a fault on standard error: as sentences, and with ``--json`` as an object."""
    message, hint = error.told(WORDS)
    if not is_json:
        _say(_("Error: {message}").format(message=message))
        if hint:
            _say(hint)
        if isinstance(error, Unpublished):
            _say_again(error)
        return
    report: dict[str, JsonValue] = {
        "message_type": "exit_error",
        "code": error.exit_code if code is None else code,
        "error": error.slug,
        "message": message,
        "hint": hint,
    }
    if isinstance(error, AmbiguousId):
        report["candidates"] = list(error.candidates)
    if isinstance(error, Unpublished):
        report["again"] = error.again
    _write_error(encode_compact(report))


class AmbiguousId(ApiError):  # noqa: N818 (it says what is the matter)
    """What was typed fits more than one id; ``candidates`` are some of them."""

    def __init__(self, text: str, candidates: Sequence[str], descriptions: Sequence[str]) -> None:
        super().__init__(
            Exit.USAGE.slug,
            _("{text} can mean more than one thing:").format(text=text)
            + "".join(f"\n  {line}" for line in descriptions),
            _("Write more of the id that you mean."),
        )
        self.candidates = tuple(candidates)


class Unpublished(ApiError):  # noqa: N818 (it says what is the matter)
    """A fault that kept something from being published; ``again`` is the command that does it.

    Not ``is_certain``: the peer went away before it could say that nothing was published.
    """

    def __init__(self, error: ApiError, again: str, *, is_certain: bool) -> None:
        super().__init__(error.slug, error.message, error.hint)
        self.again = again
        self.is_certain = is_certain


def _say_again(error: Unpublished) -> None:
    if error.is_certain:
        words = _("Nothing was published. Once that is mended, this publishes it:")
    else:
        words = _("Look with lichen log whether it was published; if not, this publishes it:")
    _say(f"\n{words}\n")
    _write_error(error.again)


def wants_colour(choice: str, *, is_tty: bool) -> bool:
    """Decide on colour: the flag, then NO_COLOR, CLICOLOR_FORCE, CLICOLOR, then the terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("CLICOLOR_FORCE", "0") not in {"", "0"}:
        return True
    return is_tty and os.environ.get("CLICOLOR") != "0" and os.environ.get("TERM") != "dumb"


def _columns(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell + " " * (width - text_width(cell)) for cell, width in zip(cells, widths, strict=True)
    ]
    return "  ".join(padded).rstrip()


def _say(text: str) -> None:
    _write_error(clean_block(text))


def _write_error(text: str) -> None:
    encoding = sys.stderr.encoding or "utf-8"
    sys.stderr.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    sys.stderr.flush()


def _close_stdout() -> None:
    # Python flushes standard output once more at exit, which would complain about the broken pipe.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
