"""Marks: what stands for an id in the views, where the whole of it would be most of every row.

The mark of a message, and of a feed that has messages here, is the beginning of what its id
encodes; the log tells whose it is. Nobody can find two messages whose first 16 bytes are the same,
or a feed with the first 8 of another one's. An id that only begins like another, and which nothing
has, is easily written; it means no more than if the other one had been written there.

What is linked to may be such an id as well, and there it must not hide the links to the other: the
mark of a link is a hash of the whole. Whoever follows a link reads the message that has it, and
sees whether the id is there.
"""

from binascii import a2b_base64
from functools import lru_cache
from hashlib import blake2b

from lichen.feed.message import FeedId

MESSAGE_MARK_BYTES = 16
NUMBER_BYTES = 8
"""As many as a column of integers keeps."""


def message_mark(key: str) -> bytes:
    """Return the mark of a message, or of what else somebody may like."""
    return a2b_base64(key[1:45])[:MESSAGE_MARK_BYTES]


@lru_cache(maxsize=20_000)
def feed_mark(feed: FeedId) -> int:
    """Return the mark of a feed."""
    return int.from_bytes(a2b_base64(feed[1:45])[:NUMBER_BYTES], signed=True)


def link_mark(target: str) -> int:
    """Return the mark of what a link leads to: a message, a feed or a blob."""
    return int.from_bytes(blake2b(target.encode(), digest_size=NUMBER_BYTES).digest(), signed=True)
