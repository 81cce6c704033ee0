"""Gossip among many peers of the deployed code: reach, delay, redundancy and cost.

A ``World`` runs the brain of every peer in virtual time, on links with real frame sizes. Some peers
write, everybody carries their feeds. Delay is from the moment of writing until a message is in a
peer's log; redundancy (RMR) is how many copies a peer got over links for each message that it kept,
less one. Only honest peers are asked what they have; a peer that is away is asked when it is back.
"""

from collections.abc import Callable, Sequence
from typing import Final

from lichen.feed.content import Contact
from lichen.feed.message import FeedId
from lichen.gossip.effects import Effect
from lichen.gossip.events import Address, Event, Ingested
from lichen.lab import chance as arrays
from lichen.lab.experiments.experiment import Impossible, ResultRow, Values
from lichen.lab.experiments.flooding import MAKERS
from lichen.lab.faults.crooks import TwoFaced, make_crook
from lichen.lab.faults.draw import ROLES
from lichen.lab.graphs.graph import Graph, ImpossibleGraph
from lichen.lab.world.chance import Chance
from lichen.lab.world.formats import lab_identity
from lichen.lab.world.garbage import no_collections, rare_collections
from lichen.lab.world.links import End
from lichen.lab.world.network import Latency, Lognormal, Square, Steady, Uniform
from lichen.lab.world.peers import LabPeer
from lichen.lab.world.world import World
from lichen.wire.events import Command

LATENCIES: Final[dict[str, Callable[[int], Latency]]] = {
    "lognormal": lambda _seed: Lognormal(),
    "uniform": lambda _seed: Uniform(0.005, 0.05),
    "map": Square,
    "steady": lambda _seed: Steady(0.05),
}
CROOKS: Final = tuple(role for role in ROLES if role != "old")
"""A peer without EBT is none: it says nothing wrong."""
SETTLE_S: Final = 30.0
"""For links to come up before the first message, and for the last one to get around."""
AWAY_S: Final = 60.0
"""How long a peer that goes stays away, on average."""
SHARES: Final = 20
"""Points of the curve of delays."""


class Watch:
    """Measures when messages come, and over how many links."""

    def __init__(self, world: World, honest: set[int]) -> None:
        self._world = world
        self._honest = honest
        self._written_at: dict[tuple[FeedId, int], float] = {}
        self._hops: dict[tuple[FeedId, int], dict[int, int]] = {}
        self.delays_s: list[float] = []
        self.hops: list[int] = []
        self.held = 0
        """Messages that came over links and were kept, by anybody."""

    def published(self, peer: LabPeer, sequence: int, data: bytes, branch: int) -> None:
        """Note when a message was written."""
        if not branch:
            self._written_at[peer.id, sequence] = self._world.now
            self._hops[peer.id, sequence] = {peer.number: 0}

    def handled(self, peer: LabPeer, event: Event, answer: Sequence[Effect]) -> None:
        """Note when messages are in a log."""
        if type(event) is not Ingested or event.connection is None:
            return
        end = peer.ends.get(event.connection)
        source = None if end is None else end.other.owner.number
        for progress in event.progress:
            for sequence in range(progress.first, progress.last + 1):
                self._note(peer, (progress.feed, sequence), source)

    def _note(self, peer: LabPeer, message: tuple[FeedId, int], source: int | None) -> None:
        written_at = self._written_at.get(message)
        if written_at is None:
            return
        self.held += 1
        if peer.number in self._honest:
            self.delays_s.append(self._world.now - written_at)
            known = self._hops[message]
            if source in known:
                known[peer.number] = known[source] + 1
                self.hops.append(known[peer.number])

    def delivered(self, end: End, command: Command) -> None:
        """Look at nothing: the world counts what is delivered."""


