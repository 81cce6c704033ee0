"""How the brain is, for people."""

import msgspec

from lichen.feed.message import FeedId
from lichen.gossip.connections.session import PeerStatus


class NodeStatus(msgspec.Struct, frozen=True):
    """The whole brain at one moment."""

    peers: tuple[PeerStatus, ...]
    hops_max: int
    feeds_wanted: int
    feeds_behind: int
    """Wanted feeds of which a connected peer claims more than we have."""
    feeds_forked: int
    is_guarded: bool
    asked_peers: tuple[FeedId, ...]
    close_reasons: dict[str, int]
    """How often connections ended for each reason, in this run."""
    blobs_wanted: int = 0
    blobs_fetching: int = 0
    blob_faults: int = 0
    """Blobs with wrong bytes that peers sent, in this run."""
