"""Measures that several experiments share: time to tell everybody, and how far harm gets."""

import math

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from lichen.lab.arrays.flood import flood
from lichen.lab.chance import Chance, Flags, Floats, Ints
from lichen.lab.graphs.graph import Graph


def delivery_rounds(
    graph: Graph,
    sources: Ints,
    chance: Chance,
    *,
    uplink: int | None,
    loss: float,
    delays: Floats | None = None,
) -> Floats:
    """Return the round in which everybody hears from each source, infinite for never.

    With an ``uplink`` a peer tells its neighbours a few at a time, in an order by lot, so the copy
    for the last of many comes late; without one all copies leave in one round. A copy that is lost
    is not sent again: others may bring the message. ``delays`` are what each way over a link takes
    beside its turn, row by row.
    """
    speakers = np.repeat(np.arange(graph.peers), graph.degrees)
    turns = np.ones(len(speakers))
    if uplink is not None:
        order = np.lexsort((chance.fractions(len(speakers)), speakers))
        places = np.arange(len(speakers)) - graph.starts[speakers]
        turns[order] = 1 + places // uplink
    if delays is not None:
        turns += delays
    turns[chance.flags(loss, len(turns))] = 0
    shape = (graph.peers, graph.peers)
    taken = sparse.csr_array((turns, graph.ends, graph.starts), shape=shape)
    taken.eliminate_zeros()
    return np.asarray(csgraph.dijkstra(taken, indices=sources))


def percentile(rounds: Floats, share: float) -> float | None:
    """Return when a share of all peers has heard; None if so many never do."""
    latest = float(np.sort(rounds.ravel())[math.ceil(share * rounds.size) - 1])
    return latest if math.isfinite(latest) else None


def sends_each(graph: Graph) -> float:
    """Return the copies that a flood sends for each peer it reaches."""
    return (2 * graph.links - (graph.peers - 1)) / (graph.peers - 1)


def infected(graph: Graph, sources: Ints, catching: float, chance: Chance) -> float:
    """Return the share that a bad message infects, if each link passes it on with a probability."""
    loss = 1 - catching
    found = [flood(graph, int(source), loss=loss, chance=chance).reached for source in sources]
    return float(np.mean(found)) / graph.peers


def reach_without(graph: Graph, is_gone: Flags, count: int, loss: float, chance: Chance) -> float:
    """Return the share of the peers that are left which a flood of one of them reaches."""
    left = np.flatnonzero(~is_gone)
    sources = left[chance.below(len(left), count)]
    found = [
        flood(graph, int(source), loss=loss, is_gone=is_gone, chance=chance).reached
        for source in sources
    ]
    return float(np.mean(found)) / len(left)
