"""Slime mould: tubes that carry flow grow, tubes that do not die.

A. Tero and others, J. Theor. Biol. 244:553 (2007) and Science 327:439 (2010). With edge lengths L,
conductances D and pressures p: Q = D (p_i - p_j) / L, flow is kept at every node except a source
and a sink (+- I0), and dD/dt = f(|Q|) - D, where f(Q) = Q^gamma / (1 + Q^gamma).
"""

import msgspec
import numpy as np
from scipy import linalg, sparse
from scipy.sparse import csgraph
from scipy.spatial import Delaunay, distance

from lichen.lab.chance import Chance, Flags, Floats, Ints

FLOOR = 1e-8
"""A tube that is gone keeps so little that pressures stay defined everywhere."""
KEPT = 0.02
"""A tube of less is not seen in a picture."""
PICTURE_EVERY = 250
PICTURES_AFTER = 0.6
"""By this share of its steps a mould has found its form; what still changes is chance."""


class Mould(msgspec.Struct, frozen=True):
    """How a network of tubes compares with the minimum spanning tree of its cities."""

    is_connected: bool
    cost: float
    distance: float
    fault_tolerance: float
    share_whole: float
    """In how many of the pictures taken in the last part of its growth every city hung together."""


class Mesh:
    """Places in the unit square, the short edges between them, and the cities among them."""

    __slots__ = ("cities", "first", "lengths", "places", "points", "second")

    def __init__(self, places: Floats, cities: int, longest: float, chance: Chance) -> None:
        self.points = len(places)
        self.places = places
        corners = Delaunay(self.places).simplices
        pairs = np.sort(
            np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [0, 2]]])
        )
        pairs = np.unique(pairs, axis=0)
        lengths = np.linalg.norm(self.places[pairs[:, 0]] - self.places[pairs[:, 1]], axis=1)
        pairs, lengths = pairs[lengths < longest], lengths[lengths < longest]
        self.first, self.second, self.lengths = pairs[:, 0], pairs[:, 1], lengths
        self.cities = chance.order(self.points)[:cities]


def strewn(points: int, chance: Chance) -> Floats:
    """Return places anywhere in the unit square: with clumps and gaps, as chance has it."""
    return chance.fractions(points, 2)


def one_in_each_cell(columns: int, rows: int, chance: Chance) -> Floats:
    """Return a place by lot in each cell of a lattice: an even sheet of tubes."""
    across, up = np.meshgrid(np.arange(columns), np.arange(rows))
    corners = np.stack([across.ravel(), up.ravel()], axis=1)
    return np.asarray((corners + chance.fractions(len(corners), 2)) / [columns, rows])


def grow(mesh: Mesh, chance: Chance, *, flow: float, gamma: float, dt: float, steps: int) -> Mould:
    """Let a mould grow between random pairs of cities and measure what is left."""
    solver = _Pressures(mesh)
    lengths = mesh.lengths / mesh.lengths.mean()
    tubes = 0.5 + chance.fractions(len(lengths))
    cities = len(mesh.cities)
    sources = chance.below(cities, steps)
    sinks = chance.others(cities, sources)
    pictures = []
    pairs = zip(mesh.cities[sources], mesh.cities[sinks], strict=True)
    for step, (source, sink) in enumerate(pairs, 1):
        pressure = solver.solve(tubes / lengths, int(source), int(sink), flow)
        carried = np.abs(tubes / lengths * (pressure[mesh.first] - pressure[mesh.second])) ** gamma
        tubes = np.maximum(FLOOR, tubes + dt * (carried / (1 + carried) - tubes))
        if step > PICTURES_AFTER * steps and not step % PICTURE_EVERY:
            pictures.append(_is_whole(mesh, tubes > KEPT))
    return _measure(mesh, tubes > KEPT, float(np.mean(pictures)))


