"""Ways in and out: the network's port, the Unix socket for programs of this user, dialling."""

import asyncio
import errno
import socket
from typing import TYPE_CHECKING
from weakref import WeakSet

from lichen.feed.addresses import NetAddress, encode_address, parse_addresses
from lichen.node import limits
from lichen.node.api.sessions import LocalSession, is_same_user
from lichen.node.errors import ApiError
from lichen.node.home import make_private_directory
from lichen.node.net.links import Link
from lichen.wire.connection import Connection
from lichen.words import N_

if TYPE_CHECKING:
    from lichen.node.service import Service

EVERY_IPV4 = "0.0.0.0"  # noqa: S104 (a peer is there to be reached)
EVERY_IPV6 = "::"
PRIVATE_MODE = 0o600


class Doors:
    """The listening sockets of one service."""

    def __init__(self, service: "Service") -> None:
        self._service = service
        self._servers: list[asyncio.Server] = []
        self._hosts: list[str] = []
        self._programs: WeakSet[Link] = WeakSet()
        self._is_closed = False
        self.port = 0

    async def open(self) -> None:
        """Listen. Raises ApiError with the next step when the port is taken."""
        self._service.shell.accept_local = self._welcome_own
        self.port = self._service.settings.port
        host = self._service.settings.host
        await self._listen_on(host or EVERY_IPV4)
        if not host and socket.has_dualstack_ipv6():
            await self._listen_on(EVERY_IPV6)
        loop = asyncio.get_running_loop()
        path = self._service.home.socket
        make_private_directory(path.parent)
        # The data directory is locked by this process: a socket left there is of a dead one.
        path.unlink(missing_ok=True)
        self._servers.append(await loop.create_unix_server(self._new_program, str(path)))
        path.chmod(PRIVATE_MODE)

    async def _listen_on(self, host: str) -> None:
        """Open the network's port; a port given as 0 is settled by the first host."""
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(self._new_peer, host, self.port, backlog=128)
        except OSError as error:
            raise _port_error(host, self.port, error) from error
        self._servers.append(server)
        self.port = server.sockets[0].getsockname()[1]
        self._hosts.append(host)

    async def close(self) -> None:
        """Stop listening, and take leave of local programs."""
        self._is_closed = True
        for server in self._servers:
            server.close()
        for link in list(self._programs):
            link.close("stopping")
        self._service.home.socket.unlink(missing_ok=True)

    def is_reached_at(self, host: str) -> bool:
        """Tell whether one of our listening sockets takes connections for an own IPv4 address."""
        return host in self._hosts or EVERY_IPV4 in self._hosts

    def addresses(self) -> list[str]:
        """Return the multiserver addresses at which this peer can be reached, nearest first."""
        key = self._service.keyring.id
        hosts: dict[str, None] = {}
        for host in self._hosts:
            if host in {EVERY_IPV4, EVERY_IPV6}:
                hosts.update(dict.fromkeys(_own_hosts()))
            else:
                hosts[host] = None
        return [encode_address(NetAddress(host, self.port, key, None)) for host in hosts]

    def _new_peer(self) -> asyncio.BaseProtocol:
        shell = self._service.shell
        if self._is_closed or shell.is_crowded:
            shell.handshakes.count("stopping" if self._is_closed else "too-many-connections")
            return _TurnedAway()
        link = Link(shell, self._service.keyring.open_connection(None), is_client=False)
        shell.handshakes.begin(link)
        return link

    def _new_program(self) -> asyncio.BaseProtocol:
        if self._is_closed:
            return _TurnedAway()
        session = LocalSession(self._service, self._service.methods)
        link = _LocalLink(session, Connection.plain(), is_client=False)
        self._programs.add(link)
        return link

    def _welcome_own(self, link: Link) -> None:
        link.owner = LocalSession(self._service, self._service.methods)
        self._programs.add(link)


async def dial(address: str, link: Link) -> None:
    """Connect ``link`` to the first ``net`` part of a multiserver address.

    Raises OSError or TimeoutError when nobody answers, ValueError for an address without one.
    """
    loop = asyncio.get_running_loop()
    for part in parse_addresses(address):
        if isinstance(part, NetAddress):
            async with asyncio.timeout(limits.DIAL_S_MAX):
                await loop.create_connection(lambda: link, part.host, part.port)
            return
    raise ValueError("the address has no part that can be dialled here (net:HOST:PORT~shs:KEY)")


def dial_reason(error: OSError | ValueError) -> str:
    """Return why a dial came to nothing: one of the known reasons, else the system's words."""
    if isinstance(error, TimeoutError):
        return "no-answer"
    if isinstance(error, ConnectionRefusedError):
        return "connection-refused"
    if isinstance(error, ConnectionResetError):
        return "connection-reset"
    if isinstance(error, socket.gaierror):
        return "unknown-host"
    if isinstance(error, OSError) and error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH}:
        return "no-way-there"
    return str(error) or "no-answer"


class _LocalLink(Link):
    """A link whose other end must be a program of the same user."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        other = transport.get_extra_info("socket")
        super().connection_made(transport)
        if not is_same_user(other):
            self.abort("other-user")


class _TurnedAway(asyncio.Protocol):
    """A connection that there is no room for."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.abort()  # type: ignore[attr-defined]


def _port_error(host: str, port: int, error: OSError) -> ApiError:
    if error.errno == errno.EADDRINUSE:
        return ApiError(
            "failed",
            N_("Port {port} is in use by another program.", port=str(port)),
            N_("Stop that program, or choose another port: lichen start --port 8010"),
        )
    return ApiError(
        "failed",
        N_(
            "It is not possible to listen on {host}, port {port}: {words}.",
            host=host,
            port=str(port),
            words=error.strerror,
        ),
        N_("Choose another --port (above 1024) or --host."),
    )


def _own_hosts() -> list[str]:
    """Return the addresses of this machine, the one used towards others first. Sends nothing."""
    hosts = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket only asks the routing table.
            probe.connect(("192.0.2.1", 9))
            hosts.append(str(probe.getsockname()[0]))
        except OSError:
            pass
    return [*hosts, "127.0.0.1"] if "127.0.0.1" not in hosts else hosts
