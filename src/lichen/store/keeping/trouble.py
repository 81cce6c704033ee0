"""What is the matter with the disk: whether writing works, and whether anything is damaged.

A full disk refuses everything that comes, and that is told only once. Damage does not pass by
itself: it is remembered until the directory is opened anew.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from lichen.store.errors import DAMAGES, StoreError, StoreReadFailed, StoreWriteFailed


class Trouble(msgspec.Struct, frozen=True):
    """Writing fails: why, since when, and how often by now."""

    reason: str
    since_ms: float
    count: int = 1


class TroubleWatch:
    """Knows whether writing fails just now; for the writer thread, but for what tells of it.

    ``damage``: why something could not be read, or not be written where it lies; empty: nothing
    was met in this run. ``on_damage`` is told of the first, from the thread that meets it.

    ``on_change`` is told when it begins to fail, and when it works again (None).
    """

    __slots__ = ("_clock_ms", "_on_change", "damage", "now", "on_damage")

    def __init__(
        self, clock_ms: Callable[[], float], on_change: Callable[[Trouble | None], None] | None
    ) -> None:
        self._clock_ms = clock_ms
        self._on_change = on_change
        self.now: Trouble | None = None
        self.damage = ""
        self.on_damage: Callable[[str], None] | None = None

    def note_fault(self, fault: StoreError) -> None:
        """Remember a fault that is damage. From any thread."""
        if not isinstance(fault, StoreReadFailed | StoreWriteFailed):
            return
        if fault.reason in DAMAGES and not self.damage:
            self.damage = fault.reason
            if self.on_damage is not None:
                self.on_damage(fault.reason)

    @contextmanager
    def watching(self, *, is_proof: bool = True) -> Iterator[None]:
        """Note whether the write that is done here fails or works.

        Not ``is_proof``: it may turn out that there is nothing to write.
        """
        try:
            yield
        except StoreWriteFailed as error:
            self.note(error)
            raise
        if is_proof:
            self.note(None)

    def note(self, fault: BaseException | None) -> None:
        """Note what came of a write; a fault that is not the disk's says nothing of it."""
        if isinstance(fault, StoreWriteFailed):
            self.note_fault(fault)
            before = self.now
            if before is None:
                self._change(Trouble(fault.reason, self._clock_ms()))
            else:
                self.now = msgspec.structs.replace(before, count=before.count + 1)
        elif isinstance(fault, StoreReadFailed):
            self.note_fault(fault)
        elif fault is None and self.now is not None:
            self._change(None)

    def _change(self, trouble: Trouble | None) -> None:
        self.now = trouble
        if self._on_change is not None:
            self._on_change(trouble)
