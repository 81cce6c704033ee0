"""Beeps, quorums, counting to a threshold."""

import math
from collections.abc import Callable, Iterator

import numpy as np

from lichen.lab.arrays.beeps import Schedule, conflicts, elect, heal, uncovered
from lichen.lab.arrays.drift import elect_adrift
from lichen.lab.arrays.quorum import SCOUTS, Swarm, committed_at, first_quorums
from lichen.lab.chance import Chance
from lichen.lab.graphs.graph import Graph
from lichen.lab.graphs.orderly import grid
from lichen.lab.graphs.random import likely_links, random_graph
from lichen.lab.reproduce.table import (
    EXACT,
    Effort,
    Figure,
    Table,
    at_least,
    at_most,
    between,
    within,
)
from lichen.words import N_

KINDS: dict[str, Callable[[int, Chance], Graph]] = {
    "G(n,1/2)": lambda peers, chance: likely_links(peers, 0.5, chance),
    "mean degree 8": lambda peers, chance: random_graph(peers, 4 * peers, chance),
    "grid": lambda peers, _chance: grid(math.isqrt(peers)),
}
ELECTIONS: dict[str, dict[int, tuple[float, float, float]]] = {
    "G(n,1/2)": {64: (11.5, 1.11, 28.7), 256: (17.7, 1.04, 51.6), 1024: (22.3, 1.01, 80.0)},
    "mean degree 8": {
        1024: (16.5, 1.20, 32.0),
        4096: (19.2, 1.18, 43.4),
        16384: (20.9, 1.19, 59.9),
    },
    "grid": {1024: (14.9, 1.15, 29.3), 4096: (17.9, 1.16, 38.9), 16384: (19.6, 1.17, 49.9)},
}
"""Rounds and beeps of each peer with feedback, rounds with the sweep."""
RUNS_SMALL = 60
RUNS_LARGE = 60


def _elections(effort: Effort) -> dict[str, float]:
    found = {}
    for kind, row in ELECTIONS.items():
        ratio_before = 0.0
        for peers in row:
            chance = effort.chance("elections", kind, peers)
            runs = effort.runs(RUNS_SMALL if peers <= 1024 else RUNS_LARGE)
            graphs = [KINDS[kind](peers, chance) for _run in range(runs)]
            fed = [elect(graph, Schedule.FEEDBACK, chance) for graph in graphs]
            swept = [elect(graph, Schedule.SWEEP, chance).rounds for graph in graphs]
            rounds = [election.rounds for election in fed]
            where = f"{kind}, n = {peers}"
            found[f"rounds, {where}"] = float(np.mean(rounds))
            found[f"p99 of rounds, {where}"] = float(np.quantile(rounds, 0.99))
            found[f"beeps, {where}"] = float(np.mean([e.beeps for e in fed])) / peers
            found[f"rounds of the sweep, {where}"] = float(np.mean(swept))
            found[f"faults, {where}"] = float(
                sum(
                    conflicts(graph, election.members) + uncovered(graph, election.members)
                    for graph, election in zip(graphs, fed, strict=True)
                )
            )
            ratio = float(np.mean(swept) / np.mean(rounds))
            if ratio_before:
                found[f"sweep/feedback grows, {where}"] = ratio / ratio_before
            ratio_before = ratio
    return found


def _election_figures() -> Iterator[Figure]:
    for kind, row in ELECTIONS.items():
        for peers, (rounds, beeps, swept) in row.items():
            where = f"{kind}, n = {peers}"
            bound = math.log2(peers)
            yield Figure(f"rounds, {where}", before=rounds, gate=at_most(2.5 * bound))
            yield Figure(f"p99 of rounds, {where}", gate=at_most(5 * bound))
            yield Figure(f"beeps, {where}", before=beeps, gate=between(0.95, 1.3))
            yield Figure(f"rounds of the sweep, {where}", before=swept)
            yield Figure(f"faults, {where}", 0, "S", None, EXACT)
            if peers != min(row):
                yield Figure(f"sweep/feedback grows, {where}", gate=at_least(1))


