"""Who wants which blob, what is passed on, and what is pushed."""

import hashlib
from typing import Any

import orjson
import pytest

from lichen.feed.content import Contact
from lichen.feed.message import BlobId
from lichen.feed.refs import blob_id_from_bytes
from lichen.gossip import effects, events
from lichen.gossip.limits import (
    WANTS_OWN_MAX,
)
from lichen.wire.events import (
    CallKind,
)

DATA = bytes(range(256)) * 1000
STRANGER = 9
THEIRS = -50
"""The number of a peer's createWants here, as the probe gives it."""


def blob_of(data: bytes) -> BlobId:
    return blob_id_from_bytes(hashlib.sha256(data).digest())


BLOB = blob_of(DATA)
MANY = [blob_of(b"%d" % number) for number in range(7000)]


def test_a_node_without_blobs_neither_asks_nor_serves(make_probe: Any) -> None:
    probe = make_probe()
    connection = probe.connect(1)
    assert not [each for each in probe.opened() if each.name[0] == "blobs"]
    probe.call(connection, "blobs", "createWants", kind=CallKind.SOURCE)
    assert probe.errors() == ["method:blobs,createWants is not in list of allowed methods"]
    probe.tell(events.BlobWanted(BLOB))


def test_the_first_object_is_all_that_is_wanted_even_if_nothing(peer: Any) -> None:
    one = peer.connect(1)
    assert peer.told() == [(one, {})]
    peer.want(BLOB)
    assert peer.told() == [(one, {BLOB: -1})]
    two = peer.connect(2)
    assert peer.told() == [(two, {BLOB: -1})]
    assert peer.want(BLOB) == [], "wanting twice says nothing new"


def test_what_is_here_is_told_to_who_wants_it_and_not_wanted(peer: Any) -> None:
    blob = peer.probe.blobs.add(DATA)
    stranger = peer.connect(STRANGER)
    peer.say(stranger, {blob: -1, blob_of(b""): -1})
    assert peer.told() == [(stranger, {blob: len(DATA)})]
    peer.want(blob)
    assert peer.told() == []


@pytest.mark.parametrize(("hops", "forwarded"), [(-1, -2), (-2, -3), (-3, None), (-9, None)])
def test_wants_of_friends_go_on_as_far_as_sympathy(
    peer: Any, hops: int, forwarded: int | None
) -> None:
    one, two = peer.connect(1), peer.connect(2)
    peer.say(one, {BLOB: hops})
    expected = [] if forwarded is None else [(one, {BLOB: forwarded}), (two, {BLOB: forwarded})]
    assert sorted(peer.told()) == expected
    peer.say(two, {BLOB: len(DATA)})
    assert len(peer.gets()) == len(expected) / 2


def test_a_stranger_makes_us_fetch_nothing(peer: Any) -> None:
    stranger, other, friend = peer.connect(STRANGER), peer.connect(8), peer.connect(1)
    peer.say(stranger, {BLOB: -1})
    peer.say(other, {BLOB: len(DATA)})
    assert peer.told() == []
    for name, args in (("has", [BLOB]), ("get", [{"key": BLOB}])):
        kind = CallKind.ASYNC if name == "has" else CallKind.SOURCE
        number = -60 - len(name)
        peer.probe.call(stranger, "blobs", name, args=orjson.dumps(args), kind=kind, number=number)
    peer.say(friend, {BLOB: len(DATA)})
    assert peer.gets(peer.probe.everything) == []
    assert peer.probe.node.snapshot().blobs_wanted == 0


def test_a_stranger_that_is_followed_is_helped_and_helped_no_more_when_it_is_not(
    peer: Any,
) -> None:
    probe = peer.probe
    friend, stranger = peer.connect(1), peer.connect(STRANGER)
    peer.say(stranger, {BLOB: -1})
    follow = Contact(probe.own, probe.ids[STRANGER], 1, 50)
    found = probe.tell(events.Ingested(None, 0, (), contacts=(follow,))) + probe.wait(1)
    assert (friend, {BLOB: -2}) in peer.told(found)
    unfollow = Contact(probe.own, probe.ids[STRANGER], -2, 51)
    probe.tell(events.Ingested(None, 0, (), contacts=(unfollow,)))
    probe.wait(1)
    assert probe.node.snapshot().blobs_wanted == 0
    probe.tell(events.BlobStored(BLOB, 5))
    assert peer.told() == [(stranger, {BLOB: 5})], "it is told all the same"


def test_the_nearest_want_counts_and_an_echo_does_not(peer: Any) -> None:
    one, two, three = peer.connect(1), peer.connect(2), peer.connect(3)
    peer.say(one, {BLOB: -2})
    assert (three, {BLOB: -3}) in peer.told()
    peer.say(two, {BLOB: -1})
    assert (three, {BLOB: -2}) in peer.told()
    for connection, hops in ((three, -1), (three, -2), (one, -3)):
        peer.say(connection, {BLOB: hops})
        assert peer.told() == []
    peer.want(BLOB)
    assert (three, {BLOB: -1}) in peer.told()


def test_an_echo_does_not_keep_a_want_alive(peer: Any) -> None:
    one, two = peer.connect(1), peer.connect(2)
    peer.say(one, {BLOB: -1})
    assert (two, {BLOB: -2}) in peer.told()
    peer.say(two, {BLOB: -3})
    peer.probe.tell(events.Disconnected(one, "gone"))
    assert peer.probe.node.snapshot().blobs_wanted == 0
    peer.want(BLOB)
    peer.say(two, {BLOB: -2})
    for blob in MANY[:WANTS_OWN_MAX]:
        peer.want(blob)
    assert BLOB not in peer.probe.node._parts.blobs.wants, "the oldest was forgotten"


