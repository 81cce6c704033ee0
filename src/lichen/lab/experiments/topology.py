"""Speed against robustness, net by net: clique, star, tree, ring, regular, scale-free, small world.

S. Navlakha and Z. Bar-Joseph, "Distributed information processing in biological and computational
systems", CACM 58(1):94, 2015: where little goes wrong, dense nets with hubs are fast; where noise
and bad messages are expected, sparse nets without hubs are better.

Robustness is the mean of three shares: peers still reached after accidents, after an attack on the
best connected, and peers that a bad message does not infect.
"""

from collections.abc import Callable, Sequence

import numpy as np

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
from lichen.lab.graphs.random import random_regular, scale_free, small_world

SOURCES = 20

NETS: dict[str, Callable[[int, int, Chance], Graph]] = {
    "clique": lambda peers, _degree, _chance: clique(peers),
    "star": lambda peers, _degree, _chance: star(peers),
    "tree": lambda peers, _degree, _chance: tree(peers, 2),
    "ring": lambda peers, _degree, _chance: ring(peers),
    "regular": random_regular,
    "scale-free": lambda peers, degree, chance: scale_free(peers, max(1, degree // 2), chance),
    "small-world": lambda peers, degree, chance: small_world(
        peers, degree - degree % 2, 0.1, chance
    ),
}


def run(seed: int, values: Values) -> list[ResultRow]:
    """Measure every net. Raises Impossible."""
    rows = []
    for name, make in NETS.items():
        chance = Chance(seed, "topology", name)
        try:
            graph = make(int(values["peers"]), int(values["degree"]), chance)
        except ImpossibleGraph as error:
            raise Impossible(str(error)) from error
        rows.append({"net": name, **_measure(graph, values, chance)})
    for row, is_best in zip(rows, best_of_both(rows), strict=True):
        row["is_best_of_both"] = is_best
    return rows


def _measure(graph: Graph, values: Values, chance: Chance) -> ResultRow:
    loss = float(values["loss"])
    count = round(float(values["gone"]) * graph.peers)
    uplink = int(values["uplink"]) if values["cost"] == "equal" else None
    sources = chance.below(graph.peers, SOURCES)
    rounds = delivery_rounds(graph, sources, chance, uplink=uplink, loss=loss)
    accident = reach_without(graph, anybody(graph, count, chance), SOURCES, loss, chance)
    attacked = best_connected(graph, count, chance)
    attack = reach_without(graph, attacked, SOURCES, loss, chance)
    harm = infected(graph, sources, float(values["catching"]), chance)
    return {
        "links_each": 2 * graph.links / graph.peers,
        "links_max": int(graph.degrees.max()),
        "sends_each": sends_each(graph),
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
