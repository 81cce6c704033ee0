"""Stigmergy: choice at a fork, evaporation, crowds with thresholds, traces that decay."""

import math
from collections.abc import Iterator

import numpy as np

from lichen.lab.arrays.forks import crowd, equal_branches, switches, unequal_branches
from lichen.lab.reproduce.table import EXACT, Effort, Figure, Table, within
from lichen.words import N_

FORKS: dict[tuple[int, int], tuple[float, float, float]] = {
    (2, 20): (0.846, 0.908, 0.84),
    (1, 20): (0.564, 0.565, 0.00),
    (2, 6): (0.952, 0.980, 0.97),
    (4, 20): (0.982, 1.000, 1.00),
}
FORK_NAMES = ("winner's share", "of the last 500", "P(last share > 0.8)")
FORK_TRIALS = 2000


def _forks(effort: Effort) -> dict[str, float]:
    found = {}
    for power, inertia in FORKS:
        chance = effort.chance("fork", power, inertia)
        trials = effort.runs(FORK_TRIALS, 200)
        share, late = equal_branches(power, inertia, trials, chance, ants=1000, last=500)
        values = (share.mean(), late.mean(), (late > 0.8).mean())
        for name, value in zip(FORK_NAMES, values, strict=True):
            found[f"{name}, n = {power}, k = {inertia}"] = float(value)
    return found


def _fork_figures() -> Iterator[Figure]:
    for (power, inertia), row in FORKS.items():
        for name, before in zip(FORK_NAMES, row, strict=True):
            gate = within(0.02) if (power, inertia) == (2, 20) else None
            if power == 1 and name == FORK_NAMES[2]:
                gate = EXACT
            yield Figure(f"{name}, n = {power}, k = {inertia}", before=before, gate=gate)


DOUBLE_BRIDGE = Table(
    name="stigmergy/double-bridge",
    title=N_("Two equal branches: a crowd of ants decides"),
    source="J.-L. Deneubourg and others, J. Insect Behav. 3:159, 1990 (secondary)",
    parameters="1000 ants, 2000 trials, P = (k+A)^n / ((k+A)^n + (k+B)^n), no evaporation",
    gate="n = 2, k = 20 within 0.02; n = 1 never decides",
    figures=tuple(_fork_figures()),
    measure=_forks,
)

BRANCHES: dict[float, float] = {1: 0.44, 1.4: 0.54, 2: 0.69}
BRANCH_RUNS = 200


def _branches(effort: Effort) -> dict[str, float]:
    found = {}
    for ratio in BRANCHES:
        chance = effort.chance("branches", str(ratio))
        shares = unequal_branches(ratio, effort.runs(BRANCH_RUNS, 50), chance)
        found[f"P(short > 0.8), r = {ratio:g}"] = float((shares > 0.8).mean())
        if ratio == 1:
            found["P(the other > 0.8), r = 1"] = float((shares < 0.2).mean())
    return found


UNEQUAL_BRANCHES = Table(
    name="stigmergy/unequal-branches",
    title=N_("A short and a long branch: the short one wins more often"),
    source="S. Goss and others, Naturwissenschaften 76:579, 1989 (secondary)",
    parameters="0.5 ants/s, 20 s on the short branch, r = long/short, a mark at both ends of each "
    "crossing, out and home again, 30 min, 200 runs; share in the last 10 min",
    gate="within 0.07 of what was computed before",
    figures=(
        Figure("P(short > 0.8), r = 1", before=0.44, gate=within(0.07)),
        Figure("P(the other > 0.8), r = 1", before=0.47, gate=within(0.07)),
        Figure("P(short > 0.8), r = 1.4", before=0.54, gate=within(0.07)),
        Figure("P(short > 0.8), r = 2", before=0.69, gate=within(0.07)),
    ),
    measure=_branches,
    note=N_(
        "In words the rule can be read in two ways. If ants go round for ever, 0.47, 0.67 and "
        "0.78 come out; if each goes out and home once, the figures here. Real colonies favour the "
        "short branch at r = 2 nearly always (M)."
    ),
)

HALF_LIVES: dict[str, tuple[float, float]] = {
    "none": (math.inf, 0.00),
    "42 min": (2520, 0.00),
    "7 min": (420, 0.00),
    "83 s": (83, 0.74),
    "42 s": (42, 1.00),
    "14 s": (14, 1.00),
}
SWITCH_RUNS = 300


