"""Rounds of gossip among everybody: push, pull and both, one random contact per peer and round.

Push: A. Frieze and G. Grimmett (1985), B. Pittel (1987): log2 n + ln n + O(1). Both: R. Karp and
others, FOCS 2000: log3 n + O(log log n). Peers decide on what they knew when the round began.
"""

from enum import StrEnum

import numpy as np

from lichen.lab.chance import Chance


class Way(StrEnum):
    """Who tells whom at a contact."""

    PUSH = "push"
    PULL = "pull"
    BOTH = "push-pull"


def rounds_to_all(way: Way, peers: int, chance: Chance) -> int:
    """Return the rounds until everybody knows what one peer knew."""
    knows = np.zeros(peers, dtype=bool)
    knows[0] = True
    rounds = 0
    while not knows.all():
        rounds += 1
        told = []
        if way is not Way.PULL:
            told.append(chance.others(peers, np.flatnonzero(knows)))
        if way is not Way.PUSH:
            asking = np.flatnonzero(~knows)
            told.append(asking[knows[chance.others(peers, asking)]])
        for places in told:
            knows[places] = True
    return rounds
