"""Ants: how a rate follows the returns."""

from collections.abc import Iterator

import numpy as np

from lichen.lab.arrays.ants import rates
from lichen.lab.reproduce.table import Effort, Figure, Table, within_share

RETURNS = (0.5, 0.1, 0.5)
RUNS = 200
FLOOR = 0.01
LINKS: dict[float, tuple[float, float, float]] = {
    0.02: (113, 117, 105),
    0.05: (44, 44, 46),
    0.1: (18, 22, 22),
}
"""q to the slots until 90 % of each of the three changes is made, as computed before."""
PLATEAUS = (0.500, 0.102, 0.497)
WHY = {
    "90 % response, q = 0.1, change 1": "What was computed before, 18, misses this gate too: a "
    "mean of 200 runs crosses at 21.4 +- 2.4 slots (24 seeds), and 2000 runs at 22.",
    "plateau, q = 0.1, change 2": "The floor cuts off what chance makes negative and lifts the "
    "mean: 24 seeds of 200 runs give 0.1055 +- 0.005, 2000 runs 0.105, without a floor 0.096.",
}
"""The spread of one seed, and what more runs give."""


def _open_loop(effort: Effort) -> dict[str, float]:
    found = {}
    for cost in LINKS:
        chance = effort.chance("open loop", str(cost))
        slots = round(10 / cost)
        runs = effort.runs(RUNS, 50)
        means = np.repeat(RETURNS, slots)[:, None] * np.ones((1, runs))
        curve = rates(chance.poisson(means), cost, cost, FLOOR, chance).mean(axis=1)
        level = 0.0
        for phase, target in enumerate(RETURNS):
            part = curve[phase * slots : (phase + 1) * slots]
            done = np.abs(part - level) >= 0.9 * abs(target - level)
            where = f"q = {cost:g}, change {phase + 1}"
            found[f"90 % response, {where}"] = float(np.argmax(done) + 1)
            found[f"plateau, {where}"] = float(part[slots // 2 :].mean())
            level = target
    return found


def _figures() -> Iterator[Figure]:
    for cost, slots in LINKS.items():
        for phase, target in enumerate(RETURNS):
            where = f"q = {cost:g}, change {phase + 1}"
            law = round(2.3 / cost, 1)
            label = f"90 % response, {where}"
            why = WHY.get(label, "")
            yield Figure(label, law, "R", slots[phase], within_share(0.2), why)
            label = f"plateau, {where}"
            before = PLATEAUS[phase] if cost == 0.05 else None
            yield Figure(label, target, "R", before, within_share(0.03), WHY.get(label, ""))


OPEN_LOOP = Table(
    name="ants/open-loop",
    title="The rate of leaving follows the rate of coming home",
    source="B. Prabhakar, K. Dektar, D. Gordon, PLoS Comput. Biol. 8:e1002670, 2012 (abstract "
    "read; the form of the rule is remembered)",
    parameters="returns 0.5, 0.1, 0.5 a slot, c = q, d = 0, floor 0.01, 200 runs; the mean over "
    "runs; laws derived: 2.3/q slots, c lambda / q",
    gate="90 % response within 2.3/q slots +- 20 %, plateau within 3 % of c lambda / q",
    figures=tuple(_figures()),
    measure=_open_loop,
    note="Chance moves a rate by about sqrt(q lambda); at q = 0.1 and lambda = 0.1 that is as much "
    "as the rate itself.",
)

TABLES = (OPEN_LOOP,)
