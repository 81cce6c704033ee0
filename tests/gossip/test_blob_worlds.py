"""Blobs in small worlds in virtual time: over two hops, past a crash, beside messages."""

import itertools
import random

import pytest

from lichen.gossip import events
from lichen.lab.world.peers import LabPeer
from lichen.lab.world.world import World

PICTURE = random.Random(1).randbytes(300_000)


def make_chain(world: World, count: int) -> list[LabPeer]:
    """Peers in a row, each following and linked to the next only."""
    peers = [world.add_peer(hops_max=1) for _ in range(count)]
    for first, second in itertools.pairwise(peers):
        first.follow(second)
        second.follow(first)
        world.connect(first, second)
    world.run(until=10.0)
    return peers


@pytest.mark.parametrize(("count", "is_reached"), [(2, True), (3, True), (4, True), (5, False)])
def test_a_wanted_blob_comes_from_three_links_away_and_no_further(
    count: int, is_reached: bool
) -> None:
    world = World(seed=count)
    peers = make_chain(world, count)
    blob = peers[-1].blobs.add(PICTURE)
    world.tell(peers[0], events.BlobWanted(blob))
    world.run(until=60.0)
    assert [blob in peer.blobs.held for peer in peers[:-1]] == [is_reached] * (count - 1)
    topics = [notice.topic for notice in peers[0].notices]
    assert topics.count("blob") == int(is_reached)


def test_a_pushed_blob_is_fetched_by_those_two_links_away() -> None:
    world = World(seed=1)
    peers = make_chain(world, 5)
    blob = peers[0].add_blob(PICTURE)
    world.run(until=60.0)
    assert [blob in peer.blobs.held for peer in peers] == [True, True, True, False, False]
    assert peers[0].pushes == {blob: (peers[1].id,)}


def test_a_push_ends_when_three_friends_have_it_also_over_restarts() -> None:
    world = World(seed=2)
    centre, *friends = [world.add_peer(hops_max=1) for _ in range(4)]
    for friend in friends:
        friend.follow(centre)
        centre.follow(friend)
    blob = centre.add_blob(PICTURE)
    for number, friend in enumerate(friends):
        assert len(centre.pushes[blob]) == number
        world.connect(friend, centre)
        world.run(until=world.now + 20.0)
        centre.stop()
        centre.start()
    assert all(blob in friend.blobs.held for friend in friends)
    assert centre.pushes == {}


def test_a_crash_in_the_middle_of_a_blob_is_got_over() -> None:
    world = World(seed=3)
    world.bytes_per_s = 100_000.0
    source, other, reader = [world.add_peer(hops_max=1) for _ in range(3)]
    for first, second in itertools.permutations((source, other, reader), 2):
        first.follow(second)
    blob = source.blobs.add(PICTURE)
    other.blobs.add(PICTURE)
    world.connect(reader, source)
    world.connect(reader, other)
    world.run(until=10.0)
    world.tell(reader, events.BlobWanted(blob))
    world.run(until=12.5)
    (download,) = reader.node._parts.blobs.downloads.values()
    assert 0 < download.received < len(PICTURE)
    peer = reader.node._parts.blobs.peers[download.connection].peer
    (source if peer == source.id else other).crash()
    world.run(until=30.0)
    assert blob in reader.blobs.held


def test_messages_go_on_while_blobs_are_sent() -> None:
    world = World(seed=4)
    world.bytes_per_s = 200_000.0
    source, reader = make_chain(world, 2)
    for number in range(20):
        blob = source.blobs.add(PICTURE + bytes([number]))
        world.tell(reader, events.BlobWanted(blob))
    began = world.now
    world.run(until=began + 2.0)
    source.publish()
    world.run(until=began + 6.0)
    assert reader.has(source) == 2
    assert len(reader.blobs.held) < 10, "the message did not wait for the blobs"
    end = next(iter(source.ends.values()))
    assert end.pipe.queued_bytes_peak < 600_000
    world.run(until=began + 60.0)
    assert len(reader.blobs.held) == 20
