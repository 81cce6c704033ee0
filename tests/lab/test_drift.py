"""Leaders by beeps with clocks that are wrong, and the law of what an attack leaves."""

import networkx as nx
import numpy as np
import pytest
from scipy import special

from lichen.lab.arrays.beeps import conflicts, uncovered
from lichen.lab.arrays.drift import elect_adrift
from lichen.lab.chance import Chance
from lichen.lab.graphs.graph import Graph
from lichen.lab.graphs.measures import part_by_law
from lichen.lab.graphs.orderly import clique, grid, star
from lichen.lab.graphs.random import random_graph
from lichen.lab.reproduce.catalogue import load
from lichen.lab.reproduce.table import Effort


@pytest.mark.parametrize("drift", [0.0, 0.2])
@pytest.mark.parametrize("graph", [clique(60), star(60), grid(20)])
def test_leaders_are_apart_and_everybody_has_one(graph: Graph, drift: float) -> None:
    for seed in range(5):
        made = elect_adrift(graph, drift, Chance(seed, "drift"))
        assert conflicts(graph, made.is_member) == 0
        assert uncovered(graph, made.is_member) == 0
        assert made.beeps >= made.is_member.sum()


def test_late_beeps_must_count_for_the_next_slot() -> None:
    chance = Chance(1, "late")
    graph = random_graph(4096, 4 * 4096, chance)
    clashes = [
        conflicts(graph, elect_adrift(graph, 0.2, chance, is_late_kept=kept).is_member)
        for kept in (True, False, False, False, False)
    ]
    assert clashes[0] == 0 < sum(clashes)


def test_the_table_meets_its_gate() -> None:
    rows = load("beeps/drift").rows(Effort(1, 0.1))
    assert all(row.passes for row in rows if row.passes is not None)
    for row in rows:
        if row.before is not None:
            assert row.ours == pytest.approx(row.before, rel=0.3), row.label


def test_the_law_of_what_an_attack_leaves() -> None:
    links = np.arange(60)
    shares = np.exp(special.xlogy(links, 4.0) - 4.0 - special.gammaln(links + 1))
    # Nobody gone: s = 1 - exp(-4 s).
    whole = part_by_law(shares, 0.0)
    assert whole == pytest.approx(1 - np.exp(-4 * whole))
    assert part_by_law(shares, 0.3) == pytest.approx(0.4087, abs=0.0001)
    made = nx.fast_gnp_random_graph(20_000, 4 / 20_000, seed=1)
    hubs = sorted(made, key=lambda peer: -made.degree(peer))[:2000]
    made.remove_nodes_from(hubs)
    left = max(map(len, nx.connected_components(made))) / 20_000
    assert part_by_law(shares, 0.1) == pytest.approx(left, abs=0.015)
    assert part_by_law(shares, 0.6) == pytest.approx(0.0, abs=1e-6)
