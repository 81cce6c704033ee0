"""What could not be published is given back, as the command that publishes it.

A full disk cannot keep a draft, and what came through a pipe is nowhere else. So all of it stands
on standard error, as a shell takes it. What holds control characters or direction marks, which must
not reach the terminal, is written with the escapes of bash and zsh.
"""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lichen.cli.exits import Exit
from lichen.cli.output import Unpublished
from lichen.cli.session import Session
from lichen.cli.terminal import clean_block
from lichen.node.errors import ApiError

WORD = "TEXT"
"""What ends the text in a shell; longer where it stands in the text itself."""
_OWN_FAULTS = frozenset({Exit.USAGE.slug, Exit.NOT_FOUND.slug, Exit.INVALID.slug})
"""Faults that the same command would have again."""


@contextmanager
def giving_back(
    session: Session, *words: str, piped: str | None = None, is_dry_run: bool = False
) -> Iterator[None]:
    """Give a command back if nothing comes of it: its words, and what was ``piped`` into it.

    Where it is the words that are wrong, they are given back only with what was piped: that would
    be lost.
    """
    try:
        yield
    except ApiError as error:
        if is_dry_run or (piped is None and error.slug in _OWN_FAULTS):
            raise
        name, *rest = words
        line = " ".join(map(_quoted, ["lichen", name, *session.named_home, *rest]))
        again = line if piped is None else _with_input(line, piped)
        is_certain = error.slug != Exit.UNREACHABLE.slug
        raise Unpublished(error, again, is_certain=is_certain) from error


def _with_input(line: str, text: str) -> str:
    if not _is_harmless(text):
        return f"printf %s {_quoted(text)} | {line}"
    word = WORD
    while word in text.split("\n"):
        word += "_"
    return f"{line} <<'{word}'\n{text}\n{word}"


def _quoted(word: str) -> str:
    if _is_harmless(word):
        return shlex.quote(word)
    escaped = (
        char
        if char.isascii() and char.isprintable() and char not in "\\'"
        else f"\\U{ord(char):08x}"
        for char in word
    )
    return f"$'{''.join(escaped)}'"


def _is_harmless(text: str) -> bool:
    """Tell whether a text can stand on this terminal as it is."""
    encoding = sys.stderr.encoding or "utf-8"
    is_sayable = text.encode(encoding, "replace").decode(encoding) == text
    plain = text.replace("\t", " ")
    return is_sayable and clean_block(plain) == plain
