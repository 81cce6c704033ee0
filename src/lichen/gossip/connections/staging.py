"""Who was seen nearby: peers that announced themselves on the local network a moment ago.

Being seen gives a peer nothing: it is shown to people, and dialled only if they asked for it or
follow it. Anybody may announce anything, so only addresses of a local network are taken (never a
name to look up, never this machine or the wide world), few for each peer, and what the peer
itself signed comes before what anybody may have said.
"""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

import msgspec

from lichen.feed.addresses import AddressError, NetAddress, encode_address, parse_net_address
from lichen.feed.message import FeedId
from lichen.gossip.limits import STAGED_ADDRESSES_MAX, STAGED_PEERS_MAX, STAGED_S_MAX


class StagedPeer(msgspec.Struct, frozen=True):
    """A peer seen nearby, at its best address. ``seen_at`` is on the clock of ``Node.handle``."""

    peer: FeedId
    address: str
    is_verified: bool
    """The peer signed the address; else anybody may have said so."""
    seen_at: float


class Sighting:
    """One address at which a peer was seen."""

    __slots__ = ("address", "is_verified", "seen_at")

    def __init__(self, address: str) -> None:
        self.address = address
        self.is_verified = False
        self.seen_at = 0.0


class Staging:
    """The peers nearby, each with the addresses at which it was seen."""

    __slots__ = ("_peers",)

    def __init__(self) -> None:
        self._peers: dict[FeedId, dict[str, Sighting]] = {}

    def __contains__(self, peer: FeedId) -> bool:
        return peer in self._peers

    def is_full(self) -> bool:
        """Tell whether a further peer has to be left out."""
        return len(self._peers) >= STAGED_PEERS_MAX

    def find(self, claim: Callable[[FeedId], bool]) -> FeedId | None:
        """Return the peer longest nearby of whom a claim holds."""
        return next(filter(claim, self._peers), None)

    def see(self, peer: FeedId, address: str, *, is_verified: bool, now: float) -> bool:
        """Take note of an announcement; tell whether the address counts as being nearby."""
        sightings = self._peers.setdefault(peer, {})
        sighting = sightings.get(address)
        if sighting is None:
            if len(sightings) >= STAGED_ADDRESSES_MAX and not is_verified:
                return False
            sighting = sightings[address] = Sighting(address)
        sighting.is_verified = sighting.is_verified or is_verified
        sighting.seen_at = now
        return True

    def drop_worst(self, peer: FeedId) -> list[str]:
        """Let go of addresses of a peer that are too many; return them."""
        sightings = self._peers.get(peer, {})
        dropped = []
        while len(sightings) > STAGED_ADDRESSES_MAX:
            worst = min(sightings.values(), key=_worth)
            del sightings[worst.address]
            dropped.append(worst.address)
        return dropped

    def drop(self, peer: FeedId) -> list[str]:
        """Let go of a peer; return its addresses."""
        return list(self._peers.pop(peer, ()))

    def take_gone(self, now: float) -> tuple[list[FeedId], list[str]]:
        """Let go of what was not seen for long; return the peers and the addresses."""
        peers, addresses = [], []
        for peer, sightings in list(self._peers.items()):
            for sighting in list(sightings.values()):
                if sighting.seen_at + STAGED_S_MAX <= now:
                    del sightings[sighting.address]
                    addresses.append(sighting.address)
            if not sightings:
                del self._peers[peer]
                peers.append(peer)
        return peers, addresses

    def next_at(self) -> float | None:
        """Return when something may be gone, None for never."""
        times = (each.seen_at for sightings in self._peers.values() for each in sightings.values())
        first = min(times, default=None)
        return None if first is None else first + STAGED_S_MAX

    def has_address(self, peer: FeedId, address: str) -> bool:
        """Tell whether a peer was seen at an address."""
        return address in self._peers.get(peer, {})

    def peers(self) -> list[StagedPeer]:
        """Return everybody nearby, each at the best of its addresses."""
        found = []
        for peer, sightings in self._peers.items():
            best = max(sightings.values(), key=_worth)
            found.append(StagedPeer(peer, best.address, best.is_verified, best.seen_at))
        return found


def _worth(sighting: Sighting) -> tuple[bool, float]:
    return sighting.is_verified, sighting.seen_at


def local_address(text: str, peer: FeedId) -> str | None:
    """Return an announced address in one spelling; None if it is not of the peer or not local."""
    try:
        address = parse_net_address(text)
        host = ip_address(address.host)
    except (AddressError, ValueError):
        return None
    if address.key != peer or address.transport != "net" or not address.port:
        return None
    if not _is_local(host):
        return None
    return encode_address(NetAddress(str(host), address.port, peer))


def _is_local(host: IPv4Address | IPv6Address) -> bool:
    if host.is_loopback or host.is_multicast or host.is_unspecified or host.is_reserved:
        return False
    # An IPv6 address with a zone names an interface of this machine, which a stranger cannot know.
    return host.is_private and "%" not in str(host)
