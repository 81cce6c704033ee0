"""How far apart peers are: the delay of a link, drawn once for each direction of each connection.

``Steady`` is the same everywhere; ``Uniform`` any of a range; ``Square`` puts peers on a map and
counts distance; ``Lognormal`` is the heavy tail that measurements of the internet show.
"""

from typing import Protocol

from lichen.lab.world.chance import Chance


class Latency(Protocol):
    """A model of delay."""

    def draw_s(self, chance: Chance, sender: int, receiver: int) -> float:
        """Return the delay from one peer to another, by their numbers."""
        ...


class Steady:
    """The same delay between any two."""

    __slots__ = ("_delay_s",)

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s

    def draw_s(self, chance: Chance, sender: int, receiver: int) -> float:
        """Return the delay."""
        return self._delay_s


class Uniform:
    """Any delay of a range."""

    __slots__ = ("_high_s", "_low_s")

    def __init__(self, low_s: float, high_s: float) -> None:
        self._low_s = low_s
        self._high_s = high_s

    def draw_s(self, chance: Chance, sender: int, receiver: int) -> float:
        """Return a delay."""
        return chance.within(self._low_s, self._high_s)


class Lognormal:
    """A median and a long tail."""

    __slots__ = ("_median_s",)

    def __init__(self, median_s: float = 0.08) -> None:
        self._median_s = median_s

    def draw_s(self, chance: Chance, sender: int, receiver: int) -> float:
        """Return a delay."""
        return chance.lognormal(self._median_s)


class Square:
    """Peers on a square map, each at a place of its own; far apart is slow."""

    __slots__ = ("_near_s", "_places", "_seed", "_side_s")

    def __init__(self, seed: int, near_s: float = 0.005, side_s: float = 0.1) -> None:
        self._seed = seed
        self._near_s = near_s
        self._side_s = side_s
        self._places: dict[int, tuple[float, float]] = {}

    def place(self, peer: int) -> tuple[float, float]:
        """Return where a peer is, in shares of the side."""
        found = self._places.get(peer)
        if found is None:
            chance = Chance(self._seed, "place", peer)
            found = self._places[peer] = (chance.random(), chance.random())
        return found

    def draw_s(self, chance: Chance, sender: int, receiver: int) -> float:
        """Return the delay over the distance between them."""
        (x, y), (u, v) = self.place(sender), self.place(receiver)
        return self._near_s + self._side_s * _root((x - u) * (x - u) + (y - v) * (y - v))


def _root(square: float) -> float:
    """Return a square root from sums and quotients alone: the same last digit everywhere."""
    if square <= 0.0:
        return 0.0
    root = 1.0
    for _ in range(40):
        root = (root + square / root) / 2
    return root
