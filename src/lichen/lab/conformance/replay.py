"""Playing a recording again: in a bare brain, and in a peer of the lab.

``replay`` asks a fresh brain event by event; it must look at the same things and answer the same.

``replay_in_lab`` gives the same events to a ``LabPeer`` in a ``World``, which performs what the
brain wants. Here the lab is what is tested: the calls on its links must tell of a peer's words what
the real session told, and its log, blobs and pipes must report of each effect what the real ones
reported.
"""

from collections import deque
from typing import Final

import msgspec

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.message import BlobId, FeedId, RawMessage
from lichen.gossip import events
from lichen.gossip.effects import Effect
from lichen.gossip.events import ConnectionId, Event
from lichen.gossip.node import Node
from lichen.lab.conformance.recording import Plain, Recording, Sight, Step, event_of, plain
from lichen.lab.world.links import End, Pipe
from lichen.lab.world.network import Steady
from lichen.lab.world.peers import LabPeer
from lichen.lab.world.world import World
from lichen.wire.events import (
    Answer,
    AnswerReceived,
    CallReceived,
    Command,
    EndCall,
    ItemsReceived,
    MuxrpcEvent,
    OpenCall,
    SendItems,
)

_REPORTS: Final = (
    events.MessagesSent,
    events.BlobRead,
    events.BlobStored,
    events.BlobFailed,
    events.Ingested,
)
"""What comes back of an effect, whatever the speed of machines and networks."""
_WIDE_BYTES_PER_S: Final = 1e15
_NEVER_S: Final = 1e9


class Deviates(Exception):  # noqa: N818 (it says what is the matter)
    """A run went another way than the one that was recorded."""


class _Memory:
    """Log, blobs and chance as a recorded brain saw them, in the same order."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest: deque[Sight] = deque()

    def begin(self, step: Step) -> None:
        if self._rest:
            raise Deviates(f"the brain no longer looks at {self._rest[0][:2]}")
        self._rest.extend(step.sights)

    def received(self, feed: FeedId) -> int:
        return msgspec.convert(self._see("received", feed), int)

    def audited(self, feed: FeedId) -> int:
        return msgspec.convert(self._see("audited", feed), int)

    def size(self, blob: BlobId) -> int | None:
        return msgspec.convert(self._see("size", blob), int | None)

    def random(self) -> float:
        return msgspec.convert(self._see("random", ""), float)

    def _see(self, question: str, of: str) -> object:
        if not self._rest:
            raise Deviates(f"the brain looked at {question} {of}, which it did not before")
        known = self._rest.popleft()
        if known[:2] != (question, of):
            raise Deviates(f"the brain looked at {question} {of}, before at {known[0]} {known[1]}")
        return known[2]


class _Replayer:
    """A fresh brain on the way through a recording."""

    __slots__ = ("_memory", "node")

    def __init__(self, recording: Recording) -> None:
        self._memory = memory = _Memory()
        blobs = memory if recording.has_blobs else None
        self.node = Node(recording.own, memory, memory, ClassicFormat().parse, blobs)

    def handle(self, step: Step, event: Event) -> list[Effect]:
        """Ask the brain, and compare what it answers. Raises Deviates."""
        self._memory.begin(step)
        answer = self.node.handle(event, step.now)
        _compare(step.effects, tuple(map(plain, answer)))
        return answer


def _compare(before: tuple[Plain, ...], now: tuple[Plain, ...]) -> None:
    if before != now:
        pairs = zip(before, now, strict=False)
        place = next((at for at, (old, new) in enumerate(pairs) if old != new), -1)
        old, new = before[place:][:1], now[place:][:1]
        raise Deviates(f"{len(now)} effects, before {len(before)}: {new} in place of {old}")


def replay(recording: Recording) -> int:
    """Bring a fresh brain through a recording; return how many effects were the same.

    Raises Deviates at the first event that is answered differently.
    """
    replayer = _Replayer(recording)
    count = 0
    for number, step in enumerate(recording.steps):
        try:
            count += len(replayer.handle(step, event_of(step.event)))
        except Deviates as error:
            raise Deviates(f"step {number}, {step.event['is']}: {error}") from None
    return count


class Compared(msgspec.Struct, frozen=True):
    """What a replay in the lab could compare."""

    effects: int
    said: int
    """Things a peer said, which the lab's calls turned into the same events."""
    reports: dict[str, int]
    """Kind of event to how many the lab gave back as the real peer had."""


