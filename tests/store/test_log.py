"""Reading the log: by id, by place, by receipt, by prefix, from several threads."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lichen.feed.message import Message
from lichen.feed.refs import msg_id_from_bytes
from lichen.store.log import LOG_SCHEMA, Log, LogWriter, feed_mark, message_mark
from lichen.store.log.reader import _BY_KEY
from lichen.store.schema import open_for_writing
from lichen.store.store import Store

MakeAuthor = Callable[[int], Any]
BY_KEY = f"SELECT data FROM messages WHERE {_BY_KEY}"


def test_message_is_found_by_id_and_by_place(store: Store, author: MakeAuthor) -> None:
    ada = author(1)
    store.ingest(ada.posts(3)).result(10)
    stored = store.log.get(ada.messages[1].key)
    assert stored is not None
    assert stored == store.log.at(ada.id, 2)
    assert (stored.received_no, stored.sequence, stored.feed) == (2, 2, ada.id)
    assert stored.data == ada.messages[1].data
    assert stored.format == "classic"
    ada.posts(1)
    assert store.log.get(ada.messages[3].key) is None
    assert store.log.at(ada.id, 4) is None
    assert store.log.at(author(2).id, 1) is None


def test_run_gives_what_fits_and_always_one(store: Store, author: MakeAuthor) -> None:
    ada = author(1)
    store.ingest(ada.posts(10)).result(10)
    size = sum(len(m.data) for m in ada.messages[:3])
    log = store.log
    assert [m.sequence for m in log.run(ada.id, 3, 5, 10**6)] == [3, 4, 5]
    assert [m.sequence for m in log.run(ada.id, 3, 9, 0)] == [3]
    assert [m.sequence for m in log.run(ada.id, 1, 9, size)] == [1, 2, 3]
    assert log.run(ada.id, 11, 20, 10**6) == []
    assert [data for _, data in log.run_texts(ada.id, 1, 9, size)] == [
        m.data for m in ada.messages[:3]
    ]


def test_order_of_receipt_in_both_directions(store: Store, author: MakeAuthor) -> None:
    store.ingest(author(1).posts(5)).result(10)
    log = store.log
    assert [m.received_no for m in log.since(2, 2)] == [3, 4]
    assert [m.received_no for m in log.before(4, 2)] == [3, 2]
    assert [m.received_no for m in log.at_numbers([4, 1, 9, 4])] == [4, 1, 4]


def test_receive_times_strictly_increase_whatever_the_clock_does(
    open_store: Callable[..., Store], author: MakeAuthor
) -> None:
    times = iter([1000.0, 500.0, 2000.0])
    store = open_store(clock_ms=lambda: next(times))
    for somebody in (author(1), author(2), author(3)):
        store.ingest(somebody.posts(3)).result(10)
    received = [stored.received_ms for stored in store.log.since(0, 100)]
    assert received == [1000, 1000.001, 1000.002, 1000.003, 1000.004, 1000.005, 2000, 2000.001,
                        2000.002]  # fmt: skip
    log = store.log
    assert [log.last_no_at(ms) for ms in (0, 999.9, 1000, 1500, 2000.001, 9e9)] == [
        0, 0, 1, 6, 8, 9,
    ]  # fmt: skip
    store.close()
    store = open_store(clock_ms=lambda: 0.0)
    store.ingest(author(4).posts(1)).result(10)
    assert store.log.before(99, 1)[0].received_ms == 2000.003


def test_keys_that_begin_alike_are_told_apart(tmp_path: Path, author: MakeAuthor) -> None:
    ada = author(1)
    keys = [msg_id_from_bytes(b"the same" + bytes([n]) * 24) for n in range(4)]
    path = tmp_path / "log.db"
    db = open_for_writing(path, LOG_SCHEMA)
    log = Log(path)
    LogWriter(db, log).append(
        [Message(keys[n], None, ada.id, n + 1, 1.0, b"{}", b"%d" % n) for n in range(3)], now_ms=1
    )
    try:
        for sequence, key in enumerate(keys[:3], 1):
            stored = log.get(key)
            assert stored is not None
            assert (stored.key, stored.sequence) == (key, sequence)
        assert log.get(keys[3]) is None
        assert log.missing(keys) == log.missing(keys, after=2) == [keys[3]]
        assert log.ids_with_prefix(keys[0][:6], 9) == keys[:3]
        assert log.ids_with_prefix(keys[1], 9) == [keys[1]]
        found = log.with_marks([message_mark(key) for key in keys])
        assert {mark: stored.key for mark, stored in found.items()} == {
            message_mark(key): key for key in keys[:3]
        }
        assert [*log.with_keys(keys)] == keys[:3]
        plan = " ".join(
            str(row) for row in db.execute(f"EXPLAIN QUERY PLAN {BY_KEY}", (b"x" * 32,))
        )
        assert "messages_by_key" in plan
    finally:
        log.close()
        db.close()


def test_feed_is_known_by_its_mark_once_it_has_messages(store: Store, author: MakeAuthor) -> None:
    ada, bob = author(1), author(2)
    store.ingest(ada.posts(1)).result(10)
    assert store.log.feed_of(feed_mark(ada.id)) == ada.id
    assert store.log.feed_of(feed_mark(bob.id)) is None
    store.ingest(bob.posts(1)).result(10)
    assert store.log.feed_of(feed_mark(bob.id)) == bob.id


def test_prefixes_find_ids(store: Store, author: MakeAuthor) -> None:
    ada, bob = author(1), author(2)
    store.ingest(ada.posts(40) + bob.posts(40)).result(10)
    everything = sorted(m.key for m in ada.messages + bob.messages)
    for key in everything[::9]:
        for length in (1, 2, 5, 44, 45, 52):
            prefix = key[:length]
            expected = {k for k in everything if k.startswith(prefix)}
            assert set(store.log.ids_with_prefix(prefix, 1000)) == expected
            assert set(store.log.ids_with_prefix(prefix[1:], 1000)) == expected
    assert len(store.log.ids_with_prefix("%", 7)) == 7
    assert store.log.ids_with_prefix("no such id!", 9) == []
    assert store.log.feeds_with_prefix(ada.id[:8], 9) == [ada.id]
    assert store.log.feeds_with_prefix(ada.id[1:], 9) == [ada.id]
    assert store.log.feeds_with_prefix("", 9) == sorted([ada.id, bob.id])


def test_missing_messages_are_named(store: Store, author: MakeAuthor) -> None:
    ada, bob = author(1), author(2)
    bob.posts(1)
    store.ingest(ada.posts(2)).result(10)
    wanted = [ada.messages[0].key, bob.messages[0].key]
    assert store.log.missing(wanted) == [bob.messages[0].key]


def test_reading_while_writing_sees_whole_batches(store: Store, author: MakeAuthor) -> None:
    """Readers never meet half a batch, a feed without a name, or a clock ahead of the log."""
    people = [author(seed) for seed in range(20)]
    batches = [somebody.posts(5) for somebody in people]
    is_over = threading.Event()
    faults: list[str] = []

    def read() -> None:
        while not is_over.is_set():
            for feed, last in store.log.clock().items():
                if len(store.log.run(feed, 1, 99, 10**6)) < last:
                    faults.append(f"{feed} misses messages")
            if len(store.log.since(0, 1000)) % 5:
                faults.append("half a batch")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for batch in batches:
        store.ingest(batch).result(10)
    is_over.set()
    for reader in readers:
        reader.join()
    assert faults == []
    assert len(store.log.clock()) == 20


@pytest.mark.parametrize("count", [0, 1])
def test_clock_is_a_snapshot(store: Store, author: MakeAuthor, count: int) -> None:
    store.ingest(author(1).posts(count)).result(10)
    before = store.log.clock()
    store.ingest(author(2).posts(1)).result(10)
    assert len(before) == count
