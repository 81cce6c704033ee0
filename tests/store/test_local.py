"""Facts of this machine: clocks that may be trusted, the guard, the mark of a clean end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from lichen.feed.refs import msg_id_from_bytes
from lichen.store.desk import DRAFT_BYTES_MAX, Draft
from lichen.store.errors import DraftRefused
from lichen.store.local import LOCAL_SCHEMA, LogEnd, SavedAddress
from lichen.store.schema import open_for_writing
from lichen.store.store import Store

MakeAuthor = Callable[[int], Any]
OpenStore = Callable[..., Store]


def end(store: Store) -> None:
    store.local.end_run().result(10)
    store.close()


def test_clock_of_a_peer_lasts_over_clean_ends_only(
    open_store: OpenStore, author: MakeAuthor
) -> None:
    ada, bob = author(1).id, author(2).id
    store = open_store()
    assert store.local.begin_run()
    store.local.save_clock(ada, {bob: 7, ada: -1})
    assert store.local.load_clock(ada) == {bob: 7, ada: -1}
    assert store.local.load_clock(bob) == {}
    end(store)

    store = open_store()
    assert store.local.begin_run()
    assert store.local.load_clock(ada) == {bob: 7, ada: -1}
    store.local.save_clock(ada, {bob: 8}).result(10)
    assert store.local.load_clock(ada) == {bob: 8}
    store.close()  # without end_run: as good as a crash

    store = open_store()
    assert not store.local.begin_run()
    assert store.local.load_clock(ada) == {}
    store.local.save_clock(ada, {bob: 9})
    end(store)

    store = open_store()
    assert store.local.begin_run()
    assert store.local.load_clock(ada) == {bob: 9}
    store.local.distrust_clocks()
    assert store.local.load_clock(ada) == {}
    end(store)
    assert open_store().local.load_clock(ada) == {}


def test_dirty_mark_is_flushed(store: Store) -> None:
    levels: list[int] = []
    db = store.local._db
    db.set_commit_hook(lambda: levels.append(db.pragma("synchronous")) or False)
    store.local.begin_run()
    store.local.save_guard(True).result(10)
    store.local.end_run().result(10)
    assert set(levels) == {2}


def test_clean_mark_is_set_only_after_the_log_is_flushed(store: Store, author: MakeAuthor) -> None:
    order: list[tuple[str, int]] = []
    log, local = store._log_writer._db, store.local._db
    store.local.begin_run()
    store.ingest(author(1).posts(2)).result(10)
    log.set_commit_hook(lambda: order.append(("log", log.pragma("synchronous"))) or False)
    local.set_commit_hook(lambda: order.append(("local", 2)) or False)
    store.local.end_run().result(10)
    assert order[0] == ("log", 2)


def test_settings_and_addresses_last(open_store: OpenStore, author: MakeAuthor) -> None:
    store, ada = open_store(), author(1).id
    store.local.set_setting("hops", 3)
    store.local.set_setting("odd", {"a": [1, None, "\u00e4"]})
    store.local.set_setting("gone", True)
    store.local.set_setting("gone", None)
    store.local.save_address(SavedAddress("net:a:1", ada))
    saved = SavedAddress("net:a:1", ada, autoconnect=False, failures=4, source="lan")
    store.local.save_address(saved)
    store.local.save_address(SavedAddress("net:b:1", ada))
    store.local.forget_address("net:b:1")
    assert store.local.setting("hops") == 3
    store.close()
    local = open_store().local
    assert local.settings() == {"hops": 3, "odd": {"a": [1, None, "\u00e4"]}}
    assert local.addresses() == [saved]


def test_distrust_lasts(open_store: OpenStore, author: MakeAuthor) -> None:
    store = open_store()
    assert store.local.distrusted() == ()
    ids = [author(number).id for number in range(3)]
    for sources in (ids[:2], ids[1:]):
        store._submit(lambda sources=sources: store.local.note_cut(LogEnd(0, ""), sources)).result(
            10
        )
    assert store.local.distrusted() == tuple(ids)
    store.local.trust(ids[1])
    store.close()
    assert set(open_store().local.distrusted()) == {ids[0], ids[2]}


def test_addresses_of_the_first_format_were_typed_by_a_person(
    open_store: OpenStore, author: MakeAuthor, tmp_path: Path
) -> None:
    first = msgspec.structs.replace(LOCAL_SCHEMA, steps=LOCAL_SCHEMA.steps[:1])
    db = open_for_writing(tmp_path / "local.db", first)
    ada = author(1).id
    db.execute("INSERT INTO addresses VALUES(?,?,?,?)", ("net:a:1", ada, 1, 3))
    db.close()
    local = open_store(directory=tmp_path).local
    assert local.addresses() == [SavedAddress("net:a:1", ada, failures=3, source="address")]


def grown(open_store: OpenStore, directory: Path, author: MakeAuthor) -> None:
    store = open_store(directory=directory)
    store.local.begin_run()
    store.ingest(author(1).posts(3)).result(10)
    store.local.save_clock(author(2).id, {author(1).id: 3})
    end(store)


def check_guarded(open_store: OpenStore, directory: Path, author: MakeAuthor) -> None:
    notices: list[str] = []
    store = open_store(directory=directory, on_notice=notices.append)
    assert store.local.guard().is_guarded
    assert store.local.load_clock(author(2).id) == {}
    assert "publishing waits" in notices[0]
    end(store)
    notices.clear()
    assert open_store(directory=directory, on_notice=notices.append).local.guard().is_guarded
    assert notices == []


def test_log_restored_from_a_backup_guards_publishing(
    open_store: OpenStore, author: MakeAuthor, tmp_path: Path
) -> None:
    open_store(directory=tmp_path).close()
    backup = (tmp_path / "log.db").read_bytes()
    grown(open_store, tmp_path, author)
    (tmp_path / "log.db").write_bytes(backup)
    check_guarded(open_store, tmp_path, author)


def test_log_moved_away_guards_publishing(
    open_store: OpenStore, author: MakeAuthor, tmp_path: Path
) -> None:
    grown(open_store, tmp_path, author)
    (tmp_path / "log.db").unlink()
    check_guarded(open_store, tmp_path, author)


def test_log_brought_alone_guards_publishing(
    open_store: OpenStore, author: MakeAuthor, tmp_path: Path
) -> None:
    grown(open_store, tmp_path, author)
    (tmp_path / "local.db").unlink()
    check_guarded(open_store, tmp_path, author)


def test_ordinary_restarts_guard_nothing(
    open_store: OpenStore, author: MakeAuthor, tmp_path: Path
) -> None:
    grown(open_store, tmp_path, author)
    store = open_store(directory=tmp_path)
    assert not store.local.guard().is_guarded
    store.ingest(author(3).posts(2)).result(10)
    store.close()
    assert not open_store(directory=tmp_path).local.guard().is_guarded


def test_local_db_opens_in_any_sqlite_tool(store: Store) -> None:
    db = apsw.Connection(str(store.directory / "local.db"), flags=apsw.SQLITE_OPEN_READONLY)
    assert db.execute("SELECT generation FROM run").get == 1
    db.close()


THREADS = [msg_id_from_bytes(number.to_bytes(32, "big")) for number in range(40)]


def test_read_marks_last_and_only_move_forward(open_store: OpenStore) -> None:
    store = open_store()
    assert store.local.read_to(THREADS[0]) == 0
    store.local.mark_read(THREADS[0], 7)
    assert store.local.read_to(THREADS[0]) == 7
    store.local.mark_read(THREADS[0], 5).result(10)
    assert store.local.read_to(THREADS[0]) == 7
    store.local.mark_read(THREADS[1], 2).result(10)
    store.close()
    local = open_store().local
    assert [local.read_to(thread) for thread in THREADS[:3]] == [7, 2, 0]


def test_marks_of_threads_read_longest_ago_make_room(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lichen.store.desk.READ_MARKS_MAX", 10)
    monkeypatch.setattr("lichen.store.desk.READ_MARKS_KEPT", 6)
    store = open_store()
    for thread in THREADS[:10]:
        store.local.mark_read(thread, 3)
    store.local.mark_read(THREADS[0], 4)
    store.local.mark_read(THREADS[10], 3).result(10)
    kept = [THREADS[0], *THREADS[6:11]]
    assert [thread for thread in THREADS if store.local.read_to(thread)] == sorted(kept)
    store.close()
    local = open_store().local
    assert [thread for thread in THREADS if local.read_to(thread)] == sorted(kept)


def test_marks_mean_nothing_in_another_log(
    open_store: OpenStore, author: MakeAuthor, tmp_path: Path
) -> None:
    grown(open_store, tmp_path, author)
    store = open_store(directory=tmp_path)
    store.local.mark_read(THREADS[0], 3).result(10)
    store.local.save_draft("home", "begun", 1.0).result(10)
    store.close()
    (tmp_path / "log.db").unlink()
    store = open_store(directory=tmp_path)
    assert store.local.read_to(THREADS[0]) == 0
    assert store.local.draft("home") == Draft("begun", 1.0)
    store.close()
    assert open_store(directory=tmp_path).local.read_to(THREADS[0]) == 0


def test_drafts_last_until_dropped(open_store: OpenStore) -> None:
    store = open_store()
    store.local.save_draft("home", "a", 1.0)
    store.local.save_draft("home", "ab \ud800", 2.0)
    store.local.save_draft("gone", "x", 3.0)
    store.local.drop_draft("gone")
    store.local.save_draft("emptied", "x", 3.0)
    store.local.save_draft("emptied", "", 4.0)
    store.local.drop_draft("never").result(10)
    assert store.local.draft("home") == Draft("ab \ufffd", 2.0)
    store.local.save_draft("later", "x", 9.0).result(10)
    store.close()
    assert open_store().local.drafts() == {
        "later": Draft("x", 9.0),
        "home": Draft("ab \ufffd", 2.0),
    }


def test_drafts_are_bounded_and_the_oldest_makes_room(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lichen.store.desk.DRAFTS_MAX", 3)
    store = open_store()
    for number in (5, 1, 4, 3):
        store.local.save_draft(str(number), "x", float(number)).result(10)
    assert set(store.local.drafts()) == {"3", "4", "5"}
    for place, text in (("p", "é" * (DRAFT_BYTES_MAX // 2 + 1)), ("p" * 500, "x")):
        with pytest.raises(DraftRefused, match="too long"):
            store.local.save_draft(place, text, 6.0)
    store.close()
    assert set(open_store().local.drafts()) == {"3", "4", "5"}


def test_local_db_of_the_first_format_is_brought_forward(
    open_store: OpenStore, tmp_path: Path
) -> None:
    db = apsw.Connection(str(tmp_path / "local.db"))
    db.execute(LOCAL_SCHEMA.steps[0])
    db.execute("INSERT INTO settings VALUES('hops', '3')")
    db.pragma("application_id", LOCAL_SCHEMA.application_id)
    db.pragma("user_version", 1)
    db.close()
    local = open_store(directory=tmp_path).local
    assert local.setting("hops") == 3
    local.save_draft("home", "x", 1.0).result(10)
    assert local.draft("home") == Draft("x", 1.0)
    assert local.pushes() == {}
    assert local.distrusted() == ()
