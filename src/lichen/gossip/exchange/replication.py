"""What is replicated: the follow graph, hops from the own feed, and who may not be given what.

Rules from ssb-friends with layered-graph and dynamic-dijkstra: per source and target the latest
contact message counts (1 follow, -1 block, -2 neither). A follow adds its distance, a block or an
unfollow of somebody at distance ``a`` gives ``-a - 1`` or ``-a - 2``; the value nearest to zero
wins, of two equally near the positive one. Blocked nodes pass nothing on, nor do nodes at the
limit. Feeds at 0 to ``hops_max`` are replicated, and the own feed always; a feed is not given to
a peer that its author blocks.
"""

from heapq import heappop, heappush

import msgspec

from lichen.feed.content import Contact
from lichen.feed.message import FeedId
from lichen.gossip.limits import HOPS_LIMIT

FOLLOW = 1
"""The value of an edge that is a follow."""
BLOCK = -1
"""The value of an edge that is a block."""

_SAME_AS = 0.1


def hop_over(distance: float, value: float) -> float:
    """Return what an edge of ``value`` gives from a node at ``distance``, which is >= 0."""
    if value >= 0:
        return distance + (value or _SAME_AS)
    return value - distance


def _rank(hops: float) -> tuple[float, bool]:
    return abs(hops), hops < 0


class FollowGraph:
    """Edges between feeds; adding contacts in any order and any number of times gives the same."""

    __slots__ = ("_edges",)

    def __init__(self) -> None:
        self._edges: dict[FeedId, dict[FeedId, tuple[int, int]]] = {}

    def value(self, source: FeedId, target: FeedId) -> int | None:
        """Return what ``source`` last said of ``target``, None for nothing."""
        edge = self._edges.get(source, {}).get(target)
        return None if edge is None else edge[0]

    def edges(self, source: FeedId) -> dict[FeedId, int]:
        """Return what ``source`` last said of everybody."""
        return {target: value for target, (value, _) in self._edges.get(source, {}).items()}

    def add(self, contact: Contact) -> bool:
        """Take in a contact message; tell whether the edge's value has changed."""
        edges = self._edges.setdefault(contact.source, {})
        old = edges.get(contact.target)
        if old is not None and old[1] >= contact.sequence:
            return False
        edges[contact.target] = (contact.value, contact.sequence)
        return old is None or old[0] != contact.value

    def distances(self, start: FeedId, hops_max: int) -> dict[FeedId, float]:
        """Return the distance of every feed that is reached from ``start``, nearest first."""
        found: dict[FeedId, float] = {start: 0}
        self.relax(found, start, hops_max)
        return found

    def relax(self, found: dict[FeedId, float], start: FeedId, hops_max: int) -> bool:
        """Carry the distance of ``start`` on to all that it brings nearer, in ``found``.

        Return False if a feed that was reachable no longer is: what had been reached through it
        is then wrong in ``found``. It cannot happen when ``found`` held nothing but ``start``.
        """
        holds = True
        heap = [(_rank(found[start]), start)]
        while heap:
            rank, node = heappop(heap)
            distance = found[node]
            if _rank(distance) != rank or not 0 <= distance < hops_max:
                continue
            for target, (value, _) in self._edges.get(node, {}).items():
                candidate = hop_over(distance, value)
                current = found.get(target)
                if current is None or _rank(candidate) < _rank(current):
                    holds = holds and not (candidate < 0 and current is not None and current >= 0)
                    found[target] = candidate
                    heappush(heap, (_rank(candidate), target))
        return holds


class Changes(msgspec.Struct, frozen=True):
    """How the replication set has changed."""

    added: tuple[FeedId, ...]
    removed: tuple[FeedId, ...]
    refused: tuple[tuple[FeedId, FeedId], ...]
    """(author, peer) pairs: the author has blocked the peer."""
    allowed: tuple[tuple[FeedId, FeedId], ...]
    """(author, peer) pairs: the block is lifted."""


