"""The life of connections: dialled, opened, kept alive, closed, dialled again.

One connection per peer. Of two that two peers opened at the same time, both keep the one that the
greater id dialled; otherwise the newer one replaces the older, which may be dead without our
knowing. A connection ends, with a counted reason, when its peer is blocked, silent for too long
or does not read what it is sent.

Who is nearby is dialled unasked only if we follow them. Whom a person dismissed is not dialled at
all until the person asks for it.
"""

from lichen.feed.message import FeedId
from lichen.gossip.connections.calls import Calls
from lichen.gossip.connections.schedule import AddressStatus, Entry, Lost, Schedule
from lichen.gossip.connections.session import Session
from lichen.gossip.connections.staging import StagedPeer, Staging, local_address
from lichen.gossip.effects import Close, Dial, ForgetAddress, Notify, SaveAddress, SaveClock
from lichen.gossip.events import (
    CALLED_US,
    FROM_LAN,
    Address,
    AddressAdded,
    AddressForgotten,
    Connected,
    ConnectionId,
    DialFailed,
    Disconnected,
    PeerDismissed,
    PeerSeen,
)
from lichen.gossip.limits import (
    BACKOFF_S_MIN,
    CONNECTIONS_MAX,
    DRAIN_S_MAX,
    EBT_RETRIES_MAX,
    IDLE_S_MAX,
    PING_S,
    SIMULTANEOUS_S,
    STAGED_S_MAX,
)
from lichen.gossip.parts import Parts


class Lifecycle:
    """Opens, watches and closes the connections of one node."""

    __slots__ = (
        "_by_peer",
        "_calls",
        "_dismissed",
        "_is_open",
        "_parts",
        "_schedule",
        "_staging",
    )

    def __init__(self, parts: Parts, calls: Calls, schedule: Schedule) -> None:
        self._parts = parts
        self._calls = calls
        self._schedule = schedule
        self._staging = Staging()
        self._by_peer: dict[FeedId, Session] = {}
        self._dismissed: dict[FeedId, None] = {}
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
        session.source = self._schedule.source(event.address) if event.is_client else CALLED_US
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
        if event.is_client and event.peer in self._dismissed:
            return "dismissed"
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
            self._lost(session, event.reason, now)

    def close(self, session: Session, reason: str, now: float) -> None:
        """Close a connection and let go of it."""
        if session.connection in self._parts.sessions:
            self._parts.out.append(Close(session.connection, reason))
            self._parts.forget(session, reason, now)
            self._lost(session, reason, now)

    def _lost(self, session: Session, reason: str, now: float) -> None:
        if self._by_peer.get(session.peer) is session:
            del self._by_peer[session.peer]
        lost = Lost(session.peer, session.address, reason, lasted_s=now - session.since)
        self._schedule.disconnected(lost, now)
        self.arm_dial(now)

    # Dialling

    def on_address_added(self, event: AddressAdded, now: float) -> None:
        """Dial an address now, and again later if it says so."""
        address = event.address
        if address.peer == self._parts.own:
            return
        self._dismissed.pop(address.peer, None)
        if self._staging.has_address(address.peer, address.address):
            address = Address(address.address, address.peer, address.autoconnect, FROM_LAN)
        self._save(self._schedule.add(address, now), failures=0)
        self.dial(now)

    def on_address_forgotten(self, event: AddressForgotten, now: float) -> None:
        """Dial an address no longer, and keep it no longer."""
        self._schedule.forget(event.address)
        self._parts.out.append(ForgetAddress(event.address))
        self.arm_dial(now)

    def on_peer_dismissed(self, event: PeerDismissed, now: float) -> None:
        """Close the connection with a peer and do not dial it until a person asks for it."""
        session = self._by_peer.get(event.peer)
        if session is None and not self._schedule.is_known(event.peer):
            return
        self._dismissed[event.peer] = None
        if session is not None:
            self.close(session, "dismissed", now)
        self.arm_dial(now)

    def on_dial_failed(self, event: DialFailed, now: float) -> None:
        """Try another time, later each time."""
        entry = self._schedule.failed(event.address, event.reason, now)
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
                SaveAddress(entry.address, entry.peer, entry.autoconnect, failures, entry.source)
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
        if peer in self._by_peer or peer in self._dismissed:
            return False
        return not self._parts.replication.is_blocked(peer)

    def addresses(self) -> tuple[AddressStatus, ...]:
        """Describe the known addresses for people."""
        return self._schedule.status(self._may_dial)

    # Who is nearby

    def on_peer_seen(self, event: PeerSeen, now: float) -> None:
        """Show a peer as being nearby; dial it if we follow it."""
        parts, peer = self._parts, event.peer
        if not self._is_open or peer == parts.own or parts.replication.is_blocked(peer):
            return
        address = local_address(event.address, peer)
        if address is None or not self._stage(peer, address, event.is_verified, now):
            return
        if not parts.replication.is_followed(peer) and not self._schedule.is_saved(address):
            self._schedule.left(address)
        elif self._schedule.appeared(Address(address, peer, False, FROM_LAN), now):
            self.dial(now)

    def _stage(self, peer: FeedId, address: str, is_verified: bool, now: float) -> bool:
        staging, replication = self._staging, self._parts.replication
        is_new = peer not in staging
        if is_new and staging.is_full():
            stranger = staging.find(lambda other: not replication.is_followed(other))
            if stranger is None or not replication.is_followed(peer):
                return False
            self.unstage(stranger)
        if not staging.see(peer, address, is_verified=is_verified, now=now):
            return False
        for dropped in staging.drop_worst(peer):
            self._schedule.left(dropped)
        self._parts.timers.set_if_unset("nearby", now + STAGED_S_MAX)
        if is_new and peer not in self._by_peer:
            self._parts.out.append(Notify("nearby", peer=peer, detail=address))
        return True

    def unstage(self, peer: FeedId) -> None:
        """Show a peer as being nearby no longer."""
        if peer in self._staging:
            for address in self._staging.drop(peer):
                self._schedule.left(address)
            self._parts.out.append(Notify("nearby-gone", peer=peer))

    def check_nearby(self, _connection: ConnectionId, now: float) -> None:
        """Let go of peers that have not been seen for a while."""
        peers, addresses = self._staging.take_gone(now)
        for address in addresses:
            self._schedule.left(address)
        self._parts.out += [Notify("nearby-gone", peer=peer) for peer in peers]
        at = self._staging.next_at()
        if at is not None:
            self._parts.timers.set("nearby", at)

    def staged(self) -> tuple[StagedPeer, ...]:
        """Describe who is nearby and not connected."""
        return tuple(each for each in self._staging.peers() if each.peer not in self._by_peer)

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

    def save_clocks(self) -> None:
        """Write down the clocks of all peers that were heard of late: one waking for all."""
        parts = self._parts
        for session in parts.sessions.values():
            ebt = session.ebt
            if ebt is not None and ebt.heard_count != session.saved_count:
                session.saved_count = ebt.heard_count
                parts.out.append(SaveClock(session.peer, parts.ebt.clock_of(ebt)))

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
