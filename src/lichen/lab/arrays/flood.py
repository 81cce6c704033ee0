"""Flooding: whoever hears a message first sends it to every neighbour but the one it came from.

That is what peers with eager links do with a new message. Time is counted in hops. A link may lose
what is sent over it, and peers may be gone; both are drawn before, link by link, so that numpy and
numba give the same flood.

``settled`` is what the deployed exchange (EBT) comes to. Every peer asks one neighbour for a feed
and takes from the others only notes of how far they are. A neighbour whose note comes before the
source's message is asked instead, so that after a while the sources of a feed make the tree of
shortest delays from its author. A message then goes once over each link of the tree; over every
other link goes a note, unless the other side's own note has come first.

Words of the trade: redundancy RMR = sends / (reached - 1) - 1, and LDH = the hop of the last
delivery (J. Leitão, J. Pereira, L. Rodrigues, SRDS 2007).
"""

from typing import Any

import msgspec
import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from lichen.lab.chance import Chance, Flags, Floats, Ints
from lichen.lab.compiled import Engine, best_engine, compiled
from lichen.lab.graphs.graph import Graph

UNREACHED = -1
_ALL: Flags = np.empty(0, dtype=bool)
"""Stands for "every link carries": a million peers need no array to say so."""


class Flood(msgspec.Struct, frozen=True):
    """What one broadcast did."""

    reached_at: tuple[int, ...]
    """How many peers heard it first at hop 0, 1, 2 ..."""
    sends: int
    """Messages that went over links, repeats included."""

    @property
    def reached(self) -> int:
        """Return how many peers have the message in the end, the author among them."""
        return sum(self.reached_at)

    @property
    def hops_last(self) -> int:
        """Return the hop of the last delivery."""
        return len(self.reached_at) - 1

    @property
    def redundancy(self) -> float:
        """Return how many copies too many each delivery cost."""
        return self.sends / max(self.reached - 1, 1) - 1

    def hops_at(self, share: float) -> int:
        """Return the hop at which this share of the deliveries has been made."""
        told = np.cumsum(self.reached_at) - 1
        return int(np.searchsorted(told, share * told[-1]))


def flood(
    graph: Graph,
    source: int,
    *,
    loss: float = 0.0,
    is_gone: Flags | None = None,
    chance: Chance | None = None,
    engine: Engine | None = None,
) -> Flood:
    """Broadcast one message. ``chance`` is needed where links lose messages."""
    is_open: Flags = _ALL if is_gone is None else np.asarray(~is_gone[graph.ends])
    is_heard = is_open
    if loss > 0:
        assert chance is not None, "losing messages takes chance"
        is_kept = ~chance.flags(loss, len(graph.ends))
        is_heard = is_kept if is_gone is None else is_kept & is_open
    is_fast = (engine or best_engine()) is Engine.NUMBA
    spread = compiled(_spread_loop) if is_fast else _spread
    hops = spread(graph.starts, graph.ends, is_heard, source)
    is_reached = hops != UNREACHED
    reached_at = np.bincount(hops[is_reached])
    if is_gone is None:
        sent = graph.degrees[is_reached].sum()
    else:
        before = np.concatenate([[0], np.cumsum(is_open)])
        sent = (before[graph.starts[1:]] - before[graph.starts[:-1]])[is_reached].sum()
    return Flood(tuple(reached_at.tolist()), int(sent - (is_reached.sum() - 1)))


def _spread(starts: Ints, ends: Ints, is_heard: Flags, source: int) -> Ints:
    """Return the hop at which each peer hears, frontier by frontier."""
    hops = np.full(len(starts) - 1, UNREACHED, dtype=np.int64)
    hops[source] = 0
    frontier = np.array([source])
    hop = 0
    while len(frontier):
        hop += 1
        counts = starts[frontier + 1] - starts[frontier]
        offsets = np.cumsum(counts) - counts
        slots = np.repeat(starts[frontier] - offsets, counts) + np.arange(int(counts.sum()))
        told = ends[slots[is_heard[slots]] if len(is_heard) else slots]
        told = told[hops[told] == UNREACHED]
        hops[told] = hop
        is_wide = len(told) > len(hops) // 64
        frontier = np.flatnonzero(hops == hop) if is_wide else np.unique(told)
    return hops


