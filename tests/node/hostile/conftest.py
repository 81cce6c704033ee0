"""A running peer under attack, and an honest one that goes on talking with it.

The peer that is attacked is a process of its own. Every test ends with the same questions: does it
live, has it nothing to complain about, did its memory stay, and does the honest peer still hear
what it writes, and it what the honest peer writes?
"""

import asyncio
import contextlib
import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest

from lichen.apps import all_apps
from lichen.feed.identity import Identity, generate_identity
from lichen.node.client import OfflineClient, open_client
from lichen.node.home import Settings, network_key_default
from lichen.wire.connection import Connection
from lichen.wire.errors import RemoteProtocolError
from lichen.wire.events import (
    BodyType,
    CallKind,
    Identified,
    ItemsReceived,
    OpenCall,
    Ready,
    SendItems,
    WireEvent,
)

GROWTH_BYTES_MAX = 32 << 20
WAIT_S_MAX = 30.0
READ_BYTES = 1 << 18
EBT = OpenCall(1, ("ebt", "replicate"), b'[{"version":3,"format":"classic"}]', CallKind.DUPLEX)

seeds = random.Random(os.urandom(8))


class Attacker:
    """A scripted peer: it can speak correctly, and stop doing so at any point."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        server: str,
        identity: Identity,
        network_key: bytes,
    ) -> None:
        self.identity = identity
        self.reader = reader
        self.writer = writer
        self.is_cut = False
        self.events: list[WireEvent] = []
        self.connection = Connection(
            identity=identity,
            network_key=network_key,
            ephemeral_seed=seeds.randbytes(32),
            remote=server,
            calls_max=1000,
        )

    async def shake_hands(self) -> "Attacker":
        """Say correctly who we are."""
        while not self.connection.is_ready:
            await self.write(self.connection.data_to_send())
            await self.receive()
            assert not self.is_cut, "turned away"
        assert {Identified, Ready} <= {type(event) for event in self.events}
        return self

    async def write(self, data: bytes) -> None:
        """Send any bytes."""
        try:
            self.writer.write(data)
            await asyncio.wait_for(self.writer.drain(), WAIT_S_MAX)
        except ConnectionError:
            self.is_cut = True

    async def perform(self, *commands: Any) -> None:
        """Do what the protocol allows."""
        for command in commands:
            self.connection.perform(command)
        await self.write(self.connection.data_to_send())

    async def send_plain(self, data: bytes) -> None:
        """Send any bytes in correct boxes."""
        boxer = self.connection._boxer
        assert boxer is not None
        await self.write(boxer.box(data))

    async def items(self, *items: bytes, call: int = 1) -> None:
        """Send items on a stream, as JSON."""
        await self.perform(SendItems(call, BodyType.JSON, items))

    async def receive(self) -> list[WireEvent]:
        """Read what has come."""
        try:
            data = await asyncio.wait_for(self.reader.read(READ_BYTES), WAIT_S_MAX)
        except ConnectionError:
            data = b""
        if not data:
            self.is_cut = True
            return []
        events: list[WireEvent] = []
        with contextlib.suppress(RemoteProtocolError):
            events = self.connection.receive_data(data)
        self.events += events
        return events

    async def until(self, is_so: Callable[[], Any]) -> Any:
        """Read until something is true."""
        async with asyncio.timeout(WAIT_S_MAX):
            while not (found := is_so()):
                assert not self.is_cut, "the connection has ended"
                await self.receive()
        return found

    async def until_cut(self) -> None:
        """Read until the other side has ended the connection."""
        async with asyncio.timeout(WAIT_S_MAX):
            while not self.is_cut:
                await self.receive()

    def heard(self, call: int = 1) -> list[Any]:
        """Return the JSON items of a stream."""
        return [
            json.loads(item)
            for event in self.events
            if isinstance(event, ItemsReceived) and event.call == call
            for item in event.items
        ]

    async def open_ebt(self) -> "Attacker":
        """Open ebt.replicate and wait for the first notes."""
        await self.perform(EBT)
        await self.until(self.heard)
        return self

    async def offer(self, feed: str, sequence: int) -> None:
        """Claim to have a feed that the victim wants, and wait until it is asked for."""
        await self.until(lambda: any(note >= 0 for note in self.notes(feed)))
        await self.items(json.dumps({feed: sequence * 2}).encode())
        await self.until(lambda: any(note % 2 == 0 for note in self.notes(feed)))

    def notes(self, feed: str) -> list[int]:
        """Return what the victim has noted of a feed."""
        clocks = [item for item in self.heard() if "author" not in item]
        return [clock[feed] for clock in clocks if feed in clock]

    def hang_up(self) -> None:
        """Go without a word."""
        self.writer.transport.abort()


class Siege:
    """One test's view of the attacked peer."""

    def __init__(self, victim: Any, calls: Any, honest: Any, until: Any) -> None:
        self.until = until
        self.victim = victim
        self.calls = calls
        self.honest = honest
        self.attackers: list[Attacker] = []
        self._reasons: Counter[str] = Counter()
        self._memory = psutil.Process(victim.popen.pid)
        self._calm_bytes = 0
        self.growth_bytes = 0

    async def attack(
        self, *, identity: Identity | None = None, network_key: bytes | None = None
    ) -> Attacker:
        """Connect a new attacker, without a word yet."""
        host, port = self.victim.address.removeprefix("net:").split("~")[0].split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=READ_BYTES)
        attacker = Attacker(
            reader,
            writer,
            self.victim.id,
            identity or generate_identity(seeds.randbytes(32)),
            network_key or network_key_default(),
        )
        self.attackers.append(attacker)
        return attacker

    async def befriend(self) -> Attacker:
        """Connect an attacker that has shaken hands."""
        return await (await self.attack()).shake_hands()

    async def follow(self, feed: str) -> None:
        """Let the victim want a feed."""
        await self.calls.call("publish", {"type": "contact", "contact": feed, "following": True})

    async def received(self, feed: str) -> int:
        """Return how much the victim has of a feed."""
        options = {"id": feed, "reverse": True, "limit": 1}
        async for message in self.calls.source("createUserStream", options):
            return int(message["value"]["sequence"])
        return 0

    async def has(self, feed: str, sequence: int) -> None:
        """Wait until the victim has a message."""

        async def has_it() -> bool:
            return await self.received(feed) >= sequence

        await self.until(has_it)

    async def status(self) -> Any:
        return await self.calls.call("status")

    async def peer(self, attacker: Attacker) -> Any:
        """Return what the victim says of an attacker."""
        peers = await self.calls.call("conn.peers")
        return next((each for each in peers if each["peer"] == attacker.identity.id), None)

    async def reasons(self) -> Counter[str]:
        """Return for which reasons connections have ended since the siege began."""
        now = Counter((await self.status())["network"]["close_reasons"])
        return now - self._reasons

    async def counted(self, reason: str, count: int = 1) -> None:
        """Wait until a reason was counted."""

        async def is_counted() -> bool:
            return (await self.reasons())[reason] >= count

        try:
            await self.until(is_counted)
        except AssertionError:
            raise AssertionError(f"{reason} is not among {await self.reasons()}") from None

    async def exchange(self, count: int = 1) -> None:
        """Let both honest sides write, and hear each other."""
        own, other = self.honest.keyring.id, self.victim.id
        for _ in range(count):
            made = await self.calls.call("publish", {"type": "post", "text": "from inside"})
            (message,) = await self.honest.publish([{"type": "post", "text": "from outside"}])
            written = made["value"]["sequence"]
            await self.until(lambda last=written: self.honest.store.log.received(other) >= last)
            await self.has(own, message.sequence)

    async def begin(self) -> None:
        """Make friends, and note how things are."""
        await self.follow(self.honest.keyring.id)
        contact = {"type": "contact", "contact": self.victim.id, "following": True}
        await self.honest.publish([contact])
        await OfflineClient(self.honest).call("conn.connect", self.victim.address)
        await self.exchange()
        self._reasons = Counter((await self.status())["network"]["close_reasons"])
        self._calm_bytes = self._memory.memory_info().rss

    async def watch(self) -> None:
        """Look at the victim's memory all the time, and keep the honest peers talking."""
        while True:
            self.growth_bytes = max(
                self.growth_bytes, self._memory.memory_info().rss - self._calm_bytes
            )
            await asyncio.sleep(0.02)

    async def end(self) -> None:
        """Ask what every test asks."""
        await self.exchange(3)
        status = await self.status()
        honest = self.honest.keyring.id
        assert honest in {each["peer"] for each in status["network"]["peers"]}
        assert len(self.honest.shell.brain.snapshot().close_reasons) == 0
        assert self.victim.popen.poll() is None
        assert self.victim.err.read_text() == ""
        assert self.growth_bytes <= GROWTH_BYTES_MAX, f"{self.growth_bytes / 2**20:.1f} MiB"


