"""Searching a real store: what is found, in which order, by pages, and what is not shown."""

import json
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.apps.social.search import asking, reading, view
from lichen.apps.social.search import people as meant
from lichen.apps.social.search.asking import Asked, ask
from lichen.apps.social.search.people import channels_beginning, people_called, people_meant
from lichen.apps.social.search.query import Complaint
from lichen.apps.social.search.view import SearchView
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.message import FeedState, MsgId
from lichen.feed.refs import feed_id_from_bytes, msg_id_from_bytes
from lichen.store.views import FoldRow

FEEDS = [feed_id_from_bytes(bytes([n]) * 32) for n in range(3)]
DAY_MS = 86_400_000.0
BEGAN_MS = 1_500_000_000_000.0
"""July 2017."""


def say(person: Any, day: float, text: str = "", **members: Any) -> MsgId:
    """Write something on a day after ``BEGAN_MS``."""
    last = person.messages[-1] if person.messages else None
    state = None if last is None else FeedState(last.sequence, last.key)
    content = {"type": "post", **({"text": text} if text else {}), **members}
    message = ClassicFormat().create(
        json.dumps(content).encode(), person.identity, state, BEGAN_MS + day * DAY_MS
    )
    person.messages.append(message)
    return message.key


def asked(desk: Any, text: str, **options: Any) -> Asked:
    answer = ask(desk.store, desk.id, text, time.time(), **options)
    assert isinstance(answer, Asked), answer
    return answer


def found(desk: Any, text: str, **options: Any) -> list[MsgId]:
    return [one.entry.key for one in asked(desk, text, **options).answer.found]


def pages(desk: Any, text: str, limit: int) -> Iterator[list[MsgId]]:
    after = ""
    while True:
        answer = asked(desk, text, after=after, limit=limit).answer
        yield [one.entry.key for one in answer.found]
        if answer.after is None:
            return
        after = answer.after


def joined(steps: Iterable[list[MsgId]]) -> list[MsgId]:
    return [key for step in steps for key in step]


# The view


@st.composite
def logs(draw: st.DrawFn) -> list[FoldRow]:
    words = st.sampled_from(["stone", "wall", "石垣", "Straße", "#bread", "\ue000r", "x" * 300])
    texts = st.lists(words, max_size=4).map(" ".join)
    contents = st.fixed_dictionaries(
        {"type": st.sampled_from(["post", "about", "vote", "gathering"])},
        optional={
            "text": texts,
            "title": texts,
            "name": st.sampled_from(["anna", None, 7]),
            "channel": st.sampled_from(["Bread", "", 3]),
            "root": st.sampled_from([msg_id_from_bytes(bytes(32)), "x", None]),
            "mentions": st.lists(st.sampled_from([*FEEDS, "#oven", {"link": FEEDS[0]}, 5])),
        },
    )
    rows = []
    for number in range(1, draw(st.integers(1, 12)) + 1):
        content: Any = draw(contents | st.just("private.box"))
        kind = content["type"] if isinstance(content, dict) else None
        feed, key = draw(st.sampled_from(FEEDS)), msg_id_from_bytes(number.to_bytes(32, "big"))
        at_ms = draw(st.sampled_from([0.0, BEGAN_MS, -1.0, 1e300]))
        rows.append(FoldRow(number, key, feed, number, at_ms, BEGAN_MS + 5000, content, kind))
    return rows


def folded(slices: Sequence[Sequence[FoldRow]]) -> tuple[list[Any], ...]:
    db = apsw.Connection(":memory:")
    db.execute(SearchView.schema)
    for rows in slices:
        with db:
            SearchView().fold(db, rows)
    db.execute("CREATE VIRTUAL TABLE words USING fts5vocab('search', 'instance')")
    db.execute("INSERT INTO search(search) VALUES('integrity-check')")
    db.execute("CREATE VIRTUAL TABLE names USING fts5vocab('search_names', 'instance')")
    db.execute("INSERT INTO search_names(search_names) VALUES('integrity-check')")
    return (
        db.execute("SELECT term, doc, offset FROM words ORDER BY 2, 3, 1").fetchall(),
        db.execute("SELECT term, doc, offset FROM names ORDER BY 2, 3, 1").fetchall(),
        db.execute("SELECT * FROM search_times ORDER BY 1").fetchall(),
        db.execute("SELECT * FROM search_spans ORDER BY 1").fetchall(),
    )


