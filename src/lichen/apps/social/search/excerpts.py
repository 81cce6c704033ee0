"""The part of a text that shows why it was found: plain words, and where in them the marks are.

Markdown's signs and ids are left out. What comes of it is a text of a stranger all the same, made
fit for one line; whoever shows it escapes it.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from lichen.apps.social.rules import clean_line
from lichen.apps.social.search.query import Said
from lichen.apps.social.search.words import folded_with_places, is_dense, without_references

EXCERPT_CHARACTERS = 240
"""Characters of a text that are shown: three lines of a page."""
BEFORE_CHARACTERS = 60
"""Characters shown before the first word that was looked for."""
TEXT_CHARACTERS_MAX = 16_000
"""Characters of a text that are looked through; no message is longer."""
MARKS_MAX = 20
"""Places that are marked in one excerpt."""

_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
_LINE_BEGIN = re.compile(r"(?m)^[ \t]*(?:(?:#+|>|[+-])[ \t]+)+")
_ANY_SIGN = re.compile(r"[*`~|_#>+\-\n\[=]")
_RULE = re.compile(r"-{3,}")
_UNDERLINES = re.compile(r"(?<!\w)_+|(?<!_)_++(?!\w)")
_SIGNS = "*`~|"
_BETWEEN = " · "
_ELLIPSIS = "…"


class Excerpt(msgspec.Struct, frozen=True):
    """A text and the places in it that are marked: from the first sign, to before the second."""

    text: str
    marks: tuple[tuple[int, int], ...] = ()

    @property
    def pieces(self) -> list[tuple[str, bool]]:
        """Return the text in pieces, each with whether it is marked."""
        pieces = []
        end = 0
        for first, last in self.marks:
            pieces += [(self.text[end:first], False), (self.text[first:last], True)]
            end = last
        return [piece for piece in (*pieces, (self.text[end:], False)) if piece[0]]


def plain_text(markdown: str) -> str:
    """Return what a text says, on one line, without Markdown's signs and without ids.

    Paragraphs are kept apart, so that a heading does not run into the first sentence.
    """
    text = markdown[:TEXT_CHARACTERS_MAX]
    if _ANY_SIGN.search(text) is None:
        return clean_line(text, TEXT_CHARACTERS_MAX)
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    text = without_references(text)
    for sign in _SIGNS:
        text = text.replace(sign, "")
    text = _LINE_BEGIN.sub("", text)
    if "---" in text:
        text = _RULE.sub("", text)
    if "_" in text:
        text = _UNDERLINES.sub("", text)
    if "\n\n" not in text:
        return clean_line(text, TEXT_CHARACTERS_MAX)
    paragraphs = (clean_line(each, TEXT_CHARACTERS_MAX) for each in text.split("\n\n"))
    return _BETWEEN.join(filter(None, paragraphs))


def excerpt_of(markdown: str, said: Sequence[Said]) -> Excerpt:
    """Return the part of a text around the first word that was looked for; else its beginning."""
    text = plain_text(markdown)
    first = _start(text, _place_of(text, said)) if len(text) > EXCERPT_CHARACTERS else 0
    last = _end(text, first + EXCERPT_CHARACTERS)
    before, after = (_ELLIPSIS if cut else "" for cut in (first > 0, last < len(text)))
    # A sign on each side shows whether a word begins and ends there.
    begin = max(0, first - 1)
    places = [
        (begin + one, begin + other) for one, other in find_said(text[begin : last + 1], said)
    ]
    shift = len(before) - first
    return Excerpt(
        before + text[first:last].rstrip() + after,
        tuple(
            (one + shift, other + shift)
            for one, other in places[:MARKS_MAX]
            if one >= first and other <= last
        ),
    )


def _place_of(text: str, said: Sequence[Said]) -> int:
    """Return where the words stand first: as they were written if they do, else folded."""
    found = [match.start() for one in said if (match := _plain_pattern(one).search(text))]
    if found:
        return min(found)
    places = find_said(text, said)
    return places[0][0] if places else 0


def find_said(text: str, said: Sequence[Said]) -> list[tuple[int, int]]:
    """Return where in a text the words stand, in order, none over another."""
    if not said:
        return []
    folded, places = folded_with_places(text)
    found = [
        (places[match.start()], _place_after(places, match.end(), len(text)))
        for one in said
        for match in _pattern(one).finditer(folded)
        if is_dense(one.text) or not folded[max(0, match.start() - 1) : match.start()].isalnum()
    ]
    kept: list[tuple[int, int]] = []
    for begin, end in sorted(found, key=lambda span: (span[0], -span[1])):
        if not kept or begin >= kept[-1][1]:
            kept.append((begin, end))
    return kept


@lru_cache(maxsize=200)
def _plain_pattern(said: Said) -> re.Pattern[str]:
    """Return what finds words in a text that is not folded."""
    begin = "" if is_dense(said.text) else r"(?<![^\W_])"
    return re.compile(begin + _pattern(said).pattern, re.IGNORECASE)


@lru_cache(maxsize=200)
def _pattern(said: Said) -> re.Pattern[str]:
    """Return what finds words in a folded text, much as the tokenizer does."""
    parts = [part for part in re.split(r"[\W_]+", said.text) if part]
    core = (r"[\W_]*" if is_dense(said.text) else r"[\W_]+").join(map(re.escape, parts))
    # That a word begins there is looked at apart: it would be the slow part of the expression.
    is_open = said.is_beginning or is_dense(said.text)
    return re.compile((core if is_open else core + r"(?![^\W_])") if core else "(?!)")


def _place_after(places: Sequence[int], end: int, length: int) -> int:
    """Return where in a text a find ends; accents that were folded away belong to their letter."""
    return max(places[end - 1] + 1, places[end] if end < len(places) else length)


def _start(text: str, place: int) -> int:
    """Return where to begin so that a place comes soon, at the beginning of a word if it can be."""
    if place <= BEFORE_CHARACTERS:
        return 0
    first = place - BEFORE_CHARACTERS
    space = text.find(" ", first, place)
    return first if space < 0 else space + 1


def _end(text: str, last: int) -> int:
    if last >= len(text):
        return len(text)
    space = text.rfind(" ", last - BEFORE_CHARACTERS, last)
    return last if space < 0 else space
