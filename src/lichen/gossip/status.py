"""What a node tells people about itself: the whole brain at one moment, as values."""

import msgspec

from lichen.feed.message import FeedId
from lichen.gossip.connections.schedule import AddressStatus
from lichen.gossip.connections.session import PeerStatus
from lichen.gossip.connections.staging import StagedPeer


class NodeStatus(msgspec.Struct, frozen=True):
    """The whole brain at one moment."""

    peers: tuple[PeerStatus, ...]
    staged: tuple[StagedPeer, ...]
    """Peers seen nearby that are not connected."""
    addresses: tuple[AddressStatus, ...]
    """Every address that is dialled, or was and will be again."""
    hops_max: int
    feeds_wanted: int
    feeds_behind: int
    """Wanted feeds of which a connected peer claims more than we have."""
    messages_behind: int
    """How many messages that is: claimed by connected peers, wanted, and not here yet."""
    feeds_forked: int
    is_guarded: bool
    asked_peers: tuple[FeedId, ...]
    close_reasons: dict[str, int]
    """How often connections ended for each reason, in this run."""
    distrusted: tuple[FeedId, ...] = ()
    """Peers that once sent what its author had not signed."""
    blobs_wanted: int = 0
    blobs_fetching: int = 0
    blob_faults: int = 0
    """Blobs with wrong bytes that peers sent, in this run."""
