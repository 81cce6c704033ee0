"""A connection: secret handshake, box stream and muxrpc in one stack, without a socket.

Whoever owns the socket gives bytes to ``receive_data`` and handles the events it returns, calls
``perform`` with what is decided, and writes ``data_to_send`` to the socket. One socket write may
hold many frames: they are packed into full boxes.

    connection = Connection(identity=..., network_key=..., ephemeral_seed=..., remote=None)
    events = connection.receive_data(received)      # RemoteProtocolError: handle .events, close
    connection.perform(SendItems(...))
    socket.write(connection.data_to_send())

A server is told who dials (``Identified``) before anything was answered and must ``accept`` or
``refuse``. Closing well: ``say_goodbye`` and send what is left; the socket may be closed at once,
or once ``close_reason`` tells that the remote peer has said goodbye too.
"""

from typing import Self

from lichen.feed.identity import Identity
from lichen.feed.message import FeedId
from lichen.wire.boxstream import Boxer, Unboxer
from lichen.wire.errors import LocalProtocolError, RemoteProtocolError
from lichen.wire.events import Command, GoodbyeReceived, Identified, Ready, WireEvent
from lichen.wire.handshake import ClientHandshake, HandshakeState, ServerHandshake
from lichen.wire.limits import CALLS_LOCAL_MAX, CALLS_STRANGER_MAX
from lichen.wire.muxrpc import Session

NORMAL_END = "goodbye"
REFUSED = "refused"
GIVEN_UP = "given-up"


