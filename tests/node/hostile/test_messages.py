"""Messages that are invalid, wrongly signed, forked, or that nobody asked for."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from lichen.wire.events import CallKind, OpenCall

BeginSiege = Callable[..., Any]
MakeAuthor = Callable[[int], Any]


def spoil_signature(data: bytes) -> bytes:
    """Return a message whose signature is well-formed and fits nothing."""
    value = json.loads(data)
    value["signature"] = "A" * 86 + "==.sig.ed25519"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


async def ready_to_give(under: Any, *authors: Any) -> Any:
    """Return an attacker whom the victim has asked for the feeds of these authors."""
    for each in authors:
        await under.follow(each.id)
    attacker = await (await under.befriend()).open_ebt()
    for each in authors:
        await attacker.offer(each.id, len(each.messages) + 5)
    return attacker


def texts(author: Any) -> list[bytes]:
    return [message.data for message in author.messages]


def test_invalid_message_between_valid_ones(siege: BeginSiege, author: MakeAuthor) -> None:
    async def run() -> None:
        async with siege() as under:
            alice, bob = author(1), author(2)
            alice.write(10)
            bob.write(10)
            attacker = await ready_to_give(under, alice, bob)
            spoilt = texts(alice)
            spoilt[5] = spoil_signature(spoilt[5])
            mixed = [each for pair in zip(spoilt, texts(bob), strict=True) for each in pair]
            await attacker.items(*mixed)
            await under.has(bob.id, 10)
            await under.has(alice.id, 5)
            assert await under.received(alice.id) == 5
            assert (await under.peer(attacker))["faults"] == 1
            await attacker.until(lambda: {alice.id: -1} in attacker.heard())
            good = await (await under.befriend()).open_ebt()
            await good.offer(alice.id, 10)
            await good.items(*texts(alice)[5:])
            await under.has(alice.id, 10)

    asyncio.run(run())


def test_one_wrong_signature_after_another(siege: BeginSiege, author: MakeAuthor) -> None:
    async def run() -> None:
        async with siege() as under:
            authors = [author(10 + n) for n in range(10)]
            for each in authors:
                each.write(1)
            attacker = await ready_to_give(under, *authors)
            await attacker.items(*(spoil_signature(texts(each)[0]) for each in authors))
            await attacker.until_cut()
            await under.counted("invalid-messages")
            for each in authors:
                assert await under.received(each.id) == 0

    asyncio.run(run())


def test_members_and_numbers_that_no_message_has(siege: BeginSiege, author: MakeAuthor) -> None:
    async def run() -> None:
        async with siege() as under:
            mallory = author(3)
            mallory.write(1)
            attacker = await ready_to_give(under, mallory)
            good = json.loads(texts(mallory)[0])
            odd = [
                good | {"sequence": number} for number in (0, -1, 1.5, 2**53, "1", None, [1], True)
            ]
            odd += [good | {"author": other} for other in ("", "@x.ed25519", 7, None, {}, "@" * 99)]
            odd += [{}, {"author": mallory.id}, {"sequence": 1}]
            await attacker.items(*(json.dumps(each).encode() for each in odd))
            deep = b'{"author":"%s","sequence":1,"content":' % mallory.id.encode()
            await attacker.items(deep + b"[" * 50_000 + b"]" * 50_000 + b"}")
            await attacker.items(deep + b'{"a":' * 50_000)
            await attacker.items(b'{"previous":NaN}', b'{"author":' * 1000)
            whoami = OpenCall(2, ("whoami",), b"[]", CallKind.ASYNC)
            await attacker.perform(whoami)
            assert await under.received(mallory.id) == 0
            attacker.hang_up()
            good_one = await (await under.befriend()).open_ebt()
            await good_one.offer(mallory.id, 1)
            await good_one.items(*texts(mallory))
            await under.has(mallory.id, 1)

    asyncio.run(run())


def test_gap_is_asked_for_and_not_blamed(siege: BeginSiege, author: MakeAuthor) -> None:
    async def run() -> None:
        async with siege() as under:
            alice = author(4)
            alice.write(20)
            attacker = await ready_to_give(under, alice)
            await attacker.items(*texts(alice)[10:])
            await attacker.until(lambda: [n for n in attacker.heard() if n.get(alice.id) == 0][1:])
            assert (await under.peer(attacker))["faults"] == 0
            assert await under.received(alice.id) == 0
            await attacker.items(*texts(alice))
            await under.has(alice.id, 20)

    asyncio.run(run())


def test_messages_out_of_order_and_many_times(siege: BeginSiege, author: MakeAuthor) -> None:
    async def run() -> None:
        async with siege() as under:
            alice = author(5)
            alice.write(50)
            attacker = await ready_to_give(under, alice)
            forth = texts(alice)
            await attacker.items(*forth[::-1], *forth, *forth, *forth[::-1])
            await under.has(alice.id, 50)
            assert (await under.peer(attacker))["faults"] == 0
            for _ in range(40):
                await attacker.items(*forth)
            await attacker.perform(OpenCall(2, ("whoami",), b"[]", CallKind.ASYNC))
            assert (await under.peer(attacker))["messages_received"] <= 200

    asyncio.run(run())


def test_fork_is_proved_kept_and_not_extended(siege: BeginSiege, author: MakeAuthor) -> None:
    async def run() -> None:
        async with siege() as under:
            alice = author(6)
            alice.write(5)
            other = alice.on_another_machine(3)
            other.write(3, {"type": "post", "text": "the other half"})
            attacker = await ready_to_give(under, alice)
            await attacker.items(*texts(alice))
            await under.has(alice.id, 5)
            await attacker.items(*texts(other)[3:])

            async def is_proved() -> bool:
                return alice.id in (await under.status())["forkedFeeds"]

            await under.until(is_proved)
            alice.write(1)
            late = await (await under.befriend()).open_ebt()
            await late.items(json.dumps({alice.id: 12}).encode(), texts(alice)[5])
            await under.exchange(2)
            assert await under.received(alice.id) == 5
            assert not attacker.is_cut, "whoever brings a fork is not blamed"

    asyncio.run(run())


def test_messages_of_feeds_that_nobody_follows(siege: BeginSiege, author: MakeAuthor) -> None:
    async def run() -> None:
        async with siege() as under:
            stranger = author(7)
            stranger.write(300)
            attacker = await (await under.befriend()).open_ebt()
            feeds = (await under.status())["feeds"]
            await attacker.items(json.dumps({stranger.id: 600}).encode())
            for _ in range(10):
                await attacker.items(*texts(stranger))

            async def is_ignored() -> bool:
                return (await under.peer(attacker))["messages_ignored"] == 3000

            await under.until(is_ignored)
            assert (await under.status())["feeds"] == feeds

    asyncio.run(run())


def test_flood_of_long_messages_waits_for_the_store(siege: BeginSiege, author: MakeAuthor) -> None:
    async def run() -> None:
        async with siege() as under:
            alice = author(8)
            alice.write(3000, {"type": "post", "text": "x" * 7500})
            attacker = await ready_to_give(under, alice)
            sending = asyncio.create_task(attacker.items(*texts(alice)))
            await under.exchange(3)
            await sending
            await under.has(alice.id, 3000)

    asyncio.run(run())
