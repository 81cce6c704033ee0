"""Leaders by beeps where nobody's clock agrees with anybody else's.

The rule is that of ``arrays/beeps.py`` with feedback. A round is a slot of each peer's own clock,
two round trips long: in its first half a peer that beeps has beeped at once, and listens; in the
middle it decides. Clocks begin anywhere and go too fast or too slow. A beep that comes after the
middle counts for the next slot, and an announcement covers whoever hears it, whenever it comes.
"""

import heapq
from collections.abc import Iterator
from enum import IntEnum

import msgspec
import numpy as np

from lichen.lab.arrays.beeps import P_MAX
from lichen.lab.chance import Chance, Flags
from lichen.lab.graphs.graph import Graph

LATENCY_MIN, LATENCY_MAX = 0.05, 0.25
"""Of a slot, one way: a slot has room for two round trips, so none takes longer than a quarter."""
SLOTS_MAX = 1000
"""Twenty times what any net of the tables needs."""
_DRAWN_AT_ONCE = 4096


class Drifted(msgspec.Struct, frozen=True):
    """Who leads, and what it cost."""

    is_member: Flags
    slots: int
    """Of whoever needed the most, by its own clock."""
    beeps: int


class _Kind(IntEnum):
    SLOT = 0
    DECIDE = 1
    BEEP = 2
    ANNOUNCEMENT = 3


def elect_adrift(
    graph: Graph, drift: float, chance: Chance, *, is_late_kept: bool = True
) -> Drifted:
    """Run until nobody is active; ``drift`` is the share by which a clock may be wrong."""
    crowd = _Crowd(graph, drift, chance, is_late_kept=is_late_kept)
    while crowd.queue:
        now, _number, kind, peer = heapq.heappop(crowd.queue)
        crowd.act(now, _Kind(kind), peer)
    return Drifted(np.array(crowd.is_member), max(crowd.slots), crowd.beeps)


class _Crowd:
    """Everybody's state, and what happens next."""

    __slots__ = (
        "beeps",
        "draws",
        "ends",
        "has_beeped",
        "hears",
        "is_active",
        "is_late_kept",
        "is_member",
        "latencies",
        "lengths",
        "number",
        "probability",
        "queue",
        "slots",
    )

    def __init__(self, graph: Graph, drift: float, chance: Chance, *, is_late_kept: bool) -> None:
        peers = graph.peers
        self.ends = [
            graph.ends[graph.starts[peer] : graph.starts[peer + 1]].tolist()
            for peer in range(peers)
        ]
        wide = LATENCY_MAX - LATENCY_MIN
        self.latencies = (LATENCY_MIN + wide * chance.fractions(peers)).tolist()
        self.lengths = (1 + drift * (2 * chance.fractions(peers) - 1)).tolist()
        self.is_active, self.is_member = [True] * peers, [False] * peers
        self.hears, self.has_beeped = [False] * peers, [False] * peers
        self.probability, self.slots = [P_MAX] * peers, [0] * peers
        self.is_late_kept = is_late_kept
        self.draws = _draws(chance)
        self.number, self.beeps = 0, 0
        self.queue: list[tuple[float, int, int, int]] = []
        for peer, begin in enumerate(chance.fractions(peers).tolist()):
            self.at(begin, _Kind.SLOT, peer)

    def at(self, when: float, kind: _Kind, peer: int) -> None:
        self.number += 1
        heapq.heappush(self.queue, (when, self.number, kind, peer))

    def tell(self, now: float, kind: _Kind, peer: int) -> None:
        """Send to all neighbours; how long it takes is drawn for each peer, not for each signal."""
        for end in self.ends[peer]:
            self.at(now + (self.latencies[peer] + self.latencies[end]) / 2, kind, end)

    def act(self, now: float, kind: _Kind, peer: int) -> None:
        if not self.is_active[peer]:
            return
        if kind is _Kind.BEEP:
            self.hears[peer] = True
        elif kind is _Kind.ANNOUNCEMENT:
            self.is_active[peer] = False
        elif kind is _Kind.SLOT:
            self.begin(now, peer)
        else:
            self.decide(now, peer)

    def begin(self, now: float, peer: int) -> None:
        if not self.is_late_kept:
            self.hears[peer] = False
        self.slots[peer] += 1
        self.has_beeped[peer] = next(self.draws) < self.probability[peer]
        if self.has_beeped[peer]:
            self.beeps += 1
            self.tell(now, _Kind.BEEP, peer)
        self.at(now + self.lengths[peer] / 2, _Kind.DECIDE, peer)

    def decide(self, now: float, peer: int) -> None:
        heard = self.hears[peer]
        self.hears[peer] = False
        if self.has_beeped[peer] and not heard:
            self.is_active[peer], self.is_member[peer] = False, True
            self.tell(now, _Kind.ANNOUNCEMENT, peer)
            return
        before = self.probability[peer]
        self.probability[peer] = before / 2 if heard else min(P_MAX, before * 2)
        if self.slots[peer] < SLOTS_MAX:
            self.at(now + self.lengths[peer] / 2, _Kind.SLOT, peer)


def _draws(chance: Chance) -> Iterator[float]:
    while True:
        yield from chance.fractions(_DRAWN_AT_ONCE).tolist()
