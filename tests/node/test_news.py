"""What a peer tells of itself: the hub's notices, and the doctor's findings."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lichen.feed.identity import generate_identity
from lichen.node import limits
from lichen.node.api import doctor as doctor_module
from lichen.node.hub import Hub
from lichen.store.errors import StoreReadFailed

OpenPeer = Callable[..., Any]
OpenCalls = Callable[..., Any]
MakeAuthor = Callable[[int], Any]
POST = {"type": "post", "text": "hello"}


def test_slow_listener_loses_the_oldest_and_slows_nobody() -> None:
    async def run() -> None:
        hub = Hub()
        listening = hub.notices()
        first = asyncio.create_task(anext(listening))
        await asyncio.sleep(0)
        count = limits.NOTICES_WAITING_MAX + 500
        for number in range(count):
            hub.tell("messages", count=number)
        heard = [(await first).count]
        while heard[-1] != count - 1:
            heard.append((await anext(listening)).count)
        assert heard == list(range(500, count))
        await listening.aclose()
        assert not hub.has_listeners
        hub.tell("messages", count=1)

    asyncio.run(run())


async def told() -> None:
    """Let the loop come to what was put behind the live streams."""
    await asyncio.sleep(0)


def test_every_listener_hears_for_itself() -> None:
    async def run() -> None:
        hub = Hub()
        called: list[int] = []
        hub.listen(lambda notice: called.append(notice.count))
        streams = [hub.notices(), hub.notices()]
        waiting = [asyncio.create_task(anext(stream)) for stream in streams]
        await asyncio.sleep(0)
        hub.tell("messages", count=7)
        hub.tell("messages", count=8)
        assert [(await task).count for task in waiting] == [7, 7]
        assert (await anext(streams[1])).count == 8
        await streams[1].aclose()
        assert (await anext(streams[0])).count == 8
        await streams[0].aclose()
        assert called == [7, 8]

    asyncio.run(run())


def test_a_flood_is_told_as_a_number_and_refusals_one_by_one(
    open_peer: OpenPeer, author: MakeAuthor
) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            heard: list[Any] = []
            peer.hub.listen(heard.append)
            await peer.publish([POST] * limits.NOTICES_PER_BATCH_MAX)
            await told()
            assert [notice.topic for notice in heard] == ["message"] * limits.NOTICES_PER_BATCH_MAX
            assert heard[0].text == "hello"
            heard.clear()
            await peer.publish([POST] * (limits.NOTICES_PER_BATCH_MAX + 1))
            await told()
            assert [(notice.topic, notice.count) for notice in heard] == [
                ("messages", limits.NOTICES_PER_BATCH_MAX + 1)
            ]
            heard.clear()
            alice = author(1)
            first, second = alice.write(2)
            other = alice.on_another_machine(1).write(1, {"type": "post", "text": "other"})
            for batch in ([first], [second], other):
                result = await asyncio.wrap_future(peer.store.ingest(batch))
                peer.shell.ingested(result, None)
            await told()
            assert [notice.topic for notice in heard] == ["message", "message", "fork"]
            assert heard[-1].feed == alice.id
            result = await asyncio.wrap_future(peer.store.ingest(alice.write(1)))
            peer.shell.ingested(result, None)
            await told()
            assert heard[-1].topic == "refused"
            assert heard[-1].detail

    asyncio.run(run())


@pytest.mark.usefixtures("paused_audit")
def test_a_message_is_told_with_whether_its_signature_is_checked(
    open_peer: OpenPeer, author: MakeAuthor
) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            heard: list[Any] = []
            peer.hub.listen(heard.append)
            future = peer.store.ingest(author(1).write(2, POST), verifies_all=False)
            peer.shell.ingested(await asyncio.wrap_future(future), None)
            await told()
            assert [(notice.sequence, notice.audited) for notice in heard] == [
                (1, False),
                (2, True),
            ]

    asyncio.run(run())


def test_private_text_is_not_told(open_peer: OpenPeer) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            heard: list[Any] = []
            peer.hub.listen(heard.append)
            await peer.publish(["c2VjcmV0Cg==.box"])
            await told()
            assert (heard[0].type, heard[0].text) == ("private", "")

    asyncio.run(run())


def test_a_log_that_cannot_be_read_is_told_and_does_no_more_harm(
    open_peer: OpenPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*place: object) -> list[object]:
        raise StoreReadFailed("the disk")

    async def run() -> None:
        async with open_peer() as peer:
            heard: list[Any] = []
            peer.hub.listen(heard.append)
            with monkeypatch.context() as patch:
                patch.setattr(type(peer.store.log), "run", fail)
                await peer.publish([POST])
                await told()
            assert [notice.topic for notice in heard] == ["store-failed"]
            await peer.publish([POST])
            await told()
            assert heard[-1].topic == "message"

    asyncio.run(run())


async def examine(calls: Any) -> dict[str, Any]:
    findings = await calls.call("lichen.doctor")
    for finding in findings:
        assert finding["words"]
        assert bool(finding["remedy"]) == (finding["verdict"] != "ok"), finding
    return {finding["check"]: finding for finding in findings}


def test_doctor_of_a_healthy_peer(open_peer: OpenPeer, open_calls: OpenCalls) -> None:
    async def run() -> None:
        async with open_peer() as peer, open_calls() as calls:
            await peer.publish([POST])
            await asyncio.wrap_future(peer.store.wait_folded())
            found = await examine(calls)
            bad = {name for name, each in found.items() if each["verdict"] != "ok"}
            assert bad <= {"network", "disk"}
            assert "Messages 1, feeds 1" in found["log"]["words"]
            secret = peer.home.secret.read_text()
            assert not any(each["words"] in secret for each in found.values())

    asyncio.run(run())


def test_doctor_names_a_remedy_for_each_fault(
    open_peer: OpenPeer, open_calls: OpenCalls, author: MakeAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with open_peer(identity=generate_identity(b"\1" * 32)) as peer, open_calls() as calls:
            peer.home.secret.chmod(0o644)
            alice = author(2)
            messages = alice.write(2)
            messages += alice.on_another_machine(1).write(1, {"type": "post", "text": "other"})
            await asyncio.wrap_future(peer.store.ingest(messages))
            free = doctor_module.shutil.disk_usage(peer.home.directory)._replace(free=1 << 20)
            monkeypatch.setattr(doctor_module.shutil, "disk_usage", lambda _path: free)
            monkeypatch.setattr(
                doctor_module.time, "gmtime", lambda: time.struct_time([1970] + [1] * 8)
            )
            found = await examine(calls)
            assert found["secret"]["verdict"] == "fail"
            assert found["secret"]["remedy"].startswith("chmod 600 ")
            for check in ("clock", "disk", "log", "publishing", "network"):
                assert found[check]["verdict"] == "warn", check
            assert alice.id in found["log"]["words"]

    asyncio.run(run())


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xa5" * 20_000)


def test_doctor_finds_a_damaged_log(open_peer: OpenPeer, open_calls: OpenCalls) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            await peer.publish([{"type": "post", "text": "x" * 4000}] * 300)
            await asyncio.wrap_future(peer.store.wait_folded())
            path = peer.home.directory / "log.db"
        damage(path)
        async with open_peer() as peer, open_calls() as calls:
            found = await examine(calls)
            assert found["log"]["verdict"] == "fail"

    asyncio.run(run())
