"""Dense or sparse: the number of links that suits a world depends on what travels over them.

Random regular nets of 3 to 50 links, the same uplink for everybody. Good messages arrive sooner
over more links, until the uplink is the bottleneck; bad ones infect everybody once
catching x (links - 1) passes 1. The score adds both, in rounds; the best number of links must fall
as contamination rises.
"""

from lichen.lab.chance import Chance
from lichen.lab.experiments.experiment import ResultRow, Values
from lichen.lab.experiments.spreading import (
    delivery_rounds,
    infected,
    percentile,
    reach_without,
    sends_each,
)
from lichen.lab.graphs.measures import anybody
from lichen.lab.graphs.random import random_regular

DEGREES = (3, 4, 5, 6, 8, 10, 14, 20, 30, 50)
SOURCES = 20


def run(seed: int, values: Values) -> list[ResultRow]:
    """Measure every number of links, and say which is best."""
    peers = int(values["peers"])
    rows: list[ResultRow] = []
    scores = []
    for degree in DEGREES:
        chance = Chance(seed, "degree", degree)
        graph = random_regular(peers + peers % 2, degree, chance)
        sources = chance.below(graph.peers, SOURCES)
        loss = float(values["loss"])
        rounds = delivery_rounds(graph, sources, chance, uplink=int(values["uplink"]), loss=loss)
        slowest = percentile(rounds, 0.99)
        harm = infected(graph, sources, float(values["catching"]), chance)
        weight = float(values["contamination"]) * float(values["harm_rounds"])
        score = None if slowest is None else slowest + weight * harm
        scores.append(float("inf") if score is None else score)
        is_gone = anybody(graph, round(float(values["gone"]) * graph.peers), chance)
        rows.append(
            {
                "degree": degree,
                "sends_each": sends_each(graph),
                "rounds_p99": slowest,
                "infected": harm,
                "reach_accident": reach_without(graph, is_gone, SOURCES, loss, chance),
                "score": score,
            }
        )
    for row, score in zip(rows, scores, strict=True):
        row["is_best"] = score == min(scores)
    return rows
