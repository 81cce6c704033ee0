"""One open connection: what is being exchanged on it, and what may be sent next.

At most one ``SendMessages`` is under way per connection, and the next follows only when the pipe
has room, so that a slow reader costs a bounded queue. Notes wait while the pipe is full and are
merged meanwhile.
"""

from collections import deque

import msgspec

from lichen.feed.message import FeedId
from lichen.gossip.connections.answers import PingBall
from lichen.gossip.effects import AwaitRoom, Effect, Send, SendMessages
from lichen.gossip.events import CALLED_US, Connected, ConnectionId, MessagesSent
from lichen.gossip.exchange.ebt import Ebt
from lichen.gossip.exchange.history import HistoryCaller, HistoryServer, ServedStream
from lichen.gossip.exchange.notes import encode_notes
from lichen.gossip.exchange.slots import EbtSession
from lichen.gossip.limits import (
    CALLS_BURST_MAX,
    CALLS_PER_S_MAX,
    NOTES_PER_FRAME_MAX,
    QUEUED_BYTES_LOW,
)
from lichen.gossip.ports import Log
from lichen.wire.events import Answer, BodyType, Command, EndCall, SendItems


class PeerStatus(msgspec.Struct, frozen=True):
    """One connected peer. ``since_s`` is on the clock that ``Node.handle`` is given."""

    peer: FeedId
    address: str
    is_client: bool
    """We dialled."""
    source: str
    """How we met: ``address`` (a person typed it), ``lan``, or ``called-us``."""
    since_s: float
    replicates_by: str
    """``ebt``, ``history`` (createHistoryStream) or ``nothing`` yet."""
    messages_received: int
    messages_duplicate: int
    messages_ignored: int
    messages_sent: int
    faults: int
    """Feeds of which the peer sent something invalid."""
    last_error: str | None


