"""What the text of a post refers to: people, messages, blobs, channels, and the web outside.

References are written as JavaScript clients write them: ids in sigil form, ``ssb:`` URIs, and
``#channel``. Of the web only ``http:``, ``https:`` and ``mailto:`` are links; everything else, such
as ``javascript:``, ``data:`` or a path of this peer, is not one.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

import msgspec

from lichen.feed.refs import (
    RefError,
    is_blob_id,
    is_feed_id,
    is_msg_id,
    normalize_channel,
    parse_link,
)
from lichen.feed.uris import from_uri
from lichen.web.text.links import Links

_KEY = r"[A-Za-z0-9+/]{43}="
_REFERENCE = re.compile(
    rf"(?<![A-Za-z0-9+/=&@%])(?:@{_KEY}\.ed25519|[%&]{_KEY}\.sha256)(?![A-Za-z0-9])"
    r"(?:\?unbox=[A-Za-z0-9+/]+={0,2}(?:\.boxs)?)?"
    r"|(?<![A-Za-z0-9])ssb:(?://)?(?:feed|message|blob)[:/][a-z0-9-]+[:/][A-Za-z0-9_-]{43}=?"
    r"(?![A-Za-z0-9_-])"
    r"|(?<![\w/&#?=.-])#(?=[\w+-]*[^\W\d_])[\w+-]{1,60}(?![\w+-])"
)
_FOREIGN = re.compile(r"(?:https?://|mailto:)[^\s]", re.IGNORECASE)
SHORT_CHARACTERS = 7
"""The sigil and six characters of the key: what people see of an id that has no name."""


class Target(msgspec.Struct, frozen=True):
    """Where a link leads. ``kind`` is feed, message, blob, channel or foreign."""

    kind: str
    to: str
    """An id, the name of a channel, or an address of the web."""

    def path(self, links: Links) -> str:
        """Return what stands in ``href``."""
        if is_feed_id(self.to):
            return links.feed(self.to)
        if is_msg_id(self.to):
            return links.message(self.to)
        if is_blob_id(self.to):
            return links.blob(self.to)
        return links.channel(self.to) if self.kind == "channel" else self.to

    def short(self) -> str:
        """Return the target as a text that fits into a line."""
        if self.kind in {"channel", "foreign"}:
            return f"#{self.to}" if self.kind == "channel" else self.to
        return f"{self.to[:SHORT_CHARACTERS]}…"


def parse_target(href: str) -> Target | None:
    """Read where a link leads; None for what must not be a link."""
    if href.startswith(("@", "%", "&")):
        return _parse_sigil(href)
    if href.startswith("ssb:"):
        try:
            return _target_of(from_uri(href))
        except RefError:
            return None
    if href.startswith("#"):
        name = normalize_channel(href)
        return Target("channel", name) if name is not None else None
    return Target("foreign", href) if _FOREIGN.match(href) else None


def find_references(text: str) -> Iterator[tuple[str, Target | None]]:
    """Split a text into pieces: plain ones, and bare references with where they lead."""
    end = 0
    for found in _REFERENCE.finditer(text):
        target = parse_target(found.group())
        if target is None:
            continue
        if found.start() > end:
            yield text[end : found.start()], None
        yield found.group(), target
        end = found.end()
    if end < len(text):
        yield text[end:], None


def _parse_sigil(href: str) -> Target | None:
    # Some clients escape the percent sign of a message id, as a URL would want it.
    link = parse_link(href) or parse_link(unquote(href))
    return _target_of(link.target) if link is not None else None


def _target_of(ref: str) -> Target:
    return Target({"@": "feed", "%": "message", "&": "blob"}[ref[0]], ref)
