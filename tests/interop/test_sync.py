"""Two peers exchange their logs: Lichen and each kind of JavaScript peer, whoever dials."""

import json
import statistics

import pytest
from peers import Peer, wait_until
from scenes import (
    SYNC_S_MAX,
    MakePeer,
    assert_same_feed,
    befriend,
    make_contents,
    wait_for_connection,
)

KINDS = ("modern", "legacy")
ALL_KINDS = (*KINDS, "legacy-without-ebt")
DIALLERS = ("lichen dials", "lichen is dialled")
MESSAGES = 2000
LIVE_MESSAGES = 5
LIVE_S_MAX = 1.0


def connect(lichen: Peer, other: Peer, dialler: str) -> None:
    first, second = (lichen, other) if dialler == "lichen dials" else (other, lichen)
    first.connect(second.address)
    wait_for_connection(lichen, other)


def hear(peer: Peer, feed: str) -> int:
    """Return when the next message of a feed was added by a watched peer."""
    while True:
        seen_feed, _sequence, at = peer.seen.get(timeout=10)
        if seen_feed == feed:
            return at


@pytest.mark.parametrize("dialler", DIALLERS)
@pytest.mark.parametrize("kind", KINDS)
def test_logs_are_exchanged_byte_by_byte_and_go_on_live(
    make_peer: MakePeer, kind: str, dialler: str
) -> None:
    lichen, other = make_peer("lichen"), make_peer(kind)
    befriend(lichen, other)
    for peer in (lichen, other):
        assert peer.publish_many(make_contents(MESSAGES - 1)) == MESSAGES
    connect(lichen, other, dialler)

    lichen.wait_for({other.feed: MESSAGES}, SYNC_S_MAX)
    other.wait_for({lichen.feed: MESSAGES}, SYNC_S_MAX)

    for feed in (lichen.feed, other.feed):
        assert_same_feed(feed, lichen, other, MESSAGES)
    for writer, reader in ((lichen, other), (other, lichen)):
        reader.watch()
        times = []
        for number in range(LIVE_MESSAGES):
            began = writer.publish({"type": "post", "text": f"live {number} ✨"})
            times.append((hear(reader, writer.feed) - began) / 1e9)
        assert statistics.median(times) < LIVE_S_MAX
    for feed in (lichen.feed, other.feed):
        assert_same_feed(feed, lichen, other, MESSAGES + LIVE_MESSAGES)
    for peer in (lichen, other):
        assert peer.count() == 2 * (MESSAGES + LIVE_MESSAGES)


@pytest.mark.parametrize("dialler", DIALLERS)
def test_a_peer_without_ebt_is_served_through_history_streams(
    make_peer: MakePeer, dialler: str
) -> None:
    lichen, other = make_peer("lichen"), make_peer("legacy-without-ebt")
    befriend(lichen, other)
    lichen.publish_many(make_contents(399))
    other.publish_many(make_contents(299))
    connect(lichen, other, dialler)

    lichen.wait_for({other.feed: 300}, SYNC_S_MAX)
    other.wait_for({lichen.feed: 400}, SYNC_S_MAX)
    for peer in (lichen, other):
        peer.publish({"type": "post", "text": "live"})
    lichen.wait_for({other.feed: 301})
    other.wait_for({lichen.feed: 401})

    assert_same_feed(lichen.feed, lichen, other, 401)
    assert_same_feed(other.feed, lichen, other, 301)
    assert lichen.count() == other.count() == 702


@pytest.mark.parametrize("kind", KINDS)
def test_strangers_connect_and_exchange_nothing_until_they_follow(
    make_peer: MakePeer, kind: str
) -> None:
    lichen, other = make_peer("lichen"), make_peer(kind)
    lichen.publish({"type": "post", "text": "nobody hears this"})
    other.publish({"type": "post", "text": "nor this"})
    lichen.connect(other.address)
    wait_for_connection(lichen, other)
    witness = make_peer("lichen")
    befriend(lichen, witness)
    lichen.connect(witness.address)
    lichen.wait_for({witness.feed: 1})
    assert lichen.received(other.feed) == 0
    assert other.received(lichen.feed) == 0

    befriend(lichen, other)

    lichen.wait_for({other.feed: 2}, SYNC_S_MAX)
    other.wait_for({lichen.feed: 3}, SYNC_S_MAX)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_everything_survives_a_restart_of_both(make_peer: MakePeer, kind: str) -> None:
    lichen, other = make_peer("lichen"), make_peer(kind)
    befriend(lichen, other)
    lichen.publish_many(make_contents(19))
    other.publish_many(make_contents(19))
    lichen.connect(other.address)
    lichen.wait_for({other.feed: 20}, SYNC_S_MAX)
    other.wait_for({lichen.feed: 20}, SYNC_S_MAX)
    before = {feed: lichen.messages(feed) for feed in (lichen.feed, other.feed)}

    lichen.stop()
    other.stop()
    other.start()
    lichen.start()

    assert {feed: lichen.messages(feed) for feed in before} == before
    # Nobody asks: the peer that was connected is dialled again.
    wait_for_connection(lichen, other)
    lichen.publish({"type": "post", "text": "good morning"})
    other.publish({"type": "post", "text": "good morning"})
    lichen.wait_for({other.feed: 21}, SYNC_S_MAX)
    other.wait_for({lichen.feed: 21}, SYNC_S_MAX)
    for feed in (lichen.feed, other.feed):
        assert_same_feed(feed, lichen, other, 21)
    assert lichen.count() == other.count() == 42


def test_a_network_with_an_hmac_key_is_one(make_peer: MakePeer) -> None:
    key = "dGhlIGtleSBvZiBhIG5ldHdvcmsgb2Ygb3VyIG93biE="
    lichen, other = make_peer("lichen", hmac_key=key), make_peer("legacy", hmac_key=key)
    befriend(lichen, other)
    lichen.connect(other.address)
    lichen.wait_for({other.feed: 1}, SYNC_S_MAX)
    other.wait_for({lichen.feed: 1}, SYNC_S_MAX)
    outsider = make_peer("legacy")
    befriend(outsider, lichen)
    outsider.connect(lichen.address)
    wait_for_connection(outsider, lichen)
    lichen.publish({"type": "post", "text": "signed for this network only"})
    other.wait_for({lichen.feed: 3}, SYNC_S_MAX)
    assert outsider.received(lichen.feed) == 0
    assert lichen.received(outsider.feed) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_lichen_sends_looks_like_its_own_api_says(make_peer: MakePeer, kind: str) -> None:
    lichen, other = make_peer("lichen"), make_peer(kind)
    lichen.follow(other.feed)
    other.publish_many(make_contents(9))
    lichen.connect(other.address)
    lichen.wait_for({other.feed: 9}, SYNC_S_MAX)
    for key, text in other.messages(other.feed):
        assert lichen.call("get", key) == json.loads(text)
    wait_until(lambda: lichen.call("status")["views"][0]["folded"] == lichen.held())
    posts = list(lichen.source("messagesByType", {"type": "post", "keys": False}))
    types = [json.loads(text)["content"]["type"] for _key, text in other.messages(other.feed)]
    assert len(posts) == types.count("post")
