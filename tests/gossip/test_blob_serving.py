"""Blobs as they are served, and peers that know only the old calls."""

import hashlib
from typing import Any

import orjson
import pytest

from lichen.feed.message import BlobId
from lichen.feed.refs import blob_id_from_bytes
from lichen.gossip import effects, events
from lichen.gossip.events import ConnectionId
from lichen.gossip.limits import (
    BLOB_RUN_BYTES,
)
from lichen.wire.events import (
    Answer,
    AnswerReceived,
    BodyType,
    CallKind,
    EndCall,
    ItemsReceived,
    SendItems,
)

DATA = bytes(range(256)) * 1000
STRANGER = 9


def blob_of(data: bytes) -> BlobId:
    return blob_id_from_bytes(hashlib.sha256(data).digest())


BLOB = blob_of(DATA)
MANY = [blob_of(b"%d" % number) for number in range(7000)]


def get(peer: Any, connection: ConnectionId, call: int, *args: Any, name: str = "get") -> Any:
    return peer.probe.call(
        connection, "blobs", name, args=orjson.dumps(args), kind=CallKind.SOURCE, number=call
    )


def serve(peer: Any, found: list[Any], queued_bytes: int = 0) -> list[Any]:
    """Report that the run in these effects was read and sent."""
    (run,) = peer.probe.of(effects.ReadBlob, found)
    event = events.BlobRead(run.connection, run.call, run.blob, run.end, queued_bytes)
    return list(peer.probe.tell(event))


@pytest.mark.parametrize("form", ["text", "id", "hash", "key"])
def test_a_blob_is_served_in_runs_when_there_is_room(peer: Any, form: str) -> None:
    peer.probe.blobs.add(DATA)
    one = peer.connect(STRANGER)
    found = get(peer, one, -1, BLOB if form == "text" else {form: BLOB, "max": len(DATA)})
    runs = [(run.start, run.end) for run in peer.probe.of(effects.ReadBlob, found)]
    assert runs == [(0, BLOB_RUN_BYTES)]
    found = serve(peer, found, queued_bytes=500_000)
    assert peer.probe.of(effects.ReadBlob, found) == []
    assert len(peer.probe.of(effects.AwaitRoom, found)) == 1
    found = peer.probe.tell(events.Drained(one, 0))
    runs = [(run.start, run.end) for run in peer.probe.of(effects.ReadBlob, found)]
    assert runs == [(BLOB_RUN_BYTES, len(DATA))]
    serve(peer, found)
    assert peer.probe.commands(EndCall) == [EndCall(-1)]


def test_blobs_are_served_one_after_the_other_and_messages_meanwhile(peer: Any) -> None:
    probe = peer.probe
    probe.blobs.add(DATA)
    other = probe.blobs.add(DATA[1:])
    probe.hold(0, 3)
    one = peer.connect(1)
    found = get(peer, one, -1, BLOB)
    assert peer.probe.of(effects.ReadBlob, get(peer, one, -2, other)) == []
    probe.call(
        one,
        "createHistoryStream",
        args=orjson.dumps([{"id": probe.own}]),
        kind=CallKind.SOURCE,
        number=-3,
    )
    assert len(probe.of(effects.SendMessages)) == 1
    order = []
    while runs := probe.of(effects.ReadBlob, found):
        order.append(runs[0].call)
        found = serve(peer, found)
    assert order == [-1, -1, -2, -2]


@pytest.mark.parametrize(
    ("name", "argument", "error"),
    [
        ("get", {"key": MANY[1]}, "could not get blob"),
        ("get", {"key": BLOB, "max": 10},
         f"incorrect file length, requested:undefined file was:{len(DATA)} for file:{BLOB}"),
        ("get", {"key": BLOB, "size": 1234567.0},
         f"incorrect file length, requested:1234567 file was:{len(DATA)} for file:{BLOB}"),
        ("get", {"key": "nonsense"}, "multiblob.get: {id} is mandatory"),
        ("get", 7, "multiblob.get: {id} is mandatory"),
        ("getSlice", {"key": BLOB}, "multiblob.getSlice: {start} must be a number"),
        ("getSlice", {"key": BLOB, "start": 0}, "multiblob.getSlice: {end} must be a number"),
        ("getSlice", {"start": 0, "end": 1}, "multiblob.getSlice: {id} is mandatory"),
        ("getSlice", {"key": BLOB, "start": 5, "end": 5}, None),
        ("getSlice", {"key": BLOB, "start": 10**9, "end": 10**10}, None),
        ("getSlice", {"key": BLOB, "start": -5, "end": -1}, None),
        ("get", blob_of(b""), None),
    ],
)  # fmt: skip
def test_what_is_not_served_ends_at_once(
    peer: Any, name: str, argument: Any, error: str | None
) -> None:
    peer.probe.blobs.add(DATA)
    peer.probe.blobs.held[blob_of(b"")] = b""
    found = get(peer, peer.connect(1), -1, argument, name=name)
    assert peer.probe.commands(EndCall, found) == [EndCall(-1, error)]
    assert peer.probe.of(effects.ReadBlob, found) == []


