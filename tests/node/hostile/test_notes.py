"""Clocks that are too long, that are no clocks, or that promise what does not exist."""

import asyncio
import base64
import os
from collections.abc import Callable
from typing import Any

from lichen.wire.events import BodyType, CallEnded, CallKind, EndCall, OpenCall, SendItems

BeginSiege = Callable[..., Any]
MakeAuthor = Callable[[int], Any]
FRAME_FEEDS = 60_000


def clock_of_strangers(count: int, value: str = "2") -> bytes:
    keys = os.urandom(32 * count)
    members = (
        f'"@{base64.b64encode(keys[start : start + 32]).decode()}.ed25519":{value}'
        for start in range(0, len(keys), 32)
    )
    return f"{{{','.join(members)}}}".encode()


async def still_notes(under: Any, attacker: Any, author: Any) -> None:
    """See that the session goes on: a feed that the victim wants is asked for and taken."""
    author.write(3)
    await under.follow(author.id)
    await attacker.offer(author.id, 3)
    await attacker.items(*(message.data for message in author.messages))
    await under.has(author.id, 3)


def test_a_million_feeds(siege: BeginSiege, author: MakeAuthor) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await (await under.befriend()).open_ebt()
            for _ in range(1_000_000 // FRAME_FEEDS + 1):
                await attacker.items(clock_of_strangers(FRAME_FEEDS))
            await still_notes(under, attacker, author(100))
            declined = sum(-1 in notes.values() for notes in attacker.heard())
            assert declined < 10, "what is declined is not told for ever"

    asyncio.run(run())


def test_a_million_feeds_in_one_clock(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await (await under.befriend()).open_ebt()
            boxer = attacker.connection._boxer
            clock = clock_of_strangers(100_000) * 10
            header = b"\x0a" + len(clock).to_bytes(4, "big") + (1).to_bytes(4, "big")
            await attacker.write(boxer.box(header + clock[:100_000]))
            await attacker.until_cut()
            await under.counted("frame-too-long")

    asyncio.run(run())


ODD_NUMBERS = (
    *("-1", "-2", "-3", "-1000000", "0.5", "-0.0", "1e300", "1e-300", "2147483648", "2147483647"),
    *("-2147483648", "-2147483649", "9" * 400, "9007199254740993", "true", "false", "null"),
    *('"7"', '"x"', "[]", "[1]", "{}", '{"a":1}', "[" * 500 + "]" * 500),
)
NO_CLOCKS = (
    *(b"NaN", b"Infinity", b"null", b"true", b"7", b"-0", b'"text"', b"[]", b"[1,2]"),
    *(b'{"@x":NaN}', b'{"a":Infinity}', b"{", b"}", b'{"a":1,}', b'{"a"}', b"\xff\xfe", b"\x00"),
    *(b"[" * 100_000, b'{"clock":' * 20_000, b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    b'{"clock":7}'[:-1],
)


def test_numbers_that_are_no_sequences(siege: BeginSiege, author: MakeAuthor) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await (await under.befriend()).open_ebt()
            feeds = [under.victim.id, under.honest.keyring.id, author(201).id]
            for number in ODD_NUMBERS:
                members = ",".join(f'"{feed}":{number}' for feed in feeds)
                await attacker.items(f"{{{members}}}".encode())
                await attacker.items(f'{{"clock":{{{members}}}}}'.encode())
            await attacker.items(clock_of_strangers(50, "0.5"), b'{"":1,"@":1,"@x.ed25519":1}')
            await still_notes(under, attacker, author(202))
            assert (await under.peer(attacker))["faults"] == 0

    asyncio.run(run())


def test_items_that_are_neither_clock_nor_message(siege: BeginSiege, author: MakeAuthor) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await (await under.befriend()).open_ebt()
            await attacker.items(*NO_CLOCKS)
            await still_notes(under, attacker, author(203))
            for _ in range(100 // len(NO_CLOCKS) + 1):
                await attacker.items(*NO_CLOCKS)
            await attacker.until_cut()
            await under.counted("malformed-items")

    asyncio.run(run())


def test_clock_that_is_text_or_bytes(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await (await under.befriend()).open_ebt()
            for kind in (BodyType.TEXT, BodyType.BINARY):
                await attacker.perform(SendItems(1, kind, [clock_of_strangers(1)] * 60))
            await attacker.until_cut()
            await under.counted("malformed-items")

    asyncio.run(run())


def test_feed_that_was_promised_and_never_came_is_taken_from_others(
    siege: BeginSiege, author: MakeAuthor
) -> None:
    async def run() -> None:
        async with siege() as under:
            carol = author(204)
            carol.write(10)
            await under.follow(carol.id)
            liar = await (await under.befriend()).open_ebt()
            await liar.offer(carol.id, 1_000_000)
            friend = await (await under.befriend()).open_ebt()
            await friend.offer(carol.id, 10)
            await friend.items(*(message.data for message in carol.messages))
            await under.has(carol.id, 10)
            assert not liar.is_cut

    asyncio.run(run())


def test_ebt_opened_and_ended_without_end(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.befriend()
            args = b'[{"version":3,"format":"classic"}]'
            for call in range(1, 2001):
                command = OpenCall(call, ("ebt", "replicate"), args, CallKind.DUPLEX)
                attacker.connection.perform(command)
                attacker.connection.perform(EndCall(call))
            await attacker.perform()
            await attacker.until_cut()
            await under.counted("ebt-flood")

    asyncio.run(run())


def test_wrong_versions_and_formats_are_refused_in_words(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.befriend()
            wrong = (b"[]", b"[7]", b'[{"version":2}]', b'[{"version":3,"format":"bendy"}]')
            for call, args in enumerate(wrong, 1):
                await attacker.perform(OpenCall(call, ("ebt", "replicate"), args, CallKind.DUPLEX))
            await attacker.until(
                lambda: sum(isinstance(event, CallEnded) for event in attacker.events) == 4
            )
            errors = [e.error for e in attacker.events if isinstance(e, CallEnded)]
            assert errors[:3] == ["expected ebt.replicate({version: 3})"] * 3
            assert errors[3] == "Unknown format: bendy"

    asyncio.run(run())
