"""How fast a peer catches up: how many messages it has, how many it lacks, at what pace they come.

What is lacking is what connected peers say they have of the feeds that are wanted here.
"""

import time
from collections import deque
from collections.abc import Callable

import msgspec

SAMPLES_MAX = 20
SAMPLE_S = 0.5
RATE_S_MIN = 1.0
"""A pace is told once it was measured over so long."""
BEHIND_MIN = 50
"""Fewer messages than this come before anybody could read that they are coming."""


class CatchingUp(msgspec.Struct, frozen=True):
    """``rate``: messages a second; ``left_s``: seconds left at that pace, None if not known yet."""

    have: int
    behind: int
    rate: float
    left_s: float | None


class Pace:
    """Measures how fast the log grows, from how often it is asked."""

    __slots__ = ("_clock_s", "_samples")

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._samples: deque[tuple[float, int]] = deque(maxlen=SAMPLES_MAX)

    def measure(self, have: int, behind: int) -> CatchingUp | None:
        """Return how far catching up is; None when there is next to nothing to catch up."""
        if behind < BEHIND_MIN:
            self._samples.clear()
            return None
        now = self._clock_s()
        if not self._samples or now - self._samples[-1][0] >= SAMPLE_S:
            self._samples.append((now, have))
        since, had = self._samples[0]
        rate = (have - had) / (now - since) if now - since >= RATE_S_MIN else 0.0
        return CatchingUp(have, behind, rate, behind / rate if rate > 0 else None)
