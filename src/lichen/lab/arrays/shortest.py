"""Does a mould find the shortest way? Many small mazes side by side, each against Dijkstra.

V. Bonifaci, K. Mehlhorn, G. Varma, SODA 2012: with f(Q) = Q the flow converges to the shortest
path in every graph.
"""

import msgspec
import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from lichen.lab.chance import Chance, Flags, Floats, Ints

FLOOR = 1e-12
"""A dead tube keeps so little, for pressures to be defined."""


class Maze(msgspec.Struct, frozen=True):
    """A graph with lengths; the way leads from node 0 to the last node."""

    first: Ints
    second: Ints
    lengths: Floats
    shortest: Flags
    """The edges of the shortest path."""
    margin: float
    """How much longer the next best path is, as a share."""


def maze(nodes: int, edges: int, chance: Chance) -> Maze:
    """Return a connected random graph with lengths from 0.2 to 1."""
    while True:
        keys = chance.order(nodes * (nodes - 1) // 2)[:edges]
        pairs = np.triu_indices(nodes, 1)
        first, second = pairs[0][keys], pairs[1][keys]
        lengths = 0.2 + 0.8 * chance.fractions(edges)
        length, path = _path(nodes, first, second, lengths)
        if len(path):
            break
    ways = [
        _path(nodes, np.delete(first, edge), np.delete(second, edge), np.delete(lengths, edge))[0]
        for edge in path
    ]
    is_on_path = np.zeros(edges, dtype=bool)
    is_on_path[path] = True
    return Maze(first, second, lengths, is_on_path, min(ways) / length - 1)


def solve(mazes: list[Maze], nodes: int, dt: float, steps: int) -> list[bool]:
    """Return for each maze whether the tubes that stay are exactly the shortest path."""
    first = np.array([one.first for one in mazes])
    second = np.array([one.second for one in mazes])
    lengths = np.array([one.lengths for one in mazes])
    rows = np.arange(len(mazes))[:, None]
    tubes = np.ones(lengths.shape)
    drive = np.zeros((len(mazes), nodes, 1))
    drive[:, 0], drive[:, -1] = 1.0, -1.0
    for _step in range(steps):
        conductance = tubes / lengths
        matrix = np.zeros((len(mazes), nodes, nodes))
        matrix[rows, first, second] = -conductance
        matrix[rows, second, first] = -conductance
        matrix[:, np.arange(nodes), np.arange(nodes)] = FLOOR - matrix.sum(axis=2)
        matrix[:, -1, -1] += 1
        pressure = np.linalg.solve(matrix, drive)[:, :, 0]
        flow = np.abs(conductance * (pressure[rows, first] - pressure[rows, second]))
        tubes = np.maximum(FLOOR, tubes + dt * (flow - tubes))
    return [
        bool(np.array_equal(tubes[place] > 0.5, one.shortest)) for place, one in enumerate(mazes)
    ]


def _path(nodes: int, first: Ints, second: Ints, lengths: Floats) -> tuple[float, list[int]]:
    """Return length and edges of the shortest path from node 0 to the last; no edges if none."""
    roads = sparse.csr_array((lengths, (first, second)), shape=(nodes, nodes))
    ways, before = csgraph.dijkstra(roads, directed=False, indices=0, return_predecessors=True)
    if not np.isfinite(ways).all():
        return float(ways[-1]), []
    edges = {
        (min(pair), max(pair)): place
        for place, pair in enumerate(zip(first.tolist(), second.tolist(), strict=True))
    }
    path, node = [], nodes - 1
    while node != 0:
        parent = int(before[node])
        path.append(edges[min(node, parent), max(node, parent)])
        node = parent
    return float(ways[-1]), path
