"""Chance from a seed: everything the corpus draws goes through here."""

import hashlib
from base64 import b64encode
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import TypeVar

Item = TypeVar("Item")


class Weighted:
    """What to draw from, some of it more often than the rest."""

    __slots__ = ("_sums",)

    def __init__(self, weights: Sequence[float]) -> None:
        self._sums = list(accumulate(weights))

    def index(self, drawn: float) -> int:
        """Return the index that a number in [0, 1) falls on."""
        return min(bisect(self._sums, drawn * self._sums[-1]), len(self._sums) - 1)


class Dice:
    """Draws of all kinds, made of ``Random.random`` alone."""

    __slots__ = ("_counter", "_random", "_seed")

    def __init__(self, seed: int) -> None:
        self._random = Random(seed).random  # noqa: S311 (a corpus must come out the same each time)
        self._seed = f"lichen corpus {seed}"
        self._counter = 0

    def chance(self, probability: float) -> bool:
        """Return True as often as said."""
        return self._random() < probability

    def below(self, end: int) -> int:
        """Return a whole number from 0 to ``end - 1``."""
        return int(self._random() * end)

    def between(self, first: int, last: int) -> int:
        """Return a whole number, both ends included."""
        return first + self.below(last - first + 1)

    def small(self, end: int) -> int:
        """Return a whole number below ``end``, small ones much more often."""
        drawn = self._random()
        return int(drawn * drawn * drawn * end)

    def pick(self, items: Sequence[Item]) -> Item:
        """Return one of the items."""
        return items[self.below(len(items))]

    def recent(self, items: Sequence[Item]) -> Item:
        """Return one of the items, the last ones much more often."""
        return items[len(items) - 1 - self.small(len(items))]

    def weighted(self, weights: Weighted) -> int:
        """Return an index by weight."""
        return weights.index(self._random())

    def fraction(self) -> float:
        """Return a number in [0, 1)."""
        return self._random()

    def octets(self, count: int) -> bytes:
        """Return that many bytes, different ones each time."""
        self._counter += 1
        return hashlib.shake_256(f"{self._seed} {self._counter}".encode()).digest(count)

    def key_seed(self, number: int) -> bytes:
        """Return the seed of an author's key pair."""
        return hashlib.sha256(f"{self._seed} author {number}".encode()).digest()

    def hexadecimal(self) -> str:
        """Return what looks like a git object's name."""
        return self.octets(20).hex()

    def base64(self, count: int) -> str:
        """Return that many bytes in base64."""
        return b64encode(self.octets(count)).decode("ascii")
