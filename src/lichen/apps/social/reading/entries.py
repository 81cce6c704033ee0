"""A message as a page shows it, and what a page has in its place: a gap, or a fold of hidden ones.

An ``Entry`` is read from the log once. Strangers wrote it: members of the wrong kind count as
absent, and surrogates that stand alone, which no page can carry, are U+FFFD.
"""

import msgspec

from lichen.apps.social.content import Mention, Place, parse_place, parse_post
from lichen.apps.social.rules import ThreadMessage, believable_ms, message_links
from lichen.feed.canonical import JsonValue
from lichen.feed.message import FeedId, MsgId
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
    links: frozenset[MsgId]
    stored: Stored

    @property
    def shown_ms(self) -> float:
        """Return the time to show: the claimed one, never later than received, never before SSB."""
        return believable_ms(self.claimed_ms, self.received_ms)

    @property
    def message(self) -> ThreadMessage:
        """Return what the order of a thread depends on."""
        return ThreadMessage(self.key, self.links, self.received_ms, self.claimed_ms)


class Gap(msgspec.Struct, frozen=True):
    """A message that others refer to and that is not in the log."""

    key: MsgId


class Hidden(msgspec.Struct, frozen=True):
    """Messages in a row that are not shown, for the viewer blocks who wrote them."""

    count: int
    feeds: tuple[FeedId, ...]


Item = Entry | Gap | Hidden
"""What stands at one place of a thread."""


def read_entry(stored: Stored) -> Entry:
    """Read a message of the log for a page."""
    value = decode_value(stored.data)
    content, timestamp = value.get("content"), value.get("timestamp")
    is_private = not isinstance(content, dict)
    members = content if isinstance(content, dict) else {}
    kind = members.get("type")
    post = parse_post(members)
    return Entry(
        key=stored.key,
        feed=stored.feed,
        sequence=stored.sequence,
        received_no=stored.received_no,
        received_ms=stored.received_ms,
        claimed_ms=float(timestamp) if isinstance(timestamp, int | float) else 0.0,
        type=kind if isinstance(kind, str) else None,
        text=post.text if post else "",
        channel=post.channel if post else None,
        content=members,
        is_private=is_private,
        place=parse_place(members),
        mentions=post.mentions if post else (),
        links=message_links(value),
        stored=stored,
    )
