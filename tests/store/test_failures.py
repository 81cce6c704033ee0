"""The disk says no: nothing is half written, nothing is believed, and the next batch works."""

from collections.abc import Callable
from typing import Any

import apsw
import pytest

from lichen.feed.message import Reason
from lichen.store.errors import StoreReadFailed, StoreWriteFailed
from lichen.store.store import Store

MakeAuthor = Callable[[int], Any]
OpenStore = Callable[..., Store]


def fill_disk(store: Store) -> Callable[[], None]:
    db = store._log_writer._db
    pages = db.pragma("page_count")
    limit = db.pragma("max_page_count")
    db.pragma("max_page_count", pages + 2)
    return lambda: db.pragma("max_page_count", limit)


def forbid_writing(store: Store) -> Callable[[], None]:
    db = store._log_writer._db
    db.pragma("query_only", 1)
    return lambda: db.pragma("query_only", 0)


def fail_commits(store: Store) -> Callable[[], None]:
    db = store._log_writer._db
    db.set_commit_hook(lambda: True)
    return lambda: db.set_commit_hook(None)


@pytest.mark.parametrize(
    ("break_disk", "words"),
    [(fill_disk, "disk full"), (forbid_writing, "read-only"), (fail_commits, "Nothing")],
)
def test_failed_batch_leaves_nothing_and_later_ones_work(
    open_store: Callable[[], Store],
    author: MakeAuthor,
    break_disk: Callable[[Store], Callable[[], None]],
    words: str,
) -> None:
    store, ada, bob = open_store(), author(1), author(2)
    store.ingest(ada.posts(3)).result(10)
    mend = break_disk(store)
    messages = ada.posts(200) + bob.posts(2)
    with pytest.raises(StoreWriteFailed, match=words):
        store.ingest(messages).result(10)
    with pytest.raises(StoreWriteFailed):
        store.publish(
            [b'{"type":"post","text":"%d"}' % n for n in range(100)], author(3).identity, 1.0
        ).result(10)
    assert dict(store.log.clock()) == {ada.id: 3}
    assert store.log.last_no == 3
    assert store.log.get(bob.messages[0].key) is None
    mend()
    result = store.ingest(messages).result(10)
    assert {grown.feed: grown.last for grown in result.progress} == {ada.id: 203, bob.id: 2}
    store.close()
    store = open_store()
    assert dict(store.log.clock()) == {ada.id: 203, bob.id: 2}
    assert store.log.damage() == ""


