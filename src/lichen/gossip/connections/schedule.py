"""Whom to dial and when: the address book with exponential back-off.

One connection per peer is enough, so an address is dialled only while its peer is not connected.
A failed address waits twice as long each time, with jitter, so that peers that lost each other do
not call in step. A connection that did not last counts as a failure. An address that is dialled
because its peer is nearby is kept for as long as it is.
"""

from collections.abc import Callable

import msgspec

from lichen.feed.message import FeedId
from lichen.gossip.events import FROM_ADDRESS, Address
from lichen.gossip.limits import (
    ADDRESSES_MAX,
    BACKOFF_S_MAX,
    BACKOFF_S_MIN,
    DIAL_S_MAX,
    DIALS_MAX,
    STEADY_S,
)
from lichen.gossip.ports import Random

NO_ANSWER = "no-answer"
"""The last error of a dial that nothing was heard of."""

_DOUBLINGS_MAX = 16


class AddressStatus(msgspec.Struct, frozen=True):
    """One known address. ``next_at`` is on the clock that ``Node.handle`` is given."""

    address: str
    peer: FeedId
    source: str
    """How the peer was met: ``address`` (a person typed it) or ``lan``."""
    autoconnect: bool
    failures: int
    next_at: float | None
    """When it is dialled next; None while it is being dialled, is not needed or not wanted."""
    is_dialling: bool
    last_error: str | None
    """The reason why the last dial or the last connection failed; None once connected."""


class Lost(msgspec.Struct, frozen=True):
    """A connection that has ended: with whom, where to, why, and how long it lasted."""

    peer: FeedId
    address: str
    reason: str
    lasted_s: float


class Entry:
    """One address: how it went, and when it is tried next."""

    __slots__ = (
        "address",
        "autoconnect",
        "failures",
        "is_dialling",
        "is_nearby",
        "last_error",
        "next_at",
        "peer",
        "source",
    )

    def __init__(self, address: Address, next_at: float) -> None:
        self.address = address.address
        self.peer = address.peer
        self.autoconnect = address.autoconnect
        self.source = address.source
        self.failures = 0
        self.last_error: str | None = None
        self.next_at = next_at
        """When to dial; while dialling, when to give up."""
        self.is_dialling = False
        self.is_nearby = False
        """Announced on the local network just now, by a peer that is to be dialled unasked."""

    def status(self, *, may_dial: bool) -> AddressStatus:
        """Describe the address for people."""
        is_due = may_dial and not self.is_dialling
        return AddressStatus(
            address=self.address,
            peer=self.peer,
            source=self.source,
            autoconnect=self.autoconnect,
            failures=self.failures,
            next_at=self.next_at if is_due else None,
            is_dialling=self.is_dialling,
            last_error=self.last_error,
        )


class Schedule:
    """The address book of one node."""

    __slots__ = ("_by_peer", "_entries", "_rng")

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._entries: dict[str, Entry] = {}
        self._by_peer: dict[FeedId, dict[str, Entry]] = {}

    def add(self, address: Address, now: float) -> Entry | None:
        """Take in an address, to be tried at once; None if there are too many."""
        entry = self._find_or_insert(address, now)
        if entry is None:
            return None
        entry.autoconnect = entry.autoconnect or address.autoconnect
        entry.failures = 0
        if not entry.is_dialling:
            entry.next_at = now
        return entry

    def _find_or_insert(self, address: Address, now: float) -> Entry | None:
        entry = self._entries.get(address.address)
        if entry is not None and entry.peer == address.peer:
            return entry
        if entry is not None:
            self._remove(entry)
        elif len(self._entries) >= ADDRESSES_MAX:
            return None
        entry = Entry(address, now)
        self._entries[address.address] = entry
        self._by_peer.setdefault(address.peer, {})[address.address] = entry
        return entry

    def appeared(self, address: Address, now: float) -> bool:
        """Have an address dialled while its peer is nearby; tell whether it has just come."""
        entry = self._find_or_insert(address, now)
        if entry is None or entry.is_nearby:
            return False
        entry.is_nearby = True
        if not entry.is_dialling:
            entry.next_at = min(entry.next_at, now)
        return True

    def left(self, address: str) -> None:
        """Dial an address no longer for being nearby."""
        entry = self._entries.get(address)
        if entry is None or not entry.is_nearby:
            return
        entry.is_nearby = False
        if not entry.autoconnect and not entry.is_dialling:
            self._remove(entry)

    def forget(self, address: str) -> None:
        """Let go of an address; it need not be known."""
        entry = self._entries.get(address)
        if entry is not None:
            self._remove(entry)

    def is_known(self, peer: FeedId) -> bool:
        """Tell whether there is an address of a peer."""
        return peer in self._by_peer

    def is_saved(self, address: str) -> bool:
        """Tell whether a person asked for an address to be dialled whenever it can be."""
        entry = self._entries.get(address)
        return entry is not None and entry.autoconnect

    def source(self, address: str) -> str:
        """Return how the peer of an address was met."""
        entry = self._entries.get(address)
        return FROM_ADDRESS if entry is None else entry.source

    def status(self, may_dial: Callable[[FeedId], bool]) -> tuple[AddressStatus, ...]:
        """Describe every address for people."""
        return tuple(
            entry.status(may_dial=may_dial(entry.peer)) for entry in self._entries.values()
        )

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
                self.failed(entry.address, NO_ANSWER, now)

    def failed(self, address: str, reason: str, now: float) -> Entry | None:
        """Note that a dial came to nothing; return the address, if it is known."""
        entry = self._entries.get(address)
        if entry is None:
            return None
        entry.is_dialling = False
        entry.last_error = reason
        self._back_off(entry, now)
        return entry

    def _back_off(self, entry: Entry, now: float) -> None:
        entry.failures += 1
        if not entry.autoconnect and not entry.is_nearby:
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
            entry.last_error = None
        return entry

    def disconnected(self, lost: Lost, now: float) -> None:
        """Have a lost peer dialled again: soon after a steady connection, later after a short."""
        for entry in list(self._by_peer.get(lost.peer, {}).values()):
            if entry.is_dialling:
                continue
            if lost.lasted_s >= STEADY_S:
                entry.failures = 0
            if entry.address == lost.address:
                entry.last_error = lost.reason
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