class Session:
    """The state of one connection."""

    __slots__ = (
        "_call_last",
        "_calls_at",
        "_calls_left",
        "address",
        "awaits_room",
        "caller",
        "connection",
        "duplicate_count",
        "ebt",
        "ebt_call",
        "ebt_retries",
        "ebt_sessions",
        "faults",
        "ignored_count",
        "in_flight",
        "is_client",
        "is_paused",
        "last_error",
        "malformed_count",
        "peer",
        "pending",
        "pending_bytes",
        "pings",
        "received_at",
        "received_count",
        "refuses_history",
        "saved_clock",
        "saved_count",
        "sent_count",
        "server",
        "since",
        "source",
        "stuck_since",
        "unreported_bytes",
    )

    def __init__(self, event: Connected, now: float) -> None:
        self.connection: ConnectionId = event.connection
        self.peer: FeedId = event.peer
        self.is_client = event.is_client
        self.address = event.address
        self.source = CALLED_US
        self.saved_clock = event.saved_clock
        self.since = self.received_at = now
        self.last_error: str | None = None
        self._call_last = 0
        self._calls_left = float(CALLS_BURST_MAX)
        self._calls_at = now
        self.ebt: EbtSession | None = None
        self.ebt_call = 0
        """The number of the open ebt.replicate call, theirs or ours; 0 for none."""
        self.ebt_retries = self.ebt_sessions = 0
        self.caller: HistoryCaller | None = None
        self.refuses_history = False
        self.server = HistoryServer()
        self.pings: dict[int, PingBall] = {}
        self.pending = 0
        """Messages of this peer that wait for the store."""
        self.pending_bytes: deque[int] = deque()
        """The size of each batch among them, in the order in which they come back."""
        self.is_paused = False
        self.faults = self.malformed_count = 0
        self.received_count = self.duplicate_count = self.ignored_count = self.sent_count = 0
        self.saved_count = 0
        self.in_flight: SendMessages | None = None
        self.awaits_room = False
        self.stuck_since: float | None = None
        """Since when a report on the pipe is awaited."""
        self.unreported_bytes = 0

    def next_call(self) -> int:
        """Return a number for a call of ours."""
        self._call_last += 1
        return self._call_last

    def count_call(self, now: float) -> bool:
        """Count a call of the remote peer; False if it calls too fast."""
        refill = (now - self._calls_at) * CALLS_PER_S_MAX
        self._calls_left = min(self._calls_left + refill, CALLS_BURST_MAX) - 1
        self._calls_at = now
        return self._calls_left >= 0

    def send(self, out: list[Effect], command: Command) -> None:
        """Put a command on the wire."""
        out.append(Send(self.connection, command))
        if type(command) is SendItems:
            for item in command.items:
                self.unreported_bytes += len(item)
        elif isinstance(command, Answer):
            self.unreported_bytes += len(command.body)

    def report_room(self, queued_bytes: int, now: float) -> None:
        """Take note of what the pipe reports."""
        self.unreported_bytes = queued_bytes
        self.stuck_since = now if self.awaits_room or self.in_flight is not None else None

    def flush(self, out: list[Effect], ebt: Ebt, log: Log, now: float) -> None:
        """Send what there is to send and room for."""
        session = self.ebt
        while session is not None and (session.notes or session.must_note):
            if self.awaits_room:
                return
            self._send_notes(out, session, now)
        if not self.server.ready and (session is None or not session.is_ready):
            return
        while self.in_flight is None and not self.awaits_room:
            run = self._take_run(out, ebt, log)
            if run is None:
                return
            out.append(run)
            self.in_flight = run
            self.stuck_since = now

    def _send_notes(self, out: list[Effect], session: EbtSession, now: float) -> None:
        session.must_note = False
        notes = session.notes
        if len(notes) <= NOTES_PER_FRAME_MAX:
            session.notes = {}
        else:
            feeds = list(notes)
            notes = {feed: notes[feed] for feed in feeds[:NOTES_PER_FRAME_MAX]}
            session.notes = {feed: session.notes[feed] for feed in feeds[NOTES_PER_FRAME_MAX:]}
        item = encode_notes(notes)
        out.append(Send(self.connection, SendItems(session.call, BodyType.JSON, (item,))))
        self.unreported_bytes += len(item)
        if self.unreported_bytes > QUEUED_BYTES_LOW:
            self.await_room(out, now)

    def keep_room(self, out: list[Effect], now: float) -> None:
        """Await a report on the pipe when much was sent since the last one."""
        if self.unreported_bytes > QUEUED_BYTES_LOW:
            self.await_room(out, now)

    def await_room(self, out: list[Effect], now: float) -> None:
        """Send nothing that can wait until the pipe reports."""
        if not self.awaits_room:
            self.awaits_room = True
            self.stuck_since = now
            out.append(AwaitRoom(self.connection))

    def _take_run(self, out: list[Effect], ebt: Ebt, log: Log) -> SendMessages | None:
        session = self.ebt
        while session is not None and session.is_ready:
            feed = session.take_ready()
            run = ebt.take_run(session, feed)
            if run is not None:
                return SendMessages(self.connection, session.call, feed, *run)
        while self.server.ready:
            call = next(iter(self.server.ready))
            stream = self.server.streams[call]
            run = stream.take_run(log.audited(stream.feed))
            if run is not None:
                return SendMessages(self.connection, call, stream.feed, *run, stream.form)
            self._settle(out, stream, log)
        return None

    def _settle(self, out: list[Effect], stream: ServedStream, log: Log) -> None:
        """Put a stream without messages to send aside: ended, or live."""
        del self.server.ready[stream.call]
        if stream.is_over(log.audited(stream.feed)):
            self.server.remove(stream.call)
            self.send(out, EndCall(stream.call))
        else:
            self.server.park(stream)
            self.server.advance()

    def confirm(self, out: list[Effect], event: MessagesSent, ebt: Ebt, now: float) -> None:
        """Take note that a run was sent, as far as it was found."""
        run, self.in_flight = self.in_flight, None
        self.sent_count += event.last - event.first + 1
        self.report_room(event.queued_bytes, now)
        if event.queued_bytes > QUEUED_BYTES_LOW:
            self.await_room(out, now)
        if run is None or run.call != event.call:
            return
        if self.ebt is not None and run.call == self.ebt.call:
            ebt.confirm_run(self.ebt, run.feed, (run.first, run.last), event.last)
            return
        stream = self.server.streams.get(run.call)
        if stream is None:
            return
        if event.last < event.first:
            self.server.remove(run.call)
            self.send(out, EndCall(run.call, "could not read the feed"))
            return
        stream.unsend(run.last - event.last)
        if run.call in self.server.ready:
            del self.server.ready[run.call]
            self.server.ready[run.call] = None

    def end_history(self, out: list[Effect], call: int, error: str | None = None) -> None:
        """End a createHistoryStream call that we serve."""
        self.server.remove(call)
        self.send(out, EndCall(call, error))

    def status(self) -> PeerStatus:
        """Describe the connection for people."""
        mode = "nothing"
        if self.ebt is not None and self.ebt.has_heard:
            mode = "ebt"
        elif self.caller is not None:
            mode = "history"
        return PeerStatus(
            peer=self.peer,
            address=self.address,
            is_client=self.is_client,
            source=self.source,
            since_s=self.since,
            replicates_by=mode,
            messages_received=self.received_count,
            messages_duplicate=self.duplicate_count,
            messages_ignored=self.ignored_count,
            messages_sent=self.sent_count,
            faults=self.faults,
            last_error=self.last_error,
        )
