"""Calling a peer from a program on the same machine.

``open_client`` talks to the running peer over its local socket. When none runs it opens the data
directory itself, without any network, and offers the same methods.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Protocol

import orjson

from lichen.feed.canonical import JsonValue, encode_compact, parse_json
from lichen.feed.message import FeedId
from lichen.node import limits
from lichen.node.app import App, Binary, Call, Encoded
from lichen.node.errors import ApiError, parse_error, stopped_fault, store_fault
from lichen.node.home import Home, Settings
from lichen.node.net.links import Link
from lichen.node.service import Service
from lichen.store.errors import StoreError
from lichen.wire.connection import Connection
from lichen.wire.events import (
    AnswerReceived,
    BodyType,
    CallEnded,
    CallKind,
    EndCall,
    ItemsReceived,
    MuxrpcEvent,
    OpenCall,
)
from lichen.words import N_


class Client(Protocol):
    """A peer's methods, by dotted name."""

    is_live: bool
    """Whether a running peer answers; False: the data directory was opened for this program."""

    async def call(self, name: str, *args: JsonValue) -> JsonValue:
        """Call an async method. Raises ApiError."""
        ...

    def source(self, name: str, *args: JsonValue) -> AsyncIterator[JsonValue]:
        """Call a source method and yield its items. Raises ApiError."""
        ...

    def binary(self, name: str, *args: JsonValue) -> AsyncIterator[bytes]:
        """Call a source method whose items are bytes. Raises ApiError."""
        ...


class SocketClient:
    """A client of a running peer (a ``LinkOwner``)."""

    is_live = True

    def __init__(self) -> None:
        self.link = Link(self, Connection.plain(), is_client=True)
        self._call_last = 0
        self._asking = 0
        self._waiting: dict[int, asyncio.Queue[MuxrpcEvent]] = {}

    def identified(self, link: Link, peer: FeedId) -> bool:
        """Not asked: a plain link has no handshake."""
        return True

    def ready(self, link: Link) -> None:
        """Nothing to prepare."""

    def drained(self, link: Link) -> None:
        """Nothing waits: calls are small."""

    def lost(self, link: Link, reason: str) -> None:
        """Fail every open call."""
        fault = stopped_fault()
        for call, queue in self._waiting.items():
            queue.put_nowait(CallEnded(call, fault.words, fault.slug, fault.details))

    def received(self, link: Link, event: MuxrpcEvent) -> None:
        """Hand an event to the call it belongs to; stop reading when that one lags.

        While an answer is waited for, reading goes on: it may be the reader of the lagging stream
        who waits.
        """
        queue = self._waiting.get(event.call)
        if queue is None:
            return
        if isinstance(event, ItemsReceived):
            for item in event.items:
                queue.put_nowait(ItemsReceived(event.call, event.body_type, [item]))
        else:
            queue.put_nowait(event)
        if queue.qsize() > limits.LOCAL_STREAM_ITEMS and not self._asking:
            link.pause_reading()

    async def call(self, name: str, *args: JsonValue) -> JsonValue:
        """Call an async method. Raises ApiError."""
        self._asking += 1
        self.link.resume_reading()
        try:
            async with aclosing(self._open(name, CallKind.ASYNC, args)) as answers:
                async for value in answers:
                    return value
        finally:
            self._asking -= 1
        return None

    def source(self, name: str, *args: JsonValue) -> AsyncIterator[JsonValue]:
        """Call a source method and yield its items. Raises ApiError."""
        return self._open(name, CallKind.SOURCE, args)

    async def binary(self, name: str, *args: JsonValue) -> AsyncIterator[bytes]:
        """Call a source method whose items are bytes. Raises ApiError."""
        async with aclosing(self._events(name, CallKind.SOURCE, args)) as events:
            async for event in events:
                if isinstance(event, ItemsReceived):
                    for item in event.items:
                        yield item
                else:
                    _values(event)

    async def _open(
        self, name: str, kind: CallKind, args: Sequence[JsonValue]
    ) -> AsyncGenerator[JsonValue, None]:
        async with aclosing(self._events(name, kind, args)) as events:
            async for event in events:
                for value in _values(event):
                    yield value

    async def _events(
        self, name: str, kind: CallKind, args: Sequence[JsonValue]
    ) -> AsyncGenerator[MuxrpcEvent, None]:
        if not self.link.is_open:
            raise stopped_fault()
        self._call_last += 1
        call = self._call_last
        queue: asyncio.Queue[MuxrpcEvent] = asyncio.Queue()
        self._waiting[call] = queue
        is_over = False
        try:
            text = encode_compact(list(args)).encode("utf-8", "replace")
            self.link.perform(OpenCall(call, tuple(name.split(".")), text, kind))
            self.link.flush()
            while not is_over:
                event = await queue.get()
                is_over = not isinstance(event, ItemsReceived)
                yield event
                if queue.empty():
                    self.link.resume_reading()
        finally:
            del self._waiting[call]
            if not is_over:
                self.link.perform(EndCall(call))
                self.link.flush()


