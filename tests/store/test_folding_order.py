"""What is folded first, what readers see meanwhile, and how far it is."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

from lichen.store.store import Store
from lichen.store.views import FoldRow, base_views
from lichen.store.views import engine as engine_module
from lichen.store.views import order as order_module
from lichen.store.views.cursors import Cursor

MakeAuthor = Callable[[int], Any]
OpenStore = Callable[..., Store]


class Diary:
    """A view that notes in which order it was given messages."""

    name = "diary"
    version = 1
    schema = "CREATE TABLE diary(received_no INTEGER PRIMARY KEY)"

    def __init__(self) -> None:
        self.days: list[int] = []
        self.bad = 0

    def fold(self, db: apsw.Connection, rows: Sequence[FoldRow]) -> None:
        for row in rows:
            db.execute("INSERT OR IGNORE INTO diary VALUES(?)", (row.received_no,))
            if row.received_no == self.bad:
                raise ValueError("bad")
        self.days += [row.received_no for row in rows]


class EarlyDiary(Diary):
    """The same for a view that every page needs."""

    name = "early_diary"
    schema = "CREATE TABLE early_diary(received_no INTEGER PRIMARY KEY)"
    types = frozenset({"post"})
    is_early = True

    def fold(self, db: apsw.Connection, rows: Sequence[FoldRow]) -> None:
        self.days += [row.received_no for row in rows]


@pytest.fixture
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_module, "STRETCH_ROWS", 10)
    monkeypatch.setattr(order_module, "SLICE_ROWS", 5)
    monkeypatch.setattr(order_module, "SCAN_ROWS", 20)


def held(open_store: OpenStore, *views: object, **more: object) -> Store:
    store = open_store(views=[*base_views(), *views], **more)
    store.hold_folding()
    return store


def fold(store: Store) -> None:
    store.hold_folding(False)
    store.wait_folded().result(20)


@pytest.mark.usefixtures("short_stretches")
def test_nearest_people_come_first_then_the_newest(
    open_store: OpenStore, author: MakeAuthor
) -> None:
    me, friend, far, stranger = (author(number) for number in range(1, 5))
    diary = Diary()
    store = held(open_store, diary)
    store.bind_own(me.id)
    follow = {"type": "contact", "following": True}
    store.ingest(stranger.posts(10)).result(10)
    store.ingest(far.posts(10)).result(10)
    store.ingest(friend.posts(9) + friend.write(follow | {"contact": far.id})).result(10)
    store.ingest(me.posts(9) + me.write(follow | {"contact": friend.id})).result(10)
    store.ingest(stranger.posts(40)).result(10)
    store.contacts()
    fold(store)
    stretches = list(dict.fromkeys((number - 1) // 10 for number in diary.days))
    assert stretches == [3, 2, 1, 7, 6, 5, 4, 0]
    assert diary.days[:10] == list(range(31, 41))
    assert sorted(diary.days) == list(range(1, 81))


@pytest.mark.usefixtures("short_stretches")
def test_views_that_every_page_needs_take_every_other_turn(
    open_store: OpenStore, author: MakeAuthor, tmp_path: Path
) -> None:
    store = held(open_store, directory=tmp_path)
    store.ingest(author(1).posts(100)).result(10)
    store.close()
    early, diary = EarlyDiary(), Diary()
    store = open_store(views=[*base_views(), diary, early], directory=tmp_path)
    store.wait_folded().result(20)
    assert early.days[:20] == list(range(1, 21))
    assert diary.days[:5] == list(range(91, 96))
    assert sorted(early.days) == sorted(diary.days) == list(range(1, 101))


@pytest.mark.usefixtures("short_stretches")
def test_whoever_waits_for_the_newest_waits_for_no_more(
    open_store: OpenStore, author: MakeAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lichen.store.store.NEWEST_ROWS", 3)
    diary = Diary()
    store = held(open_store, diary)
    store.ingest(author(1).posts(100)).result(10)
    store.wait_newest().result(10)
    assert store.views.read("SELECT received_no FROM diary") == [(98,), (99,), (100,)]
    assert diary.days == [98, 99, 100]
    behind = store.views.behind()
    assert behind is not None
    assert (behind.messages, behind.total) == (97, 100)
    assert store.views.behind("nothing called so") is None
    fold(store)
    assert store.views.behind() is None
    assert diary.days[3:] == [*range(91, 98), *reversed_tens(80, 0)]


@pytest.mark.usefixtures("short_stretches")
def test_whoever_has_given_up_waiting_changes_no_order(
    open_store: OpenStore, author: MakeAuthor
) -> None:
    diary = Diary()
    store = held(open_store, diary)
    store.ingest(author(1).posts(100)).result(10)
    turns = threading.Event()

    def pause() -> None:
        turns.wait(10)

    store._submit(pause)
    # As a search does that answers after a second from what is in.
    given_up = store.wait_folded("diary")
    store.hold_folding(False)
    assert given_up.cancel()
    turns.set()
    store.wait_folded().result(20)
    assert diary.days == reversed_tens(90, 0)


def reversed_tens(start: int, stop: int) -> list[int]:
    return [number + n for number in range(start, stop - 1, -10) for n in range(1, 11)]


def test_readers_see_rows_and_note_of_them_together(
    open_store: OpenStore, author: MakeAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_module, "SLICE_ROWS", 5)
    monkeypatch.setattr(engine_module, "COMMIT_ROWS", 20)
    seen: list[tuple[int, int]] = []

    class Watching(Diary):
        def fold(self, db: apsw.Connection, rows: Sequence[FoldRow]) -> None:
            super().fold(db, rows)
            ((shown,),) = store.views.read("SELECT count(*) FROM diary")
            progress = {each.name: each.folded for each in store.views.progress()}
            seen.append((int(str(shown)), progress["diary"]))

    store = held(open_store, Watching())
    store.ingest(author(1).posts(60)).result(10)
    fold(store)
    assert all(shown == folded for shown, folded in seen)
    assert [shown for shown, _ in seen] == [0] * 4 + [20] * 4 + [40] * 4


def test_fault_costs_what_was_not_written_and_nothing_else(
    open_store: OpenStore, author: MakeAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_module, "SLICE_ROWS", 5)
    diary = Diary()
    diary.bad = 33
    store = held(open_store, diary)
    store.ingest(author(1).posts(60)).result(10)
    fold(store)
    rows = {number for (number,) in store.views.read("SELECT received_no FROM diary")}
    assert rows == set(range(1, 61)) - {33}
    assert store.views.read("SELECT view, received_no FROM view_faults") == [("diary", 33)]
    assert store.views.read("SELECT count(*) FROM messages") == [(60,)]


def test_pace_is_told_while_there_is_something_to_fold(
    open_store: OpenStore, author: MakeAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("lichen.store.views.cursors.time.monotonic", lambda: now[0])
    monkeypatch.setattr(order_module, "SLICE_ROWS", 10)
    monkeypatch.setattr(engine_module, "COMMIT_ROWS", 10)
    paces: list[tuple[int, float, float | None]] = []

    class Slow(Diary):
        def fold(self, db: apsw.Connection, rows: Sequence[FoldRow]) -> None:
            super().fold(db, rows)
            now[0] += 1.0
            (pace,) = [each for each in store.views.progress() if each.name == "diary"]
            paces.append((pace.folded, pace.rate, pace.left_s))

    store = held(open_store, Slow())
    store.ingest(author(1).posts(40)).result(10)
    fold(store)
    # One slice a second: told from the second written one on, and the time goes on meanwhile.
    assert paces[:2] == [(0, 0.0, None), (10, 0.0, None)]
    assert paces[3] == (30, pytest.approx(20 / 3, abs=0.1), pytest.approx(1.5, abs=0.1))
    (done,) = [each for each in store.views.progress() if each.name == "diary"]
    assert (done.folded, done.rate, done.left_s) == (40, 0.0, None)


def test_no_time_is_told_while_the_log_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("lichen.store.views.cursors.time.monotonic", lambda: now[0])
    cursor = Cursor(Diary())

    def left_s(folded: int, total: int) -> float | None:
        now[0] += 1.0
        cursor.reached = ((1, folded),)
        cursor.written(total)
        return cursor.progress(total).left_s

    assert left_s(100, 10_000) is None, "one sample is no pace"
    assert left_s(200, 20_000) is None
    assert left_s(300, 30_000) is None
    # It is known again when the growth is ten seconds ago, and small growth does not matter.
    assert [left_s(400 + 100 * each, 30_000 + each) for each in range(8)] == [None] * 8
    assert left_s(1_200, 30_008) == pytest.approx(288, abs=1)


def test_view_is_emptied_and_folded_again(open_store: OpenStore, author: MakeAuthor) -> None:
    diary = Diary()
    store = open_store(views=[*base_views(), diary])
    store.ingest(author(1).posts(5)).result(10)
    store.wait_folded().result(10)
    store._submit(lambda: store._engine.rebuild(["diary"])).result(10)
    store.wait_folded().result(10)
    assert diary.days == [1, 2, 3, 4, 5] * 2
    assert store.views.read("SELECT count(*) FROM diary") == [(5,)]


def test_messages_that_leave_the_log_leave_the_views(
    open_store: OpenStore, author: MakeAuthor, tmp_path: Path
) -> None:
    diary, ada = Diary(), author(1)
    store = open_store(views=[*base_views(), diary], directory=tmp_path)
    root = ada.posts(1)
    key = ada.messages[0].key
    reply = {"type": "post", "text": "x", "root": key}
    store.ingest(root + ada.write(reply, reply, reply)).result(10)
    store.wait_folded().result(10)
    assert len(store.views.read("SELECT 1 FROM links")) == 3

    def cut() -> None:
        store._engine.forget([3, 4])
        store._log_writer._db.execute("DELETE FROM messages WHERE received_no IN (3, 4)")

    store._submit(cut).result(10)
    store.wait_folded().result(10)
    assert store.views.read("SELECT received_no FROM links") == [(2,)]
    assert store.views.read("SELECT received_no FROM messages") == [(1,), (2,)]
    # A view that cannot forget is made anew, and notes that no message has the last numbers.
    assert store.views.read("SELECT received_no FROM diary") == [(1,), (2,)]
    assert diary.days == [1, 2, 3, 4, 1, 2]
    notes = store.views.read("SELECT view, last FROM view_folded WHERE last_key = x''")
    assert sorted(notes) == [("contacts", 4), ("diary", 4), ("index", 4)]
