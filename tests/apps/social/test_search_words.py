"""What of a text is found, and the part of it that is shown."""

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.apps.social.search.excerpts import (
    EXCERPT_CHARACTERS,
    Excerpt,
    excerpt_of,
    find_said,
    plain_text,
)
from lichen.apps.social.search.query import Said
from lichen.apps.social.search.view import SearchView
from lichen.apps.social.search.words import (
    IMAGE,
    REPLY,
    author_facet,
    channel_facet,
    facets_of,
    fold_text,
    indexed_text,
    mention_facet,
    named_text,
    type_facet,
)
from lichen.feed.refs import blob_id_from_bytes, feed_id_from_bytes, msg_id_from_bytes

ANNA, BERT = (feed_id_from_bytes(bytes([n]) * 32) for n in (1, 2))
KEY = msg_id_from_bytes(bytes(32))
BLOB = blob_id_from_bytes(bytes(32))

FOUND_BY = [
    ("Every stone was carried by two people", "STONE"),
    ("Straße", "strasse"),
    ("Ìyábọ̀ Adéyẹmí", "iyabo"),
    ("naïve café", "naive cafe"),
    ("naive cafe", "naïve café"),
    ("cafe\u0301", "café"),
    ("İstanbul", "istanbul"),
    ("水門のそばの石垣で、地図みたいな地衣類を見つけました。", "石垣"),
    ("水門のそばの石垣で、地図みたいな地衣類を見つけました。", "地衣類"),
    ("서울에서 만나요", "서울"),
    ("ภาษาไทย", "ไทย"),
    ("हिन्दी में", "हिन्दी"),
    ("حَجَر الفرن", "حجر"),
    ("שָׁלוֹם", "שלום"),
    ("Лідія Бондар", "лідія"),
    ("\uff46\uff55\uff4c\uff4c", "full"),
    ("ﬁrst", "first"),
    ("don't", "don't"),
    ("a well-known_thing", "well-known"),
    ("see https://example.com/a?b=c", "example.com"),
]
NOT_FOUND_BY = [
    ("Every stonemason", "stone"),
    ("石の垣", "石垣"),
    (f"look at {BLOB} now", BLOB[1:8]),
    ("two bales of hay", "bales two"),
]


@pytest.mark.parametrize(("text", "asked"), FOUND_BY)
def test_a_text_is_found_by(text: str, asked: str) -> None:
    assert is_found(text, asked)
    assert find_said(plain_text(text), [Said(" ".join(fold_text(asked).lower().split()))])


@pytest.mark.parametrize(("text", "asked"), NOT_FOUND_BY)
def test_a_text_is_not_found_by(text: str, asked: str) -> None:
    assert not is_found(text, asked)


def is_found(text: str, asked: str) -> bool:
    db = apsw.Connection(":memory:")
    db.execute(SearchView.schema)
    db.execute("INSERT INTO search(rowid, said) VALUES(1, ?)", (indexed_text({"text": text}),))
    match = f'"{fold_text(asked)}"'
    return bool(db.execute("SELECT 1 FROM search WHERE search MATCH ?", (match,)).fetchall())


def test_which_members_count() -> None:
    assert indexed_text({"type": "post", "text": "a", "channel": "c"}) == "a\nc"
    assert indexed_text({"type": "gathering", "title": "a", "description": "b"}) == "a\nb"
    assert indexed_text({"type": "about", "name": "a", "image": BLOB}) == ""
    assert indexed_text({"type": "about", "name": "a", "description": "b"}) == "a\nb"
    assert indexed_text({"type": "about", "description": "b"}) == "b"
    assert named_text({"type": "about", "name": "Á"}) == "a"
    assert named_text({"type": "git-repo", "name": "a"}) == ""
    assert indexed_text({"type": "channel", "channel": "c", "subscribed": True}) == ""
    assert indexed_text({"type": "vote", "vote": {"expression": "x"}, "text": 7}) == ""


def test_facets() -> None:
    text = f"![bread](&{'A' * 43}=.sha256)"
    content = {"type": "post", "text": text, "root": KEY, "channel": "#Bread"}
    mentions = [{"link": BERT}, "#oven", {"link": "#"}, 7, {"link": BLOB}]
    assert set(facets_of(ANNA, {**content, "mentions": mentions})) == {
        *(author_facet(ANNA), type_facet("post"), REPLY, IMAGE, mention_facet(BERT)),
        *(channel_facet("bread"), channel_facet("oven")),
    }
    assert facets_of(ANNA, {"type": "x", "root": "no id"}) == [author_facet(ANNA), type_facet("x")]


def test_nobody_can_write_a_facet() -> None:
    assert not set(indexed_text({"text": f"{REPLY} {author_facet(ANNA)}"})) & set(REPLY[:1])


def test_an_excerpt_is_around_the_first_mark() -> None:
    text = "word " * 100 + "**stone** wall of [Bert](" + BERT + ") " + "word " * 100
    excerpt = excerpt_of(text, [Said("stone"), Said("bert")])
    assert [piece for piece, is_marked in excerpt.pieces if is_marked] == ["stone", "Bert"]
    assert excerpt.text.startswith("…word")
    assert excerpt.text.endswith("word…")
    assert len(excerpt.text) <= EXCERPT_CHARACTERS + 2


def test_paragraphs_are_kept_apart() -> None:
    assert (
        plain_text("# The oven\n\n\nIt is dry,\nand rings.\n\n")
        == "The oven · It is dry, and rings."
    )


def test_an_excerpt_without_marks_is_the_beginning() -> None:
    assert excerpt_of("# Stone\n\n> wall", [Said("hay")]) == Excerpt("Stone · wall")
    assert plain_text("a | b\n---|---\n`c` | ~~d~~ __e_f__\n\n- g-h") == "a b · c d e_f · g-h"


def test_marks_are_those_of_the_words_as_written() -> None:
    excerpt = excerpt_of(
        "In der Straße: Ìyábọ̀, 水門の石垣で", [Said("strasse"), Said("iyabo"), Said("石 垣")]
    )
    assert [text for text, is_marked in excerpt.pieces if is_marked] == ["Straße", "Ìyábọ̀", "石垣"]


@given(st.text(max_size=400), st.lists(st.text(min_size=1, max_size=6), max_size=4))
def test_marks_are_in_the_text_and_in_order(text: str, asked: list[str]) -> None:
    said = [Said(" ".join(fold_text(one).replace('"', " ").lower().split())) for one in asked]
    excerpt = excerpt_of(text, said)
    assert "".join(piece for piece, _ in excerpt.pieces) == excerpt.text
    ends = [place for mark in excerpt.marks for place in mark]
    assert ends == sorted(ends)
    assert all(0 <= place <= len(excerpt.text) for place in ends)
    assert all(first < last for first, last in excerpt.marks)
    assert "\n" not in excerpt.text
