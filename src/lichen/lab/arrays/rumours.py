"""Rumour mongering: a peer spreads what is hot until it finds that nobody needs it any more.

A. Demers and others, "Epidemic algorithms for replicated database maintenance", PODC 1987. The
paper leaves details open; these choices give its figures. A push was useful if its target did not
know *when the cycle began*, so two pushers on one target are both useful; a useful push sets the
counter back; after ``counter`` useless ones in a row a peer loses interest. In a pull everybody
asks somebody in each cycle; the counter of an asked peer is set back if any of the cycle's askers
needed the answer, else goes up by one.

Many runs are computed side by side, ``runs`` rows of ``peers``.
"""

from collections.abc import Callable

import msgspec
import numpy as np

from lichen.lab.chance import Chance, Flags, Ints

_SIDE_BY_SIDE = 500
"""Runs in one array: half a million peers fit the caches better than all of them."""


class Rumour(msgspec.Struct, frozen=True):
    """Means over runs."""

    residue: float
    """Share of peers that never heard."""
    traffic: float
    """Messages per peer."""
    cycles_last: float
    """Cycle of the last delivery."""


class _Crowd:
    """Some runs side by side, one cell for each peer of each run."""

    __slots__ = ("active", "chance", "counter", "cycle", "heard_last", "knows", "peers", "sends")

    def __init__(self, runs: int, peers: int, chance: Chance) -> None:
        self.peers = peers
        self.chance = chance
        self.knows = np.zeros(runs * peers, dtype=bool)
        self.knows[::peers] = True
        self.active = np.flatnonzero(self.knows)
        self.counter = np.zeros(runs * peers, dtype=np.int64)
        self.heard_last = np.zeros(runs, dtype=np.int64)
        self.sends = 0
        self.cycle = 0

    def partners(self, cells: Ints) -> Ints:
        """Return somebody else of the same run for each cell."""
        places = cells % self.peers
        return np.asarray(cells - places + self.chance.others(self.peers, places))

    def hear(self, cells: Ints) -> Ints:
        """Let peers learn the rumour and return those to whom it was new."""
        new = np.unique(cells[~self.knows[cells]])
        self.knows[new] = True
        self.heard_last[new // self.peers] = self.cycle
        return new


def push_feedback(peers: int, counter: int, runs: int, chance: Chance) -> Rumour:
    """Push; lose interest after ``counter`` useless pushes in a row."""

    def cycle(crowd: _Crowd) -> None:
        targets = crowd.partners(crowd.active)
        crowd.sends += len(targets)
        was_useful = ~crowd.knows[targets]
        counts = np.where(was_useful, 0, crowd.counter[crowd.active] + 1)
        crowd.counter[crowd.active] = counts
        crowd.active = np.concatenate([crowd.active[counts < counter], crowd.hear(targets)])

    return _mean(cycle, peers, runs, chance)


def push_blind(peers: int, k: int, runs: int, chance: Chance) -> Rumour:
    """Push; after each push lose interest with probability ``1 / k``, whatever became of it."""

    def cycle(crowd: _Crowd) -> None:
        targets = crowd.partners(crowd.active)
        crowd.sends += len(targets)
        keeps = ~crowd.chance.flags(1 / k, len(targets))
        crowd.active = np.concatenate([crowd.active[keeps], crowd.hear(targets)])

    return _mean(cycle, peers, runs, chance)


def pull_feedback(peers: int, counter: int, runs: int, chance: Chance) -> Rumour:
    """Pull; lose interest after ``counter`` cycles in a row in which no asker needed the answer."""

    def cycle(crowd: _Crowd) -> None:
        is_active = np.zeros(len(crowd.knows), dtype=bool)
        is_active[crowd.active] = True
        asking = _runs_alive(crowd, is_active)
        asked = crowd.partners(asking)
        answered = is_active[asked]
        asking, asked = asking[answered], asked[answered]
        crowd.sends += len(asking)
        was_needed = np.zeros(len(crowd.knows), dtype=bool)
        was_needed[asked[~crowd.knows[asking]]] = True
        was_asked = np.zeros(len(crowd.knows), dtype=bool)
        was_asked[asked] = True
        useless = crowd.counter[crowd.active] + was_asked[crowd.active]
        counts = np.where(was_needed[crowd.active], 0, useless)
        crowd.counter[crowd.active] = counts
        crowd.active = np.concatenate([crowd.active[counts < counter], crowd.hear(asking)])

    return _mean(cycle, peers, runs, chance)


def _runs_alive(crowd: _Crowd, is_active: Flags) -> Ints:
    """Return the cells of the runs in which anybody still spreads the rumour."""
    alive = np.flatnonzero(is_active.reshape(-1, crowd.peers).any(axis=1))
    return (alive[:, None] * crowd.peers + np.arange(crowd.peers)).ravel()


def _mean(cycle: Callable[[_Crowd], None], peers: int, runs: int, chance: Chance) -> Rumour:
    missed, sends, last = 0, 0, 0
    for start in range(0, runs, _SIDE_BY_SIDE):
        count = min(_SIDE_BY_SIDE, runs - start)
        crowd = _Crowd(count, peers, chance)
        while len(crowd.active):
            crowd.cycle += 1
            cycle(crowd)
        missed += int((~crowd.knows).sum())
        sends += crowd.sends
        last += int(crowd.heard_last.sum())
    return Rumour(missed / (runs * peers), sends / (runs * peers), last / runs)