@given(logs(), st.integers(0, 2**32))
def test_order_slices_and_repetition_change_nothing(rows: list[FoldRow], seed: int) -> None:
    rng = random.Random(seed)
    shuffled = rows + rng.sample(rows, rng.randrange(len(rows) + 1))
    rng.shuffle(shuffled)
    slices = []
    while shuffled:
        count = rng.randint(1, 5)
        slices.append(shuffled[:count])
        shuffled = shuffled[count:]
    assert folded(slices) == folded([rows])


def test_no_text_is_kept(desk: Any, anna: Any, tmp_path: Path) -> None:
    say(anna, 1, "a sentence of several words in a row")
    desk.receive(anna)
    desk.store.close()
    files = [path.read_bytes() for path in (tmp_path / "desk").glob("views.db*")]
    assert files
    assert not any(b"several words in" in data for data in files)


# What is found


def test_words_phrases_beginnings_and_exclusions(desk: Any, anna: Any) -> None:
    wall = say(anna, 1, "The wall by the sluice: every **stone** was carried by two")
    hay = say(anna, 2, "Two bales of hay, or straw")
    bales = say(anna, 3, "bales, two of them, of STRAW")
    desk.receive(anna)
    assert found(desk, "stone") == [wall]
    assert found(desk, '"two bales"') == [hay]
    assert found(desk, "bales two") == [bales, hay]
    assert found(desk, "hay OR stone") == [hay, wall]
    assert found(desk, "straw -hay") == [bales]
    assert found(desk, "slui*") == [wall]
    assert found(desk, "slui") == []
    assert found(desk, "unheard") == []
    assert found(desk, "") == []


def test_the_newest_by_what_authors_say_come_first(desk: Any, anna: Any, bert: Any) -> None:
    late = say(anna, 300, "stone")
    early = say(bert, 1, "stone")
    middle = say(bert, 200, "stone")
    future = say(anna, 1_000_000, "stone")
    desk.receive(anna)
    desk.receive(bert)
    # A claim of a time to come counts as received just now.
    assert found(desk, "stone") == [future, late, middle, early]


def test_operators(desk: Any, anna: Any, bert: Any) -> None:
    anna.write(type="about", about=anna.id, name="Ánna of the Ovens")
    bert.write(type="about", about=bert.id, name="Bert")
    first = say(anna, 1, "stone", channel="Bread")
    reply = say(bert, 2, f"stone, I say [@me]({desk.id})", root=first, branch=first,
                mentions=[{"link": desk.id, "name": "me"}, {"link": "#oven"}])  # fmt: skip
    picture = say(bert, 3, f"stone ![a](&{'A' * 43}=.sha256)")
    talk = say(bert, 4, type="gathering", title="stone talk")
    desk.receive(anna, bert)
    everything = [talk, picture, reply, first]
    for text, expected in {
        "stone": everything,
        f"stone author:{anna.id}": [first],
        "stone author:bert": [talk, picture, reply],
        "stone author:ann": [first],
        "stone author:ovens": [first],
        f"stone author:{bert.id[1:9]}": [talk, picture, reply],
        "stone -author:bert": [first],
        "stone author:bert author:anna": everything,
        "stone author:nobody": [],
        "stone #bread": [first],
        "channel:oven": [reply],
        "mentions:me": [reply],
        f"mentions:{desk.id} is:reply": [reply],
        "stone is:reply": [reply],
        "stone is:post": [picture, reply, first],
        "stone has:image": [picture],
        "type:gathering": [talk],
        "stone after:2017-07-16": [talk, picture, reply],
        "stone before:2017-07-16": [first],
        "before:2017-07-17 after:2017-07-16": [reply],
        "is:private stone": [],
        "bread": [first],
    }.items():
        assert found(desk, text) == expected, text


