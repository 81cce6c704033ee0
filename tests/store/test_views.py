"""The fold engine: slices, orders, faults, and starting again."""

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.feed.message import BlobId
from lichen.feed.refs import msg_id_from_bytes, msg_key_bytes
from lichen.store.errors import StoreReadFailed
from lichen.store.store import Store
from lichen.store.views import FoldRow, View, base_views
from lichen.store.views.intervals import count, first_gap, with_interval
from lichen.store.views.queries import Page
from lichen.store.views.rows import decode_row

MakeAuthor = Callable[[int], Any]
OpenStore = Callable[..., Store]


class Words:
    """A view of an app: how often each word of posts was seen, by message."""

    name = "words"
    schema = (
        "CREATE TABLE words(word TEXT, received_no INTEGER, PRIMARY KEY(word, received_no));"
        "CREATE VIRTUAL TABLE word_search USING fts5(text);"
        "CREATE VIEW all_words AS SELECT DISTINCT word FROM words;"
    )

    def __init__(self, version: int = 1, bad_word: str = "") -> None:
        self.version = version
        self.bad_word = bad_word
        self.folded: list[int] = []

    def fold(self, db: apsw.Connection, rows: Sequence[FoldRow]) -> None:
        for row in rows:
            assert isinstance(row.content, dict)
            text = str(row.content["text"])
            db.execute("INSERT OR IGNORE INTO words VALUES(?,?)", (text, row.received_no))
            if self.bad_word and self.bad_word in text:
                raise ValueError(text)
            self.folded.append(row.received_no)


def fold(store: Store) -> None:
    store.wait_folded().result(10)


def tables(store: Store) -> dict[str, list[tuple[object, ...]]]:
    names = store.views.read("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    return {
        str(name): sorted(store.views.read(f'SELECT * FROM "{name}"'), key=repr)
        for (name,) in names
    }


def talk(author: MakeAuthor) -> list[Any]:
    """A little of everything, by three people."""
    ada, bob, eve = author(1), author(2), author(3)
    rng = random.Random(5)
    sent: list[Any] = []
    for number in range(40):
        somebody = rng.choice([ada, bob, eve])
        target = rng.choice([ada, bob, eve]).id
        content: dict[str, object] = rng.choice(
            [
                {"type": "post", "text": f"{number}"},
                {"type": "contact", "contact": target, rng.choice(["following", "blocking"]): True},
                {"type": "about", "about": target, "name": "\ud800 x"},
                {"type": "odd", "n": 1e300, "deep": {"a": [{"b": target}]}},
            ]
        )
        if sent and rng.random() < 0.5:
            root = rng.choice([m for who in (ada, bob, eve) for m in who.messages]).key
            content |= {"root": root, "branch": [root, root]}
        sent += somebody.write(content)
    return sent


def test_views_follow_the_log(store: Store, author: MakeAuthor) -> None:
    ada, bob = author(1), author(2)
    store.ingest(ada.posts(700) + bob.posts(1)).result(10)
    fold(store)
    assert [(p.name, p.folded, p.total) for p in store.views.progress()] == [
        ("contacts", 701, 701),
        ("index", 701, 701),
    ]
    store.ingest(bob.posts(1)).result(10)
    fold(store)
    assert store.views.read("SELECT count(*), max(received_no) FROM messages") == [(702, 702)]
    assert store.views.read("SELECT type FROM messages WHERE received_no = 702") == [("post",)]


def test_views_thrown_away_come_back_the_same(
    open_store: OpenStore, author: MakeAuthor, tmp_path: Path
) -> None:
    store = open_store(directory=tmp_path)
    for message in talk(author):
        store.ingest([message]).result(10)
    fold(store)
    before = tables(store)
    assert len(before["contacts"]) > 3
    assert len(before["links"]) > 10
    store.close()
    (tmp_path / "views.db").unlink()
    store = open_store(directory=tmp_path)
    fold(store)
    assert tables(store) == before


