"""What a reproduced table is: where it comes from, its figures, and what must be met.

A table is a frozen description and one function that computes its figures from a seed. Each figure
carries a mark that says how well its published value is known:

    S   read in the source
    M   remembered only, not checked against the source: not to be quoted
    R   computed here by an independent program before, in the same setting

A gate is stated before anything is computed. Figures without one are shown, not judged.
"""

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from lichen.lab.chance import Chance


class Kind(StrEnum):
    """How a gate compares."""

    WITHIN = "within"
    WITHIN_SHARE = "within-share"
    AT_MOST = "at-most"
    AT_LEAST = "at-least"
    BETWEEN = "between"


class Gate(msgspec.Struct, frozen=True):
    """What a computed figure must meet; ``width`` is a distance, a share or a bound."""

    kind: Kind
    width: float
    low: float = 0.0

    def passes(self, reference: float, ours: float) -> bool:
        """Return whether a figure meets the gate."""
        if not math.isfinite(ours):
            return False
        slack = 1e-9 * max(1.0, abs(reference))
        if self.kind is Kind.AT_MOST:
            return ours <= self.width
        if self.kind is Kind.AT_LEAST:
            return ours >= self.width
        if self.kind is Kind.BETWEEN:
            return self.low <= ours <= self.width
        width = self.width * abs(reference) if self.kind is Kind.WITHIN_SHARE else self.width
        return abs(ours - reference) <= width + slack

    @property
    def words(self) -> str:
        """Return the gate as it is written beside a figure."""
        return {
            Kind.WITHIN: f"± {self.width:g}",
            Kind.WITHIN_SHARE: f"± {100 * self.width:g} %",
            Kind.AT_MOST: f"≤ {self.width:g}",
            Kind.AT_LEAST: f"≥ {self.width:g}",
            Kind.BETWEEN: f"{self.low:g} to {self.width:g}",
        }[self.kind]


def within(width: float) -> Gate:
    """Return the gate of a distance from the reference."""
    return Gate(Kind.WITHIN, width)


def within_share(share: float) -> Gate:
    """Return the gate of a relative distance from the reference."""
    return Gate(Kind.WITHIN_SHARE, share)


def at_most(bound: float) -> Gate:
    """Return the gate of an upper bound."""
    return Gate(Kind.AT_MOST, bound)


def at_least(bound: float) -> Gate:
    """Return the gate of a lower bound."""
    return Gate(Kind.AT_LEAST, bound)


def between(low: float, high: float) -> Gate:
    """Return the gate of a range, both ends included."""
    return Gate(Kind.BETWEEN, high, low)


EXACT = within(0)


class Figure(msgspec.Struct, frozen=True):
    """One figure of a table, as known before. The gate is about ``published``, else ``before``."""

    label: str
    published: float | None = None
    mark: str = ""
    before: float | None = None
    """What was computed before, by an independent program."""
    gate: Gate | None = None
    why: str = ""
    """Why it is known to miss its gate: one sentence, shown where it does."""


class Row(msgspec.Struct, frozen=True):
    """One figure beside what came out now."""

    table: str
    label: str
    published: float | None
    mark: str
    before: float | None
    ours: float
    tolerance: str
    passes: bool | None
    """None where there is no gate."""
    why: str = ""
    """Why it fails, if that is known."""


class Effort(msgspec.Struct, frozen=True):
    """From which seed, and how much: ``share`` of the repeats that a table states."""

    seed: int
    share: float = 1.0

    def runs(self, stated: int, least: int = 2) -> int:
        """Return how many repeats to make."""
        return max(least, round(stated * self.share))

    def chance(self, *names: str | int) -> "Chance":
        """Return a stream of chance for one purpose."""
        from lichen.lab.chance import Chance  # noqa: PLC0415 (tables are listed without numpy)

        return Chance(self.seed, *names)


class Table(msgspec.Struct, frozen=True):
    """A published table: a description, and how to compute it."""

    name: str
    title: str
    source: str
    parameters: str
    gate: str
    figures: tuple[Figure, ...]
    measure: Callable[[Effort], Mapping[str, float]]
    note: str = ""

    def rows(self, effort: Effort) -> list[Row]:
        """Compute every figure and judge those that have a gate."""
        ours = self.measure(effort)
        strangers = set(ours) - {figure.label for figure in self.figures}
        assert not strangers, f"figures that the table does not list: {sorted(strangers)}"
        return [self._row(figure, float(ours[figure.label])) for figure in self.figures]

    def _row(self, figure: Figure, ours: float) -> Row:
        passes = None
        if figure.gate is not None:
            reference = figure.published if figure.published is not None else figure.before
            passes = figure.gate.passes(reference if reference is not None else 0.0, ours)
        return Row(
            self.name,
            figure.label,
            figure.published,
            figure.mark if figure.published is not None else ("" if figure.before is None else "R"),
            figure.before,
            ours,
            figure.gate.words if figure.gate else "",
            passes,
            str(figure.why) if passes is False else "",
        )
