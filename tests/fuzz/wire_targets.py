"""Fuzz targets of the wire room: each takes any bytes, and may raise nothing.

A RemoteProtocolError is a proper answer to bytes of a peer; anything else is a bug. Where bytes
would never get past encryption, a genuine box around them plays the peer that has the keys.
"""

from contextlib import suppress

from nacl.bindings import crypto_secretbox_easy

from lichen.feed.identity import generate_identity
from lichen.wire.boxstream import Boxer, Unboxer
from lichen.wire.connection import Connection
from lichen.wire.discovery import parse_plain, parse_signed
from lichen.wire.errors import RemoteProtocolError
from lichen.wire.events import (
    Answer,
    BodyType,
    CallKind,
    CallReceived,
    EndCall,
    OpenCall,
    SendItems,
    WireEvent,
)
from lichen.wire.muxrpc import Session
from lichen.wire.packets import Frame, FrameReader, parse_end, parse_request

NETWORK_KEY = bytes(range(32))
CLIENT = generate_identity(b"c" * 32)
SERVER = generate_identity(b"s" * 32)
KEY, NONCE = b"k" * 32, b"n" * 24


def open_boxes(data: bytes) -> None:
    """Bytes instead of boxes: nothing of them may be taken for plaintext."""
    unboxer = Unboxer(KEY, NONCE)
    assert unboxer.receive_data(data) == b""
    assert unboxer.fault is not None or len(data) < 34


def read_frames(data: bytes) -> None:
    """Bytes instead of frames: what is read is a prefix of what came."""
    frames = FrameReader().receive_data(data)
    assert sum(9 + len(frame.body) for frame in frames) <= len(data)


def read_bodies(data: bytes) -> None:
    """Bytes instead of JSON: requests and ends of any shape."""
    parse_request(data)
    for flags in range(3):
        parse_end(Frame(flags, 1, data))


def hold_session(data: bytes) -> None:
    """Bytes of a peer that has the keys, on a session with calls of its own, which answers."""
    session = Session(calls_max=4)
    for number, kind in enumerate(CallKind, start=1):
        session.perform(OpenCall(number, ("a",), b"[]", kind))
    size = 1 + len(data) // 3
    with suppress(RemoteProtocolError):
        for offset in range(0, len(data), size):
            for event in session.receive_data(data[offset : offset + size]):
                _react(session, event)
    reader = FrameReader()
    reader.receive_data(session.data_to_send())
    assert reader.fault is None
    assert not reader.is_ended
    assert reader.is_between_frames


def _react(session: Session, event: WireEvent) -> None:
    if isinstance(event, CallReceived):
        if event.kind is CallKind.ASYNC:
            session.perform(Answer(event.call, BodyType.JSON, b"1"))
        elif event.kind is CallKind.SINK:
            session.perform(EndCall(event.call, "no"))
        else:
            session.perform(SendItems(event.call, BodyType.JSON, [b"1"]))


def be_dialled(data: bytes) -> None:
    """Bytes instead of a client: never identified, never answered."""
    server = _server()
    with suppress(RemoteProtocolError):
        assert server.receive_data(data) == []
    assert server.data_to_send() == b""
    with suppress(RemoteProtocolError):
        server.receive_eof()
    assert server.close_reason is not None


def dial(data: bytes) -> None:
    """Bytes instead of a server's answers, at each step of the handshake."""
    for step in range(2):
        client, server = _client(), _server()
        if step:
            server.receive_data(client.data_to_send())
            client.receive_data(server.data_to_send())
        client.data_to_send()
        with suppress(RemoteProtocolError):
            assert client.receive_data(data) == []
        assert client.data_to_send() == b""


def be_called(data: bytes) -> None:
    """Bytes in genuine boxes after a genuine handshake."""
    client, server = _client(), _server()
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    server.receive_data(client.data_to_send())
    server.accept()
    client.receive_data(server.data_to_send())
    boxer = client._boxer
    assert isinstance(boxer, Boxer)
    with suppress(RemoteProtocolError):
        server.receive_data(boxer.box(data) + boxer.goodbye())
    server.say_goodbye()
    server.data_to_send()
    assert server.close_reason is not None


def hear_announcements(data: bytes) -> None:
    """Bytes instead of announcements, also in the box of somebody who knows the network key."""
    parse_plain(data)
    parse_signed(data, NETWORK_KEY)
    text = b'{"address":"%s"}' % data
    for inner in (data, text):
        boxed = crypto_secretbox_easy(inner, NETWORK_KEY[:24], NETWORK_KEY)
        found = parse_signed(boxed + b"s" * 64, NETWORK_KEY)
        assert found is None or not found.is_verified


def _client() -> Connection:
    return Connection(
        identity=CLIENT, network_key=NETWORK_KEY, ephemeral_seed=b"1" * 32, remote=SERVER.id
    )


def _server() -> Connection:
    return Connection(
        identity=SERVER, network_key=NETWORK_KEY, ephemeral_seed=b"2" * 32, remote=None
    )


TARGETS = (
    open_boxes,
    read_frames,
    read_bodies,
    hold_session,
    be_dialled,
    dial,
    be_called,
    hear_announcements,
)
