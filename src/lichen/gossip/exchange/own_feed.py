"""The guard on publishing: after an import or a restore the own feed is fetched before it grows.

A feed that goes on from an old state is forked and dead for the whole network. So while the guard
is up, peers are asked for the own feed, and it opens only when at least ``GUARD_PEERS_MIN`` of
them have answered, all that they claim to have was received, and nothing new came for a while.
A peer that says it does not replicate the feed was asked in vain and does not count.
"""

from lichen.feed.message import FeedId
from lichen.gossip.limits import GUARD_PEERS_MIN, GUARD_QUIET_S


class OwnFeed:
    """How far the recovery of the own feed is."""

    __slots__ = ("_changed_at", "_claims", "asked", "is_guarded", "is_news")

    def __init__(self) -> None:
        self.is_guarded = False
        self.asked: dict[FeedId, None] = {}
        """Peers that have answered and of which nothing is missing."""
        self.is_news = False
        """Something is to be written down."""
        self._claims: dict[FeedId, int] = {}
        self._changed_at = 0.0

    def start(self, is_guarded: bool, asked: tuple[FeedId, ...], now: float) -> None:
        """Take over what the last run had come to."""
        self.is_guarded = is_guarded
        self.asked = dict.fromkeys(asked)
        self._changed_at = now

    def raise_guard(self, now: float) -> None:
        """Publish nothing: a peer has sent messages of the own feed that were lost here."""
        self.is_guarded = self.is_news = True
        self.asked = {}
        self._claims = {}
        self._changed_at = now

    def lift(self) -> None:
        """Publish again."""
        self.is_guarded = False
        self.is_news = True

    def answered(self, peer: FeedId, claim: int, received: int, now: float) -> None:
        """Note how much of the own feed a peer says it has."""
        if not self.is_guarded or self._claims.get(peer) == claim:
            return
        self._claims[peer] = claim
        if claim > received:
            self.asked.pop(peer, None)
        self._changed_at = now
        self._settle(received)

    def discredit(self, peer: FeedId) -> None:
        """Believe a peer no longer: it did not send what it claimed."""
        self._claims.pop(peer, None)

    def grew(self, received: int, now: float) -> None:
        """Note that the own feed has grown."""
        self._changed_at = now
        self._settle(received)

    def _settle(self, received: int) -> None:
        for peer, claim in self._claims.items():
            if claim <= received and peer not in self.asked:
                self.asked[peer] = None
                self.is_news = True

    @property
    def opens_at(self) -> float | None:
        """Return when the guard opens if nothing happens until then; None for not at all."""
        if not self.is_guarded or len(self.asked) < GUARD_PEERS_MIN:
            return None
        if any(peer not in self.asked for peer in self._claims):
            return None
        return self._changed_at + GUARD_QUIET_S
