"""Chance for arrays: one seed, a stream of its own for every purpose, the same bytes each time.

Only raw 64-bit words are drawn from numpy (PCG64, whose stream numpy promises to keep); fractions,
whole numbers and orders are made of them here. So a figure does not depend on the version of numpy
or of Python, nor on PYTHONHASHSEED, nor on which other streams were used before.
"""

import hashlib

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_FRACTION_BITS = 53


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
        return (words >> np.uint64(64 - _FRACTION_BITS)) * 2.0**-_FRACTION_BITS

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
