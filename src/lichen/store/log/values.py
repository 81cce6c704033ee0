"""What is read from the log: messages as they lie there, and proofs of forks."""

import msgspec

from lichen.feed.message import FeedId, MsgId


class Stored(msgspec.Struct, frozen=True):
    """A message as it lies in the log. ``received_no`` counts up in the order of receipt."""

    received_no: int
    key: MsgId
    feed: FeedId
    sequence: int
    received_ms: float
    data: bytes
    format: str = "classic"


class StoredFork(msgspec.Struct, frozen=True):
    """Two messages of one feed that cannot both be: the one in the log, and the other one."""

    feed: FeedId
    sequence: int
    first_key: MsgId
    first: bytes
    second_key: MsgId
    second: bytes
