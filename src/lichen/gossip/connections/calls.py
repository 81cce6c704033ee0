"""What remote peers say on their calls and ours: each event of a muxrpc session is dealt with here.

Refused, with the texts that JavaScript peers know: methods that are not offered, other versions
and formats of EBT, ids that are none. Items that are neither message nor notes are counted, and
too many of them end the connection, as do calls that come too fast.
"""

import orjson

from lichen.feed.message import FeedId, RawMessage
from lichen.gossip.connections import answers
from lichen.gossip.connections.answers import PingBall, Stroke
from lichen.gossip.connections.blob_calls import BlobCalls
from lichen.gossip.connections.session import Session
from lichen.gossip.effects import Ingest, PauseReading
from lichen.gossip.exchange.ebt import Verdict
from lichen.gossip.exchange.history import ServedStream, parse_request
from lichen.gossip.exchange.notes import looks_like_notes, parse_notes
from lichen.gossip.exchange.slots import EbtSession
from lichen.gossip.limits import (
    EBT_RETRIES_MAX,
    EBT_RETRY_S,
    EBT_SESSIONS_MAX,
    INGEST_BATCH_MAX,
    MALFORMED_MAX,
    PENDING_BYTES_HIGH,
    PENDING_MESSAGES_HIGH,
    SAVE_CLOCK_S,
)
from lichen.gossip.parts import Parts
from lichen.wire.events import (
    Answer,
    AnswerReceived,
    BodyType,
    CallEnded,
    CallReceived,
    EndCall,
    ItemsReceived,
    MuxrpcEvent,
    OpenCall,
    SendItems,
)
from lichen.wire.packets import missing_method


