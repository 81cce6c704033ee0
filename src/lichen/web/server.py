"""The web app of a running peer: on 127.0.0.1, in the peer's own loop.

uvicorn speaks HTTP; signals, start and stop are the peer's. ``lichen open`` asks for a way in over
the local socket (``web.open``).
"""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from lichen.feed.canonical import JsonValue
from lichen.node.app import Call, Method, MethodFunction, Send
from lichen.node.errors import ApiError
from lichen.node.service import Service
from lichen.web import limits
from lichen.web.access import Access, Link
from lichen.web.application import Application
from lichen.web.framing import FRAME_WATCHES, Framing
from lichen.web.live import Live
from lichen.web.neighbours import is_own
from lichen.web.pages import PAGES, WATCHES
from lichen.web.rendering import Renderer
from lichen.words import N_

HOST = "127.0.0.1"
PORT_DEFAULT = 8990
"""8989 belongs to the WebSocket transport of Secure Scuttlebutt."""
TICK_S = 1.0
"""The date of answers counts seconds."""

log = structlog.get_logger()


class WebServer:
    """The web app of one peer."""

    def __init__(self, service: Service, listener: socket.socket) -> None:
        self.port = int(listener.getsockname()[1])
        self.origin = f"http://{HOST}:{self.port}"
        run_directory = service.home.socket.parent
        self.access = Access(service.keyring.id, service.store.local, run_directory)
        watches = [
            *FRAME_WATCHES,
            *WATCHES,
            *(each for app in service.apps for each in app.watches),
        ]
        self._live = Live(service, {watch.name: watch for watch in watches})
        self.application = Application(
            pages=[*PAGES, *(page for app in service.apps for page in app.pages)],
            access=self.access,
            framing=Framing(service),
            renderer=Renderer(service.apps),
            live=self._live,
            port=self.port,
        )
        self._listener = listener
        self._server = _Server(
            uvicorn.Config(
                self.application.asgi,
                http=_OwnProtocol,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=int(limits.SHUTDOWN_S_MAX),
            )
        )

    def open_link(self) -> Link:
        """Return a way in that works once."""
        asyncio.get_running_loop().call_later(limits.LINK_S_MAX + 1, self.access.drop_old_links)
        return self.access.make_link(self.origin)

    async def serve(self) -> None:
        """Answer requests until ``close``."""
        await self._server.serve(sockets=[self._listener])

    def close(self) -> None:
        """Take leave of open pages and stop listening."""
        self._live.close()
        self._server.stop()
        self.access.close()


class _Server(uvicorn.Server):
    """A server whose signals are the peer's, and that sleeps while nobody asks."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._is_over = asyncio.Event()

    def stop(self) -> None:
        """End ``serve``."""
        self.should_exit = True
        self._is_over.set()

    async def main_loop(self) -> None:
        """Keep the date of answers until ``stop``; the library itself wakes ten times a second."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._is_over.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _OwnProtocol(H11Protocol):
    """HTTP for programs of the same user."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        client, server = (transport.get_extra_info(end) for end in ("peername", "sockname"))
        if client is not None and not is_own(client, server):
            log.warning("web-other-user", port=server[1])
            self.transport = transport  # what the base class says goodbye to
            transport.abort()
            return
        super().connection_made(transport)


@asynccontextmanager
async def open_web(service: Service, port: int | None = None) -> AsyncIterator[WebServer]:
    """Run the web app of a peer. ``port`` None: the usual one, or a free one if that is taken.

    Raises ApiError when the port cannot be had.
    """
    server = WebServer(service, _listen(port))
    methods = {"web.open": Method("async", _opener(server))}
    service.methods.update(methods)
    task = asyncio.create_task(server.serve())
    try:
        yield server
    finally:
        for name in methods:
            service.methods.pop(name, None)
        server.close()
        await task


def _opener(server: WebServer) -> MethodFunction:
    async def open_link(_call: Call, _inbound: AsyncIterator[JsonValue], send: Send) -> None:
        """Return a way in that works once: ``{url, file, seconds}``."""
        try:
            link = server.open_link()
        except OSError as error:
            raise ApiError(
                "failed",
                N_(
                    "The file that leads a browser in cannot be written: {words}.",
                    words=error.strerror,
                ),
                N_("Make room on the disk, and see that the data directory is yours."),
            ) from error
        await send({"url": link.url, "file": str(link.file), "seconds": limits.LINK_S_MAX})

    return open_link


def _listen(port: int | None) -> socket.socket:
    wanted = PORT_DEFAULT if port is None else port
    try:
        return _bind(wanted)
    except OSError as error:
        if port is None and error.errno == errno.EADDRINUSE:
            return _bind(0)
        raise ApiError(
            "failed",
            N_(
                "The web app cannot listen on {host}, port {port}: {words}.",
                host=HOST,
                port=str(wanted),
                words=error.strerror,
            ),
            N_("Choose another --web-port, or leave it out: then a free one is taken."),
        ) from error


def _bind(port: int) -> socket.socket:
    # By the protocol's number asyncio knows to send at once what is written (TCP_NODELAY): without
    # it the end of each page waits 40 ms for the browser to acknowledge its beginning.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()  # only now is the port taken: two may be bound to it
    except OSError:
        listener.close()
        raise
    return listener
