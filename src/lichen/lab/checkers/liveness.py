"""What must have come about a while after the last fault: everybody has what they want.

Two honest peers with a link hold the same of every feed that both replicate and exchange. Feeds
that were written in two versions are left out: their readers agree that it is over, not where.
"""

from collections.abc import Collection
from typing import Final

from lichen.feed.message import BlobId, FeedId
from lichen.gossip.exchange.replication import BLOCK
from lichen.lab.checkers.ledger import Ledger
from lichen.lab.checkers.tally import Tally
from lichen.lab.world.links import End
from lichen.lab.world.peers import LabPeer

CALM_S: Final = 120.0
"""Time in which all must be well again after the last fault."""

CHECKS: Final = (
    "same: two linked peers hold the same of what both want",
    "skipping: a feed that was left out of first notes is not forgotten",
    "joined: whoever may have a link has one",
    "guard: a restored peer may write again",
    "blob: a wanted blob that a linked peer has is here",
    "audited: nothing waits for its audit any more",
    "truth: what is held is what its author wrote",
    "healed: a feed that had failed an audit is whole again",
)
_NAMES = {words.partition(":")[0]: words for words in CHECKS}


class Liveness:
    """Looks at a world that has come to rest."""

    def __init__(self, ledger: Ledger, tally: Tally, crooks: frozenset[int]) -> None:
        self._ledger = ledger
        self._tally = tally
        self._crooks = crooks

    def _hold(self, check: str, claim: bool, words: str) -> None:
        self._tally.hold(_NAMES[check], claim, words)

    def _honest_ends(self, peer: LabPeer) -> list[End]:
        return [
            end
            for end in peer.ends.values()
            if end.other.owner.number not in self._crooks and end.is_open and end.other.is_open
        ]

    def look_at_logs(self, peer: LabPeer) -> None:
        """Compare a peer with each one it is linked with."""
        near = peer.node._parts.replication
        for end in self._honest_ends(peer):
            other = end.other.owner
            far = other.node._parts.replication
            for feed in near.wanted:
                if self._ledger.is_forked(feed):
                    continue
                if near.is_shared(feed, other.id) and far.is_shared(feed, peer.id):
                    held = peer.log.received(feed), other.log.received(feed)
                    words = f"{feed[:6]} at {peer.name} and {other.name}: {held[0]}, {held[1]}"
                    self._hold("same", held[0] == held[1], words)
                    saved = peer.node._parts.sessions[end.connection].saved_clock
                    if feed in saved:
                        self._hold("skipping", held[0] == held[1], words)

    def look_at_truth(self, peer: LabPeer, cuts: Collection[FeedId]) -> None:
        """See whether all was audited, and whether what had failed has come again."""
        left = peer.log.unaudited_count
        self._hold("audited", not left, f"{peer.name} has not audited {left} messages")
        for feed, held in peer.log.feeds.items():
            words = f"{peer.name} holds another {feed[:6]}"
            self._hold("truth", self._ledger.is_prefix(feed, held), words)
        near = peer.node._parts.replication
        for feed in cuts:
            for end in self._honest_ends(peer):
                other = end.other.owner
                if self._ledger.is_forked(feed) or not near.is_shared(feed, other.id):
                    continue
                if other.node._parts.replication.is_shared(feed, peer.id):
                    words = f"{peer.name} has not got back {feed[:6]}"
                    is_whole = peer.log.received(feed) >= other.log.received(feed)
                    self._hold("healed", is_whole, words)

    def look_at_link(self, first: LabPeer, second: LabPeer) -> None:
        """See whether two peers have the link that they should have."""
        if first.number in self._crooks or second.number in self._crooks:
            return
        pairs = ((first, second), (second, first))
        graphs = [(peer.node.graph, peer.id, other.id) for peer, other in pairs]
        may = not any(graph.value(own, other) == BLOCK for graph, own, other in graphs)
        joined = any(end.other.owner is second for end in first.ends.values())
        self._hold("joined", joined == may, f"{first.name} and {second.name}: {joined}, not {may}")

    def look_at_guard(self, peer: LabPeer) -> None:
        """See whether a restored peer came through its guard; three friends are enough.

        Crooks may hold it, by claiming what they do not send, but nothing else may.
        """
        friends = [
            end
            for end in self._honest_ends(peer)
            if end.other.owner.node._parts.replication.is_shared(peer.id, peer.id)
            and end.other.owner.speaks_ebt
        ]
        honest = [end for end in peer.ends.values() if end.other.owner.number not in self._crooks]
        if len(friends) >= 3 and len(friends) == len(honest):
            unmet = peer.node._parts.own_feed.unmet
            liars = {other.id for other in peer.world.peers if other.number in self._crooks}
            is_held = bool(unmet) and liars.issuperset(unmet)
            is_well = not peer.node.is_guarded or is_held
            self._hold("guard", is_well, f"{peer.name} may still not write")

    def look_at_blob(self, peer: LabPeer, blob: BlobId) -> None:
        """See whether a blob has come that a linked peer holds."""
        if any(blob in end.other.owner.blobs.held for end in self._honest_ends(peer)):
            self._hold("blob", blob in peer.blobs.held, f"{peer.name} lacks {blob[:6]}")