class Replication:
    """The replication set of one node, kept up with contacts as they come."""

    __slots__ = (
        "_allowed",
        "_is_stale",
        "_nearer",
        "_refused",
        "blocked_by",
        "graph",
        "hops",
        "hops_max",
        "own",
        "wanted",
    )

    def __init__(self, own: FeedId) -> None:
        self.own = own
        self.hops_max = 0
        self.wanted: dict[FeedId, FeedId] = {own: own}
        """The feeds to replicate, nearest first, each under itself: what peers send names feeds
        by texts of its own, and the one kept here stands for all of them in memory."""
        self.blocked_by: dict[FeedId, dict[FeedId, None]] = {}
        """Peer to the authors that block it."""
        self.graph = FollowGraph()
        self.hops: dict[FeedId, float] = {own: 0}
        """How far away each known feed is; negative: blocked, or followed no longer."""
        self._is_stale = True
        self._nearer: dict[FeedId, None] = {}
        self._refused: dict[tuple[FeedId, FeedId], None] = {}
        self._allowed: dict[tuple[FeedId, FeedId], None] = {}

    def set_hops_max(self, hops_max: int) -> None:
        """Change how far to replicate; in force after the next ``update``."""
        self.hops_max = max(0, min(hops_max, HOPS_LIMIT))
        self._is_stale = True

    def add(self, contact: Contact) -> bool:
        """Take in a contact message; tell whether ``update`` has something to do because of it."""
        source, target = contact.source, contact.target
        old = self.graph.value(source, target)
        if not self.graph.add(contact):
            return False
        self._note_block(source, target, contact.value == BLOCK, was_block=old == BLOCK)
        distance = self.hops.get(source)
        if not self._is_stale and distance is not None and 0 <= distance < self.hops_max:
            self._note_edge(target, hop_over(distance, contact.value), is_new=old is None)
        return self._is_stale or bool(self._nearer or self._refused or self._allowed)

    def _note_block(self, author: FeedId, peer: FeedId, is_block: bool, *, was_block: bool) -> None:
        if is_block == was_block or author == peer:
            return
        pair = (author, peer)
        if is_block:
            self._allowed.pop(pair, None)
            self._refused[pair] = None
        else:
            self._refused.pop(pair, None)
            self._allowed[pair] = None

    def _note_edge(self, target: FeedId, candidate: float, *, is_new: bool) -> None:
        """See whether an edge moves anything.

        A new one that brings a feed nearer can be carried on from there; one that is not nearer
        than what is known changes nothing.
        """
        current = self.hops.get(target)
        if not is_new:
            self._is_stale = True
        elif current is None or (candidate >= 0 and _rank(candidate) < _rank(current)):
            self.hops[target] = candidate
            self._nearer[target] = None
        elif _rank(candidate) < _rank(current):
            self._is_stale = True

    def update(self) -> Changes:
        """Bring hops and the replication set up to date; return what has changed."""
        wanted = self._find_wanted()
        added = tuple(feed for feed in wanted if feed not in self.wanted)
        removed = tuple(feed for feed in self.wanted if feed not in wanted)
        self.wanted = wanted
        refused, allowed = tuple(self._refused), tuple(self._allowed)
        for author, peer in refused:
            self.blocked_by.setdefault(peer, {})[author] = None
        for author, peer in allowed:
            self.blocked_by.get(peer, {}).pop(author, None)
        self._is_stale = False
        self._nearer, self._refused, self._allowed = {}, {}, {}
        return Changes(added, removed, refused, allowed)

    def _find_wanted(self) -> dict[FeedId, FeedId]:
        if not self._is_stale and not self._nearer:
            return self.wanted
        hops = self.hops
        if self._is_stale or not all(
            self.graph.relax(hops, target, self.hops_max) for target in self._nearer
        ):
            hops = self.hops = self.graph.distances(self.own, self.hops_max)
        near = [(distance, feed) for feed, distance in hops.items() if distance >= 0]
        wanted = {feed: feed for distance, feed in sorted(near) if distance <= self.hops_max}
        wanted.setdefault(self.own, self.own)
        return wanted

    def is_wanted(self, feed: FeedId) -> bool:
        """Tell whether a feed is replicated."""
        return feed in self.wanted

    def is_shared(self, feed: FeedId, peer: FeedId) -> bool:
        """Tell whether a feed is exchanged with a peer: replicated, and no block between them."""
        if feed not in self.wanted:
            return False
        blockers = self.blocked_by.get(peer)
        return blockers is None or feed not in blockers

    def is_followed(self, peer: FeedId) -> bool:
        """Tell whether the own feed itself follows a peer."""
        return self.graph.value(self.own, peer) == FOLLOW

    def is_blocked(self, peer: FeedId) -> bool:
        """Tell whether the own feed blocks a peer."""
        return self.graph.value(self.own, peer) == BLOCK
