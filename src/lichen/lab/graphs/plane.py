"""Peers on a plane: who is near whom, and how long a link is.

Peers sit on a square lattice without borders, one step apart; every peer sees the same around it.
Peer ``i + 1`` lies beside peer ``i`` and peer ``i + columns`` above it, counted round and round, so
that any number of peers fills the plane.
"""

import math

import numpy as np

from lichen.lab.chance import Chance, Floats, Ints
from lichen.lab.graphs.graph import Graph, ImpossibleGraph
from lichen.lab.graphs.random import rewire


class Plane:
    """Where peers are, as the length of the way from peer ``i`` to peer ``i + n``."""

    __slots__ = ("_lengths", "peers")

    def __init__(self, peers: int) -> None:
        self.peers = peers
        columns = max(1, math.isqrt(peers))
        rows = -(-peers // columns)
        across, up = np.meshgrid(np.arange(-columns, columns + 1), np.arange(-rows, rows + 1))
        self._lengths = np.full(peers, np.inf)
        places = (across + up * columns) % peers
        np.minimum.at(self._lengths, places.ravel(), np.hypot(across, up).ravel())

    def distance(self, first: Ints, second: Ints) -> Floats:
        """Return how far apart peers are, in steps."""
        return np.asarray(self._lengths[(second - first) % self.peers])

    def length_each(self, graph: Graph) -> float:
        """Return the length of all links for each peer."""
        return float(self.distance(graph.first, graph.second).sum()) / self.peers

    def near(self, degree: int) -> Graph:
        """Return everybody linked with the ``degree`` nearest."""
        if degree < 0 or degree % 2 or degree >= self.peers:
            raise ImpossibleGraph(
                f"{self.peers} peers on a plane need an even degree below {self.peers}, "
                f"not {degree}"
            )
        ahead = np.arange(1, (self.peers + 1) // 2)
        steps = ahead[np.argsort(self._lengths[ahead], kind="stable")][: degree // 2]
        places = np.tile(np.arange(self.peers), len(steps))
        return Graph(self.peers, places, (places + np.repeat(steps, self.peers)) % self.peers)

    def near_and_far(self, degree: int, rewired: float, chance: Chance) -> Graph:
        """Return a small world: the nearest, with a share of the links leading anywhere."""
        return rewire(self.near(degree), rewired, chance)
