"""Foragers leave as fast as others come home with food: the rate rule of harvester ants.

B. Prabhakar, K. Dektar, D. Gordon, PLoS Comput. Biol. 8:e1002670 (2012): in each slot
alpha <- max(alpha - q D + c A - d, floor), D ~ Poisson(alpha), where A came home with food.

With c = q and d = 0 a rate is a multiple of q until it first falls to the floor, and then the floor
plus a multiple of q. So few rates are possible that their mean can be computed, not only drawn.
"""

import numpy as np
from scipy import special

from lichen.lab.chance import Chance, Floats, Ints

RATE_MAX = 3.0
"""Six times the greatest mean that is asked for: what lies above adds nothing to six digits."""


def rates(returns: Ints, gain: float, cost: float, floor: float, chance: Chance) -> Floats:
    """Return the rate alpha, slot by slot and run by run; ``returns`` is A in the same shape."""
    alpha = np.zeros(returns.shape[1])
    left = np.zeros(returns.shape[1], dtype=np.int64)
    found = np.empty(returns.shape)
    for slot, came in enumerate(returns):
        alpha = np.maximum(alpha - cost * left + gain * came, floor)
        left = chance.poisson(alpha)
        found[slot] = alpha
    return found


def expected_rates(means: Floats, cost: float, floor: float) -> Floats:
    """Return the mean of alpha in each slot, over all that chance can do, where gain = cost.

    ``means`` are the returns a slot; floor < cost.
    """
    steps = np.arange(round(RATE_MAX / cost) + 1)
    values = np.concatenate([cost * steps, floor + cost * steps])
    weights = np.zeros(len(values))
    weights[0] = 1.0
    moves = {mean: _moves(float(mean), values, len(steps)) for mean in np.unique(means)}
    found = np.empty(len(means))
    for slot, mean in enumerate(means):
        weights = weights @ moves[mean]
        found[slot] = weights @ values
    return found


def _moves(mean: float, values: Floats, levels: int) -> Floats:
    """Return how likely each rate follows each, as rows: A - D steps up, or down to the floor."""
    most = levels - 1
    came = _poisson(mean, levels)
    found = np.zeros((2 * levels, 2 * levels))
    for row, value in enumerate(values):
        half, level = divmod(row, levels)
        # Place p of the changes stands for p - most steps.
        changes = np.convolve(_poisson(float(value), levels)[::-1], came)
        targets = level + np.arange(len(changes)) - most
        least = 0 if half else 1
        fits = (targets >= least) & (targets <= most)
        found[row, half * levels + targets[fits]] = changes[fits]
        found[row, levels] += changes[targets < least].sum()
        found[row, half * levels + most] += 1 - found[row].sum()
    return found


def _poisson(mean: float, count: int) -> Floats:
    numbers = np.arange(count)
    return np.asarray(np.exp(special.xlogy(numbers, mean) - mean - special.gammaln(numbers + 1)))
