"""Folds give the same rows in any order, and when messages come twice."""

import random
from collections.abc import Callable
from typing import Any

import apsw
from hypothesis import given
from hypothesis import strategies as st

from lichen.apps.social.view import NamesView, ThreadsView
from lichen.feed.refs import blob_id_from_bytes, feed_id_from_bytes, msg_id_from_bytes
from lichen.store.views import FoldRow, View

FEEDS = [feed_id_from_bytes(bytes([n]) * 32) for n in range(3)]
KEYS = [msg_id_from_bytes(bytes([n]) * 32) for n in range(6)]
BLOB = blob_id_from_bytes(b"\7" * 32)

names = st.sampled_from(["anna", "bert", "", None, 7, {"remove": True}])
abouts = st.builds(
    lambda about, name, image: {"type": "about", "about": about, "name": name, "image": image},
    st.sampled_from([*FEEDS, KEYS[0], "nobody"]),
    names,
    st.sampled_from([None, BLOB, {"link": BLOB}, {"remove": True}]),
)
links = st.sampled_from([None, "x", *KEYS, [KEYS[0], KEYS[1]], {"link": KEYS[2]}])
posts = st.builds(
    lambda kind, root, fork, branch: {"type": kind, "root": root, "fork": fork, "branch": branch},
    st.sampled_from(["post", "vote", "gathering"]),
    links,
    links,
    links,
)
contents = abouts | posts | st.just("private.box")


@st.composite
def logs(draw: st.DrawFn) -> list[FoldRow]:
    """Draw a log: feeds without gaps, each message with its number of receipt."""
    lengths = dict.fromkeys(FEEDS, 0)
    rows = []
    for number in range(1, draw(st.integers(1, 12)) + 1):
        feed = draw(st.sampled_from(FEEDS))
        lengths[feed] += 1
        content: Any = draw(contents)
        kind = content["type"] if isinstance(content, dict) else None
        key = msg_id_from_bytes(number.to_bytes(32, "big"))
        rows.append(FoldRow(number, key, feed, lengths[feed], 0, 0, content, kind))
    return rows


def folded(view: View, rows: list[FoldRow], slices: Callable[[], int]) -> list[Any]:
    db = apsw.Connection(":memory:")
    db.execute(view.schema)
    types = getattr(view, "types", None)
    wanted = [row for row in rows if types is None or row.type in types]
    while wanted:
        count = slices()
        view.fold(db, wanted[:count])
        wanted = wanted[count:]
    table = {"social_threads": "social_threads", "social_abouts": "social_abouts"}[view.name]
    found = db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
    db.close()
    return found


@given(logs(), st.integers(0, 2**32))
def test_order_slices_and_repetition_change_nothing(rows: list[FoldRow], seed: int) -> None:
    rng = random.Random(seed)
    shuffled = rows + rng.sample(rows, rng.randrange(len(rows) + 1))
    rng.shuffle(shuffled)
    for view in (NamesView(), ThreadsView()):
        in_order = folded(view, rows, lambda: len(rows))
        assert folded(view, shuffled, lambda: rng.randint(1, 5)) == in_order


def row(sequence: int, content: Any, feed: int = 0) -> FoldRow:
    key = msg_id_from_bytes(bytes([feed, sequence]) * 16)
    return FoldRow(sequence, key, FEEDS[feed], sequence, 0, 0, content, content["type"])


def about(name: Any) -> dict[str, Any]:
    return {"type": "about", "about": FEEDS[1], "name": name}


def test_latest_name_counts_and_empty_ones_do_not() -> None:
    rows = [row(1, about("old")), row(3, about("")), row(2, about("new"))]
    assert folded(NamesView(), rows, lambda: 1) == [(FEEDS[1], "name", FEEDS[0], 2, "new")]


def test_a_name_can_be_taken_back() -> None:
    rows = [row(2, about({"remove": True})), row(1, about("old"))]
    assert folded(NamesView(), rows, lambda: 1) == [(FEEDS[1], "name", FEEDS[0], 2, None)]


def test_a_message_is_in_its_root_thread_and_in_the_one_it_forks_from() -> None:
    content = {"type": "post", "root": KEYS[1], "fork": KEYS[0], "branch": KEYS[1]}
    found = folded(ThreadsView(), [row(4, content)], lambda: 1)
    assert found == sorted([(KEYS[0], 4), (KEYS[1], 4)])


def test_votes_and_messages_without_a_place_are_in_no_thread() -> None:
    rows = [row(1, {"type": "vote", "root": KEYS[0]}), row(2, {"type": "post", "branch": KEYS[0]})]
    assert folded(ThreadsView(), rows, lambda: 1) == []
