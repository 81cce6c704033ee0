"""``make words``: find every text in the source and bring the catalogues up to date.

Texts are found in Python (arguments of gettext's functions, and the docstrings that are the help of
commands), in templates, and in Click, whose words people see too. What is new in a catalogue has to
be translated by hand; what is gone from the source is dropped. Tests see to it that nothing is left
open.
"""

import ast
import inspect
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from lichen import words
from lichen.feed.message import Reason

SOURCE = Path(words.__file__).parent.parent
LOCALES = Path(words.__file__).with_name("locale")
CLICK = Path(click.__file__).parent
CLICK_MODULES = ("core", "decorators", "exceptions", "formatting", "parser", "types")
HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plural_forms}\\n"

"""
KEYWORDS = {**DEFAULT_KEYWORDS, "N_many": (1, 2), "RefError": None, "SecretError": None}
"""Beside the names of gettext: what marks texts here, and errors whose texts people read."""
TEMPLATE_OPTIONS = {"trimmed": "true", "silent": "false", "newstyle_gettext": "true"}

VALUES = {"Experiment": 1, "Parameter": 2}
"""What stands in the lab's catalogue, and which of its arguments people read."""

Found = tuple[str, str | tuple[str, ...], list[str], str | None]
"""Where, the text or its two forms, comments for translators, the context."""


def collect() -> Catalog:
    """Return a catalogue of every text in the source, without translations."""
    catalog = Catalog()
    for place, text, comments, context in sorted(_found(), key=repr):
        catalog.add(text, locations=[(place, 0)], auto_comments=comments, context=context)
    return catalog


def _found() -> Iterator[Found]:
    for path in sorted(SOURCE.rglob("*.py")):
        place = path.relative_to(SOURCE).as_posix()
        yield from _texts(path, place, "python")
        yield from _help_texts(path, place)
    for path in sorted((SOURCE / "lab").rglob("*.py")):
        yield from _values_of_the_lab(path, path.relative_to(SOURCE).as_posix())
    for path in sorted(SOURCE.rglob("templates/**/*.html")):
        yield from _texts(path, path.relative_to(SOURCE).as_posix(), babel_extract)
    for reason in Reason:
        yield "feed/message.py", reason.value, [], None
    for name in CLICK_MODULES:
        yield from _texts(CLICK / f"{name}.py", "click", "python")


def _texts(path: Path, place: str, method: object) -> Iterator[Found]:
    with path.open("rb") as file:
        found = extract(
            method,
            file,
            keywords=KEYWORDS,
            comment_tags=("Translators:",),
            options={} if method == "python" else TEMPLATE_OPTIONS,
            strip_comment_tags=True,
        )
        for _line, text, comments, context in found:
            yield place, text, comments, context


def _help_texts(path: Path, place: str) -> Iterator[Found]:
    """Yield the docstring of each function that ``@command`` makes a command of."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if any(
            isinstance(made, ast.Call) and getattr(made.func, "id", "") == "command"
            for made in node.decorator_list
        ):
            yield place, inspect.cleandoc(ast.get_docstring(node) or ""), [], None


def _values_of_the_lab(path: Path, place: str) -> Iterator[Found]:
    """Yield what experiments and their parameters say of themselves.

    The lab's values know nothing of languages; the command line translates them as it shows them.
    """
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in VALUES:
            words = node.args[VALUES[node.func.id]]  # type: ignore[attr-defined]
            yield place, ast.literal_eval(words), [], None


def updated(language: str) -> str:
    """Return the text of a language's ``.po`` file as it should be, old translations kept."""
    path = LOCALES / f"{language}.po"
    old = Catalog(locale=language)
    if path.exists():
        with path.open("rb") as file:
            old = read_po(file, locale=language)
    old.update(collect(), no_fuzzy_matching=True)
    old.obsolete.clear()
    body = io.BytesIO()
    write_po(body, old, omit_header=True, include_lineno=False, sort_output=True, width=100)
    header = HEADER.format(language=language, plural_forms=old.plural_forms)
    return header + body.getvalue().decode("utf-8").strip("\n") + "\n"


def main() -> int:
    """Update every catalogue and say what is left to translate."""
    for path in sorted(LOCALES.glob("*.po")):
        path.write_text(updated(path.stem), "utf-8")
        with path.open("rb") as file:
            messages = [message for message in read_po(file) if message.id]
        texts = [m.string if isinstance(m.string, tuple) else (m.string,) for m in messages]
        open_ones = sum(not all(forms) for forms in texts)
        print(f"{path.name}: {len(messages)} texts, {open_ones} to translate")
    return 0


if __name__ == "__main__":
    sys.exit(main())
