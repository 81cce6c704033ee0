"""The brain: it is told what happened and answers with what is to be done.

``Node.handle(event, now)`` is the only entrance, a pure function of the node's state: no clock, no
socket, no chance of its own. Everything about time is one deadline: ``WakeAt`` names the next, and
whatever is due is done at any event, so that a lost ``Woke`` loses nothing.

The same machine runs on sockets and in the lab's virtual world.
"""

from collections.abc import Callable, Mapping

from lichen.feed.message import FeedId, Reason, Rejected
from lichen.gossip.connections.calls import Calls
from lichen.gossip.connections.lifecycle import Lifecycle
from lichen.gossip.connections.schedule import Schedule
from lichen.gossip.connections.session import Session
from lichen.gossip.effects import Effect, Notify, ResumeReading, WakeAt
from lichen.gossip.events import (
    AddressAdded,
    AddressForgotten,
    Connected,
    ConnectionId,
    DialFailed,
    Disconnected,
    Drained,
    Event,
    FromPeer,
    GuardLifted,
    HopsChanged,
    Ingested,
    IngestFailed,
    MessagesSent,
    PeerDismissed,
    PeerSeen,
    Started,
    Woke,
)
from lichen.gossip.exchange.replication import FollowGraph
from lichen.gossip.limits import (
    BROKEN_PROMISES_MAX,
    DRAIN_S_MAX,
    FAULTS_MAX,
    GRAPH_DEBOUNCE_S,
    HISTORY_KEPT_FRIEND_MAX,
    HISTORY_KEPT_STRANGER_MAX,
    INGEST_RETRY_S,
    OTHER_CALLS_MAX,
    PENDING_BYTES_HIGH,
    PENDING_MESSAGES_LOW,
    RESYNC_S_MIN,
    STALL_S,
)
from lichen.gossip.parts import Parse, Parts
from lichen.gossip.ports import Blobs, Log, Random
from lichen.gossip.status import NodeStatus

_NOT_THE_PEERS_FAULT = frozenset({Reason.SEQUENCE_GAP, Reason.DEPENDS, Reason.FORKED})


