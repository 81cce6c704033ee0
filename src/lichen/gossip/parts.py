"""What the parts of the brain share, and the steps that more than one of them takes.

``Parts`` belongs to one ``Node``; effects collect in ``out`` while one event is handled.
"""

from collections.abc import Callable

from lichen.feed.message import FeedId, RawMessage, Rejected
from lichen.gossip.connections.answers import EBT_ARGS, EBT_REPLICATE, HISTORY
from lichen.gossip.connections.session import Session
from lichen.gossip.effects import DropBlob, Effect, Notify, SaveClock, SaveGuard
from lichen.gossip.events import ConnectionId
from lichen.gossip.exchange.blobs import BlobExchange
from lichen.gossip.exchange.ebt import Ebt
from lichen.gossip.exchange.history import HistoryCaller
from lichen.gossip.exchange.own_feed import OwnFeed
from lichen.gossip.exchange.replication import Replication
from lichen.gossip.limits import CLOSE_REASONS_MAX, EBT_ANSWER_S_MAX
from lichen.gossip.ports import Blobs, Log
from lichen.gossip.timers import Timers
from lichen.wire.events import CallKind, EndCall, OpenCall

Parse = Callable[[bytes], RawMessage | Rejected]
"""Reads the claims of one message, as ``FeedFormat.parse`` does."""


class Parts:
    """The shared state of one brain."""

    __slots__ = (
        "blobs",
        "close_reasons",
        "distrusted",
        "doomed",
        "ebt",
        "log",
        "out",
        "own",
        "own_feed",
        "parse",
        "replication",
        "sessions",
        "timers",
    )

    def __init__(self, own: FeedId, log: Log, parse: Parse, blobs: Blobs | None) -> None:
        self.own = own
        self.log = log
        self.parse = parse
        self.out: list[Effect] = []
        self.timers = Timers()
        self.replication = Replication(own)
        self.ebt = Ebt(own, log, self.replication)
        self.blobs = BlobExchange(blobs, self.ebt.dirty)
        self.own_feed = OwnFeed()
        self.sessions: dict[ConnectionId, Session] = {}
        self.close_reasons: dict[str, int] = {}
        self.distrusted: dict[FeedId, None] = {}
        """Peers that sent what its author had not signed: all that they send is checked at once."""
        self.doomed: dict[ConnectionId, str] = {}
        """Connections to close, with the reason."""

    def mark_dirty(self, session: Session) -> None:
        """Have a session flushed at the end of this event."""
        self.ebt.dirty[session.connection] = None

    def doom(self, session: Session, reason: str) -> None:
        """Have a connection closed at the end of this event."""
        self.doomed.setdefault(session.connection, reason)

    def count_close(self, reason: str) -> None:
        """Count why a connection ended."""
        if len(self.close_reasons) < CLOSE_REASONS_MAX or reason in self.close_reasons:
            self.close_reasons[reason] = self.close_reasons.get(reason, 0) + 1

    def forget(self, session: Session, reason: str, now: float) -> None:
        """Let go of a connection that is closed, and of all that was exchanged on it."""
        del self.sessions[session.connection]
        self.end_ebt(session, now)
        if self.own_feed.is_guarded:
            self.own_feed.left(session.peer, now)
            self.tell_guard()
        self.count_close(reason)
        for kind in ("ebt", "history", "drain", "idle", "ping", "blob"):
            self.timers.cancel(kind, session.connection)
        download = self.blobs.close(session.connection)
        if download is not None and download.received:
            self.out.append(DropBlob(download.connection, download.call))
        self.ebt.dirty.pop(session.connection, None)
        self.out.append(Notify("disconnected", peer=session.peer, detail=reason))

    def end_ebt(self, session: Session, now: float) -> None:
        """End the EBT session of a connection, if there is one, and keep the peer's clock."""
        session.ebt_call = 0
        if session.ebt is None:
            return
        session.ebt = None
        session.saved_clock = self.ebt.close(session.connection, now)
        self.out.append(SaveClock(session.peer, session.saved_clock))

    def open_ebt(self, session: Session, now: float) -> None:
        """Call ebt.replicate on a peer that we dialled; it speaks first."""
        call = session.next_call()
        session.send(self.out, OpenCall(call, EBT_REPLICATE, EBT_ARGS, CallKind.DUPLEX))
        self.begin_ebt(session, call, is_client=True, now=now)

    def begin_ebt(self, session: Session, call: int, *, is_client: bool, now: float) -> None:
        """Begin an EBT session on an open call."""
        session.ebt_call = call
        session.ebt = self.ebt.open(
            session.connection,
            session.peer,
            call,
            is_client=is_client,
            saved_clock=session.saved_clock,
            now=now,
        )
        self.expect_ebt(session, now)

    def expect_ebt(self, session: Session, now: float) -> None:
        """Give a peer time to say its first notes."""
        self.timers.set("ebt", now + EBT_ANSWER_S_MAX, session.connection)

    def start_history(self, session: Session, now: float) -> None:
        """Ask a peer without EBT for every feed by itself."""
        if session.caller is not None or session.refuses_history:
            return
        session.caller = HistoryCaller()
        for feed in self.replication.wanted:
            if self.replication.is_shared(feed, session.peer):
                session.caller.want(feed)
        self.pump_history(session, now)

    def stop_history(self, session: Session) -> None:
        """Ask no longer feed by feed: EBT has begun."""
        if session.caller is None:
            return
        for call in session.caller.by_call:
            session.send(self.out, EndCall(call))
        session.caller = None
        self.timers.cancel("history", session.connection)

    def pump_history(self, session: Session, now: float) -> None:
        """Open as many createHistoryStream calls as are due."""
        caller = session.caller
        if caller is None:
            return
        while (taken := caller.take_next(now)) is not None:
            feed, is_live = taken
            if feed in self.ebt.sources.frozen:
                continue
            if feed == self.own and self.own_feed.is_guarded:
                is_live = False  # the end of the stream is the answer that the guard waits for
            call = session.next_call()
            caller.opened(feed, call, is_live=is_live)
            args = b'[{"id":"%s","seq":%d,"live":%s,"keys":false}]' % (
                feed.encode(),
                self.log.received(feed) + 1,
                b"true" if is_live else b"false",
            )
            session.send(self.out, OpenCall(call, HISTORY, args, CallKind.SOURCE))
        at = caller.next_at()
        if at is not None:
            self.timers.set("history", at, session.connection)

    def drop_history(self, session: Session, call: int | None) -> None:
        """End a createHistoryStream call of ours, if there is one."""
        if call is not None:
            session.send(self.out, EndCall(call))

    def is_trusted(self, peer: FeedId) -> bool:
        """Tell whether signatures of what a peer sends may be checked later.

        Strangers are not: what is found wrong later costs more than what is refused at once.
        """
        return self.replication.is_wanted(peer) and peer not in self.distrusted

    def hear_own_feed(self, session: Session, claim: int, now: float) -> None:
        """Tell the guard how much of the own feed a peer says it has."""
        if claim >= 0:
            self.own_feed.answered(session.peer, claim, self.log.received(self.own), now)

    def tell_guard(self) -> None:
        """Write down what is new about the guard, and arm its timer."""
        guard = self.own_feed
        self.ebt.mentions_own = guard.is_guarded
        if guard.is_news:
            guard.is_news = False
            self.out.append(SaveGuard(guard.is_guarded, tuple(guard.asked)))
        opens_at = guard.opens_at
        if opens_at is None:
            self.timers.cancel("guard")
        else:
            self.timers.set("guard", opens_at)
