"""Ways in and out: the network's port, the Unix socket for programs of this user, dialling."""

import asyncio
import errno
import socket
from typing import TYPE_CHECKING

from lichen.feed.addresses import NetAddress, encode_address, parse_addresses
from lichen.node import limits
from lichen.node.api.sessions import LocalSession, is_same_user
from lichen.node.errors import ApiError
from lichen.node.home import make_private_directory
from lichen.node.links import Link
from lichen.wire.connection import Connection

if TYPE_CHECKING:
    from lichen.node.service import Service

PRIVATE_MODE = 0o600


class Doors:
    """The listening sockets of one service."""

    def __init__(self, service: "Service") -> None:
        self._service = service
        self._servers: list[asyncio.Server] = []
        self.port = 0

    async def open(self) -> None:
        """Listen. Raises ApiError with the next step when the port is taken."""
        settings = self._service.settings
        self._service.shell.accept_local = self._welcome_own
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(
                self._new_peer, settings.host or None, settings.port, backlog=128
            )
        except OSError as error:
            raise _port_error(settings.host, settings.port, error) from error
        self._servers.append(server)
        self.port = server.sockets[0].getsockname()[1]
        path = self._service.home.socket
        make_private_directory(path.parent)
        # The data directory is locked by this process: a socket left there is of a dead one.
        path.unlink(missing_ok=True)
        self._servers.append(await loop.create_unix_server(self._new_program, str(path)))
        path.chmod(PRIVATE_MODE)

    async def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.close()
        self._service.home.socket.unlink(missing_ok=True)

    def addresses(self) -> list[str]:
        """Return the multiserver addresses at which this peer can be reached, nearest first."""
        key = self._service.keyring.id
        hosts: dict[str, None] = {}
        for listening in self._servers[0].sockets if self._servers else ():
            host = listening.getsockname()[0]
            if host in {"0.0.0.0", "::"}:  # noqa: S104 (compared, not bound)
                hosts.update(dict.fromkeys(_own_hosts()))
            else:
                hosts[host] = None
        return [encode_address(NetAddress(host, self.port, key, None)) for host in hosts]

    def _new_peer(self) -> asyncio.BaseProtocol:
        shell = self._service.shell
        if shell.is_crowded:
            return _TurnedAway()
        link = Link(shell, self._service.keyring.open_connection(None), is_client=False)
        shell.accept(link)
        return link

    def _new_program(self) -> asyncio.BaseProtocol:
        session = LocalSession(self._service, self._service.methods)
        return _LocalLink(session, Connection.plain(), is_client=False)

    def _welcome_own(self, link: Link) -> None:
        link.owner = LocalSession(self._service, self._service.methods)


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
            f"Port {port} is in use by another program.",
            "Stop that program, or choose another port: lichen start --port 8010",
        )
    place = f"{host or 'this machine'}, port {port}"
    return ApiError(
        "failed",
        f"It is not possible to listen on {place}: {error.strerror}.",
        "Choose another --port (above 1024) or --host.",
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
