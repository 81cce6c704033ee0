"""A small village: made-up people who write messages, and a peer that has received them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lichen.apps import all_apps
from lichen.apps.social import content
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import Identity, generate_identity
from lichen.feed.message import FeedId, FeedState, Message, MsgId, RawMessage
from lichen.node.client import Client, open_client
from lichen.node.home import Home, Settings
from lichen.store.store import Binding, Store
from lichen.store.views import base_views

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
            json.dumps(content).encode(), self.identity, state, 1000.0 + len(self.messages)
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


class Desk:
    """A store with the views of the social app, and the person who reads there."""

    def __init__(self, store: Store, me: Person) -> None:
        self.store = store
        self.me = me
        self._given: dict[FeedId, int] = {}

    @property
    def id(self) -> FeedId:
        return self.me.id

    def receive(self, *people: Person, one_by_one: bool = False) -> None:
        """Receive what people wrote since the last time."""
        fresh = [
            RawMessage(message.author, message.sequence, message.data)
            for person in people
            for message in person.messages[self._given.get(person.id, 0) :]
        ]
        for person in people:
            self._given[person.id] = len(person.messages)
        for batch in [[raw] for raw in fresh] if one_by_one else [fresh]:
            result = self.store.ingest(batch).result(30)
            assert not result.rejected, result
        self.store.wait_folded().result(60)

    def relate(self, verb: str, *people: Person) -> None:
        """Follow, unfollow or block people."""
        encode = {
            "follow": content.encode_follow,
            "unfollow": content.encode_unfollow,
            "block": content.encode_block,
        }[verb]
        for person in people:
            self.me.write(**encode(person.id))
        self.receive(self.me)

    def number(self, key: MsgId) -> int:
        stored = self.store.log.get(key)
        assert stored is not None
        return stored.received_no


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    views = [*base_views(), *(view for app in all_apps() for view in app.views)]
    store = Store.open(
        tmp_path / "desk",
        binding=Binding(b"n" * 32),
        formats={"classic": FORMAT},
        views=views,
        signature_threads=1,
    )
    yield Desk(store, Person(9))
    store.close()


@pytest.fixture
def carl() -> Person:
    return Person(3)
