"""Chance from a seed, the same on every machine and in every version of Python.

A stream has a name (the seed, and whose it is), so that one peer drawing more often changes nothing
for the others. Everything is made of whole random bits and of sums and products, which are exact:
no ``random.shuffle`` or ``choices``, whose draws changed between versions, and nothing through the
mathematics library, whose last digits differ between machines. Curves come from tables.
"""

from collections.abc import MutableSequence, Sequence
from hashlib import blake2b
from random import Random
from typing import TypeVar

Item = TypeVar("Item")

_STEPS = 64


def _read(numbers: str) -> tuple[int, ...]:
    return tuple(map(int, numbers.split()))


# Quantiles in thousandths at 0, 1/64 .. 1 of a lognormal curve with median 1 and sigma 0.5.
_LOGNORMAL = _read(
    "236 341 394 433 464 492 517 541 563 583 604 623 642 660 678 696 714 "
    "731 749 766 783 800 818 835 853 870 888 906 924 943 962 981 1000 1020 "
    "1040 1061 1082 1104 1126 1149 1173 1197 1223 1249 1277 1306 1336 1368 1401 1437 1474 "
    "1515 1558 1605 1657 1714 1777 1850 1933 2032 2153 2312 2538 2936 4233"
)
# The same of an exponential curve with mean 1, cut off where 1 in 1024 lies beyond.
_EXPONENTIAL = _read(
    "0 16 32 48 65 81 98 116 134 152 170 189 208 227 247 267 288 "
    "309 330 352 375 398 421 445 470 495 521 548 575 604 633 662 693 725 "
    "758 792 827 863 901 940 981 1023 1068 1114 1163 1214 1269 1326 1386 1451 1520 "
    "1594 1674 1761 1856 1962 2079 2213 2367 2549 2773 3060 3466 4159 6931"
)


class Chance:
    """One stream of chance."""

    __slots__ = ("_bits", "random")

    def __init__(self, *name: object) -> None:
        digest = blake2b(" ".join(map(str, name)).encode(), digest_size=16).digest()
        source = Random(int.from_bytes(digest, "big"))  # noqa: S311 (a world is to be repeatable)
        self._bits = source.getrandbits
        self.random = source.random
        """Returns a number in [0, 1): 53 bits, of which Python keeps the order for ever."""

    def below(self, end: int) -> int:
        """Return a whole number from 0 to ``end - 1``."""
        return (self._bits(64) * end) >> 64

    def between(self, first: int, last: int) -> int:
        """Return a whole number, both ends included."""
        return first + self.below(last - first + 1)

    def within(self, low: float, high: float) -> float:
        """Return a number from ``low`` up to ``high``."""
        return low + (high - low) * self.random()

    def happens(self, probability: float) -> bool:
        """Return True as often as said."""
        return self.random() < probability

    def pick(self, items: Sequence[Item]) -> Item:
        """Return one of the items."""
        return items[self.below(len(items))]

    def shuffle(self, items: MutableSequence[Item]) -> None:
        """Put items into any order."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]

    def sample(self, items: Sequence[Item], count: int) -> list[Item]:
        """Return ``count`` different ones of the items."""
        rest = list(items)
        for place in range(count):
            other = place + self.below(len(rest) - place)
            rest[place], rest[other] = rest[other], rest[place]
        return rest[:count]

    def octets(self, count: int) -> bytes:
        """Return that many random bytes."""
        return self._bits(8 * count).to_bytes(count, "big") if count else b""

    def exponential(self, mean: float) -> float:
        """Return a time until something that happens at any moment alike."""
        return mean * self._curve(_EXPONENTIAL)

    def lognormal(self, median: float) -> float:
        """Return a number around ``median`` whose long tail goes up (sigma 0.5)."""
        return median * self._curve(_LOGNORMAL)

    def _curve(self, quantiles: Sequence[int]) -> float:
        drawn = self._bits(38)
        low, high = quantiles[drawn >> 32], quantiles[(drawn >> 32) + 1]
        return ((low << 32) + (high - low) * (drawn & 0xFFFFFFFF)) / (1000 << 32)


assert len(_LOGNORMAL) == len(_EXPONENTIAL) == _STEPS + 1, "one more edge than steps"
