"""Counting what was looked at: a checker that never had anything to check proves nothing."""

from collections import Counter
from collections.abc import Iterable


class Broken(Exception):  # noqa: N818 (it says what is the matter)
    """Something that must hold does not; ``check`` is the name of the checker that saw it."""

    def __init__(self, check: str, words: str) -> None:
        super().__init__(f"{check}: {words}")
        self.check = check


class Tally:
    """How often each checker had something to look at."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def hold(self, check: str, claim: bool, words: str) -> None:
        """Count a look, and raise ``Broken`` if the claim does not hold."""
        self.counts[check] += 1
        if not claim:
            raise Broken(check, words)

    def add(self, other: "Tally") -> None:
        """Add the looks of another life."""
        self.counts.update(other.counts)

    def idle(self, checks: Iterable[str]) -> list[str]:
        """Return the checkers that have never looked at anything."""
        return [check for check in checks if not self.counts[check]]

    def fault(self, checks: Iterable[str]) -> str | None:
        """Return in a sentence what was never looked at, None if everything was."""
        idle = self.idle(checks)
        if not idle:
            return None
        return f"These checkers never had anything to check, so the run proves nothing: {idle}."
