"""Local programs calling the peer: on the Unix socket, or on the normal port with the own key.

They speak muxrpc. Each call runs its method in a task of its own. Waiting in ``send`` is the
back-pressure: it goes on once the program has read what was sent before. A fault of the program or
the person travels as an error object whose ``name`` is a slug; a fault of ours is logged and told
without its details.
"""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import orjson
import structlog

from lichen.feed.canonical import JsonError, JsonValue, encode_compact, parse_json
from lichen.feed.message import FeedId
from lichen.node import limits
from lichen.node.app import Binary, Call, Encoded, Method
from lichen.node.errors import ApiError, store_fault
from lichen.node.net.links import Link
from lichen.store.errors import StoreError
from lichen.wire.events import (
    Answer,
    BodyType,
    CallEnded,
    CallKind,
    CallReceived,
    EndCall,
    ItemsReceived,
    MuxrpcEvent,
    SendItems,
)
from lichen.wire.packets import missing_method
from lichen.words import N_

if TYPE_CHECKING:
    from lichen.node.service import Service

log = structlog.get_logger()


class LocalSession:
    """One connected local program (a ``LinkOwner``)."""

    def __init__(self, service: "Service", methods: Mapping[str, Method]) -> None:
        self._service = service
        self._methods = methods
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._inbound: dict[int, asyncio.Queue[JsonValue]] = {}
        self._room = asyncio.Event()
        self._room.set()

    def identified(self, link: Link, peer: FeedId) -> bool:
        """Not asked: a plain link has no handshake."""
        return peer == self._service.keyring.id

    def ready(self, link: Link) -> None:
        """Nothing to prepare."""

    def drained(self, link: Link) -> None:
        """Let the waiting methods go on."""
        self._room.set()

    def lost(self, link: Link, reason: str) -> None:
        """Stop every method of this program."""
        for task in self._tasks.values():
            task.cancel()

    def received(self, link: Link, event: MuxrpcEvent) -> None:
        """Start a call, feed it, or end it."""
        match event:
            case CallReceived():
                self._start(link, event)
            case ItemsReceived() if event.call in self._inbound:
                for item in event.items:
                    self._inbound[event.call].put_nowait(_decode(item, event.body_type))
            case CallEnded() if event.call in self._tasks:
                self._tasks[event.call].cancel()

    def _start(self, link: Link, event: CallReceived) -> None:
        method = self._methods.get(".".join(event.name))
        kind = CallKind.ASYNC if method is None or method.kind == "async" else CallKind(method.kind)
        if method is None or kind is not event.kind:
            link.perform(EndCall(event.call, missing_method(event.name)))
            return
        inbound = self._inbound[event.call] = asyncio.Queue(limits.LOCAL_STREAM_ITEMS)
        task = asyncio.get_running_loop().create_task(self._run(link, event, method, inbound))
        self._tasks[event.call] = task
        task.add_done_callback(lambda done: self._forget(event.call, done))

    def _forget(self, call: int, task: asyncio.Task[None]) -> None:
        # Not in the task: one that is cancelled before its first step runs nothing of itself. The
        # number may be in use again.
        if self._tasks.get(call) is task:
            del self._tasks[call], self._inbound[call]

    async def _run(
        self, link: Link, event: CallReceived, method: Method, inbound: asyncio.Queue[JsonValue]
    ) -> None:
        async def send(value: JsonValue | Encoded | Binary) -> None:
            body, kind = _encode(value)
            if event.kind is CallKind.ASYNC:
                link.perform(Answer(event.call, kind, body))
            elif body:
                link.perform(SendItems(event.call, kind, (body,)))
            link.flush()
            if link.is_full:
                self._room.clear()
                await self._room.wait()

        end = EndCall(event.call)
        mistake: Exception | None = None
        try:
            args = parse_json(event.args)
            if not isinstance(args, list):
                raise ApiError("usage", N_("The arguments of a call must be a list."))  # noqa: TRY301
            caller = self._service.keyring.id
            await method.function(Call(self._service, args, caller), _items(inbound), send)
        except (ApiError, StoreError, JsonError) as error:
            if isinstance(error, StoreError):
                self._service.store.faults.note_fault(error)
            end = _end_with(event.call, error)
        except asyncio.CancelledError:
            end = EndCall(event.call)
        except Exception as error:  # noqa: BLE001 (logged below, once the caller has its answer)
            mistake = error
            fault = ApiError(
                "failed", N_("The peer made a mistake of its own; its log says which.")
            )
            end = EndCall(event.call, fault.words, error_details=fault.details)
        if event.kind is not CallKind.ASYNC or end.error is not None:
            link.perform(end)
            link.flush()
        if mistake is not None:
            # Where the log goes to may be closed or full: that concerns no caller.
            with suppress(OSError, ValueError):
                log.error("method-failed", method=".".join(event.name), exc_info=mistake)


def _end_with(call: int, error: ApiError | StoreError | JsonError) -> EndCall:
    if isinstance(error, JsonError):
        return EndCall(call, str(error), "invalid")
    fault = store_fault(error) if isinstance(error, StoreError) else error
    return EndCall(call, fault.words, fault.slug, fault.details)


async def _items(queue: asyncio.Queue[JsonValue]) -> AsyncIterator[JsonValue]:
    while True:
        yield await queue.get()


def _decode(item: bytes, kind: BodyType) -> JsonValue:
    return parse_json(item) if kind is BodyType.JSON else item.decode("utf-8", "replace")


def _encode(value: JsonValue | Encoded | Binary) -> tuple[bytes, BodyType]:
    if isinstance(value, Encoded | Binary):
        return bytes(value), BodyType.JSON if isinstance(value, Encoded) else BodyType.BINARY
    if isinstance(value, str):
        return value.encode("utf-8", "replace"), BodyType.TEXT
    try:
        return orjson.dumps(value), BodyType.JSON
    except (orjson.JSONEncodeError, TypeError):
        return encode_compact(value).encode("utf-8", "replace"), BodyType.JSON


def is_same_user(link_socket: socket.socket) -> bool:
    """Return whether the program at the other end of a Unix socket runs as the same user.

    Where the system cannot tell, the folder's mode (0700) is the guard.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    size = struct.calcsize("3i")
    _pid, uid, _gid = struct.unpack("3i", link_socket.getsockopt(socket.SOL_SOCKET, option, size))
    return bool(uid == os.getuid())
