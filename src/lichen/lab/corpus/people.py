"""The people of a corpus: their keys, where their feeds stand, and who follows whom."""

from typing import Final

from lichen.feed.identity import Identity, generate_identity
from lichen.feed.message import FeedId, FeedState
from lichen.lab.corpus.dice import Dice, Weighted

LAG_MS_MAX: Final = 2 * 24 * 3600 * 1000
"""How late somebody's messages reach the main author at most: two days."""

Graph = dict[FeedId, dict[FeedId, bool | None]]
"""Source to target to True (follows), False (blocks) or None (neither any more)."""


class Author:
    """One person of a corpus."""

    __slots__ = ("clock_ms", "id", "identity", "lag_ms", "name", "state")

    def __init__(self, identity: Identity, name: str, lag_ms: int) -> None:
        self.identity = identity
        self.id = identity.id
        self.name = name
        self.lag_ms = lag_ms
        self.clock_ms = 0.0
        self.state: FeedState | None = None


class People:
    """Everybody, and the follow graph among them.

    Everyone but the first joins through somebody who was there before, and both follow each other
    for good, so the graph is connected. Whoever came early writes most.
    """

    __slots__ = ("_dice", "_ties", "authors", "graph", "weights")

    def __init__(self, dice: Dice, count: int, names: list[str]) -> None:
        self._dice = dice
        self.authors = [
            Author(
                generate_identity(dice.key_seed(number)),
                names[number],
                dice.small(LAG_MS_MAX) if number else 0,
            )
            for number in range(count)
        ]
        self.graph: Graph = {}
        self._ties: set[frozenset[FeedId]] = set()
        self.weights = Weighted([1 / (rank + 3) for rank in range(count)])

    def introductions(self) -> list[tuple[Author, Author]]:
        """Return who follows whom to begin with, in the order in which they do."""
        pairs = []
        for number in range(1, len(self.authors)):
            new, known = self.authors[number], self.authors[self._dice.small(number)]
            self._ties.add(frozenset((new.id, known.id)))
            pairs += [(new, known), (known, new)]
        return pairs

    def writer(self) -> Author:
        """Return who writes next."""
        return self.authors[self._dice.weighted(self.weights)]

    def somebody(self) -> Author:
        """Return anybody, the active more often."""
        return self.authors[self._dice.small(len(self.authors))]

    def change_of_mind(self, author: Author, target: Author) -> bool | None:
        """Return how an author comes to see somebody: mostly follows, else block or neither."""
        if frozenset((author.id, target.id)) in self._ties:
            return True
        if target.id in self.graph.get(author.id, {}):
            return None if self._dice.chance(0.6) else self._dice.chance(0.7)
        return self._dice.chance(0.93)

    def set_edge(self, author: Author, target: Author, edge: bool | None) -> None:
        """Remember how an author sees somebody."""
        self.graph.setdefault(author.id, {})[target.id] = edge