def test_who_is_unknown_leaves_nothing_out_and_adds_nothing(
    desk: Any, anna: Any, bert: Any
) -> None:
    keys = [say(anna, 2, "bread"), say(bert, 1, "bread")]
    anna.write(type="about", about=anna.id, name="Anna")
    desk.receive(anna, bert)
    assert found(desk, "bread -author:zzz") == keys
    assert found(desk, "author:zzz OR bread") == keys
    assert found(desk, "author:anna author:zzz") == keys[:1]
    assert found(desk, "bread author:zzz") == found(desk, "mentions:zzz") == []
    assert str(asked(desk, "bread -author:zzz").notes[0]) == "Nobody here is called zzz."


def test_what_is_said_about_an_answer(desk: Any, anna: Any, bert: Any) -> None:
    anna.write(type="about", about=anna.id, name="Same")
    bert.write(type="about", about=bert.id, name="Same")
    desk.receive(anna, bert)
    assert asked(desk, "author:same").notes == ("same can mean 2 people; all are meant.",)
    assert asked(desk, "author:nobody x").notes == ("Nobody here is called nobody.",)
    assert "Private" in asked(desk, "is:private x").notes[0]
    desk.relate("block", anna)
    assert "You block" in asked(desk, f"author:{anna.id}").notes[0]
    assert isinstance(ask(desk.store, desk.id, "a*", 0), Complaint)


def test_where_no_word_is_that_is_said(desk: Any, anna: Any) -> None:
    say(anna, 1, "bread 🌱")
    desk.receive(anna)
    for text in ("🌱", "?!", "OR", "-"):
        (note,) = asked(desk, text).notes
        assert "Only words and numbers" in note, text
    assert len(found(desk, "🌱 bread")) == 1


