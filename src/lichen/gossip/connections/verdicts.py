"""What the store made of messages that peers sent: kept, audited, refused, or not written.

What was kept and audited is passed on and may bring new contacts; what was refused is asked for
again after a gap and blamed on the peer after a fault (SSB's validation says which it is). What
was kept and then found not to be what its author had signed is blamed on the peer that sent it,
and asked of another: no peer can do more to a feed than that. Every verdict also gives back room:
a connection with too many undecided messages is paused until they are decided.
"""

from lichen.feed.message import FeedId, Reason, Rejected
from lichen.gossip.connections.guard import Guard
from lichen.gossip.connections.lifecycle import Lifecycle
from lichen.gossip.connections.session import Session
from lichen.gossip.effects import Notify, ResumeReading
from lichen.gossip.events import Audited, AuditFailed, Ingested, IngestFailed, PeerTrusted
from lichen.gossip.limits import (
    FAULTS_MAX,
    GRAPH_DEBOUNCE_S,
    INGEST_RETRY_S,
    PENDING_BYTES_HIGH,
    PENDING_MESSAGES_LOW,
    RESYNC_S_MIN,
)
from lichen.gossip.parts import Parts

_TAKEN_BACK = "messages that were not what their author had signed are gone from the log"
_NOT_THE_PEERS_FAULT = frozenset({Reason.SEQUENCE_GAP, Reason.DEPENDS, Reason.FORKED})


class Verdicts:
    """Acts on what the store reports."""

    __slots__ = ("_guard", "_lifecycle", "_parts")

    def __init__(self, parts: Parts, lifecycle: Lifecycle, guard: Guard) -> None:
        self._parts = parts
        self._guard = guard
        self._lifecycle = lifecycle

    def on_ingest_failed(self, event: IngestFailed, now: float) -> None:
        """Wait a while; then the feeds are asked for anew as if their sources had been silent.

        The streams of a peer without EBT have gone past what was lost, and would not come back.
        """
        parts = self._parts
        session = self._count_pending(event)
        parts.timers.set("stalls", now + INGEST_RETRY_S)
        caller = None if session is None else session.caller
        if session is None or caller is None:
            return
        for feed in list(caller.by_feed):
            parts.drop_history(session, caller.drop(feed))
            caller.want(feed, now + INGEST_RETRY_S)
        parts.pump_history(session, now)

    def on_ingested(self, event: Ingested, now: float) -> None:
        """Take in what the log has now: pass it on, note contacts, deal with what was refused."""
        parts = self._parts
        session = self._count_pending(event)
        for progress in event.progress:
            audited = min(parts.log.audited(progress.feed), progress.last)
            if audited >= progress.first:
                self._announce(progress.feed, audited)
            parts.ebt.sources.grew(progress.feed, progress.last)
            if progress.feed == parts.own:
                self._guard.grew(progress.last, event.connection, now)
        if not parts.ebt.sources.behind and not parts.own_feed.is_guarded:
            parts.timers.cancel("stalls")
        for fork in event.forks:
            parts.ebt.freeze(fork.first.author)
        if session is not None and event.rejected:
            self._blame(session, event.rejected, now)
        is_changed = False
        for contact in event.contacts:
            is_changed = parts.replication.add(contact) or is_changed
        if is_changed:
            parts.timers.set_if_unset("graph", now + GRAPH_DEBOUNCE_S)

    def _count_pending(self, event: Ingested | IngestFailed) -> Session | None:
        parts = self._parts
        if event.connection is None:
            return None
        session = parts.sessions.get(event.connection)
        if session is None:
            return None
        session.pending -= event.count
        if session.pending_bytes:
            session.pending_bytes.popleft()
        is_little = (
            session.pending <= PENDING_MESSAGES_LOW
            and sum(session.pending_bytes) <= PENDING_BYTES_HIGH // 2
        )
        if session.is_paused and is_little:
            session.is_paused = False
            parts.out.append(ResumeReading(session.connection))
        return session

    def on_audited(self, event: Audited, now: float) -> None:
        """Pass on what waited for its audit."""
        log, sources = self._parts.log, self._parts.ebt.sources
        for feed, last in event.progress:
            self._announce(feed, last)
            if last == log.received(feed):
                sources.settle(feed, now)

    def on_audit_failed(self, event: AuditFailed, now: float) -> None:
        """Blame who sent it, and ask another for what had to go."""
        parts, feed = self._parts, event.feed
        parts.out.append(Notify("taken-back", peer=event.source, feed=feed, detail=_TAKEN_BACK))
        session = None if event.source is None else self._distrust(event.source)
        if session is not None:
            session.faults += 1
            self._reject(session, feed, now)
        # If it is still proved to be forked, whoever sends more of it is told so again.
        parts.ebt.sources.frozen.pop(feed, None)
        parts.ebt.sources.ask_again(feed, now)
        for each in parts.sessions.values():
            if each.caller is not None and feed in each.caller.by_feed:
                parts.drop_history(each, each.caller.drop(feed))
                each.caller.want(feed, now)
                parts.pump_history(each, now)
        if session is not None and session.faults >= FAULTS_MAX:
            self._lifecycle.close(session, "invalid-messages", now)

    def _distrust(self, peer: FeedId) -> Session | None:
        """Trust a peer no more; return the connection with it."""
        self._parts.distrusted[peer] = None
        return self._lifecycle.session_with(peer)

    def on_peer_trusted(self, event: PeerTrusted, _now: float) -> None:
        """Trust a peer again: what it sends from now on may wait for its audit."""
        self._parts.distrusted.pop(event.peer, None)

    def _announce(self, feed: FeedId, last: int) -> None:
        """Offer what is new of a feed and audited."""
        parts = self._parts
        parts.ebt.grew(feed, last)
        for session in parts.sessions.values():
            if session.server.streams and session.server.grew(feed):
                parts.mark_dirty(session)

    def _blame(self, session: Session, rejected: tuple[Rejected, ...], now: float) -> None:
        """Deal with what was refused: ask again after a gap, and take no more after a fault."""
        parts = self._parts
        gaps: dict[FeedId, None] = {}
        faults: dict[FeedId, bool] = {}
        for each in rejected:
            if each.author is None:
                session.malformed_count += 1
            elif each.reason is Reason.FORKED:
                parts.ebt.freeze(each.author)
            elif each.reason is Reason.SEQUENCE_GAP:
                gaps[each.author] = None
            elif each.reason not in _NOT_THE_PEERS_FAULT:
                faults[each.author] = each.reason is Reason.PREVIOUS
        for feed, is_other_branch in faults.items():
            if not is_other_branch:  # an honest peer may hold the other branch of a forked feed
                session.faults += 1
            self._reject(session, feed, now)
        for feed in gaps:
            if session.ebt is not None:
                parts.ebt.sources.resync(session.ebt, feed, now)
            if session.caller is not None and feed in session.caller.by_feed:
                parts.drop_history(session, session.caller.drop(feed))
                session.caller.want(feed, now + RESYNC_S_MIN)
                parts.pump_history(session, now)
        if session.faults >= FAULTS_MAX:
            self._lifecycle.close(session, "invalid-messages", now)

    def _reject(self, session: Session, feed: FeedId, now: float) -> None:
        """Take a feed from a peer no more on this connection."""
        if session.ebt is not None:
            self._parts.ebt.reject(session.ebt, feed, now)
        if session.caller is not None:
            self._parts.drop_history(session, session.caller.reject(feed))