def test_full_disk_of_the_views_is_told_and_waited_for(
    open_store: Callable[..., Store], author: MakeAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lichen.store.views.engine.RETRY_S", 0.01)
    notices: list[str] = []
    store = open_store(on_notice=notices.append)
    db = store._engine._db
    limit = db.pragma("max_page_count")
    db.pragma("max_page_count", db.pragma("page_count"))
    store.ingest(author(1).posts(500)).result(10)
    future = store.wait_folded()
    with pytest.raises(TimeoutError):
        future.result(0.1)
    assert "disk full" in notices[0]
    assert store.log.last_no == 500
    store._submit(lambda: db.pragma("max_page_count", limit))
    future.result(10)
    assert {p.folded for p in store.views.progress()} == {500}


def test_drafts_wait_in_order_for_room(open_store: Callable[..., Store]) -> None:
    troubles: list[object] = []
    store = open_store(on_trouble=troubles.append)
    local = store.local
    local.save_draft("kept", "old", 1.0).result(10)
    local.save_draft("given up", "old", 1.0).result(10)
    db = local._db
    limit = db.pragma("max_page_count")
    db.pragma("max_page_count", db.pragma("page_count"))
    for number in range(3):
        with pytest.raises(StoreWriteFailed, match="disk full"):
            local.save_draft("kept", f"{number}" * 60_000, 2.0).result(10)
    with pytest.raises(StoreWriteFailed):
        local.drop_draft("given up").result(10)
    assert local.draft("kept").text == "2" * 60_000
    assert local.has_unsaved
    assert store.trouble.count == 4
    assert len(troubles) == 1
    store._submit(lambda: db.pragma("max_page_count", limit)).result(10)
    assert store.trouble is not None, "nothing was written yet"
    local.set_setting("hops", 3).result(10)
    assert not local.has_unsaved
    assert store.trouble is None
    assert troubles[1:] == [None]
    store.close()
    local = open_store().local
    assert local.draft("kept").text == "2" * 60_000
    assert local.draft("given up") is None
    assert local.setting("hops") == 3


@pytest.mark.parametrize("text", [b"garbage", b"[]", b'{"content":{}}', b'{"a":\xff}'])
def test_a_message_that_is_none_any_more_is_damage_and_stops_nothing_else(
    open_store: OpenStore, author: MakeAuthor, text: bytes
) -> None:
    ada, bob = author(1), author(2)
    store = open_store()
    store.ingest(ada.posts(3)).result(10)
    store.wait_folded().result(10)
    assert store.faults.damage == ""
    store.close()
    db = apsw.Connection(str(store.directory / "log.db"))
    db.execute("UPDATE messages SET data = ? WHERE sequence = 2", (text,))
    db.close()
    (store.directory / "views.db").unlink()
    store = open_store()
    with pytest.raises(StoreReadFailed) as caught:
        store.wait_folded().result(10)
    assert "lichen fsck --heal" in caught.value.hint
    assert store.faults.damage == "the database is damaged"
    assert store.ingest(bob.posts(2)).result(10).count == 2


def test_a_page_that_cannot_be_read_is_remembered(
    open_store: OpenStore, author: MakeAuthor
) -> None:
    store = open_store()
    ada = author(1)
    store.ingest(ada.posts(200)).result(10)
    store.wait_folded().result(10)  # or folding meets it first
    store.close()
    log = store.directory / "log.db"
    page = log.read_bytes().index(b"100 of 200") // 8192
    with log.open("r+b") as file:
        file.seek(page * 8192)
        file.write(b"\xa5" * 64)
    store = open_store()
    assert store.faults.damage == ""
    with pytest.raises(StoreReadFailed):
        store.log.run(ada.id, 1, 200, 1 << 20)
    assert store.faults.damage == "the database is damaged"


@pytest.mark.parametrize("damage", ["key = zeroblob(32)", "key = zeroblob(32), data = x'7b7d'"])
def test_messages_after_a_damaged_one_wait_and_stop_nothing_else(
    open_store: OpenStore, author: MakeAuthor, damage: str
) -> None:
    ada, bob = author(1), author(2)
    store = open_store()
    store.ingest(ada.posts(3)).result(10)
    store.close()
    db = apsw.Connection(str(store.directory / "log.db"))
    db.execute(f"UPDATE messages SET {damage} WHERE sequence = 3")
    db.close()
    store = open_store()
    result = store.ingest([*ada.posts(2), *bob.posts(2)]).result(10)
    assert [grown.feed for grown in result.progress] == [bob.id]
    assert {refused.reason for refused in result.rejected} == {Reason.DEPENDS}, "no fault of a peer"
    assert store.log.forked() == frozenset()
    assert store.faults.damage == "the database is damaged"


def test_a_message_of_no_feed_is_damage_and_stops_nothing_else(
    open_store: OpenStore, author: MakeAuthor
) -> None:
    ada, bob = author(1), author(2)
    store = open_store()
    store.ingest(ada.posts(3)).result(10)
    store.close()
    db = apsw.Connection(str(store.directory / "log.db"))
    db.execute("UPDATE messages SET feed_no = 99 WHERE sequence = 2")
    db.close()
    (store.directory / "views.db").unlink()
    store = open_store()
    with pytest.raises(StoreReadFailed):
        store.wait_folded().result(10)
    assert store.faults.damage == "the database is damaged"
    assert store.ingest(bob.posts(2)).result(10).count == 2
