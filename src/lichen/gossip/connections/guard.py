"""The guard on publishing among the connections: whom it hears, when it goes up and opens.

The rule itself is ``exchange.own_feed``. Here it is told what peers say and what the log gets.
"""

from lichen.gossip.effects import Notify
from lichen.gossip.events import ConnectionId, GuardLifted
from lichen.gossip.limits import BROKEN_PROMISES_MAX
from lichen.gossip.parts import Parts


class Guard:
    """Keeps the guard of one node."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def open(self, now: float) -> None:
        """Open the guard if it is time."""
        guard = self._parts.own_feed
        opens_at = guard.opens_at
        if opens_at is not None and opens_at <= now:
            words = f"{len(guard.asked)} peers were asked for the own feed"
            if guard.unmet:
                words += f"; {len(guard.unmet)} that said to have more of it did not come back"
            self._lift(words)

    def on_lifted(self, _event: GuardLifted, _now: float) -> None:
        """Open the guard because a person says so."""
        if self._parts.own_feed.is_guarded:
            self._lift("publishing was allowed by hand")

    def _lift(self, words: str) -> None:
        parts = self._parts
        parts.own_feed.lift()
        parts.out.append(Notify("guard-lifted", detail=words))
        parts.tell_guard()

    def grew(self, last: int, connection: ConnectionId | None, now: float) -> None:
        """See what it means that the own feed has grown: a peer had more of it than this log."""
        parts = self._parts
        guard = parts.own_feed
        if guard.is_guarded:
            guard.grew(last, now)
            parts.tell_guard()
        elif connection is not None:
            guard.raise_guard(now)
            self._ask(now)
            parts.out.append(
                Notify("guard-set", detail="a peer had own messages that this log lacked")
            )
            parts.tell_guard()

    def _ask(self, now: float) -> None:
        """Hear those who are connected when the guard is raised: they will not say it again.

        EBT peers have told how much they hold; the others answer at the end of a new stream.
        """
        parts = self._parts
        for session in parts.sessions.values():
            if session.ebt is not None and session.ebt.has_heard:
                parts.hear_own_feed(session, session.ebt.claims.get(parts.own, -1), now)
            caller = session.caller
            if caller is not None and parts.own in caller.by_feed:
                parts.drop_history(session, caller.drop(parts.own))
                caller.want(parts.own, now)
                parts.pump_history(session, now)

    def check_liars(self) -> None:
        """Believe no longer who broke its word on the own feed too often."""
        parts = self._parts
        if not parts.own_feed.is_guarded:
            return
        for session in parts.ebt.sessions.values():
            slot = session.slots.get(parts.own)
            if slot is not None and slot.broken >= BROKEN_PROMISES_MAX:
                parts.own_feed.discredit(session.peer)
        parts.tell_guard()
