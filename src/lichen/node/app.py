"""What an app brings to a peer: views folded from the log, methods for local programs, pages."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from lichen.feed.canonical import JsonValue
from lichen.feed.message import FeedId
from lichen.node.page import Page, Watch
from lichen.store.views import View
from lichen.words import Phrase

if TYPE_CHECKING:
    from lichen.node.service import Service

Got = TypeVar("Got")


class Encoded(bytes):
    """JSON text that is sent as it stands: a stored message keeps its bytes."""

    __slots__ = ()


class Binary(bytes):
    """Bytes that are sent as bytes, never empty: a piece of a blob."""

    __slots__ = ()


Send = Callable[[JsonValue | Encoded | Binary], Awaitable[None]]
"""Send one item; waiting for it is the back-pressure."""


def to_json(value: object) -> JsonValue:
    """Return a struct, or anything made of structs, as a plain JSON value."""
    plain: JsonValue = msgspec.json.decode(msgspec.json.encode(value, enc_hook=_plain_text))
    return plain


def _plain_text(value: object) -> str:
    assert isinstance(value, Phrase), "everything else is a struct or made of plain values"
    return str(value)


async def finish(work: Coroutine[None, None, Got]) -> Got:
    """Return what comes of some work; it goes on to its end even if the caller is cancelled."""
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(_take_note)
    return await asyncio.shield(task)


def _take_note(task: asyncio.Task[Got]) -> None:
    if not task.cancelled():
        task.exception()  # told to whoever waits; if nobody does, it is not an oversight


class Call:
    """One local call: who asks what of which service."""

    __slots__ = ("args", "caller", "service")

    def __init__(self, service: "Service", args: Sequence[JsonValue], caller: FeedId) -> None:
        self.service = service
        self.args = args
        self.caller = caller

    def options(self) -> dict[str, JsonValue]:
        """Return the first argument if it is an object, else an empty one."""
        first = self.args[0] if self.args else None
        return first if isinstance(first, dict) else {}


MethodFunction = Callable[[Call, AsyncIterator[JsonValue], Send], Coroutine[None, None, None]]


class Method(msgspec.Struct, frozen=True):
    """A method of the local API. ``kind``: ``async`` (sends exactly once) or ``source``."""

    kind: str
    function: MethodFunction


class App(msgspec.Struct, frozen=True):
    """One app: its name, its views, its methods by dotted name, its pages.

    Templates lie in the folder ``templates`` of the app's package.
    """

    name: str
    views: tuple[View, ...] = ()
    methods: Mapping[str, Method] = {}
    pages: tuple[Page, ...] = ()
    watches: tuple[Watch, ...] = ()