def test_a_blob_that_came_is_told_to_those_who_wanted_it(peer: Any) -> None:
    one, two, three = peer.connect(1), peer.connect(2), peer.connect(STRANGER)
    peer.say(one, {BLOB: -1})
    peer.say(three, {BLOB: -1})
    peer.say(two, {BLOB: len(DATA)})
    ((connection, call, _blob),) = peer.gets()
    found = peer.transfer(connection, call, DATA)
    assert sorted(peer.told(found)) == [(one, {BLOB: len(DATA)}), (three, {BLOB: len(DATA)})]
    assert peer.probe.of(effects.Notify, found) == [], "nobody here wanted it"
    assert peer.probe.node.snapshot().blobs_wanted == 0


def test_what_a_person_wanted_is_noticed(peer: Any) -> None:
    one = peer.connect(1)
    peer.want(BLOB)
    peer.say(one, {BLOB: len(DATA)})
    ((connection, call, blob),) = peer.gets()
    assert (connection, blob) == (one, BLOB)
    found = peer.transfer(connection, call, DATA)
    assert [each.detail for each in peer.probe.of(effects.Notify, found)] == [BLOB]
    assert peer.probe.blobs.held[BLOB] == DATA


def test_a_get_names_key_and_limit_as_javascript_peers_do(peer: Any) -> None:
    one = peer.connect(1)
    peer.want(BLOB)
    peer.say(one, {BLOB: 5})
    (opened,) = peer.probe.opened()
    assert opened.kind is CallKind.SOURCE
    assert orjson.loads(opened.args) == [{"key": BLOB, "max": 5242880}]


def test_a_peer_that_listens_later_is_told_everything(peer: Any) -> None:
    one = peer.connect(1, listens=False)
    held = peer.probe.blobs.add(b"late")
    peer.want(BLOB)
    peer.say(one, {held: -1})
    assert peer.told() == []
    peer.probe.call(one, "blobs", "createWants", kind=CallKind.SOURCE, number=THEIRS)
    assert peer.told() == [(one, {BLOB: -1})]
    peer.say(one, {held: -1})
    assert peer.told() == [(one, {held: 4})]


def test_a_blob_added_after_it_was_wanted_by_a_silent_peer_is_told_when_it_listens(
    peer: Any,
) -> None:
    one = peer.connect(1, listens=False)
    peer.say(one, {BLOB: -3})
    peer.probe.blobs.add(DATA)
    peer.probe.tell(events.BlobStored(BLOB, len(DATA)))
    peer.probe.call(one, "blobs", "createWants", kind=CallKind.SOURCE, number=THEIRS)
    assert peer.told() == [(one, {BLOB: len(DATA)})]


def test_wants_wait_while_the_pipe_is_full_and_are_merged(peer: Any) -> None:
    one = peer.connect(1)
    for blob in MANY[:900]:
        peer.probe.blobs.held[blob] = b"x"
    found = []
    for _ in range(40):
        found += peer.say(one, dict.fromkeys(MANY[:900], -1))
    objects = len(peer.told(found))
    assert objects < 10
    found = peer.probe.tell(events.Drained(one, 0))
    assert [len(told) for _, told in peer.told(found)] == [900]


def test_a_push_is_announced_until_three_friends_have_it(peer: Any) -> None:
    probe = peer.probe
    peer.connect(1)
    probe.blobs.add(DATA)
    found = probe.tell(events.BlobPushed(BLOB))
    assert [told for _, told in peer.told(found)] == [{BLOB: -1}]
    assert probe.of(effects.SavePush) == [effects.SavePush(BLOB, ())]
    for number in (STRANGER, 2, 2, 3, 4):
        connection = peer.connect(number)
        assert peer.told() == [(connection, {BLOB: -1})]
        peer.say(connection, {BLOB: len(DATA)})
    assert [each.peers for each in probe.of(effects.SavePush, probe.everything)] == [
        (),
        (probe.ids[2],),
        (probe.ids[2], probe.ids[3]),
        None,
    ]
    connection = peer.connect(5)
    assert peer.told() == [(connection, {})]
    assert peer.gets(probe.everything) == [], "what is here is not fetched"


def test_the_oldest_push_gives_way(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lichen.gossip.exchange.blobs.PUSHES_MAX", 2)
    for blob in MANY[:3]:
        peer.probe.tell(events.BlobPushed(blob))
    assert effects.SavePush(MANY[0], None) in peer.probe.of(effects.SavePush)
    connection = peer.connect(1)
    assert peer.told() == [(connection, {MANY[1]: -1, MANY[2]: -1})]


def test_pushes_go_on_in_the_next_run_and_end_with_the_blob(
    make_probe: Any, make_blob_probe: Any
) -> None:
    probe = make_probe(keeps_blobs=True, pushes=((BLOB, ()),))
    assert probe.of(effects.SavePush) == [], "what was read is not written again"
    peer = make_blob_probe(probe)
    one = peer.connect(1)
    assert peer.told() == [(one, {BLOB: -1})]
    probe.tell(events.BlobRemoved(BLOB))
    assert probe.of(effects.SavePush) == [effects.SavePush(BLOB, None)]
    peer.connect(2)
    assert peer.told()[-1][1] == {}