def _spread_loop(starts: Any, ends: Any, is_heard: Any, source: int) -> Any:
    """Do the same peer by peer, for numba."""
    peers = len(starts) - 1
    hops = np.full(peers, UNREACHED, dtype=np.int64)
    # One byte a peer is looked up at random for every link: it fits the cache, hops do not.
    has_heard = np.zeros(peers, dtype=np.uint8)
    queue = np.empty(peers, dtype=np.int32)
    hops[source] = 0
    has_heard[source] = 1
    queue[0] = source
    head, tail, hop = 0, 1, 0
    while head < tail:
        hop += 1
        frontier_end = tail
        # A wide frontier is taken in the order of its rows: memory likes that better than ours.
        is_wide = frontier_end - head > peers // 16
        for place in range(0 if is_wide else head, peers if is_wide else frontier_end):
            peer = place if is_wide else queue[place]
            if hops[peer] != hop - 1:
                continue
            for slot in range(starts[peer], starts[peer + 1]):
                end = ends[slot]
                if has_heard[end] == 0 and (len(is_heard) == 0 or is_heard[slot]):
                    has_heard[end] = 1
                    hops[end] = hop
                    queue[tail] = end
                    tail += 1
        head = frontier_end
    return hops


class Settled(msgspec.Struct, frozen=True):
    """What one message of a settled feed does."""

    hops: Ints
    """For each peer how many links the message crosses, -1 where it never comes."""
    at_s: Floats
    """For each peer when it is in the log."""
    sends: int
    notes: int

    @property
    def reached(self) -> int:
        """Return how many peers have the message in the end, the author among them."""
        return int((self.hops >= 0).sum())

    @property
    def redundancy(self) -> float:
        """Return how many copies too many each delivery cost."""
        return self.sends / max(self.reached - 1, 1) - 1


def settled(graph: Graph, delays_s: Floats, author: int, ingest_s: float) -> Settled:
    """Spread one message. ``delays_s`` is for each slot of ``graph.ends`` the delay to that end."""
    speakers = np.repeat(np.arange(graph.peers), graph.degrees)
    shape = (graph.peers, graph.peers)
    costs = sparse.csr_array((delays_s + ingest_s, graph.ends, graph.starts), shape=shape)
    at_s, before = csgraph.dijkstra(costs, indices=author, return_predecessors=True)
    hops = _hops(at_s, before, author)
    is_tree = before[graph.ends] == speakers
    is_back = before[speakers] == graph.ends
    is_other = ~(is_tree | is_back) & np.isfinite(at_s[speakers])
    # A note back is spared if the other's own note has come before the message was written.
    reverse = _reverse(graph, delays_s)
    has_heard = at_s[graph.ends] + reverse <= at_s[speakers]
    return Settled(hops, at_s, int(is_tree.sum()), int((is_other & ~has_heard).sum()))


def _reverse(graph: Graph, delays_s: Floats) -> Floats:
    """Return for each slot the delay of the same link the other way."""
    shape = (graph.peers, graph.peers)
    back = sparse.csr_array((delays_s, graph.ends, graph.starts), shape=shape).T.tocsr()
    back.sort_indices()
    return np.asarray(back.data, dtype=np.float64)


def _hops(at_s: Floats, before: Ints, author: int) -> Ints:
    """Count the links to each peer: parents are told before their children."""
    hops = np.full(len(at_s), -1, dtype=np.int64)
    hops[author] = 0
    depth, frontier = 0, np.array([author])
    children = np.argsort(before, kind="stable")
    firsts = np.searchsorted(before[children], np.arange(len(at_s) + 1))
    while len(frontier):
        depth += 1
        counts = firsts[frontier + 1] - firsts[frontier]
        offsets = np.cumsum(counts) - counts
        slots = np.repeat(firsts[frontier] - offsets, counts) + np.arange(int(counts.sum()))
        frontier = children[slots]
        hops[frontier] = depth
    return hops
