"""Which stretch of the log is folded next: what somebody waits for, then whoever is near, then new.

A log that was just fetched, or whose views are made anew, is long, and a person wants to read at
once. So views that every page needs (``EarlyView``: who follows whom, what people are called) look
through it from its beginning, where whole feeds of the nearest people lie after a first sync; in
turn with them all views are given the stretches that hold the newest messages of the own feed, of
those it follows, and of those whom these follow; and then the rest, newest first.
"""

from collections.abc import Callable, Iterable, Sequence

import apsw
import msgspec

from lichen.feed.message import FeedId
from lichen.store.log import Log, feed_mark
from lichen.store.views.cursors import Cursor
from lichen.store.views.intervals import Interval, first_gap, last_gap

STRETCH_ROWS = 2_000
"""Messages that are folded one after the other before another place is looked for."""
SLICE_ROWS = 400
"""Messages folded at once: some 10 ms in which the writer does nothing else."""
SCAN_ROWS = 8_000
"""Messages looked through at once for the few types that an early view asks for."""
NEAR_FEEDS_MAX = 600
"""Feeds whose newest messages are looked for; a question to the log for each."""
NEAR_MESSAGES = 100
"""Newest messages of a near feed that are folded first: what a first look at somebody shows."""
PLAN_SLICES_MIN = 4
PLAN_SLICES_MAX = 64
"""After so many slices it is looked anew who is near; twice as many each time, for the first
contacts tell most."""

_FOLLOWED = """
SELECT DISTINCT target FROM json_each(?) f CROSS JOIN contacts ON source = f.value
WHERE contacts.value = 1 LIMIT ?
"""


class Wanted(msgspec.Struct, frozen=True):
    """What somebody waits for: that these views hold this interval of the log."""

    names: frozenset[str]
    interval: Interval


class Slice(msgspec.Struct, frozen=True):
    """What to fold next: an interval of the log, into some views that all lack it."""

    cursors: tuple[Cursor, ...]
    interval: Interval


class Order:
    """Chooses slices. ``own``: whose peer this is, None as long as nobody knows."""

    __slots__ = ("_cursors", "_is_early_turn", "_log", "_own", "_plan", "_slices", "_slices_max")

    def __init__(
        self, cursors: Sequence[Cursor], log: Log, own: Callable[[], FeedId | None]
    ) -> None:
        self._cursors = tuple(cursors)
        self._log = log
        self._own = own
        self._plan: list[int] = []
        self._slices = self._slices_max = 0
        self._is_early_turn = False

    def next(
        self, db: apsw.Connection, waiting: Iterable[Wanted], *, is_held: bool
    ) -> Slice | None:
        """Return what to fold next, None if nothing is left; ``is_held``: only what is awaited."""
        for wanted in waiting:
            if wanted.interval[0] == 1 and len(wanted.names) == len(self._cursors) and not is_held:
                continue  # whoever waits for everything is served by any order
            cursors = [each for each in self._cursors if each.view.name in wanted.names]
            if found := _oldest(cursors, *wanted.interval):
                return found
        last_no = self._log.last_no
        if is_held or last_no == 0:
            return None
        self._is_early_turn = not self._is_early_turn
        early = [each for each in self._cursors if each.is_early]
        if self._is_early_turn and (found := self._early(early, last_no)):
            return found
        return self._near(db, last_no) or _newest(self._cursors, 1, last_no)

    def _early(self, early: Sequence[Cursor], last_no: int) -> Slice | None:
        """Return what early views lack, as long as it is so much that they would keep others up."""
        found = _oldest(early, 1, last_no)
        return None if found is None or self._missing(last_no) <= STRETCH_ROWS else found

    def _missing(self, last_no: int) -> int:
        """Return how long the part of the log is that some view lacks a piece of."""
        gaps = [first_gap(each.reached, last_no) for each in self._cursors]
        return last_no + 1 - min((gap[0] for gap in gaps if gap), default=last_no + 1)

    def _near(self, db: apsw.Connection, last_no: int) -> Slice | None:
        """Return what is lacking of the stretches in which the nearest people wrote last."""
        if self._missing(last_no) <= STRETCH_ROWS:
            self._plan, self._slices, self._slices_max = [], 0, 0
            return None
        if self._slices == self._slices_max:
            self._plan, self._slices = self._stretches(db), 0
            self._slices_max = min(max(2 * self._slices_max, PLAN_SLICES_MIN), PLAN_SLICES_MAX)
        self._slices += 1
        while self._plan:
            first = self._plan[-1] * STRETCH_ROWS + 1
            found = _newest(self._cursors, first, min(first + STRETCH_ROWS - 1, last_no))
            if found is not None:
                return found
            self._plan.pop()
        return None

    def _stretches(self, db: apsw.Connection) -> list[int]:
        """Return the numbers of the stretches to fold first, the last one first."""
        distance: dict[int, int] = {}
        for steps, feeds in enumerate(self._near_feeds(db)):
            for feed in feeds:
                for number in self._log.numbers_of(
                    feed, after=0, before=self._log.last_no + 1, limit=NEAR_MESSAGES,
                    newest_first=True,
                ):  # fmt: skip
                    distance.setdefault((number - 1) // STRETCH_ROWS, steps)
        return sorted(distance, key=lambda stretch: (-distance[stretch], stretch))

    def _near_feeds(self, db: apsw.Connection) -> list[list[FeedId]]:
        """Return the own feed, those it follows, those whom these follow, each feed once."""
        own = self._own()
        if own is None or not any(each.view.name == "contacts" for each in self._cursors):
            return []
        rings, known = [[own]], {own}
        for _ in range(2):
            asked = "[" + ",".join(str(feed_mark(feed)) for feed in rings[-1]) + "]"
            ring = [
                FeedId(str(target))
                for (target,) in db.execute(_FOLLOWED, (asked, 2 * NEAR_FEEDS_MAX))
                if target not in known
            ][: NEAR_FEEDS_MAX - len(known)]
            known.update(ring)
            rings.append(ring)
        return rings


def _oldest(cursors: Sequence[Cursor], first_no: int, last_no: int) -> Slice | None:
    """Return the oldest slice that is lacking, for all views that have it in common."""
    gaps = [(each, first_gap(each.reached, last_no, first_no)) for each in cursors]
    found = [(each, gap) for each, gap in gaps if gap is not None]
    if not found:
        return None
    start = min(first for _, (first, _last) in found)
    end = min(last if first == start else first - 1 for _, (first, last) in found)
    return _cut(tuple(each for each, (first, _) in found if first == start), (start, end))


def _newest(cursors: Sequence[Cursor], first_no: int, last_no: int) -> Slice | None:
    """Return a slice of the newest stretch that is lacking, its oldest part first."""
    gaps = [(each, last_gap(each.reached, last_no, first_no)) for each in cursors]
    found = [(each, gap) for each, gap in gaps if gap is not None]
    if not found:
        return None
    end = max(last for _, (_first, last) in found)
    start = max(first if last == end else last + 1 for _, (first, last) in found)
    stretch = (end - 1) // STRETCH_ROWS * STRETCH_ROWS + 1
    return _cut(tuple(each for each, (_, last) in found if last == end), (max(start, stretch), end))


def _cut(cursors: tuple[Cursor, ...], gap: Interval) -> Slice:
    is_typed = all(each.types is not None for each in cursors)
    first, last = gap
    return Slice(cursors, (first, min(last, first + (SCAN_ROWS if is_typed else SLICE_ROWS) - 1)))
