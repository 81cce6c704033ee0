"""Pictures between Lichen and JavaScript peers: over one hop and two; every answer alike."""

import hashlib
import random
from base64 import b64encode
from typing import Any

import pytest
from peers import Peer, PeerError, wait_until
from scenes import SYNC_S_MAX, MakePeer, befriend, wait_for_connection

KINDS = ("modern", "legacy")
PICTURE = random.Random(7).randbytes(1_500_000)
SMALL = b"a small picture"
LACKING = f"&{'A' * 43}=.sha256"


def blob_of(data: bytes) -> str:
    return f"&{b64encode(hashlib.sha256(data).digest()).decode()}.sha256"


def fetch(reader: Peer, blob: str, data: bytes) -> None:
    reader.want_blob(blob)
    wait_until(lambda: reader.has_blob(blob), SYNC_S_MAX)
    assert reader.blob(blob) == data


@pytest.mark.parametrize("dialler", ["lichen dials", "lichen is dialled"])
@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_fetched_both_ways(make_peer: MakePeer, kind: str, dialler: str) -> None:
    lichen, other = make_peer("lichen"), make_peer(kind)
    befriend(lichen, other)
    first, second = (lichen, other) if dialler == "lichen dials" else (other, lichen)
    theirs = other.add_blob(PICTURE)
    assert theirs == blob_of(PICTURE)
    first.connect(second.address)
    wait_for_connection(lichen, other)
    fetch(lichen, theirs, PICTURE)
    ours = lichen.add_blob(PICTURE[1:])
    assert ours == blob_of(PICTURE[1:])
    fetch(other, ours, PICTURE[1:])
    later = other.add_blob(SMALL)
    fetch(lichen, later, SMALL)
    assert lichen.call("status")["network"]["blob_faults"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_want_from_before_the_connection_is_met(make_peer: MakePeer, kind: str) -> None:
    lichen, other = make_peer("lichen"), make_peer(kind)
    lichen.want_blob(blob_of(SMALL))
    other.want_blob(blob_of(PICTURE))
    assert other.add_blob(SMALL) == blob_of(SMALL)
    lichen.add_blob(PICTURE)
    lichen.connect(other.address)
    wait_until(lambda: lichen.has_blob(blob_of(SMALL)), SYNC_S_MAX)
    wait_until(lambda: other.has_blob(blob_of(PICTURE)), SYNC_S_MAX)
    assert lichen.blob(blob_of(SMALL)) == SMALL
    assert other.blob(blob_of(PICTURE)) == PICTURE


@pytest.mark.parametrize("kind", KINDS)
def test_lichen_in_the_middle_passes_a_picture_on(make_peer: MakePeer, kind: str) -> None:
    lichen, source, reader = make_peer("lichen"), make_peer(kind), make_peer(kind)
    befriend(lichen, source)
    befriend(lichen, reader)
    blob = source.add_blob(PICTURE)
    source.connect(lichen.address)
    reader.connect(lichen.address)
    fetch(reader, blob, PICTURE)
    assert lichen.has_blob(blob)


@pytest.mark.parametrize("kind", KINDS)
def test_a_javascript_peer_in_the_middle_passes_a_picture_on(
    make_peer: MakePeer, kind: str
) -> None:
    middle = make_peer(kind, sympathy=3)
    source, reader = make_peer("lichen"), make_peer("lichen")
    befriend(source, middle)
    befriend(reader, middle)
    blob = source.add_blob(PICTURE)
    source.connect(middle.address)
    reader.connect(middle.address)
    fetch(reader, blob, PICTURE)
    assert middle.blob(blob) == PICTURE


@pytest.mark.parametrize("kind", KINDS)
def test_pushed_pictures_are_fetched_unasked(make_peer: MakePeer, kind: str) -> None:
    lichen, other = make_peer("lichen"), make_peer(kind, sympathy=3)
    befriend(lichen, other)
    lichen.connect(other.address)
    wait_for_connection(lichen, other)
    lichen.wait_for({other.feed: 1}, SYNC_S_MAX)
    ours = lichen.add_blob(PICTURE)
    wait_until(lambda: other.has_blob(ours), SYNC_S_MAX)
    theirs = other.add_blob(SMALL)
    other.push_blob(theirs)
    wait_until(lambda: lichen.has_blob(theirs), SYNC_S_MAX)
    assert lichen.blob(theirs) == SMALL


@pytest.mark.parametrize("kind", KINDS)
def test_a_peer_without_blobs_is_left_alone_and_synced(make_peer: MakePeer, kind: str) -> None:
    lichen, other = make_peer("lichen"), make_peer(kind, blobs=False)
    befriend(lichen, other)
    lichen.want_blob(blob_of(SMALL))
    lichen.connect(other.address)
    lichen.wait_for({other.feed: 1}, SYNC_S_MAX)
    lichen.want_blob(blob_of(PICTURE))
    other.publish({"type": "post", "text": "still here"})
    lichen.wait_for({other.feed: 2}, SYNC_S_MAX)
    assert lichen.connected() == [other.feed]


# Of the empty blob JavaScript peers say that it cannot be got; here it ends at once.
ASKED: tuple[tuple[str, Any], ...] = (
    ("get", blob_of(SMALL)),
    ("get", {"key": blob_of(SMALL), "max": 5_000_000}),
    ("get", {"hash": blob_of(SMALL), "size": len(SMALL)}),
    ("get", {"id": blob_of(SMALL), "max": 10}),
    ("get", {"id": blob_of(SMALL), "size": 10}),
    ("get", {"key": "nonsense"}),
    ("get", LACKING),
    ("getSlice", {"key": blob_of(SMALL), "start": 2, "end": 7}),
    ("getSlice", {"key": blob_of(SMALL), "start": 2, "end": 7000}),
    ("getSlice", {"key": blob_of(SMALL), "start": 2}),
    ("getSlice", {"key": blob_of(SMALL), "end": 2}),
    ("getSlice", {"start": 0, "end": 2}),
    ("has", blob_of(SMALL)),
    ("has", [blob_of(SMALL), LACKING]),
    ("has", "nonsense"),
    ("has", [blob_of(SMALL), "nonsense"]),
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_is_that_of_a_javascript_peer(make_peer: MakePeer, kind: str) -> None:
    asker, lichen, other = make_peer(kind), make_peer("lichen"), make_peer(kind)
    for peer in (lichen, other):
        peer.add_blob(SMALL)
        asker.connect(peer.address)

    def answer(peer: Peer, method: str, argument: Any) -> tuple[str, Any]:
        try:
            return ("value", asker.call("askForBlob", peer.feed, method, argument))
        except PeerError as error:
            return ("error", str(error).splitlines()[0])

    ours = [answer(lichen, *asked) for asked in ASKED]
    assert ours == [answer(other, *asked) for asked in ASKED]
