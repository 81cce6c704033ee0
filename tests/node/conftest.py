"""Peers that really run: on a directory of their own, listening on 127.0.0.1 only."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lichen.apps import all_apps
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import Identity, generate_identity
from lichen.feed.message import FeedState, Message, RawMessage
from lichen.node.client import OfflineClient, SocketClient, open_client
from lichen.node.home import Home, Settings, make_private_directory, write_secret
from lichen.node.service import Service

WAIT_S_MAX = 30.0
"""Nothing here takes long; what takes longer than this does not come at all."""

OpenPeer = Callable[..., AbstractAsyncContextManager[Service]]
OpenClient = Callable[..., AbstractAsyncContextManager[SocketClient | OfflineClient]]


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Put back the umask that a service sets for its process."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    """Wait, without blocking the loop, until something is true, and return that."""

    async def wait(is_so: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + WAIT_S_MAX
        while True:
            found = is_so()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            assert time.monotonic() < deadline, f"in vain: {is_so}"
            await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def open_peer(tmp_path: Path) -> OpenPeer:
    """Run a peer in this process, by name: the directory of that name is its own."""

    @asynccontextmanager
    async def open_it(
        name: str = "peer",
        *,
        identity: Identity | None = None,
        listens: bool = True,
        **settings: Any,
    ) -> AsyncIterator[Service]:
        home = Home(tmp_path / name)
        if identity is not None and not home.secret.exists():
            make_private_directory(home.directory)
            write_secret(home, identity)
        service = Service(home, Settings(port=0, host="127.0.0.1", **settings), all_apps())
        await service.open(is_online=listens)
        try:
            if listens:
                await service.listen()
            yield service
        finally:
            await service.close()

    return open_it


@pytest.fixture
def open_calls(tmp_path: Path) -> OpenClient:
    """Open a client of the directory of a name, as local programs do."""

    @asynccontextmanager
    async def open_it(name: str = "peer") -> AsyncIterator[Any]:
        home = Home(tmp_path / name)
        async with open_client(home, Settings(), all_apps()) as client:
            yield client

    return open_it


@pytest.fixture(scope="session")
def link_up() -> Callable[..., Any]:
    """Let one peer dial another, and return once both know."""

    async def connect(one: Service, other: Service) -> None:
        client = OfflineClient(one)
        assert other.doors is not None
        await client.call("conn.connect", other.doors.addresses()[0])
        for _ in range(500):
            if {one.keyring.id} <= {peer.peer for peer in other.shell.brain.snapshot().peers}:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the other peer has not noticed")

    return connect


class Author:
    """Somebody with a key who writes messages, also wrong ones."""

    def __init__(self, seed: int) -> None:
        self.identity = generate_identity(seed.to_bytes(32, "big"))
        self.id = self.identity.id
        self.messages: list[Message] = []

    def write(self, count: int, content: dict[str, Any] | None = None) -> list[RawMessage]:
        """Write further messages of the feed."""
        first = len(self.messages)
        for number in range(first, first + count):
            body = content or {"type": "post", "text": f"message {number + 1}"}
            last = self.messages[-1] if self.messages else None
            state = None if last is None else FeedState(last.sequence, last.key)
            data = json.dumps(body).encode()
            message = ClassicFormat().create(data, self.identity, state, 1.6e12 + number)
            self.messages.append(message)
        return [RawMessage(each.author, each.sequence, each.data) for each in self.messages[first:]]

    def on_another_machine(self, sequence: int) -> "Author":
        """Return the same key where nothing after ``sequence`` is known."""
        other = Author(0)
        other.identity, other.id = self.identity, self.id
        other.messages = self.messages[:sequence]
        return other


@pytest.fixture(scope="session")
def author() -> Callable[[int], Author]:
    """Make somebody from a number."""
    return Author


class Process:
    """A peer as a process of its own, as a person starts it."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.home = Home(directory)
        self.out = directory.with_name(f"{directory.name}.out")
        self.err = directory.with_name(f"{directory.name}.err")
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "lichen", "start", "--home", str(directory), "--json",
                 "--port", "0", "--host", "127.0.0.1", "--no-lan", *arguments],
                stdout=out, stderr=err,
            )  # fmt: skip
        self.started: dict[str, Any] = {}

    def wait_started(self) -> "Process":
        """Wait for the line that says where it can be reached."""
        deadline = time.monotonic() + WAIT_S_MAX
        while b"\n" not in (told := self.out.read_bytes()):
            assert self.popen.poll() is None, self.err.read_text()
            assert time.monotonic() < deadline, "it does not start"
            time.sleep(0.01)
        self.started = json.loads(told.splitlines()[0])
        return self

    @property
    def id(self) -> str:
        return str(self.started["id"])

    @property
    def address(self) -> str:
        return str(self.started["addresses"][0])

    def end(self) -> None:
        """End it by force, if it has not ended."""
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait(WAIT_S_MAX)


@pytest.fixture(scope="session")
def process() -> type[Process]:
    return Process


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start peers as processes; they are killed in the end."""
    started: list[Process] = []

    def start_it(name: str = "peer", *arguments: str) -> Process:
        started.append(Process(tmp_path / name, *arguments))
        return started[-1].wait_started()

    yield start_it
    for each in started:
        each.end()
