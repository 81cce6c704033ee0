"""Whom we ask for each feed: one peer at a time, and another as soon as that one fails.

EBT keeps every message to about one transmission per peer by asking a single peer (an even note)
and telling the others not to send (odd notes). This module holds that choice. Unlike the
JavaScript original it is kept in one table, so that no feed has two sources or is forgotten when
its source goes. A source that promised messages and sends none is replaced after ``STALL_S``; one
that did so three times in a row is a last resort only.

The source is told what was received, everybody else what was audited: so nobody sends again what
is here, and nobody is promised what may yet turn out to be wrong. Hence a peer that has less than
we is not asked for a feed that is still being audited.
"""

from collections.abc import Container, Iterator

from lichen.feed.message import FeedId
from lichen.gossip.events import ConnectionId
from lichen.gossip.exchange.replication import Replication
from lichen.gossip.exchange.slots import EbtSession, Slot
from lichen.gossip.limits import (
    BROKEN_PROMISES_MAX,
    FEED_STALL_S,
    LIAR_RETRY_S,
    RESYNC_S_MIN,
    STALL_S,
)
from lichen.gossip.ports import Log


class Sources:
    """The peer that each feed is asked of, and the feeds that somebody has more of than we."""

    __slots__ = (
        "_doubted",
        "_log",
        "_replication",
        "_sessions",
        "_source",
        "behind",
        "frozen",
        "stalls",
    )

    def __init__(
        self, log: Log, replication: Replication, sessions: dict[ConnectionId, EbtSession]
    ) -> None:
        self._log = log
        self._replication = replication
        self._sessions = sessions
        self._source: dict[FeedId, ConnectionId] = {}
        self._doubted: dict[FeedId, None] = {}
        """Feeds of which a source broke its word so often that another peer may be asked."""
        self.behind: dict[FeedId, None] = {}
        """Feeds of which a peer claims more than we have; looked over every ``STALL_S``."""
        self.frozen: dict[FeedId, None] = {}
        """Forked feeds: what we have is given on, nothing is asked for."""
        self.stalls = 0

    def source(self, feed: FeedId) -> EbtSession | None:
        """Return the session that a feed is asked of."""
        connection = self._source.get(feed)
        return None if connection is None else self._sessions.get(connection)

    def ask(self, session: EbtSession, feed: FeedId, now: float) -> None:
        """Ask this peer for a feed; whoever was asked before is told to stop."""
        old = self.source(feed)
        own = self._log.received(feed)
        if old is not None and old is not session:
            self._stop(old, feed)
        slot = session.slots.get(feed)
        if slot is None:
            slot = session.slots[feed] = Slot()
        slot.is_asked = True
        slot.asked_at = now
        self._source[feed] = session.connection
        session.note(feed, own, receives=True)

    def _stop(self, session: EbtSession, feed: FeedId) -> None:
        """Ask this peer for a feed no longer, and tell it so."""
        slot = session.slots.get(feed)
        if slot is not None and slot.is_asked:
            self.release(session, feed)
            session.note(feed, self._log.audited(feed), receives=False)

    def release(self, session: EbtSession, feed: FeedId) -> bool:
        """Take a feed from a session without a word; tell whether it was the source."""
        slot = session.slots.get(feed)
        if slot is not None:
            slot.is_asked = False
        if self._source.get(feed) != session.connection:
            return False
        del self._source[feed]
        return True

    def is_free(self, feed: FeedId) -> bool:
        """Tell whether a peer may be asked for a feed without taking it from a good source."""
        if feed in self.frozen:
            return False
        if self._source.get(feed) not in self._sessions:
            return True
        if feed not in self._doubted:
            return False
        source = self.source(feed)
        return source is None or source.slots[feed].broken >= BROKEN_PROMISES_MAX

    def may_ask(self, session: EbtSession, feed: FeedId) -> bool:
        """Tell whether a peer may be asked for a feed that is free: not if it has less than we.

        It would take the question for an offer of what is not audited yet.
        """
        if not self.is_free(feed):
            return False
        own = self._log.received(feed)
        return self._log.audited(feed) == own or session.claims.get(feed, 0) >= own

    def offer(self, session: EbtSession, feed: FeedId, claim: int, now: float) -> bool:
        """Ask a peer that claims more than we have, if it is a better source; tell whether so."""
        slot = session.slots[feed]
        if feed in self.frozen or slot.is_asked or slot.is_refused:
            return False
        self.behind[feed] = None
        source = self.source(feed)
        if source is not None and slot.broken > source.slots[feed].broken:
            return False
        if source is None or claim > source.claims.get(feed, 0) or self._fails(source, feed, now):
            self.ask(session, feed, now)
            return True
        return False

    def _fails(self, source: EbtSession, feed: FeedId, now: float) -> bool:
        slot = source.slots[feed]
        if slot.broken:
            return True
        silent_since = max(slot.asked_at, slot.heard_at, source.heard_at)
        return source.claims.get(feed, 0) > self._log.received(feed) and (
            now - silent_since >= STALL_S
        )

    def hand_over(self, feed: FeedId, after: ConnectionId, now: float) -> bool:
        """Ask the next peer in rotation that claims more than we have; tell whether one does."""
        if feed in self.frozen:
            return False
        own = self._log.received(feed)
        last_resort: EbtSession | None = None
        for session in self._rotation(after):
            slot = session.slots.get(feed)
            if session.claims.get(feed, 0) <= own or (slot is not None and slot.is_refused):
                continue
            if not session.has_spoken or not self._replication.is_shared(feed, session.peer):
                continue
            if slot is None or slot.broken < BROKEN_PROMISES_MAX:
                self.ask(session, feed, now)
                return True
            if last_resort is None and now - slot.asked_at >= LIAR_RETRY_S:
                last_resort = session
        if last_resort is not None:
            self.ask(last_resort, feed, now)
        return last_resort is not None

    def settle(self, feed: FeedId, now: float) -> None:
        """Ask somebody for a feed that was not asked of anybody before it was audited."""
        if self.source(feed) is not None or self.hand_over(feed, ConnectionId(0), now):
            return
        best: EbtSession | None = None
        for session in self._sessions.values():
            slot = session.slots.get(feed)
            if slot is None or slot.is_refused or slot.broken or not session.has_spoken:
                continue
            if best is None or session.claims.get(feed, 0) > best.claims.get(feed, 0):
                best = session
        if best is not None and self.may_ask(best, feed):
            self.ask(best, feed, now)

    def ask_again(self, feed: FeedId, now: float) -> None:
        """Ask for what a feed has lost, as its source believes that it is here."""
        if not self._replication.is_wanted(feed):
            return
        self.behind[feed] = None
        own = self._log.received(feed)
        source = self.source(feed)
        if source is None:
            self.hand_over(feed, ConnectionId(0), now)
        elif source.claims.get(feed, 0) > own:
            self.ask(source, feed, now)
        elif not self.hand_over(feed, source.connection, now):
            self._stop(source, feed)

    def hand_over_idle(self, feed: FeedId, now: float) -> None:
        """Ask a peer that is as far as we are, so that the feed's next message comes at once."""
        own = self._log.received(feed)
        for session in self._sessions.values():
            slot = session.slots.get(feed)
            if slot is None or slot.is_refused or slot.broken or feed in self.frozen:
                continue
            if session.has_spoken and session.claims.get(feed, -1) == own:
                self.ask(session, feed, now)
                return

    def _rotation(self, after: ConnectionId) -> Iterator[EbtSession]:
        sessions = list(self._sessions.values())
        ids = list(self._sessions)
        start = ids.index(after) + 1 if after in self._sessions else 0
        for session in sessions[start:] + sessions[:start]:
            if session.connection != after:
                yield session

    def resync(self, session: EbtSession, feed: FeedId, now: float) -> None:
        """Repeat the question after messages that did not fit what we have; not too often."""
        slot = session.slots.get(feed)
        if slot is None or not slot.is_asked or now < slot.resync_at:
            return
        slot.resync_at = now + RESYNC_S_MIN
        session.note(feed, self._log.received(feed), receives=True)

    def check_stalls(self, now: float, busy: Container[ConnectionId]) -> None:
        """Look over the feeds that somebody has more of; replace sources that do not send.

        ``busy`` are connections whose messages wait for our own store: those peers are not to
        blame for the silence.
        """
        for feed in list(self.behind):
            own = self._log.received(feed)
            if not self.is_behind(feed):
                del self.behind[feed]
                continue
            source = self.source(feed)
            if source is None or source.claims.get(feed, 0) <= own:
                self.hand_over(feed, ConnectionId(0) if source is None else source.connection, now)
            elif source.connection not in busy:
                self._check_source(source, feed, now)

    def grew(self, feed: FeedId, last: int) -> None:
        """Look over a feed no longer if it has grown to what everybody claims."""
        if feed in self.behind and not self._claims_exceed(feed, last):
            del self.behind[feed]

    def is_behind(self, feed: FeedId) -> bool:
        """Tell whether a connected peer claims more of a wanted feed than we have."""
        return self._claims_exceed(feed, self._log.received(feed))

    def _claims_exceed(self, feed: FeedId, own: int) -> bool:
        return any(
            self._counts(session, feed)
            for session in self._sessions.values()
            if session.claims.get(feed, 0) > own
        )

    def lacking(self, feed: FeedId) -> int:
        """Return how many more messages of a wanted feed a connected peer claims than we have."""
        claims = (
            session.claims.get(feed, 0)
            for session in self._sessions.values()
            if self._counts(session, feed)
        )
        return max(0, max(claims, default=0) - self._log.received(feed))

    def _counts(self, session: EbtSession, feed: FeedId) -> bool:
        """Tell whether what a peer claims to have of a feed concerns us."""
        if feed in self.frozen or not self._replication.is_shared(feed, session.peer):
            return False
        slot = session.slots.get(feed)
        return slot is None or not slot.is_refused

    def _check_source(self, source: EbtSession, feed: FeedId, now: float) -> None:
        slot = source.slots[feed]
        silent_s = now - max(slot.asked_at, slot.heard_at)
        if now - max(source.heard_at, slot.asked_at) < STALL_S and silent_s < FEED_STALL_S:
            return
        is_liar = slot.broken >= BROKEN_PROMISES_MAX
        wait_s = LIAR_RETRY_S if is_liar else STALL_S * 2**slot.broken
        if self.hand_over(feed, source.connection, now):
            self._break(slot, feed)
        elif silent_s >= wait_s:
            self._break(slot, feed)
            self.ask(source, feed, now)

    def _break(self, slot: Slot, feed: FeedId) -> None:
        """Count a promise that was not kept."""
        slot.broken += 1
        self.stalls += 1
        if slot.broken >= BROKEN_PROMISES_MAX:
            self._doubted[feed] = None
