"""Finding a way with local knowledge only: greedy routing on a torus with one long link a place.

J. Kleinberg, Nature 406:845 (2000): each place of a square grid has four neighbours and one long
link, to a place at distance d with probability proportional to d^-r. A message goes to whichever
of the five is nearest to its target. The way never comes back to a place, so long links are drawn
when they are looked at, and a grid of any size costs nothing.
"""

import numpy as np

from lichen.lab.chance import Chance, Floats, Ints


def greedy_steps(side: int, exponent: float, trials: int, chance: Chance) -> Floats:
    """Return the steps from a random place to a random target, for many trials."""
    sums = _link_sums(side, exponent)
    east, north = chance.below(side, trials), chance.below(side, trials)
    steps = np.zeros(trials)
    walking = np.flatnonzero(_away(east, side) + _away(north, side))
    while len(walking):
        steps[walking] += 1
        near_east, near_north = _one_step(east[walking], north[walking], side)
        link = np.searchsorted(sums, chance.fractions(len(walking)) * sums[-1], side="right")
        far_east = (east[walking] + link // side) % side
        far_north = (north[walking] + link % side) % side
        near = _away(near_east, side) + _away(near_north, side)
        is_far_better = _away(far_east, side) + _away(far_north, side) < near
        east[walking] = np.where(is_far_better, far_east, near_east)
        north[walking] = np.where(is_far_better, far_north, near_north)
        walking = walking[(east[walking] != 0) | (north[walking] != 0)]
    return steps


def _link_sums(side: int, exponent: float) -> Floats:
    """Return running sums of the weight of each offset that a long link may have."""
    away = _away(np.arange(side), side)
    distance = (away[:, None] + away[None, :]).ravel().astype(np.float64)
    distance[0] = np.inf
    weights = distance**-exponent if exponent else np.isfinite(distance).astype(np.float64)
    return np.cumsum(weights)


def _away(places: Ints, side: int) -> Ints:
    """Return how far places are from place 0 on a ring."""
    return np.minimum(places, side - places)


def _one_step(east: Ints, north: Ints, side: int) -> tuple[Ints, Ints]:
    """Return the neighbour nearest to the target at (0, 0)."""
    goes_east = east != 0
    east_on = np.where(east * 2 > side, east + 1, east - 1) % side
    north_on = np.where(north * 2 > side, north + 1, north - 1) % side
    return np.where(goes_east, east_on, east), np.where(goes_east, north, north_on)
