"""Calls that fail, are broken off, or are too many: what is told, and what is left behind."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from io import StringIO
from typing import Any

import pytest
import structlog

from lichen.node import limits
from lichen.node.api import sessions
from lichen.node.api.sessions import LocalSession
from lichen.node.app import Method
from lichen.node.errors import ApiError
from lichen.wire.connection import Connection
from lichen.wire.events import CallKind, EndCall, OpenCall
from lichen.words import words_for

OpenPeer = Callable[..., Any]
OpenCalls = Callable[..., Any]
Until = Callable[..., Any]


async def collect(source: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in source]


def test_fault_of_ours_is_told_without_its_details(
    open_peer: OpenPeer, open_calls: OpenCalls, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(_call: Any, _inbound: Any, _send: Any) -> None:
        raise KeyError("private detail")

    async def run() -> None:
        async with open_peer() as peer:
            peer.methods["broken"] = Method("async", broken)
            async with open_calls() as calls:
                with pytest.raises(ApiError, match="mistake of its own") as refused:
                    await calls.call("broken")
                assert "private detail" not in refused.value.words
                assert await calls.call("whoami")

    asyncio.run(run())
    said = capsys.readouterr()
    assert "private detail" in said.out + said.err


def test_a_fault_of_ours_is_told_even_if_it_cannot_be_logged(
    open_peer: OpenPeer, open_calls: OpenCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_call: Any, _inbound: Any, _send: Any) -> None:
        raise KeyError("anything")

    closed = StringIO()
    closed.close()
    monkeypatch.setattr(sessions, "log", structlog.wrap_logger(structlog.PrintLogger(closed)))
    unheard: list[Any] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: unheard.append(what))
        async with open_peer() as peer:
            peer.methods["broken"] = Method("async", broken)
            async with open_calls() as calls, asyncio.timeout(10):
                with pytest.raises(ApiError, match="mistake of its own"):
                    await calls.call("broken")
                assert await calls.call("whoami")

    asyncio.run(run())
    gc.collect()
    assert not unheard


def test_call_on_a_peer_that_has_stopped(open_peer: OpenPeer, open_calls: OpenCalls) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            calls_of = open_calls()
            calls = await calls_of.__aenter__()
            listening = asyncio.create_task(collect(calls.source("lichen.hear")))
            assert await calls.call("whoami") == {"id": peer.keyring.id}
        with pytest.raises(ApiError, match="has stopped") as told:
            await listening
        assert told.value.slug == "unreachable"
        with pytest.raises(ApiError, match="has stopped"):
            await calls.call("whoami")
        await calls_of.__aexit__(None, None, None)

    asyncio.run(run())


def test_call_that_is_ended_as_it_begins_leaves_nothing_behind(
    open_peer: OpenPeer, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    original = LocalSession.__init__

    def note(session: LocalSession, *arguments: Any) -> None:
        original(session, *arguments)
        made.append(session)

    monkeypatch.setattr(LocalSession, "__init__", note)

    async def run() -> None:
        async with open_peer() as peer:
            reader, writer = await asyncio.open_unix_connection(str(peer.home.socket))
            connection = Connection.plain()
            connection.receive_data(b"")
            for call in range(1, 101):
                args = b'[{"live":true}]'
                connection.perform(OpenCall(call, ("createLogStream",), args, CallKind.SOURCE))
                connection.perform(EndCall(call))
            connection.perform(OpenCall(101, ("whoami",), b"[]", CallKind.ASYNC))
            writer.write(connection.data_to_send())
            answered = []
            while 101 not in answered:
                events = connection.receive_data(await reader.read(1 << 16))
                answered += [event.call for event in events if hasattr(event, "call")]
            (session,) = made
            await until(lambda: not session._tasks)
            assert session._inbound == {}
            writer.close()
            await writer.wait_closed()

    asyncio.run(run())


def test_too_many_open_calls_are_refused_in_words(
    open_peer: OpenPeer, open_calls: OpenCalls
) -> None:
    async def run() -> None:
        async with open_peer(), open_calls() as calls:
            sources = [calls.source("lichen.hear") for _ in range(limits.LOCAL_CALLS_MAX)]
            waiting = [asyncio.create_task(anext(source)) for source in sources]
            await asyncio.sleep(0)
            with pytest.raises(ApiError, match="too many open calls"):
                await calls.call("whoami")
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
            assert await calls.call("whoami")

    asyncio.run(run())


def test_fault_crosses_the_socket_in_english_and_can_be_told_in_german(
    open_peer: OpenPeer, open_calls: OpenCalls
) -> None:
    async def run() -> None:
        async with open_peer(), open_calls() as calls:
            with pytest.raises(ApiError) as refused:
                await calls.call("get", "x")
            fault = refused.value
            assert (fault.slug, fault.message) == ("usage", "'x' is not a message id.")
            assert fault.told(words_for("de")) == (
                "'x' ist keine Nachrichten-ID.",
                "Sie sieht aus wie %…=.sha256",
            )

    asyncio.run(run())