class Gossip:
    """One run: a world on a graph, and what is done to it."""

    def __init__(self, seed: int, values: Values, graph: Graph) -> None:
        self.values = values
        self.graph = graph
        self.world = World(seed, latency=LATENCIES[str(values["latency"])](seed))
        self.chance = Chance(seed, "gossip")
        peers, feeds = graph.peers, int(values["feeds"])
        others = list(range(feeds, peers))
        crooks = min(round(float(values["byzantine"]) * peers), len(others))
        self.crooks = set(self.chance.sample(others, crooks))
        self.watch = self.world.watcher = Watch(self.world, set(range(peers)) - self.crooks)
        self.messages = 0
        self._populate(feeds)

    def _populate(self, feeds: int) -> None:
        world, seed = self.world, self.world.seed
        ids = [lab_identity(number).id for number in range(self.graph.peers)]
        addresses: list[list[Address]] = [[] for _ in ids]
        pairs = zip(self.graph.first.tolist(), self.graph.second.tolist(), strict=True)
        for first, second in pairs:
            # Who comes later dials: the other one is there.
            addresses[second].append(Address(f"lab:p{first}", ids[first]))
        for number, own in enumerate(ids):
            follows = tuple(Contact(own, feed, 1, 1) for feed in ids[:feeds] if feed != own)
            role = self.chance.pick(CROOKS) if number in self.crooks else ""
            kind = TwoFaced if role == "equivocate" else LabPeer
            peer = kind(world, number, hops_max=1, contacts=follows)
            peer.addresses = {each.address: each for each in addresses[number]}
            peer.crook = make_crook(role, Chance(seed, "crook", number))
            world.admit(peer)

    def run(self) -> ResultRow:
        """Let links come up and messages spread, then let everybody come back, and measure."""
        world, values = self.world, self.values
        with no_collections():
            world.run(SETTLE_S)
        ends_at = SETTLE_S + 60.0 * float(values["minutes"])
        copies = -world.message_count
        self._disturb(ends_at)
        pause_s = 3600.0 / (float(values["rate"]) * int(values["feeds"]))
        at, number = SETTLE_S, 0
        while at < ends_at:
            world.run(at)
            self._write(world.peers[number % int(values["feeds"])])
            at += self.chance.exponential(pause_s)
            number += 1
        world.run(ends_at)
        for peer in world.peers:
            if not peer.is_up:
                peer.start()
        world.run(ends_at + SETTLE_S)
        return self._row(copies + world.message_count)

    def _write(self, peer: LabPeer) -> None:
        peer.publish()
        self.messages += 1

    # What goes wrong

    def _disturb(self, ends_at: float) -> None:
        churn, loss = float(self.values["churn"]), float(self.values["loss"])
        if churn:
            here_s = AWAY_S * (1 - churn) / churn
            for peer in self.world.peers[int(self.values["feeds"]) :]:
                self._later(here_s, self._leave, peer, here_s, ends_at)
        if loss:
            self._later(60.0 / self.graph.links / loss, self._break, loss, ends_at)

    def _later(self, mean_s: float, action: Callable[..., None], *args: object) -> None:
        self.world.after(self.chance.exponential(mean_s), action, *args)

    def _leave(self, peer: LabPeer, here_s: float, ends_at: float) -> None:
        if self.world.now < ends_at:
            peer.stop()
            self._later(AWAY_S, self._return, peer, here_s, ends_at)

    def _return(self, peer: LabPeer, here_s: float, ends_at: float) -> None:
        if not peer.is_up:
            peer.start()
        self._later(here_s, self._leave, peer, here_s, ends_at)

    def _break(self, loss: float, ends_at: float) -> None:
        if self.world.now >= ends_at:
            return
        peer = self.chance.pick(self.world.peers)
        if peer.ends:
            self.world.break_link(self.chance.pick(list(peer.ends.values())), "connection-reset")
        self._later(60.0 / self.graph.links / loss, self._break, loss, ends_at)

    # What came of it

    def _row(self, copies: int) -> ResultRow:
        world, watch = self.world, self.watch
        due = self.messages * (self.graph.peers - len(self.crooks) - 1)
        delays = sorted(watch.delays_s)
        hops = sorted(watch.hops)
        kept = max(1, watch.held)
        return {
            "links": self.graph.links,
            "messages": self.messages,
            "delivery": len(delays) / max(1, due),
            "latency_p50_s": quantile(delays, 0.5),
            "latency_p99_s": quantile(delays, 0.99),
            "hops_p50": quantile(hops, 0.5),
            "hops_p99": quantile(hops, 0.99),
            "redundancy": copies / kept - 1,
            "notes_each": world.note_count / kept,
            "bytes_each": world.byte_count / kept,
            "bytes": world.byte_count,
            "events": world.event_count,
            "virtual_s": world.now,
            "trace_hash": world.trace_hash,
            "delay_curve_ms": [
                round(1000 * quantile(delays, share / SHARES)) for share in range(SHARES + 1)
            ],
        }


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which a share of ordered values lies, 0 if there are none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def make_graph(seed: int, values: Values) -> Graph:
    """Return who is linked with whom. Raises Impossible."""
    kind, peers = str(values["graph"]), int(values["peers"])
    try:
        return MAKERS[kind](peers, int(values["degree"]), arrays.Chance(seed, "gossip", kind))
    except ImpossibleGraph as error:
        raise Impossible(str(error)) from error


def run(seed: int, values: Values) -> list[ResultRow]:
    """Let peers of the real brain gossip. Raises Impossible."""
    if int(values["feeds"]) > int(values["peers"]):
        raise Impossible(f"{values['feeds']} feeds take as many peers, not {values['peers']}")
    graph = make_graph(seed, values)
    with rare_collections():
        return [Gossip(seed, values, graph).run()]
