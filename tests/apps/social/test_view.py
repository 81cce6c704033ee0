"""Folds give the same rows in any order, and when messages come twice."""

import random
from collections.abc import Callable
from typing import Any

import apsw
from hypothesis import given
from hypothesis import strategies as st

from lichen.apps.social.view import ChannelsView, NamesView, ThreadsView, VotesView
from lichen.feed.refs import blob_id_from_bytes, feed_id_from_bytes, msg_id_from_bytes
from lichen.store.log import feed_mark, message_mark
from lichen.store.views import FoldRow, View

FEEDS = [feed_id_from_bytes(bytes([n]) * 32) for n in range(3)]
KEYS = [msg_id_from_bytes(bytes([n]) * 32) for n in range(6)]
MARKS = [message_mark(key) for key in KEYS]
FIRST = feed_mark(FEEDS[0])
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
tagged = st.builds(
    lambda channel, tags, root: {
        "type": "post",
        "channel": channel,
        "mentions": tags,
        "root": root,
    },
    st.sampled_from(["Gar den", "#", 7, None]),
    st.lists(st.sampled_from(["#garden", {"link": "#bread"}, {"link": "#"}, FEEDS[0], 3])),
    links,
)
votes = st.builds(
    lambda link, value, expression: {
        "type": "vote",
        "vote": {"link": link, "value": value, "expression": expression},
    },
    st.sampled_from([*KEYS[:2], "x", None]),
    st.sampled_from([1, 0, -1, "1"]),
    st.sampled_from(["", "Like", "x" * 100, 5]),
)
contents = abouts | posts | tagged | votes | st.just("private.box")


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
    found = db.execute(f"SELECT * FROM {view.name} ORDER BY 1, 2, 3").fetchall()
    db.close()
    return found


@given(logs(), st.integers(0, 2**32))
def test_order_slices_and_repetition_change_nothing(rows: list[FoldRow], seed: int) -> None:
    rng = random.Random(seed)
    shuffled = rows + rng.sample(rows, rng.randrange(len(rows) + 1))
    rng.shuffle(shuffled)
    for view in (NamesView(), ThreadsView(), ChannelsView(), VotesView()):
        in_order = folded(view, rows, lambda: len(rows))
        assert folded(view, shuffled, lambda: rng.randint(1, 5)) == in_order


def row(sequence: int, content: Any, feed: int = 0) -> FoldRow:
    key = msg_id_from_bytes(bytes([feed, sequence]) * 16)
    return FoldRow(sequence, key, FEEDS[feed], sequence, 0, 0, content, content["type"])


def about(name: Any) -> dict[str, Any]:
    return {"type": "about", "about": FEEDS[1], "name": name}


def test_latest_name_counts_and_empty_ones_do_not() -> None:
    rows = [row(1, about("old")), row(3, about("")), row(2, about("new"))]
    assert folded(NamesView(), rows, lambda: 1) == [(FEEDS[1], "name", FEEDS[0], 2, "new", "new")]


def test_a_name_can_be_taken_back() -> None:
    rows = [row(2, about({"remove": True})), row(1, about("old"))]
    assert folded(NamesView(), rows, lambda: 1) == [(FEEDS[1], "name", FEEDS[0], 2, None, None)]


def test_a_message_is_in_its_root_thread_and_in_the_one_it_forks_from() -> None:
    content = {"type": "post", "root": KEYS[1], "fork": KEYS[0], "branch": KEYS[1]}
    found = folded(ThreadsView(), [row(4, content)], lambda: 1)
    assert found == sorted([(MARKS[0], 4, FIRST, 2, 1), (MARKS[1], 4, FIRST, 1, 1)])


def test_a_post_without_a_place_begins_its_own_thread() -> None:
    rows = [row(1, {"type": "post", "branch": KEYS[0]}), row(2, {"type": "gathering"})]
    assert folded(ThreadsView(), rows, lambda: 1) == [(message_mark(rows[0].key), 1, FIRST, 0, 1)]


def test_root_and_fork_of_one_name_are_one_place() -> None:
    content = {"type": "chess_move", "root": KEYS[0], "fork": KEYS[0]}
    found = folded(ThreadsView(), [row(4, content)], lambda: 1)
    assert found == [(MARKS[0], 4, FIRST, 1, 0)]


def test_votes_are_in_no_thread() -> None:
    vote = {"type": "vote", "root": KEYS[0], "vote": {"link": KEYS[0], "value": 1}}
    assert folded(ThreadsView(), [row(1, vote)], lambda: 1) == []


def test_latest_vote_counts_also_when_it_takes_the_like_back() -> None:
    rows = [
        row(
            sequence, {"type": "vote", "vote": {"link": KEYS[0], "value": value, "expression": "x"}}
        )
        for sequence, value in ((1, 1), (3, 0), (2, 1))
    ]
    assert folded(VotesView(), rows, lambda: 1) == [(MARKS[0], FIRST, 3, 0, "x")]


def test_post_is_in_its_channel_and_in_those_of_its_tags_but_not_in_endless_ones() -> None:
    tags = [{"link": f"#t{number:03}"} for number in range(300)]
    content = {"type": "post", "channel": "Gar den", "mentions": tags, "root": KEYS[0]}
    found = folded(ChannelsView(), [row(1, content)], lambda: 1)
    assert len(found) == 20
    assert found[0] == ("garden", 1, MARKS[0], FIRST)
