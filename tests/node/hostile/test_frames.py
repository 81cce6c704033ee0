"""Boxes and frames that are cut, too long, out of order, or lie about themselves."""

import asyncio
import struct
from collections.abc import Callable
from typing import Any

from lichen.wire.events import AnswerReceived, CallEnded, CallKind, OpenCall
from lichen.wire.packets import END, STREAM, encode_request, pack_header

BeginSiege = Callable[..., Any]
JSON = 2
WHOAMI = encode_request(("whoami",), b"[]", CallKind.ASYNC)
PING = encode_request(("gossip", "ping"), b"[]", CallKind.DUPLEX)
MIB = 1 << 20


def frame(flags: int, number: int, body: bytes) -> bytes:
    return pack_header(flags, len(body), number) + body


def lying(flags: int, length: int, number: int = 1) -> bytes:
    return struct.pack(">BIi", flags, length, number)


IMPOSSIBLE = {
    "4 GiB": (lying(STREAM | JSON, 2**32 - 1), "frame-too-long"),
    "just too long": (lying(STREAM | JSON, 4 * MIB + 1), "frame-too-long"),
    "noise": (frame(JSON, 1, WHOAMI) + b"\xff" * 9, "frame-too-long"),
    "fourth type": (frame(3, 1, b"x"), "frame-body-type"),
    "number twice": (frame(STREAM | JSON, 1, PING) + frame(JSON, 1, WHOAMI), "call-number-reused"),
}


def test_frames_that_cannot_be_end_the_connection(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            for name, (plain, reason) in IMPOSSIBLE.items():
                before = (await under.reasons())[reason]
                attacker = await under.befriend()
                await attacker.send_plain(plain)
                await attacker.until_cut()
                await under.counted(reason, before + 1)
                assert AnswerReceived not in map(type, attacker.events), name

    asyncio.run(run())


def test_frames_and_boxes_that_are_cut_short(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.befriend()
            await attacker.send_plain(lying(STREAM | JSON, 1000) + b"[")
            await attacker.write(attacker.connection._boxer.goodbye())
            await attacker.until_cut()
            await under.counted("frame-cut-short")
            cuts = (1, 33, 34, 40, None)
            for cut in cuts:
                attacker = await under.befriend()
                box = attacker.connection._boxer.box(frame(JSON, 1, WHOAMI)[:-1])
                await attacker.write(box[:cut])
                attacker.writer.write_eof()
                await attacker.until_cut()
            await under.counted("unexpected-hangup", len(cuts))

    asyncio.run(run())


def test_boxes_that_were_changed_on_the_way(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            for change in range(4):
                attacker = await under.befriend()
                boxer = attacker.connection._boxer
                first = boxer.box(frame(JSON, 1, WHOAMI))
                second = boxer.box(frame(JSON, 2, WHOAMI))
                spoilt = first[:-1] + bytes([first[-1] ^ 1])
                changed = (second + first, first + first, spoilt + second, second)[change]
                await attacker.write(changed)
                await attacker.until_cut()
                await under.counted("box-tampered", change + 1)
                assert AnswerReceived not in map(type, attacker.events)

    asyncio.run(run())


def answer_count(attacker: Any) -> int:
    return sum(isinstance(event, AnswerReceived) for event in attacker.events)


def test_longest_frame_comes_in_drops(siege: BeginSiege) -> None:
    """Its bytes are held, but once; then it is only an item of no call."""

    async def run() -> None:
        async with siege() as under:
            attacker = await under.befriend()
            plain = frame(STREAM, 7, bytes(4 * MIB))
            for start in range(0, len(plain), 100_000):
                await attacker.send_plain(plain[start : start + 100_000])
            await attacker.perform(OpenCall(1, ("whoami",), b"[]", CallKind.ASYNC))
            await attacker.until(lambda: answer_count(attacker))

    asyncio.run(run())


def test_items_and_ends_of_calls_that_never_were(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.befriend()
            numbers = [*range(-300, 0), *range(2, 300), 2**31 - 1, -(2**31)]
            plain = b"".join(
                frame(STREAM | JSON, number, b"1")
                + frame(STREAM | END | JSON, number, b"true")
                + frame(JSON | END, -abs(number), b"true")
                for number in numbers
            )
            await attacker.send_plain(plain)
            await attacker.perform(OpenCall(1, ("whoami",), b"[]", CallKind.ASYNC))
            await attacker.until(lambda: answer_count(attacker))

    asyncio.run(run())


MALFORMED = {
    "deep": b"[" * 200_000 + b"]" * 200_000,
    "deep name": b'{"name":' + b"[" * 100_000,
    "deep arguments": b'{"name":["x"],"args":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "arguments that are no list": b'{"name":["whoami"],"args":{"a":1}}',
    "no name": b'{"name":[],"args":[]}',
    "long name": b'{"name":["' + b"x" * 100_000 + b'"],"args":[]}',
    "long arguments": b'{"name":["whoami"],"args":["' + b"x" * (2 * MIB) + b'"]}',
    "odd type": b'{"name":["whoami"],"args":[],"type":"nonsense"}',
    "text": b'"whoami"',
    "bytes": b"\xff\xfe",
    "NaN": b"NaN",
}


def test_malformed_calls_are_refused_and_the_connection_stays(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.befriend()
            numbers = iter(range(1, 1000))
            for count, body in enumerate(MALFORMED.values(), 1):
                await attacker.send_plain(frame(JSON, next(numbers), body))
                await attacker.send_plain(frame(STREAM | JSON, next(numbers), body))
                whoami = OpenCall(next(numbers), ("whoami",), b"[]", CallKind.ASYNC)
                await attacker.perform(whoami)
                await attacker.until(lambda count=count: answer_count(attacker) == count)

    asyncio.run(run())


def test_error_with_a_long_text_is_kept_short(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await (await under.befriend()).open_ebt()
            text = b'{"message":"' + b"x" * (2 * MIB) + b'","name":["odd"],"stack":""}'
            await attacker.send_plain(frame(STREAM | END | JSON, 1, text))
            await attacker.until(lambda: CallEnded in map(type, attacker.events))
            assert len((await under.peer(attacker))["last_error"]) <= 200

    asyncio.run(run())