FEEDBACK = Table(
    name="beeps/feedback",
    title=N_("Leaders by one-bit beeps: feedback against a fixed schedule"),
    source="A. Scott, P. Jeavons, L. Xu, PODC 2013 (abstract read); Y. Afek and others, "
    "Science 331:183, 2011",
    parameters="60 graphs each (30 and 10 before); beeps of a peer without its announcement; "
    "faults = two adjacent leaders, or a peer without one",
    gate="mean rounds <= 2.5 log2 n, p99 <= 5 log2 n, beeps in 0.95 to 1.3, sweep/feedback grows "
    "with n, no faults",
    figures=tuple(_election_figures()),
    measure=_elections,
    note=N_("The paper's fit, about 2.5 log2 n rounds and 1.1 beeps, is remembered only (M)."),
)

DRIFT = 0.2
DRIFT_GRAPHS = 20
DRIFT_NETS = {
    "G(n,1/2), n = 256": ("G(n,1/2)", 256),
    "mean degree 8, n = 1024": ("mean degree 8", 1024),
    "mean degree 8, n = 4096": ("mean degree 8", 4096),
    "grid, n = 1024": ("grid", 1024),
}


def _drifts(effort: Effort) -> dict[str, float]:
    found = {}
    for where, (kind, peers) in DRIFT_NETS.items():
        chance = effort.chance("drift", kind, peers)
        slots, beeps, faults, forgetful = [], [], 0, 0
        for _run in range(effort.runs(DRIFT_GRAPHS)):
            graph = KINDS[kind](peers, chance)
            made = elect_adrift(graph, DRIFT, chance)
            slots.append(made.slots)
            beeps.append(made.beeps / peers)
            faults += conflicts(graph, made.is_member) + uncovered(graph, made.is_member)
            deaf = elect_adrift(graph, DRIFT, chance, is_late_kept=False)
            forgetful += conflicts(graph, deaf.is_member)
        found[f"faults, {where}"] = float(faults)
        found[f"slots, {where}"] = float(np.mean(slots))
        found[f"beeps, {where}"] = float(np.mean(beeps))
        found[f"adjacent leaders if late beeps are forgotten, {where}"] = float(forgetful)
    return found


DRIFTING = Table(
    name="beeps/drift",
    title=N_("Leaders by beeps where every clock is wrong by up to a fifth"),
    source="the gate is ours; the algorithm is that of beeps/feedback",
    parameters="a round = a slot of two round trips by each peer's own clock, 20 % too fast to "
    "20 % too slow, begun at any time; a signal takes 0.05 to 0.25 slots; late beeps count "
    "for the next slot; 20 graphs each; slots = of the peer that needs most",
    gate="no faults: no two adjacent leaders, and no peer without one",
    figures=tuple(
        figure
        for where, (kind, peers) in DRIFT_NETS.items()
        for figure in (
            Figure(f"faults, {where}", 0, "S", None, EXACT),
            Figure(f"slots, {where}", before=ELECTIONS[kind][peers][0]),
            Figure(f"beeps, {where}", before=ELECTIONS[kind][peers][1]),
            Figure(f"adjacent leaders if late beeps are forgotten, {where}"),
        )
    ),
    measure=_drifts,
    note=N_(
        "The figures before are rounds and beeps with clocks that agree. Two neighbours that beep "
        "are never both deaf to each other: whoever decides first has been heard by the other."
    ),
)

LOSS_PEERS = 10_000
LOSS_RUNS = 10


def _losses(effort: Effort) -> dict[str, float]:
    chance = effort.chance("lost beeps")
    shares, epochs, left = [], [], 0
    for _run in range(effort.runs(LOSS_RUNS)):
        graph = random_graph(LOSS_PEERS, 4 * LOSS_PEERS, chance)
        made = elect(graph, Schedule.FEEDBACK, chance, loss=0.05, announcements=3)
        shares.append(conflicts(graph, made.members) / LOSS_PEERS)
        joined_at = np.array(made.joined_at)
        took, members = heal(graph, joined_at, chance, loss=0.05, epochs_max=20)
        epochs.append(took)
        left += conflicts(graph, members)
    return {
        "violations a peer": float(np.mean(shares)),
        "violations after healing": float(left),
        "epochs to heal": float(np.mean(epochs)),
    }


