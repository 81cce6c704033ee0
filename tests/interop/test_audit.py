"""Messages that wait for the audit of their signatures: JavaScript peers get them afterwards.

A Lichen has them chain first from a JavaScript peer and is stopped in the middle of its audit. So
far others have them from it, and no further; then all of them, byte by byte.
"""

import time

import pytest
from lichen_peer import HeldPeer
from peers import Peer, wait_until
from scenes import SYNC_S_MAX, MakePeer, assert_same_feed, make_contents, wait_for_connection

KINDS = ("modern", "legacy", "legacy-without-ebt")
MESSAGES = 2200
SILENCE_S = 1.0


def hold_in_mid_audit(make_peer: MakePeer, author: Peer) -> HeldPeer:
    """Return a Lichen that has a feed and has audited a part of it."""
    held: HeldPeer = make_peer("lichen-held")
    held.follow(author.feed)
    held.connect(author.address)
    held.wait_for({author.feed: MESSAGES}, SYNC_S_MAX)
    wait_until(lambda: 0 < held.unaudited() < MESSAGES * 4 // 5, SYNC_S_MAX)
    return held


def assert_no_more_comes(held: HeldPeer, reader: Peer, feed: str) -> None:
    """See that a peer is given what was audited, and that it is not all."""
    wait_until(lambda: reader.received(feed), SYNC_S_MAX)
    time.sleep(SILENCE_S)
    assert reader.received(feed) <= MESSAGES - held.unaudited()
    assert held.unaudited()


@pytest.fixture
def author(make_peer: MakePeer) -> Peer:
    """Return a JavaScript peer that has written much."""
    peer = make_peer("modern")
    assert peer.publish_many(make_contents(MESSAGES)) == MESSAGES
    return peer


@pytest.mark.parametrize("kind", KINDS)
def test_a_javascript_peer_gets_everything_from_a_lichen_in_mid_audit(
    make_peer: MakePeer, author: Peer, kind: str
) -> None:
    held, reader = hold_in_mid_audit(make_peer, author), make_peer(kind)
    for feed in (author.feed, held.feed):
        reader.follow(feed)
    reader.connect(held.address)
    wait_for_connection(held, reader)
    assert_no_more_comes(held, reader, author.feed)
    held.let_go()
    reader.wait_for({author.feed: MESSAGES}, SYNC_S_MAX)
    assert_same_feed(author.feed, author, reader, MESSAGES)
    author.publish({"type": "post", "text": "live ✨"})
    reader.wait_for({author.feed: MESSAGES + 1}, SYNC_S_MAX)
    assert_same_feed(author.feed, held, reader, MESSAGES + 1)


def test_a_lichen_that_has_it_chain_first_from_another_serves_it_on(
    make_peer: MakePeer, author: Peer
) -> None:
    held = hold_in_mid_audit(make_peer, author)
    second, reader = make_peer("lichen"), make_peer("legacy")
    for feed in (author.feed, held.feed):
        second.follow(feed)
    reader.follow(author.feed)
    second.connect(held.address)
    reader.connect(second.address)
    wait_for_connection(second, reader)
    assert_no_more_comes(held, reader, author.feed)
    held.let_go()
    reader.wait_for({author.feed: MESSAGES}, SYNC_S_MAX)
    for peer in (held, second, reader):
        assert_same_feed(author.feed, author, peer, MESSAGES)
