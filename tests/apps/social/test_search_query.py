"""Any text is a question or a sentence that says what to mend; FTS5 never sees what was typed."""

import datetime as dt
from typing import Any

import apsw
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lichen.apps.social.search.query import (
    PARTS_MAX,
    QUERY_CHARACTERS_MAX,
    Complaint,
    Facet,
    Query,
    Said,
    can_fit,
    matching,
    parse_query,
)
from lichen.apps.social.search.view import SearchView
from lichen.feed.refs import feed_id_from_bytes

NOW = dt.datetime(2026, 3, 29, 15, 30)  # noqa: DTZ001 (the reader's own clock)
ANNA, BERT = (feed_id_from_bytes(bytes([n]) * 32) for n in (1, 2))
DAY = {
    "today": NOW.replace(hour=0, minute=0),
    "2025": NOW.replace(2025, 1, 1, 0, 0),
    "2025-07": NOW.replace(2025, 7, 1, 0, 0),
    "2025-07-09": NOW.replace(2025, 7, 9, 0, 0),
    "yesterday": NOW.replace(day=28, hour=0, minute=0),
    "7d": NOW - dt.timedelta(days=7),
    "2w": NOW - dt.timedelta(days=14),
    "36h": NOW - dt.timedelta(hours=36),
    "6m": NOW - dt.timedelta(days=180),
    "1y": NOW - dt.timedelta(days=365),
}


def said(*texts: str) -> tuple[tuple[Said], ...]:
    return tuple((Said(text),) for text in texts)


READINGS: dict[str, Query] = {
    "": Query(),
    "  \t\n": Query(),
    "Bread": Query(said("bread")),
    "bread oven": Query(said("bread", "oven")),
    '"two  Bales" x': Query(said("two bales", "x")),
    '"never closed': Query(said("never closed")),
    "stra*": Query(((Said("stra", is_beginning=True),),)),
    '"two bal"*': Query(((Said("two bal", is_beginning=True),),)),
    "straw OR hay": Query(((Said("straw"), Said("hay")),)),
    "a straw OR hay | reed b": Query(
        (*said("a"), (Said("straw"), Said("hay"), Said("reed")), *said("b"))
    ),
    "OR straw OR": Query(said("straw")),
    "straw or hay": Query(said("straw", "or", "hay")),
    "bread -white": Query(said("bread"), (Said("white"),)),
    'bread -"stale crust"': Query(said("bread"), (Said("stale crust"),)),
    "bread -": Query(said("bread")),
    "well-known": Query(said("well-known")),
    "Straße": Query(said("strasse")),
    "Ìyábọ̀": Query(said("iyabo")),
    "石垣": Query(said("石 垣")),
    "石*": Query(((Said("石", is_beginning=True),),)),
    "!!! ???": Query(),
    "https://example.com/x": Query(said("https //example.com/x")),
    "author:anna": Query(((Facet("author", "anna"),),)),
    'from:"Anna B" x': Query((*said("x"), (Facet("author", "Anna B"),))),
    "author:anna by:bert": Query(((Facet("author", "anna"), Facet("author", "bert")),)),
    "-author:anna x": Query(said("x"), (Facet("author", "anna"),)),
    "is:mine": Query(((Facet("author", "me"),),)),
    "mentions:ME": Query(((Facet("mentions", "me"),),)),
    f"{ANNA} x": Query(((Facet("mentions", ANNA),), *said("x"))),
    "channel:#Bread in:oven": Query(((Facet("channel", "bread"),), (Facet("channel", "oven"),))),
    "#Bread x": Query(((Facet("channel", "bread"),), *said("x"))),
    "#bread OR #oven": Query(((Facet("channel", "bread"), Facet("channel", "oven")),)),
    "type:post type:about": Query(((Facet("type", "post"), Facet("type", "about")),)),
    "is:reply has:picture": Query(((Facet("is", "reply"),), (Facet("has", "image"),))),
    "is:private x": Query(said("x"), is_private=True),
    "x sort:best": Query(said("x"), order="best"),
    "AUTHOR:x": Query(((Facet("author", "x"),),)),
}
COMPLAINTS = {
    "-bread": "only what shall not be there",
    "a*": "too many words",
    "author:": "missing after author:",
    "is:nice": "knows no nice",
    "has:bread": "knows no bread",
    "sort:up": "knows no up",
    "after:soon": "no date",
    "after:2025-13": "no date",
    "after:2025-02-30": "no date",
    "after:99999y": "no date",
    "-before:2025": "cannot be excluded",
    "channel:#.": "not the name of a channel",
    "x " * (PARTS_MAX + 1): "at most",
    "x" * (QUERY_CHARACTERS_MAX + 1): "too long",
}


