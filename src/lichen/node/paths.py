"""The part of a web path that stands for an id: its 32 bytes in URL-safe base64, 43 characters.

The kind of id is said by the path around it (``/people/…``, ``/thread/…``, ``/blob/…``). As with
the ids themselves, 32 bytes have exactly one spelling; any other segment is refused with
``RefError``, which is a ``ValueError``.
"""

import re
from binascii import a2b_base64

from lichen.feed.message import BlobId, FeedId, MsgId
from lichen.feed.refs import (
    RefError,
    blob_id_from_bytes,
    feed_id_from_bytes,
    is_blob_id,
    is_feed_id,
    is_msg_id,
    msg_id_from_bytes,
)

_match_segment = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]").fullmatch


def segment_of(ref: str) -> str:
    """Return the path segment of a classic feed's, message's or blob's id."""
    if not (is_feed_id(ref) or is_msg_id(ref) or is_blob_id(ref)):
        raise RefError("only the id of a classic feed, message or blob has a path")
    return ref[1:44].replace("+", "-").replace("/", "_")


def feed_of(segment: str) -> FeedId:
    """Return the feed id that a path segment stands for."""
    return feed_id_from_bytes(_bytes_of(segment))


def message_of(segment: str) -> MsgId:
    """Return the message id that a path segment stands for."""
    return msg_id_from_bytes(_bytes_of(segment))


def blob_of(segment: str) -> BlobId:
    """Return the blob id that a path segment stands for."""
    return blob_id_from_bytes(_bytes_of(segment))


def _bytes_of(segment: str) -> bytes:
    if _match_segment(segment) is None:
        raise RefError("this part of a path stands for no id")
    return a2b_base64(segment.replace("-", "+").replace("_", "/") + "=")
