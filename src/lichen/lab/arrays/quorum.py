"""Choosing a home as a swarm does: recruiting, forgetting, stop signals, a quorum at one site.

T. Seeley and others, Science 335:108 (2012); the deterministic form is

    dx_i/dt = gamma v_i u - (alpha / v_i) x_i + rho v_i x_i u - sigma x_i sum_{j != i} x_j

with x_i the share committed to site i of quality v_i, and u the uncommitted share. Here every scout
is counted: in each time step scouts move with the probabilities that these rates give.
"""

import math

import msgspec
import numpy as np

from lichen.lab.chance import Chance, Floats, Ints

SCOUTS = 200
STEP = 0.01
RECRUITMENT = 1.0
DISCOVERY = 0.03
ABANDONMENT = 0.1


class Swarm(msgspec.Struct, frozen=True):
    """The sites of one choice, and how strongly scouts stop each other."""

    qualities: tuple[float, ...]
    stop: float
    """Sigma: the rate of stop signals."""
    discovery: float = DISCOVERY


def committed_at(swarm: Swarm, end: float, runs: int, chance: Chance) -> Ints:
    """Return how many scouts each site has at a time, run by run."""
    counts = np.zeros((runs, len(swarm.qualities)), dtype=np.int64)
    for _step in range(round(end / STEP)):
        counts = _step_on(swarm, counts, chance)
    return counts


def first_quorums(
    swarm: Swarm, quorums: list[int], end: float, runs: int, chance: Chance
) -> tuple[Floats, Ints]:
    """Return when each quorum was first met, and at which site; runs by quorums.

    A time is not a number, and a site -1, where a quorum was not met before the end.
    """
    counts = np.zeros((runs, len(swarm.qualities)), dtype=np.int64)
    times = np.full((runs, len(quorums)), math.nan)
    sites = np.full((runs, len(quorums)), -1, dtype=np.int64)
    for step in range(1, round(end / STEP) + 1):
        counts = _step_on(swarm, counts, chance)
        most = counts.max(axis=1)
        for place, quorum in enumerate(quorums):
            is_met = (most >= quorum) & (sites[:, place] < 0)
            times[is_met, place] = step * STEP
            sites[is_met, place] = counts[is_met].argmax(axis=1)
        if (sites >= 0).all():
            break
    return times, sites


def _step_on(swarm: Swarm, counts: Ints, chance: Chance) -> Ints:
    qualities = np.array(swarm.qualities)
    shares = counts / SCOUTS
    others = shares.sum(axis=1, keepdims=True) - shares
    leaving = chance.binomial(counts, STEP * (ABANDONMENT / qualities + swarm.stop * others))
    coming = STEP * qualities * (swarm.discovery + RECRUITMENT * shares)
    free = SCOUTS - counts.sum(axis=1)
    after = counts - leaving
    for site in range(len(qualities)):
        come = chance.binomial(free, coming[:, site])
        after[:, site] += come
        free = free - come
    return np.asarray(after)
