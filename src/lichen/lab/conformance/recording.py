"""A brain that writes down everything it is told, everything it looks at, and what it answers.

``Recorder`` takes the place of a ``Node`` in a running peer; nothing else in the peer changes. What
it writes down is whole: with it a fresh brain can be brought through the same run again, on another
machine, without network, disk or clock (``lichen.lab.conformance.replay``).

A recording is text, a step in a line: plain JSON, bytes in base64, times to the last digit.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from lichen.feed.message import BlobId, FeedId
from lichen.gossip import events
from lichen.gossip.effects import Effect, Send
from lichen.gossip.events import Event, FromPeer
from lichen.gossip.node import Node
from lichen.gossip.parts import Parse
from lichen.gossip.ports import Blobs, Log, Random
from lichen.wire import events as wire_events
from lichen.wire.events import MuxrpcEvent

RECORDING_BYTES_MAX: Final = 100_000_000
"""A longer file is none of ours: a second of a busy peer takes a megabyte."""

Plain = dict[str, object]
"""A value as JSON holds it, with the name of its type under ``is``."""
Sight = tuple[str, str, int | float | None]
"""What a brain looked at, of whom, and what it saw."""


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event: when it was told, what the brain looked at, what it answered."""

    now: float
    event: Plain
    sights: tuple[Sight, ...] = ()
    effects: tuple[Plain, ...] = ()
    texts: tuple[bytes, ...] = ()
    """What the event is about, where it does not hold that itself: own messages, added blobs."""


class Recording(msgspec.Struct, frozen=True):
    """A run of one brain, from its start."""

    own: FeedId
    has_blobs: bool
    steps: tuple[Step, ...]


class _Head(msgspec.Struct, frozen=True):
    """The first line of a recording."""

    own: FeedId
    has_blobs: bool


def plain(value: Event | Effect) -> Plain:
    """Return an event or an effect as JSON holds it."""
    fields: Plain = msgspec.json.decode(msgspec.json.encode(value))
    made: Plain = {"is": type(value).__name__, **fields}
    if isinstance(value, FromPeer):
        made["of"] = type(value.event).__name__
    elif isinstance(value, Send):
        made["of"] = type(value.command).__name__
    return made


def event_of(made: Plain) -> Event:
    """Return the event that was written down."""
    name = str(made["is"])
    if name == FromPeer.__name__:
        said: MuxrpcEvent = msgspec.convert(
            made["event"], getattr(wire_events, str(made["of"])), strict=False
        )
        connection = events.ConnectionId(msgspec.convert(made["connection"], int))
        return FromPeer(connection, said)
    event: Event = msgspec.convert(made, getattr(events, name), strict=False)
    return event


class _Witness:
    """Log, blobs and chance of a brain, and what it saw of them while it was thinking."""

    __slots__ = ("_blobs", "_log", "_rng", "is_thinking", "sights")

    def __init__(self, log: Log, rng: Random, blobs: Blobs | None) -> None:
        self._log = log
        self._rng = rng
        self._blobs = blobs
        self.is_thinking = False
        self.sights: list[Sight] = []

    def received(self, feed: FeedId) -> int:
        seen = self._log.received(feed)
        self._note("received", feed, seen)
        return seen

    def audited(self, feed: FeedId) -> int:
        seen = self._log.audited(feed)
        self._note("audited", feed, seen)
        return seen

    def size(self, blob: BlobId) -> int | None:
        seen = None if self._blobs is None else self._blobs.size(blob)
        self._note("size", blob, seen)
        return seen

    def random(self) -> float:
        seen = self._rng.random()
        self._note("random", "", seen)
        return seen

    def _note(self, question: str, of: str, seen: float | None) -> None:
        if self.is_thinking:
            self.sights.append((question, of, seen))


class Recorder(Node):
    """A brain whose life is written down; ``texts`` finds what an event does not hold itself."""

    __slots__ = ("_has_blobs", "_own", "_steps", "_texts", "_witness")

    def __init__(
        self,
        own: FeedId,
        log: Log,
        rng: Random,
        parse: Parse,
        blobs: Blobs | None = None,
        *,
        texts: Callable[[Event], tuple[bytes, ...]] = lambda _event: (),
    ) -> None:
        self._own = own
        self._has_blobs = blobs is not None
        self._witness = witness = _Witness(log, rng, blobs)
        self._steps: list[Step] = []
        self._texts = texts
        super().__init__(own, witness, witness, parse, None if blobs is None else witness)

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Think, and write it down."""
        witness = self._witness
        texts, told = self._texts(event), plain(event)
        witness.is_thinking = True
        out = super().handle(event, now)
        witness.is_thinking = False
        answer = tuple(plain(effect) for effect in out)
        self._steps.append(Step(now, told, tuple(witness.sights), answer, texts))
        witness.sights.clear()
        return out

    def recording(self) -> Recording:
        """Return what was written down so far."""
        return Recording(self._own, self._has_blobs, tuple(self._steps))


def encode(recording: Recording) -> bytes:
    """Return a recording as lines of JSON."""
    head = _Head(recording.own, recording.has_blobs)
    lines = [msgspec.json.encode(head), *map(msgspec.json.encode, recording.steps)]
    return b"\n".join(lines) + b"\n"


def decode(data: bytes) -> Recording:
    """Read a recording. Raises ValueError."""
    if len(data) > RECORDING_BYTES_MAX:
        raise ValueError(f"{len(data)} bytes are too many for a recording")
    head, *lines = data.splitlines()
    first = msgspec.json.decode(head, type=_Head)
    steps = tuple(msgspec.json.decode(line, type=Step) for line in lines)
    return Recording(first.own, first.has_blobs, steps)
