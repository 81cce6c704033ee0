"""Who listens to the peer's own news: the terminal, local programs, live streams.

A slow listener never slows the peer: its oldest unread notices are dropped. Of an ingested batch it
hears single messages while it is calm, counts in a flood, and every refusal and fork in words.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable

import msgspec

from lichen.feed.canonical import JsonError, JsonValue, parse_json
from lichen.feed.message import FeedId, MsgId
from lichen.node import limits
from lichen.store.errors import StoreError
from lichen.store.ingest import IngestResult
from lichen.store.log import Stored
from lichen.store.store import Store
from lichen.words import Phrase

TEXT_CHARACTERS_MAX = 280


class Notice(msgspec.Struct, frozen=True):
    """One piece of news, for people. ``at``: seconds of the wall clock."""

    at: float
    topic: str
    peer: FeedId | None = None
    feed: FeedId | None = None
    key: MsgId | None = None
    sequence: int = 0
    count: int = 0
    type: str = ""
    text: str = ""
    detail: str = ""
    audited: bool = True
    """Its signature is checked, if this is about a message."""
    phrase: dict[str, object] | None = None
    """The detail as ``parse_phrase`` reads it, where it is a text of ours for people."""


class Hub:
    """Hands each notice to every listener."""

    __slots__ = ("_callbacks", "_grown", "_queues")

    def __init__(self) -> None:
        self._callbacks: list[Callable[[Notice], None]] = []
        self._queues: dict[int, tuple[deque[Notice], asyncio.Event]] = {}
        self._grown = asyncio.Event()

    def listen(self, callback: Callable[[Notice], None]) -> None:
        """Call back at once for every notice from now on."""
        self._callbacks.append(callback)

    @property
    def has_listeners(self) -> bool:
        """Return whether anybody would hear a notice."""
        return bool(self._callbacks or self._queues)

    def tell(self, topic: str, **members: object) -> None:
        """Make a notice now and hand it round."""
        detail = members.get("detail")
        if isinstance(detail, Phrase):
            # A notice crosses to programs: what it says is plain text, and how it came about.
            members |= {"detail": str(detail), "phrase": detail.to_json()}
        notice = msgspec.convert({"at": time.time(), "topic": topic, **members}, Notice)
        for callback in self._callbacks:
            callback(notice)
        for waiting, event in self._queues.values():
            waiting.append(notice)
            event.set()

    async def notices(self) -> AsyncIterator[Notice]:
        """Yield every notice from now on."""
        waiting: deque[Notice] = deque(maxlen=limits.NOTICES_WAITING_MAX)
        event = asyncio.Event()
        self._queues[id(waiting)] = (waiting, event)
        try:
            while True:
                await event.wait()
                event.clear()
                while waiting:
                    yield waiting.popleft()
        finally:
            del self._queues[id(waiting)]

    def log_grew(self) -> None:
        """Wake everybody who waits for new messages."""
        self._grown.set()
        self._grown = asyncio.Event()

    def growth(self) -> asyncio.Event:
        """Return the event that the next growth of the log sets. Take it before reading the log."""
        return self._grown


def tell_ingested(hub: Hub, store: Store, result: IngestResult, peer: FeedId | None) -> None:
    """Tell listeners what was new, refused or forked in a batch from ``peer``."""
    if not hub.has_listeners:
        return
    accepted = sum(grown.last - grown.first + 1 for grown in result.progress)
    if accepted > limits.NOTICES_PER_BATCH_MAX:
        hub.tell("messages", peer=peer, count=accepted)
    else:
        try:
            for grown in result.progress:
                run = store.log.run(grown.feed, grown.first, grown.last, limits.RUN_BYTES_MAX)
                for stored in run:
                    _tell_message(hub, stored, peer, is_checked=store.log.is_checked(stored))
        except StoreError as error:
            hub.tell("store-failed", detail=error.message)
    for rejected in result.rejected:
        hub.tell(
            "refused",
            peer=peer,
            feed=rejected.author,
            sequence=rejected.sequence,
            detail=rejected.reason.value,
        )
    for fork in result.forks:
        hub.tell("fork", peer=peer, feed=fork.first.author, sequence=fork.first.sequence)


def _tell_message(hub: Hub, stored: Stored, peer: FeedId | None, *, is_checked: bool) -> None:
    content = content_of(stored)
    type_name = content.get("type") if isinstance(content, dict) else None
    text = content.get("text") if isinstance(content, dict) else None
    hub.tell(
        "message",
        peer=peer,
        feed=stored.feed,
        key=stored.key,
        sequence=stored.sequence,
        type=type_name if isinstance(type_name, str) else "private",
        text=text[:TEXT_CHARACTERS_MAX] if isinstance(text, str) else "",
        audited=is_checked,
    )


def content_of(stored: Stored) -> JsonValue:
    """Return the content of a stored message: an object, or the text of a private one."""
    try:
        value = msgspec.json.decode(stored.data)
    except msgspec.DecodeError:
        try:
            value = parse_json(stored.data)
        except JsonError:
            return None
    return value.get("content") if isinstance(value, dict) else None
