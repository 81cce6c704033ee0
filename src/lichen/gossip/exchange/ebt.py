"""Epidemic broadcast trees, version 3: which notes and messages follow from what is heard.

Behaviour of epidemic-broadcast-trees (``events.js``) and ssb-ebt as described in the protocol
notes: the side that was dialled notes first; feeds that the peer had at the end of its last
session are left out; messages are sent when the peer asked for them and announced when it did
not; a feed is exchanged only if we replicate it and its author does not block the peer. Sent, and
noted to all but a feed's source, is only what was audited.

Nothing is sent here: notes and feeds that are ready collect in the sessions, and ``dirty`` names
the sessions that have something. What is refused: messages of feeds that were never agreed on.
"""

from collections.abc import Mapping
from enum import Enum

from lichen.feed.message import FeedId
from lichen.feed.refs import is_feed_id
from lichen.gossip.events import ConnectionId
from lichen.gossip.exchange.notes import Note, decode_note, encode_note
from lichen.gossip.exchange.replication import Replication
from lichen.gossip.exchange.slots import UNTOLD, EbtSession, Slot, merge_claim
from lichen.gossip.exchange.sources import Sources
from lichen.gossip.limits import MESSAGES_RUN_MAX, RESYNC_S_MIN, UNKNOWN_FEEDS_MAX
from lichen.gossip.ports import Log


class Verdict(Enum):
    """What to do with a message that came over a session."""

    TAKE = "take"
    DUPLICATE = "duplicate"
    NOT_ASKED = "not asked"


