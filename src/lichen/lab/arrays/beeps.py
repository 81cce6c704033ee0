"""Leaders by beeps: a maximal independent set from one-bit signals, without names or numbers.

Feedback: A. Scott, P. Jeavons, L. Xu, "Feedback from nature", PODC 2013. Every peer begins active,
with p = 1/2. A round has two exchanges: (1) beep with probability p, and listen also while
beeping; (2) who beeped and heard nothing joins and announces it; active neighbours that hear the
announcement are covered and leave. Whoever is still active halves p after a beep, doubles it (up
to 1/2) after silence. Sweep: the same with p from a fixed schedule for all, 1/2, 1/2 1/4,
1/2 1/4 1/8 ... (Y. Afek and others, Science 331:183, 2011).
"""

from enum import StrEnum

import msgspec
import numpy as np

from lichen.lab.chance import Chance, Flags, Floats, Ints
from lichen.lab.graphs.graph import Graph

ROUNDS_MAX = 10_000
"""A hundred times what any graph that fits in memory needs."""
P_MAX = 0.5


class Schedule(StrEnum):
    """Where the probability to beep comes from."""

    FEEDBACK = "feedback"
    SWEEP = "sweep"


class Election(msgspec.Struct, frozen=True):
    """Who leads, and what it cost."""

    is_member: tuple[bool, ...]
    joined_at: tuple[int, ...]
    """The round in which each peer joined; 0 for those who did not."""
    rounds: int
    beeps: int
    announcements: int
    copies: int
    """One-bit signals that went over links: beeps and announcements, once for each neighbour."""

    @property
    def members(self) -> Flags:
        """Return the leaders."""
        return np.array(self.is_member)


def elect(
    graph: Graph,
    schedule: Schedule,
    chance: Chance,
    *,
    loss: float = 0.0,
    announcements: int = 1,
) -> Election:
    """Run until nobody is active. ``announcements`` is how often a new member says so."""
    ears = _Ears(graph, loss, chance)
    is_active = np.ones(graph.peers, dtype=bool)
    joined_at = np.zeros(graph.peers, dtype=np.int64)
    probability: Floats = np.full(graph.peers, P_MAX)
    rounds, beeps, told, copies = 0, 0, 0, 0
    while is_active.any() and rounds < ROUNDS_MAX:
        rounds += 1
        if schedule is Schedule.SWEEP:
            probability = np.full(graph.peers, _sweep_probability(rounds))
        is_beeping = is_active & np.asarray(chance.fractions(graph.peers) < probability)
        beeps += int(is_beeping.sum())
        hears = ears.hear(is_beeping)
        joins = is_beeping & ~hears
        joined_at[joins] = rounds
        is_active &= ~joins
        told += announcements * int(joins.sum())
        signals = is_beeping + announcements * joins.astype(np.int64)
        copies += int((signals * graph.degrees).sum())
        for _time in range(announcements):
            is_active &= ~ears.hear(joins)
        probability = np.where(hears, probability / 2, np.minimum(P_MAX, probability * 2))
    members = tuple((joined_at > 0).tolist())
    return Election(members, tuple(joined_at.tolist()), rounds, beeps, told, copies)


def conflicts(graph: Graph, is_member: Flags) -> int:
    """Return how many links join two leaders."""
    return int((is_member[graph.first] & is_member[graph.second]).sum())


def uncovered(graph: Graph, is_member: Flags) -> int:
    """Return how many peers neither lead nor have a neighbour who does."""
    has_leader = is_member.copy()
    has_leader[graph.first[is_member[graph.second]]] = True
    has_leader[graph.second[is_member[graph.first]]] = True
    return int((~has_leader).sum())


def heal(
    graph: Graph, joined_at: Ints, chance: Chance, *, loss: float, epochs_max: int
) -> tuple[int, Flags]:
    """Let members beep once an epoch, and the later of two step down; return epochs and members.

    Who joined in the same round is told apart by when in the epoch it beeps.
    """
    is_member = joined_at > 0
    for epoch in range(epochs_max + 1):
        is_clash = is_member[graph.first] & is_member[graph.second]
        if not is_clash.any():
            return epoch, is_member
        when = joined_at + chance.fractions(graph.peers)
        first, second = graph.first[is_clash], graph.second[is_clash]
        later = np.where(when[first] > when[second], first, second)
        is_member[later[~chance.flags(loss, len(later))]] = False
    return epochs_max + 1, is_member


class _Ears:
    """Who hears at least one beep of a neighbour; each beep may be lost on each link."""

    __slots__ = ("_chance", "_graph", "_listeners", "_loss", "_matrix")

    def __init__(self, graph: Graph, loss: float, chance: Chance) -> None:
        self._graph = graph
        self._loss = loss
        self._chance = chance
        self._matrix = graph.matrix()
        self._listeners = np.repeat(np.arange(graph.peers), graph.degrees)

    def hear(self, is_beeping: Flags) -> Flags:
        if not self._loss:
            return np.asarray(self._matrix @ is_beeping.astype(np.float64) > 0)
        arrives = is_beeping[self._graph.ends]
        arrives[arrives] = ~self._chance.flags(self._loss, int(arrives.sum()))
        heard = np.zeros(self._graph.peers, dtype=bool)
        heard[self._listeners[arrives]] = True
        return heard


def _sweep_probability(number: int) -> float:
    """Return p of a round, from 1: the first phase has one round, the next two, and so on."""
    phase = 1
    while number > phase:
        number -= phase
        phase += 1
    return float(2.0**-number)
