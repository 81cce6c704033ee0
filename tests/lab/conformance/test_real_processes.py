"""Eight real peers on loopback, and the same eight in the lab: as many messages, as many bytes.

Each peer is a process as a person starts it; only counting is added. They hold the same messages,
dial each other in the same order, and write as often as those in the lab.
"""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from lichen.apps import all_apps
from lichen.feed.canonical import JsonValue
from lichen.lab.world.formats import lab_identity
from lichen.lab.world.network import Steady
from lichen.lab.world.world import World
from lichen.node.client import open_client
from lichen.node.home import Home, Settings, make_private_directory, write_secret
from lichen.node.service import Service

PEERS = 8
LINKS = [(peer, (peer + 1) % PEERS) for peer in range(PEERS)] + [
    (peer, peer + 4) for peer in range(4)
]
OLD_MESSAGES = 40
LIVE_MESSAGES = 5
WAIT_S_MAX = 60.0
TOLERANCE = 0.15


def old_contents(number: int) -> list[JsonValue]:
    """Return what a peer has written before the start: whom it follows, and posts."""
    others = [lab_identity(other).id for other in range(PEERS) if other != number]
    follows: list[JsonValue] = [
        {"type": "contact", "contact": other, "following": True} for other in others
    ]
    posts: list[JsonValue] = [
        {"type": "post", "text": "x" * (17 * (number + place) % 400)}
        for place in range(OLD_MESSAGES)
    ]
    return follows + posts


def live_content(number: int, place: int) -> dict[str, JsonValue]:
    return {"type": "post", "text": f"{number} writes {place}"}


HELD = len(old_contents(0)) + LIVE_MESSAGES


class Process:
    """A peer as a process."""

    def __init__(self, folder: Path, number: int) -> None:
        self.home = Home(folder / f"p{number}")
        self.counts = folder / f"p{number}.counts"
        self._out = folder / f"p{number}.out"
        with self._out.open("wb") as out, (folder / f"p{number}.err").open("wb") as err:
            self.popen = subprocess.Popen(
                [
                    *(sys.executable, str(Path(__file__).with_name("counted_peer.py"))),
                    *(str(self.counts), "start", "--home", str(self.home.directory), "--json"),
                    *("--host", "127.0.0.1", "--port", "0", "--no-lan", "--no-web"),
                ],
                stdout=out,
                stderr=err,
            )

    def address(self) -> str:
        """Wait for the line that says where it can be reached."""
        deadline = time.monotonic() + WAIT_S_MAX
        while b"\n" not in (told := self._out.read_bytes()):
            assert self.popen.poll() is None, self._out.with_suffix(".err").read_text()
            assert time.monotonic() < deadline, "it does not start"
            time.sleep(0.02)
        return str(json.loads(told.splitlines()[0])["addresses"][0])

    def end(self) -> Counter[str]:
        self.popen.send_signal(signal.SIGTERM)
        self.popen.wait(WAIT_S_MAX)
        return Counter(json.loads(self.counts.read_text()))


async def make_home(home: Home, number: int) -> None:
    make_private_directory(home.directory)
    write_secret(home, lab_identity(number, is_sealed=False))
    service = Service(home, Settings(), all_apps())
    await service.open()
    service.shell.lift_guard()
    await service.publish(old_contents(number))
    await service.close()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Callable[[], list[Process]]]:
    started: list[Process] = []

    def start() -> list[Process]:
        started.extend(Process(tmp_path, number) for number in range(PEERS))
        return started

    yield start
    for each in started:
        if each.popen.poll() is None:
            each.popen.kill()
            each.popen.wait(WAIT_S_MAX)


async def exchange(peers: list[Process]) -> None:
    """Connect the peers, wait until all have all, let them write, and wait again."""
    addresses = [peer.address() for peer in peers]
    async with AsyncExitStack() as stack:
        calls: list[Any] = [
            await stack.enter_async_context(open_client(peer.home, Settings(), all_apps()))
            for peer in peers
        ]
        assert all(call.is_live for call in calls)
        for client, server in LINKS:
            await calls[client].call("conn.connect", addresses[server])
        await until_all_hold(calls, HELD - LIVE_MESSAGES)
        for place in range(LIVE_MESSAGES):
            for number, call in enumerate(calls):
                await call.call("publish", live_content(number, place))
            await until_all_hold(calls, HELD - LIVE_MESSAGES + place + 1)
        await asyncio.sleep(1.0)


async def until_all_hold(calls: list[Any], count: int) -> None:
    async with asyncio.timeout(WAIT_S_MAX):
        for call in calls:
            # Nothing tells a program that a log has grown to a length.
            while (await call.call("status"))["messages"] < PEERS * count:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


def live_in_the_lab() -> Counter[str]:
    world = World(1, latency=Steady(0.0005))
    world.ingest_s = (0.001, 0.01)
    peers = [world.add_peer() for _ in range(PEERS)]
    for peer in peers:
        for content in old_contents(peer.number):
            assert isinstance(content, dict)
            peer.publish(dict(content))
    for number, (client, server) in enumerate(LINKS):
        world.run(1 + number * 0.01)
        world.connect(peers[client], peers[server])
    world.run(10)
    for place in range(LIVE_MESSAGES):
        for peer in peers:
            peer.publish(dict(live_content(peer.number, place)))
            world.run(world.now + 0.005)
        world.run(world.now + 0.5)
    world.run(world.now + 2)
    assert all(peer.has(other) == HELD for peer in peers for other in peers)
    return Counter(messages=world.message_count, notes=world.note_count, bytes=world.byte_count)


def test_eight_processes_and_eight_peers_in_the_lab_send_the_same(
    processes: Callable[[], list[Process]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def prepare() -> None:
        for number in range(PEERS):
            await make_home(Home(tmp_path / f"p{number}"), number)

    asyncio.run(prepare())
    peers = processes()
    asyncio.run(exchange(peers))
    real: Counter[str] = Counter()
    for peer in peers:
        real.update(peer.end())
    lab = live_in_the_lab()
    with capsys.disabled():
        for name in real:
            share = lab[name] / real[name] - 1
            print(f"\n  {name}: {real[name]} real, {lab[name]} in the lab ({share:+.1%})", end="")
    needed = PEERS * (PEERS - 1) * HELD
    assert real["messages"] >= needed
    for name in ("messages", "bytes"):
        assert lab[name] == pytest.approx(real[name], rel=TOLERANCE), name
