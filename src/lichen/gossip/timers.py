"""Deadlines by name: a heap with lazy removal, so that setting one again costs nothing.

The machine keeps one ``WakeAt`` armed for the earliest; whoever is late still gets every name.
"""

from heapq import heappop, heappush

NEVER = float("inf")
TimerName = tuple[str, int]
"""What is due, and for which connection (0: for the whole node)."""


class Timers:
    """Named deadlines on the clock that ``Node.handle`` is given."""

    __slots__ = ("_at", "_count", "_heap", "earliest", "is_changed")

    def __init__(self) -> None:
        self._at: dict[TimerName, float] = {}
        self._heap: list[tuple[float, int, TimerName]] = []
        self._count = 0
        self.earliest = NEVER
        """Nothing is due before: the next deadline, or an overtaken one that comes earlier."""
        self.is_changed = False
        """``next_at`` may be another than when it was asked for last."""

    def set(self, kind: str, at: float, connection: int = 0) -> None:
        """Make a name due at a time, whatever it was due at before."""
        name = (kind, connection)
        if self._at.get(name) == at:
            return
        self._at[name] = at
        self._count += 1
        heappush(self._heap, (at, self._count, name))
        self.is_changed = True
        self.earliest = min(self.earliest, at)

    def set_if_unset(self, kind: str, at: float, connection: int = 0) -> None:
        """Make a name due at a time unless it is due already."""
        if (kind, connection) not in self._at:
            self.set(kind, at, connection)

    def cancel(self, kind: str, connection: int = 0) -> None:
        """Forget a name; it need not be set."""
        if self._at.pop((kind, connection), None) is not None:
            self.is_changed = True

    def take_due(self, now: float) -> list[TimerName]:
        """Remove and return the names that are due, earliest first."""
        if self.earliest > now:
            return []
        heap = self._heap
        names = []
        while heap and heap[0][0] <= now:
            at, _, name = heappop(heap)
            if self._at.get(name) == at:
                del self._at[name]
                names.append(name)
        self.earliest = heap[0][0] if heap else NEVER
        self.is_changed = True
        return names

    def next_at(self) -> float | None:
        """Return the earliest deadline, None without any."""
        self.is_changed = False
        heap = self._heap
        while heap:
            at, _, name = heap[0]
            if self._at.get(name) == at:
                self.earliest = at
                return at
            heappop(heap)
        self.earliest = NEVER
        return None
