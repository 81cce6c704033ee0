"""Repair after a crash: a few live links each, and a longer list of addresses to fall back on.

The rule is the core of HyParView (J. Leitão, J. Pereira, L. Rodrigues, DSN 2007): a peer that lost
links asks peers of its passive view, one after the other. Who has room says yes; who is full says
no, unless the asker has no link at all: then a random link makes room.
"""

import numpy as np

from lichen.lab.arrays.flood import flood
from lichen.lab.chance import Chance, Flags, Ints
from lichen.lab.graphs.graph import Graph
from lichen.lab.graphs.measures import anybody
from lichen.lab.graphs.random import random_regular

SWEEPS = 3


def reach_after_crash(
    peers: int, active: int, passive: int, crashed: float, chance: Chance
) -> tuple[float, float]:
    """Return the share of survivors that a flood reaches, before and after the repair."""
    graph = random_regular(peers, active, chance)
    views = chance.others(peers, np.repeat(np.arange(peers)[:, None], passive, axis=1))
    is_gone = anybody(graph, round(crashed * peers), chance)
    left = graph.without(is_gone)
    mended = mend(left, views, is_gone, active, chance)
    source = int(np.flatnonzero(~is_gone)[chance.below(int((~is_gone).sum()), 1)[0]])
    survivors = int((~is_gone).sum())
    return flood(left, source).reached / survivors, flood(mended, source).reached / survivors


def mend(graph: Graph, views: Ints, is_gone: Flags, active: int, chance: Chance) -> Graph:
    """Return the graph after a few sweeps in which everybody looks for what is missing."""
    rows = [
        graph.ends[graph.starts[peer] : graph.starts[peer + 1]].tolist()
        for peer in range(graph.peers)
    ]
    addresses = [row for row in views.tolist()]  # noqa: C416 (lists that shrink)
    alive = np.flatnonzero(~is_gone)
    for _sweep in range(SWEEPS):
        drawn = iter(chance.fractions(len(alive)).tolist())
        for peer in alive[chance.order(len(alive))].tolist():
            addresses[peer] = [end for end in addresses[peer] if not is_gone[end]]
            for end in addresses[peer]:
                if len(rows[peer]) >= active:
                    break
                if end == peer or end in rows[peer]:
                    continue
                if len(rows[end]) >= active and rows[peer]:
                    continue
                if len(rows[end]) >= active:
                    dropped = rows[end].pop(int(next(drawn) * len(rows[end])))
                    rows[dropped].remove(end)
                rows[peer].append(end)
                rows[end].append(peer)
    first = np.repeat(np.arange(graph.peers), [len(row) for row in rows])
    second = np.array([end for row in rows for end in row], dtype=np.int64)
    return Graph(graph.peers, first, second)