class Ebt:
    """The EBT sessions of one node, for the classic feed format."""

    __slots__ = ("_log", "_own", "_replication", "dirty", "mentions_own", "sessions", "sources")

    def __init__(self, own: FeedId, log: Log, replication: Replication) -> None:
        self._own = own
        self._log = log
        self._replication = replication
        self.sessions: dict[ConnectionId, EbtSession] = {}
        self.dirty: dict[ConnectionId, None] = {}
        """Sessions with notes or messages to send."""
        self.sources = Sources(log, replication, self.sessions)
        self.mentions_own = False
        """The own feed is noted to everybody, although the peer is believed to be as far as we."""

    def open(
        self,
        connection: ConnectionId,
        peer: FeedId,
        call: int,
        *,
        is_client: bool,
        saved_clock: Mapping[FeedId, int],
        now: float,
    ) -> EbtSession:
        """Begin a session; the side that was dialled notes at once."""
        session = EbtSession(connection, peer, call, self.dirty)
        session.claims = {
            feed: sequence
            for feed, sequence in saved_clock.items()
            if self._replication.is_shared(feed, peer)
        }
        self.sessions[connection] = session
        if not is_client:
            self._introduce(session, now)
        return session

    def close(self, connection: ConnectionId, now: float) -> dict[FeedId, int]:
        """End a session; ask others for what it was sending. Return the peer's clock."""
        session = self.sessions.pop(connection)
        self.dirty.pop(connection, None)
        for feed, slot in session.slots.items():
            if not self.sources.release(session, feed):
                continue
            if feed in self.sources.behind and self.sources.hand_over(feed, connection, now):
                continue
            if slot.heard_at:
                self.sources.hand_over_idle(feed, now)
        return self.clock_of(session)

    def clock_of(self, session: EbtSession) -> dict[FeedId, int]:
        """Return what to remember of a peer: its claims on feeds that we exchange with it.

        A feed that we declined is left out, so that it is noted anew if it is exchanged later. So
        is one that we declined for a while: if the note that took this back was lost, the peer
        remembers the refusal and says nothing of the feed, and both would be silent for ever.
        """
        clock = session.claims.copy()
        for feed in session.unsaved:
            clock.pop(feed, None)
        return clock

    def _introduce(self, session: EbtSession, now: float) -> None:
        session.has_spoken = session.must_note = True
        session.mark_dirty()
        received, audited, may_ask = self._log.received, self._log.audited, self.sources.may_ask
        claims, slots, notes = session.claims, session.slots, session.notes
        blocked_by = self._replication.blocked_by.get(session.peer, {})
        for feed in self._replication.wanted:
            if feed in blocked_by:
                continue
            claim = claims.get(feed, 0)
            own = received(feed)
            is_known = claim == own and own > 0
            if feed == self._own and self.mentions_own:
                is_known = False
            elif claim == -1:
                continue
            if not is_known:
                slots[feed] = Slot()
                if may_ask(session, feed):
                    self.sources.ask(session, feed, now)
                else:
                    notes[feed] = encode_note(audited(feed), receives=False)
            if claim > own:
                self.sources.behind[feed] = None

    def receive_notes(self, session: EbtSession, members: Mapping[str, object], now: float) -> None:
        """Take in an object of notes."""
        session.has_heard = True
        session.heard_count += 1
        if not session.has_spoken:
            self._introduce(session, now)
        blocked_by = self._replication.blocked_by.get(session.peer, {})
        wanted = self._replication.wanted
        for name, value in members.items():
            feed = FeedId(name)
            known = wanted.get(feed)
            if known is not None and known not in blocked_by:
                self._receive_note(session, known, decode_note(value), now)
            elif feed in session.declined:
                session.declined[feed] = _as_number(decode_note(value))
            elif len(session.declined) < UNKNOWN_FEEDS_MAX and is_feed_id(name):
                note = _as_number(decode_note(value))
                session.declined[feed] = note
                if note != -1:
                    session.note(feed, -1, receives=False)

    def _receive_note(self, session: EbtSession, feed: FeedId, note: Note, now: float) -> None:
        sequence = note.sequence if note.replicates and note.sequence >= 0 else -1
        claim = merge_claim(session.claims.get(feed), sequence)
        session.claims[feed] = claim
        own, audited = self._log.received(feed), self._log.audited(feed)
        slot = session.slots.get(feed)
        if sequence < 0:
            self._receive_refusal(session, feed, now)
            return
        if slot is None:
            slot = session.slots[feed] = Slot()
            if own <= claim and self.sources.is_free(feed):
                self.sources.ask(session, feed, now)
            elif own >= claim or not self.sources.offer(session, feed, claim, now):
                session.note(feed, audited, receives=False)
        elif slot.is_refused:
            return
        elif claim > own and not slot.is_asked:
            self.sources.offer(session, feed, claim, now)
        if claim > own:
            self.sources.behind[feed] = None
        slot.wants = note.receives
        slot.sent = sequence
        if claim < own and audited < own and slot.is_asked:
            # Before the audit a peer that has less than we is no source: it would be told too much.
            self.sources.release(session, feed)
            session.note(feed, audited, receives=False)
        if audited > sequence:
            if slot.wants:
                session.make_ready(feed)
            else:
                session.note(feed, audited, receives=slot.is_asked)

    def _receive_refusal(self, session: EbtSession, feed: FeedId, now: float) -> None:
        slot = session.slots.setdefault(feed, Slot())
        slot.wants = False
        slot.sent = UNTOLD
        if self.sources.release(session, feed):
            self.sources.hand_over(feed, session.connection, now)

    def receive_message(
        self, session: EbtSession, author: FeedId, sequence: int, now: float
    ) -> Verdict:
        """Take note that a message has come; say what to do with it."""
        slot = session.slots.get(author)
        if slot is None or slot.is_refused or author in self.sources.frozen:
            return Verdict.NOT_ASKED
        if sequence > session.claims.get(author, 0):
            session.claims[author] = sequence
        slot.sent = max(slot.sent, sequence)
        if sequence <= self._log.received(author):
            if not slot.is_asked and now >= slot.resync_at:
                slot.resync_at = now + RESYNC_S_MIN
                session.note(author, self._log.audited(author), receives=False)
            return Verdict.DUPLICATE
        session.heard_count += 1
        session.heard_at = slot.heard_at = now
        slot.broken = 0
        return Verdict.TAKE

    def grew(self, feed: FeedId, last: int) -> None:
        """Offer what is new and audited: to those who want it, and a note to those who might."""
        for session in self.sessions.values():
            claim = session.claims.get(feed)
            if claim is not None and (claim == -1 or claim >= last):
                continue
            if not session.has_spoken or not self._replication.is_shared(feed, session.peer):
                continue
            slot = session.slots.get(feed)
            if slot is None:
                session.slots[feed] = Slot()
                session.note(feed, last, receives=False)
            elif slot.is_refused:
                continue
            elif slot.wants:
                if slot.sent + MESSAGES_RUN_MAX >= last:
                    session.make_fresh(feed)
                else:
                    session.make_ready(feed)
            elif slot.sent != UNTOLD and not (slot.is_asked and self._log.received(feed) > last):
                session.note(feed, last, receives=slot.is_asked)

    def take_run(self, session: EbtSession, feed: FeedId) -> tuple[int, int] | None:
        """Return the next messages to send of a ready feed and count them as sent."""
        slot = session.slots.get(feed)
        if slot is None or not slot.wants or slot.is_refused:
            return None
        audited = self._log.audited(feed)
        first = slot.sent + 1
        if audited < first:
            return None
        last = slot.sent = min(audited, first + MESSAGES_RUN_MAX - 1)
        return first, last

    def confirm_run(
        self, session: EbtSession, feed: FeedId, run: tuple[int, int], last: int
    ) -> None:
        """Correct what counts as sent when a run ended early; go on with the feed.

        When nothing at all was found, the feed waits for its next growth or note.
        """
        slot = session.slots.get(feed)
        if slot is None:
            return
        first, expected = run
        if last < expected and slot.sent == expected:
            slot.sent = last
        if last >= first and slot.wants and self._log.audited(feed) > slot.sent:
            session.go_on(feed)

    def follow(self, feed: FeedId, now: float) -> None:
        """Begin to exchange a feed with everybody: ask whoever has most of it, tell the rest."""
        best: EbtSession | None = None
        for session in self.sessions.values():
            if self._join(session, feed) and (
                best is None or session.claims.get(feed, 0) > best.claims.get(feed, 0)
            ):
                best = session
        if best is not None and self.sources.may_ask(best, feed):
            self.sources.ask(best, feed, now)

    def allow(self, feed: FeedId, peer: FeedId, now: float) -> None:
        """Exchange a feed with a peer that its author blocks no longer."""
        for session in self.sessions.values():
            if session.peer == peer and self._join(session, feed):
                if self.sources.may_ask(session, feed):
                    self.sources.ask(session, feed, now)
                return

    def _join(self, session: EbtSession, feed: FeedId) -> bool:
        """Note a feed to a peer; tell whether the peer may be asked for it.

        A peer that had said -1 is noted too: it may have heard -1 from us and never speak again.
        """
        noted = session.declined.pop(feed, None)
        if not session.has_spoken or not self._replication.is_shared(feed, session.peer):
            return False
        if feed in session.slots:
            return False
        own, audited = self._log.received(feed), self._log.audited(feed)
        slot = session.slots[feed] = Slot()
        session.note(feed, audited, receives=False)
        if noted is None:
            return True
        session.unsaved[feed] = None
        claim = session.claims[feed] = decode_note(noted).sequence
        if claim < 0:
            return False
        slot.wants, slot.sent = decode_note(noted).receives, claim
        if slot.wants and audited > claim:
            session.make_ready(feed)
        if claim > own:
            self.sources.behind[feed] = None
        return True

    def unfollow(self, feed: FeedId) -> None:
        """Exchange a feed with nobody any more."""
        for session in self.sessions.values():
            self._leave(session, feed)
        self.sources.behind.pop(feed, None)

    def refuse(self, feed: FeedId, peer: FeedId, now: float) -> None:
        """Exchange a feed no longer with a peer, because its author blocks it."""
        for session in self.sessions.values():
            if session.peer == peer and self._leave(session, feed):
                self.sources.hand_over(feed, session.connection, now)

    def _leave(self, session: EbtSession, feed: FeedId) -> bool:
        was_source = self.sources.release(session, feed)
        if feed in session.slots:
            session.decline(feed)
        session.claims.pop(feed, None)
        return was_source

    def reject(self, session: EbtSession, feed: FeedId, now: float) -> None:
        """Take a feed from this peer no more: what it sent of it was invalid."""
        if not session.has_spoken or not self._replication.is_shared(feed, session.peer):
            return
        slot = session.slots.setdefault(feed, Slot())
        if slot.is_refused:
            return
        slot.is_refused = True
        session.unsaved[feed] = None
        slot.wants = False
        session.drop_ready(feed)
        session.note(feed, -1, receives=False)
        if self.sources.release(session, feed):
            self.sources.hand_over(feed, session.connection, now)

    def freeze(self, feed: FeedId) -> None:
        """Ask nobody for a forked feed any more; what we have is still given on."""
        if feed in self.sources.frozen:
            return
        self.sources.frozen[feed] = None
        source = self.sources.source(feed)
        if source is not None:
            self.sources.release(source, feed)
            source.note(feed, self._log.audited(feed), receives=False)


def _as_number(note: Note) -> int:
    if not note.replicates or note.sequence < 0:
        return -1
    return encode_note(note.sequence, receives=note.receives)
