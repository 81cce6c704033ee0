"""Fuzz targets of the web room: what a stranger writes becomes inert HTML, whatever it is."""

import runpy
from pathlib import Path

from lichen.web.text.links import PATHS
from lichen.web.text.markdown import first_words, plain, render
from lichen.web.text.references import find_references, parse_target

WEB = Path(__file__).parent.parent / "web"
inspect = runpy.run_path(str(WEB / "inert.py"))["inspect"]
SEEDS = [line.encode() for line in (WEB / "xss_payloads.txt").read_text("utf-8").splitlines()]


def markdown_target(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    inspect(render(text, PATHS))
    inspect(plain(text))
    assert len(first_words(text, 40)) <= 40


def references_target(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    assert "".join(piece for piece, _target in find_references(text)) == text
    target = parse_target(text)
    if target is not None:
        assert target.short()
        assert target.path(PATHS)


TARGETS = [markdown_target, references_target]
