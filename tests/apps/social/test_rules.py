"""Thread order, heads and names, against ssb-sort's answers and in random order."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.apps.social.rules import (
    NETWORK_BEGAN_MS,
    Claim,
    ThreadMessage,
    believable_ms,
    choose_value,
    clean_line,
    first_words,
    heads,
    message_links,
    name_skeleton,
    plain_expression,
    roots,
    sort_thread,
)
from lichen.feed.canonical import encode_compact
from lichen.feed.message import FeedId, MsgId
from lichen.feed.refs import feed_id_from_bytes, is_msg_id, msg_id_from_bytes

VECTORS = Path(__file__).parents[2] / "vectors" / "tangle" / "thread-sort.json"
CASES = json.loads(VECTORS.read_text())["cases"]
ANNA, BERT, CARL = (feed_id_from_bytes(bytes([n]) * 32) for n in (1, 2, 3))


def key(number: int) -> MsgId:
    return msg_id_from_bytes(number.to_bytes(32, "big"))


def message(
    number: int, *links: int, received_ms: float = 0, timestamp: float = 0
) -> ThreadMessage:
    return ThreadMessage(key(number), frozenset(map(key, links)), received_ms, timestamp)


def from_vector(item: Any) -> ThreadMessage:
    return ThreadMessage(
        item["key"],
        message_links(encode_compact(item["value"]).encode()),
        item["timestamp"],
        item["value"]["timestamp"],
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_order_heads_and_roots_are_those_of_ssb_sort(case: Any) -> None:
    messages = [from_vector(item) for item in case["input"]]
    for seed in range(5):
        random.Random(seed).shuffle(messages)
        assert [item.key for item in sort_thread(messages)] == case["sorted"]
        assert heads(messages) == case["heads"]
        assert roots(messages) == case["roots"]


def test_cause_comes_first_whatever_the_clocks_say() -> None:
    root, reply = message(1, received_ms=9, timestamp=9), message(2, 1, received_ms=1)
    assert sort_thread([reply, root]) == [root, reply]


def test_cause_is_found_through_other_messages() -> None:
    root = message(1, received_ms=9)
    between = message(2, 1, received_ms=8)
    last = message(3, 2, received_ms=1)
    assert sort_thread([last, between, root]) == [root, between, last]


def test_time_of_receipt_then_claimed_time_then_key_descending() -> None:
    late = message(1, received_ms=2, timestamp=0)
    claims_later = message(2, received_ms=1, timestamp=5)
    low, high = message(3, received_ms=1, timestamp=1), message(4, received_ms=1, timestamp=1)
    assert sort_thread([late, low, claims_later, high]) == [high, low, claims_later, late]


def test_a_circle_loses_no_message() -> None:
    circle = [message(1, 2), message(2, 1), message(3)]
    assert sorted(item.key for item in sort_thread(circle)) == [key(1), key(2), key(3)]


def test_links_are_found_anywhere_in_a_value() -> None:
    value = {"content": {"branch": [key(1), {"link": key(2)}], "text": key(3) + " "}, "x": None}
    assert message_links(encode_compact(value).encode()) == {key(1), key(2)}


KEYS = st.integers(1, 4).map(key)
TEXTS = (
    st.lists(st.sampled_from(['"', ",", ":", "[", "\\", "%", "é", key(5), f'"{key(6)}"', "="]))
    .map("".join)
)  # fmt: skip
VALUES = st.recursive(
    KEYS | TEXTS | st.none() | st.integers(0, 9),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS | TEXTS, inner),
)


@given(VALUES)
def test_links_are_found_without_reading_the_text(value: Any) -> None:
    def walk(value: Any) -> set[Any]:
        if isinstance(value, str):
            return {value} if is_msg_id(value) else set()
        inner = value.values() if isinstance(value, dict) else value
        return set().union(*map(walk, inner)) if isinstance(value, dict | list) else set()

    data = encode_compact({"previous": None, "content": value}).encode()
    assert message_links(data) == walk(value)


@st.composite
def threads(draw: st.DrawFn) -> list[ThreadMessage]:
    count = draw(st.integers(1, 12))
    return [
        message(
            number,
            *draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else (),
            received_ms=draw(st.integers(0, 3)),
            timestamp=draw(st.integers(0, 3)),
        )
        for number in range(count)
    ]


@given(threads(), st.randoms(use_true_random=False))
def test_order_depends_on_the_messages_alone(
    thread: list[ThreadMessage], rng: random.Random
) -> None:
    ordered = sort_thread(thread)
    shuffled = thread[:]
    rng.shuffle(shuffled)
    assert sort_thread(shuffled) == ordered
    place = {item.key: number for number, item in enumerate(ordered)}
    assert len(place) == len(thread)
    assert all(place[link] < place[item.key] for item in thread for link in item.links)


def claims(**values: str | None) -> list[Claim]:
    names = {"anna": ANNA, "bert": BERT, "carl": CARL}
    return [Claim(names[name], value) for name, value in values.items()]


@pytest.mark.parametrize(
    ("given_names", "viewer", "owner", "chosen"),
    [
        ({"anna": "mine", "bert": "own", "carl": "own"}, ANNA, BERT, "mine"),
        ({"bert": "own", "anna": None, "carl": "x"}, ANNA, BERT, "own"),
        ({"anna": "a", "carl": "c"}, FeedId("@me"), None, "a"),
        ({"anna": "z", "carl": "z", "bert": "a"}, FeedId("@me"), None, "z"),
        ({"anna": "", "bert": None}, ANNA, BERT, None),
        ({}, ANNA, BERT, None),
    ],
)
def test_name_is_mine_then_the_owners_then_the_most_frequent(
    given_names: Any, viewer: FeedId, owner: FeedId | None, chosen: str | None
) -> None:
    assert choose_value(claims(**given_names), viewer, owner) == chosen


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# Three *swift* boxes", "Three swift boxes"),
        ("\n\n---\n> quoted\nnext", "quoted"),
        ("![a picture](&abc) and [words](http://x)", "a picture and words"),
        ("harbour_pilot is _here_", "harbour_pilot is here"),
        ("word " * 60, "word " * 15 + "word…"),
        ("x" * 200, "x" * 80 + "…"),
        ("\u202e\u200b", ""),
        ("", ""),
        ("*" * 5000, ""),
    ],
)
def test_title_is_the_first_line_that_says_anything(text: str, title: str) -> None:
    assert first_words(text) == title


@given(st.text(max_size=400), st.integers(1, 60))
def test_a_clean_line_is_one_line_and_not_too_long(text: str, characters_max: int) -> None:
    line = clean_line(text, characters_max)
    assert len(line) <= characters_max
    assert all(sign.isprintable() or sign in "\u200c\u200d" for sign in line)
    assert line == line.strip()


@given(st.text(max_size=300))
def test_no_text_breaks_titles_and_skeletons(text: str) -> None:
    assert len(first_words(text)) <= 81
    assert name_skeleton(text) == name_skeleton(text.upper().lower()) or not text.isascii()


@pytest.mark.parametrize(
    ("claimed", "shown"),
    [(NETWORK_BEGAN_MS, NETWORK_BEGAN_MS), (0, 2e12), (2e12, 2e12), (9e12, 2e12), (-5, 2e12)],
)
def test_shown_time_is_claimed_but_never_later_than_received(claimed: float, shown: float) -> None:
    assert believable_ms(claimed, 2e12) == shown


@pytest.mark.parametrize(
    ("given_word", "read"),
    [("Like", ""), ("", ""), ("yup", ""), ("\U0001f600", "\U0001f600"), ("a\u202eb", "ab")],
)
def test_old_words_for_a_like_are_one(given_word: str, read: str) -> None:
    assert plain_expression(given_word) == read
