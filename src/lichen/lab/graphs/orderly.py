"""Graphs without chance: ring, star, clique, tree, grid."""

import numpy as np

from lichen.lab.graphs.graph import Graph, ImpossibleGraph

CLIQUE_PEERS_MAX = 10_000
"""Fifty million links fill a gigabyte; a clique of more peers is nothing that anybody runs."""


def ring(peers: int, degree: int = 2) -> Graph:
    """Return a ring in which each peer is linked with the nearest ``degree`` others."""
    if degree < 0 or degree % 2 or degree >= peers:
        raise ImpossibleGraph(
            f"a ring of {peers} peers needs an even degree below {peers}, not {degree}"
        )
    places = np.arange(peers)
    steps = range(1, degree // 2 + 1)
    return Graph(
        peers,
        np.tile(places, degree // 2),
        np.concatenate([np.empty(0, np.int64), *((places + step) % peers for step in steps)]),
    )


def star(peers: int) -> Graph:
    """Return everybody linked with peer 0 alone."""
    return Graph(peers, np.zeros(peers - 1, np.int64), np.arange(1, peers))


def clique(peers: int) -> Graph:
    """Return everybody linked with everybody."""
    if peers > CLIQUE_PEERS_MAX:
        raise ImpossibleGraph(f"a clique may have {CLIQUE_PEERS_MAX} peers, not {peers}")
    first, second = np.triu_indices(peers, 1)
    return Graph(peers, first, second)


def tree(peers: int, branches: int = 2) -> Graph:
    """Return the fullest tree in which each peer has so many peers below it."""
    if branches < 1:
        raise ImpossibleGraph(f"a tree needs at least one branch at each peer, not {branches}")
    below = np.arange(1, peers)
    return Graph(peers, (below - 1) // branches, below)


def grid(side: int) -> Graph:
    """Return a square grid with open borders."""
    places = np.arange(side * side).reshape(side, side)
    return Graph(
        side * side,
        np.concatenate([places[:, :-1].ravel(), places[:-1].ravel()]),
        np.concatenate([places[:, 1:].ravel(), places[1:].ravel()]),
    )
