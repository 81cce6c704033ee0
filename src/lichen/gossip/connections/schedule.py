"""Whom to dial and when: the address book with exponential back-off.

One connection per peer is enough, so an address is dialled only while its peer is not connected.
A failed address waits twice as long each time, with jitter, so that peers that lost each other do
not call in step. A connection that did not last counts as a failure.
"""

from collections.abc import Callable

from lichen.feed.message import FeedId
from lichen.gossip.events import Address
from lichen.gossip.limits import (
    ADDRESSES_MAX,
    BACKOFF_S_MAX,
    BACKOFF_S_MIN,
    DIAL_S_MAX,
    DIALS_MAX,
    STEADY_S,
)
from lichen.gossip.ports import Random

_DOUBLINGS_MAX = 16


class Entry:
    """One address: how it went, and when it is tried next."""

    __slots__ = ("address", "autoconnect", "failures", "is_dialling", "next_at", "peer")

    def __init__(self, address: Address, next_at: float) -> None:
        self.address = address.address
        self.peer = address.peer
        self.autoconnect = address.autoconnect
        self.failures = 0
        self.next_at = next_at
        """When to dial; while dialling, when to give up."""
        self.is_dialling = False


class Schedule:
    """The address book of one node."""

    __slots__ = ("_by_peer", "_entries", "_rng")

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._entries: dict[str, Entry] = {}
        self._by_peer: dict[FeedId, dict[str, Entry]] = {}

    def add(self, address: Address, now: float) -> Entry | None:
        """Take in an address, to be tried at once; None if there are too many."""
        entry = self._entries.get(address.address)
        if entry is None or entry.peer != address.peer:
            if entry is not None:
                self._remove(entry)
            elif len(self._entries) >= ADDRESSES_MAX:
                return None
            entry = Entry(address, now)
            self._entries[address.address] = entry
            self._by_peer.setdefault(address.peer, {})[address.address] = entry
        entry.autoconnect = entry.autoconnect or address.autoconnect
        entry.failures = 0
        if not entry.is_dialling:
            entry.next_at = now
        return entry

    def _remove(self, entry: Entry) -> None:
        del self._entries[entry.address]
        entries = self._by_peer[entry.peer]
        del entries[entry.address]
        if not entries:
            del self._by_peer[entry.peer]

    def take_due(self, now: float, may_dial: Callable[[FeedId], bool]) -> list[Entry]:
        """Return the addresses to dial now; they count as being dialled."""
        self._give_up_dials(now)
        under_way = {entry.peer: None for entry in self._entries.values() if entry.is_dialling}
        due = []
        for entry in sorted(self._entries.values(), key=_urgency):
            if len(under_way) >= DIALS_MAX or entry.next_at > now:
                break
            if entry.is_dialling or entry.peer in under_way or not may_dial(entry.peer):
                continue
            under_way[entry.peer] = None
            entry.is_dialling = True
            entry.next_at = now + DIAL_S_MAX
            due.append(entry)
        return due

    def _give_up_dials(self, now: float) -> None:
        for entry in list(self._entries.values()):
            if entry.is_dialling and entry.next_at <= now:
                self.failed(entry.address, now)

    def failed(self, address: str, now: float) -> Entry | None:
        """Note that a dial came to nothing; return the address, if it is known."""
        entry = self._entries.get(address)
        if entry is None:
            return None
        entry.is_dialling = False
        self._back_off(entry, now)
        return entry

    def _back_off(self, entry: Entry, now: float) -> None:
        entry.failures += 1
        if not entry.autoconnect:
            self._remove(entry)
            return
        doublings = min(entry.failures - 1, _DOUBLINGS_MAX)
        wait_s = min(BACKOFF_S_MIN * 2**doublings, BACKOFF_S_MAX)
        entry.next_at = now + wait_s * (0.5 + self._rng.random())

    def connected(self, address: str) -> Entry | None:
        """Note that a dial has reached its peer; return the address, if it is known."""
        entry = self._entries.get(address)
        if entry is not None:
            entry.is_dialling = False
        return entry

    def disconnected(self, peer: FeedId, lasted_s: float, now: float) -> None:
        """Have a lost peer dialled again: soon after a steady connection, later after a short."""
        for entry in list(self._by_peer.get(peer, {}).values()):
            if entry.is_dialling:
                continue
            if lasted_s >= STEADY_S:
                entry.failures = 0
            self._back_off(entry, now)

    def next_at(self, may_dial: Callable[[FeedId], bool]) -> float | None:
        """Return when there is something to do, None for never."""
        times = [
            entry.next_at
            for entry in self._entries.values()
            if entry.is_dialling or may_dial(entry.peer)
        ]
        return min(times, default=None)


def _urgency(entry: Entry) -> tuple[float, int, str]:
    return entry.next_at, entry.failures, entry.address