class Connection:
    """One connection to a peer, from its first byte to its goodbye.

    ``close_reason`` is None while it lives, then the slug of what ended it. Nothing is sent any
    more once a fault or a refusal has ended it.
    """

    __slots__ = (
        "_boxer",
        "_early_data",
        "_handshake",
        "_is_ready_told",
        "_outgoing",
        "_session",
        "_unboxer",
        "close_reason",
        "peer",
    )

    def __init__(
        self,
        *,
        identity: Identity,
        network_key: bytes,
        ephemeral_seed: bytes,
        remote: FeedId | None,
        calls_max: int = CALLS_STRANGER_MAX,
    ) -> None:
        """Begin a handshake: as client with ``remote``, as server with whoever dials if None."""
        self._prepare(calls_max)
        self._handshake: ClientHandshake | ServerHandshake | None = (
            ServerHandshake(identity, network_key, ephemeral_seed)
            if remote is None
            else ClientHandshake(identity, network_key, ephemeral_seed, remote)
        )
        self._outgoing += self._handshake.data_to_send()

    @classmethod
    def plain(cls, *, calls_max: int = CALLS_LOCAL_MAX) -> Self:
        """Make a connection without handshake and boxes, for sockets that the system guards.

        It is ready from the start; the first ``receive_data``, even of nothing, says so.
        """
        connection = cls.__new__(cls)
        connection._prepare(calls_max)
        connection._handshake = None
        return connection

    def _prepare(self, calls_max: int) -> None:
        self._session = Session(calls_max)
        self._boxer: Boxer | None = None
        self._unboxer: Unboxer | None = None
        self._outgoing = bytearray()
        self._early_data = b""
        self._is_ready_told = False
        self.peer: FeedId | None = None
        self.close_reason: str | None = None

    @property
    def is_ready(self) -> bool:
        """Calls may flow: the handshake is complete and the connection not over."""
        return self._handshake is None and self.close_reason is None

    @property
    def queued_bytes(self) -> int:
        """Bytes that ``data_to_send`` would give, before boxing: for back-pressure."""
        return len(self._outgoing) + self._session.queued_bytes

    @property
    def calls_max(self) -> int:
        """How many calls the remote peer may have open at once."""
        return self._session.calls_max

    @calls_max.setter
    def calls_max(self, calls_max: int) -> None:
        self._session.calls_max = calls_max

    def receive_data(self, data: bytes) -> list[WireEvent]:
        """Take bytes from the socket, return what they mean.

        RemoteProtocolError ends the connection; its ``events`` came before the fault and hold.
        """
        if self.close_reason is not None:
            return []
        events: list[WireEvent] = []
        try:
            rest = data if self._handshake is None else self._shake_hands(data, events)
            if self._handshake is None:
                self._read_calls(rest, events)
        except RemoteProtocolError as error:
            self._give_up(error.reason)
            error.events = events
            raise
        return events

    def receive_eof(self) -> list[WireEvent]:
        """Take notice that the socket gives nothing more; without a goodbye that is a fault."""
        if self.close_reason is not None:
            return []
        if self._handshake is not None:
            error = self._handshake.receive_eof()
        elif self._session.has_received_goodbye:
            self.close_reason = NORMAL_END
            return []
        else:
            words = "the connection ended without a goodbye: cut off, or the peer crashed"
            error = RemoteProtocolError("unexpected-hangup", words)
        self._give_up(error.reason)
        raise error

    def accept(self) -> list[WireEvent]:
        """Let the identified client in; returns ``Ready``.

        What a client says without waiting for this is read by the next ``receive_data``.
        """
        handshake = self._deciding_handshake()
        handshake.accept()
        self._early_data = self._begin_boxes(handshake)
        self._is_ready_told = True
        return [Ready()]

    def refuse(self) -> None:
        """Turn the identified client away: nothing is answered, the socket is to be closed."""
        self._deciding_handshake()
        self._give_up(REFUSED)

    def perform(self, command: Command) -> None:
        """Put a command on the session; on a connection that is over it is dropped."""
        if self.close_reason is not None:
            return
        if self._handshake is not None:
            raise LocalProtocolError("no calls before the handshake is complete")
        self._session.perform(command)

    def say_goodbye(self) -> None:
        """Say that nothing more comes from here; what the remote peer still says is read.

        In the middle of a handshake nobody is there to hear it: the handshake is given up.
        """
        if self._handshake is not None:
            self._give_up(GIVEN_UP)
            return
        self._session.say_goodbye()
        self._notice_end()

    def data_to_send(self) -> bytes:
        """Bytes for the socket; each is given once."""
        plain = self._session.data_to_send()
        if self._boxer is None:
            self._outgoing += plain
        elif not self._boxer.is_ended:
            self._outgoing += self._boxer.box(plain)
            if self._session.has_said_goodbye:
                self._outgoing += self._boxer.goodbye()
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def _shake_hands(self, data: bytes, events: list[WireEvent]) -> bytes:
        """Feed the handshake; returns the first bytes of the box stream once it is complete."""
        handshake = self._handshake
        assert handshake is not None
        handshake.receive_data(data)
        self._outgoing += handshake.data_to_send()
        if isinstance(handshake, ServerHandshake):
            if handshake.state is HandshakeState.DECISION and self.peer is None:
                assert handshake.client is not None
                self.peer = handshake.client
                events.append(Identified(self.peer))
        elif handshake.state is HandshakeState.DONE:
            self.peer = handshake.server
            events.append(Identified(self.peer))
            return self._begin_boxes(handshake)
        return b""

    def _begin_boxes(self, handshake: ClientHandshake | ServerHandshake) -> bytes:
        self._outgoing += handshake.data_to_send()
        keys, rest = handshake.take_keys()
        self._boxer = Boxer(keys.send_key, keys.send_nonce)
        self._unboxer = Unboxer(keys.receive_key, keys.receive_nonce)
        self._handshake = None
        return rest

    def _read_calls(self, data: bytes, events: list[WireEvent]) -> None:
        if not self._is_ready_told:
            self._is_ready_told = True
            events.append(Ready())
        if self._early_data:
            data, self._early_data = self._early_data + data, b""
        unboxer = self._unboxer
        plain = data if unboxer is None else unboxer.receive_data(data)
        try:
            events += self._session.receive_data(plain)
        except RemoteProtocolError as error:
            events += error.events
            raise
        if unboxer is not None:
            if unboxer.fault is not None:
                raise unboxer.fault
            if unboxer.is_ended and not self._session.has_received_goodbye:
                if not self._session.is_between_frames:
                    raise RemoteProtocolError("frame-cut-short", "the goodbye came inside a frame")
                self._session.has_received_goodbye = True
                events.append(GoodbyeReceived())
        self._notice_end()

    def _notice_end(self) -> None:
        session = self._session
        if session.has_said_goodbye and session.has_received_goodbye and self.is_ready:
            self.close_reason = NORMAL_END

    def _deciding_handshake(self) -> ServerHandshake:
        handshake = self._handshake
        if not isinstance(handshake, ServerHandshake) or self.peer is None:
            raise LocalProtocolError("nobody waits to be accepted or refused")
        return handshake

    def _give_up(self, reason: str) -> None:
        """End without a word: drop what was to be sent, and every key."""
        self.close_reason = reason
        if self._handshake is not None:
            self._handshake.close()
        self._session.drop()
        self._boxer = None
        self._unboxer = None
        self._outgoing.clear()
