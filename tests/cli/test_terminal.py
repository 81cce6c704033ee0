"""Nothing that a stranger writes repaints the screen or reads otherwise than it is."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.cli.terminal import clean_block, clean_line, cut, short_id, short_name, text_width

HARMFUL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c\ufeff"
    "\u2028\u2029\ud800-\udfff\U000e0000-\U000e007f]"
)
FEED = "@" + "A" * 43 + "=.ed25519"
pieces = st.sampled_from(
    ["\x1b[31m", "\x1b]0;title\x07", "\x9b2J", "\x1b", "\x1bPx\x1b\\", "\u202e", "\ud83d", "\r",
     "\u2028", "a", "ü", "漢", "👍🏽", "\x00", "\t", "\n", "\x85", "\U000e0041"]
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("a\u202eb\u202c", "ab"),
        ("a\u2066b\u2069", "ab"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("a\tb", "a    b"),
        ("a\u200bb\ufeff", "ab"),
        ("x\ud800y", "x\ufffdy"),
        ("naïve 漢字 👩\u200d🌾 क्\u200dष", "naïve 漢字 👩\u200d🌾 क्\u200dष"),
    ],
)
def test_blocks_keep_text_and_lose_harm(text: str, clean: str) -> None:
    assert clean_block(text) == clean


@given(st.lists(pieces, max_size=20).map("".join))
def test_nothing_harmful_is_left(text: str) -> None:
    assert not HARMFUL.search(clean_block(text))
    line = clean_line(text, 10)
    assert not HARMFUL.search(line)
    assert "\n" not in line
    assert text_width(line) <= 10


@pytest.mark.parametrize(
    ("line", "cells", "shown"),
    [
        ("hello", 5, "hello"),
        ("hello!", 5, "hell…"),
        ("漢字漢字", 5, "漢字…"),
        ("漢字漢字", 4, "漢…"),
        ("word gap", 6, "word…"),
        ("a\u0301\u0301b", 2, "a\u0301\u0301b"),
    ],
)
def test_cut_counts_columns(line: str, cells: int, shown: str) -> None:
    assert cut(line, cells) == shown


def test_width_of_joined_letters() -> None:
    assert text_width("e\u0301") == 1
    assert text_width(unicodedata.normalize("NFC", "e\u0301")) == 1


def test_names_carry_a_fragment_of_the_key() -> None:
    assert short_id(FEED) == "@AAAAAA…"
    assert short_name(FEED, "anna\u202e") == "anna (@AAAAAA…)"
    assert short_name(FEED, None) == "@AAAAAA…"
    assert short_name(FEED, "\x1b[0m") == "@AAAAAA…"