class _Pressures:
    """Solves for the pressures, in an order of the nodes that keeps the matrix in a narrow band."""

    __slots__ = ("_band", "_first", "_rank", "_second", "_width")

    def __init__(self, mesh: Mesh) -> None:
        ones = np.ones(len(mesh.first))
        shape = (mesh.points, mesh.points)
        matrix = sparse.csr_array((ones, (mesh.first, mesh.second)), shape=shape)
        order = csgraph.reverse_cuthill_mckee((matrix + matrix.T).tocsr(), symmetric_mode=True)
        self._rank = np.argsort(order)
        ends = np.sort([self._rank[mesh.first], self._rank[mesh.second]], axis=0)
        self._first, self._second = ends
        self._width = int((self._second - self._first).max())
        self._band = np.zeros((self._width + 1, mesh.points))

    def solve(self, conductance: Floats, source: int, sink: int, flow: float) -> Floats:
        points = self._band.shape[1]
        self._band[:] = 0
        self._band[self._width - (self._second - self._first), self._second] = -conductance
        self._band[self._width] = (
            np.bincount(self._first, conductance, points)
            + np.bincount(self._second, conductance, points)
            + FLOOR
        )
        # What flows in flows out, so a pipe from the sink to the ground carries nothing.
        self._band[self._width, self._rank[sink]] += 1
        drive = np.zeros(points)
        drive[self._rank[source]] = flow
        drive[self._rank[sink]] = -flow
        found = linalg.solveh_banded(self._band, drive, check_finite=False)
        return np.asarray(found[self._rank])


def _is_whole(mesh: Mesh, is_kept: Flags) -> bool:
    roads = _roads(mesh.points, mesh.first[is_kept], mesh.second[is_kept], mesh.lengths[is_kept])
    _, labels = csgraph.connected_components(roads, directed=False)
    return len(np.unique(labels[mesh.cities])) == 1


def _measure(mesh: Mesh, is_kept: Flags, share_whole: float) -> Mould:
    is_kept = _trim(mesh, is_kept)
    first, second, lengths = mesh.first[is_kept], mesh.second[is_kept], mesh.lengths[is_kept]
    apart = distance.squareform(distance.pdist(mesh.places[mesh.cities]))
    spanning = csgraph.minimum_spanning_tree(sparse.csr_array(apart))
    apart_in_tree = csgraph.shortest_path(spanning, directed=False)
    roads = _roads(mesh.points, first, second, lengths)
    ways = csgraph.dijkstra(roads, directed=False, indices=mesh.cities)[:, mesh.cities]
    if not np.isfinite(ways).all():
        return Mould(False, np.nan, np.nan, np.nan, share_whole)
    bridges = sum(
        float(lengths[edge])
        for edge in range(len(lengths))
        if _is_bridge(mesh.points, first, second, edge)
    )
    return Mould(
        True,
        float(lengths.sum() / spanning.sum()),
        float(ways.sum() / apart_in_tree.sum()),
        float(1 - bridges / lengths.sum()),
        share_whole,
    )


def _trim(mesh: Mesh, is_kept: Flags) -> Flags:
    """Cut off dead ends without a city, and what hangs together with no city at all."""
    kept = is_kept.copy()
    is_city = np.zeros(mesh.points, dtype=bool)
    is_city[mesh.cities] = True
    while True:
        degrees = np.bincount(mesh.first[kept], minlength=mesh.points)
        degrees += np.bincount(mesh.second[kept], minlength=mesh.points)
        is_end = (degrees == 1) & ~is_city
        loose = kept & (is_end[mesh.first] | is_end[mesh.second])
        if not loose.any():
            break
        kept &= ~loose
    roads = _roads(mesh.points, mesh.first[kept], mesh.second[kept], mesh.lengths[kept])
    _, labels = csgraph.connected_components(roads, directed=False)
    return np.asarray(kept & np.isin(labels[mesh.first], labels[mesh.cities]))


def _roads(points: int, first: Ints, second: Ints, lengths: Floats) -> sparse.csr_array:
    return sparse.csr_array((lengths, (first, second)), shape=(points, points))


def _is_bridge(points: int, first: Ints, second: Ints, edge: int) -> bool:
    others = np.arange(len(first)) != edge
    roads = _roads(points, first[others], second[others], np.ones(int(others.sum())))
    _, labels = csgraph.connected_components(roads, directed=False)
    return bool(labels[first[edge]] != labels[second[edge]])
