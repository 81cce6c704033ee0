"""Gossip: rounds to reach everybody, rumour mongering, flooding on Scuttlebutt's nets, trees."""

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from types import MappingProxyType

import numpy as np
from scipy.sparse import csgraph

from lichen.lab.arrays.flood import flood
from lichen.lab.arrays.rounds import Way, rounds_to_all
from lichen.lab.arrays.rumours import Rumour, pull_feedback, push_blind, push_feedback
from lichen.lab.chance import Chance, Floats
from lichen.lab.graphs.graph import Graph
from lichen.lab.graphs.measures import hops_from, largest_part
from lichen.lab.graphs.random import links_made, random_regular
from lichen.lab.reproduce.table import EXACT, Effort, Figure, Gate, Table, within, within_share
from lichen.words import N_

ROUNDS: dict[int, tuple[float, float, float]] = {
    100: (12.29, 9.81, 6.54),
    1_000: (18.04, 13.79, 9.18),
    10_000: (23.68, 17.50, 11.60),
    100_000: (29.72, 21.18, 13.98),
}
ROUNDS_WHY = {
    (Way.PUSH, 100_000): N_(
        "1500 runs of ours give 29.35 ± 0.03, and the law's step from n = 10000 says 29.34: both "
        "miss this gate too. What was computed before is a mean of 40 runs, known within 0.22."
    ),
}
ROUNDS_RUNS = 400
ROUNDS_RUNS_LARGE = 40


def _rounds(effort: Effort) -> dict[str, float]:
    means = {}
    for peers, way in product(ROUNDS, Way):
        runs = effort.runs(ROUNDS_RUNS if peers < 100_000 else ROUNDS_RUNS_LARGE)
        chance = effort.chance("rounds", peers, way)
        means[f"{way}, n = {peers}"] = float(
            np.mean([rounds_to_all(way, peers, chance) for _run in range(runs)])
        )
    return means


ROUNDS_TABLE = Table(
    name="gossip/rounds",
    title=N_("Rounds until everybody knows: push, pull, push-pull"),
    source="Frieze and Grimmett 1985; Pittel 1987; Karp and others, FOCS 2000",
    parameters="complete graph, synchronous, one random contact per peer and round; "
    "400 runs (40 at n = 100000)",
    gate="mean within 0.3 rounds of what was computed before",
    figures=tuple(
        Figure(
            f"{way}, n = {peers}",
            before=before[place],
            gate=within(0.3),
            why=ROUNDS_WHY.get((way, peers), ""),
        )
        for peers, before in ROUNDS.items()
        for place, way in enumerate(Way)
    ),
    measure=_rounds,
    note=N_(
        "The papers give laws, not tables: push log2 n + ln n + O(1), "
        "push-pull log3 n + O(log log n)."
    ),
)

Spread = Callable[[int, int, int, Chance], Rumour]


def _rumours(
    spread: Spread, runs: dict[int, int], *, has_last: bool = False
) -> Callable[[Effort], dict[str, float]]:
    def measure(effort: Effort) -> dict[str, float]:
        found = {}
        for k, count in runs.items():
            chance = effort.chance("demers", spread.__name__, k)
            rumour = spread(1000, k, effort.runs(count), chance)
            found[f"residue s, k = {k}"] = rumour.residue
            found[f"traffic m, k = {k}"] = rumour.traffic
            if has_last:
                found[f"t_last, k = {k}"] = rumour.cycles_last
        return found

    return measure


def _rumour_figures(
    residues: dict[int, tuple[float, float | None]],
    traffics: dict[int, tuple[float, float | None]],
    lasts: dict[int, tuple[float | None, float | None]],
    whys: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Figure]:
    named: list[tuple[str, dict[int, tuple[float | None, float | None]], Gate | None]] = [
        ("residue s", dict(residues), within_share(0.10)),
        ("traffic m", dict(traffics), within_share(0.02)),
        ("t_last", lasts, None),
    ]
    for k in residues:
        for name, known, gate in named:
            if k in known:
                paper, before = known[k]
                label = f"{name}, k = {k}"
                stated = gate if k <= 3 else None
                yield Figure(label, paper, "M", before, stated, whys.get(label, ""))


DEMERS = "A. Demers and others, PODC 1987, n = 1000"
DEMERS_GATE = "residue within 10 %, traffic within 2 % of the paper for k <= 3"

