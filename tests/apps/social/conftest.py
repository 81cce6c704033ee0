"""A small village: made-up people who write messages, and a peer that has received them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.apps import all_apps
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import Identity, generate_identity
from lichen.feed.message import FeedId, FeedState, Message, MsgId
from lichen.node.client import Client, open_client
from lichen.node.home import Home, Settings

FORMAT = ClassicFormat()


class Person:
    """Somebody else, with a feed of their own."""

    def __init__(self, number: int) -> None:
        self.identity: Identity = generate_identity(bytes([number]) * 32)
        self.messages: list[Message] = []

    @property
    def id(self) -> FeedId:
        return self.identity.id

    def write(self, **content: Any) -> MsgId:
        last = self.messages[-1] if self.messages else None
        state = None if last is None else FeedState(last.sequence, last.key)
        message = FORMAT.create(
            msgspec.json.encode(content), self.identity, state, 1000.0 + len(self.messages)
        )
        self.messages.append(message)
        return message.key


class Village:
    """A peer on a data directory of its own, without a network."""

    def __init__(self, directory: Path) -> None:
        self.home = Home(directory / "home")
        self._file = directory / "messages.jsonl"
        self.client: Client

    async def call(self, name: str, *args: Any) -> Any:
        return await self.client.call(name, *args)

    async def items(self, name: str, *args: Any) -> list[Any]:
        return [item async for item in self.client.source(name, *args)]

    async def receive(self, *messages: Message) -> None:
        self._file.write_bytes(b"\n".join(message.data for message in messages))
        (*_, last) = await self.items("lichen.importFile", {"path": str(self._file)})
        assert last["refused"] == 0, last

    async def own_count(self) -> int:
        status = await self.call("status")
        count: int = status["ownSequence"]
        return count

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Village"]:
        async with open_client(self.home, Settings(), all_apps()) as client:
            self.client = client
            yield self


Scene = Callable[[Village], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scene], None]:
    """Return what plays a scene in a fresh village."""

    async def play(scene: Scene) -> None:
        async with Village(tmp_path).opened() as village:
            await scene(village)

    return lambda scene: asyncio.run(play(scene))


@pytest.fixture
def anna() -> Person:
    return Person(1)


@pytest.fixture
def bert() -> Person:
    return Person(2)
