"""Peers that ask without end, and do not read what they asked for."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from lichen.wire.events import (
    AnswerReceived,
    BodyType,
    CallEnded,
    CallKind,
    EndCall,
    OpenCall,
    SendItems,
)
from lichen.wire.packets import STREAM, encode_request, pack_header

BeginSiege = Callable[..., Any]
JSON = 2
FLOODS = ("too-many-calls", "call-flood", "ebt-flood")
HISTORY = ("createHistoryStream",)


def history(call: int, feed: str, **options: Any) -> OpenCall:
    args = json.dumps([{"id": feed, **options}]).encode()
    return OpenCall(call, HISTORY, args, CallKind.SOURCE)


async def pour(attacker: Any, data: bytes, *, times: int) -> None:
    """Send plain data again and again, reading nothing, as long as the other side reads."""
    for _ in range(times):
        if attacker.is_cut:
            return
        try:
            await asyncio.wait_for(attacker.send_plain(data), 1)
        except TimeoutError:
            return


def calls_of(first: int, last: int, name: tuple[str, ...], args: bytes, kind: CallKind) -> bytes:
    body = encode_request(name, args, kind)
    flags = JSON if kind is CallKind.ASYNC else STREAM | JSON
    return b"".join(
        pack_header(flags, len(body), number) + body for number in range(first, last + 1)
    )


def test_a_million_messages_asked_for_and_not_read(siege: BeginSiege, archive: Any) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.befriend()
            written = len(archive.messages)
            for call in range(1, 1_000_000 // written + 1):
                await attacker.perform(history(call, archive.id))
            await under.until(lambda: under.peer(attacker))
            await under.exchange(5)
            status = await under.peer(attacker)
            assert 0 < status["messages_sent"] < 2 * written, "it waits for the reader"

    asyncio.run(run())


def test_peer_that_hangs_up_half_and_does_not_read_is_cut_off(
    siege: BeginSiege, archive: Any
) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.befriend()
            await attacker.perform(history(1, archive.id))

            async def is_stuck() -> bool:
                before = (await under.peer(attacker))["messages_sent"]
                await asyncio.sleep(0.1)
                return 0 < before == (await under.peer(attacker))["messages_sent"]

            await under.until(is_stuck)
            attacker.writer.write_eof()

            async def is_gone() -> bool:
                return await under.peer(attacker) is None

            await under.until(is_gone)
            await under.counted("unexpected-hangup")

    asyncio.run(run())


def test_what_is_asked_for_slowly_comes_whole(siege: BeginSiege, archive: Any) -> None:
    async def run() -> None:
        async with siege() as under:
            reader = await under.befriend()
            await reader.perform(history(1, archive.id, limit=1000, keys=False))
            await under.exchange(2)
            await reader.until(lambda: CallEnded in map(type, reader.events))
            assert [value["sequence"] for value in reader.heard()] == [*range(1, 1001)]

    asyncio.run(run())


def test_a_hundred_thousand_calls(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.befriend()
            for first in range(1, 100_001, 1000):
                calls = calls_of(first, first + 999, ("whoami",), b"[]", CallKind.ASYNC)
                await pour(attacker, calls, times=1)
            await attacker.until_cut()
            await under.counted("call-flood")

    asyncio.run(run())


@pytest.mark.parametrize(
    "body", [b"{}", b'{"name":["blobs","get"],"args":[]}'], ids=["malformed", "not offered"]
)
def test_a_hundred_thousand_calls_that_cannot_be_answered(body: bytes, siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.befriend()
            for first in range(1, 100_001, 1000):
                calls = b"".join(
                    pack_header(JSON, len(body), number) + body
                    for number in range(first, first + 1000)
                )
                await pour(attacker, calls, times=1)
            await attacker.until_cut()
            await under.counted("malformed-calls" if body == b"{}" else "call-flood")

    asyncio.run(run())


@pytest.mark.parametrize("name", [HISTORY, ("gossip", "ping"), ("ebt", "replicate")])
def test_ten_thousand_open_streams(name: tuple[str, ...], siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.befriend()
            kind = CallKind.SOURCE if name == HISTORY else CallKind.DUPLEX
            args = json.dumps([{"id": under.victim.id, "live": True, "version": 3}]).encode()
            for first in range(1, 10_001, 500):
                await pour(attacker, calls_of(first, first + 499, name, args, kind), times=1)
                await under.exchange()
            await attacker.until_cut()
            reasons = await under.reasons()
            assert sum(reasons[each] for each in FLOODS) == 1, reasons

    asyncio.run(run())


def test_streams_opened_and_ended_at_once(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.befriend()
            for call in range(1, 5001):
                attacker.connection.perform(history(call, under.victim.id, live=True))
                attacker.connection.perform(EndCall(call))
            await attacker.perform(OpenCall(5001, ("whoami",), b"[]", CallKind.ASYNC))
            await attacker.until(lambda: AnswerReceived in map(type, attacker.events))

    asyncio.run(run())


def test_pings_as_fast_as_they_can_be_sent(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.befriend()
            await attacker.perform(OpenCall(1, ("gossip", "ping"), b"[]", CallKind.DUPLEX))
            for _ in range(100):
                await attacker.perform(SendItems(1, BodyType.JSON, [b"1"] * 1000))
                await under.calls.call("whoami")
            await attacker.perform(OpenCall(2, ("whoami",), b"[]", CallKind.ASYNC))
            await attacker.until(lambda: AnswerReceived in map(type, attacker.events))
            assert 0 < len(attacker.heard()) < 30

    asyncio.run(run())
