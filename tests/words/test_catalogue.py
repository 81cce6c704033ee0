"""Catalogues: how they are read, and that nothing in them is left open."""

import re
import runpy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from lichen.words.catalogue import CatalogueError, parse_catalogue, read_catalogue

COLLECT = runpy.run_path(str(Path(__file__).with_name("collect.py")))
LANGUAGES = sorted(path.stem for path in COLLECT["LOCALES"].glob("*.po"))

HEADER = 'msgid ""\nmsgstr ""\n"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_is_what_make_words_writes(language: str) -> None:
    """Where a text stands is for translators; that it moved is no reason to fail."""
    text = (COLLECT["LOCALES"] / f"{language}.po").read_text("utf-8")
    assert without_places(text) == without_places(COLLECT["updated"](language)), (
        "run make words, and translate what is new"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_is_translated_and_placeholders_agree(language: str) -> None:
    path = COLLECT["LOCALES"] / f"{language}.po"
    with path.open("rb") as file:
        messages = [message for message in read_po(file, locale=language) if message.id]
    for message in messages:
        assert not message.fuzzy, message.id
        for english, translated in pairs(message):
            assert translated, f"not translated: {english}"
            assert marks(translated) == marks(english), english
            assert english.endswith("\n") == translated.endswith("\n"), english


@pytest.mark.parametrize("language", LANGUAGES)
def test_our_reader_reads_what_babel_reads(language: str) -> None:
    path = COLLECT["LOCALES"] / f"{language}.po"
    ours = read_catalogue(path)
    with path.open("rb") as file:
        theirs = {
            (message.context or "", first(message)): tuple(forms(message))
            for message in read_po(file, locale=language)
            if message.id
        }
    assert ours.texts == theirs
    assert [ours.form_of(n) for n in (0, 1, 2)] == [1, 0, 1]


def test_source_is_searched_everywhere() -> None:
    places = {
        place for message in COLLECT["collect"]() if message.id for place, _ in message.locations
    }
    assert {"click", "cli/main.py", "cli/commands/people.py", "words/words.py"} <= places
    found = {first(message) for message in COLLECT["collect"]()}
    assert "Follow or block a feed no longer. What was fetched stays." in found, "help of a command"


def test_templates_are_searched(tmp_path: Path) -> None:
    template = tmp_path / "page.html"
    template.write_text(
        '<p title="{{ _("A title") }}">{% trans n=count %}\n  {{ n }} leaf\n  {% pluralize %}'
        '{{ n }} leaves{% endtrans %}</p>{{ pgettext("a tree", "Bark") }}'
    )
    found = [
        (text, context)
        for _place, text, _comments, context in COLLECT["_texts"](
            template, "page.html", COLLECT["babel_extract"]
        )
    ]
    assert ("A title", None) in found
    assert (("%(n)s leaf", "%(n)s leaves"), None) in found
    assert ("Bark", "a tree") in found


def test_reading() -> None:
    read = parse_catalogue(
        HEADER + '#: place\n#, python-format\nmsgid "a"\nmsgstr "b \\"c\\" \\n"\n"d"\n\n'
        '#, fuzzy\nmsgid "unsure"\nmsgstr "x"\n\n'
        'msgctxt "tree"\nmsgid "bark"\nmsgstr "Rinde"\n\n'
        'msgid "one"\nmsgid_plural "many"\nmsgstr[0] "eins"\nmsgstr[1] "viele"\n\n'
        'msgid "open"\nmsgstr ""\n\n#~ msgid "gone"\n#~ msgstr "weg"'
    )
    assert read.texts == {
        ("", "a"): ('b "c" \nd',),
        ("tree", "bark"): ("Rinde",),
        ("", "one"): ("eins", "viele"),
    }


@pytest.mark.parametrize("line", ["msgid", "nonsense", 'msgid "a', 'msgid "\\x"', 'msgid "a" "b"'])
def test_what_is_no_catalogue_is_refused_with_the_line(line: str) -> None:
    with pytest.raises(CatalogueError, match="line 5"):
        parse_catalogue(HEADER + line)


def without_places(catalogue: str) -> str:
    return re.sub(r"^#: .*\n", "", catalogue, flags=re.MULTILINE)


def first(message: Message) -> str:
    return message.id[0] if isinstance(message.id, tuple) else message.id


def forms(message: Message) -> list[str]:
    return list(message.string) if isinstance(message.string, tuple) else [message.string]


def pairs(message: Message) -> Iterator[tuple[str, str]]:
    english = message.id if isinstance(message.id, tuple) else (message.id,)
    for number, translated in enumerate(forms(message)):
        yield english[min(number, len(english) - 1)], translated


def marks(text: str) -> Counter[str]:
    return Counter(re.findall(r"\{[^{}]*\}|%\([^()]*\)[a-z]|</?[a-z][^<>]*>", text))
