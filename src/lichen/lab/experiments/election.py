"""Simple against complex: how neighbours agree on leaders, and what each way costs.

Four ways to the same end (no two leaders adjacent, everybody else beside one):

- beeps with feedback: one bit, no names, chance (``arrays/beeps.py``);
- beeps by a fixed schedule: the same without feedback;
- random numbers: everybody draws 32 bits in each round, the least among neighbours leads (M. Luby,
  1986);
- names: deterministic and coordinated. Everybody knows its neighbours' names and waits for all
  with a greater one; each decision is sent until it is acknowledged.

Signals are counted once for each link that they go over. Peers that died without a word neither
speak nor hear; a coordinated protocol waits for them.
"""

import msgspec
import numpy as np

from lichen.lab.arrays.beeps import Schedule, conflicts, elect, uncovered
from lichen.lab.chance import Chance, Flags, Floats, Ints
from lichen.lab.experiments.experiment import Impossible, ResultRow, Values
from lichen.lab.graphs.graph import Graph, ImpossibleGraph
from lichen.lab.graphs.orderly import ring
from lichen.lab.graphs.random import random_graph

NAME_BITS = 256
NUMBER_BITS = 32
TRIES_MAX = 20
"""After so many copies without an answer a neighbour counts as dead."""
ROUNDS_MAX = 1_000


class _Outcome(msgspec.Struct, frozen=True):
    is_member: Flags
    rounds: int
    messages: int
    bits: int
    undecided: int


def run(seed: int, values: Values) -> list[ResultRow]:
    """Elect in four ways. Raises Impossible."""
    graph, is_dead = _world(seed, values)
    loss = float(values["loss"])
    living = graph.without(is_dead)
    rows: list[ResultRow] = []
    for schedule in Schedule:
        chance = Chance(seed, "election", schedule)
        made = elect(living, schedule, chance, loss=loss)
        outcome = _Outcome(made.members & ~is_dead, made.rounds, made.copies, made.copies, 0)
        rows.append(_row(f"beeps, {schedule}", living, is_dead, outcome))
    outcome = _by_numbers(living, loss, Chance(seed, "election", "numbers"))
    rows.append(_row("random numbers", living, is_dead, outcome))
    chance = Chance(seed, "election", "names")
    in_order = values["names"] == "sorted"
    names = np.arange(graph.peers) if in_order else chance.order(graph.peers)
    outcome = _by_names(graph, names, is_dead, loss, chance)
    rows.append(_row("names, coordinated", living, is_dead, outcome))
    return rows


def _world(seed: int, values: Values) -> tuple[Graph, Flags]:
    chance = Chance(seed, "election", "world")
    peers, degree = int(values["peers"]), int(values["degree"])
    try:
        is_ring = values["net"] == "ring"
        graph = ring(peers) if is_ring else random_graph(peers, peers * degree // 2, chance)
    except ImpossibleGraph as error:
        raise Impossible(str(error)) from error
    return graph, chance.flags(float(values["silent"]), peers)


def _row(way: str, living: Graph, is_dead: Flags, outcome: _Outcome) -> ResultRow:
    alive = int((~is_dead).sum())
    members = outcome.is_member & ~is_dead
    return {
        "way": way,
        "rounds": outcome.rounds,
        "messages_each": outcome.messages / alive,
        "bits_each": outcome.bits / alive,
        "leaders": int(members.sum()),
        "conflicts": conflicts(living, members),
        "without_leader": uncovered(living, members | is_dead),
        "undecided": outcome.undecided,
    }


def _by_numbers(living: Graph, loss: float, chance: Chance) -> _Outcome:
    speakers, listeners = _ends(living)
    is_active = np.ones(living.peers, dtype=bool)
    is_member = np.zeros(living.peers, dtype=bool)
    rounds, messages, bits = 0, 0, 0
    while is_active.any() and rounds < ROUNDS_MAX:
        rounds += 1
        numbers = np.floor(chance.fractions(living.peers) * 2**NUMBER_BITS)
        is_sent = is_active[speakers] & is_active[listeners]
        heard = is_sent & ~chance.flags(loss, len(speakers))
        least: Floats = np.full(living.peers, np.inf)
        np.minimum.at(least, listeners[heard], numbers[speakers[heard]])
        joins = is_active & (numbers < least)
        is_member |= joins
        is_active &= ~joins
        told = joins[speakers] & is_active[listeners]
        messages += int(is_sent.sum() + told.sum())
        bits += int(is_sent.sum()) * NUMBER_BITS + int(told.sum())
        is_active[listeners[told & ~chance.flags(loss, len(speakers))]] = False
    return _Outcome(is_member, rounds, messages, bits, int(is_active.sum()))


def _by_names(graph: Graph, names: Ints, is_dead: Flags, loss: float, chance: Chance) -> _Outcome:
    speakers, listeners = _ends(graph)
    is_greater = names[speakers] > names[listeners]
    is_heard = np.zeros(len(speakers), dtype=bool)
    is_answered = is_heard.copy()
    tries = np.zeros(len(speakers), dtype=np.int64)
    is_decided, is_member = is_dead.copy(), np.zeros(graph.peers, dtype=bool)
    messages, bits = 2 * len(speakers), len(speakers) * (NAME_BITS + 1)
    rounds = 1
    while True:
        waits = np.bincount(listeners[is_greater & ~is_heard], minlength=graph.peers) > 0
        is_covered = np.zeros(graph.peers, dtype=bool)
        is_covered[listeners[is_heard & is_member[speakers]]] = True
        leads = ~is_decided & ~waits & ~is_covered
        is_member |= leads
        is_decided |= leads | is_covered
        is_sent = is_decided[speakers] & ~is_dead[speakers] & ~is_answered & (tries < TRIES_MAX)
        if is_decided.all() or not is_sent.any():
            break
        rounds += 1
        tries += is_sent
        arrives = is_sent & ~is_dead[listeners] & ~chance.flags(loss, len(speakers))
        is_heard |= arrives
        is_answered |= arrives & ~chance.flags(loss, len(speakers))
        messages += int(is_sent.sum() + arrives.sum())
        bits += int(is_sent.sum() + arrives.sum())
    return _Outcome(is_member, rounds, messages, bits, int((~is_decided).sum()))


def _ends(graph: Graph) -> tuple[Ints, Ints]:
    """Return speaker and listener of every link, both ways."""
    return np.repeat(np.arange(graph.peers), graph.degrees), graph.ends