PUSH_FEEDBACK = Table(
    name="gossip/demers-1",
    title=N_("Rumour mongering, push with feedback and counter (Demers table 1)"),
    source=DEMERS,
    parameters="useful = the target did not know when the cycle began; a useful push sets the "
    "counter back; 2000 runs",
    gate=DEMERS_GATE,
    figures=tuple(
        _rumour_figures(
            {
                1: (0.18, 0.172),
                2: (0.037, 0.0376),
                3: (0.011, 0.0111),
                4: (0.0036, None),
                5: (0.0012, None),
            },
            {
                1: (1.74, 1.749),
                2: (3.30, 3.300),
                3: (4.53, 4.525),
                4: (5.64, None),
                5: (6.68, None),
            },
            {},
        )
    ),
    measure=_rumours(push_feedback, dict.fromkeys(range(1, 6), 2000)),
    note=N_("Law: s = exp(-m)."),
)
PUSH_BLIND = Table(
    name="gossip/demers-2",
    title=N_("Rumour mongering, push, blind, coin 1/k (Demers table 2)"),
    source=DEMERS,
    parameters="after each push interest is lost with probability 1/k; 2000 runs",
    gate=DEMERS_GATE,
    figures=tuple(
        _rumour_figures(
            {
                1: (0.960, 0.959),
                2: (0.205, 0.203),
                3: (0.060, 0.057),
                4: (0.021, 0.021),
                5: (0.008, 0.007),
            },
            {
                1: (0.04, 0.04),
                2: (1.59, 1.59),
                3: (2.82, 2.84),
                4: (3.91, 3.91),
                5: (4.95, 4.96),
            },
            {},
        )
    ),
    measure=_rumours(push_blind, dict.fromkeys(range(1, 6), 2000)),
    note=N_("The traffic of k = 1 is printed as 0.04, a rounded figure."),
)
PULL_FEEDBACK = Table(
    name="gossip/demers-3",
    title=N_("Rumour mongering, pull with feedback and counter (Demers table 3)"),
    source=DEMERS,
    parameters="counter set back if any asker of the cycle needed the answer, else plus one; "
    "2000, 4000 and 40000 runs",
    gate=DEMERS_GATE,
    figures=tuple(
        _rumour_figures(
            {1: (3.1e-2, 3.2e-2), 2: (5.8e-4, 5.2e-4), 3: (4.0e-6, None)},
            {1: (2.70, 2.69), 2: (4.49, 4.49), 3: (6.09, 6.09)},
            {1: (17.6, 17.7), 2: (15.4, 14.8), 3: (14.0, 14.0)},
            {
                "residue s, k = 3": N_(
                    "The paper's 4.0e-6 (remembered) is one missed peer in 250 runs: even 4000 "
                    "runs know it within a quarter only. 200000 runs of ours give 3.41e-6 ± "
                    "0.13e-6, with traffic and t_last as printed."
                ),
            },
        )
    ),
    measure=_rumours(pull_feedback, {1: 2000, 2: 4000, 3: 40_000}, has_last=True),
    note=N_(
        "The residue for k = 3 rests on one missed peer in 300 runs: 40000 runs know it within "
        "9 % (one standard deviation)."
    ),
)

SSB_PEERS = 1000
SSB_RUNS = 40
SSB: dict[int, tuple[float, float, float, float]] = {
    2: (7, 2.984, 7.95, 2.999),
    3: (6, 4.952, 5.95, 4.991),
    5: (5, 8.87, 4.55, 8.968),
    10: (4, 18.51, 3.45, 18.83),
    20: (4, 37.17, 3.00, 38.27),
}


def _connected(links_each: float, chance: Chance) -> Graph:
    while True:
        graph = links_made(SSB_PEERS, links_each, chance)
        if largest_part(graph) == SSB_PEERS:
            return graph


def _ssb_flood(effort: Effort) -> dict[str, float]:
    found = {}
    for links_each in SSB:
        chance = effort.chance("ssb flood", links_each)
        hops, costs, errors = [], [], 0
        for _run in range(effort.runs(SSB_RUNS)):
            graph = _connected(links_each, chance)
            told = flood(graph, int(chance.below(SSB_PEERS, 1)[0]))
            hops.append(told.hops_last)
            costs.append(told.sends / (SSB_PEERS - 1))
            errors += abs(told.sends - (2 * graph.links - (SSB_PEERS - 1)))
        found[f"hops, K = {links_each}"] = float(np.mean(hops))
        found[f"inefficiency, K = {links_each}"] = float(np.mean(costs))
        found[f"sends - (2E - (n-1)), K = {links_each}"] = float(errors)
    return found


def _ssb_figures() -> Iterator[Figure]:
    for links_each, (hops, cost, hops_before, cost_before) in SSB.items():
        yield Figure(f"hops, K = {links_each}", hops, "S", hops_before, within(1))
        yield Figure(f"inefficiency, K = {links_each}", cost, "S", cost_before, within_share(0.04))
        yield Figure(f"sends - (2E - (n-1)), K = {links_each}", 0, "S", None, EXACT)


SSB_FLOOD = Table(
    name="gossip/ssb-flood",
    title=N_("Flooding in a random net of 1000 peers that make K links each"),
    source="D. Tarr, scalable secure scuttlebutt, paper.md",
    parameters="40 connected nets, one flood from a random peer; inefficiency = sends / (n - 1)",
    gate="hops within 1, inefficiency within 4 %; sends = 2E - (n - 1) exactly",
    figures=tuple(_ssb_figures()),
    measure=_ssb_flood,
    note=N_('Its column "avg" is not the mean of the hops and is left out.'),
)