LOST_BEEPS = Table(
    name="beeps/loss",
    title=N_("Leaders by beeps when 5 % of the beeps are lost"),
    source="the gate is ours; the algorithm is that of beeps/feedback",
    parameters="n = 10000, mean degree 8, 10 graphs; announcements repeated 3 times; then members "
    "beep once an epoch and the later of two steps down",
    gate="links between two leaders <= 0.1 % of the peers, none after healing",
    figures=(
        Figure("violations a peer", gate=at_most(0.001)),
        Figure("violations after healing", 0, "", None, EXACT),
        Figure("epochs to heal"),
    ),
    measure=_losses,
)


def _many(effort: Effort) -> dict[str, float]:
    chance = effort.chance("a hundred thousand")
    graph = random_graph(100_000, 400_000, chance)
    made = elect(graph, Schedule.FEEDBACK, chance)
    return {"rounds": made.rounds, "beeps a peer": made.beeps / graph.peers}


HUNDRED_THOUSAND = Table(
    name="beeps/100000",
    title=N_("Leaders by beeps among 100000 peers"),
    source="the goal is ours",
    parameters="n = 100000, mean degree 8, one graph",
    gate="rounds <= 42, beeps a peer <= 1.3",
    figures=(Figure("rounds", gate=at_most(42)), Figure("beeps a peer", gate=at_most(1.3))),
    measure=_many,
)

DEADLOCK_RUNS = 200
STOPS: dict[float, float] = {0: 0.75, 0.5: 0, 1: 0, 2: 0, 5: 0}


def _deadlocks(effort: Effort) -> dict[str, float]:
    found = {}
    for stop in STOPS:
        runs = effort.runs(DEADLOCK_RUNS, 20)
        chance = effort.chance("deadlock", str(stop))
        counts = committed_at(Swarm((1.0, 1.0), stop), 60, runs, chance)
        most = counts.max(axis=1) / SCOUTS
        found[f"deadlocks, sigma = {stop:g}"] = float((most <= 0.6).mean())
        if stop:
            found[f"the winner's share, sigma = {stop:g}"] = float(most.mean())
    return found


def _deadlock_figures() -> Iterator[Figure]:
    for stop, share in STOPS.items():
        gate = at_most(0.05) if stop else at_least(0.5)
        yield Figure(f"deadlocks, sigma = {stop:g}", before=share, gate=gate)
        if stop:
            yield Figure(f"the winner's share, sigma = {stop:g}", before=0.9)


STOP_SIGNALS = Table(
    name="beeps/stop-signals",
    title=N_("Two equal sites: stop signals break the deadlock"),
    source="T. Seeley and others, Science 335:108, 2012 (remembered only)",
    parameters="200 scouts, two sites of quality 1, discovery 0.03 v u, recruitment v x u, "
    "abandonment 0.1/v, dt 0.01, T = 60; deadlock = no site above 60 %; 200 runs",
    gate="deadlocks >= 50 % without stop signals, <= 5 % with them",
    figures=tuple(_deadlock_figures()),
    measure=_deadlocks,
)

QUORUMS: dict[int, tuple[float, float]] = {
    5: (0.58, 0.5),
    10: (0.55, 1.0),
    20: (0.63, 1.6),
    30: (0.61, 2.1),
    60: (0.77, 3.6),
    100: (0.74, 7.3),
}
QUORUM_RUNS = 3000
FIELD_QUORUM = 15


def _quorums(effort: Effort) -> dict[str, float]:
    chance = effort.chance("quorum")
    runs = effort.runs(QUORUM_RUNS, 50)
    times, sites = first_quorums(Swarm((1.0, 0.9), 1.0), list(QUORUMS), 200, runs, chance)
    accuracy = (sites == 0).mean(axis=0)
    took = np.nanmean(times, axis=0)
    found = {}
    for place, quorum in enumerate(QUORUMS):
        found[f"accuracy, Q = {quorum}"] = float(accuracy[place])
        found[f"time, Q = {quorum}"] = float(took[place])
    known = list(QUORUMS)
    gain = accuracy[known.index(60)] - accuracy[known.index(10)]
    found["accuracy(60) - accuracy(10)"] = float(gain)
    found["least step of the time"] = float(np.diff(took).min())
    return found


