"""A graph of peers as arrays: each link once, and the neighbours of each peer in one row.

Links go both ways, no peer is linked with itself, no two are linked twice. The rows are the usual
compressed form: the neighbours of peer ``i`` are ``ends[starts[i]:starts[i + 1]]``.
"""

import numpy as np
from scipy import sparse

from lichen.lab.chance import Flags, Ints


class ImpossibleGraph(ValueError):  # noqa: N818 (it says what is the matter)
    """Somebody asked for a graph that cannot be: more links than peers, a negative rate."""


class Graph:
    """Peers ``0 .. peers - 1`` and the links between them."""

    __slots__ = ("_ends", "_starts", "first", "peers", "second")

    def __init__(self, peers: int, first: Ints, second: Ints) -> None:
        if peers < 1:
            raise ImpossibleGraph("a graph needs at least one peer")
        ahead = first != second
        low, high = np.minimum(first, second)[ahead], np.maximum(first, second)[ahead]
        links = np.unique(low.astype(np.int64) * peers + high)
        self.peers = peers
        self.first = links // peers
        self.second = links % peers
        self._starts: Ints | None = None
        self._ends: Ints | None = None

    @property
    def links(self) -> int:
        """Return how many links there are."""
        return len(self.first)

    @property
    def starts(self) -> Ints:
        """Return where the row of each peer begins, and where the last one ends."""
        self._make_rows()
        assert self._starts is not None
        return self._starts

    @property
    def ends(self) -> Ints:
        """Return the neighbours, row after row."""
        self._make_rows()
        assert self._ends is not None
        return self._ends

    @property
    def degrees(self) -> Ints:
        """Return how many neighbours each peer has."""
        return np.diff(self.starts)

    def matrix(self) -> sparse.csr_array:
        """Return the adjacency as a sparse matrix of ones."""
        return sparse.csr_array(
            (np.ones(len(self.ends)), self.ends, self.starts), shape=(self.peers, self.peers)
        )

    def without(self, is_gone: Flags) -> "Graph":
        """Return the graph without the links of the peers that are gone; the numbers stay."""
        keep = ~(is_gone[self.first] | is_gone[self.second])
        return Graph(self.peers, self.first[keep], self.second[keep])

    def _make_rows(self) -> None:
        if self._starts is None:
            sources = np.concatenate([self.first, self.second])
            targets = np.concatenate([self.second, self.first])
            shape = (self.peers, self.peers)
            ones = np.ones(len(sources), dtype=np.int8)
            rows = sparse.coo_array((ones, (sources, targets)), shape=shape).tocsr()
            rows.sort_indices()
            self._starts = rows.indptr.astype(np.int64)
            self._ends = rows.indices.astype(np.int64)
