"""What goes wrong between real peers: another network, another identity, sudden death."""

import time

import pytest
from lichen_peer import LichenPeer
from peers import PeerError, wait_until
from scenes import (
    SYNC_S_MAX,
    MakePeer,
    assert_same_feed,
    befriend,
    make_contents,
    wait_for_connection,
)

KINDS = ("modern", "legacy")
OTHER_NETWORK = "YSBuZXR3b3JrIG9mIG91ciBvd24sIG5vdCB0aGVpcnM="
MESSAGES = 3000
FLUSHED_S = 1.0
"""After this the JavaScript peers have written what they published."""
REDIAL_S_MAX = 40


def assert_lichen_is_well(lichen: LichenPeer) -> None:
    assert [f for f in lichen.call("lichen.doctor") if f["verdict"] == "fail"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_lichen_says_why_a_peer_of_another_network_cannot_be_reached(
    make_peer: MakePeer, kind: str
) -> None:
    lichen, other = make_peer("lichen"), make_peer(kind, network_key=OTHER_NETWORK)
    with pytest.raises(PeerError, match="another network key"):
        lichen.connect(other.address)
    wait_until(lambda: "client sent invalid challenge (phase 1)" in other.printed)
    assert lichen.connected() == other.connected() == []
    assert_lichen_is_well(lichen)


@pytest.mark.parametrize("kind", KINDS)
def test_a_peer_of_another_network_is_turned_away_without_an_answer(
    make_peer: MakePeer, kind: str
) -> None:
    lichen, other = make_peer("lichen"), make_peer(kind, network_key=OTHER_NETWORK)
    with pytest.raises(PeerError, match=r"expecting server to accept challenge \(phase 1\)"):
        other.connect(lichen.address)
    friend = make_peer(kind)
    befriend(lichen, friend)
    friend.connect(lichen.address)
    lichen.wait_for({friend.feed: 1}, SYNC_S_MAX)
    assert lichen.connected() == [friend.feed]
    closed = lichen.call("status")["network"]
    assert any("handshake" in reason or "network" in reason for reason in closed["close_reasons"])


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_talks_to_a_peer_with_another_identity_than_its_address_says(
    make_peer: MakePeer, kind: str
) -> None:
    lichen, other, stranger = make_peer("lichen"), make_peer(kind), make_peer(kind)
    wrong = stranger.address.split("~shs:")[1]
    with pytest.raises(PeerError, match="another identity than the address says"):
        lichen.connect(other.address.split("~")[0] + "~shs:" + wrong)
    with pytest.raises(PeerError, match="phase"):
        other.connect(lichen.address.split("~")[0] + "~shs:" + wrong)
    assert lichen.connected() == other.connected() == []
    lichen.connect(other.address)
    wait_for_connection(lichen, other)


@pytest.mark.parametrize("victim", ["lichen", "other"])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_or_doubled_when_a_peer_dies_in_mid_sync(
    make_peer: MakePeer, kind: str, victim: str
) -> None:
    """Both send; one is killed as by a power cut, restarted, and the survivor dials again."""
    lichen, other = make_peer("lichen"), make_peer(kind)
    befriend(lichen, other)
    for peer in (lichen, other):
        peer.publish_many(make_contents(MESSAGES - 1))
    time.sleep(FLUSHED_S)
    dying, surviving = (lichen, other) if victim == "lichen" else (other, lichen)
    surviving.connect(dying.address)
    wait_until(
        lambda: lichen.held() > MESSAGES + 100 or other.received(lichen.feed) > 100, every_s=0.002
    )

    dying.kill()
    held = surviving.received(dying.feed)
    dying.start()

    before = dying.received(surviving.feed)
    assert held < MESSAGES or before < MESSAGES
    if surviving is lichen:
        wait_until(lambda: dying.feed in lichen.connected(), REDIAL_S_MAX)
    else:
        surviving.connect(dying.address)
    surviving.wait_for({dying.feed: MESSAGES}, SYNC_S_MAX)
    dying.wait_for({surviving.feed: MESSAGES}, SYNC_S_MAX)
    for feed in (lichen.feed, other.feed):
        assert_same_feed(feed, lichen, other, MESSAGES)
    assert lichen.count() == other.count() == 2 * MESSAGES
    assert_lichen_is_well(lichen)
    for writer, reader in ((lichen, other), (other, lichen)):
        writer.publish({"type": "post", "text": "I am back"})
        reader.wait_for({writer.feed: MESSAGES + 1})
