"""How messages spread among many peers of the real brain: reach, delay, redundancy and cost.

Peers stand on a random graph, each linked with about ``links`` others. Some of them write, all of
them follow those who do, so that every message is to reach everybody. Delay is from the moment of
writing to the moment when a peer has the message in its log; redundancy is how often a message
came over a link for each peer that got it, less one.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from lichen.feed.content import Contact
from lichen.feed.message import FeedId
from lichen.gossip import events
from lichen.gossip.effects import Effect
from lichen.gossip.events import Address, Event
from lichen.lab.world.chance import Chance
from lichen.lab.world.formats import lab_identity
from lichen.lab.world.links import End
from lichen.lab.world.network import Lognormal
from lichen.lab.world.peers import LabPeer
from lichen.lab.world.world import World
from lichen.wire.events import Command

PEERS_MAX: Final = 20_000
"""More do not fit the memory of a laptop: a peer takes some 100 kB."""
SETTLE_S: Final = 30.0
"""For links to come up before the first message, and for the last one to get around."""


class Impossible(ValueError):  # noqa: N818 (it says what is the matter)
    """Parameters that no world can have, in words."""


class Report(msgspec.Struct, frozen=True):
    """What a run came to."""

    peers: int
    seed: int
    messages: int
    delivery: float
    """Share of (message, peer) pairs that came about."""
    latency_p50_s: float
    latency_p99_s: float
    redundancy: float
    """Copies of a message that a peer got beyond the first, on average."""
    notes_per_delivery: float
    bytes_per_delivery: float
    bytes: int
    """Everything that went over links, from the first dial to the end."""
    events: int
    """Steps of all brains."""
    virtual_s: float
    trace_hash: str


class _Watch:
    """Measures when messages come."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._written_at: dict[tuple[FeedId, int], float] = {}
        self.delays_s: list[float] = []

    def published(self, peer: LabPeer, sequence: int, data: bytes, branch: int) -> None:
        """Note when a message was written."""
        self._written_at[peer.id, sequence] = self._world.now

    def handled(self, peer: LabPeer, event: Event, answer: Sequence[Effect]) -> None:
        """Note when messages are in a log."""
        if type(event) is not events.Ingested or event.connection is None:
            return
        for progress in event.progress:
            for sequence in range(progress.first, progress.last + 1):
                delay_s = self._world.now - self._written_at[progress.feed, sequence]
                self.delays_s.append(delay_s)

    def delivered(self, end: End, command: Command) -> None:
        """Look at nothing: the world counts what is delivered."""


def _check(peers: int, links: int, authors: int, messages: int, churn: float) -> None:
    if not 2 <= peers <= PEERS_MAX:
        raise Impossible(f"there are 2 to {PEERS_MAX} peers, not {peers}")
    if not 1 <= links < peers:
        raise Impossible(f"a peer among {peers} has 1 to {peers - 1} links, not {links}")
    if not 1 <= authors <= peers:
        raise Impossible(f"of {peers} peers 1 to {peers} write, not {authors}")
    if messages < 1:
        raise Impossible(f"at least one message is written, not {messages}")
    if not 0.0 <= churn < 1.0:
        raise Impossible(f"churn is a share of peers from 0 to below 1, not {churn}")


def gossip(
    peers: int,
    seed: int,
    *,
    links: int = 6,
    authors: int = 10,
    messages: int = 50,
    pause_s: float = 1.0,
    churn: float = 0.0,
    is_sealed: bool = True,
) -> Report:
    """Let messages spread and measure. Raises Impossible.

    ``churn`` is the share of peers that, at any time, are away; they come back and go again.
    """
    _check(peers, links, authors, messages, churn)
    world = _make_world(peers, seed, links, authors, is_sealed)
    watch = world.watcher = _Watch(world)
    world.run(SETTLE_S)
    if churn:
        _churn(world, Chance(seed, "churn"), churn, authors)
    before = world.message_count
    for number in range(messages):
        world.run(SETTLE_S + number * pause_s)
        world.peers[number % authors].publish()
    world.run(SETTLE_S + messages * pause_s)
    for peer in world.peers:
        if not peer.is_up:
            peer.start()
    world.run(world.now + SETTLE_S)
    return _report(world, watch, messages, world.message_count - before)


def _make_world(peers: int, seed: int, links: int, authors: int, is_sealed: bool) -> World:
    world = World(seed, latency=Lognormal(), is_sealed=is_sealed)
    chance = Chance(seed, "graph")
    writers = [lab_identity(number).id for number in range(authors)]
    for number in range(peers):
        own = lab_identity(number).id
        follows = tuple(Contact(own, writer, 1, 1) for writer in writers if writer != own)
        peer = LabPeer(world, number, hops_max=1, contacts=follows)
        for other in _neighbours(chance, peers, number, links):
            target = lab_identity(other).id
            address = f"lab:p{other}"
            peer.addresses[address] = Address(address, target)
        world.admit(peer)
    return world


def _neighbours(chance: Chance, peers: int, number: int, links: int) -> list[int]:
    """Return whom a peer dials: one before it, so that nobody is left out, and some at random."""
    found: dict[int, None] = {}
    if number:
        found[chance.below(number)] = None
    for _ in range(100):
        if len(found) >= max(1, links // 2):
            break
        other = chance.below(peers)
        if other != number:
            found[other] = None
    return list(found)


def _churn(world: World, chance: Chance, share: float, authors: int) -> None:
    """Have everybody but the authors go and come: away for a minute on average."""
    away_s = 60.0
    here_s = away_s * (1 - share) / share
    for peer in world.peers[authors:]:
        world.after(chance.exponential(here_s), _leave, world, chance, peer, here_s, away_s)


def _leave(world: World, chance: Chance, peer: LabPeer, here_s: float, away_s: float) -> None:
    if peer.is_up:
        peer.stop()
    world.after(chance.exponential(away_s), _return, world, chance, peer, here_s, away_s)


def _return(world: World, chance: Chance, peer: LabPeer, here_s: float, away_s: float) -> None:
    if not peer.is_up:
        peer.start()
    world.after(chance.exponential(here_s), _leave, world, chance, peer, here_s, away_s)


def _report(world: World, watch: _Watch, messages: int, copies: int) -> Report:
    due = messages * (len(world.peers) - 1)
    delays = sorted(watch.delays_s)
    got = len(delays)
    each = max(1, got)
    return Report(
        peers=len(world.peers),
        seed=world.seed,
        messages=messages,
        delivery=got / due,
        latency_p50_s=delays[got // 2] if delays else 0.0,
        latency_p99_s=delays[got * 99 // 100] if delays else 0.0,
        redundancy=copies / each - 1.0,
        notes_per_delivery=world.note_count / each,
        bytes_per_delivery=world.byte_count / each,
        bytes=world.byte_count,
        events=world.event_count,
        virtual_s=world.now,
        trace_hash=world.trace_hash,
    )
