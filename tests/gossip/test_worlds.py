"""Small worlds of known shape, with figures: each message once, stalls handed over, little said."""

import itertools
from collections import Counter

import orjson
import pytest

from lichen.gossip import effects, events
from lichen.gossip.effects import Effect
from lichen.lab.world.links import End
from lichen.lab.world.peers import LabPeer
from lichen.lab.world.world import World
from lichen.wire.events import BodyType, CallReceived, Command, SendItems


class ListeningWorld(World):
    """Collects the feeds that are noted."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.said: set[str] = set()

    def _count(self, end: End, command: Command, size: int) -> None:
        for item in command.items if isinstance(command, SendItems) else ():
            if item.startswith(b'{"@'):
                self.said |= orjson.loads(item).keys()
        super()._count(end, command, size)


SHAPES = {
    "chain": lambda peers: list(itertools.pairwise(peers)),
    "ring": lambda peers: [*itertools.pairwise(peers), (peers[-1], peers[0])],
    "clique": lambda peers: list(itertools.combinations(peers, 2)),
}


def befriend(peers: list[LabPeer]) -> None:
    for first, second in itertools.permutations(peers, 2):
        first.follow(second)


def settle(world: World, peers: list[LabPeer], links: list[tuple[LabPeer, LabPeer]]) -> None:
    for first, second in links:
        world.connect(first, second)
    world.run(world.now + 20.0)
    assert all_equal(peers)


def all_equal(peers: list[LabPeer]) -> bool:
    return len({tuple(peer.has(other) for other in peers) for peer in peers}) == 1


@pytest.mark.parametrize("count", range(2, 9))
@pytest.mark.parametrize("shape", SHAPES)
def test_everybody_gets_everything_about_once(shape: str, count: int) -> None:
    world = World(seed=count)
    transmissions = world.transmissions = Counter()
    peers = [world.add_peer() for _ in range(count)]
    befriend(peers)
    for peer in peers:
        for _ in range(20):
            peer.publish()
    links = SHAPES[shape](peers)
    settle(world, peers, links if shape != "ring" or count > 2 else links[:1])
    assert sum(transmissions.values()) <= 1.3 * len(transmissions)

    transmissions.clear()
    for number in range(60):
        peers[number % count].publish()
        world.run(world.now + 0.5)
        assert all_equal(peers)
    due = 60 * (count - 1)
    assert due <= sum(transmissions.values()) <= 1.3 * due
    if shape == "chain":
        assert sum(transmissions.values()) == due


def test_a_peer_between_two_strangers_carries_within_hops_only() -> None:
    world = World(seed=7)
    first, middle, last = (world.add_peer(hops_max=1) for _ in range(3))
    first.follow(middle)
    middle.follow(first, last)
    last.follow(middle)
    world.connect(first, middle)
    world.connect(middle, last)
    world.run(30.0)
    assert (first.has(middle), last.has(middle)) == (2, 2)
    assert (first.has(last), last.has(first)) == (0, 0), "two hops away"
    world.tell(first, events.HopsChanged(2))
    world.run(60.0)
    assert (first.has(last), last.has(first)) == (1, 0)


def test_a_quiet_reconnect_says_nothing_of_what_both_have() -> None:
    world = ListeningWorld(seed=8)
    peers = [world.add_peer() for _ in range(2)]
    feeds = [world.add_peer() for _ in range(30)]
    befriend(peers)
    for feed in feeds:
        peers[0].follow(feed)
        peers[1].follow(feed)
        feed.publish()
        world.connect(feed, peers[0])
    world.connect(*peers)
    world.run(30.0)
    for feed in feeds:
        feed.stop()
    noted = []
    for end_run in (peers[1].stop, peers[1].stop, peers[1].crash):
        world.said.clear()
        end_run()
        world.run(world.now + 5.0)
        peers[1].start()
        world.run(world.now + 30.0)
        noted.append(len(world.said))
    assert noted[0] == 32, "what was sent is no proof that it was received"
    assert noted[1] == 0, "both clocks were remembered"
    assert noted[2] == 32, "after a loss the whole clock is told"


def test_messages_lost_by_a_crash_come_again() -> None:
    for seed in range(20):
        world = World(seed)
        peers = [world.add_peer() for _ in range(3)]
        befriend(peers)
        settle(world, peers, SHAPES["clique"](peers))
        world.sync_s = 1000.0
        for _ in range(50):
            peers[0].publish()
        world.run(world.now + 2.0)
        peers[1].crash()
        lost = peers[0].has(peers[0]) - peers[1].has(peers[0])
        assert lost == 50
        peers[1].start()
        world.run(world.now + 20.0)
        assert all_equal(peers), f"seed {seed}"


@pytest.mark.parametrize("seed", range(10))
def test_a_stuck_source_is_handed_over_within_ten_seconds(seed: int) -> None:
    world = World(seed)
    author, first, second, reader = (world.add_peer() for _ in range(4))
    befriend([author, first, second, reader])
    settle(
        world,
        [author, first, second, reader],
        [(author, first), (author, second), (first, reader), (second, reader)],
    )
    source = reader.node._parts.ebt.sources.source(author.id)
    assert source is not None
    for _ in range(500):
        author.publish()
    world.run(world.now + 0.05)
    reader.ends[source.connection].other.pipe.is_stuck = True
    world.run(world.now + 10.0)
    assert reader.has(author) == author.has(author)


def test_a_slow_source_is_handed_over_or_keeps_sending() -> None:
    world = World(seed=3)
    author, reader = world.add_peer(), world.add_peer()
    befriend([author, reader])
    settle(world, [author, reader], [(author, reader)])
    end = next(iter(author.ends.values()))
    end.pipe.bytes_per_s = 1_000.0
    for _ in range(100):
        author.publish()
    world.run(world.now + 60.0)
    assert reader.has(author) == author.has(author)
    assert end.pipe.queued_bytes_peak < 64 * 1024


class Mute:
    """Accepts every call and says nothing at all."""

    def may_connect(self, peer: str) -> bool:
        return True

    def handle(self, event: events.Event, now: float) -> list[Effect]:
        return []


class Asker:
    """Asks for everything from the start and reads nothing."""

    def __init__(self, feeds: list[str]) -> None:
        self.notes = ('{"' + '":0,"'.join(feeds) + '":0}').encode()

    def may_connect(self, peer: str) -> bool:
        return True

    def handle(self, event: events.Event, now: float) -> list[Effect]:
        if isinstance(event, events.FromPeer) and isinstance(event.event, CallReceived):
            items = SendItems(event.event.call, BodyType.JSON, (self.notes,))
            return [
                effects.Send(event.connection, items),
                effects.PauseReading(event.connection),
            ]
        return []


def test_peers_that_say_nothing_or_read_nothing_cost_little_and_are_dropped() -> None:
    world = World(seed=4)
    peers = [world.add_peer() for _ in range(3)]
    befriend(peers)
    for _ in range(20_000):
        peers[0].publish({"type": "post", "text": "y" * 600})
    ids = [peer.id for peer in peers]
    mute = world.add_peer(make_brain=lambda _: Mute())
    asker = world.add_peer(make_brain=lambda _: Asker(ids))
    for bad in (mute, asker):
        world.connect(peers[0], bad)
    world.run(1.0)
    peak = max(
        end.pipe.queued_bytes_peak for end in peers[0].ends.values() if end.other.peer == asker.id
    )
    for first, second in SHAPES["clique"](peers):
        world.connect(first, second)
    world.run(60.0)
    assert all_equal(peers)
    world.run(1000.0)
    reasons = peers[0].node.snapshot().close_reasons
    assert reasons["peer-does-not-read"] >= 1
    assert reasons["idle"] >= 1
    assert peak < 512 * 1024


def test_a_million_feeds_leave_other_peers_alone() -> None:
    world = World(seed=5)
    peers = [world.add_peer() for _ in range(2)]
    befriend(peers)
    flood = world.add_peer(
        make_brain=lambda _: Asker([f"@{number:043d}=.ed25519" for number in range(40_000)])
    )
    world.connect(peers[0], flood)
    world.connect(*peers)
    peers[0].publish()
    world.run(10.0)
    assert all_equal(peers)
    (session,) = [
        each for each in peers[0].node._parts.ebt.sessions.values() if each.peer == flood.id
    ]
    assert len(session.declined) <= 5_000
    assert len(session.claims) <= 2
