"""Garbage, silence and lies before anything was agreed; and one key on many connections."""

import asyncio
import os
from collections.abc import Callable
from typing import Any

from lichen.node import limits

BeginSiege = Callable[..., Any]
CHALLENGE_BYTES, HELLO_BYTES = 64, 112


def test_garbage_at_each_step(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.attack()
            await attacker.write(os.urandom(CHALLENGE_BYTES))
            await attacker.until_cut()
            await under.counted("handshake-challenge")

            attacker = await under.attack()
            await attacker.write(attacker.connection.data_to_send())
            await attacker.reader.readexactly(CHALLENGE_BYTES)
            await attacker.write(os.urandom(HELLO_BYTES))
            await attacker.until_cut()
            await under.counted("handshake-hello")

            attacker = await under.befriend()
            await attacker.write(os.urandom(4096))
            await attacker.until_cut()
            await under.counted("box-tampered")

    asyncio.run(run())


def test_hanging_up_at_each_step(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            for cut in (0, 1, 63):
                attacker = await under.attack()
                await attacker.write(attacker.connection.data_to_send()[:cut])
                attacker.writer.write_eof()
                await attacker.until_cut()
            await under.counted("handshake-unanswered", 3)
            for cut in (0, 1, 111):
                attacker = await under.attack()
                await attacker.write(attacker.connection.data_to_send())
                await attacker.reader.readexactly(CHALLENGE_BYTES)
                await attacker.write(os.urandom(cut))
                attacker.writer.write_eof()
                await attacker.until_cut()
            await under.counted("handshake-no-hello", 3)

    asyncio.run(run())


def test_wrong_network_key_is_told_nothing(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.attack(network_key=b"w" * 32)
            await attacker.write(attacker.connection.data_to_send())
            assert await attacker.reader.read() == b""
            await under.counted("handshake-challenge")

    asyncio.run(run())


def test_points_of_low_order_are_refused(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.attack()
            handshake = attacker.connection._handshake
            handshake._ephemeral_public = bytes(32)
            await attacker.write(handshake._challenge())
            await attacker.until_cut()
            await under.counted("handshake-low-order")

    asyncio.run(run())


def test_a_thousand_half_open_handshakes_do_not_keep_honest_peers_out(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            held = 0
            for _ in range(20):
                attackers = await asyncio.gather(*(under.attack() for _ in range(50)))
                for attacker in attackers:
                    await attacker.write(attacker.connection.data_to_send()[: held % 64])
                    held += 1
                newcomer = await under.befriend()
                assert await under.peer(newcomer) is not None
                newcomer.hang_up()
            assert held == 1000
            await under.counted("too-many-handshakes", 1000 - 2 * limits.HANDSHAKES_MAX)

    asyncio.run(run())


def test_second_connection_with_the_same_key_takes_the_place_of_the_first(
    siege: BeginSiege,
) -> None:
    async def run() -> None:
        async with siege() as under:
            first = await under.befriend()
            previous = first
            for _ in range(20):
                following = await under.attack(identity=first.identity)
                await following.shake_hands()
                await previous.until_cut()
                previous = following
            await under.counted("replaced", 20)
            peers = await under.calls.call("conn.peers")
            assert [each["peer"] for each in peers].count(first.identity.id) == 1
            await previous.open_ebt()

    asyncio.run(run())


def test_strangers_that_never_say_a_word(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            silent = await asyncio.gather(*(under.befriend() for _ in range(40)))
            peers = {each["peer"] for each in await under.calls.call("conn.peers")}
            assert {attacker.identity.id for attacker in silent} <= peers
            await under.exchange(3)

    asyncio.run(run())
