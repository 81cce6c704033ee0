"""Coordinated against random: one message to everybody over links that lose and peers that crash.

- an acknowledged tree: agreed on before; every parent sends to each child until it answers;
- flooding: once over every link, no answers;
- push-pull: in each round everybody asks one neighbour by lot "have you got it?" in one bit, and
  whoever has it gives it.

The tree sends least and loses whole branches; the random ways pay in copies or in small questions
and need nobody's plan.
"""

from collections.abc import Callable

import numpy as np
from scipy.sparse import csgraph

from lichen.lab.chance import Chance, Flags, Ints
from lichen.lab.experiments.experiment import Impossible, ResultRow, Values
from lichen.lab.graphs.graph import Graph, ImpossibleGraph
from lichen.lab.graphs.measures import anybody
from lichen.lab.graphs.random import random_regular

MESSAGE_BITS = 660 * 8
"""The mean message of the network has 660 bytes."""
TRIES_MAX = 20
ROUNDS_MAX = 200


class _Broadcast:
    """One message under way: who is gone, who has it since which round, what it cost."""

    __slots__ = ("bits", "chance", "graph", "heard_at", "is_gone", "loss", "messages", "payloads")

    def __init__(self, graph: Graph, is_gone: Flags, loss: float, chance: Chance) -> None:
        self.graph = graph
        self.is_gone = is_gone
        self.loss = loss
        self.chance = chance
        self.heard_at = np.full(graph.peers, -1, dtype=np.int64)
        self.heard_at[0] = 0
        self.messages = 0
        self.payloads = 0
        self.bits = 0

    @property
    def has(self) -> Flags:
        return np.asarray(self.heard_at >= 0)

    def arrives(self, listeners: Ints) -> Flags:
        """Return which of these copies get through."""
        is_lost = self.chance.flags(self.loss, len(listeners))
        return np.asarray(~is_lost & ~self.is_gone[listeners])

    def hear(self, peers: Ints, now: int) -> None:
        """Let peers have the message, those that have it already since before."""
        new = peers[self.heard_at[peers] < 0]
        self.heard_at[new] = now

    def pay(self, payloads: int, small: int) -> None:
        """Count messages with the content, and messages of one bit."""
        self.payloads += payloads
        self.messages += payloads + small
        self.bits += payloads * MESSAGE_BITS + small


def run(seed: int, values: Values) -> list[ResultRow]:
    """Broadcast in three ways. Raises Impossible."""
    chance = Chance(seed, "broadcast")
    try:
        graph = random_regular(int(values["peers"]), int(values["degree"]), chance)
    except ImpossibleGraph as error:
        raise Impossible(str(error)) from error
    is_gone = anybody(graph, round(float(values["gone"]) * graph.peers), chance)
    is_gone[0] = False
    rows = []
    for way, spread in WAYS.items():
        stream = Chance(seed, "broadcast", way)
        told = _Broadcast(graph, is_gone, float(values["loss"]), stream)
        spread(told)
        rows.append(_row(way, told))
    return rows


def _row(way: str, told: _Broadcast) -> ResultRow:
    alive = int((~told.is_gone).sum())
    heard = np.sort(told.heard_at[told.has])
    return {
        "way": way,
        "reach": len(heard) / alive,
        "rounds_p50": int(heard[len(heard) // 2]),
        "rounds_p99": int(heard[int(0.99 * (len(heard) - 1))]),
        "rounds_all": int(heard[-1]),
        "messages_each": told.messages / alive,
        "copies_each": told.payloads / alive,
        "bits_each": told.bits / alive,
    }


def _tree(told: _Broadcast) -> None:
    order, before = csgraph.breadth_first_order(told.graph.matrix(), 0, directed=False)
    children = np.asarray(order[1:], dtype=np.int64)
    parents = np.asarray(before[children], dtype=np.int64)
    is_answered = np.zeros(len(children), dtype=bool)
    tries = np.zeros(len(children), dtype=np.int64)
    now = 0
    while True:
        is_sent = told.has[parents] & ~is_answered & (tries < TRIES_MAX)
        if not is_sent.any():
            return
        now += 1
        tries += is_sent
        arrives = np.flatnonzero(is_sent)
        arrives = arrives[told.arrives(children[arrives])]
        told.pay(int(is_sent.sum()), len(arrives))
        told.hear(children[arrives], now)
        is_answered[arrives[told.arrives(parents[arrives])]] = True


def _flood(told: _Broadcast) -> None:
    speakers = np.repeat(np.arange(told.graph.peers), told.graph.degrees)
    now = 0
    while True:
        is_sent = told.heard_at[speakers] == now
        if not is_sent.any():
            return
        now += 1
        listeners = told.graph.ends[is_sent]
        told.pay(len(listeners), 0)
        told.hear(listeners[told.arrives(listeners)], now)


def _push_pull(told: _Broadcast) -> None:
    alive = np.flatnonzero(~told.is_gone)
    degrees, starts = told.graph.degrees[alive], told.graph.starts[alive]
    for now in range(1, ROUNDS_MAX + 1):
        if told.has[alive].all():
            return
        turn = (told.chance.fractions(len(alive)) * degrees).astype(np.int64)
        partners = told.graph.ends[starts + turn]
        is_asked = told.arrives(partners)
        is_answered = is_asked & told.arrives(alive)
        has = told.has
        gives = is_answered & has[alive] & ~has[partners]
        takes = is_answered & ~has[alive] & has[partners]
        told.pay(int(gives.sum() + takes.sum()), len(alive) + int(is_asked.sum()))
        hearing = np.concatenate([partners[gives], alive[takes]])
        told.hear(hearing[told.arrives(hearing)], now)


WAYS: dict[str, Callable[[_Broadcast], None]] = {
    "acknowledged tree": _tree,
    "flooding": _flood,
    "push-pull": _push_pull,
}
