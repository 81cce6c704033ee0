"""Chance for arrays: one seed, a stream of its own for every purpose, the same bytes each time.

Only raw 64-bit words are drawn from numpy (PCG64, whose stream numpy promises to keep); fractions,
whole numbers and orders are made of them here. So a figure does not depend on the version of numpy
or of Python, nor on PYTHONHASHSEED, nor on which other streams were used before.
"""

import hashlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import special

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_FRACTION_BITS = 53
_COUNT_MAX = 1_000
"""No number drawn one by one goes further: means lie far below."""


class Chance:
    """Draws of all kinds from one stream, named by a seed and words."""

    __slots__ = ("_name", "_words")

    def __init__(self, seed: int, *names: str | int) -> None:
        self._name = "/".join(["lichen lab", str(seed), *map(str, names)])
        digest = hashlib.sha256(self._name.encode()).digest()
        self._words = np.random.PCG64(int.from_bytes(digest[:16], "big"))

    def stream(self, *names: str | int) -> "Chance":
        """Return a stream of its own; drawing from one never changes another."""
        made = Chance.__new__(Chance)
        made._name = "/".join([self._name, *map(str, names)])
        digest = hashlib.sha256(made._name.encode()).digest()
        made._words = np.random.PCG64(int.from_bytes(digest[:16], "big"))
        return made

    def fractions(self, *shape: int) -> Floats:
        """Return numbers in [0, 1)."""
        words = np.asarray(self._words.random_raw(shape), dtype=np.uint64)
        whole = words >> np.uint64(64 - _FRACTION_BITS)
        return np.asarray(whole * 2.0**-_FRACTION_BITS, dtype=np.float64)

    def below(self, end: int, *shape: int) -> Ints:
        """Return whole numbers from 0 to ``end - 1``."""
        return (self.fractions(*shape) * end).astype(np.int64)

    def flags(self, probability: float, *shape: int) -> Flags:
        """Return True as often as said."""
        return np.asarray(self.fractions(*shape) < probability)

    def order(self, count: int) -> Ints:
        """Return the numbers below ``count`` in a random order."""
        return np.argsort(self._words.random_raw(count), kind="stable")

    def others(self, count: int, places: Ints) -> Ints:
        """Return for each place one of ``count`` places that is not it."""
        return np.asarray((places + 1 + self.below(count - 1, *places.shape)) % count)

    def normal(self, *shape: int) -> Floats:
        """Return numbers of the standard normal distribution."""
        middle = self.fractions(*shape) + 2.0 ** -(_FRACTION_BITS + 1)
        return np.asarray(special.ndtri(middle), dtype=np.float64)

    def poisson(self, means: Floats) -> Ints:
        """Return a Poisson number for each mean."""
        drawn = self.fractions(*means.shape)
        term = np.exp(-means)
        return _count_up(drawn, term, lambda number, before: before * means / number)

    def binomial(self, counts: Ints, probability: Floats) -> Ints:
        """Return how many of each count say yes; meant for few: the work grows with the result."""
        odds = probability / (1 - probability)
        term = np.exp(counts * np.log1p(-probability))
        return np.minimum(
            counts,
            _count_up(
                self.fractions(*counts.shape),
                term,
                lambda number, before: before * odds * (counts - number + 1) / number,
            ),
        )


def _count_up(drawn: Floats, term: Floats, following: Callable[[int, Floats], Floats]) -> Ints:
    """Turn fractions into numbers by adding up the probabilities of 0, 1, 2 ..."""
    numbers = np.zeros(drawn.shape, dtype=np.int64)
    total = term
    for number in range(1, _COUNT_MAX):
        is_more = drawn >= total
        if not is_more.any():
            break
        numbers += is_more
        term = following(number, term)
        total = total + np.maximum(term, 0)
    return numbers
