"""One broadcast, as arrays: who hears at which hop, what it costs. The large end of the lab."""

from collections.abc import Callable

from lichen.lab.arrays.flood import flood
from lichen.lab.chance import Chance
from lichen.lab.experiments.experiment import Impossible, ResultRow, Values
from lichen.lab.graphs.graph import Graph, ImpossibleGraph
from lichen.lab.graphs.measures import anybody
from lichen.lab.graphs.orderly import ring, tree
from lichen.lab.graphs.random import random_graph, random_regular, scale_free, small_world

MAKERS: dict[str, Callable[[int, int, Chance], Graph]] = {
    "regular": random_regular,
    "small-world": lambda peers, degree, chance: small_world(peers, degree, 0.1, chance),
    "scale-free": lambda peers, degree, chance: scale_free(peers, max(1, degree // 2), chance),
    "random": lambda peers, degree, chance: random_graph(peers, peers * degree // 2, chance),
    "tree": lambda peers, degree, _chance: tree(peers, max(1, degree - 1)),
    "ring": lambda peers, degree, _chance: ring(peers, degree),
}


def run(seed: int, values: Values) -> list[ResultRow]:
    """Flood one message through one net. Raises Impossible."""
    chance = Chance(seed, "flood", str(values["graph"]))
    try:
        graph = MAKERS[str(values["graph"])](int(values["peers"]), int(values["degree"]), chance)
    except ImpossibleGraph as error:
        raise Impossible(str(error)) from error
    is_gone = anybody(graph, round(float(values["gone"]) * graph.peers), chance)
    alive = (~is_gone).nonzero()[0]
    source = int(alive[chance.below(len(alive), 1)[0]])
    told = flood(graph, source, loss=float(values["loss"]), is_gone=is_gone, chance=chance)
    return [
        {
            "links": graph.links,
            "reached": told.reached,
            "delivery": told.reached / len(alive),
            "redundancy": told.redundancy,
            "hops_p50": told.hops_at(0.5),
            "hops_p99": told.hops_at(0.99),
            "hops_last": told.hops_last,
            "sends": told.sends,
            "bytes": told.sends * int(values["message_bytes"]),
            "reached_at": list(told.reached_at),
        }
    ]
