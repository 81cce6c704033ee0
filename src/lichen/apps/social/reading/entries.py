"""A message as a page shows it, and what a page has in its place: a gap, or a fold of hidden ones.

An ``Entry`` is read from the log once. Strangers wrote it: members of the wrong kind count as
absent, and surrogates that stand alone, which no page can carry, are U+FFFD.
"""

import msgspec

from lichen.apps.social.content import Mention, Place, parse_mentions, parse_place
from lichen.apps.social.rules import ThreadMessage, believable_ms, message_links
from lichen.feed.canonical import JsonValue
from lichen.feed.message import FeedId, MsgId
from lichen.feed.refs import normalize_channel
from lichen.store.log import Stored
from lichen.store.views.rows import decode_value


class Entry(msgspec.Struct, frozen=True):
    """One message, of any type. ``type`` is None and ``content`` empty where it is a box.

    ``text``, ``channel`` and ``mentions`` are those of a post, empty for other types.
    ``claimed_ms`` is the author's clock, ``received_ms`` this machine's; see ``shown_ms``.
    """

    key: MsgId
    feed: FeedId
    sequence: int
    received_no: int
    received_ms: float
    claimed_ms: float
    type: str | None
    text: str
    channel: str | None
    content: dict[str, JsonValue]
    is_private: bool
    place: Place
    mentions: tuple[Mention, ...]
    stored: Stored

    @property
    def shown_ms(self) -> float:
        """Return the time to show: the claimed one, never later than received, never before SSB."""
        return believable_ms(self.claimed_ms, self.received_ms)

    @property
    def message(self) -> ThreadMessage:
        """Return what the order of a thread depends on."""
        return order_of(self.stored)


class Gap(msgspec.Struct, frozen=True):
    """A message that others refer to and that is not in the log."""

    key: MsgId


class Hidden(msgspec.Struct, frozen=True):
    """Messages in a row that are not shown, for the viewer blocks who wrote them."""

    count: int
    feeds: tuple[FeedId, ...]


Item = Entry | Gap | Hidden
"""What stands at one place of a thread."""


def order_of(stored: Stored) -> ThreadMessage:
    """Return what the order of a thread depends on, of a message that need not be read for it.

    No two messages of a log were received at the same time, so that the claimed one never decides.
    """
    return ThreadMessage(stored.key, message_links(stored.data), stored.received_ms, 0.0)


def read_entry(stored: Stored) -> Entry:
    """Read a message of the log for a page."""
    value = decode_value(stored.data)
    content, timestamp = value.get("content"), value.get("timestamp")
    members = content if isinstance(content, dict) else {}
    kind = members.get("type")
    is_post = kind == "post"
    text = members.get("text") if is_post else None
    channel = members.get("channel") if is_post else None
    # In the order of the members: by their names it takes a tenth longer.
    return Entry(
        stored.key,
        stored.feed,
        stored.sequence,
        stored.received_no,
        stored.received_ms,
        float(timestamp) if isinstance(timestamp, int | float) else 0.0,
        kind if isinstance(kind, str) else None,
        text if isinstance(text, str) else "",
        normalize_channel(channel) if isinstance(channel, str) else None,
        members,
        members is not content,
        parse_place(members),
        parse_mentions(members["mentions"]) if is_post and "mentions" in members else (),
        stored,
    )
