"""Worlds beside arrays: the event-level lab and the array models on the same graphs.

Both spread the same messages over the same links with the same delays: ``world`` is the lab of
brains, heaps and frames, ``arrays`` a formula over the graph. They share no code but the graph.
"""

from collections.abc import Callable, Mapping

import numpy as np

from lichen.feed.content import Contact
from lichen.gossip.events import Address
from lichen.lab.arrays.flood import flood, settled
from lichen.lab.chance import Chance, Floats
from lichen.lab.experiments.gossip import Watch, quantile
from lichen.lab.graphs.graph import Graph
from lichen.lab.graphs.random import random_regular, scale_free
from lichen.lab.reproduce.table import Effort, Figure, Table, within
from lichen.lab.world.chance import Chance as Stream
from lichen.lab.world.eager import EagerBrain
from lichen.lab.world.formats import lab_identity
from lichen.lab.world.garbage import rare_collections
from lichen.lab.world.links import frame_bytes
from lichen.lab.world.peers import Brain, LabPeer
from lichen.lab.world.world import World
from lichen.wire.events import BodyType, SendItems
from lichen.words import N_

PEERS = 200
GRAPHS = 3
WARM_MESSAGES = 25
"""Until then sources still change for the better."""
MESSAGES = 10
PAUSE_S = 5.0
INGEST_S = 0.002
JITTER = 1.0
"""A message may take up to so much longer than its link's own delay, as a share of that."""
FIGURES = ("copies", "hops p50", "hops p99", "bytes")
TIMED = (*FIGURES, "seconds p50", "seconds p99")
Cost = dict[str, float]


class _Measured:
    """The delays of one graph, for a world that asks pair by pair."""

    def __init__(self, graph: Graph, delays_s: Floats) -> None:
        speakers = np.repeat(np.arange(graph.peers), graph.degrees).tolist()
        pairs = zip(speakers, graph.ends.tolist(), strict=True)
        self._delays_s: dict[tuple[int, int], float] = dict(
            zip(pairs, delays_s.tolist(), strict=True)
        )

    def draw_s(self, chance: Stream, sender: int, receiver: int) -> float:
        """Return the delay of a link, which is not drawn."""
        return self._delays_s[sender, receiver]


def _world(
    graph: Graph,
    delays_s: Floats,
    seed: int,
    brain: Callable[[LabPeer], Brain] | None,
    jitter: float,
) -> Cost:
    """Spread messages of peer 0 through a world; return what each of them cost."""
    world = World(seed, latency=_Measured(graph, delays_s))
    world.jitter, world.ingest_s = jitter, (INGEST_S, INGEST_S)
    author = lab_identity(0).id
    ids = [lab_identity(number).id for number in range(graph.peers)]
    dials: list[dict[str, Address]] = [{} for _ in ids]
    for first, second in zip(graph.first.tolist(), graph.second.tolist(), strict=True):
        dials[second][f"lab:p{first}"] = Address(f"lab:p{first}", ids[first])
    for number, own in enumerate(ids):
        follows = (Contact(own, author, 1, 1),) if number else ()
        peer = LabPeer(world, number, hops_max=1, contacts=follows, make_brain=brain)
        peer.addresses = dials[number]
        world.admit(peer)
    for _ in range(WARM_MESSAGES):
        world.run(world.now + PAUSE_S)
        world.peers[0].publish()
    world.run(world.now + PAUSE_S)
    copies, byte_count = -world.message_count, -world.byte_count
    watch = world.watcher = Watch(world, set(range(graph.peers)))
    for _ in range(MESSAGES):
        world.peers[0].publish()
        world.run(world.now + PAUSE_S)
    hops, seconds = sorted(watch.hops), sorted(watch.delays_s)
    return {
        "copies": (copies + world.message_count) / watch.held,
        "hops p50": quantile(hops, 0.5),
        "hops p99": quantile(hops, 0.99),
        "bytes": (byte_count + world.byte_count) / watch.held,
        "seconds p50": quantile(seconds, 0.5),
        "seconds p99": quantile(seconds, 0.99),
    }


def _sizes() -> tuple[int, int]:
    """Return how long a message and a note of a feed are on a link."""
    world = World(0)
    peer = world.add_peer()
    for _ in range(WARM_MESSAGES):
        peer.publish()
    note = b'{"%s":%d}' % (peer.id.encode(), 2 * WARM_MESSAGES + 1)
    return tuple(  # type: ignore[return-value]
        frame_bytes(SendItems(1, BodyType.JSON, (item,)))
        for item in (peer.log.feeds[peer.id][-1], note)
    )


def _eager(graph: Graph, _delays_s: Floats, _chance: Chance) -> Cost:
    told = flood(graph, 0)
    hops = np.repeat(np.arange(len(told.reached_at)), told.reached_at)[1:].tolist()
    message_bytes, _note_bytes = _sizes()
    copies = told.redundancy + 1
    return _cost(copies, hops, copies * message_bytes)


