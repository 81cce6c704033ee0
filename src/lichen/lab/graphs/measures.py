"""What a graph measures: distances, clustering, the largest part, hubs."""

import numpy as np
from scipy.sparse import csgraph

from lichen.lab.chance import Chance, Flags, Floats, Ints
from lichen.lab.graphs.graph import Graph

_SOURCES_AT_ONCE = 512
"""Eight words for each peer: rows that fit a line of the cache."""


def hops_from(graph: Graph, sources: Ints) -> Floats:
    """Return the hops from each source to everybody; infinite where there is no way."""
    found = csgraph.dijkstra(graph.matrix(), directed=True, indices=sources, unweighted=True)
    return np.asarray(found, dtype=np.float64)


def mean_distance(graph: Graph) -> float:
    """Return the mean hops over all pairs that can reach each other.

    Sources are spread side by side, one bit each: a hop is one "or" of everybody's neighbours.
    """
    total, pairs = 0, 0
    linked = np.flatnonzero(graph.degrees)
    for first in range(0, graph.peers, _SOURCES_AT_ONCE):
        sources = np.arange(first, min(first + _SOURCES_AT_ONCE, graph.peers))
        reached = np.zeros((graph.peers, -(-len(sources) // 64)), dtype=np.uint64)
        bits = np.arange(len(sources))
        reached[sources, bits // 64] = np.uint64(1) << (bits % 64).astype(np.uint64)
        hops, known = 0, len(sources)
        while True:
            hops += 1
            heard = np.bitwise_or.reduceat(reached[graph.ends], graph.starts[linked], axis=0)
            reached[linked] |= heard
            new = int(np.bitwise_count(reached).sum()) - known
            if not new:
                break
            known += new
            total += hops * new
            pairs += new
    return total / max(pairs, 1)


def clustering(graph: Graph) -> float:
    """Return the mean share of a peer's pairs of neighbours that are linked themselves."""
    matrix = graph.matrix()
    closed = np.asarray((matrix @ matrix).multiply(matrix).sum(axis=1)).ravel()
    pairs = graph.degrees * (graph.degrees - 1)
    return float(np.divide(closed, pairs, out=np.zeros(graph.peers), where=pairs > 0).mean())


def largest_part(graph: Graph, is_gone: Flags | None = None) -> int:
    """Return how many peers the largest connected part has, some of them gone."""
    left = graph if is_gone is None else graph.without(is_gone)
    _, labels = csgraph.connected_components(left.matrix(), directed=False)
    if is_gone is not None:
        labels = labels[~is_gone]
    return int(np.bincount(labels).max()) if len(labels) else 0


def best_connected(graph: Graph, count: int, chance: Chance) -> Flags:
    """Return the peers with the most links, as an attacker would choose them; ties by lot."""
    is_chosen = np.zeros(graph.peers, dtype=bool)
    is_chosen[np.argsort(-(graph.degrees + chance.fractions(graph.peers)))[:count]] = True
    return is_chosen


def anybody(graph: Graph, count: int, chance: Chance) -> Flags:
    """Return that many peers by lot, as accidents choose them."""
    is_chosen = np.zeros(graph.peers, dtype=bool)
    is_chosen[chance.order(graph.peers)[:count]] = True
    return is_chosen


def breakdown_share(graph: Graph) -> float:
    """Return the share of random losses at which a graph of these degrees falls apart.

    R. Cohen et al., PRL 85:4626 (2000): ``1 - 1 / (<k^2> / <k> - 1)``.
    """
    degrees = graph.degrees.astype(np.float64)
    return float(1 - 1 / ((degrees**2).mean() / degrees.mean() - 1))


def part_by_law(shares: Floats, attacked: float) -> float:
    """Return the share of an endless graph that hangs together after an attack on its hubs.

    ``shares`` tells how many peers have 0, 1, 2 ... links, which else are drawn by lot.
    D. Callaway and others, PRL 85:5468 (2000): with F the generating function of the degrees of
    those that stay, u = 1 - F1(1) + F1(u) and the part is F(1) - F(u), where F1 = F' / mean degree.
    """
    degrees = np.arange(len(shares))
    above = np.cumsum(shares[::-1])[::-1] - shares
    kept = shares - np.clip(attacked - above, 0, shares)
    weights = degrees * kept / (degrees * shares).sum()
    alone, before = 0.5, 1.0
    while abs(alone - before) > 1e-12:
        before = alone
        alone = float(1 - weights.sum() + (weights[1:] * alone ** degrees[:-1]).sum())
    return float(kept.sum() - (kept * alone**degrees).sum())
