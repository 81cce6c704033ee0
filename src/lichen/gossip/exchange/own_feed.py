"""The guard on publishing: after an import or a restore the own feed is fetched before it grows.

A feed that goes on from an old state is forked and dead for the whole network. So while the guard
is up, peers are asked for the own feed, and it opens only when at least ``GUARD_PEERS_MIN`` of
them have answered, all that they claim to have was received, and nothing new came for a while.
A peer that says it does not replicate the feed was asked in vain and does not count.

A peer that claims more than came and then goes away may be honest and come back, or a liar whose
word would hold the guard for ever. It is waited for ``GUARD_GONE_S``; then its claim is believed no
longer, and the person is told when the guard opens.
"""

from lichen.feed.message import FeedId
from lichen.gossip.limits import GUARD_GONE_S, GUARD_PEERS_MIN, GUARD_QUIET_S


class OwnFeed:
    """How far the recovery of the own feed is."""

    __slots__ = ("_changed_at", "_claims", "_gone", "asked", "is_guarded", "is_news")

    def __init__(self) -> None:
        self.is_guarded = False
        self.asked: dict[FeedId, None] = {}
        """Peers that have answered and of which nothing is missing."""
        self.is_news = False
        """Something is to be written down."""
        self._claims: dict[FeedId, int] = {}
        self._gone: dict[FeedId, float] = {}
        """When a peer left that claims more than came."""
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
        self._gone = {}
        self._changed_at = now

    def lift(self) -> None:
        """Publish again."""
        self.is_guarded = False
        self.is_news = True

    def answered(self, peer: FeedId, claim: int, received: int, now: float) -> None:
        """Note how much of the own feed a peer says it has."""
        self._gone.pop(peer, None)
        if not self.is_guarded or self._claims.get(peer) == claim:
            return
        self._claims[peer] = claim
        if claim > received:
            self.asked.pop(peer, None)
        self._changed_at = now
        self._settle(received)

    def left(self, peer: FeedId, now: float) -> None:
        """Note that a peer is gone: what it claims holds the guard for a stated time only."""
        if peer in self._claims and peer not in self.asked:
            self._gone.setdefault(peer, now)

    @property
    def unmet(self) -> list[FeedId]:
        """Return who claims more than came."""
        return [peer for peer in self._claims if peer not in self.asked]

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
        opens_at = self._changed_at + GUARD_QUIET_S
        for peer in self.unmet:
            if peer not in self._gone:
                return None
            opens_at = max(opens_at, self._gone[peer] + GUARD_GONE_S)
        return opens_at
