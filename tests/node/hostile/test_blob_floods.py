"""Peers that ask for pictures and do not read, want without end, or send more than there is."""

import asyncio
import json
import os
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lichen.wire.events import (
    BodyType,
    CallEnded,
    CallKind,
    CallReceived,
    EndCall,
    OpenCall,
    SendItems,
)

BeginSiege = Callable[..., Any]
WANTS = ("blobs", "createWants")


def made_up_ids(count: int) -> list[str]:
    return [f"&{b64encode(os.urandom(32)).decode()}.sha256" for _ in range(count)]


async def call_of_victim(attacker: Any, name: tuple[str, ...]) -> int:
    """Return the number of the victim's call of this name."""

    def find() -> int:
        calls = [e for e in attacker.events if isinstance(e, CallReceived) and e.name == name]
        return calls[-1].call if calls else 0

    return int(await attacker.until(find))


async def add(under: Any, tmp_path: Path, data: bytes) -> str:
    file = tmp_path / "picture"
    file.write_bytes(data)
    return str(await under.calls.call("blobs.addFile", {"path": str(file)}))


def temporary_files(under: Any) -> list[Path]:
    return list((under.victim.home.directory / "blobs" / "tmp").iterdir())


def test_pictures_asked_for_and_not_read(siege: BeginSiege, tmp_path: Path) -> None:
    async def run() -> None:
        async with siege() as under:
            blob = await add(under, tmp_path, os.urandom(5_000_000))
            attacker = await under.befriend()
            args = json.dumps([{"key": blob}]).encode()
            for call in range(1, 201):
                await attacker.perform(OpenCall(call, ("blobs", "get"), args, CallKind.SOURCE))
            await under.exchange(5)
            attacker.events.clear()
            await attacker.until(lambda: CallEnded in map(type, attacker.events))
            errors = [e.error for e in attacker.events if isinstance(e, CallEnded)]
            assert "too many blobs at once" in errors, "strangers get less"

    asyncio.run(run())


def test_wants_without_end_come_to_nothing(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.befriend()
            wanted = (await under.status())["network"]["blobs_wanted"]
            await attacker.perform(OpenCall(1, WANTS, b"[]", CallKind.SOURCE))
            call = await call_of_victim(attacker, WANTS)
            for _ in range(20):
                wants = json.dumps(dict.fromkeys(made_up_ids(10_000), -1)).encode()
                await attacker.items(wants, call=call)
            await under.exchange(2)
            assert (await under.status())["network"]["blobs_wanted"] == wanted
            await attacker.until(attacker.heard)
            assert len(attacker.heard()) == 1, "nothing was passed on"

    asyncio.run(run())


def test_more_bytes_than_were_said_are_cut_off(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.befriend()
            faults = (await under.status())["network"]["blob_faults"]
            for count, blob in enumerate(made_up_ids(3), start=1):
                await under.calls.call("blobs.want", blob, {"nowait": True})
                call = await call_of_victim(attacker, WANTS)
                await attacker.items(json.dumps({blob: 4_000_000}).encode(), call=call)
                get = await call_of_victim(attacker, ("blobs", "get"))
                piece = SendItems(get, BodyType.BINARY, [os.urandom(1 << 16)] * 16)
                for _ in range(16):
                    await attacker.perform(piece)

                async def is_counted(expected: int = faults + count) -> bool:
                    return bool((await under.status())["network"]["blob_faults"] == expected)

                await under.until(is_counted)
                attacker.events = [e for e in attacker.events if getattr(e, "name", "") == WANTS]
            await under.until(lambda: not temporary_files(under))
            await under.exchange()

    asyncio.run(run())


def test_a_liar_leaves_nothing_on_disk_and_is_asked_no_more(siege: BeginSiege) -> None:
    async def run() -> None:
        async with siege() as under:
            attacker = await under.befriend()
            faults = (await under.status())["network"]["blob_faults"]
            call = await call_of_victim(attacker, WANTS)
            for blob in made_up_ids(6):
                await under.calls.call("blobs.want", blob, {"nowait": True})
                await attacker.items(json.dumps({blob: 5}).encode(), call=call)
            answered: set[int] = set()
            began = time.monotonic()
            while len(answered) < 3:
                assert time.monotonic() - began < 30
                await attacker.receive()
                gets = [
                    e.call
                    for e in attacker.events
                    if isinstance(e, CallReceived) and e.name == ("blobs", "get")
                ]
                for get in set(gets) - answered:
                    answered.add(get)
                    attacker.connection.perform(SendItems(get, BodyType.BINARY, [b"wrong"]))
                    await attacker.perform(EndCall(get))
            await under.exchange(2)
            status = await under.status()
            assert status["network"]["blob_faults"] == faults + 3
            assert status["network"]["blobs_fetching"] == 0
            assert temporary_files(under) == []

    asyncio.run(run())