def test_slices_are_half_open(peer: Any) -> None:
    peer.probe.blobs.add(DATA)
    found = get(peer, peer.connect(1), -1, {"key": BLOB, "start": 3, "end": 9.0}, name="getSlice")
    assert [(run.start, run.end) for run in peer.probe.of(effects.ReadBlob, found)] == [(3, 9)]


def test_a_blob_that_cannot_be_read_ends_with_an_error(peer: Any) -> None:
    peer.probe.blobs.add(DATA)
    one = peer.connect(1)
    get(peer, one, -1, BLOB)
    peer.probe.tell(events.BlobRead(one, -1, BLOB, 0, 0))
    assert peer.probe.commands(EndCall) == [EndCall(-1, "could not get blob")]


def test_a_caller_that_hangs_up_is_served_no_further(peer: Any) -> None:
    peer.probe.blobs.add(DATA)
    one = peer.connect(1)
    found = get(peer, one, -1, BLOB)
    get(peer, one, -2, BLOB)
    peer.probe.end(one, -1)
    found = serve(peer, found)
    assert [run.call for run in peer.probe.of(effects.ReadBlob, found)] == [-2]


def test_a_stranger_may_ask_for_few_at_once(peer: Any) -> None:
    peer.probe.blobs.add(DATA)
    one = peer.connect(STRANGER)
    for call in range(1, 34):
        get(peer, one, -call, BLOB)
    assert peer.probe.errors(peer.probe.everything) == ["too many blobs at once"]


@pytest.mark.parametrize(
    ("name", "argument", "answer"),
    [
        ("has", BLOB, True),
        ("has", [BLOB, MANY[1]], [True, False]),
        ("size", BLOB, len(DATA)),
        ("size", [MANY[1], BLOB], [None, len(DATA)]),
        ("has", [], []),
    ],
)
def test_has_and_size(peer: Any, name: str, argument: Any, answer: Any) -> None:
    peer.probe.blobs.add(DATA)
    one = peer.connect(STRANGER)
    args = orjson.dumps([argument])
    peer.probe.call(one, "blobs", name, args=args, kind=CallKind.ASYNC, number=-1)
    assert [orjson.loads(each.body) for each in peer.probe.commands(Answer)] == [answer]


@pytest.mark.parametrize("argument", ["nonsense", [BLOB, 5], None, {}, [BLOB] * 1001])
def test_has_of_nonsense_is_refused(peer: Any, argument: Any) -> None:
    one = peer.connect(1)
    args = orjson.dumps([argument])
    peer.probe.call(one, "blobs", "has", args=args, kind=CallKind.ASYNC, number=-1)
    (error,) = peer.probe.errors()
    assert error.startswith(("invalid id:", "too many ids"))


def test_changes_are_told_to_friends_only(peer: Any) -> None:
    one, stranger = peer.connect(1), peer.connect(STRANGER)
    for connection in (one, stranger):
        peer.probe.call(connection, "blobs", "changes", kind=CallKind.SOURCE, number=-7)
    assert peer.probe.errors() == ["method:blobs,changes is not in list of allowed methods"]
    peer.probe.blobs.add(DATA)
    peer.probe.tell(events.BlobStored(BLOB, len(DATA)))
    sent = [each for each in peer.probe.commands(SendItems) if each.call == -7]
    assert sent == [SendItems(-7, BodyType.TEXT, (BLOB.encode(),))]


def test_a_peer_without_wants_is_asked_by_has_and_changes(peer: Any) -> None:
    probe = peer.probe
    peer.want(BLOB)
    one = peer.connect(1, listens=False)
    error = "method:blobs,createWants is not in list of allowed methods"
    probe.end(one, peer.wants_calls[one], error)
    changes, has = probe.opened()
    assert (changes.name, changes.kind) == (("blobs", "changes"), CallKind.SOURCE)
    assert (has.name, has.args) == (("blobs", "has"), orjson.dumps([[BLOB]]))
    probe.hear(one, AnswerReceived(has.call, BodyType.JSON, b"[true]"))
    ((connection, call, _),) = peer.gets()
    peer.transfer(connection, call, DATA)
    assert BLOB in probe.blobs.held
    peer.want(MANY[0])
    (has,) = probe.opened()
    probe.hear(one, AnswerReceived(has.call, BodyType.JSON, b"[false]"))
    assert peer.gets() == []
    probe.hear(one, ItemsReceived(changes.call, BodyType.TEXT, [MANY[0].encode(), b"nonsense"]))
    assert [blob for _, _, blob in peer.gets()] == [MANY[0]]
    probe.end(one, changes.call, "no")
    peer.want(MANY[1])
    assert probe.opened() == [], "this too is refused: it is left alone"


def test_an_end_without_an_error_or_after_data_is_no_sign_of_the_old_way(peer: Any) -> None:
    one, two = peer.connect(1), peer.connect(2)
    peer.probe.end(one, peer.wants_calls[one])
    assert peer.probe.opened() == []
    peer.say(two, {})
    peer.probe.end(two, peer.wants_calls[two], "unexpected end of parent stream")
    assert peer.probe.opened() == []
