"""The lab's network: pipes with delay, bandwidth and a queue, and calls on top of them.

A link joins two peers with one pipe each way. What travels are muxrpc commands, turned into the
events that the wire room would report on the other side: call numbers change their sign, an end is
answered with an end, items of an ended call are dropped.
"""

from collections import deque
from collections.abc import Callable

from lichen.feed.message import FeedId
from lichen.gossip.events import ConnectionId
from lichen.wire.events import (
    Answer,
    AnswerReceived,
    CallEnded,
    CallKind,
    CallReceived,
    Command,
    EndCall,
    ItemsReceived,
    MuxrpcEvent,
    OpenCall,
    SendItems,
)

FRAME_BYTES = 60
"""What a command costs on the wire beside its items."""


class Pipe:
    """One direction of a link: commands leave one after the other and arrive a delay later."""

    __slots__ = (
        "_deliver",
        "_is_leaving",
        "_on_room",
        "_queue",
        "_schedule",
        "_wants_room",
        "bytes_per_s",
        "is_read",
        "is_stuck",
        "latency_s",
        "queued_bytes",
        "queued_bytes_peak",
        "room_bytes",
    )

    def __init__(
        self,
        schedule: Callable[[float, Callable[[], None]], None],
        deliver: Callable[[Command], None],
        on_room: Callable[[], None],
        latency_s: Callable[[], float],
        bytes_per_s: float,
    ) -> None:
        self._schedule = schedule
        self._deliver = deliver
        self._on_room = on_room
        self._queue: deque[tuple[int, Command]] = deque()
        self._is_leaving = False
        self._wants_room = False
        self.latency_s = latency_s
        self.bytes_per_s = bytes_per_s
        self.is_read = True
        """The receiver reads; while it does not, everything stays in the queue."""
        self.is_stuck = False
        """Nothing gets through any more, and nobody is told."""
        self.queued_bytes = self.queued_bytes_peak = 0
        self.room_bytes = 128 * 1024

    def put(self, command: Command) -> None:
        """Queue a command."""
        items = command.items if isinstance(command, SendItems) else ()
        size = sum(map(len, items)) + FRAME_BYTES * (len(items) or 1)
        self._queue.append((size, command))
        self.queued_bytes += size
        self.queued_bytes_peak = max(self.queued_bytes_peak, self.queued_bytes)
        self._leave()

    def await_room(self) -> None:
        """Report room: at once, if there is some."""
        if self.queued_bytes <= self.room_bytes:
            self._schedule(0.0, self._on_room)
        else:
            self._wants_room = True

    def set_read(self, *, is_read: bool) -> None:
        """Let the receiver stop or go on reading."""
        self.is_read = is_read
        self._leave()

    def _leave(self) -> None:
        if self._is_leaving or not self._queue or not self.is_read or self.is_stuck:
            return
        self._is_leaving = True
        self._schedule(self._queue[0][0] / self.bytes_per_s, self._left)

    def _left(self) -> None:
        self._is_leaving = False
        if self.is_stuck:
            return
        size, command = self._queue.popleft()
        self.queued_bytes -= size
        self._schedule(self.latency_s(), lambda: self._arrive(command))
        if self._wants_room and self.queued_bytes <= self.room_bytes:
            self._wants_room = False
            self._schedule(0.0, self._on_room)
        self._leave()

    def _arrive(self, command: Command) -> None:
        if not self.is_stuck:
            self._deliver(command)


class CallTable:
    """The open calls of one side of a link."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: dict[int, tuple[CallKind, bool]] = {}

    def perform(self, command: Command) -> bool:
        """Take note of a command of this side; tell whether it goes onto the wire."""
        call = command.call
        if isinstance(command, OpenCall):
            assert call > 0, "own calls have positive numbers"
            assert call not in self._calls, "call numbers are not used twice"
            self._calls[call] = (command.kind, False)
            return True
        kind, is_ended = self._calls.get(call, (CallKind.ASYNC, True))
        if is_ended:
            return False
        if isinstance(command, EndCall):
            self._calls[call] = (kind, True)
            if kind is CallKind.ASYNC:
                del self._calls[call]
        elif isinstance(command, Answer):
            del self._calls[call]
        return True

    def receive(self, command: Command) -> tuple[MuxrpcEvent | None, EndCall | None]:
        """Return what a command of the other side is here, and the end that answers an end."""
        call = -command.call
        if isinstance(command, OpenCall):
            self._calls[call] = (command.kind, False)
            return CallReceived(call, command.name, command.args, command.kind), None
        if call not in self._calls:
            return None, None
        kind, is_ended = self._calls[call]
        if isinstance(command, SendItems):
            event = ItemsReceived(call, command.body_type, list(command.items))
            return (None if is_ended else event), None
        del self._calls[call]
        if isinstance(command, Answer):
            return AnswerReceived(call, command.body_type, command.body), None
        answer = None
        if not is_ended and kind is not CallKind.ASYNC:
            answer = EndCall(call, command.error)
        return CallEnded(call, command.error), answer


class End:
    """One peer's end of a link."""

    __slots__ = ("address", "calls", "connection", "is_client", "is_open", "other", "peer", "pipe")

    def __init__(
        self, peer: FeedId, connection: ConnectionId, *, is_client: bool, address: str
    ) -> None:
        self.peer = peer
        self.connection = connection
        self.is_client = is_client
        self.address = address
        self.is_open = False
        self.calls = CallTable()
        self.pipe: Pipe
        """To the other end."""
        self.other: End

    @property
    def is_stuck(self) -> bool:
        """Tell whether nothing gets through, one way or the other."""
        return self.pipe.is_stuck or self.other.pipe.is_stuck