@pytest.mark.parametrize("text", READINGS)
def test_a_question_is_read(text: str) -> None:
    assert parse_query(text, NOW) == READINGS[text]


@pytest.mark.parametrize("day", DAY)
def test_days(day: str) -> None:
    assert parse_query(f"x after:{day}", NOW) == Query(said("x"), after=DAY[day])
    assert parse_query(f"until:{day} x", NOW) == Query(said("x"), before=DAY[day])


def test_the_narrower_of_two_dates_counts() -> None:
    query = parse_query("x after:2024 after:2025 before:2025-07 before:2025-07-09", NOW)
    assert query == Query(said("x"), after=DAY["2025"], before=DAY["2025-07"])


@pytest.mark.parametrize("text", COMPLAINTS)
def test_what_cannot_be_answered_says_why_and_what_to_do(text: str) -> None:
    complaint = parse_query(text, NOW)
    assert isinstance(complaint, Complaint), complaint
    assert COMPLAINTS[text] in complaint.message
    assert complaint.hint.endswith((".", "*")) or ":" in complaint.hint


PIECES = st.sampled_from(
    [
        *("OR", "AND", "NOT", "NEAR(a b, 2)", "NEAR", "(", ")", '"', "'", "*", "-", "+", "^", ":"),
        *(
            "said:",
            "{said}:x",
            "search",
            "\x00",
            "\ue000r",
            "\ud800",
            "\u0301",
            "石",
            "กขค",
            "हिन्दी",
        ),
        *("author:", "author:anna", "is:reply", "has:image", 'type:x"y', 'channel:#a"b'),
        *(
            "after:7d",
            "before:2025",
            "sort:best",
            "word",
            "beginn*",
            '"two words"',
            "-not",
            "ﬁ",
            "İ",
        ),
        *("a-b", "_", "\\", ";", "--", "/*", "�", "\U0010ffff", "\u200d", "\u202e"),
    ]
)
TYPED = (
    st.text(max_size=60)
    | st.lists(PIECES, max_size=12).map(" ".join)
    | st.lists(PIECES).map("".join)
)


@pytest.fixture(scope="module")
def index() -> apsw.Connection:
    db = apsw.Connection(":memory:")
    db.execute(SearchView.schema)
    db.execute("INSERT INTO search(rowid, said) VALUES(1, 'word')")
    return db


@given(TYPED)
@example('"')
@example("x\x00y")
@example("\ud800")
@example('x:"word"')
@example("\uff02 \uff02word\uff02")
def test_any_text_is_a_question_or_a_complaint(index: apsw.Connection, text: str) -> None:
    query = parse_query(text, NOW)
    if isinstance(query, Complaint):
        assert query.message
        assert query.hint
        return
    assert not any(set('"\0') & set(part.text) for part in query.said)
    people = {typed: ([ANNA, BERT] if len(typed) % 2 else []) for typed in query.people()}
    match = matching(query, people)
    if can_fit(query, people) and match is not None:
        index.execute(
            "SELECT rowid, bm25(search) FROM search WHERE search MATCH ?", (match,)
        ).fetchall()


def test_nothing_typed_reaches_a_facet_or_the_syntax(index: apsw.Connection) -> None:
    for text in ("\ue000r", '"\ue000r"', 'x" OR "word', "word NEAR x", "said:word", "NOT word"):
        query: Any = parse_query(text, NOW)
        match = matching(query, {})
        assert (
            match is None
            or not index.execute(
                "SELECT rowid FROM search WHERE search MATCH ?", (match,)
            ).fetchall()
        ), text