def _values(event: MuxrpcEvent) -> list[JsonValue]:
    if isinstance(event, ItemsReceived):
        return [_decode(item, event.body_type) for item in event.items]
    if isinstance(event, AnswerReceived):
        return [_decode(event.body, event.body_type)]
    if isinstance(event, CallEnded) and event.error is not None:
        raise parse_error(event.error_name, event.error, event.error_details)
    return []


def _decode(body: bytes, kind: BodyType) -> JsonValue:
    if kind is not BodyType.JSON:
        return body.decode("utf-8", "replace")
    try:
        value: JsonValue = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = parse_json(body)
    return value


class OfflineClient:
    """A client of a data directory that no peer is running on."""

    is_live = False

    def __init__(self, service: Service) -> None:
        self._service = service

    async def call(self, name: str, *args: JsonValue) -> JsonValue:
        """Call an async method. Raises ApiError."""
        async for value in self._run(name, "async", args):
            return None if isinstance(value, Binary) else value
        return None

    async def source(self, name: str, *args: JsonValue) -> AsyncIterator[JsonValue]:
        """Call a source method and yield its items. Raises ApiError."""
        async for value in self._run(name, "source", args):
            if not isinstance(value, Binary):
                yield value

    async def binary(self, name: str, *args: JsonValue) -> AsyncIterator[bytes]:
        """Call a source method whose items are bytes. Raises ApiError."""
        async for value in self._run(name, "source", args):
            if isinstance(value, Binary):
                yield value

    async def _run(
        self, name: str, kind: str, args: Sequence[JsonValue]
    ) -> AsyncIterator[JsonValue | Binary]:
        method = self._service.methods.get(name)
        if method is None or method.kind != kind:
            raise ApiError("usage", N_("There is no {kind} method {name}.", kind=kind, name=name))
        items: asyncio.Queue[JsonValue | Binary] = asyncio.Queue(limits.LOCAL_STREAM_ITEMS)

        async def send(value: JsonValue | Encoded | Binary) -> None:
            await items.put(_decode(value, BodyType.JSON) if isinstance(value, Encoded) else value)

        async def nothing() -> AsyncIterator[JsonValue]:
            items_of_caller: tuple[JsonValue, ...] = ()
            for item in items_of_caller:
                yield item

        call = Call(self._service, args, self._service.keyring.id)
        task = asyncio.create_task(method.function(call, nothing(), send))
        try:
            while not (task.done() and items.empty()):
                getter = asyncio.create_task(items.get())
                await asyncio.wait({task, getter}, return_when=asyncio.FIRST_COMPLETED)
                if getter.done():
                    yield getter.result()
                else:
                    getter.cancel()
            await _told(task)
        finally:
            task.cancel()


async def _told(task: asyncio.Task[None]) -> None:
    try:
        await task
    except StoreError as error:
        raise store_fault(error) from error


@asynccontextmanager
async def open_client(home: Home, settings: Settings, apps: Sequence[App]) -> AsyncIterator[Client]:
    """Connect to the running peer of a data directory, or open the directory without a network.

    Raises ApiError: no data directory could be made, it is locked, or it cannot be read.
    """
    async with running_peer(home) as client:
        if client is not None:
            yield client
            return
    service = Service(home, settings, apps)
    await service.open()
    try:
        yield OfflineClient(service)
    finally:
        await service.close()


@asynccontextmanager
async def running_peer(home: Home) -> AsyncIterator[SocketClient | None]:
    """Connect to the peer that runs on a data directory; None if none does."""
    client = await _connect(home.socket)
    try:
        yield client
    finally:
        if client is not None:
            client.link.close("done")


async def _connect(path: Path) -> SocketClient | None:
    try:
        if path.parent.stat().st_uid != os.getuid():
            return None
    except OSError:
        return None
    client = SocketClient()
    try:
        await asyncio.get_running_loop().create_unix_connection(lambda: client.link, str(path))
    except OSError:
        return None
    return client