def _jittered(graph: Graph, delays_s: Floats, chance: Chance) -> Cost:
    """Flood over links on which each message takes a time of its own."""
    hops: list[int] = []
    seconds: list[float] = []
    for _message in range(MESSAGES):
        own_s = delays_s * (1 + JITTER * chance.fractions(len(delays_s)))
        told = settled(graph, own_s, 0, INGEST_S)
        hops += told.hops[1:].tolist()
        seconds += told.at_s[1:].tolist()
    copies = flood(graph, 0).redundancy + 1
    message_bytes, _note_bytes = _sizes()
    seconds.sort()
    late = {f"seconds p{share}": quantile(seconds, share / 100) for share in (50, 99)}
    return _cost(copies, sorted(hops), copies * message_bytes) | late


def _sources(graph: Graph, delays_s: Floats, _chance: Chance) -> Cost:
    told = settled(graph, delays_s, 0, INGEST_S)
    message_bytes, note_bytes = _sizes()
    others = told.reached - 1
    spent = told.sends * message_bytes + told.notes * note_bytes
    return _cost(told.redundancy + 1, sorted(told.hops[1:].tolist()), spent / others)


def _cost(copies: float, hops: list[int], spent: float) -> Cost:
    return dict(
        zip(FIGURES, (copies, quantile(hops, 0.5), quantile(hops, 0.99), spent), strict=True)
    )


SHAPES: dict[str, Callable[[Chance], Graph]] = {
    "regular": lambda chance: random_regular(PEERS, 6, chance),
    "scale-free": lambda chance: scale_free(PEERS, 3, chance),
}


def _compare(
    name: str,
    spread: Callable[[Graph, Floats, Chance], Cost],
    brain: Callable[[LabPeer], Brain] | None,
    delays: Callable[[Chance, int], Floats],
    figures: tuple[str, ...] = FIGURES,
    jitter: float = 0.0,
) -> Callable[[Effort], Mapping[str, float]]:
    def measure(effort: Effort) -> dict[str, float]:
        found: dict[str, float] = {}
        for shape, make in SHAPES.items():
            worlds, arrays = [], []
            for number in range(effort.runs(GRAPHS, least=1)):
                chance = effort.chance("crosscheck", name, shape, number)
                graph = make(chance)
                delays_s = delays(chance, len(graph.ends))
                with rare_collections():
                    worlds.append(_world(graph, delays_s, number, brain, jitter))
                arrays.append(spread(graph, delays_s, chance))
            for figure in figures:
                world, array = (
                    float(np.mean([cost[figure] for cost in costs])) for costs in (worlds, arrays)
                )
                found[f"{shape}, {figure}, world"] = world
                found[f"{shape}, {figure}, arrays"] = array
                found[f"{shape}, {figure}, arrays / world"] = array / world
        return found

    return measure


def _figures(figures: tuple[str, ...] = FIGURES) -> tuple[Figure, ...]:
    return tuple(
        each
        for shape in SHAPES
        for figure in figures
        for each in (
            Figure(f"{shape}, {figure}, world"),
            Figure(f"{shape}, {figure}, arrays"),
            Figure(f"{shape}, {figure}, arrays / world", before=1.0, gate=within(0.1)),
        )
    )


FLOOD = Table(
    name="crosscheck/flood",
    title=N_("Flooding: a world of brains that flood beside the array model"),
    source="no paper: two programs of ours on the same graphs",
    parameters=f"{PEERS} peers on {GRAPHS} graphs of each shape, equal delays, {MESSAGES} "
    "messages; copies = redundancy + 1, all figures for each delivery",
    gate="arrays within 10 % of the world",
    figures=_figures(),
    measure=_compare("flood", _eager, EagerBrain, lambda _chance, count: np.full(count, 0.05)),
)
SOURCES = Table(
    name="crosscheck/sources",
    title=N_("The deployed exchange: a world of real brains beside the tree of shortest delays"),
    source="no paper: two programs of ours on the same graphs",
    parameters=f"{PEERS} peers on {GRAPHS} graphs of each shape, each link with delays of its "
    f"own from 20 to 200 ms, {MESSAGES} messages after {WARM_MESSAGES}; copies = redundancy + 1, "
    "all figures for each delivery",
    gate="arrays within 10 % of the world",
    figures=_figures(),
    measure=_compare(
        "sources", _sources, None, lambda chance, count: 0.02 + 0.18 * chance.fractions(count)
    ),
    note=N_(
        "Delays are the same for each message. Where they change from message to message, peers "
        "keep changing their source, and the arrays say too little: "
        "lichen lab run gossip measures it."
    ),
)
JITTERED = Table(
    name="crosscheck/jitter",
    title=N_("Flooding where each message takes a time of its own: world beside arrays"),
    source="no paper: two programs of ours on the same graphs",
    parameters=f"{PEERS} peers on {GRAPHS} graphs of each shape, each link with a delay of its own "
    f"from 20 to 200 ms, each message up to {JITTER:.0%} later, {MESSAGES} messages",
    gate="arrays within 10 % of the world",
    figures=_figures(TIMED),
    measure=_compare(
        "jitter",
        _jittered,
        EagerBrain,
        lambda chance, count: 0.02 + 0.18 * chance.fractions(count),
        TIMED,
        JITTER,
    ),
)

TABLES = (FLOOD, SOURCES, JITTERED)
