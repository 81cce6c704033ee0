"""The follow graph decides what is exchanged: hops, follows, blocks, with real peers."""

import itertools
import time
from pathlib import Path

import pytest
from peers import PeerError, wait_until
from scenes import (
    SYNC_S_MAX,
    MadeFeed,
    MakePeer,
    assert_same_feed,
    befriend,
    block,
    follow,
    load,
    make_contents,
    wait_for_connection,
)

KINDS = ("modern", "legacy")
SETTLED_S = 1.0
"""After this, what is not there will not come: both sides let the follow graph settle first."""


def make_chain() -> list[MadeFeed]:
    """Return feeds of which each follows the next; the first is to be followed by somebody."""
    chain = [MadeFeed(number) for number in range(1, 5)]
    for feed, following in itertools.pairwise(chain):
        feed.write(*make_contents(10), follow(following.id))
    chain[-1].write(*make_contents(5))
    return chain


@pytest.mark.parametrize("kind", KINDS)
def test_lichen_fetches_within_its_hops_and_no_further(
    make_peer: MakePeer, tmp_path: Path, kind: str
) -> None:
    """The other peer holds feeds at 2, 3, 4 and 5 hops from Lichen, whose limit is 2."""
    lichen, other = make_peer("lichen"), make_peer(kind, hops=5)
    at_two, at_three, *far = make_chain()
    load(other, [at_two, at_three, *far], tmp_path / "chain.jsonl")
    other.follow(at_two.id)
    befriend(lichen, other)
    lichen.connect(other.address)

    lichen.wait_for({at_two.id: 11}, SYNC_S_MAX)
    other.publish({"type": "post", "text": "after all that"})
    lichen.wait_for({other.feed: 3}, SYNC_S_MAX)
    assert_same_feed(at_two.id, lichen, other, 11)
    time.sleep(SETTLED_S)
    assert [lichen.received(feed.id) for feed in (at_three, *far)] == [0, 0, 0]

    lichen.call("lichen.setHops", 3)

    lichen.wait_for({at_three.id: 11}, SYNC_S_MAX)
    time.sleep(SETTLED_S)
    assert [lichen.received(feed.id) for feed in far] == [0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_lichen_serves_follows_of_follows(make_peer: MakePeer, tmp_path: Path, kind: str) -> None:
    """Lichen replicates 1 to 3 hops; the other peer's limit is 2 hops, one of them Lichen."""
    lichen, other = make_peer("lichen", hops=3), make_peer(kind)
    at_two, at_three, *far = make_chain()
    load(lichen, [at_two, at_three, *far], tmp_path / "chain.jsonl")
    lichen.follow(at_two.id)
    befriend(lichen, other)
    other.connect(lichen.address)

    other.wait_for({at_two.id: 11}, SYNC_S_MAX)
    lichen.publish({"type": "post", "text": "after all that"})
    other.wait_for({lichen.feed: 3}, SYNC_S_MAX)

    assert_same_feed(at_two.id, lichen, other, 11)
    time.sleep(SETTLED_S)
    assert [other.received(feed.id) for feed in (at_three, *far)] == [0, 0, 0]


def test_a_feed_passes_through_lichen_from_one_kind_of_peer_to_the_other(
    make_peer: MakePeer,
) -> None:
    modern, lichen, legacy = make_peer("modern"), make_peer("lichen"), make_peer("legacy")
    befriend(modern, lichen)
    befriend(lichen, legacy)
    modern.publish_many(make_contents(200))
    legacy.publish_many(make_contents(200))
    modern.connect(lichen.address)
    # First this, then the next: a legacy peer does not ask again, whoever serves it, for a feed of
    # which it was told before it wanted it and of which nothing was there yet.
    lichen.wait_for({modern.feed: 201}, SYNC_S_MAX)
    legacy.connect(lichen.address)
    modern.wait_for({legacy.feed: 201}, SYNC_S_MAX)
    legacy.wait_for({modern.feed: 201}, SYNC_S_MAX)
    for writer, reader in ((modern, legacy), (legacy, modern)):
        writer.publish({"type": "post", "text": "live, over two hops"})
        reader.wait_for({writer.feed: 202})
        assert_same_feed(writer.feed, modern, legacy, 202)


@pytest.mark.parametrize("kind", KINDS)
def test_unfollowing_ends_fetching(make_peer: MakePeer, kind: str) -> None:
    lichen, other = make_peer("lichen"), make_peer(kind)
    witness = make_peer("lichen")
    befriend(lichen, other)
    befriend(lichen, witness)
    lichen.connect(other.address)
    lichen.connect(witness.address)
    lichen.wait_for({other.feed: 1, witness.feed: 1}, SYNC_S_MAX)
    lichen.unfollow(other.feed)
    wait_until(lambda: lichen.call("friends.hops").get(other.feed, -1) < 0)
    lichen.publish({"type": "post", "text": "farewell"})
    other.wait_for({lichen.feed: 4}, SYNC_S_MAX)

    other.publish_many(make_contents(5))
    witness.publish({"type": "post", "text": "meanwhile"})

    lichen.wait_for({witness.feed: 2}, SYNC_S_MAX)
    time.sleep(SETTLED_S)
    assert lichen.received(other.feed) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_peer_that_lichen_blocks_is_cut_off_and_turned_away_in_the_handshake(
    make_peer: MakePeer, kind: str
) -> None:
    lichen, other = make_peer("lichen"), make_peer(kind)
    befriend(lichen, other)
    other.connect(lichen.address)
    other.wait_for({lichen.feed: 1}, SYNC_S_MAX)

    lichen.block(other.feed)

    wait_until(lambda: other.feed not in lichen.connected())
    wait_until(lambda: lichen.feed not in other.connected())
    with pytest.raises(PeerError, match=r"server hung up when we sent hello \(phase 3\)"):
        other.connect(lichen.address)
    with pytest.raises(PeerError, match="You block this peer"):
        lichen.connect(other.address)
    lichen.publish({"type": "post", "text": "not for everybody"})
    time.sleep(SETTLED_S)
    assert other.received(lichen.feed) <= 2
    assert lichen.connected() == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_peer_that_blocks_lichen_turns_it_away(make_peer: MakePeer, kind: str) -> None:
    lichen, other = make_peer("lichen"), make_peer(kind)
    lichen.follow(other.feed)
    other.publish({"type": "post", "text": "not for everybody"})
    other.block(lichen.feed)
    with pytest.raises(PeerError, match="does not want to talk to you"):
        lichen.connect(other.address)
    assert lichen.received(other.feed) == 0
    assert lichen.call("status")["isRunning"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_feed_is_not_served_to_a_peer_that_its_author_blocks(
    make_peer: MakePeer, tmp_path: Path, kind: str
) -> None:
    """Both peers follow two authors, one of whom blocks the peer that has nothing of them yet."""
    lichen, other = make_peer("lichen"), make_peer(kind)
    for giver, taker, number in ((lichen, other, 10), (other, lichen, 20)):
        blocking, neutral = MadeFeed(number), MadeFeed(number + 1)
        blocking.write(*make_contents(4), block(taker.feed), *make_contents(4))
        neutral.write(*make_contents(9))
        load(giver, [blocking, neutral], tmp_path / f"{number}.jsonl")
        giver.follow(blocking.id)
        giver.follow(neutral.id)
        taker.follow(blocking.id)
        taker.follow(neutral.id)
        other.connect(lichen.address)
        wait_for_connection(lichen, other)

        taker.wait_for({neutral.id: 9}, SYNC_S_MAX)
        assert_same_feed(neutral.id, giver, taker, 9)
        time.sleep(SETTLED_S)
        assert taker.received(blocking.id) == 0
