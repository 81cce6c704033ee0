"""The lab's network: pipes with delay, bandwidth and a queue, and calls on top of them.

A link joins two peers with one pipe each way. What travels are muxrpc commands, turned into the
events that the wire room would report on the other side: call numbers change their sign, an end is
answered with an end, items of an ended call are dropped. Every command counts as many bytes as it
has in real frames and boxes.

A pipe computes when a command will have left and arrived as soon as it is put in, so that a command
is one step of the world, not two. Commands arrive in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from lichen.feed.message import FeedId
from lichen.gossip.events import ConnectionId
from lichen.wire.boxstream import BODY_BYTES_MAX
from lichen.wire.boxstream import HEADER_BYTES as BOX_BYTES
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
from lichen.wire.packets import HEADER_BYTES, encode_error, encode_request

if TYPE_CHECKING:
    from lichen.lab.world.peers import LabPeer
    from lichen.lab.world.world import World

ROOM_BYTES = 128 * 1024
"""Below this a pipe has room, as the shell of a real peer says."""


def frame_bytes(command: Command) -> int:
    """Return the length of a command in frames and boxes."""
    if type(command) is SendItems:
        size = HEADER_BYTES * len(command.items)
        for item in command.items:
            size += len(item)
        if size <= BODY_BYTES_MAX:
            return size + BOX_BYTES
    elif isinstance(command, OpenCall):
        size = HEADER_BYTES + len(encode_request(command.name, command.args, command.kind))
    elif isinstance(command, Answer):
        size = HEADER_BYTES + len(command.body)
    else:
        assert isinstance(command, EndCall), "there are no other commands"
        body = b"true" if command.error is None else encode_error(command.error, command.error_name)
        size = HEADER_BYTES + len(body)
    return size + BOX_BYTES * -(-size // BODY_BYTES_MAX)


class Pipe:
    """One direction of a link: commands leave one after the other and arrive a delay later."""

    __slots__ = (
        "_arrives_at",
        "_base_s",
        "_deliver",
        "_end",
        "_free_at",
        "_leaving",
        "_leaving_bytes",
        "_unread",
        "_unread_bytes",
        "_world",
        "bytes_per_s",
        "bytes_sent",
        "clogged_until",
        "is_read",
        "is_stuck",
        "queued_bytes_peak",
    )

    def __init__(
        self,
        world: World,
        end: End,
        deliver: Callable[[End, Command, int], None],
        base_s: float,
        bytes_per_s: float,
    ) -> None:
        self._world = world
        self._end = end
        self._deliver = deliver
        self._base_s = base_s
        self._leaving: deque[tuple[float, int]] = deque()
        self._leaving_bytes = 0
        self._unread: deque[tuple[Command, int]] = deque()
        self._unread_bytes = 0
        self._free_at = self._arrives_at = 0.0
        self.bytes_per_s = bytes_per_s
        self.clogged_until = 0.0
        """Nothing arrives before; then all of it does, in order."""
        self.is_read = True
        """The receiver reads; while it does not, everything waits."""
        self.is_stuck = False
        """Nothing gets through any more, and nobody is told."""
        self.queued_bytes_peak = self.bytes_sent = 0

    @property
    def queued_bytes(self) -> int:
        """Return how many bytes have not left, or left in vain."""
        leaving, now = self._leaving, self._world.now
        while leaving and leaving[0][0] <= now:
            self._leaving_bytes -= leaving.popleft()[1]
        return self._leaving_bytes + self._unread_bytes

    @property
    def is_behind(self) -> bool:
        """Tell whether something will arrive much later than the delay of the link explains."""
        return self._arrives_at > self._world.now + 1.0

    @property
    def free_at(self) -> float:
        """Return when everything that was put in has left."""
        return self._free_at

    def put(self, command: Command) -> None:
        """Send a command on its way."""
        size = frame_bytes(command)
        self.bytes_sent += size
        if self.is_stuck:
            self._unread_bytes += size
            self._note_peak()
            return
        world, sender = self._world, self._end.owner
        now = world.now
        bytes_per_s = self.bytes_per_s
        start = self._free_at
        start = max(start, now)
        if sender.uplink_bytes_per_s:
            start = max(start, sender.uplink_free_at)
            bytes_per_s = min(bytes_per_s, sender.uplink_bytes_per_s)
        left = self._free_at = start + size / bytes_per_s
        if sender.uplink_bytes_per_s:
            sender.uplink_free_at = left
        self._leaving.append((left, size))
        self._leaving_bytes += size
        if self._leaving_bytes + self._unread_bytes > self.queued_bytes_peak:
            self._note_peak()
        at = left + self._base_s
        if world.jitter:
            at = left + self._base_s * (1.0 + world.jitter * sender.chance.random())
        at = max(at, self._arrives_at)
        at = max(at, self.clogged_until)
        self._arrives_at = at
        world.at(at, self._arrive, command, size)

    def _note_peak(self) -> None:
        self.queued_bytes_peak = max(self.queued_bytes_peak, self.queued_bytes)

    def await_room(self) -> None:
        """Report room as soon as there is some."""
        rest = self.queued_bytes
        at = self._world.now
        for left, size in self._leaving:
            if rest <= ROOM_BYTES:
                break
            rest -= size
            at = left
        if rest <= ROOM_BYTES:
            self._world.at(at, self._report_room)

    def _report_room(self) -> None:
        self._world.report_room(self._end)

    def set_read(self, *, is_read: bool) -> None:
        """Let the receiver stop or go on reading."""
        self.is_read = is_read
        if is_read and self._unread:
            self._world.at(self._world.now, self._drain)

    def _arrive(self, command: Command, size: int) -> None:
        if self.is_stuck or not self._end.other.is_alive:
            return
        if not self.is_read or self._unread:
            self._unread.append((command, size))
            self._unread_bytes += size
        else:
            self._deliver(self._end.other, command, size)

    def _drain(self) -> None:
        was_full = self.queued_bytes > ROOM_BYTES
        while self._unread and self.is_read and not self.is_stuck and self._end.other.is_alive:
            command, size = self._unread.popleft()
            self._unread_bytes -= size
            self._deliver(self._end.other, command, size)
        if was_full and self.queued_bytes <= ROOM_BYTES:
            self._report_room()


class CallTable:
    """The open calls of one side of a link."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: dict[int, tuple[CallKind, bool]] = {}

    def perform(self, command: Command) -> bool:
        """Take note of a command of this side; tell whether it goes onto the wire."""
        call = command.call
        if type(command) is SendItems:
            known = self._calls.get(call)
            return known is not None and not known[1]
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
        known = self._calls.get(call)
        if isinstance(command, SendItems):
            if known is None or known[1]:
                return None, None
            return ItemsReceived(call, command.body_type, list(command.items)), None
        if isinstance(command, OpenCall):
            self._calls[call] = (command.kind, False)
            return CallReceived(call, command.name, command.args, command.kind), None
        if known is None:
            return None, None
        kind, is_ended = known
        del self._calls[call]
        if isinstance(command, Answer):
            return AnswerReceived(call, command.body_type, command.body), None
        answer = None
        if not is_ended and kind is not CallKind.ASYNC:
            answer = EndCall(call, command.error)
        return CallEnded(call, command.error), answer


class End:
    """One peer's end of a link."""

    __slots__ = (
        "address",
        "calls",
        "connection",
        "is_alive",
        "is_client",
        "is_open",
        "other",
        "owner",
        "peer",
        "pipe",
    )

    def __init__(
        self, owner: LabPeer, connection: ConnectionId, *, is_client: bool, address: str
    ) -> None:
        self.owner = owner
        self.peer: FeedId = owner.id
        self.connection = connection
        self.is_client = is_client
        self.address = address
        self.is_open = False
        self.is_alive = True
        """The link has not been broken, and this side has not closed it."""
        self.calls = CallTable()
        self.pipe: Pipe
        """To the other end."""
        self.other: End

    @property
    def is_stuck(self) -> bool:
        """Tell whether nothing gets through, one way or the other."""
        return self.pipe.is_stuck or self.other.pipe.is_stuck
