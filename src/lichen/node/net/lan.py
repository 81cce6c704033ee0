"""The local network: hears who announces themselves, and announces this peer if that was allowed.

Quiet by default: a peer that was never told otherwise listens and sends nothing. Two kinds of
announcement are in use (``wire.discovery``), each on a UDP port that several peers of one machine
share. What is heard goes to the brain, which decides; a port that cannot be had is told in words,
and the peer runs without it.
"""

import asyncio
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Interface
from typing import TYPE_CHECKING, Protocol

import msgspec
import structlog

from lichen.feed.addresses import NetAddress, encode_address
from lichen.gossip import events
from lichen.node import limits
from lichen.wire.discovery import (
    PLAIN_PORT,
    SIGNED_PORT,
    Announcement,
    encode_plain,
    parse_plain,
)
from lichen.words import N_

if TYPE_CHECKING:
    from lichen.node.service import Service

ANNOUNCE = "announce"
"""Listen, and tell the local network who and where we are."""
LISTEN = "listen"
"""Listen only: nobody can see us. What a peer does that was never told."""
OFF = "off"
"""Neither."""
MODES = (ANNOUNCE, LISTEN, OFF)

SETTING = "lan"

log = structlog.get_logger()


class LanStatus(msgspec.Struct, frozen=True):
    """What is done on the local network."""

    mode: str
    is_chosen: bool
    """A person said so; else nobody was ever asked."""
    is_open: bool
    """At least one of the two ports is being listened on."""
    problems: tuple[str, ...]
    """What does not work, in words."""


class Network(msgspec.Struct, frozen=True):
    """One own address on a private network, and where everybody there is reached at once."""

    host: str
    broadcast: str


class Lan:
    """The two sockets of one service, and the clock of its announcements."""

    def __init__(
        self,
        service: "Service",
        *,
        host: str = "",
        plain_port: int = PLAIN_PORT,
        signed_port: int = SIGNED_PORT,
    ) -> None:
        self._service = service
        self._host = host
        self._plain = _Port(plain_port, parse_plain, self._heard)
        self._signed = _Port(signed_port, service.keyring.read_announcement, self._heard)
        self._announcing: asyncio.Task[None] | None = None
        self._failures: dict[str, str] = {}
        self._steering = asyncio.Lock()
        self._is_closed = False

    @property
    def is_open(self) -> bool:
        """Tell whether anything is listened to."""
        return self._plain.is_open or self._signed.is_open

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what does not work, in words."""
        words: list[str] = [port.problem for port in (self._plain, self._signed) if port.problem]
        words += [
            N_("Nothing can be sent to {address}: {words}.", address=broadcast, words=why)
            for broadcast, why in self._failures.items()
            if why
        ]
        if self._announcing is not None and not self._networks():
            words.append(N_("This machine has no address on a private network to announce."))
        return tuple(words)

    async def set_mode(self, mode: str) -> None:
        """Open or close the sockets, begin or cease to announce."""
        async with self._steering:
            self._fall_silent()
            for port in (self._plain, self._signed):
                if mode == OFF or self._is_closed:
                    port.close()
                elif not port.is_open:
                    await port.open(self._host)
                    if port.problem:
                        self._service.hub.tell("lan-failed", detail=port.problem)
            if mode == ANNOUNCE and not self._is_closed:
                self._announcing = asyncio.get_running_loop().create_task(self._announce())

    async def close(self) -> None:
        """Close the sockets for good."""
        self._is_closed = True
        await self.set_mode(OFF)

    def _fall_silent(self) -> None:
        if self._announcing is not None:
            self._announcing.cancel()
        self._announcing = None
        self._failures = {}

    def _heard(self, announcement: Announcement) -> None:
        for address in announcement.addresses:
            self._service.shell.deliver(
                events.PeerSeen(
                    encode_address(address), announcement.peer, announcement.is_verified
                )
            )

    async def _announce(self) -> None:
        while True:
            # Interfaces come and go, so they are looked up each time.
            self._failures = dict(self._announce_on(each) for each in self._networks())
            await asyncio.sleep(limits.LAN_ANNOUNCE_S)

    def _networks(self) -> list[Network]:
        doors = self._service.doors
        return [
            each for each in own_networks() if doors is not None and doors.is_reached_at(each.host)
        ]

    def _announce_on(self, network: Network) -> tuple[str, str]:
        """Announce this peer once; return to whom, and why that failed, empty if it did not."""
        doors, keyring = self._service.doors, self._service.keyring
        assert doors is not None, "there are networks only for a peer that listens"
        address = encode_address(NetAddress(network.host, doors.port, keyring.id))
        try:
            self._plain.send(encode_plain(address), network.broadcast)
            self._signed.send(keyring.sign_announcement(address), network.broadcast)
        except OSError as error:
            return network.broadcast, error.strerror or str(error)
        return network.broadcast, ""


class _Port(asyncio.DatagramProtocol):
    """One UDP port: datagrams in, read and handed on while they are not too many."""

    def __init__(
        self,
        number: int,
        parse: Callable[[bytes], Announcement | None],
        hear: Callable[[Announcement], None],
    ) -> None:
        self._number = number
        self._parse = parse
        self._hear = hear
        self._throttle = Throttle()
        self._socket: socket.socket | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self.problem: str = ""

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    async def open(self, host: str) -> None:
        """Listen, together with other peers of this machine; note in words if that fails."""
        self.problem = ""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            _share(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.setblocking(False)
            sock.bind((host, self._number))
        except OSError as error:
            sock.close()
            self.problem = N_(
                "Peers nearby are not heard on UDP port {port}: {words}.",
                port=str(self._number),
                words=error.strerror,
            )
            return
        loop = asyncio.get_running_loop()
        transport, _protocol = await loop.create_datagram_endpoint(lambda: self, sock=sock)
        self._socket, self._transport = sock, transport

    def send(self, data: bytes, host: str) -> None:
        """Send from this port, if it is open. Raises OSError."""
        if self._socket is not None:
            # On the socket itself: it is sent now, or the fault is heard here.
            self._socket.sendto(data, (host, self._number))

    def close(self) -> None:
        """Listen no longer."""
        if self._transport is not None:
            self._transport.close()
        self._socket = self._transport = None

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        """Read an announcement."""
        if not self.is_open or not self._throttle.admits(str(addr[0]), time.monotonic()):
            return
        announcement = self._parse(data)
        if announcement is not None:
            self._hear(announcement)

    def error_received(self, exc: Exception) -> None:
        """Take note of what the network says about something sent."""
        log.debug("lan-error", port=self._number, reason=str(exc))

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the socket is gone, by a fault if not by ``close``."""
        if exc is not None and self.is_open:
            self.problem = N_(
                "UDP port {port} was lost: {words}.", port=str(self._number), words=exc
            )
            self._socket = self._transport = None


