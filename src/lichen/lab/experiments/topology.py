"""Speed against robustness, net by net, from the clique to the small world.

S. Navlakha and Z. Bar-Joseph, "Distributed information processing in biological and computational
systems", CACM 58(1):94, 2015: where little goes wrong, dense nets with hubs are fast; where noise
and bad messages are expected, sparse nets without hubs are better.

Peers sit on a plane. What a net costs can be counted in two ways: by its links, or, as in a body or
a town, by their length. By length every net gets as much for each peer, and takes the most links of
its kind that this pays for; a net whose sparsest form is too long is left out. A copy needs time
for its way.

Robustness is the mean of three shares: peers still reached after accidents, after an attack on the
best connected, and peers that a bad message does not infect.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.sparse import csgraph

from lichen.lab.chance import Chance
from lichen.lab.experiments.experiment import Impossible, ResultRow, Values
from lichen.lab.experiments.spreading import (
    delivery_rounds,
    infected,
    percentile,
    reach_without,
    sends_each,
)
from lichen.lab.graphs.graph import Graph, ImpossibleGraph
from lichen.lab.graphs.measures import anybody, best_connected
from lichen.lab.graphs.orderly import clique, ring, star, tree
from lichen.lab.graphs.plane import Plane
from lichen.lab.graphs.random import random_regular, scale_free

SOURCES = 20


def _trees(plane: Plane, _values: Values, _chance: Chance) -> Iterator[Graph]:
    yield tree(plane.peers, 2)
    order, before = csgraph.breadth_first_order(plane.near(4).matrix(), 0, directed=False)
    yield Graph(
        plane.peers, np.asarray(order[1:], np.int64), np.asarray(before[order[1:]], np.int64)
    )


def _regular(plane: Plane, values: Values, chance: Chance) -> Iterator[Graph]:
    degree = int(values["degree"])
    yield random_regular(plane.peers, degree, chance)
    for fewer in range(degree - 1, 1, -1):
        if plane.peers * fewer % 2 == 0:
            yield random_regular(plane.peers, fewer, chance)


def _scale_free(plane: Plane, values: Values, chance: Chance) -> Iterator[Graph]:
    for links_each in range(max(1, int(values["degree"]) // 2), 0, -1):
        yield scale_free(plane.peers, links_each, chance)


def _small_worlds(plane: Plane, values: Values, chance: Chance) -> Iterator[Graph]:
    for degree in range(int(values["degree"]) // 2 * 2, 0, -2):
        yield plane.near_and_far(degree, float(values["rewired"]), chance)


def _lattices(plane: Plane, values: Values, _chance: Chance) -> Iterator[Graph]:
    for degree in range(int(values["degree"]) // 2 * 2, 0, -2):
        yield plane.near(degree)


NETS: dict[str, Callable[[Plane, Values, Chance], Iterator[Graph]]] = {
    "clique": lambda plane, _values, _chance: iter([clique(plane.peers)]),
    "star": lambda plane, _values, _chance: iter([star(plane.peers)]),
    "tree": _trees,
    "ring": lambda plane, _values, _chance: iter([ring(plane.peers)]),
    "lattice": _lattices,
    "regular": _regular,
    "scale-free": _scale_free,
    "small-world": _small_worlds,
}
"""Every kind of net, the one with the most links first."""


def run(seed: int, values: Values) -> list[ResultRow]:
    """Measure every net that can be paid for. Raises Impossible."""
    plane = Plane(int(values["peers"]))
    paid = float(values["length"]) if values["cost"] == "length" else np.inf
    rows: list[ResultRow] = []
    for name, kinds in NETS.items():
        chance = Chance(seed, "topology", name)
        try:
            nets = kinds(plane, values, chance)
            graph = next((one for one in nets if plane.length_each(one) <= paid), None)
        except ImpossibleGraph as error:
            raise Impossible(str(error)) from error
        if graph is not None:
            rows.append({"net": name, **_measure(graph, plane, values, chance)})
    if not rows:
        raise Impossible(f"no net has links of only {paid:g} steps a peer")
    for row, is_best in zip(rows, best_of_both(rows), strict=True):
        row["is_best_of_both"] = is_best
    return rows


def _measure(graph: Graph, plane: Plane, values: Values, chance: Chance) -> ResultRow:
    loss = float(values["loss"])
    count = round(float(values["gone"]) * graph.peers)
    uplink = None if values["cost"] == "free" else int(values["uplink"])
    sources = chance.below(graph.peers, SOURCES)
    speakers = np.repeat(np.arange(graph.peers), graph.degrees)
    delays = float(values["latency"]) * plane.distance(speakers, graph.ends)
    quiet, rounds = (
        delivery_rounds(graph, sources, chance, uplink=uplink, loss=share, delays=delays)
        for share in (0, loss)
    )
    accident = reach_without(graph, anybody(graph, count, chance), SOURCES, loss, chance)
    attacked = best_connected(graph, count, chance)
    attack = reach_without(graph, attacked, SOURCES, loss, chance)
    harm = infected(graph, sources, float(values["catching"]), chance)
    return {
        "links_each": 2 * graph.links / graph.peers,
        "links_max": int(graph.degrees.max()),
        "length_each": plane.length_each(graph),
        "sends_each": sends_each(graph),
        "rounds_p90_quiet": percentile(quiet, 0.9),
        "rounds_p50": percentile(rounds, 0.5),
        "rounds_p99": percentile(rounds, 0.99),
        "rounds_p90": percentile(rounds, 0.9),
        "reach": float(np.isfinite(rounds).mean()),
        "reach_accident": accident,
        "reach_attack": attack,
        "infected": harm,
        "robustness": (accident + attack + 1 - harm) / 3,
    }


def best_of_both(rows: Sequence[ResultRow]) -> list[bool]:
    """Return which nets no other beats in both speed and robustness."""
    points = [_point(row) for row in rows]
    return [
        not any(other != own and other[0] <= own[0] and other[1] >= own[1] for other in points)
        for own in points
    ]


def _point(row: ResultRow) -> tuple[float, float]:
    rounds, robustness = row["rounds_p90"], row["robustness"]
    assert isinstance(robustness, float), "every row has it"
    return (float(rounds) if isinstance(rounds, int | float) else np.inf, robustness)