class _LabReplay:
    """A recording on its way through a peer of the lab."""

    def __init__(self, recording: Recording) -> None:
        self._steps = recording.steps
        self._replayer = _Replayer(recording)
        self._step: Step | None = None
        self._heard: list[Event] = []
        self._said = self._effects = 0
        self._reports: dict[str, int] = {}
        self.world = World(0, latency=Steady(0.0), is_sealed=False)
        self.world.jitter = 0.0
        self.world.ingest_s = (0.0, 0.0)
        self.world.audit_s = (_NEVER_S, _NEVER_S)
        self.world.now = recording.steps[0].now
        self.peer = self.world.admit(
            LabPeer(self.world, 0, own=recording.own, make_brain=lambda _peer: self)
        )

    # The brain of the lab's peer

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Answer what was recorded; keep for comparison what the lab itself reports."""
        if self._step is None:
            self._heard.append(event)
            return []
        assert now == self._step.now, "the world's clock is that of the recording"
        return self._replayer.handle(self._step, event)

    def may_connect(self, peer: FeedId) -> bool:
        """Tell whether to accept a peer: nobody comes but whom the recording names."""
        return self._replayer.node.may_connect(peer)

    # The way through

    def run(self) -> Compared:
        for number, step in enumerate(self._steps):
            try:
                self._play(step, event_of(step.event))
            except Deviates as error:
                raise Deviates(f"step {number}, {step.event['is']}: {error}") from None
        return Compared(self._effects, self._said, self._reports)

    def _play(self, step: Step, event: Event) -> None:
        self.world.run(until=step.now)
        self._prepare(step, event)
        if isinstance(event, _REPORTS) and event.connection is not None:
            self._expect(event)
        self._effects += len(step.effects)
        self._step = step
        # While the brain answers, what the lab reports at once would be taken for the recording's.
        self.world.tell(self.peer, event)
        self._step = None

    def _prepare(self, step: Step, event: Event) -> None:
        """Bring the lab to where the real peer stood when this happened."""
        peer = self.peer
        match event:
            case events.Connected():
                self._connect(event)
            case events.Disconnected():
                end = peer.ends.pop(event.connection, None)
                if end is not None:
                    end.is_alive = end.other.is_alive = False
            case events.FromPeer():
                self._hear(peer.ends.get(event.connection), event.event)
            case events.Ingested(connection=None):
                batch = tuple(peer.world.feed_format.parse(text) for text in step.texts)
                raws = tuple(raw for raw in batch if isinstance(raw, RawMessage))
                self._same(event, peer.log.ingest(None, raws))
            case events.Audited() | events.AuditFailed():
                self._audit(event)
            case events.BlobStored(connection=None):
                for data in step.texts:
                    peer.blobs.add(data)
            case events.BlobRemoved():
                peer.blobs.held.pop(event.blob, None)
            case _:
                pass

    def _audit(self, event: events.Audited | events.AuditFailed) -> None:
        """Audit the lab's log as far as the real one was; it must come to the same."""
        log = self.peer.log
        if isinstance(event, events.Audited):
            for feed, last in event.progress:
                while log.audited(feed) < last and feed in log.unaudited:
                    log.audit_feed(feed, 1)
            return
        news: Event | None = None
        while not isinstance(news, events.AuditFailed):
            if event.feed not in log.unaudited:
                raise Deviates(f"the lab finds nothing wrong in place of {event!r:.300}")
            news = log.audit_feed(event.feed, 1)[-1]
        self._same(event, news)

    def _connect(self, event: events.Connected) -> None:
        """Make a link whose other end is whoever the recording says."""
        number = len(self.world.by_id)
        other = self.world.by_id.get(event.peer) or LabPeer(self.world, number, own=event.peer)
        near = End(self.peer, event.connection, is_client=event.is_client, address=event.address)
        far = End(other, event.connection, is_client=not event.is_client, address="")
        near.other, far.other = far, near
        for end in (near, far):
            end.is_open = True
            end.pipe = Pipe(self.world, end, _lose, 0.0, _WIDE_BYTES_PER_S)
            end.owner.ends[event.connection] = end

    def _hear(self, end: End | None, said: MuxrpcEvent) -> None:
        """Let the lab's calls hear what the peer did, and compare what they make of it."""
        if end is None:
            return
        heard, answer = end.calls.receive(_command(said))
        if heard != said:
            raise Deviates(f"the lab's calls heard {heard!r:.300} in place of {said!r:.300}")
        if answer is not None:
            end.pipe.put(answer)
        self._said += 1

    def _expect(self, event: Event) -> None:
        """Take the lab's own report for this event, and compare it."""
        wanted = _timeless(event)
        for place, heard in enumerate(self._heard):
            if type(heard) is type(event) and _of(heard) == _of(event):
                del self._heard[place]
                self._same(wanted, _timeless(heard))
                return
        raise Deviates(f"the lab reports no {wanted!r:.300}, but {self._heard[:3]!r:.300}")

    def _same(self, before: Event, now: Event) -> None:
        if plain(before) != plain(now):
            raise Deviates(f"the lab reports {now!r:.400} in place of {before!r:.400}")
        name = type(before).__name__
        self._reports[name] = self._reports.get(name, 0) + 1


def replay_in_lab(recording: Recording) -> Compared:
    """Bring a peer of the lab through a recording. Raises Deviates."""
    return _LabReplay(recording).run()


def _lose(_end: End, _command: Command, _size: int) -> None:
    """Let a command arrive nowhere: what the others do of it stands in the recording."""


def _of(event: Event) -> tuple[ConnectionId | None, int | None]:
    """Return the connection and the call that an event is about."""
    return getattr(event, "connection", None), getattr(event, "call", None)


def _timeless(event: Event) -> Event:
    """Return an event without what depends on the speed of networks: how full a pipe is."""
    if isinstance(event, events.MessagesSent | events.BlobRead):
        return msgspec.structs.replace(event, queued_bytes=0)
    return event


def _command(said: MuxrpcEvent) -> Command:
    """Return what the other side did, in its own numbers, for us to hear this."""
    match said:
        case CallReceived():
            return OpenCall(-said.call, said.name, said.args, said.kind)
        case ItemsReceived():
            return SendItems(-said.call, said.body_type, said.items)
        case AnswerReceived():
            return Answer(-said.call, said.body_type, said.body)
        case _:
            return EndCall(-said.call, said.error, said.error_name, said.error_details)
