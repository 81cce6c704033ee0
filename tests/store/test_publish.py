"""Own messages: durable, in order, never beside the feed."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.message import Message
from lichen.store.errors import (
    ContentRefused,
    OwnFeedForked,
    PublishGuarded,
    StoreError,
    StoreReadFailed,
    StoreWriteFailed,
    WrongIdentity,
)
from lichen.store.publish import next_timestamp
from lichen.store.store import Store

MakeAuthor = Callable[[int], Any]
NOW_MS = 1.6e12


def post(text: str) -> bytes:
    return json.dumps({"type": "post", "text": text}).encode()


def publish(store: Store, somebody: Any, *texts: str, now_ms: float = NOW_MS) -> list[Message]:
    return store.publish([post(text) for text in texts], somebody.identity, now_ms).result(10)


def test_messages_follow_each_other(open_store: Callable[[], Store], author: MakeAuthor) -> None:
    store, ada = open_store(), author(1)
    made = publish(store, ada, "one", "two") + publish(store, ada, "three", now_ms=NOW_MS - 5000)
    assert [m.sequence for m in made] == [1, 2, 3]
    assert [m.previous for m in made] == [None, made[0].key, made[1].key]
    assert [stored.data for stored in store.log.run(ada.id, 1, 9, 10**6)] == [m.data for m in made]
    store.close()
    store = open_store()
    (later,) = publish(store, ada, "four")
    assert (later.sequence, later.previous) == (4, made[2].key)
    stamps = [m.timestamp for m in [*made, later]]
    assert stamps == sorted(set(stamps))
    assert stamps[0] == NOW_MS


@given(now=st.floats(0, 1e13), last=st.floats(allow_nan=False, allow_infinity=False))
def test_timestamps_strictly_increase(now: float, last: float) -> None:
    stamp = next_timestamp(now, last)
    assert math.isfinite(stamp)
    assert stamp > last or last > 1e308


def test_bad_content_refuses_the_whole_batch(store: Store, author: MakeAuthor) -> None:
    ada = author(1)
    bad = store.publish([post("fine"), b'{"type":"x"}', post("also fine")], ada.identity, NOW_MS)
    good = store.publish([post("from another window")], ada.identity, NOW_MS)
    with pytest.raises(ContentRefused, match="Content 2") as caught:
        bad.result(10)
    assert caught.value.index == 1
    assert [m.sequence for m in good.result(10)] == [1]
    with pytest.raises(ContentRefused, match="8192"):
        publish(store, ada, "x" * 9000)
    assert store.log.received(ada.id) == 1


def test_guard_closes_publishing_until_it_is_lifted(
    open_store: Callable[[], Store], author: MakeAuthor
) -> None:
    store, ada, bob = open_store(), author(1), author(2)
    store.local.save_guard(True, (bob.id,))
    with pytest.raises(PublishGuarded):
        publish(store, ada, "too early")
    store.close()
    store = open_store()
    assert store.local.guard().is_guarded
    assert store.local.guard().asked_peers == (bob.id,)
    with pytest.raises(PublishGuarded):
        publish(store, ada, "still too early")
    store.local.save_guard(False).result(10)
    assert publish(store, ada, "now")[0].sequence == 1


def test_only_the_bound_identity_publishes(
    open_store: Callable[[], Store], author: MakeAuthor
) -> None:
    store, ada, bob = open_store(), author(1), author(2)
    store.bind_own(ada.id)
    store.bind_own(ada.id)
    with pytest.raises(WrongIdentity):
        publish(store, bob, "hello")
    store.close()
    store = open_store()
    assert store.own() == ada.id
    with pytest.raises(WrongIdentity, match="secret file") as caught:
        store.bind_own(bob.id)
    assert caught.value.hint


def test_forked_own_feed_does_not_go_on(store: Store, author: MakeAuthor) -> None:
    ada = author(1)
    ada.posts(2)
    twin = ada.again_from(1)
    twin.posts(1)
    store.ingest([*ada.sent, twin.sent[1]]).result(10)
    with pytest.raises(OwnFeedForked):
        publish(store, ada, "too late")


def test_publishing_goes_on_from_what_peers_gave_back(store: Store, author: MakeAuthor) -> None:
    ada = author(1)
    store.ingest(ada.posts(3)).result(10)
    (message,) = publish(store, ada, "here again")
    assert (message.sequence, message.previous) == (4, ada.messages[2].key)


def test_message_that_does_not_verify_is_never_written(
    store: Store, author: MakeAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = ClassicFormat.create

    def create_badly(form: ClassicFormat, *arguments: Any) -> Message:
        made = create(form, *arguments)
        return Message(
            made.key, made.previous, made.author, made.sequence, made.timestamp,
            made.content, author(1).spoil(made).data,
        )  # fmt: skip

    monkeypatch.setattr(ClassicFormat, "create", create_badly)
    with pytest.raises(StoreWriteFailed, match="does not verify"):
        publish(store, author(1), "hello")
    assert store.log.last_no == 0


def test_own_messages_are_flushed_before_anyone_hears(store: Store, author: MakeAuthor) -> None:
    """NORMAL would lose acknowledged messages in a power cut, and the next one would fork."""
    ada, bob = author(1), author(2)
    publish(store, ada, "one")
    levels: list[int] = []
    db = store._log_writer._db
    db.set_commit_hook(lambda: levels.append(db.pragma("synchronous")) or False)
    publish(store, ada, "two")
    store.ingest(bob.posts(1)).result(10)
    assert levels == [2, 1]


def test_errors_say_what_to_do(store: Store, author: MakeAuthor) -> None:
    store.local.save_guard(True)
    with pytest.raises(StoreError) as caught:
        publish(store, author(1), "x")
    assert str(caught.value).endswith(".")
    assert "peers" in caught.value.hint


@pytest.mark.parametrize(
    "damage",
    [
        "key = CAST(substr(key, 1, 31) || x'00' AS BLOB)",
        "data = CAST(replace(data, 'two', 'tow') AS BLOB)",
        "data = x'7b7d'",
    ],
)
def test_what_follows_a_damaged_message_is_not_published(
    open_store: Callable[[], Store], author: MakeAuthor, damage: str
) -> None:
    store, ada = open_store(), author(1)
    publish(store, ada, "one", "two")
    store.close()
    db = apsw.Connection(str(store.directory / "log.db"))
    db.execute(f"UPDATE messages SET {damage} WHERE sequence = 2")
    db.close()
    store = open_store()
    store.local.save_guard(False).result(10)  # which another id at the end of the log has closed
    with pytest.raises(StoreReadFailed) as caught:
        publish(store, ada, "three")
    assert "lichen fsck --heal" in caught.value.hint
    assert store.faults.damage == "the database is damaged"
    assert store.trouble is None, "the disk takes what is written"


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_log_that_lost_its_newest_own_message_waits_for_peers(
    open_store: Callable[..., Store], author: MakeAuthor, tmp_path: Path, how: str
) -> None:
    store, ada = open_store(), author(1)
    publish(store, ada, "one")
    store.close()
    store = open_store()
    publish(store, ada, "two")
    store.local.set_setting("hops", 2).result(10)  # what was noted before it is written, too
    copy = tmp_path / "killed"
    copy.mkdir()
    for path in store.directory.glob("*.db*"):
        (copy / path.name).write_bytes(path.read_bytes())
    waiting = copy / "log.db-wal"
    if how == "gone":
        waiting.unlink()
    else:
        waiting.write_bytes(waiting.read_bytes()[:100])
    store = open_store(directory=copy)
    assert store.log.received(ada.id) == 1
    with pytest.raises(PublishGuarded):
        publish(store, ada, "another two")