@pytest.fixture(scope="session")
def archive(author: Callable[[int], Any]) -> Any:
    """Return somebody who has written much: 22 MB."""
    archive = author(999_999)
    archive.write(3000, {"type": "post", "text": "x" * 7000})
    return archive


@pytest.fixture(scope="session")
def victim(
    process: Callable[..., Any], archive: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Start the peer that is attacked, once for all tests. It has much to give: the archive.

    So its caches are full, and what grows from here on is what attackers make it hold.
    """
    folder = tmp_path_factory.mktemp("victim")
    file = folder / "archive.jsonl"
    file.write_bytes(b"".join(message.data + b"\n" for message in archive.messages))
    running = process(folder / "peer").wait_started()

    async def fill() -> None:
        async with open_client(running.home, Settings(), all_apps()) as calls:
            follow = {"type": "contact", "contact": archive.id, "following": True}
            await calls.call("publish", follow)
            async for told in calls.source("lichen.importFile", {"path": str(file)}):
                if told["done"]:
                    assert told["accepted"] == len(archive.messages)

    asyncio.run(fill())
    yield running
    running.end()


@pytest.fixture
def siege(
    victim: Any, open_peer: Callable[..., Any], until: Callable[..., Any]
) -> Callable[..., Any]:
    """Begin an attack; when it is over, see what is left."""

    @asynccontextmanager
    async def begin() -> AsyncIterator[Siege]:
        async with (
            open_peer("honest", hops=1) as honest,
            open_client(victim.home, Settings(), all_apps()) as calls,
        ):
            assert calls.is_live
            siege = Siege(victim, calls, honest, until)
            await siege.begin()
            watching = asyncio.create_task(siege.watch())
            try:
                yield siege
                await siege.end()
            finally:
                watching.cancel()
                for attacker in siege.attackers:
                    attacker.hang_up()
                await asyncio.sleep(0)
        await asyncio.sleep(0)

    return begin