def _evaporation(effort: Effort) -> dict[str, float]:
    found = {}
    for name, (half_life_s, _before) in HALF_LIVES.items():
        shares = switches(half_life_s, effort.runs(SWITCH_RUNS, 50), effort.chance("switch", name))
        found[f"P(switches), half-life {name}"] = float((shares > 0.5).mean())
    return found


EVAPORATION = Table(
    name="stigmergy/evaporation",
    title=N_("Why trails must fade: a better branch opens late"),
    source="the model of stigmergy/double-bridge with decay",
    parameters="30 min of one branch alone, then one twice as good for 60 min; 1 ant/s, n = 2, "
    "k = 20, 300 runs; switched = most of the last 10 min on the better one",
    gate="none is stated",
    figures=tuple(
        Figure(f"P(switches), half-life {name}", before=before)
        for name, (_half_life, before) in HALF_LIVES.items()
    ),
    measure=_evaporation,
    note=N_("Law: choose half-life <= 3 k ln 2 / rate, 42 s here."),
)

CROWDS: dict[float, tuple[float, float]] = {
    0.05: (0.000, 0.00),
    0.10: (0.008, 0.00),
    0.12: (0.18, 0.15),
    0.15: (1.000, 1.00),
}
CROWD_RUNS = 200


def _crowds(effort: Effort) -> dict[str, float]:
    found = {}
    for deviation in CROWDS:
        chance = effort.chance("crowd", str(deviation))
        runs = range(effort.runs(CROWD_RUNS, 40))
        shares = np.array([crowd(1000, 0.25, deviation, chance) for _run in runs])
        where = f"sd = {deviation:g}"
        found[f"plain posting, {where}"] = float(shares[:, 0].mean())
        found[f"plain posting, P(> 90 %), {where}"] = float((shares[:, 0] > 0.9).mean())
        found[f"pledges, {where}"] = float(shares[:, 1].mean())
        found[f"pledges, P(> 90 %), {where}"] = float((shares[:, 1] > 0.9).mean())
    return found


CROWD = Table(
    name="stigmergy/crowd",
    title=N_("The same people, the same wishes: plain posting against conditional pledges"),
    source="M. Granovetter, Am. J. Sociology 83:1420, 1978, for the model",
    parameters="1000 people, each acts if a share of at least theta ~ N(0.25, sd) does; 200 runs",
    gate="none is stated",
    figures=tuple(
        figure
        for deviation, (share, probability) in CROWDS.items()
        for figure in (
            Figure(f"plain posting, sd = {deviation:g}", before=share),
            Figure(f"plain posting, P(> 90 %), sd = {deviation:g}", before=probability),
            Figure(f"pledges, sd = {deviation:g}", before=1.0),
            Figure(f"pledges, P(> 90 %), sd = {deviation:g}", before=1.0),
        )
    ),
    measure=_crowds,
    note=N_("Plain posting is the least fixed point of x = F(x), pledges the greatest."),
)


def _traces(_effort: Effort) -> dict[str, float]:
    half_life_d = 3.0
    return {
        "one mark a day for ever": half_life_d / math.log(2),
        "ten marks a day for ever": 10 * half_life_d / math.log(2),
        "30 marks, 14 days old": 30 * 2 ** (-14 / half_life_d),
        "3 marks, half a day old": 3 * 2 ** (-0.5 / half_life_d),
    }


TRACES = Table(
    name="stigmergy/traces",
    title=N_("Scores of traces that decay"),
    source="exponential decay",
    parameters="half-life 3 days; computed exactly",
    gate="to the digits printed",
    figures=(
        Figure("one mark a day for ever", before=4.33, gate=within(0.005)),
        Figure("ten marks a day for ever", before=43.3, gate=within(0.05)),
        Figure("30 marks, 14 days old", before=1.18, gate=within(0.005)),
        Figure("3 marks, half a day old", before=2.67, gate=within(0.005)),
    ),
    measure=_traces,
)

TABLES = (DOUBLE_BRIDGE, UNEQUAL_BRANCHES, EVAPORATION, CROWD, TRACES)
