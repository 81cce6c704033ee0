"""Which blobs are wanted, by whom, who has them, and which one is asked of whom next.

Rules from ssb-blobs (npm). A want travels with its hops: -1 is a want of one's own, -2 that of
somebody who told us -1. What we lack and a peer wants we look for too (sympathy), as long as the
hops allow; nearest to zero counts when several want the same. A push is announced like a want, so
that others fetch the blob, until enough of them have it.

Other than there: wants are looked after only for peers whose feeds we replicate, a want ends when
whoever had it goes away, a want that comes back as an echo of our own changes nothing, and a
peer's word on what it has is remembered only while we want that.
"""

from collections.abc import Iterator

from lichen.feed.message import BlobId, FeedId
from lichen.gossip.events import ConnectionId
from lichen.gossip.exchange.blob_peer import BlobPeer, Download
from lichen.gossip.limits import (
    BLOB_BYTES_MAX,
    BLOB_LIES_MAX,
    DOWNLOADS_MAX,
    FORWARDED_BYTES_MAX,
    PUSH_PEERS_MIN,
    PUSHES_MAX,
    SYMPATHY_HOPS_MAX,
    WANTS_FORWARDED_MAX,
    WANTS_OWN_MAX,
)
from lichen.gossip.ports import Blobs


class Want:
    """A blob that is not here and is looked for."""

    __slots__ = ("askers", "claims", "is_own")

    def __init__(self) -> None:
        self.is_own = False
        self.askers: dict[ConnectionId, int] = {}
        """Peers on whose behalf it is wanted, with the hops from the one who wants it to us."""
        self.claims: dict[ConnectionId, int | None] = {}
        """Peers that say they have it, with the size if they say that."""

    @property
    def hops(self) -> int:
        """Return how far away we are from the nearest who wants it: 1, if it is wanted here."""
        return 1 if self.is_own else min(self.askers.values(), default=SYMPATHY_HOPS_MAX + 1)


