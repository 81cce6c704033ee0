"""Nothing that a stranger writes does anything in the reader's browser."""

import re
import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.web.text.links import PATHS
from lichen.web.text.markdown import first_words, plain, render

HERE = Path(__file__).parent
inspect = runpy.run_path(str(HERE / "inert.py"))["inspect"]


def payload_of(line: str) -> str:
    return re.sub(r"\\u\{([0-9A-F]+)\}", lambda code: chr(int(code.group(1), 16)), line)


PAYLOADS = [
    payload_of(line) for line in (HERE / "xss_payloads.txt").read_text("utf-8").splitlines()
]


def test_payloads_are_many_and_differ() -> None:
    assert len(PAYLOADS) >= 220
    assert len(set(PAYLOADS)) == len(PAYLOADS)


@pytest.mark.parametrize("number", range(len(PAYLOADS)), ids=str)
def test_payload_is_inert(number: int) -> None:
    payload = PAYLOADS[number]
    inspect(render(payload, PATHS))
    inspect(render(f"before\n\n{payload}\n\nafter {payload} [x]({payload}) ![x]({payload})", PATHS))
    inspect(render(f"{payload}\n{payload}\n|-|-|\n{payload}", PATHS))
    inspect(plain(payload))


def test_inspector_sees_what_it_should() -> None:
    for markup in (
        "<script>",
        "<p onclick=x>",
        '<a href="javascript:x" rel="noopener noreferrer nofollow">x</a>',
        '<a href="https://a.b">x</a>',
        '<a href="/settings" rel="noopener noreferrer nofollow">x</a>',
        '<img src="https://a.b/c" loading="lazy">',
        "<p><b></p>",
        "<p>",
        "<!-- x -->",
    ):
        with pytest.raises((AssertionError, KeyError)):
            inspect(markup)


SYNTAX = st.sampled_from(
    [
        *"[]()<>!*_`~#|-:\\&@%\"' \n\t",
        *("![", "](", "](javascript:", "<script>", "&#", "http://", "ssb:", "data:", "mailto:"),
        *("```\n", "|-|\n", "> ", "- ", "1. ", "[a]: b\n", "onclick=", "\u202e", "\0", "\ud800"),
        *("&" + "A" * 43 + "=.sha256", "@" + "A" * 43 + "=.ed25519", "=.ed25519"),
    ]
)


@given(st.text(max_size=200) | st.lists(SYNTAX | st.text(max_size=3), max_size=60).map("".join))
def test_any_text_is_inert(text: str) -> None:
    inspect(render(text, PATHS))
    inspect(plain(text))
    assert len(first_words(text, 40)) <= 40


def test_cleaning_stands_behind_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    class Spoilt:
        def render(self, text: str, _env: object) -> str:
            return text

    monkeypatch.setattr("lichen.web.text.markdown._PARSER", Spoilt())
    for payload in PAYLOADS:
        markup = render(payload, PATHS)
        assert not re.search(r"<[^>]*\son\w+\s*=", re.sub(r'"[^"]*"', '""', markup)), markup
        assert not re.search(r"<(script|style|iframe|svg|math|form|object|base|meta)", markup)
        assert not re.search(r"""(href|src)=["']?\s*(javascript|data|vbscript):""", markup)


def test_marks_that_turn_the_text_around_are_gone() -> None:
    assert inspect(render("a\u202eb\u202dc\u2067d\u2069", PATHS)).strip() == "abc\u2067d\u2069"
