"""Foragers leave as fast as others come home with food: the rate rule of harvester ants.

B. Prabhakar, K. Dektar, D. Gordon, PLoS Comput. Biol. 8:e1002670 (2012): in each slot
alpha <- max(alpha - q D + c A - d, floor), D ~ Poisson(alpha), where A came home with food.
"""

import numpy as np

from lichen.lab.chance import Chance, Floats, Ints


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