class BlobExchange:
    """The wants, pushes and downloads of one node."""

    __slots__ = (
        "_dirty",
        "_own",
        "_ready",
        "_spent",
        "downloads",
        "fault_count",
        "is_held",
        "must_choose",
        "peers",
        "pushes",
        "store",
        "unsaved",
        "wants",
    )

    def __init__(self, store: Blobs | None, dirty: dict[ConnectionId, None]) -> None:
        self.store = store
        """None: this node keeps no blobs, and offers no calls about them."""
        self.peers: dict[ConnectionId, BlobPeer] = {}
        self.wants: dict[BlobId, Want] = {}
        self.pushes: dict[BlobId, dict[FeedId, None]] = {}
        self.unsaved: dict[BlobId, None] = {}
        """Pushes of which something is to be written down."""
        self.downloads: dict[BlobId, Download] = {}
        self.is_held = False
        """The disk takes nothing at the moment."""
        self.fault_count = 0
        """Blobs with wrong bytes that came in this run."""
        self._own: dict[BlobId, None] = {}
        self._ready: dict[BlobId, None] = {}
        """Wanted blobs that somebody has and nobody is asked for."""
        self.must_choose = False
        self._spent: dict[FeedId, int] = {}
        """Bytes fetched on behalf of each peer."""
        self._dirty = dirty

    def size(self, blob: BlobId) -> int | None:
        """Return the size of a blob that is here."""
        return None if self.store is None else self.store.size(blob)

    # Peers

    def open(self, connection: ConnectionId, peer: FeedId) -> BlobPeer:
        """Begin with a connected peer."""
        opened = self.peers[connection] = BlobPeer(connection, peer)
        return opened

    def close(self, connection: ConnectionId) -> Download | None:
        """Forget a peer; return the download that breaks off."""
        peer = self.peers.pop(connection, None)
        if peer is None:
            return None
        self._disbelieve(connection)
        for blob, want in list(self.wants.items()):
            if want.askers.pop(connection, None) is not None:
                self._drop_unwanted(blob)
        download = peer.download
        if download is None or download.is_finishing:
            return None
        del self.downloads[download.blob]
        self._free(download.blob)
        return download

    def tell_all(self, peer: BlobPeer) -> None:
        """Have a peer told everything anew: what we want and push, and what it wanted to know."""
        peer.news = {blob: -want.hops for blob, want in self.wants.items()}
        peer.news |= dict.fromkeys(self.pushes, -1)
        for blob in list(peer.wants):
            size = self.size(blob)
            if size:
                peer.news[blob] = size
                del peer.wants[blob]
        peer.must_tell = True
        self._dirty[peer.connection] = None

    def tell(self, peer: BlobPeer, blob: BlobId, number: int) -> None:
        """Have a peer told of one blob; one that does not listen yet is told all when it does."""
        if peer.their_call or (peer.is_legacy and number < 0):
            peer.news[blob] = number
            self._dirty[peer.connection] = None

    def _announce(self, blob: BlobId, hops: int) -> None:
        for peer in self.peers.values():
            self.tell(peer, blob, -hops)

    # Wants

    def want(self, blob: BlobId) -> None:
        """Look for a blob for the people here; too many, and the oldest is forgotten."""
        if blob in self._own or self.size(blob) is not None:
            return
        self._own[blob] = None
        want = self.wants.setdefault(blob, Want())
        want.is_own = True
        self._announce(blob, 1)
        if len(self._own) > WANTS_OWN_MAX:
            oldest = next(iter(self._own))
            del self._own[oldest]
            self.wants[oldest].is_own = False
            self._drop_unwanted(oldest)

    def ask(self, peer: BlobPeer, blob: BlobId, hops: int) -> None:
        """Look for a blob for a peer whose feed we replicate, and that says so many hops."""
        want = self.wants.get(blob)
        is_far = hops + 1 > SYMPATHY_HOPS_MAX
        is_echo = want is not None and want.hops < hops
        is_much = len(peer.asked) >= WANTS_FORWARDED_MAX and blob not in peer.asked
        if is_far or is_echo or is_much or self._spent.get(peer.peer, 0) > FORWARDED_BYTES_MAX:
            return
        if want is None:
            want = self.wants[blob] = Want()
        before = want.hops
        peer.asked[blob] = None
        want.askers[peer.connection] = hops + 1
        if want.hops < before:
            self._announce(blob, want.hops)

    def set_friend(self, connection: ConnectionId, *, is_friend: bool) -> None:
        """Look for what a peer wants from now on, or no longer: its feed is replicated, or not."""
        peer = self.peers.get(connection)
        if peer is None:
            return
        if is_friend:
            for blob, hops in peer.wants.items():
                self.ask(peer, blob, hops)
            return
        asked, peer.asked = peer.asked, {}
        for blob in asked.keys() & self.wants.keys():
            self.wants[blob].askers.pop(connection, None)
            self._drop_unwanted(blob)

    def _drop_unwanted(self, blob: BlobId) -> None:
        want = self.wants[blob]
        if not want.is_own and not want.askers and blob not in self.downloads:
            del self.wants[blob]
            self._ready.pop(blob, None)

    # Pushes

    def push(self, blob: BlobId) -> None:
        """Announce a blob until enough peers have it; too many, and the oldest is given up."""
        if blob in self.pushes:
            return
        self.pushes[blob] = {}
        self.unsaved[blob] = None
        self._announce(blob, 1)
        if len(self.pushes) > PUSHES_MAX:
            self.end_push(next(iter(self.pushes)))

    def end_push(self, blob: BlobId) -> None:
        """Announce a blob no more."""
        if self.pushes.pop(blob, None) is not None:
            self.unsaved[blob] = None

    def _spread(self, peer: FeedId, blob: BlobId) -> None:
        holders = self.pushes[blob]
        if peer in holders:
            return
        holders[peer] = None
        self.unsaved[blob] = None
        if len(holders) >= PUSH_PEERS_MIN:
            self.end_push(blob)

    # Getting

    def claim(self, peer: BlobPeer, blob: BlobId, size: int | None, *, is_friend: bool) -> None:
        """Take note that a peer says to have a blob; only friends count for a push."""
        if is_friend and blob in self.pushes:
            self._spread(peer.peer, blob)
        want = self.wants.get(blob)
        is_big = size is not None and size >= BLOB_BYTES_MAX
        if want is None or is_big or peer.lies >= BLOB_LIES_MAX:
            return
        want.claims[peer.connection] = size
        if blob not in self.downloads:
            self._ready[blob] = None
            self.must_choose = True

    def choose(self) -> Iterator[tuple[BlobPeer, BlobId, int | None]]:
        """Yield what to ask of whom now; each is to be answered by ``begin`` at once."""
        if not self.must_choose or self.is_held:
            return
        self.must_choose = False
        own_first = sorted(self._ready, key=lambda blob: self.wants[blob].hops)
        for blob in own_first:
            if len(self.downloads) >= DOWNLOADS_MAX:
                return
            for connection, size in self.wants[blob].claims.items():
                peer = self.peers[connection]
                if peer.download is None:
                    yield peer, blob, size
                    break

    def begin(self, peer: BlobPeer, download: Download) -> None:
        """Take note of a download that was begun."""
        peer.download = self.downloads[download.blob] = download
        self._ready.pop(download.blob, None)

    def find(
        self, blob: BlobId, connection: ConnectionId | None, call: int | None
    ) -> Download | None:
        """Return the download that came on a call, None if it was given up."""
        download = self.downloads.get(blob)
        if download is None or (download.connection, download.call) != (connection, call):
            return None
        return download

    def fail(self, download: Download, *, is_lie: bool) -> None:
        """Give a download up; another peer is asked, and this one perhaps later."""
        blob, connection = download.blob, download.connection
        del self.downloads[blob]
        self.fault_count += is_lie
        peer = self.peers.get(connection)
        if peer is not None:
            peer.download = None
            peer.lies += is_lie
            if not is_lie:
                peer.failed[blob] = None
        if blob in self.wants:
            self.wants[blob].claims.pop(connection, None)
        if peer is not None and peer.lies >= BLOB_LIES_MAX:
            self._disbelieve(connection)
        self._free(blob)

    def _disbelieve(self, connection: ConnectionId) -> None:
        """Forget all that a peer says to have."""
        for blob, want in self.wants.items():
            want.claims.pop(connection, None)
            if not want.claims:
                self._ready.pop(blob, None)

    def hold(self, download: Download) -> None:
        """Give a download up because the disk failed: nobody is asked until ``retry``."""
        self.is_held = True
        del self.downloads[download.blob]
        peer = self.peers.get(download.connection)
        if peer is not None:
            peer.download = None
        self._free(download.blob)

    def retry(self) -> None:
        """Ask again whoever failed to give something, and let the disk try."""
        self.is_held = False
        self.must_choose = True
        for peer in self.peers.values():
            failed, peer.failed = peer.failed, {}
            for blob in failed.keys() & self.wants.keys():
                self.tell(peer, blob, -self.wants[blob].hops)

    def _free(self, blob: BlobId) -> None:
        """Have a blob chosen again that is fetched no longer, if it is wanted at all."""
        self.must_choose = True
        want = self.wants.get(blob)
        if want is not None and want.claims:
            self._ready[blob] = None
        if want is not None:
            self._drop_unwanted(blob)

    def stored(self, blob: BlobId, size: int) -> tuple[Download | None, bool]:
        """Take note that a blob is here, and have everybody told who wants it.

        Return a download of it that is still under way, and whether somebody here wanted it.
        """
        self._own.pop(blob, None)
        self._ready.pop(blob, None)
        self.must_choose = True
        want = self.wants.pop(blob, None)
        if want is not None and not want.is_own:
            nearest = min(want.askers, key=want.askers.__getitem__, default=None)
            if nearest in self.peers:
                feed = self.peers[nearest].peer
                self._spent[feed] = self._spent.get(feed, 0) + size
        for peer in self.peers.values():
            peer.asked.pop(blob, None)
            peer.failed.pop(blob, None)
            if blob in peer.wants and peer.their_call:
                del peer.wants[blob]
                self.tell(peer, blob, size)
        download = self.downloads.pop(blob, None)
        if download is not None:
            peer_of = self.peers.get(download.connection)
            if peer_of is not None:
                peer_of.download = None
        return download, want is not None and want.is_own