@pytest.mark.parametrize("view", base_views(), ids=lambda view: view.name)
def test_folds_commute_and_are_idempotent(view: View, store: Store, author: MakeAuthor) -> None:
    store.ingest(talk(author)).result(10)
    rows = [decode_row(stored) for stored in store.log.since(0, 1000)]
    types = getattr(view, "types", None)
    rows = [row for row in rows if types is None or row.type in types]
    outcomes = set()
    for seed in range(12):
        rng = random.Random(seed)
        order = rows + rng.sample(rows, len(rows) // 2)
        if seed:
            rng.shuffle(order)
        with apsw.Connection(":memory:") as db:
            db.execute(view.schema)
            while order:
                size = rng.randrange(1, 8)
                view.fold(db, order[:size])
                order = order[size:]
            names = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
            outcomes.add(
                repr([sorted(db.execute(f"SELECT * FROM {n}").fetchall()) for (n,) in names])
            )
    assert len(outcomes) == 1


def test_new_version_drops_only_its_own_tables(
    open_store: OpenStore, author: MakeAuthor, tmp_path: Path
) -> None:
    first = Words()
    store = open_store(directory=tmp_path, views=[*base_views(), first])
    store.ingest(author(1).posts(5)).result(10)
    fold(store)
    store.close()
    unchanged, newer = Words(), Words(version=2)
    store = open_store(directory=tmp_path, views=[*base_views(), unchanged])
    fold(store)
    assert unchanged.folded == []
    store.close()
    store = open_store(directory=tmp_path, views=[*base_views(), newer])
    assert store.views.read("SELECT count(*) FROM messages") == [(5,)]
    fold(store)
    assert newer.folded == [1, 2, 3, 4, 5]
    assert len(store.views.read("SELECT * FROM all_words")) == 5


def test_view_that_comes_late_catches_up_beside_the_others(
    open_store: OpenStore, author: MakeAuthor, tmp_path: Path
) -> None:
    store = open_store(directory=tmp_path)
    store.ingest(author(1).posts(900)).result(10)
    fold(store)
    store.close()
    late = Words()
    store = open_store(directory=tmp_path, views=[*base_views(), late])
    store.ingest(author(2).posts(3)).result(10)
    fold(store)
    assert sorted(late.folded) == list(range(1, 904))
    assert store.views.read("SELECT count(*) FROM messages") == [(903,)]


class Votes:
    """A view that asks for one type only."""

    name = "votes"
    version = 1
    schema = "CREATE TABLE votes(received_no INTEGER PRIMARY KEY)"
    types = frozenset({"vote"})

    def __init__(self) -> None:
        self.given: list[tuple[int, str | None]] = []

    def fold(self, db: apsw.Connection, rows: Sequence[FoldRow]) -> None:
        self.given += [(row.received_no, row.type) for row in rows]


@pytest.mark.parametrize("is_late", [True, False])
def test_view_of_one_type_is_given_no_other(
    open_store: OpenStore, author: MakeAuthor, is_late: bool
) -> None:
    votes = Votes()
    store = open_store(views=base_views() if is_late else [*base_views(), votes])
    ada = author(1)
    about_votes = {"type": "post", "text": "x", "deep": {"type": "vote"}}
    batch = ada.posts(3) + ada.write({"type": "vote"}, about_votes, {"type": "vote"})
    store.ingest(batch).result(10)
    fold(store)
    if is_late:
        store.close()
        store = open_store(views=[*base_views(), votes])
        fold(store)
    assert votes.given == [(4, "vote"), (6, "vote")]


def test_rows_are_decoded_for_sqlite(store: Store, author: MakeAuthor) -> None:
    text = "\ud800 \udc00 \U0001f600 \\ud800 \x00"
    odd = author(1).write({"type": "odd", "text": text, "n": 12345678901234567890})
    store.ingest(odd).result(10)
    row = decode_row(store.log.since(0, 1)[0])
    assert row.content == {
        "type": "odd",
        "text": "\ufffd \ufffd \U0001f600 \\ud800 \x00",
        "n": 12345678901234567000,
    }
    assert type(row.timestamp) is float
    private = "c2VjcmV0.box"
    store.ingest(author(2).write_private(private)).result(10)
    assert (row := decode_row(store.log.since(1, 1)[0])).content == private
    assert row.type is None


def test_message_that_breaks_a_fold_is_set_aside(open_store: OpenStore, author: MakeAuthor) -> None:
    notices: list[str] = []
    view = Words(bad_word="3 of")
    store = open_store(views=[*base_views(), view], on_notice=notices.append)
    store.ingest(author(1).posts(6)).result(10)
    fold(store)
    assert len(store.views.read("SELECT word FROM words")) == 5
    assert store.views.read("SELECT view, received_no, fault FROM view_faults") == [
        ("words", 4, "ValueError: 3 of 6")
    ]
    assert store.views.read("SELECT count(*) FROM messages") == [(6,)]
    assert len(notices) == 1


@pytest.mark.parametrize("damage", [b"nonsense" * 2000, b"SQLite format 3\x00" + b"\xff" * 20000])
def test_damaged_views_are_made_anew(
    open_store: OpenStore, author: MakeAuthor, tmp_path: Path, damage: bytes
) -> None:
    store = open_store(directory=tmp_path)
    store.ingest(author(1).posts(5)).result(10)
    store.close()
    (tmp_path / "views.db").write_bytes(damage)
    notices: list[str] = []
    store = open_store(directory=tmp_path, on_notice=notices.append)
    fold(store)
    assert store.views.read("SELECT count(*) FROM messages") == [(5,)]
    assert "made anew" in notices[0]


def test_views_damaged_while_in_use_are_made_anew(
    open_store: OpenStore, author: MakeAuthor, tmp_path: Path
) -> None:
    notices: list[str] = []
    store = open_store(directory=tmp_path, on_notice=notices.append)
    ada = author(1)
    store.ingest(ada.posts(50)).result(10)
    fold(store)
    store.views.read("SELECT 1")

    def damage() -> None:
        store._engine._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        store._engine._db.release_memory()
        content = (tmp_path / "views.db").read_bytes()
        with (tmp_path / "views.db").open("r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * (len(content) - 4096))

    store._submit(damage).result(10)
    store._engine._db.pragma("cache_size", 0)
    store.ingest(ada.posts(10)).result(10)
    fold(store)
    try:
        assert store.views.read("SELECT count(*) FROM messages") == [(60,)]
    except StoreReadFailed:
        fold(store)
    assert store.views.read("SELECT count(*) FROM messages") == [(60,)]
    assert "made anew" in "".join(notices)


def test_views_of_another_log_are_made_anew(
    open_store: OpenStore, author: MakeAuthor, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for directory, somebody in ((here, author(1)), (there, author(2))):
        store = open_store(directory=directory)
        store.ingest(somebody.posts(5)).result(10)
        fold(store)
        store.close()
    (here / "views.db").write_bytes((there / "views.db").read_bytes())
    notices: list[str] = []
    store = open_store(
        directory=here, on_notice=lambda words: notices.append(words.partition(" with")[0])
    )
    fold(store)
    assert store.views.read("SELECT count(*) FROM messages") == [(5,)]
    assert notices == ["View contacts disagrees", "View index disagrees"]


def test_folding_can_be_held_but_contacts_are_complete(
    open_store: OpenStore, author: MakeAuthor
) -> None:
    ada, bob, eve = author(1), author(2), author(3)
    store = open_store()
    store.hold_folding()
    store.ingest(
        ada.posts(30)
        + ada.write(
            {"type": "contact", "contact": bob.id, "following": True},
            {"type": "contact", "contact": eve.id, "blocking": True, "following": True},
            {"type": "contact", "contact": bob.id, "following": False},
            {"type": "contact", "contact": "nobody", "following": True},
            {"type": "post", "text": '"type":"contact"', "contact": bob.id},
        )
    ).result(10)
    assert {(c.source, c.target, c.value, c.sequence) for c in store.contacts()} == {
        (ada.id, bob.id, -2, 33),
        (ada.id, eve.id, -1, 32),
    }
    assert store.views.read("SELECT count(*) FROM messages") == [(0,)]
    store.hold_folding(False)
    fold(store)
    assert store.views.read("SELECT count(*) FROM messages") == [(35,)]


def test_reading_views_cannot_change_them(store: Store) -> None:
    with pytest.raises(Exception, match="read-only"):
        store.views.read("DELETE FROM messages")


def test_half_a_character_is_in_no_table(store: Store, author: MakeAuthor) -> None:
    store.ingest(author(1).posts(1)).result(10)
    fold(store)
    assert store.views.by_type("post\ud800", Page()) == []
    assert store.views.contacts_with_prefix("@\udcff", 10) == []


def test_queries_give_pages_in_both_orders(store: Store, author: MakeAuthor) -> None:
    ada, bob = author(1), author(2)
    store.ingest(ada.posts(3) + bob.posts(2)).result(10)
    root = ada.messages[0].key
    answer = {"type": "post", "text": "yes", "root": root, "branch": root}
    vote = {"type": "vote", "vote": {"link": root, "value": 1}}
    store.ingest(bob.write(answer, vote) + ada.write(vote)).result(10)
    fold(store)
    views = store.views
    posts = [*ada.messages[:3], *bob.messages[:3]]

    def keys(found: list[Any]) -> list[str]:
        return [stored.key for stored in found]

    assert keys(views.by_type("post", Page())) == [m.key for m in reversed(posts)]
    assert keys(views.by_type("post", Page(newest_first=False, limit=2, after=1))) == [
        posts[1].key,
        posts[2].key,
    ]
    assert keys(views.by_author(bob.id, Page(limit=3))) == [
        m.key for m in reversed(bob.messages[1:])
    ]
    last = views.by_author(bob.id, Page(limit=3))[-1]
    assert keys(views.by_author(bob.id, Page(before=last.received_no))) == [bob.messages[0].key]
    assert keys(views.by_author(ada.id, Page(), kind="vote")) == [ada.messages[3].key]
    assert keys(views.by_author(ada.id, Page(newest_first=False, limit=2), kind="post")) == [
        m.key for m in ada.messages[:2]
    ]
    assert keys(views.by_link(root, Page())) == [
        ada.messages[3].key,
        bob.messages[3].key,
        bob.messages[2].key,
    ]
    assert keys(views.by_link(root, Page(), rel="vote.link")) == [
        ada.messages[3].key,
        bob.messages[3].key,
    ]
    assert [link.rel for link in views.links_to(root, Page(newest_first=False))] == [
        "branch",
        "root",
        "vote.link",
        "vote.link",
    ]


def test_an_id_that_only_begins_like_another_hides_nothing(
    store: Store, author: MakeAuthor
) -> None:
    ada = author(1)
    store.ingest(ada.posts(1)).result(10)
    root = ada.messages[0].key
    alike = msg_id_from_bytes(msg_key_bytes(root)[:31] + b"x")
    blob = BlobId(root.replace("%", "&"))
    store.ingest(
        ada.write({"type": "hint", "a": root}, {"type": "hint", "a": alike, "b": blob})
    ).result(10)
    fold(store)
    views, key = store.views, ada.messages[1].key
    assert [each.key for each in views.by_link(root, Page(limit=1))] == [key]
    assert [(link.source.key, link.rel) for link in views.links_to(root, Page(limit=1))] == [
        (key, "a")
    ]
    assert [link.rel for link in views.links_to(blob, Page())] == ["b"]


intervals_added = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 6)).map(lambda t: (t[0], t[0] + t[1])),
    max_size=12,
)


@given(added=intervals_added, last_no=st.integers(0, 50))
def test_intervals_are_sets_of_numbers(added: list[tuple[int, int]], last_no: int) -> None:
    intervals: tuple[tuple[int, int], ...] = ()
    numbers: set[int] = set()
    for first, last in added:
        intervals = with_interval(intervals, (first, last))
        numbers |= set(range(first, last + 1))
    assert {n for first, last in intervals for n in range(first, last + 1)} == numbers
    assert count(intervals) == len(numbers)
    assert all(a[1] + 1 < b[0] for a, b in pairwise(intervals))
    missing = [n for n in range(1, last_no + 1) if n not in numbers]
    gap = first_gap(intervals, last_no)
    if not missing:
        assert gap is None
    else:
        assert gap is not None
        assert gap[0] == missing[0]
        assert numbers.isdisjoint(range(gap[0], gap[1] + 1))
