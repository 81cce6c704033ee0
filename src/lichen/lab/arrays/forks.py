"""Trails: choice at a fork, branches of unequal length, evaporation, crowds with thresholds.

Choice: J.-L. Deneubourg, S. Aron, S. Goss, J. Pasteels, J. Insect Behav. 3:159 (1990):
P_A = (k + A)^n / ((k + A)^n + (k + B)^n). Crowds: M. Granovetter, Am. J. Sociology 83:1420 (1978).
"""

import math

import numpy as np

from lichen.lab.chance import Chance, Floats

STEP_S = 1.0


def choice(first: Floats, second: Floats, power: float, inertia: float) -> Floats:
    """Return the probability to take the first branch."""
    one, other = (inertia + first) ** power, (inertia + second) ** power
    return np.asarray(one / (one + other))


def equal_branches(
    power: float, inertia: float, trials: int, chance: Chance, *, ants: int, last: int
) -> tuple[Floats, Floats]:
    """Return the winner's share of all ants and of the last ones, trial by trial."""
    taken = np.zeros((2, trials))
    before = taken.copy()
    for ant in range(ants):
        if ant == ants - last:
            before = taken.copy()
        takes = chance.fractions(trials) < choice(taken[0], taken[1], power, inertia)
        taken[0] += takes
        taken[1] += ~takes
    late = taken - before
    return taken.max(axis=0) / ants, late.max(axis=0) / last


def unequal_branches(ratio: float, runs: int, chance: Chance) -> Floats:
    """Return the share of the short branch among the ants of the last ten minutes of thirty.

    An ant comes out of the nest every two seconds on average. At the fork it chooses and leaves a
    mark, walks 20 s on the short branch (``ratio`` times that on the long one), marks the other end
    as it arrives, chooses its way back there, and is done when it is home.
    """
    short_s, end_s, watch_s = 20, 1800, 1200
    lengths = (short_s, round(short_s * ratio))
    marks = np.zeros((2, 2, runs))
    """At nest and food, on the short and the long branch."""
    arriving = np.zeros((2, 2, end_s + max(lengths) + 1, runs), dtype=np.int64)
    """At each end, by branch, second by second."""
    watched = np.zeros((2, runs))
    for now in range(end_s):
        coming = chance.poisson(np.full(runs, 0.5 * STEP_S))
        for place in (0, 1):
            marks[place] += arriving[place, :, now]
        for place in (0, 1):
            here = coming if place == 0 else arriving[1, :, now].sum(axis=0)
            odds = choice(marks[place, 0], marks[place, 1], 2, 20)
            short = chance.binomial(here, np.minimum(odds, 1 - 1e-12))
            for branch, count in enumerate((short, here - short)):
                marks[place, branch] += count
                arriving[1 - place, branch, now + lengths[branch]] += count
                if now >= watch_s:
                    watched[branch] += count
    return np.asarray(watched[0] / np.maximum(watched.sum(axis=0), 1))


def switches(half_life_s: float, runs: int, chance: Chance) -> Floats:
    """Return the share of ants on the better branch at the end, run by run.

    One branch is used alone for 30 minutes; then one twice as good (two deposits instead of one
    for each ant) opens for 60 minutes. One ant a second.
    """
    keeps = 2.0 ** (-STEP_S / half_life_s) if math.isfinite(half_life_s) else 1.0
    old, new = np.zeros(runs), np.zeros(runs)
    late = np.zeros(runs)
    for now in range(5400):
        odds = choice(new, old, 2, 20) if now >= 1800 else np.zeros(runs)
        takes_new = chance.fractions(runs) < odds
        old = old * keeps + ~takes_new
        new = new * keeps + 2.0 * takes_new
        if now >= 4800:
            late += takes_new
    return np.asarray(late / 600)


def crowd(people: int, mean: float, deviation: float, chance: Chance) -> tuple[float, float]:
    """Return the share that acts with plain posting and with conditional pledges.

    Everybody acts if at least a share of the others does. Plain posting climbs from nobody to the
    least share that holds itself up; pledges come down from everybody to the greatest.
    """
    thresholds = np.sort(mean + deviation * chance.normal(people))
    act = 0
    while True:
        more = int(np.searchsorted(thresholds, act / people, side="right"))
        if more == act:
            break
        act = more
    pledged = people
    while True:
        fewer = int(np.searchsorted(thresholds, pledged / people, side="right"))
        if fewer == pledged:
            break
        pledged = fewer
    return act / people, pledged / people