QUORUM = Table(
    name="beeps/quorum",
    title=N_("Speed against accuracy: how many scouts decide"),
    source="T. Seeley and P. Visscher, BES 56:594, 2004 (abstract read), for the quorum itself",
    parameters="200 scouts, qualities 1.0 and 0.9, sigma 1, 3000 runs (300 before); decided at "
    "the first site with Q scouts",
    gate="accuracy(60) >= accuracy(10) + 0.12, time increasing with Q",
    figures=(
        *(
            figure
            for quorum, (accuracy, time) in QUORUMS.items()
            for figure in (
                Figure(f"accuracy, Q = {quorum}", before=accuracy),
                Figure(f"time, Q = {quorum}", before=time),
            )
        ),
        Figure("accuracy(60) - accuracy(10)", gate=at_least(0.12)),
        Figure("least step of the time", gate=at_least(0)),
    ),
    measure=_quorums,
)


def _five_sites(effort: Effort) -> dict[str, float]:
    took = {}
    runs = effort.runs(QUORUM_RUNS, 50)
    for sites in (1, 5):
        chance = effort.chance("five sites", sites)
        swarm = Swarm((1.0,) * sites, 1.0, discovery=0.03 / sites)
        times, _sites = first_quorums(swarm, [FIELD_QUORUM], 200, runs, chance)
        took[sites] = float(np.nanmean(times))
    return {
        "time, one site": took[1],
        "time, five sites": took[5],
        "five / one": took[5] / took[1],
    }


FIVE_SITES = Table(
    name="beeps/five-sites",
    title=N_("Scouts split over five equal boxes decide later"),
    source="T. Seeley and P. Visscher, BES 56:594, 2004 (abstract read)",
    parameters="200 scouts, quorum 15, sigma 1, the same total rate of discovery, 3000 runs",
    gate="the quorum is delayed",
    figures=(
        Figure("time, one site"),
        Figure("time, five sites"),
        Figure("five / one", gate=at_least(1)),
    ),
    measure=_five_sites,
)

FLAGS: dict[tuple[int, int, float, float], tuple[float, float]] = {
    (10, 3, 0.02, 0.5): (8.6e-4, 0.945),
    (15, 4, 0.02, 0.5): (1.8e-4, 0.982),
    (15, 5, 0.05, 0.5): (6.1e-4, 0.941),
    (50, 8, 0.05, 0.4): (3.2e-3, 1.000),
}


def _at_least(least: int, of: int, probability: float) -> float:
    return sum(
        math.comb(of, count) * probability**count * (1 - probability) ** (of - count)
        for count in range(least, of + 1)
    )


def _flags(effort: Effort) -> dict[str, float]:
    found = {}
    for of, least, false, true in FLAGS:
        where = f"{least} of {of}, e = {false:g}, h = {true:g}"
        found[f"wrongly hidden, {where}"] = _at_least(least, of, false)
        found[f"spammer hidden, {where}"] = _at_least(least, of, true)
    return found


def _flag_figures() -> Iterator[Figure]:
    for (of, least, false, true), (wrong, right) in FLAGS.items():
        where = f"{least} of {of}, e = {false:g}, h = {true:g}"
        digit = 10.0 ** (math.floor(math.log10(wrong)) - 1) / 2
        yield Figure(f"wrongly hidden, {where}", before=wrong, gate=within(digit))
        yield Figure(f"spammer hidden, {where}", before=right, gate=within(0.0005))


THRESHOLD = Table(
    name="beeps/threshold",
    title=N_("Hiding spam when t of k friends flag it"),
    source="binomial distribution",
    parameters="k friends, threshold t, false flags e, hits h; computed exactly",
    gate="to the digits printed",
    figures=tuple(_flag_figures()),
    measure=_flags,
)

TABLES = (
    FEEDBACK,
    DRIFTING,
    LOST_BEEPS,
    HUNDRED_THOUSAND,
    STOP_SIGNALS,
    QUORUM,
    FIVE_SITES,
    THRESHOLD,
)
