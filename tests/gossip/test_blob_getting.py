"""Blobs that come: who is asked, and what a liar, a dawdler or a full disk leads to."""

import hashlib
from typing import Any

import pytest

from lichen.feed.message import BlobId
from lichen.feed.refs import blob_id_from_bytes
from lichen.gossip import effects, events
from lichen.gossip.events import ConnectionId
from lichen.gossip.limits import (
    BLOB_BYTES_MAX,
    DOWNLOAD_STALL_S,
    DOWNLOADS_MAX,
)
from lichen.wire.events import (
    BodyType,
    EndCall,
    ItemsReceived,
)

DATA = bytes(range(256)) * 1000


def blob_of(data: bytes) -> BlobId:
    return blob_id_from_bytes(hashlib.sha256(data).digest())


BLOB = blob_of(DATA)
MANY = [blob_of(b"%d" % number) for number in range(7000)]


def test_blobs_are_fetched_one_by_one_from_each_peer(peer: Any) -> None:
    one, two = peer.connect(1), peer.connect(2)
    sizes = {blob_of(b"%d" % number): 1 for number in range(4)}
    for blob in sizes:
        peer.want(BlobId(blob))
    found = peer.say(one, sizes) + peer.say(two, sizes)
    gets = peer.gets(found)
    assert {connection for connection, _, _ in gets} == {one, two}
    assert len({blob for _, _, blob in gets}) == len(gets) == 2
    connection, call, blob = gets[0]
    data = next(b"%d" % number for number in range(4) if blob_of(b"%d" % number) == blob)
    found = peer.transfer(connection, call, data)
    assert [each[0] for each in peer.gets(found)] == [one], "the next one, of the free peer"


def test_few_blobs_are_fetched_at_once(peer: Any) -> None:
    found = []
    for number in range(12):
        peer.want(MANY[number])
        found += peer.say(peer.connect(number + 1), {MANY[number]: 5})
    assert len(peer.gets(found)) == DOWNLOADS_MAX


