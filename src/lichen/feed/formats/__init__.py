"""The seam between the network and its feed formats.

A feed format says how a message is read, which id it has, when it follows the one before it, whose
signature it must bear, and how the next one is made. Everything above this seam (store, gossip,
node) sees only the values of ``lichen.feed.message``. The classic format is the first; others
(metafeeds, index feeds) enter here.
"""

from typing import Protocol

from lichen.feed.identity import Identity
from lichen.feed.message import (
    ChainedMessage,
    FeedId,
    FeedState,
    Message,
    RawMessage,
    Reason,
    Rejected,
)


class ContentError(ValueError):
    """Content that cannot be published; ``reason`` says why, as it would for a received message."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class FeedFormat(Protocol):
    """What a feed format does. All of it is pure; refusal is a value."""

    @property
    def name(self) -> str:
        """The word by which the log and the peers call this format."""
        ...

    def parse(self, data: bytes) -> RawMessage | Rejected:
        """Read whose message this claims to be, cheaply; nothing is proved."""
        ...

    def chain(self, raw: RawMessage, state: FeedState | None) -> ChainedMessage | Rejected:
        """Check all but the signature; ``state`` is that of the author's feed, None if empty."""
        ...

    def chain_alone(self, raw: RawMessage) -> ChainedMessage | Rejected:
        """Check all but the signature and the place in the feed (fetched by id, fork proofs)."""
        ...

    def chain_text(self, data: bytes) -> ChainedMessage | Rejected:
        """Read a text and check all but the signature and the place in the feed, in one go."""
        ...

    def verify(self, message: ChainedMessage) -> Message | Rejected:
        """Check the signature: the last step of belief."""
        ...

    def is_signed(self, author: FeedId, data: bytes) -> bool:
        """Check the signature of a text alone: that it is a message, was checked when it came."""
        ...

    def has_key(self, data: bytes, key: bytes) -> bool:
        """Tell whether a text that was a message when it came still has this id, as bytes."""
        ...

    def create(
        self, content: bytes, identity: Identity, state: FeedState | None, timestamp: float
    ) -> Message:
        """Make the next message of one's own feed; raises ``ContentError``."""
        ...
