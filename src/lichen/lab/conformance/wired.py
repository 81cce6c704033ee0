"""A world whose links are real connections: handshake, boxes and frames at both ends.

Everything else is as in any world. What a link carries are the bytes of two ``wire.Connection``;
what a brain hears is what they make of these bytes. Each command must come out as the same event
that the plain links report, and take as many bytes as they count: then both worlds have the same
trace.
"""

from __future__ import annotations

from collections import deque
from hashlib import sha256
from typing import TYPE_CHECKING

from lichen.lab.world.formats import lab_identity
from lichen.lab.world.links import CallTable, End, Pipe, frame_bytes
from lichen.lab.world.world import World
from lichen.wire.connection import Connection

if TYPE_CHECKING:
    from lichen.wire.events import Command, EndCall, MuxrpcEvent

NETWORK_KEY = sha256(b"lichen lab").digest()


class Unequal(AssertionError):  # noqa: N818 (it says what is the matter)
    """The wire does something else than the plain links say."""


class WiredPipe(Pipe):
    """One direction of a link that carries boxes: a command's bytes, in order."""

    __slots__ = ("_stack", "under_way")

    def __init__(self, pipe: Pipe, stack: Connection) -> None:
        super().__init__(pipe._world, pipe._end, pipe._deliver, pipe._base_s, pipe.bytes_per_s)
        self._stack = stack
        self.under_way: deque[bytes] = deque()

    def put(self, command: Command) -> None:
        """Send a command on its way; the session has answered an end before it is told to."""
        data = self._stack.data_to_send()
        if not data:
            self._stack.perform(command)
            data = self._stack.data_to_send()
        if len(data) != frame_bytes(command):
            raise Unequal(f"{len(data)} bytes, not {frame_bytes(command)}: {command!r:.200}")
        self.under_way.append(data)
        super().put(command)


class WiredCalls(CallTable):
    """The calls of one end, as a real session reports them."""

    __slots__ = ("_source", "_stack")

    def __init__(self, stack: Connection, source: WiredPipe) -> None:
        super().__init__()
        self._stack = stack
        self._source = source

    def receive(self, command: Command) -> tuple[MuxrpcEvent | None, EndCall | None]:
        """Return what the session makes of the bytes of a command."""
        heard = self._stack.receive_data(self._source.under_way.popleft())
        event, answer = super().receive(command)
        if heard != ([] if event is None else [event]):
            raise Unequal(f"{heard!r:.300} was heard, not {event!r:.300}")
        return (heard[0] if heard else None), answer  # type: ignore[return-value]


class WiredWorld(World):
    """A world with real crypto: signatures, handshakes, boxes."""

    def __init__(self, seed: int, **options: object) -> None:
        super().__init__(seed, is_sealed=False, **options)  # type: ignore[arg-type]

    def _fit(self, near: End, far: End) -> None:
        """Shake hands, and lay both pipes of the new link."""
        ours, theirs = (self._stack(end) for end in (near, far))
        while not (ours.is_ready and theirs.is_ready):
            theirs.receive_data(ours.data_to_send())
            if theirs.peer is not None and not theirs.is_ready:
                theirs.accept()
            ours.receive_data(theirs.data_to_send())
        for stack in (ours, theirs):
            stack.receive_data(b"")
        near.pipe, far.pipe = WiredPipe(near.pipe, ours), WiredPipe(far.pipe, theirs)
        near.calls, far.calls = WiredCalls(ours, far.pipe), WiredCalls(theirs, near.pipe)

    def _stack(self, end: End) -> Connection:
        seed = sha256(f"{self.seed} {end.connection}".encode()).digest()
        return Connection(
            identity=lab_identity(end.owner.number, is_sealed=False),
            network_key=NETWORK_KEY,
            ephemeral_seed=seed,
            remote=end.other.owner.id if end.is_client else None,
            calls_max=end.owner.node.calls_max(end.other.owner.id),
        )
