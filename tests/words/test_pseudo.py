"""English in disguise keeps what programs read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.words.pseudo import disguise


@pytest.mark.parametrize(
    "kept",
    [
        *("{name}", "{count:,}", "{name!r}", "%(count)s", "%d", "%%"),
        *("<b>", "</b>", '<a href="/about">', "&amp;"),
        *("https://example.org/a?b=c#d", "ssb://message/x"),
    ],
)
def test_what_programs_read_stays(kept: str) -> None:
    disguised = disguise(f"before {kept} after")
    assert f" {kept} " in disguised
    assert disguised.startswith("[ƀḗḗƒǿǿřḗḗ ")


def test_every_letter_wears_an_accent_and_texts_grow() -> None:
    text = "The Quick Brown Fox Jumps Over the lazy dog, PACK my box with five dozen liquor jugs."
    disguised = disguise(text)
    assert not any(char.isascii() and char.isalpha() for char in disguised)
    assert 1.3 * len(text) <= len(disguised) <= 1.45 * len(text)


def test_nothing_stays_nothing() -> None:
    assert disguise("") == ""
    assert disguise("\n ") == "\n "


@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    disguised = disguise(text)
    assert disguised == text or (disguised[0], disguised[-1]) == ("[", "]")
