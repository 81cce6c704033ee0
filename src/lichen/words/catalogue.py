"""A catalogue of translations, read from the ``.po`` file that people edit.

The file is read as it stands when its language is first used, so nothing has to be compiled before
Lichen can run. What is read is what ``make words`` writes, the common part of gettext's format: one
string a line, the escapes of ``_ESCAPES``. Entries marked fuzzy and obsolete ones count as absent.
A file that is not like that is a mistake of ours and raises ``CatalogueError``.
"""

import re
from collections.abc import Callable
from gettext import c2py
from pathlib import Path

_LINE = re.compile(r'(?:(msgctxt|msgid_plural|msgid|msgstr(?:\[\d\])?) )?"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


class CatalogueError(ValueError):
    """A ``.po`` file that cannot be read."""


class Catalogue:
    """The texts of one language: by context and English text, a form for each plural.

    ``form_of`` says which of the forms fits a number. (No ``msgspec`` here: what the command line
    imports before it does anything has to be little.)
    """

    __slots__ = ("form_of", "texts")

    def __init__(
        self, texts: dict[tuple[str, str], tuple[str, ...]], form_of: Callable[[int], int]
    ) -> None:
        self.texts = texts
        self.form_of = form_of


class _Entry:
    """One entry while its lines are read."""

    __slots__ = ("fields", "is_fuzzy", "last")

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.last = ""
        self.is_fuzzy = False


def read_catalogue(path: Path) -> Catalogue:
    """Read a ``.po`` file."""
    return parse_catalogue(path.read_text("utf-8"))


def parse_catalogue(text: str) -> Catalogue:
    """Read the text of a ``.po`` file, or raise ``CatalogueError``."""
    texts: dict[tuple[str, str], tuple[str, ...]] = {}
    entry = _Entry()
    for number, line in enumerate(f"{text}\n\n".split("\n"), 1):
        if line.startswith("#"):
            entry.is_fuzzy |= line.startswith("#,") and "fuzzy" in line
        elif line:
            _add_line(entry, line, number)
        else:
            _add_entry(texts, entry)
            entry = _Entry()
    header = texts.pop(("", ""), ("",))[0]
    rule = re.search(r"plural=([^;\n]+)", header)
    return Catalogue(texts, c2py(rule.group(1) if rule else "n != 1"))


def _add_line(entry: _Entry, line: str, number: int) -> None:
    found = _LINE.fullmatch(line)
    if found is None:
        raise CatalogueError(f"line {number} of the catalogue is not understood")
    try:
        words = _ESCAPE.sub(lambda escape: _ESCAPES[escape.group(1)], found.group(2))
    except KeyError as error:
        raise CatalogueError(f"line {number} of the catalogue has an unknown escape") from error
    keyword = found.group(1)
    if keyword is None:
        entry.fields[entry.last] = entry.fields.get(entry.last, "") + words
    else:
        entry.last = keyword
        entry.fields[keyword] = words


def _add_entry(texts: dict[tuple[str, str], tuple[str, ...]], entry: _Entry) -> None:
    fields = entry.fields
    if entry.is_fuzzy or "msgid" not in fields:
        return
    forms = tuple(words for name, words in fields.items() if name.startswith("msgstr"))
    if forms and all(forms):
        texts[fields.get("msgctxt", ""), fields["msgid"]] = forms
