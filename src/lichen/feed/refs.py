"""The ids of Secure Scuttlebutt in their classic form: a sigil, base64 and a suffix.

The rules are those of ssb-ref and is-canonical-base64, made strict: standard alphabet, padded, and
with the unused low bits zero, so that 32 bytes have exactly one spelling. ssb-ref also takes any
character for the dot and ``@....sha256`` for a feed; nothing signed by such a name verifies, and
here they are refused. Ids of other feed formats are recognized by ``is_typed_id`` and not read.
"""

import re
from binascii import a2b_base64, b2a_base64
from typing import Final, TypeGuard
from urllib.parse import parse_qsl, unquote

import msgspec

from lichen.feed.message import BlobId, FeedId, MsgId

KEY_PATTERN: Final = r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]="
_match_feed_id = re.compile(rf"@{KEY_PATTERN}\.ed25519").fullmatch
_match_msg_id = re.compile(rf"%{KEY_PATTERN}\.sha256").fullmatch
_match_blob_id = re.compile(rf"&{KEY_PATTERN}\.sha256").fullmatch
_match_cloaked_id = re.compile(rf"%{KEY_PATTERN}\.cloaked").fullmatch
_match_typed_id = re.compile(
    r"[@%&](?:[A-Za-z0-9+/]{4})*"
    r"(?:[A-Za-z0-9+/](?:[AQgw]==|[A-Za-z0-9+/][AEIMQUYcgkosw048]=))?"
    r"\.[A-Za-z0-9-]+"
).fullmatch
_search_ref = re.compile(r"[@%&][A-Za-z0-9/+]{43}=\.[A-Za-z0-9_]+").search

# What a regular expression of JavaScript calls white space; Python's own class is another one.
_SPACE = "\t\n\v\f\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_CHANNEL_DROPS = re.compile(f'[{_SPACE},.?!<>()\\[\\]"#]')
CHANNEL_UNITS_MAX = 30
"""UTF-16 units of a channel name that count; the rest is cut off."""


class RefError(ValueError):
    """A text that is not the reference it should be."""


class Link(msgspec.Struct, frozen=True):
    """A reference as it stands in content: the id, and the key that opens it, if it says one."""

    target: str
    unbox: str | None = None


def is_feed_id(text: object) -> TypeGuard[FeedId]:
    """Tell whether this is the id of a classic feed."""
    return isinstance(text, str) and _match_feed_id(text) is not None


def is_msg_id(text: object) -> TypeGuard[MsgId]:
    """Tell whether this is the id of a classic message."""
    return isinstance(text, str) and _match_msg_id(text) is not None


def is_blob_id(text: object) -> TypeGuard[BlobId]:
    """Tell whether this is the id of a blob."""
    return isinstance(text, str) and _match_blob_id(text) is not None


def is_cloaked_id(text: object) -> bool:
    """Tell whether this is a cloaked message id, as groups have."""
    return isinstance(text, str) and _match_cloaked_id(text) is not None


def is_typed_id(text: object) -> bool:
    """Tell whether this looks like an id, perhaps of a format that is not known here."""
    return isinstance(text, str) and _match_typed_id(text) is not None


def parse_feed_id(text: str) -> FeedId:
    """Return the text as a feed id, or raise ``RefError``."""
    if is_feed_id(text):
        return text
    raise RefError(f"{_shown(text)} is not a feed id (@ + 44 characters + .ed25519)")


def parse_msg_id(text: str) -> MsgId:
    """Return the text as a message id, or raise ``RefError``."""
    if is_msg_id(text):
        return text
    raise RefError(f"{_shown(text)} is not a message id (% + 44 characters + .sha256)")


def parse_blob_id(text: str) -> BlobId:
    """Return the text as a blob id, or raise ``RefError``."""
    if is_blob_id(text):
        return text
    raise RefError(f"{_shown(text)} is not a blob id (& + 44 characters + .sha256)")


def feed_key_bytes(feed: FeedId) -> bytes:
    """Return the 32 bytes of a feed's public key."""
    return a2b_base64(feed[1:45])


def msg_key_bytes(key: MsgId) -> bytes:
    """Return the 32 bytes of a message id."""
    return a2b_base64(key[1:45])


def blob_key_bytes(blob: BlobId) -> bytes:
    """Return the 32 bytes of a blob id."""
    return a2b_base64(blob[1:45])


def feed_id_from_bytes(key: bytes) -> FeedId:
    """Return the feed id of a public key of 32 bytes."""
    return FeedId(f"@{_base64_of_32(key)}.ed25519")


def msg_id_from_bytes(key: bytes) -> MsgId:
    """Return the message id of 32 bytes."""
    return MsgId(f"%{_base64_of_32(key)}.sha256")


def blob_id_from_bytes(key: bytes) -> BlobId:
    """Return the blob id of 32 bytes."""
    return BlobId(f"&{_base64_of_32(key)}.sha256")


def parse_link(text: str) -> Link | None:
    """Read a link to a feed, message or blob, with or without ``?unbox=``; None for other text."""
    target, _, query = text.partition("?")
    if not (is_feed_id(target) or is_msg_id(target) or is_blob_id(target)):
        return None
    unbox = None
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == "unbox":
            # A plus sign in a query means a space; base64 means the plus sign.
            unbox = value.replace(" ", "+").removesuffix(".boxs")
    return Link(target, unbox)


def extract_ref(text: str) -> str | None:
    """Find the first reference in free text, also where it is percent- or HTML-escaped."""
    found = _search_ref(text)
    if found is None:
        found = _search_ref(unquote(text).replace("&amp;", "&"))
    return None if found is None else found.group()


def normalize_channel(text: str) -> str | None:
    """Return the form of a channel's name by which channels are compared; None for no channel.

    Half a character, as the cut may leave it, is left out: no table and no page can hold it.
    """
    name = _CHANNEL_DROPS.sub("", text.lower())
    units = name.encode("utf-16-le", "surrogatepass")[: 2 * CHANNEL_UNITS_MAX]
    return units.decode("utf-16-le", "ignore") or None


def is_canonical_base64(text: str) -> bool:
    """Tell whether a text is the one spelling in standard base64 of some bytes."""
    try:
        return b2a_base64(a2b_base64(text), newline=False).decode("ascii") == text
    except ValueError:
        return False


def _base64_of_32(key: bytes) -> str:
    if len(key) != 32:
        raise RefError(f"an id has 32 bytes, not {len(key)}")
    return b2a_base64(key, newline=False).decode("ascii")


def _shown(text: object) -> str:
    """Quote a text for an error message, shortened: it may be hostile."""
    shown = repr(text)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
