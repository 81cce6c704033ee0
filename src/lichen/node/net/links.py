"""One socket each: bytes from it go into a ``wire.Connection``, what comes out goes to an owner.

Nothing is decided here. A link measures how full its pipe is, keeps the time of the handshake and
closes with the first reason it was given.
"""

import asyncio
from typing import Protocol, cast

from lichen.feed.message import FeedId
from lichen.node import limits
from lichen.wire.connection import Connection
from lichen.wire.errors import RemoteProtocolError
from lichen.wire.events import Command, GoodbyeReceived, Identified, MuxrpcEvent, Ready, WireEvent


class LinkOwner(Protocol):
    """Who hears what a link hears."""

    def identified(self, link: "Link", peer: FeedId) -> bool:
        """Say whether this peer may connect; asked before a server's last handshake message.

        The owner may set ``calls_max``, how many calls the peer may have open at once.
        """
        ...

    def ready(self, link: "Link") -> None:
        """Hear that calls may flow."""
        ...

    def received(self, link: "Link", event: MuxrpcEvent) -> None:
        """Hear one event of the session."""
        ...

    def drained(self, link: "Link") -> None:
        """Hear that the pipe has room again, or that all that was received has been handed on."""
        ...

    def lost(self, link: "Link", reason: str) -> None:
        """Hear that the link is gone. Called exactly once."""
        ...


class Link(asyncio.Protocol):
    """A connected socket and the protocol stack above it."""

    def __init__(self, owner: LinkOwner, connection: Connection, *, is_client: bool) -> None:
        self.owner = owner
        self.is_client = is_client
        self.peer: FeedId | None = None
        self.address = ""
        self.is_lost = False
        self.is_full = False
        self._connection = connection
        self._reason = ""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Return whether commands still reach the peer."""
        return not self.is_lost and not self._reason

    def allow_calls(self, calls_max: int) -> None:
        """Set how many calls the peer may have open at once."""
        self._connection.calls_max = calls_max

    @property
    def transport(self) -> asyncio.Transport:
        """Return the socket's transport."""
        assert self._transport is not None, "the link is not connected yet"
        return self._transport

    @property
    def queued_bytes(self) -> int:
        """Return how many bytes wait to be sent."""
        if self._transport is None or self.is_lost:
            return 0
        return self._transport.get_write_buffer_size() + self._connection.queued_bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the stack: the client speaks first."""
        self._transport = cast("asyncio.Transport", transport)
        if self._reason:
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(limits.WRITE_BYTES_HIGH, limits.WRITE_BYTES_LOW)
        if not self.address:
            name = transport.get_extra_info("peername")
            self.address = f"{name[0]}:{name[1]}" if isinstance(name, tuple) else ""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(limits.HANDSHAKE_S_MAX, self.close, "handshake-timeout")
        self._hear(self._connection.receive_data(b""))
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the stack and its events to the owner."""
        if not self.is_open:
            return
        try:
            events = self._connection.receive_data(data)
        except RemoteProtocolError as error:
            self._hear(error.events)
            self.close(error.reason)
            return
        self._hear(events)
        self.flush()
        if self.queued_bytes > limits.QUEUED_BYTES_MAX:
            # Answers pile up: it asks and asks but does not read.
            self.abort("never-reads")

    def eof_received(self) -> bool:
        """Note whether the peer said goodbye before it hung up; the socket then closes."""
        try:
            self._hear(self._connection.receive_eof())
        except RemoteProtocolError as error:
            self._reason = self._reason or error.reason
        self._reason = self._reason or "closed-by-peer"
        self._cut_off_later()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner, once."""
        if self._timer is not None:
            self._timer.cancel()
        self.is_lost = True
        self.owner.lost(self, self._reason or ("connection-reset" if exc else "closed-by-peer"))

    def pause_writing(self) -> None:
        """Note that the pipe is full."""
        self.is_full = True

    def resume_writing(self) -> None:
        """Tell the owner that the pipe has room."""
        self.is_full = False
        self.owner.drained(self)

    def perform(self, command: Command) -> None:
        """Put one command on the session; ``flush`` sends it."""
        if self.is_open:
            self._connection.perform(command)

    def flush(self) -> None:
        """Send what the stack has ready."""
        if self._transport is not None and not self.is_lost:
            data = self._connection.data_to_send()
            if data:
                self._transport.write(data)

    def pause_reading(self) -> None:
        """Leave what the peer sends in the kernel's buffer: its own sending stalls."""
        if self.is_open:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self.is_open:
            self.transport.resume_reading()

    def close(self, reason: str) -> None:
        """Say goodbye and close; cut off a peer that does not take its last words."""
        if not self.is_open:
            return
        if self._transport is None:
            self._reason = reason
            return
        self._connection.say_goodbye()
        self.flush()
        self._reason = reason
        self.transport.close()
        self._cut_off_later()

    def abort(self, reason: str) -> None:
        """Close without a word."""
        if not self.is_lost:
            self._reason = self._reason or reason
            if self._transport is not None:
                self._transport.abort()

    def _cut_off_later(self) -> None:
        """Give a peer little time to read what is left: it may never do so."""
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(limits.CLOSE_S_MAX, self.transport.abort)

    def _hear(self, events: list[WireEvent]) -> None:
        for event in events:
            if not self.is_open:
                return
            if isinstance(event, Identified):
                self._identify(event.peer)
            elif isinstance(event, Ready):
                if self._timer is not None:
                    self._timer.cancel()
                self.owner.ready(self)
            elif isinstance(event, GoodbyeReceived):
                self.close("closed-by-peer")
            else:
                self.owner.received(self, event)

    def _identify(self, peer: FeedId) -> None:
        self.peer = peer
        if self.owner.identified(self, peer):
            if not self.is_client:
                self._hear(list(self._connection.accept()))
        else:
            self._connection.refuse()
            self.abort("blocked")


class Handshakes:
    """The links whose handshake is under way, and why earlier ones came to nothing.

    Whoever connects and says nothing takes a place for as long as a handshake may last. Of too
    many the oldest is given up, so that a flood pushes out its own and an honest peer comes in.
    """

    __slots__ = ("_links", "close_reasons")

    def __init__(self) -> None:
        self._links: dict[Link, None] = {}
        self.close_reasons: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._links)

    def begin(self, link: Link) -> None:
        """Watch over a link."""
        if len(self._links) >= limits.HANDSHAKES_MAX:
            oldest = next((each for each in self._links if not each.is_client), link)
            self.fail(oldest, "too-many-handshakes")
            oldest.abort("too-many-handshakes")
            if oldest is link:
                return
        self._links[link] = None

    def complete(self, link: Link) -> None:
        """Let go of a link that is ready for calls."""
        self._links.pop(link, None)

    def fail(self, link: Link, reason: str) -> None:
        """Let go of a link that is none any more, and count why."""
        if link in self._links:
            del self._links[link]
            self.count(reason)

    def count(self, reason: str) -> None:
        """Count why a handshake came to nothing."""
        self.close_reasons[reason] = self.close_reasons.get(reason, 0) + 1

    def abort(self, reason: str) -> None:
        """Give up all of them."""
        for link in list(self._links):
            link.abort(reason)
