"""How far each view is: what of the log it holds, what it has folded and not yet written, its pace.

A view's notes in views.db are its intervals, each end with the key found there, so that a log that
was shortened or replaced is noticed. Where no message has a number (it was cut out of the log), the
key is empty.
"""

import time
from collections.abc import Mapping, Sequence

import apsw
import msgspec

from lichen.feed.refs import msg_key_bytes
from lichen.store.log import Log
from lichen.store.views.intervals import Interval, count, with_interval
from lichen.store.views.rows import EarlyView, TitledView, TypedView, View

PACE_S = 10.0
"""Over how long the pace of folding is measured: short enough to follow what else is going on."""
SAMPLE_S = 0.2
"""How far apart the samples of a pace are."""

GROWTH_PARTS = 10
"""The time left is told while the log grows by less than this part of what is left to fold."""

Keys = Mapping[int, bytes]
"""Number to the key found there; empty for a number that no message has."""


class ViewProgress(msgspec.Struct, frozen=True):
    """How much of the log a view shows: ``folded`` of ``total`` messages.

    ``rate``: messages folded a second, 0.0 while nothing is folded; ``left_s``: seconds left at
    that pace, None if it is not known, as while many messages come in.
    """

    name: str
    folded: int
    total: int
    rate: float = 0.0
    left_s: float | None = None
    title: str = ""
    """The view's name for people; the technical one where it has none."""

    @property
    def behind(self) -> int:
        """Return how many messages are not in yet."""
        return self.total - self.folded


class Cursor:
    """A view, and what of the log it holds.

    ``folded`` is what readers see; ``reached`` also holds what is folded and not written yet.
    ``changes`` counts up whenever readers may see other rows than before.
    """

    __slots__ = (
        *("_has_new", "_keys", "_samples", "changes", "folded", "is_early", "reached", "title"),
        *("types", "view"),
    )

    def __init__(self, view: View) -> None:
        self.view = view
        self.types = view.types if isinstance(view, TypedView) else None
        self.title = view.title if isinstance(view, TitledView) else view.name
        self.is_early = isinstance(view, EarlyView) and view.is_early
        self.folded: tuple[Interval, ...] = ()
        self.reached: tuple[Interval, ...] = ()
        self.changes = 0
        self._has_new = False
        self._keys: dict[int, bytes] = {}
        self._samples: tuple[tuple[float, int, int], ...] = ()

    def restart(self, intervals: tuple[Interval, ...] = (), keys: Keys | None = None) -> None:
        """Begin with these intervals; ``keys`` are those of their ends."""
        self.folded = self.reached = intervals
        self.changes += 1
        self._keys = dict(keys or {})
        self._samples = ()

    def reach(self, interval: Interval, keys: Keys, *, has_rows: bool) -> None:
        """Note that an interval was folded; ``keys`` are those of its ends."""
        self._has_new = self._has_new or has_rows
        self._keys.update(keys)
        self.reached = with_interval(self.reached, interval)

    def fall_back(self) -> None:
        """Forget what was folded and will not be written."""
        self.reached = self.folded

    def write(self, db: apsw.Connection) -> None:
        """Write down what is folded, in the transaction that holds the rows."""
        name = self.view.name
        gone, come = set(self.folded) - set(self.reached), set(self.reached) - set(self.folded)
        db.executemany(
            "DELETE FROM view_folded WHERE view = ? AND first = ?",
            [(name, first) for first, _ in gone],
        )
        db.executemany(
            "INSERT INTO view_folded VALUES(?,?,?,?,?)",
            [(name, first, self._keys[first], last, self._keys[last]) for first, last in come],
        )

    def written(self, total: int) -> None:
        """Let readers know what was written, while the log has ``total`` messages."""
        self.folded = self.reached
        self.changes += self._has_new
        self._has_new = False
        ends = {end for interval in self.folded for end in interval}
        self._keys = {number: key for number, key in self._keys.items() if number in ends}
        now = time.monotonic()
        if not self._samples or now - self._samples[-1][0] >= SAMPLE_S:
            recent = tuple(sample for sample in self._samples if now - sample[0] < PACE_S)
            self._samples = (*recent, (now, count(self.folded), total))

    def holds_any(self, numbers: Sequence[int]) -> bool:
        """Tell whether any of these messages is folded."""
        return any(first <= number <= last for first, last in self.folded for number in numbers)

    def forget(self, db: apsw.Connection, numbers: Sequence[int]) -> None:
        """Note that an interval may end where no message is any more."""
        self.changes += 1
        self._keys.update({number: b"" for number in numbers if number in self._keys})
        pairs = [(self.view.name, number) for number in numbers]
        for column in ("first", "last"):
            db.executemany(
                f"UPDATE view_folded SET {column}_key = x''"  # noqa: S608 (fixed names)
                f" WHERE view = ? AND {column} = ?",
                pairs,
            )
        db.executemany("DELETE FROM view_faults WHERE view = ? AND received_no = ?", pairs)

    def progress(self, total: int) -> ViewProgress:
        """Return how far the view is. From any thread."""
        folded, samples = min(count(self.folded), total), self._samples
        if folded == total or not samples:
            return ViewProgress(self.view.name, folded, total, title=self.title)
        since, had, was_total = samples[0]
        now = time.monotonic()
        # A pace needs two samples; and a view that has stood still for long has none.
        is_moving = len(samples) > 1 and now - samples[-1][0] < PACE_S
        rate = (folded - had) / (now - since) if is_moving else 0.0
        left = total - folded
        # While more comes in than is soon folded nobody knows how long it takes.
        is_known = rate > 0 and (total - was_total) * GROWTH_PARTS <= left
        left_s = left / rate if is_known else None
        rate = round(max(rate, 0.0), 1)
        return ViewProgress(self.view.name, folded, total, rate, left_s, self.title)


def agreed(db: apsw.Connection, name: str, log: Log) -> tuple[tuple[Interval, ...], Keys] | None:
    """Return what a view has folded and the keys of the ends; None if the log has other ones."""
    intervals: tuple[Interval, ...] = ()
    keys: dict[int, bytes] = {}
    for first, first_key, last, last_key in db.execute(
        "SELECT first, first_key, last, last_key FROM view_folded WHERE view = ?", (name,)
    ):
        noted = {first: first_key, last: last_key}
        if not _are_held(log, noted):
            return None
        keys |= noted
        intervals = with_interval(intervals, (first, last))
    return intervals, keys


def _are_held(log: Log, keys: Keys) -> bool:
    """Tell whether the log has these keys, or soon will have.

    Views let go of messages before the log does: if that was interrupted, it still has messages for
    which an empty key is noted, and the audit comes to them again.
    """
    held = {stored.received_no: stored for stored in log.at_numbers(list(keys))}
    for number, key in keys.items():
        stored = held.get(number)
        if not key and stored is not None and stored.sequence > log.audited(stored.feed):
            continue
        if key != (b"" if stored is None else msg_key_bytes(stored.key)):
            return False
    return True
