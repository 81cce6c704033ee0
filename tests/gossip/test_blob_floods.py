"""Floods and nonsense about blobs; and whatever peers do, the books agree."""

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.feed.message import BlobId
from lichen.feed.refs import blob_id_from_bytes
from lichen.gossip import effects, events
from lichen.gossip.limits import (
    WANTS_FORWARDED_MAX,
    WANTS_OWN_MAX,
    WANTS_REMEMBERED_STRANGER_MAX,
)
from lichen.wire.events import (
    CallKind,
)

DATA = bytes(range(256)) * 1000
STRANGER = 9


def blob_of(data: bytes) -> BlobId:
    return blob_id_from_bytes(hashlib.sha256(data).digest())


BLOB = blob_of(DATA)
MANY = [blob_of(b"%d" % number) for number in range(7000)]


def test_many_wants_are_bounded(peer: Any) -> None:
    friend, stranger = peer.connect(1), peer.connect(STRANGER)
    wants = dict.fromkeys(MANY, -1)
    peer.say(friend, wants)
    peer.say(stranger, wants)
    blobs = peer.probe.node._parts.blobs
    assert len(blobs.wants) == WANTS_FORWARDED_MAX
    assert len(blobs.peers[friend].wants) == 5000
    assert len(blobs.peers[stranger].wants) == WANTS_REMEMBERED_STRANGER_MAX
    for blob in MANY:
        peer.want(blob)
    assert len(blobs._own) == WANTS_OWN_MAX
    assert len(blobs.wants) <= WANTS_OWN_MAX + WANTS_FORWARDED_MAX
    peer.probe.tell(events.Disconnected(friend, "gone"))
    assert set(blobs.wants) == set(blobs._own)


@pytest.mark.parametrize(
    "item",
    [b"[]", b"7", b"null", b'"x"', b"{", b"", b"\xff", b'{"&x":-1' + b" " * 2_000_000 + b"}"],
)
def test_items_that_are_no_objects_end_the_connection_in_the_end(peer: Any, item: bytes) -> None:
    one = peer.connect(1)
    for number in range(101):
        assert peer.probe.closed(peer.probe.everything) == [], number
        peer.say(one, item)
    assert peer.probe.closed() == ["malformed-items"]


def test_other_keys_and_values_are_ignored(peer: Any) -> None:
    one = peer.connect(1)
    nonsense = {
        "nonsense": -1, BLOB + "?unbox=x": -1, BLOB[1:]: -1, MANY[0]: "x", MANY[1]: None,
        MANY[2]: 0, MANY[3]: True, MANY[4]: 1.5, MANY[5]: [-1], MANY[6]: -1e300, BLOB: -1.0,
    }  # fmt: skip
    peer.say(one, nonsense)
    assert peer.told() == [(one, {BLOB: -2})]


def test_beginning_wants_anew_all_the_time_ends_the_connection(peer: Any) -> None:
    one = peer.connect(1)
    for number in range(100, 130):
        peer.probe.call(one, "blobs", "createWants", kind=CallKind.SOURCE, number=-number)
        if peer.probe.closed():
            break
    assert peer.probe.closed() == ["wants-flood"]


blobs_some = st.sampled_from([BLOB, *MANY[:3], "nonsense"])
steps = st.one_of(
    st.tuples(st.just("say"), st.integers(0, 3), st.dictionaries(
        blobs_some, st.integers(-4, 4) | st.just(len(DATA)), max_size=3)),
    st.tuples(st.just("give"), st.integers(0, 3), st.sampled_from([b"0", b"x", DATA])),
    st.tuples(st.just("end"), st.integers(0, 3), st.sampled_from([None, "no"])),
    st.tuples(st.just("want"), st.just(0), st.sampled_from([BLOB, *MANY[:3]])),
    st.tuples(st.just("leave"), st.integers(0, 3), st.none()),
    st.tuples(st.just("wait"), st.just(0), st.integers(1, 90)),
    st.tuples(st.just("disk"), st.just(0), st.booleans()),
)  # fmt: skip


@given(story=st.lists(steps, max_size=40))
@settings(max_examples=150, deadline=None)
def test_whatever_peers_do_the_books_agree(
    make_probe: Any, make_blob_probe: Any, story: list[Any]
) -> None:
    peer = make_blob_probe(make_probe(follows=3, keeps_blobs=True))
    probe = peer.probe
    connections = [peer.connect(number) for number in (1, 2, 3, STRANGER)]
    waiting: list[Any] = []
    for name, index, value in story:
        connection = connections[index]
        download = getattr(probe.node._parts.blobs.peers.get(connection), "download", None)
        if name == "say":
            peer.say(connection, value)
        elif name == "give" and download is not None:
            peer.give(connection, download.call, value)
        elif name == "end" and download is not None:
            probe.end(connection, download.call, value)
        elif name == "want":
            peer.want(value)
        elif name == "leave":
            probe.tell(events.Disconnected(connection, "gone"))
            connections[index] = peer.connect((1, 2, 3, STRANGER)[index])
        elif name == "wait":
            probe.wait(value, step_s=30)
        elif name == "disk" and waiting:
            probe.tell(probe.blobs.finish(waiting.pop(0), is_disk_full=value))
        for effect in probe.out:
            if isinstance(effect, effects.WriteBlob):
                probe.blobs.write(effect)
            elif isinstance(effect, effects.DropBlob):
                probe.blobs.drop(effect.connection, effect.call)
        waiting += probe.of(effects.FinishBlob)
        check_books(probe.node._parts.blobs, waiting)
    for blob, data in probe.blobs.held.items():
        assert blob_of(data) == blob


def check_books(blobs: Any, waiting: list[Any]) -> None:
    for blob, want in blobs.wants.items():
        assert want.is_own or want.askers or blob in blobs.downloads
        assert want.is_own == (blob in blobs._own)
        assert want.claims.keys() <= blobs.peers.keys()
        assert want.askers.keys() <= blobs.peers.keys()
        is_ready = bool(want.claims) and blob not in blobs.downloads
        assert (blob in blobs._ready) == is_ready
    assert blobs._ready.keys() <= blobs.wants.keys()
    busy = {peer.download.blob for peer in blobs.peers.values() if peer.download is not None}
    finishing = {blob for blob, each in blobs.downloads.items() if each.is_finishing}
    assert busy <= blobs.downloads.keys()
    assert blobs.downloads.keys() <= busy | finishing
    assert finishing <= {effect.blob for effect in waiting}