class Calls:
    """Deals with what peers say."""

    __slots__ = ("_clock_ms", "_manifest", "_parts", "blobs")

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.blobs = BlobCalls(parts)
        self._manifest = answers.encode_manifest()
        self._clock_ms = 0.0

    def set_clock(self, clock_ms: float) -> None:
        """Set what pings tell as the time at second 0."""
        self._clock_ms = clock_ms

    def receive(self, session: Session, event: MuxrpcEvent, now: float) -> None:
        """Deal with one event of a session."""
        session.received_at = now
        if type(event) is ItemsReceived:  # what there is most of
            self._receive_items(session, event, now)
        elif isinstance(event, CallReceived):
            self._receive_call(session, event, now)
        elif isinstance(event, CallEnded):
            self._receive_end(session, event, now)
        else:
            assert isinstance(event, AnswerReceived), "there are no other events"
            self.blobs.receive_answer(session, event)

    # Calls of the remote peer

    def _receive_call(self, session: Session, event: CallReceived, now: float) -> None:
        out = self._parts.out
        name, call = event.name, event.call
        if not session.count_call(now):
            self._parts.doom(session, "call-flood")
        elif name not in answers.SERVED:
            session.send(out, EndCall(call, missing_method(name)))
        elif event.kind is not answers.SERVED[name]:
            session.send(out, EndCall(call, answers.refuse_kind(name, event.kind)))
        elif name[0] == "blobs":
            self.blobs.receive_call(session, event)
        elif name in {answers.EBT_REPLICATE, answers.EBT_REPLICATE_FORMAT}:
            self._serve_ebt(session, event, now)
        elif name == answers.HISTORY:
            self._serve_history(session, event, now)
        elif name in {answers.GOSSIP_PING, answers.CONN_PING}:
            session.pings[call] = PingBall(call, event.args)
            self._trim_pings(session)
        elif name == answers.EBT_CLOCK:
            self._answer_clock(session, event, now)
        else:
            is_manifest = name == answers.MANIFEST
            body = self._manifest if is_manifest else answers.encode_whoami(self._parts.own)
            session.send(out, Answer(call, BodyType.JSON, body))

    def _trim_pings(self, session: Session) -> None:
        """Keep the newest ping of the peer: a second one replaces the first."""
        theirs = [call for call in session.pings if call < 0]
        for call in theirs[:-1]:
            del session.pings[call]
            session.send(self._parts.out, EndCall(call))

    def _serve_ebt(self, session: Session, event: CallReceived, now: float) -> None:
        parts = self._parts
        refusal = answers.check_ebt_args(event.args)
        if refusal is not None:
            session.send(parts.out, EndCall(event.call, refusal))
            return
        session.ebt_sessions += 1
        if session.ebt_sessions > EBT_SESSIONS_MAX:
            parts.doom(session, "ebt-flood")
            return
        if session.ebt_call:
            session.send(parts.out, EndCall(session.ebt_call, answers.RECONNECTED))
            parts.end_ebt(session, now)
        parts.begin_ebt(session, event.call, is_client=False, now=now)

    def _serve_history(self, session: Session, event: CallReceived, now: float) -> None:
        parts = self._parts
        if session.ebt is None:
            parts.start_history(session, now)
        request = parse_request(event.args)
        if isinstance(request, str):
            session.send(parts.out, EndCall(event.call, request))
            return
        feed = request.feed
        blockers = parts.replication.blocked_by.get(session.peer, {})
        if feed != parts.own and (not parts.replication.is_wanted(feed) or feed in blockers):
            session.send(parts.out, EndCall(event.call))
            return
        if session.caller is not None and session.caller.hint(feed):
            parts.pump_history(session, now)
        session.server.set_friend(is_friend=parts.replication.is_wanted(session.peer))
        stream = ServedStream(event.call, request, parts.log.audited(feed))
        if session.server.add(stream):
            parts.mark_dirty(session)
        else:
            session.send(parts.out, EndCall(event.call, "too many streams"))

    def _answer_clock(self, session: Session, event: CallReceived, now: float) -> None:
        parts = self._parts
        refusal = answers.check_format(answers.first_option(event.args))
        if session.awaits_room:
            refusal = "read the answers before"
        if refusal is not None:
            session.send(parts.out, EndCall(event.call, refusal))
            return
        clock = {
            feed: audited
            for feed in parts.replication.wanted
            if (audited := parts.log.audited(feed))
            and parts.replication.is_shared(feed, session.peer)
        }
        session.send(parts.out, Answer(event.call, BodyType.JSON, orjson.dumps(clock)))
        session.keep_room(parts.out, now)

    # Items

    def _receive_items(self, session: Session, event: ItemsReceived, now: float) -> None:
        call = event.call
        ebt = session.ebt
        if ebt is not None and call == ebt.call:
            self._receive_ebt_items(session, ebt, event, now)
        elif session.caller is not None and call in session.caller.by_call:
            self._receive_history_items(session, session.caller.by_call[call], event)
        elif call in session.pings:
            self._receive_ping(session, session.pings[call], now)
        else:
            self.blobs.receive_items(session, event, now)

    def _receive_ebt_items(
        self, session: Session, ebt: EbtSession, event: ItemsReceived, now: float
    ) -> None:
        parts = self._parts
        batch: list[RawMessage] = []
        for item in event.items:
            raw = None if looks_like_notes(item) else parts.parse(item)
            if isinstance(raw, RawMessage):
                verdict = parts.ebt.receive_message(ebt, raw.author, raw.sequence, now)
                if verdict is Verdict.TAKE:
                    batch.append(raw)
                elif verdict is Verdict.DUPLICATE:
                    session.duplicate_count += 1
                else:
                    session.ignored_count += 1
            else:
                self._receive_notes(session, ebt, item, event.body_type, now)
        if batch:
            self._ingest(session, batch)
            for raw in batch:
                parts.ebt.sources.behind[raw.author] = None
        parts.timers.set_if_unset("clocks", now + SAVE_CLOCK_S)
        if session.malformed_count > MALFORMED_MAX:
            parts.doom(session, "malformed-items")

    def _receive_notes(
        self, session: Session, ebt: EbtSession, item: bytes, body_type: BodyType, now: float
    ) -> None:
        parts = self._parts
        members = parse_notes(item) if body_type is BodyType.JSON else None
        if members is None:
            session.malformed_count += 1
            return
        parts.ebt.receive_notes(ebt, members, now)
        if session.caller is not None:
            parts.stop_history(session)
        if parts.own in members and parts.own in ebt.slots:
            parts.hear_own_feed(session, ebt.claims.get(parts.own, -1), now)

    def _receive_history_items(self, session: Session, feed: FeedId, event: ItemsReceived) -> None:
        batch = []
        received = self._parts.log.received(feed)
        for item in event.items:
            raw = self._parts.parse(item)
            if not isinstance(raw, RawMessage):
                session.malformed_count += 1
            elif raw.author != feed or feed in self._parts.ebt.sources.frozen:
                session.ignored_count += 1
            elif raw.sequence <= received:
                session.duplicate_count += 1
            else:
                batch.append(raw)
        if event.items and session.caller is not None:
            session.caller.heard(feed)
        self._ingest(session, batch)

    def _ingest(self, session: Session, batch: list[RawMessage]) -> None:
        out, peer = self._parts.out, session.peer
        verifies_all = not self._parts.is_trusted(peer)
        for start in range(0, len(batch), INGEST_BATCH_MAX):
            part = tuple(batch[start : start + INGEST_BATCH_MAX])
            out.append(Ingest(session.connection, part, peer, verifies_all))
            session.pending_bytes.append(sum([len(raw.data) for raw in part]))
        session.received_count += len(batch)
        session.pending += len(batch)
        is_much = (
            session.pending > PENDING_MESSAGES_HIGH
            or sum(session.pending_bytes) > PENDING_BYTES_HIGH
        )
        if is_much and not session.is_paused:
            session.is_paused = True
            out.append(PauseReading(session.connection))

    # Ends

    def _receive_end(self, session: Session, event: CallEnded, now: float) -> None:
        call = event.call
        if event.error is not None:
            session.last_error = event.error[:200]
        if call == session.ebt_call:
            self._end_ebt(session, event, now)
        elif session.caller is not None and call in session.caller.by_call:
            self._end_history(session, event, now)
        else:
            session.pings.pop(call, None)
            session.server.remove(call)
            self.blobs.receive_end(session, event, now)
            self._parts.mark_dirty(session)

    def _end_ebt(self, session: Session, event: CallEnded, now: float) -> None:
        parts = self._parts
        has_heard = session.ebt is not None and session.ebt.has_heard
        parts.end_ebt(session, now)
        if event.call < 0 or has_heard:
            if event.call > 0 and session.ebt_retries >= EBT_RETRIES_MAX:
                parts.start_history(session, now)
            else:
                parts.timers.set("ebt", now + EBT_RETRY_S, session.connection)
        else:
            parts.timers.cancel("ebt", session.connection)
            parts.start_history(session, now)

    def _end_history(self, session: Session, event: CallEnded, now: float) -> None:
        parts = self._parts
        assert session.caller is not None, "the call is one of the caller's"
        feed = session.caller.ended(event.call, now)
        if event.error == missing_method(answers.HISTORY):
            session.refuses_history = True
            parts.stop_history(session)
            return
        if feed == parts.own and event.error is None:
            parts.hear_own_feed(session, 0, now)
        parts.pump_history(session, now)

    # Pings

    def open_ping(self, session: Session, now: float) -> None:
        """Start the game of ping with a peer that we dialled."""
        call = session.next_call()
        ball = session.pings[call] = PingBall(call, answers.PING_ARGS)
        command = OpenCall(
            call, answers.GOSSIP_PING, answers.PING_ARGS, answers.SERVED[answers.GOSSIP_PING]
        )
        session.send(self._parts.out, command)
        self.serve_ping(session, ball, now)

    def _receive_ping(self, session: Session, ball: PingBall, now: float) -> None:
        stroke = ball.receive(now)
        if stroke is Stroke.IGNORE:
            return
        wait_s = ball.interval_s
        if stroke is Stroke.VOLLEY:
            self.send_ping(session, ball, now)
        else:
            wait_s *= 1.2  # the peer holds the ball, and may have dropped it
        self._parts.timers.set("ping", now + wait_s, session.connection)

    def serve_ping(self, session: Session, ball: PingBall, now: float) -> None:
        """Send the ball and expect it back."""
        ball.serve()
        self.send_ping(session, ball, now)

    def send_ping(self, session: Session, ball: PingBall, now: float) -> None:
        """Send the time, in milliseconds."""
        body = b"%d" % int(self._clock_ms + now * 1000)
        session.send(self._parts.out, SendItems(ball.call, BodyType.JSON, (body,)))