class Node:
    """One peer's brain."""

    __slots__ = ("_armed_at", "_calls", "_handlers", "_lifecycle", "_parts", "_timer_handlers")

    def __init__(
        self, own: FeedId, log: Log, rng: Random, parse: Parse, blobs: Blobs | None = None
    ) -> None:
        """Without ``blobs`` the node keeps none, and offers no calls about them."""
        self._parts = Parts(own, log, parse, blobs)
        self._calls = Calls(self._parts)
        self._lifecycle = Lifecycle(self._parts, self._calls, Schedule(rng))
        self._armed_at: float | None = None
        lifecycle, downloads = self._lifecycle, self._calls.blobs.downloads
        self._handlers: dict[type, Callable[..., None]] = {
            Started: self._on_started,
            Connected: lifecycle.on_connected,
            Disconnected: lifecycle.on_disconnected,
            FromPeer: self._on_from_peer,
            Drained: self._on_drained,
            MessagesSent: self._on_messages_sent,
            Ingested: self._on_ingested,
            IngestFailed: self._on_ingest_failed,
            DialFailed: lifecycle.on_dial_failed,
            AddressAdded: lifecycle.on_address_added,
            AddressForgotten: lifecycle.on_address_forgotten,
            PeerDismissed: lifecycle.on_peer_dismissed,
            PeerSeen: lifecycle.on_peer_seen,
            HopsChanged: self._on_hops_changed,
            GuardLifted: self._on_guard_lifted,
            Woke: self._on_woke,
            **self._calls.blobs.handlers,
        }
        self._timer_handlers: dict[str, Callable[[ConnectionId, float], None]] = {
            "graph": lambda _, now: self._update_replication(now),
            "stalls": lambda _, now: self._check_stalls(now),
            "dial": lambda _, now: lifecycle.dial(now),
            "nearby": lifecycle.check_nearby,
            "guard": lambda _, now: self._open_guard(now),
            "ebt": lifecycle.check_ebt,
            "history": lifecycle.continue_history,
            "clock": lifecycle.save_clock,
            "drain": lifecycle.check_drain,
            "idle": lifecycle.check_idle,
            "ping": lifecycle.serve_pings,
            "blob": downloads.check_stall,
            "blobs": lambda _, now: downloads.retry(now),
        }

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take in what happened; return what is to be done, in order."""
        parts = self._parts
        out: list[Effect] = []
        parts.out = out
        self._handlers[type(event)](event, now)
        for kind, connection in parts.timers.take_due(now):
            if not connection or connection in parts.sessions:
                self._timer_handlers[kind](ConnectionId(connection), now)
        self._flush(now)
        next_at = parts.timers.next_at()
        if next_at is not None and next_at != self._armed_at:
            out.append(WakeAt(next_at))
        self._armed_at = next_at
        return out

    def _flush(self, now: float) -> None:
        """Send what has collected, close whom we had enough of, and arm what watches over it."""
        parts = self._parts
        while parts.doomed:
            connection, reason = parts.doomed.popitem()
            if connection in parts.sessions:
                self._lifecycle.close(parts.sessions[connection], reason, now)
        blobs = self._calls.blobs
        blobs.downloads.start(now)
        blobs.save_pushes()
        dirty = parts.ebt.dirty
        for connection in list(dirty):
            del dirty[connection]
            session = parts.sessions.get(connection)
            if session is not None:
                session.flush(parts.out, parts.ebt, parts.log, now)
                blobs.flush(session, now)
                if session.stuck_since is not None:
                    at = session.stuck_since + DRAIN_S_MAX
                    parts.timers.set_if_unset("drain", at, connection)
        if parts.ebt.sources.behind:
            parts.timers.set_if_unset("stalls", now + STALL_S)

    def may_connect(self, peer: FeedId) -> bool:
        """Tell whether to accept a peer that dials us: not blocked, and there is room."""
        return self._lifecycle.may_connect(peer)

    def calls_max(self, peer: FeedId) -> int:
        """Return how many calls a peer may have open at once on its connection."""
        is_friend = self._parts.replication.is_wanted(peer)
        kept = HISTORY_KEPT_FRIEND_MAX if is_friend else HISTORY_KEPT_STRANGER_MAX
        return kept + OTHER_CALLS_MAX

    @property
    def is_guarded(self) -> bool:
        """Tell whether publishing has to wait."""
        return self._parts.own_feed.is_guarded

    @property
    def graph(self) -> FollowGraph:
        """Who follows and blocks whom, as far as the log tells."""
        return self._parts.replication.graph

    def hops(self) -> Mapping[FeedId, float]:
        """Return how far away each known feed is; negative: blocked, or followed no longer."""
        return self._parts.replication.hops

    def snapshot(self) -> NodeStatus:
        """Describe the node for people."""
        parts, sources = self._parts, self._parts.ebt.sources
        lacking = [count for count in map(sources.lacking, sources.behind) if count]
        return NodeStatus(
            peers=tuple(session.status() for session in parts.sessions.values()),
            staged=self._lifecycle.staged(),
            addresses=self._lifecycle.addresses(),
            hops_max=parts.replication.hops_max,
            feeds_wanted=len(parts.replication.wanted),
            feeds_behind=len(lacking),
            messages_behind=sum(lacking),
            feeds_forked=len(sources.frozen),
            is_guarded=parts.own_feed.is_guarded,
            asked_peers=tuple(parts.own_feed.asked),
            close_reasons=dict(parts.close_reasons),
            blobs_wanted=len(parts.blobs.wants),
            blobs_fetching=len(parts.blobs.downloads),
            blob_faults=parts.blobs.fault_count,
        )

    # Start, settings, time

    def _on_started(self, event: Started, now: float) -> None:
        parts = self._parts
        self._calls.set_clock(event.clock_ms)
        parts.replication.set_hops_max(event.hops_max)
        for contact in event.contacts:
            parts.replication.add(contact)
        parts.replication.update()
        for feed in event.forked:
            parts.ebt.freeze(feed)
        parts.blobs.pushes = {blob: dict.fromkeys(peers) for blob, peers in event.pushes}
        parts.own_feed.start(event.is_guarded, event.asked_peers, now)
        parts.tell_guard()
        self._lifecycle.start(event.addresses, now)

    def _on_hops_changed(self, event: HopsChanged, now: float) -> None:
        self._parts.replication.set_hops_max(event.hops_max)
        self._update_replication(now)

    def _on_woke(self, _event: Woke, _now: float) -> None:
        self._armed_at = None

    def _update_replication(self, now: float) -> None:
        parts = self._parts
        parts.timers.cancel("graph")
        changes = parts.replication.update()
        for feed in changes.removed:
            parts.ebt.unfollow(feed)
        for author, peer in changes.refused:
            self._refuse(author, peer, now)
        for feed in changes.added:
            parts.ebt.follow(feed, now)
        for author, peer in changes.allowed:
            parts.ebt.allow(author, peer, now)
        if not (changes.added or changes.removed):
            return
        for peer in (*changes.added, *changes.removed):
            with_peer = self._lifecycle.session_with(peer)
            if with_peer is not None:
                is_friend = peer in parts.replication.wanted
                parts.blobs.set_friend(with_peer.connection, is_friend=is_friend)
        for session in parts.sessions.values():
            for feed in changes.removed if session.server.streams else ():
                for call in session.server.streams_of(feed):
                    session.end_history(parts.out, call)
            caller = session.caller
            if caller is None:
                continue
            for feed in changes.removed:
                parts.drop_history(session, caller.drop(feed))
            for feed in changes.added:
                if parts.replication.is_shared(feed, session.peer):
                    caller.want(feed)
            parts.pump_history(session, now)

    def _refuse(self, author: FeedId, peer: FeedId, now: float) -> None:
        """Act on a block: give a feed no longer to a peer, or close the connection with it."""
        parts = self._parts
        if author == parts.own:
            self._lifecycle.unstage(peer)
        session = self._lifecycle.session_with(peer)
        if session is None:
            return
        if author == parts.own:
            self._lifecycle.close(session, "blocked", now)
            return
        parts.ebt.refuse(author, peer, now)
        for call in session.server.streams_of(author):
            session.end_history(parts.out, call)
        if session.caller is not None:
            parts.drop_history(session, session.caller.drop(author))

    def _check_stalls(self, now: float) -> None:
        parts = self._parts
        busy = {session.connection for session in parts.sessions.values() if session.pending}
        sources = parts.ebt.sources
        sources.check_stalls(now, busy)
        if parts.own_feed.is_guarded:
            for session in parts.ebt.sessions.values():
                slot = session.slots.get(parts.own)
                if slot is not None and slot.broken >= BROKEN_PROMISES_MAX:
                    parts.own_feed.discredit(session.peer)
            parts.tell_guard()

    def _open_guard(self, now: float) -> None:
        guard = self._parts.own_feed
        opens_at = guard.opens_at
        if opens_at is not None and opens_at <= now:
            self._lift_guard(f"{len(guard.asked)} peers were asked for the own feed")

    def _lift_guard(self, words: str) -> None:
        parts = self._parts
        parts.own_feed.lift()
        parts.out.append(Notify("guard-lifted", detail=words))
        parts.tell_guard()

    def _on_guard_lifted(self, _event: GuardLifted, _now: float) -> None:
        if self._parts.own_feed.is_guarded:
            self._lift_guard("publishing was allowed by hand")

    # What peers and the store report

    def _on_from_peer(self, event: FromPeer, now: float) -> None:
        session = self._parts.sessions.get(event.connection)
        if session is not None:
            self._calls.receive(session, event.event, now)
            if self._parts.own_feed.is_guarded:
                self._parts.tell_guard()

    def _on_drained(self, event: Drained, now: float) -> None:
        session = self._parts.sessions.get(event.connection)
        if session is not None:
            session.awaits_room = False
            session.report_room(event.queued_bytes, now)
            self._parts.mark_dirty(session)

    def _on_messages_sent(self, event: MessagesSent, now: float) -> None:
        parts = self._parts
        session = parts.sessions.get(event.connection)
        if session is not None:
            session.confirm(parts.out, event, parts.ebt, now)
            parts.mark_dirty(session)

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

    def _on_ingest_failed(self, event: IngestFailed, now: float) -> None:
        """Wait a while; then the feeds are asked for anew as if their sources had been silent."""
        self._count_pending(event)
        self._parts.timers.set("stalls", now + INGEST_RETRY_S)

    def _on_ingested(self, event: Ingested, now: float) -> None:
        parts = self._parts
        session = self._count_pending(event)
        for progress in event.progress:
            self._grew(progress.feed, progress.last, event.connection, now)
        for fork in event.forks:
            parts.ebt.freeze(fork.first.author)
        if session is not None and event.rejected:
            self._blame(session, event.rejected, now)
        is_changed = False
        for contact in event.contacts:
            is_changed = parts.replication.add(contact) or is_changed
        if is_changed:
            parts.timers.set_if_unset("graph", now + GRAPH_DEBOUNCE_S)

    def _grew(self, feed: FeedId, last: int, connection: ConnectionId | None, now: float) -> None:
        parts = self._parts
        parts.ebt.grew(feed, last)
        for session in parts.sessions.values():
            if session.server.streams and session.server.grew(feed):
                parts.mark_dirty(session)
        if feed != parts.own:
            return
        guard = parts.own_feed
        if guard.is_guarded:
            guard.grew(last, now)
            parts.tell_guard()
        elif connection is not None:
            guard.raise_guard(now)
            parts.out.append(
                Notify("guard-set", detail="a peer had own messages that this log lacked")
            )
            parts.tell_guard()

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
            if session.ebt is not None:
                parts.ebt.reject(session.ebt, feed, now)
            if session.caller is not None:
                parts.drop_history(session, session.caller.reject(feed))
        for feed in gaps:
            if session.ebt is not None:
                parts.ebt.sources.resync(session.ebt, feed, now)
            if session.caller is not None and feed in session.caller.by_feed:
                parts.drop_history(session, session.caller.drop(feed))
                session.caller.want(feed, now + RESYNC_S_MIN)
                parts.pump_history(session, now)
        if session.faults >= FAULTS_MAX:
            self._lifecycle.close(session, "invalid-messages", now)