SSB_LINKS: dict[float, tuple[float | None, float]] = {
    1: (0.05, 57),
    1.5: (0.91, 12.3),
    2: (1.0, 8.7),
    5: (None, 5.4),
}
SSB_LINKS_RUNS = 200


def _ssb_connectivity(effort: Effort) -> dict[str, float]:
    found = {}
    for links_each, (probability, _hops) in SSB_LINKS.items():
        chance = effort.chance("ssb connectivity", str(links_each))
        graphs = [
            links_made(SSB_PEERS, links_each, chance)
            for _run in range(effort.runs(SSB_LINKS_RUNS, 40))
        ]
        whole = [graph for graph in graphs if largest_part(graph) == SSB_PEERS]
        if probability is not None:
            found[f"P(connected), {links_each:g} links"] = len(whole) / len(graphs)
        hops = [flood(graph, 0).hops_last for graph in whole]
        found[f"eccentricity, {links_each:g} links"] = float(np.mean(hops)) if hops else math.nan
    return found


SSB_CONNECTIVITY = Table(
    name="gossip/ssb-connectivity",
    title=N_("Is a random net of 1000 peers connected?"),
    source="D. Tarr, scalable secure scuttlebutt, paper.md",
    parameters="200 nets; each peer makes so many links on average; eccentricity of one peer "
    "over the nets that are connected",
    gate="none is stated",
    note=N_("The source does not say how the links were drawn."),
    figures=tuple(
        figure
        for links_each, (probability, hops) in SSB_LINKS.items()
        for figure in (
            *(
                [Figure(f"P(connected), {links_each:g} links", probability, "S")]
                if probability is not None
                else []
            ),
            Figure(f"eccentricity, {links_each:g} links", hops, "S"),
        )
    ),
    measure=_ssb_connectivity,
)

TREES: dict[int, tuple[float, float, float, float]] = {
    1_000: (3.01, 6.5, 7, 11.4),
    10_000: (3.00, 8.2, 9, 15.2),
}
TREE_RUNS = 10
TREE_SOURCES = 40


def _frozen_tree(graph: Graph, root: int) -> Graph:
    """Return the links over which a flood from ``root`` first reached everybody."""
    order, before = csgraph.breadth_first_order(graph.matrix(), root, directed=False)
    below = np.asarray(order[1:], dtype=np.int64)
    return Graph(graph.peers, below, np.asarray(before[below], dtype=np.int64))


def _depths(tree: Graph, sources: Floats) -> float:
    return float(hops_from(tree, sources.astype(np.int64)).max(axis=1).mean())


def _trees(effort: Effort) -> dict[str, float]:
    found: dict[str, float] = {}
    for peers in TREES:
        chance = effort.chance("trees", peers)
        columns: list[tuple[float, ...]] = []
        for _run in range(effort.runs(TREE_RUNS)):
            graph = random_regular(peers, 5, chance)
            told = flood(graph, 0)
            tree = _frozen_tree(graph, 0)
            columns.append(
                (
                    told.redundancy,
                    told.hops_last,
                    flood(tree, 0).redundancy,
                    flood(tree, 0).hops_last,
                    _depths(tree, chance.fractions(TREE_SOURCES) * peers),
                )
            )
        names = ("flood RMR", "flood LDH", "tree RMR", "tree LDH, root", "tree LDH, others")
        for name, values in zip(names, zip(*columns, strict=True), strict=True):
            found[f"{name}, n = {peers}"] = float(np.mean(values))
    return found


TREES_TABLE = Table(
    name="gossip/trees",
    title=N_("Redundancy and last hop: flooding against one frozen tree"),
    source="J. Leitão, J. Pereira, L. Rodrigues, SRDS 2007, defines the measures",
    parameters="random 5-regular graphs, 10 of them; tree = first deliveries of a flood from its "
    "root, then used from 40 other sources",
    gate="a tree's redundancy is 0 exactly; none is stated for the rest",
    figures=tuple(
        figure
        for peers, (redundancy, hops, root, others) in TREES.items()
        for figure in (
            Figure(f"flood RMR, n = {peers}", before=redundancy),
            Figure(f"flood LDH, n = {peers}", before=hops),
            Figure(f"tree RMR, n = {peers}", 0, "S", gate=EXACT),
            Figure(f"tree LDH, root, n = {peers}", before=root),
            Figure(f"tree LDH, others, n = {peers}", before=others),
        )
    ),
    measure=_trees,
    note=N_("Reliability after a crash stands in small_world/repair."),
)

TABLES = (
    ROUNDS_TABLE,
    PUSH_FEEDBACK,
    PUSH_BLIND,
    PULL_FEEDBACK,
    SSB_FLOOD,
    SSB_CONNECTIVITY,
    TREES_TABLE,
)
