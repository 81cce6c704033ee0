"""The brain: it is told what happened and answers with what is to be done.

``Node.handle(event, now)`` is the only entrance, a pure function of the node's state: no clock, no
socket, no chance of its own. Everything about time is one deadline: ``WakeAt`` names the next, and
whatever is due is done at any event, so that a lost ``Woke`` loses nothing.

The same machine runs on sockets and in the lab's virtual world.
"""

from collections.abc import Callable, Mapping

from lichen.feed.message import FeedId
from lichen.gossip.connections.calls import Calls
from lichen.gossip.connections.guard import Guard
from lichen.gossip.connections.lifecycle import Lifecycle
from lichen.gossip.connections.schedule import Schedule
from lichen.gossip.connections.verdicts import Verdicts
from lichen.gossip.effects import Effect, WakeAt
from lichen.gossip.events import (
    AddressAdded,
    AddressForgotten,
    Audited,
    AuditFailed,
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
    PeerTrusted,
    Started,
    Woke,
)
from lichen.gossip.exchange.replication import FollowGraph
from lichen.gossip.limits import (
    DRAIN_S_MAX,
    HISTORY_KEPT_FRIEND_MAX,
    HISTORY_KEPT_STRANGER_MAX,
    OTHER_CALLS_MAX,
    STALL_S,
)
from lichen.gossip.parts import Parse, Parts
from lichen.gossip.ports import Blobs, Log, Random
from lichen.gossip.status import NodeStatus


class Node:
    """One peer's brain."""

    __slots__ = (
        "_armed_at",
        "_calls",
        "_guard",
        "_handlers",
        "_lifecycle",
        "_parts",
        "_timer_handlers",
    )

    def __init__(
        self, own: FeedId, log: Log, rng: Random, parse: Parse, blobs: Blobs | None = None
    ) -> None:
        """Without ``blobs`` the node keeps none, and offers no calls about them."""
        self._parts = Parts(own, log, parse, blobs)
        self._calls = Calls(self._parts)
        self._lifecycle = Lifecycle(self._parts, self._calls, Schedule(rng))
        self._guard = Guard(self._parts)
        self._armed_at: float | None = None
        lifecycle, downloads = self._lifecycle, self._calls.blobs.downloads
        verdicts = Verdicts(self._parts, lifecycle, self._guard)
        self._handlers: dict[type, Callable[..., None]] = {
            Started: self._on_started,
            Connected: lifecycle.on_connected,
            Disconnected: lifecycle.on_disconnected,
            FromPeer: self._on_from_peer,
            Drained: self._on_drained,
            MessagesSent: self._on_messages_sent,
            Ingested: verdicts.on_ingested,
            IngestFailed: verdicts.on_ingest_failed,
            Audited: verdicts.on_audited,
            AuditFailed: verdicts.on_audit_failed,
            DialFailed: lifecycle.on_dial_failed,
            AddressAdded: lifecycle.on_address_added,
            AddressForgotten: lifecycle.on_address_forgotten,
            PeerDismissed: lifecycle.on_peer_dismissed,
            PeerTrusted: verdicts.on_peer_trusted,
            PeerSeen: lifecycle.on_peer_seen,
            HopsChanged: self._on_hops_changed,
            GuardLifted: self._guard.on_lifted,
            Woke: self._on_woke,
            **self._calls.blobs.handlers,
        }
        self._timer_handlers: dict[str, Callable[[ConnectionId, float], None]] = {
            "graph": lambda _, now: self._update_replication(now),
            "stalls": lambda _, now: self._check_stalls(now),
            "dial": lambda _, now: lifecycle.dial(now),
            "nearby": lifecycle.check_nearby,
            "guard": lambda _, now: self._guard.open(now),
            "ebt": lifecycle.check_ebt,
            "history": lifecycle.continue_history,
            "clocks": lambda _, _now: lifecycle.save_clocks(),
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
        timers = parts.timers
        if timers.earliest <= now:
            self._do_what_is_due(now)
        if parts.doomed or parts.blobs.must_choose or parts.blobs.unsaved:
            self._tidy(now)
        ebt = parts.ebt
        if ebt.dirty:
            self._flush(now)
        if ebt.sources.behind:
            timers.set_if_unset("stalls", now + STALL_S)
        if timers.is_changed or self._armed_at is None:
            next_at = timers.next_at()
            if next_at is not None and next_at != self._armed_at:
                out.append(WakeAt(next_at))
            self._armed_at = next_at
        return out

    def _do_what_is_due(self, now: float) -> None:
        sessions, handlers = self._parts.sessions, self._timer_handlers
        for kind, connection in self._parts.timers.take_due(now):
            if not connection or connection in sessions:
                handlers[kind](ConnectionId(connection), now)

    def _tidy(self, now: float) -> None:
        """Close whom we had enough of, and see to blobs."""
        parts = self._parts
        while parts.doomed:
            connection, reason = parts.doomed.popitem()
            if connection in parts.sessions:
                self._lifecycle.close(parts.sessions[connection], reason, now)
        if parts.blobs.must_choose:
            self._calls.blobs.downloads.start(now)
        if parts.blobs.unsaved:
            self._calls.blobs.save_pushes()

    def _flush(self, now: float) -> None:
        """Send what has collected, and arm what watches over it."""
        parts, blobs = self._parts, self._calls.blobs
        dirty, sessions = parts.ebt.dirty, parts.sessions
        for connection in list(dirty):
            del dirty[connection]
            session = sessions.get(connection)
            if session is not None:
                session.flush(parts.out, parts.ebt, parts.log, now)
                blobs.flush(session, now)
                if session.stuck_since is not None:
                    at = session.stuck_since + DRAIN_S_MAX
                    parts.timers.set_if_unset("drain", at, connection)

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
            distrusted=tuple(parts.distrusted),
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
        parts.distrusted = dict.fromkeys(event.distrusted)
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
            if author == parts.own:
                self._lifecycle.dial(now)
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
        self._guard.check_liars()

    # What peers say and take

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