def test_a_peer_cannot_have_us_fetch_without_end(
    peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lichen.gossip.exchange.blobs.FORWARDED_BYTES_MAX", 10)
    one, two = peer.connect(1), peer.connect(2)
    for number in range(20):
        data = b"%d blobs" % number
        peer.say(one, {blob_of(data): -1})
        peer.say(two, {blob_of(data): len(data)})
        for connection, call, _ in peer.gets():
            peer.transfer(connection, call, data)
    assert len(peer.probe.blobs.held) == 2
    peer.say(two, {MANY[0]: -1})
    assert (one, {MANY[0]: -2}) in peer.told(), "the others are helped as before"


def test_of_two_sources_the_lying_one_is_left(peer: Any) -> None:
    liar, honest = peer.connect(1), peer.connect(2)
    peer.want(BLOB)
    found = peer.say(liar, {BLOB: len(DATA)}) + peer.say(honest, {BLOB: len(DATA)})
    ((connection, call, _),) = peer.gets(found)
    assert connection == liar
    wrong = b"x" * len(DATA)
    found = peer.transfer(connection, call, wrong)
    ((connection, call, _),) = peer.gets(found)
    assert connection == honest
    assert peer.probe.blobs.held == {}
    peer.transfer(connection, call, DATA)
    assert peer.probe.blobs.held == {BLOB: DATA}
    assert peer.probe.node.snapshot().blob_faults == 1
    assert peer.probe.closed(peer.probe.everything) == []


@pytest.mark.parametrize(
    ("items", "expected_error"),
    [
        ([DATA, b"x"], "not the blob"),
        ([DATA + DATA], "not the blob"),
        ([DATA[:-1]], None),
        ([], None),
    ],
)
def test_too_much_or_too_little_never_reaches_the_hash(
    peer: Any, items: list[bytes], expected_error: str | None
) -> None:
    one, two = peer.connect(1), peer.connect(2)
    peer.want(BLOB)
    found = peer.say(one, {BLOB: len(DATA)}) + peer.say(two, {BLOB: len(DATA)})
    ((connection, call, _),) = peer.gets(found)
    found = []
    for item in items:
        found += peer.give(connection, call, item)
        peer.disk()
    found += peer.probe.end(ConnectionId(connection), call)
    peer.disk()
    assert not peer.probe.of(effects.FinishBlob, found)
    assert peer.probe.errors(found) == ([expected_error] if expected_error else [])
    assert [each[0] for each in peer.gets(found)] == [two]
    assert peer.probe.blobs._coming == {}
    assert peer.probe.node.snapshot().blob_faults == 1


@pytest.mark.parametrize("size", [BLOB_BYTES_MAX, 2**40])
def test_a_blob_as_big_as_the_limit_is_not_asked_for(peer: Any, size: int) -> None:
    one = peer.connect(1)
    peer.want(BLOB)
    peer.say(one, {BLOB: size})
    assert peer.gets() == []
    peer.say(one, {BLOB: BLOB_BYTES_MAX - 1})
    assert len(peer.gets()) == 1


def test_text_instead_of_bytes_is_no_blob(peer: Any) -> None:
    one = peer.connect(1)
    peer.want(BLOB)
    peer.say(one, {BLOB: 10})
    ((_, call, _),) = peer.gets()
    peer.probe.hear(one, ItemsReceived(call, BodyType.JSON, [b"{}"]))
    assert peer.probe.errors() == ["not the blob"]
    assert not peer.probe.of(effects.WriteBlob)


@pytest.mark.parametrize("claims_first", [True, False])
def test_after_three_lies_nothing_is_asked_of_a_peer(peer: Any, claims_first: bool) -> None:
    liar = peer.connect(1)
    blobs = [blob_of(b"%d" % number) for number in range(6)]
    for blob in blobs:
        peer.want(blob)
    if claims_first:
        peer.say(liar, dict.fromkeys(blobs, 1))
    for blob in blobs:
        found = list(peer.probe.out) if claims_first else peer.say(liar, {blob: 1})
        for connection, call, _ in peer.gets(found):
            peer.transfer(connection, call, b"?")
    assert len(peer.gets(peer.probe.everything)) == 3
    assert peer.probe.node.snapshot().blob_faults == 3


def test_a_stalled_download_is_tried_elsewhere(peer: Any) -> None:
    one, two = peer.connect(1), peer.connect(2)
    peer.want(BLOB)
    found = peer.say(one, {BLOB: len(DATA)}) + peer.say(two, {BLOB: len(DATA)})
    ((connection, call, _),) = peer.gets(found)
    peer.give(connection, call, DATA[:1000])
    peer.disk()
    assert peer.gets(peer.probe.wait(DOWNLOAD_STALL_S - 1)) == []
    found = peer.probe.wait(2)
    assert [each[0] for each in peer.gets(found)] == [two]
    assert peer.probe.errors(found) == ["stalled"]
    assert len(peer.probe.of(effects.DropBlob, found)) == 1
    peer.give(connection, call, DATA[1000:])
    assert not peer.probe.of(effects.WriteBlob), "what comes late is dropped"


def test_silence_while_we_do_not_read_is_no_stall(peer: Any) -> None:
    one = peer.connect(1)
    peer.want(BLOB)
    peer.say(one, {BLOB: len(DATA)})
    peer.probe.node._parts.sessions[one].is_paused = True
    assert peer.probe.errors(peer.probe.wait(DOWNLOAD_STALL_S * 3)) == []
    peer.probe.node._parts.sessions[one].is_paused = False
    assert peer.probe.errors(peer.probe.wait(DOWNLOAD_STALL_S * 2)) == ["stalled"]


def test_a_blob_that_drips_is_given_up_in_the_end(peer: Any) -> None:
    one = peer.connect(1)
    peer.want(BLOB)
    peer.say(one, {BLOB: len(DATA)})
    ((connection, call, _),) = peer.gets()
    found: list[Any] = []
    for _ in range(70):
        peer.give(connection, call, b"x")
        found += peer.probe.wait(10, step_s=5)
        if peer.probe.errors(found):
            break
    assert "stalled" in peer.probe.errors(found)
    assert 590 <= peer.probe.now - 1000 <= 620


def test_disconnect_in_mid_download_moves_on(peer: Any) -> None:
    one, two = peer.connect(1), peer.connect(2)
    peer.want(BLOB)
    found = peer.say(one, {BLOB: len(DATA)}) + peer.say(two, {BLOB: len(DATA)})
    ((connection, call, _),) = peer.gets(found)
    peer.give(connection, call, DATA[:1000])
    peer.disk()
    found = peer.probe.tell(events.Disconnected(ConnectionId(connection), "gone"))
    assert peer.probe.of(effects.DropBlob, found) == [
        effects.DropBlob(ConnectionId(connection), call)
    ]
    ((connection, call, _),) = peer.gets(found)
    assert connection == two
    peer.transfer(connection, call, DATA)
    assert BLOB in peer.probe.blobs.held


def test_disconnect_while_the_disk_works_loses_nothing(peer: Any) -> None:
    one = peer.connect(1)
    peer.want(BLOB)
    peer.say(one, {BLOB: len(DATA)})
    ((_, call, _),) = peer.gets()
    peer.give(one, call, DATA)
    peer.disk()
    (finish,) = peer.probe.of(effects.FinishBlob, peer.probe.end(one, call))
    assert not peer.probe.of(effects.DropBlob, peer.probe.tell(events.Disconnected(one, "gone")))
    found = peer.probe.tell(peer.probe.blobs.finish(finish, is_disk_full=False))
    assert [each.topic for each in peer.probe.of(effects.Notify, found)] == ["blob"]


def test_an_error_of_the_peer_is_tried_again_later(peer: Any) -> None:
    one = peer.connect(1)
    peer.want(BLOB)
    peer.say(one, {BLOB: len(DATA)})
    ((_, call, _),) = peer.gets()
    peer.probe.end(one, call, "could not get blob")
    assert peer.gets() == []
    assert peer.probe.node.snapshot().blob_faults == 0
    told = peer.told(peer.probe.wait(70))
    assert told == [(one, {BLOB: -1})]
    peer.say(one, {BLOB: len(DATA)})
    assert len(peer.gets()) == 1


def test_a_full_disk_holds_everything_and_is_tried_later(peer: Any) -> None:
    one, two = peer.connect(1), peer.connect(2)
    peer.want(BLOB)
    found = peer.say(one, {BLOB: len(DATA)}) + peer.say(two, {BLOB: len(DATA)})
    ((connection, call, _),) = peer.gets(found)
    peer.give(connection, call, DATA)
    peer.disk()
    peer.probe.end(ConnectionId(connection), call)
    found = peer.disk(is_full=True)
    assert peer.gets(found) == [], "another peer's bytes do not fit either"
    assert peer.probe.node.snapshot().blob_faults == 0
    found = peer.probe.wait(70)
    assert len(peer.gets(found)) == 1


def test_adding_by_hand_what_is_being_fetched_ends_the_download(peer: Any) -> None:
    one = peer.connect(1)
    peer.want(BLOB)
    peer.say(one, {BLOB: len(DATA)})
    ((_, call, _),) = peer.gets()
    peer.give(one, call, DATA[:10])
    peer.probe.blobs.add(DATA)
    peer.probe.tell(events.BlobStored(BLOB, len(DATA)))
    assert peer.probe.commands(EndCall) == [EndCall(call)]
    assert len(peer.probe.of(effects.DropBlob)) == 1
    peer.want(MANY[0])
    peer.say(one, {MANY[0]: 1})
    assert len(peer.gets()) == 1, "the peer is free for the next one"
