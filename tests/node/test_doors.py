"""The two doors: the port, for peers and one's own programs, and the local socket, for programs."""

import asyncio
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from lichen.feed.identity import Identity, generate_identity
from lichen.node import limits
from lichen.node.api.sessions import is_same_user
from lichen.node.errors import ApiError
from lichen.node.home import load_identity, network_key_default
from lichen.node.net import doors as doors_module
from lichen.wire.connection import Connection
from lichen.wire.events import AnswerReceived, CallEnded, CallKind, OpenCall

OpenPeer = Callable[..., Any]
OpenCalls = Callable[..., Any]
Until = Callable[..., Any]
ASYNC, SOURCE = CallKind.ASYNC, CallKind.SOURCE


def connect(peer: Any, identity: Identity) -> Connection:
    return Connection(
        identity=identity,
        network_key=network_key_default(),
        ephemeral_seed=b"\1" * 32,
        remote=peer.keyring.id,
        calls_max=100,
    )


async def call_over_port(peer: Any, identity: Identity, *commands: OpenCall) -> list[Any]:
    """Call a peer over its port with a key, and return an event for each call."""
    reader, writer = await asyncio.open_connection("127.0.0.1", peer.doors.port)
    connection = connect(peer, identity)
    answers: list[Any] = []
    is_asked = False
    try:
        async with asyncio.timeout(30):
            while len(answers) < len(commands):
                if connection.is_ready and not is_asked:
                    is_asked = True
                    for command in commands:
                        connection.perform(command)
                writer.write(connection.data_to_send())
                data = await reader.read(1 << 16)
                assert data, "the connection has ended"
                events = connection.receive_data(data)
                answers += [e for e in events if isinstance(e, AnswerReceived | CallEnded)]
        connection.say_goodbye()
        writer.write(connection.data_to_send())
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return sorted(answers, key=lambda event: event.call)


CALLS = (
    OpenCall(1, ("whoami",), b"[]", ASYNC),
    OpenCall(2, ("publish",), b'[{"type":"post","text":"over the port"}]', ASYNC),
    OpenCall(3, ("status",), b"[]", ASYNC),
    OpenCall(4, ("createLogStream",), b"[]", SOURCE),
    OpenCall(5, ("lichen", "importFile"), b'[{"path":"/etc/passwd"}]', SOURCE),
    OpenCall(6, ("lichen", "liftGuard"), b"[]", ASYNC),
)


def test_own_key_over_the_port_is_given_everything(open_peer: OpenPeer) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            identity = load_identity(peer.home)
            answers = await call_over_port(peer, identity, *CALLS)
            assert [type(answer) for answer in answers[:3]] == [AnswerReceived] * 3
            assert answers[3] == CallEnded(4, None)
            assert peer.store.log.received(peer.keyring.id) == 1
            assert peer.shell.brain.snapshot().peers == ()

    asyncio.run(run())


def test_stranger_is_refused_in_the_words_that_peers_know(open_peer: OpenPeer) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            answers = await call_over_port(peer, generate_identity(b"\2" * 32), *CALLS)
            assert peer.keyring.id.encode() in answers[0].body
            assert [answer.error for answer in answers[1:]] == [
                "method:publish is not in list of allowed methods",
                "method:status is not in list of allowed methods",
                "method:createLogStream is not in list of allowed methods",
                "method:lichen,importFile is not in list of allowed methods",
                "method:lichen,liftGuard is not in list of allowed methods",
            ]
            assert peer.store.log.last_no == 0

    asyncio.run(run())


def test_what_is_written_leaves_at_once_on_both_sides(
    open_peer: OpenPeer, link_up: Callable[..., Any]
) -> None:
    async def run() -> None:
        async with open_peer("ada") as ada, open_peer("bob") as bob:
            await link_up(ada, bob)
            for peer in (ada, bob):
                (remote,) = peer.shell._remotes.values()
                there = remote.link.transport.get_extra_info("socket")
                assert there.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    asyncio.run(run())


def test_blocked_peer_is_not_answered(open_peer: OpenPeer, until: Until) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            enemy = generate_identity(b"\3" * 32)
            await peer.publish([{"type": "contact", "contact": enemy.id, "blocking": True}])
            await until(lambda: not peer.shell.brain.may_connect(enemy.id))
            reader, writer = await asyncio.open_connection("127.0.0.1", peer.doors.port)
            connection = connect(peer, enemy)
            writer.write(connection.data_to_send())
            connection.receive_data(await reader.readexactly(64))
            writer.write(connection.data_to_send())
            with suppress(ConnectionError):
                assert await reader.read() == b"", "it is not even told who we are"
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            await until(lambda: peer.shell.close_reasons == {"blocked": 1})

    asyncio.run(run())


def test_local_socket_is_for_its_owner_only(open_peer: OpenPeer) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            path = peer.home.socket
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not path.exists()

    asyncio.run(run())


def test_program_of_another_user_is_cut_off(
    open_peer: OpenPeer, open_calls: OpenCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            monkeypatch.setattr(doors_module, "is_same_user", lambda _socket: False)
            async with open_calls() as calls:
                with pytest.raises(ApiError, match="has stopped"):
                    await calls.call("publish", {"type": "post", "text": "not mine"})
            assert peer.store.log.last_no == 0

    asyncio.run(run())


def test_the_system_tells_whose_program_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert is_same_user(one)
        monkeypatch.setattr("lichen.node.api.sessions.os.getuid", lambda: 12345)
        assert not is_same_user(one)


def test_socket_that_a_dead_peer_left_is_replaced(
    open_peer: OpenPeer, open_calls: OpenCalls
) -> None:
    async def run() -> None:
        async with open_peer("peer", listens=False) as peer:
            peer.home.socket.parent.mkdir(mode=0o700)
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(peer.home.socket))
            await peer.listen()
            async with open_calls() as calls:
                assert calls.is_live
                assert await calls.call("whoami")

    asyncio.run(run())


def test_path_that_is_too_long_for_a_socket(
    open_peer: OpenPeer,
    open_calls: OpenCalls,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("r")))
    name = "/".join(["a-long-name-of-a-folder"] * 5)

    async def run() -> None:
        async with open_peer(name) as peer, open_calls(name) as calls:
            assert not peer.home.socket.is_relative_to(peer.home.directory)
            assert calls.is_live
            assert await calls.call("whoami") == {"id": peer.keyring.id}

    asyncio.run(run())


def test_silent_connection_is_given_up(
    open_peer: OpenPeer, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HANDSHAKE_S_MAX", 0.05)

    async def run() -> None:
        async with open_peer() as peer:
            reader, writer = await asyncio.open_connection("127.0.0.1", peer.doors.port)
            assert await asyncio.wait_for(reader.read(), 30) == b""
            await until(lambda: peer.shell.close_reasons == {"handshake-timeout": 1})
            assert len(peer.shell.handshakes) == 0
            writer.close()
            await writer.wait_closed()

    asyncio.run(run())


def test_more_connections_than_there_is_room_for(
    open_peer: OpenPeer, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CONNECTIONS_MAX", 3)

    async def run() -> None:
        async with open_peer() as peer:
            writers = []
            for _ in range(5):
                _reader, writer = await asyncio.open_connection("127.0.0.1", peer.doors.port)
                writers.append(writer)
            await until(lambda: peer.shell.close_reasons == {"too-many-connections": 2})
            for writer in writers:
                writer.transport.abort()
            await until(lambda: peer.shell.link_count == 0)
            assert await call_over_port(peer, generate_identity(b"\4" * 32), CALLS[0])

    asyncio.run(run())