class Throttle:
    """Lets so many datagrams through in each second, and fewer of one sender."""

    __slots__ = ("_began", "_by_sender", "_count")

    def __init__(self) -> None:
        self._began = float("-inf")
        self._count = 0
        self._by_sender: dict[str, int] = {}

    def admits(self, sender: str, now: float) -> bool:
        """Count a datagram; tell whether it is looked at."""
        if now - self._began >= 1.0:
            self._began, self._count = now, 0
            self._by_sender.clear()
        count = self._by_sender.get(sender, 0)
        if self._count >= limits.DATAGRAMS_PER_S_MAX or count >= limits.DATAGRAMS_PER_SENDER_S_MAX:
            return False
        self._count += 1
        self._by_sender[sender] = count + 1
        return True


class _Own(Protocol):
    """What psutil tells of one address."""

    family: int
    address: str
    netmask: str | None


def own_networks() -> list[Network]:
    """Return the own addresses on private networks that know a broadcast."""
    import psutil  # noqa: PLC0415 (slow, and only for who announces)

    try:
        addresses, states = psutil.net_if_addrs(), psutil.net_if_stats()
    except (OSError, psutil.Error) as error:  # an interface went away while it was asked
        log.warning("lan-interfaces", reason=str(error))
        return []
    able = (
        name
        for name, state in states.items()
        # An empty text: this platform does not tell.
        if state.isup and (not state.flags or "broadcast" in state.flags.split(","))
    )
    return find_networks(addresses, able)


def find_networks(addresses: Mapping[str, Sequence[_Own]], names: Iterable[str]) -> list[Network]:
    """Return the private IPv4 networks of some interfaces: neither this machine nor the world."""
    found = []
    for name in names:
        for own in addresses.get(name, ()):
            if own.family != socket.AF_INET or not own.netmask:
                continue
            place = IPv4Interface(f"{own.address}/{own.netmask}")
            if not place.is_private or place.is_loopback or place.network.prefixlen > 30:
                continue
            found.append(Network(own.address, str(place.network.broadcast_address)))
    return found


def _share(sock: socket.socket) -> None:
    """Let other peers of this machine hear the same port."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sys.platform != "linux":  # there the first is enough, and Node sets only that one
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