def test_more_people_than_can_be_meant_are_said_to_be_more(
    desk: Any, anna: Any, bert: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person in (anna, bert):
        person.write(type="about", about=person.id, name="Kim")
    desk.receive(anna, bert)
    assert str(asked(desk, "author:kim").notes[0]) == "kim can mean 2 people; all are meant."
    for module in (asking, meant):
        monkeypatch.setattr(module, "PEOPLE_MAX", 2)
    assert "kim can mean 2 people or more" in str(asked(desk, "author:kim").notes[0])


def test_the_best_have_the_words_more_often(desk: Any, anna: Any) -> None:
    much = say(anna, 1, "stone on stone on stone")
    say(anna, 2, "a stone, and many other words that say nothing of it at all " * 3)
    desk.receive(anna)
    assert found(desk, "stone sort:best")[0] == much
    assert found(desk, "stone")[0] != much
    assert next(pages(desk, "stone sort:best", 1)) == [much]
    assert len(joined(pages(desk, "stone sort:best", 1))) == 2


# By pages


@pytest.mark.parametrize("limit", [1, 3, 7, 50])
def test_pages_are_whole_and_stable(
    desk: Any, anna: Any, bert: Any, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "WINDOW", 10)
    rng = random.Random(limit)
    keys = [say(rng.choice([anna, bert]), rng.randrange(100), f"stone {n}") for n in range(30)]
    desk.receive(anna, bert, one_by_one=True)
    seen: list[MsgId] = []
    for page in pages(desk, "stone", limit):
        seen += page
        # What arrives in between shifts nothing.
        say(anna, rng.randrange(200), "stone, later")
        desk.receive(anna)
    assert sorted(seen) == sorted(keys)
    fresh = found(desk, "stone later", limit=1)
    assert not set(fresh) & set(keys)


def test_pages_of_the_best_are_whole_whatever_arrives_and_changes_what_is_best(
    desk: Any, anna: Any, bert: Any
) -> None:
    rng = random.Random(1)
    texts = [
        " ".join([*rng.choices(["stone", "hay"], k=3), *["x"] * rng.randrange(30)])
        for _ in range(40)
    ]
    keys = [say(anna, day, text) for day, text in enumerate(texts)]
    desk.receive(anna)
    seen: list[MsgId] = []
    for page in pages(desk, "stone OR hay sort:best", 7):
        seen += page
        for _ in range(20):
            say(bert, rng.randrange(100), "stone stone stone")
        desk.receive(bert)
        # Others may ask meanwhile.
        found(desk, "hay sort:best")
    assert sorted(seen) == sorted(keys)


def test_the_order_within_a_window_is_that_of_time(desk: Any, anna: Any) -> None:
    days = random.Random(4).sample(range(500), 40)
    keys = {day: say(anna, day, "stone") for day in days}
    desk.receive(anna)
    assert joined(pages(desk, "stone", 7)) == [keys[day] for day in sorted(days, reverse=True)]


def test_a_foreign_cursor_begins_anew(desk: Any, anna: Any) -> None:
    key = say(anna, 1, "stone")
    desk.receive(anna)
    for after in ("x", "n1", "b1-1-1", "n99999999999999999999-1-1", "n1-1-1\n", "n-1-1-1"):
        assert found(desk, "stone", after=after) == [key], after


def test_much_that_may_not_be_shown_is_looked_through_in_steps(
    desk: Any, anna: Any, bert: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "WINDOW", 5)
    key = say(anna, 1, "stone")
    for day in range(60):
        say(bert, day, "stone")
    desk.receive(anna, bert)
    desk.relate("block", bert)
    monkeypatch.setattr(reading, "_numbers_listed", lambda _feeds: "[-1]")
    steps = list(pages(desk, "stone", 10))
    assert len(steps) > 1
    assert joined(steps) == [key]


@pytest.mark.parametrize("seed", range(3))
def test_dates_are_found_in_whatever_order_messages_came(
    desk: Any, anna: Any, bert: Any, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    for module in (view, reading):
        monkeypatch.setattr(module, "SPAN_BITS", 2)
    monkeypatch.setattr(reading, "WINDOW", 10)
    rng = random.Random(seed)
    days = {
        say(rng.choice([anna, bert]), day := rng.randrange(40), "stone"): day for _ in range(60)
    }
    desk.receive(anna, bert)
    for _ in range(8):
        first, last = sorted(rng.sample(range(42), 2))
        dates = [time.strftime("%Y-%m-%d", time.localtime(BEGAN_MS / 1000 + 86_400 * day))
                 for day in (first, last)]  # fmt: skip
        steps = list(pages(desk, f"stone after:{dates[0]} before:{dates[1]}", 7))
        assert len(set(joined(steps))) == len(joined(steps))
        assert set(joined(steps)) == {key for key, day in days.items() if first <= day < last}


# What is not shown


def test_what_blocked_people_wrote_is_left_out(desk: Any, anna: Any, bert: Any) -> None:
    key = say(anna, 1, "stone")
    say(bert, 2, "stone")
    desk.receive(anna, bert)
    desk.relate("block", bert)
    answer = asked(desk, "stone").answer
    assert [one.entry.key for one in answer.found] == [key]
    assert answer.count == 1
    desk.relate("unfollow", bert)
    assert len(found(desk, "stone")) == 2


def test_an_outdated_name_or_description_is_not_found(desk: Any, anna: Any) -> None:
    anna.write(type="about", about=anna.id, name="Stone", description="I carry stones")
    anna.write(type="about", about=anna.id, description="I carry hay")
    desk.receive(anna)
    assert len(found(desk, "stone")) == 1
    anna.write(type="about", about=anna.id, name="Hay")
    desk.receive(anna)
    assert found(desk, "stone") == []
    assert found(desk, "stones") == []
    assert len(found(desk, "hay")) == 1
    # Somebody else's word about her is another matter.
    desk.me.write(type="about", about=anna.id, description="hard as a stone")
    desk.receive(desk.me)
    assert len(found(desk, "stone")) == 1


def test_a_name_alone_is_found_among_people(desk: Any, anna: Any) -> None:
    anna.write(type="about", about=anna.id, name="Stone")
    desk.receive(anna)
    assert found(desk, "stone") == []
    assert people_called(desk.store, desk.id, "stone") == {anna.id: "Stone"}


def test_the_index_leaves_no_ghosts(desk: Any, anna: Any) -> None:
    gone, stays = say(anna, 1, "stone"), say(anna, 2, "stone")
    desk.receive(anna)
    number = desk.number(gone)
    with apsw.Connection(str(desk.store.directory / "log.db")) as log:
        row = log.execute("SELECT * FROM messages WHERE received_no = ?", (number,)).get
        assert row
        log.execute("DELETE FROM messages WHERE received_no = ?", (number,))
    assert found(desk, "stone") == [stays]
    with apsw.Connection(str(desk.store.directory / "views.db")) as views:
        # As if the number had gone to a message of another time.
        views.execute("UPDATE search_times SET written_s = written_s + 1")
    assert found(desk, "stone") == []


def test_care_is_asked_for_before_the_text(desk: Any, anna: Any) -> None:
    root = say(anna, 1, "The wall", contentWarning="about stones")
    say(anna, 2, "heavy", root=root)
    desk.receive(anna)
    heavy, care = asked(desk, "heavy OR wall").answer.found
    assert (care.care, care.excerpt.text) == ("about stones", "The wall")
    assert heavy.thread_title == "about stones"


def test_an_answer_says_what_is_not_in_yet(desk: Any, anna: Any, monkeypatch: Any) -> None:
    say(anna, 1, "stone")
    desk.receive(anna)
    answer = asked(desk, "stone").answer
    assert (answer.folded, answer.total) == (1, 1)
    behind = SimpleNamespace(name=SearchView.name, folded=0, total=1)
    monkeypatch.setattr(type(desk.store.views), "progress", lambda _views: [behind])
    answer = asked(desk, "stone").answer
    assert (answer.folded, answer.total) == (0, 1)


# People and channels


def test_people_are_found_by_any_word_of_the_name_that_counts(
    desk: Any, anna: Any, bert: Any, carl: Any
) -> None:
    anna.write(type="about", about=anna.id, name="Ánna of the Ovens")
    bert.write(type="about", about=bert.id, name="Ovid")
    bert.write(type="about", about=carl.id, name="Oven of Carl")
    carl.write(type="about", about=carl.id, name="Carl")
    desk.receive(anna, bert, carl)
    me = desk.id
    assert people_called(desk.store, me, "ov") == {anna.id: "Ánna of the Ovens", bert.id: "Ovid"}
    assert people_called(desk.store, me, "anna of") == {anna.id: "Ánna of the Ovens"}
    assert people_called(desk.store, me, "!") == {}
    assert people_meant(desk.store, me, "@Carl") == (carl.id,)
    assert people_meant(desk.store, me, "me") == (me,)
    assert people_meant(desk.store, me, "zz") == ()


def test_channels_by_their_beginning(desk: Any, anna: Any) -> None:
    for channel in ("bread", "breakfast", "brew", "x", "bread"):
        say(anna, 1, "a", channel=channel)
    desk.receive(anna)
    assert channels_beginning(desk.store, "Brea") == ["bread", "breakfast"]
    assert channels_beginning(desk.store, "#br") == ["bread", "breakfast", "brew"]
    assert channels_beginning(desk.store, "z") == []
    assert channels_beginning(desk.store, "...") == []
