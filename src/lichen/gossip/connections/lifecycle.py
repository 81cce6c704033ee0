"""The life of connections: dialled, opened, kept alive, closed, dialled again.

One connection per peer. Of two that two peers opened at the same time, both keep the one that the
greater id dialled; otherwise the newer one replaces the older, which may be dead without our
knowing. A connection ends, with a counted reason, when its peer is blocked, silent for too long
or does not read what it is sent.
"""

from lichen.feed.message import FeedId
from lichen.gossip.connections.calls import Calls
from lichen.gossip.connections.schedule import Entry, Schedule
from lichen.gossip.connections.session import Session
from lichen.gossip.effects import Close, Dial, Notify, SaveAddress, SaveClock
from lichen.gossip.events import (
    Address,
    AddressAdded,
    Connected,
    ConnectionId,
    DialFailed,
    Disconnected,
)
from lichen.gossip.limits import (
    BACKOFF_S_MIN,
    CONNECTIONS_MAX,
    DRAIN_S_MAX,
    EBT_RETRIES_MAX,
    IDLE_S_MAX,
    PING_S,
    SIMULTANEOUS_S,
)
from lichen.gossip.parts import Parts


class Lifecycle:
    """Opens, watches and closes the connections of one node."""

    __slots__ = ("_by_peer", "_calls", "_is_open", "_parts", "_schedule")

    def __init__(self, parts: Parts, calls: Calls, schedule: Schedule) -> None:
        self._parts = parts
        self._calls = calls
        self._schedule = schedule
        self._by_peer: dict[FeedId, Session] = {}
        self._is_open = False

    def start(self, addresses: tuple[Address, ...], now: float) -> None:
        """Begin to dial and to accept."""
        self._is_open = True
        for address in addresses:
            if address.peer != self._parts.own and address.autoconnect:
                self._schedule.add(address, now)
        self.dial(now)

    def session_with(self, peer: FeedId) -> Session | None:
        """Return the connection with a peer."""
        return self._by_peer.get(peer)

    def may_connect(self, peer: FeedId) -> bool:
        """Tell whether to accept a peer that dials us: not blocked, and there is room."""
        parts = self._parts
        if not self._is_open or parts.replication.is_blocked(peer) or peer == parts.own:
            return False
        if peer in self._by_peer or len(parts.sessions) < CONNECTIONS_MAX:
            return True
        return parts.replication.is_wanted(peer) and self._oldest_stranger() is not None

    def _oldest_stranger(self) -> Session | None:
        """Return who gives way to a peer whose feed we carry."""
        is_wanted = self._parts.replication.is_wanted
        strangers = (each for each in self._parts.sessions.values() if not is_wanted(each.peer))
        return next(strangers, None)

    # Open and close

    def on_connected(self, event: Connected, now: float) -> None:
        """Begin with a new connection, or refuse it."""
        parts = self._parts
        if event.is_client:
            self._reached(event, now)
        reason = self._find_objection(event, now)
        if reason is not None:
            parts.out.append(Close(event.connection, reason))
            parts.count_close(reason)
            return
        if len(parts.sessions) >= CONNECTIONS_MAX and event.peer not in self._by_peer:
            stranger = self._oldest_stranger()
            assert stranger is not None, "there is no objection only if somebody gives way"
            self.close(stranger, "gave-way", now)
        session = Session(event, now)
        old = self._by_peer.get(event.peer)
        if old is not None:
            self.close(old, "replaced", now)
            session.saved_clock = old.saved_clock
        parts.sessions[event.connection] = session
        self._by_peer[event.peer] = session
        parts.out.append(Notify("connected", peer=event.peer, detail=event.address))
        if event.is_client:
            parts.open_ebt(session, now)
            self._calls.open_ping(session, now)
        else:
            parts.expect_ebt(session, now)
        self._calls.blobs.open(session)
        parts.timers.set("idle", now + IDLE_S_MAX, event.connection)

    def _find_objection(self, event: Connected, now: float) -> str | None:
        parts = self._parts
        if not self._is_open:
            return "not-started"
        if event.peer == parts.own:
            return "own-identity"
        if parts.replication.is_blocked(event.peer):
            return "blocked"
        old = self._by_peer.get(event.peer)
        if old is None:
            return None if self.may_connect(event.peer) else "too-many-connections"
        if old.is_client == event.is_client or now - old.since > SIMULTANEOUS_S:
            return None
        we_dial = parts.own > event.peer
        return "duplicate-connection" if old.is_client == we_dial else None

    def on_disconnected(self, event: Disconnected, now: float) -> None:
        """Let go of a connection that is gone."""
        session = self._parts.sessions.get(event.connection)
        if session is not None:  # else we had closed it, and let go of it then
            self._parts.forget(session, event.reason, now)
            self._lost(session, now)

    def close(self, session: Session, reason: str, now: float) -> None:
        """Close a connection and let go of it."""
        if session.connection in self._parts.sessions:
            self._parts.out.append(Close(session.connection, reason))
            self._parts.forget(session, reason, now)
            self._lost(session, now)

    def _lost(self, session: Session, now: float) -> None:
        if self._by_peer.get(session.peer) is session:
            del self._by_peer[session.peer]
        self._schedule.disconnected(session.peer, now - session.since, now)
        self.arm_dial(now)

    # Dialling

    def on_address_added(self, event: AddressAdded, now: float) -> None:
        """Dial an address now, and again later if it says so."""
        if event.address.peer == self._parts.own:
            return
        self._save(self._schedule.add(event.address, now), failures=0)
        self.dial(now)

    def on_dial_failed(self, event: DialFailed, now: float) -> None:
        """Try another time, later each time."""
        entry = self._schedule.failed(event.address, now)
        if entry is None:
            return
        self._save(entry, failures=entry.failures)
        self._parts.out.append(
            Notify("dial-failed", peer=entry.peer, detail=f"{event.address}: {event.reason}")
        )
        self.dial(now)

    def _reached(self, event: Connected, now: float) -> None:
        entry = self._schedule.connected(event.address)
        if entry is not None and entry.failures:
            self._save(entry, failures=0)  # the schedule forgets them when the connection lasts
        self.arm_dial(now)

    def _save(self, entry: Entry | None, *, failures: int) -> None:
        if entry is not None and entry.autoconnect:
            self._parts.out.append(
                SaveAddress(entry.address, entry.peer, entry.autoconnect, failures)
            )

    def dial(self, now: float) -> None:
        """Dial what is due."""
        for entry in self._schedule.take_due(now, self._may_dial):
            self._parts.out.append(Dial(entry.address, entry.peer))
        self.arm_dial(now)

    def arm_dial(self, now: float) -> None:
        """Set the time of the next dial."""
        at = self._schedule.next_at(self._may_dial)
        if at is None:
            self._parts.timers.cancel("dial")
        else:
            self._parts.timers.set("dial", at if at > now else now + BACKOFF_S_MIN)

    def _may_dial(self, peer: FeedId) -> bool:
        return peer not in self._by_peer and not self._parts.replication.is_blocked(peer)

    # What is looked at from time to time

    def check_ebt(self, connection: ConnectionId, now: float) -> None:
        """Call ebt.replicate again after it had ended, or do without it."""
        parts = self._parts
        session = parts.sessions[connection]
        if session.ebt is not None and session.ebt.has_heard:
            return
        if session.is_client and not session.ebt_call and session.ebt_retries < EBT_RETRIES_MAX:
            session.ebt_retries += 1
            parts.open_ebt(session, now)
        else:
            parts.start_history(session, now)

    def continue_history(self, connection: ConnectionId, now: float) -> None:
        """Ask for feeds whose turn has come again."""
        self._parts.pump_history(self._parts.sessions[connection], now)

    def save_clock(self, connection: ConnectionId, _now: float) -> None:
        """Write down a peer's clock during a long session."""
        parts = self._parts
        session = parts.sessions[connection]
        heard = 0 if session.ebt is None else session.ebt.heard_count
        if session.ebt is not None and heard != session.saved_count:
            session.saved_count = heard
            parts.out.append(SaveClock(session.peer, parts.ebt.clock_of(session.ebt)))

    def check_drain(self, connection: ConnectionId, now: float) -> None:
        """Close a connection whose peer does not read."""
        session = self._parts.sessions[connection]
        if session.stuck_since is None:
            return
        if now - session.stuck_since >= DRAIN_S_MAX:
            self.close(session, "peer-does-not-read", now)
        else:
            self._parts.timers.set("drain", session.stuck_since + DRAIN_S_MAX, connection)

    def check_idle(self, connection: ConnectionId, now: float) -> None:
        """Close a connection that nothing has come over for long."""
        session = self._parts.sessions[connection]
        if session.is_paused:
            session.received_at = now  # we do not read, so silence is no sign
        if now - session.received_at >= IDLE_S_MAX:
            self.close(session, "idle", now)
        else:
            self._parts.timers.set("idle", session.received_at + IDLE_S_MAX, connection)

    def serve_pings(self, connection: ConnectionId, now: float) -> None:
        """Send the ball of each ping again."""
        session = self._parts.sessions[connection]
        interval_s = PING_S
        for ball in session.pings.values():
            self._calls.serve_ping(session, ball, now)
            interval_s = min(interval_s, ball.interval_s)
        if session.pings:
            self._parts.timers.set("ping", now + interval_s, connection)
