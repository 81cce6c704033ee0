"""What a graph measures: distances, clustering, the largest part, hubs."""

import numpy as np
from scipy.sparse import csgraph

from lichen.lab.chance import Chance, Flags, Floats, Ints
from lichen.lab.graphs.graph import Graph


def hops_from(graph: Graph, sources: Ints) -> Floats:
    """Return the hops from each source to everybody; infinite where there is no way."""
    found = csgraph.dijkstra(graph.matrix(), directed=True, indices=sources, unweighted=True)
    return np.asarray(found, dtype=np.float64)


def mean_distance(graph: Graph) -> float:
    """Return the mean hops over all pairs that can reach each other."""
    total, pairs = 0.0, 0
    for places in np.array_split(np.arange(graph.peers), max(1, graph.peers // 500)):
        hops = hops_from(graph, places)
        is_reached = np.isfinite(hops) & (hops > 0)
        total += float(hops[is_reached].sum())
        pairs += int(is_reached.sum())
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
