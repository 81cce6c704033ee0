"""Texts that are made where no reader is known, and told in the reader's language."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lichen
from lichen.words import N_, N_many, Phrase, parse_phrase, phrase_of, words_for

SOURCE = Path(lichen.__file__).parent
GERMAN = words_for("de")
KIND = N_("The message {id} is not here.", id="%x")


def test_a_phrase_is_its_english_text() -> None:
    assert KIND == "The message %x is not here."
    assert N_("The data on disk cannot be read: {reason}.", reason=7).endswith("read: 7.")
    assert N_("{{x}}") == "{x}"


def test_a_phrase_is_told_in_the_readers_language() -> None:
    assert GERMAN.tell(KIND) == "Die Nachricht %x ist nicht hier."
    assert words_for("en").tell(KIND) == KIND
    assert words_for("pseudo").tell(KIND).count("%x") == 1
    assert GERMAN.tell("The peer has stopped.") == "The peer has stopped.", "told already"
    assert GERMAN.tell("") == ""


def test_phrases_in_a_phrase_are_told_too() -> None:
    whole = N_("Nothing was written: {reason}.", reason=N_("disk full"))
    assert whole == "Nothing was written: disk full."
    assert GERMAN.tell(whole) == "Nichts wurde geschrieben: die Platte ist voll."


@pytest.mark.parametrize(
    ("n", "english", "german"), [(1, "peer is", "1 Peer"), (3, "peers are", "3 Peers")]
)
def test_the_form_fits_the_number(n: int, english: str, german: str) -> None:
    phrase = N_many(
        "{n} peer is connected. Reachable at {addresses}",
        "{n} peers are connected. Reachable at {addresses}",
        n,
        addresses="here",
    )
    assert f"{n} {english} connected" in phrase
    assert GERMAN.tell(phrase).startswith(german)


def test_amounts_have_the_marks_of_the_language() -> None:
    words = N_("Messages {messages}, feeds {feeds}.", messages=20_008, feeds=3)
    assert words == "Messages 20008, feeds 3.", "for programs"
    for phrase in (words, parse_phrase(words.to_json())):
        assert phrase is not None
        assert GERMAN.tell(phrase) == "Nachrichten 20.008, Feeds 3."
        assert words_for("en").tell(phrase) == "Messages 20,008, feeds 3."
    assert "8008" in GERMAN.tell(N_("Port {port} is in use by another program.", port="8008"))
    assert GERMAN.tell(N_many("a {n}", "some {n}", 20_008)) == "some 20.008"
    assert parse_phrase({"template": "{x:d}", "values": {"x": 7}}) is None
    assert parse_phrase({"template": "{x}", "values": {"x": True}}) is None


def test_texts_of_other_rooms_may_hold_braces() -> None:
    assert phrase_of("{x} {") == "{x} {"
    assert GERMAN.tell(phrase_of("{x} {")) == "{x} {"
    assert GERMAN.tell(phrase_of("the text is not JSON")) == "der Text ist kein JSON"


@pytest.mark.parametrize(
    "phrase",
    [KIND, N_("Nothing was written: {reason}.", reason=N_("disk full")), N_many("a", "b {n}", 2)],
)
def test_a_phrase_crosses_as_json(phrase: Phrase) -> None:
    read = parse_phrase(phrase.to_json())
    assert read == phrase
    assert isinstance(read, Phrase)
    assert GERMAN.tell(read) == GERMAN.tell(phrase)


@pytest.mark.parametrize("template", ["{absent}", "{", "{x.y}", "{x[0]}", "{0}", "{x:d}", "}"])
def test_what_its_values_do_not_fill_is_no_phrase(template: str) -> None:
    assert parse_phrase({"template": template, "values": {"x": ""}}) is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    ANYTHING
    | st.fixed_dictionaries(
        {"template": st.text() | ANYTHING},
        optional={"values": ANYTHING, "many": ANYTHING, "n": ANYTHING},
    )
)
def test_any_json_is_a_phrase_or_none(plain: object) -> None:
    read = parse_phrase(plain)
    assert read is None or isinstance(GERMAN.tell(read), str)


def test_no_fault_is_english_only() -> None:
    """What a person reads of a fault is marked where it is raised, or comes from gettext."""
    bare = [
        f"{path.relative_to(SOURCE)}:{text.lineno}"
        for path in sorted(SOURCE.rglob("*.py"))
        for text in bare_texts(ast.parse(path.read_text("utf-8")))
    ]
    assert not bare


def bare_texts(module: ast.Module) -> Iterator[ast.expr]:
    for call in ast.walk(module):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "ApiError":
            for text in call.args[1:]:
                is_text = isinstance(text, ast.JoinedStr) or (
                    isinstance(text, ast.Constant) and bool(text.value)
                )
                if is_text:
                    yield text
