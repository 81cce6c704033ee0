"""Live streams of local programs, and programs that are slow, or vanish in mid-stream."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lichen.node import limits
from lichen.node.errors import ApiError
from lichen.wire.connection import Connection
from lichen.wire.events import CallKind, EndCall, ItemsReceived, OpenCall

OpenPeer = Callable[..., Any]
OpenCalls = Callable[..., Any]
Until = Callable[..., Any]
WAIT_S_MAX = 30.0
ROOT = "%" + "R" * 42 + "A=.sha256"


def posts(first: int, last: int, size: int = 0) -> list[dict[str, Any]]:
    filler = "x" * size
    return [{"type": "post", "text": f"{n} {filler}"} for n in range(first, last + 1)]


async def take(stream: AsyncIterator[Any], count: int) -> list[Any]:
    async with asyncio.timeout(WAIT_S_MAX):
        return [await anext(stream) for _ in range(count)]


def sequences(items: list[Any]) -> list[int]:
    return [item["value"]["sequence"] for item in items]


@pytest.mark.parametrize("name", ["createLogStream", "createHistoryStream", "createUserStream"])
def test_live_stream_goes_on_where_the_old_part_ends(
    name: str, open_peer: OpenPeer, open_calls: OpenCalls
) -> None:
    async def run() -> None:
        async with open_peer() as peer, open_calls() as calls:
            await peer.publish(posts(1, 150))
            stream = calls.source(name, {"id": peer.keyring.id, "live": True})
            assert sequences(await take(stream, 150)) == list(range(1, 151))
            for first in (151, 152, 153):
                await peer.publish(posts(first, first))
                assert sequences(await take(stream, 1)) == [first]
            await calls.call("lichen.publishMany", posts(154, 400))
            assert sequences(await take(stream, 247)) == list(range(154, 401))
            await stream.aclose()

    asyncio.run(run())


@pytest.mark.usefixtures("paused_audit")
def test_programs_are_told_which_signatures_are_not_checked_yet(
    open_peer: OpenPeer, open_calls: OpenCalls, author: Callable[[int], Any]
) -> None:
    async def run() -> None:
        async with open_peer() as peer, open_calls() as calls:
            anna = author(1)
            batch = anna.write(3, {"type": "post", "text": "x", "root": ROOT})
            await asyncio.wrap_future(peer.store.ingest(batch, verifies_all=False))
            whole = {"id": anna.id, "author": anna.id, "dest": ROOT, "type": "post"}

            async def told() -> list[Any]:
                streams = ("createLogStream", "createHistoryStream", "messagesByType", "links")
                found = [item for name in streams async for item in calls.source(name, whole)]
                key = anna.messages[0].key
                return [*found, await calls.call("get", {"id": key, "meta": True})]

            items = await told()
            assert len(items) == 13
            assert [item.get("audited") for item in items] == [False, False, None] * 4 + [False]
            await asyncio.wrap_future(peer.store.wait_audited())
            assert all("audited" not in item for item in await told())

    asyncio.run(run())


def test_nothing_is_lost_or_doubled_between_old_and_live(
    open_peer: OpenPeer, open_calls: OpenCalls
) -> None:
    async def run() -> None:
        async with open_peer() as peer, open_calls() as calls:
            streams = [
                calls.source(name, {"id": peer.keyring.id, "live": True, **more})
                for name in ("createLogStream", "createHistoryStream")
                for more in ({}, {"author": peer.keyring.id}, {"type": "post"})
            ]
            readers = [asyncio.create_task(take(stream, 400)) for stream in streams]
            for first in range(1, 401, 8):
                await peer.publish(posts(first, first + 7))
                await asyncio.sleep(0)
            for reader in readers:
                assert sequences(await reader) == list(range(1, 401))
            for stream in streams:
                await stream.aclose()

    asyncio.run(run())


def test_live_without_old_and_with_a_limit(open_peer: OpenPeer, open_calls: OpenCalls) -> None:
    async def run() -> None:
        async with open_peer() as peer, open_calls() as calls:
            await peer.publish(posts(1, 10))
            options = {"id": peer.keyring.id, "live": True, "old": False, "limit": 2}
            streams = [
                calls.source(name, options) for name in ("createLogStream", "createHistoryStream")
            ]
            readers = [asyncio.create_task(anext(stream)) for stream in streams]
            await calls.call("whoami")
            await peer.publish(posts(11, 13))
            assert sequences([await reader for reader in readers]) == [11, 11]
            for stream in streams:
                assert sequences([item async for item in stream]) == [12]

    asyncio.run(run())


def test_listening_to_news(open_peer: OpenPeer, open_calls: OpenCalls) -> None:
    async def run() -> None:
        async with open_peer() as peer, open_calls() as calls:
            stream = calls.source("lichen.hear")
            hearing = asyncio.create_task(anext(stream))
            await calls.call("whoami")
            (message,) = await peer.publish(posts(1, 1))
            notice = await asyncio.wait_for(hearing, WAIT_S_MAX)
            assert (notice["topic"], notice["key"]) == ("message", message.key)
            await stream.aclose()

    asyncio.run(run())


def test_reader_of_a_stream_may_call_while_it_lags(
    open_peer: OpenPeer, open_calls: OpenCalls
) -> None:
    async def run() -> None:
        async with open_peer() as peer, open_calls() as calls:
            await peer.publish(posts(1, 2000, 500))
            seen = 0
            async with asyncio.timeout(WAIT_S_MAX):
                async for item in calls.source("createLogStream"):
                    seen += 1
                    assert item["value"]["sequence"] == seen
                    if seen % 50 == 1:
                        await calls.call("whoami")
            assert seen == 2000

    asyncio.run(run())


def test_slow_reader_stops_the_link_and_not_the_memory(
    open_peer: OpenPeer, open_calls: OpenCalls, until: Until
) -> None:
    async def run() -> None:
        async with open_peer() as peer, open_calls() as calls:
            await peer.publish(posts(1, 600, 4000))
            stream = calls.source("createLogStream")
            await take(stream, 1)
            (queue,) = calls._waiting.values()
            await until(lambda: queue.qsize() > limits.LOCAL_STREAM_ITEMS)
            await asyncio.sleep(0.05)
            held = queue.qsize()
            await asyncio.sleep(0.05)
            assert queue.qsize() == held < 500, "a reader that waits is sent no more"
            assert sequences(await take(stream, 599))[-1] == 600

    asyncio.run(run())


class Program:
    """A program on the local socket that reads only when it is told to."""

    def __init__(self, path: str) -> None:
        self.connection = Connection.plain()
        self.connection.receive_data(b"")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.setblocking(False)

    async def send(self, *commands: Any) -> None:
        for command in commands:
            self.connection.perform(command)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self.socket, self.connection.data_to_send())

    async def receive(self) -> list[Any]:
        loop = asyncio.get_running_loop()
        return self.connection.receive_data(await loop.sock_recv(self.socket, 1 << 18))


OPEN = OpenCall(1, ("createLogStream",), b'[{"keys":false}]', CallKind.SOURCE)


def test_program_that_does_not_read_costs_a_bounded_queue(
    open_peer: OpenPeer, until: Until
) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            await peer.publish(posts(1, 600, 4000))
            program = Program(str(peer.home.socket))
            await program.send(OPEN)
            (link,) = await until(lambda: list(peer.doors._programs))
            await until(lambda: link.is_full)
            held = []
            for _ in range(20):
                held.append(link.queued_bytes)
                await asyncio.sleep(0.005)
            assert max(held) <= limits.WRITE_BYTES_HIGH + 10_000
            assert held[0] == held[-1], "it waits for the program"
            count = 0
            while count < 600:
                for event in await program.receive():
                    if isinstance(event, ItemsReceived):
                        count += len(event.items)
            program.socket.close()
            await until(lambda: link.is_lost)

    asyncio.run(run())


@pytest.mark.parametrize("how", ["ends the call", "hangs up"])
def test_program_that_loses_interest_in_mid_stream(
    how: str, open_peer: OpenPeer, until: Until, capfd: pytest.CaptureFixture[str]
) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            await peer.publish(posts(1, 600, 4000))
            program = Program(str(peer.home.socket))
            live = b'[{"live":true}]'
            await program.send(OPEN, OpenCall(2, ("createLogStream",), live, CallKind.SOURCE))
            (link,) = await until(lambda: list(peer.doors._programs))
            await until(lambda: link.is_full)
            session = link.owner
            assert len(session._tasks) == 2
            if how == "hangs up":
                program.socket.close()
            else:
                await program.send(EndCall(1), EndCall(2))
            await until(lambda: not session._tasks)
            assert session._inbound == {}
            assert link.is_lost == (how == "hangs up")
            assert len(await peer.publish(posts(1, 1))) == 1
            program.socket.close()

    asyncio.run(run())
    assert capfd.readouterr().err == ""


def test_program_that_asks_without_end_and_never_reads_is_cut_off(
    open_peer: OpenPeer, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "QUEUED_BYTES_MAX", 1 << 20)

    async def run() -> None:
        async with open_peer() as peer:
            program = Program(str(peer.home.socket))
            (link,) = await until(lambda: list(peer.doors._programs))
            most = 0
            for number in range(1, 20_000):
                try:
                    await program.send(OpenCall(number, ("nonsense",), b"[]", CallKind.ASYNC))
                except ConnectionError:
                    break
                most = max(most, link.queued_bytes)
            await until(lambda: link.is_lost)
            assert link._reason == "never-reads"
            assert most < 2 << 20
            program.socket.close()

    asyncio.run(run())


def test_arguments_that_are_no_list_are_refused(open_peer: OpenPeer, open_calls: OpenCalls) -> None:
    async def run() -> None:
        async with open_peer(), open_calls() as calls:
            for options in ({"limit": "many"}, {"limit": True}, {"gt": "x"}, {"type": 7}):
                with pytest.raises(ApiError, match="must be a") as refused:
                    await anext(calls.source("createLogStream", options))
                assert refused.value.slug == "usage"

    asyncio.run(run())
