"""``ssb:`` URIs: the same ids as in sigil form, and what rooms and pubs ask for by a link.

``ssb:TYPE/FORMAT/DATA`` with URL-safe base64 is what is written; ``ssb:TYPE:FORMAT:DATA`` and
``ssb://TYPE/FORMAT/DATA`` are read too, as are the old format words (SSB URI Specification;
ssb-uri2). Unlike ssb-uri2, data must be what its type holds: 32 bytes, whose padding may be
missing. Everything else is refused with ``RefError``.
"""

import re
from binascii import a2b_base64, b2a_base64
from urllib.parse import parse_qsl, quote

import msgspec

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

_LOG_FORMATS = frozenset({"classic", "bendybutt-v1", "gabbygrove-v1", "buttwoo-v1", "indexed-v1"})
_FORMATS = {
    "message": _LOG_FORMATS | {"cloaked"},
    "feed": _LOG_FORMATS,
    "blob": frozenset({"classic"}),
    "encryption-key": frozenset({"box2-dm-dh"}),
    "identity": frozenset({"po-box", "group", "fusion"}),
}
_OLD_FORMATS = {
    ("message", "sha256"): "classic",
    ("feed", "ed25519"): "classic",
    ("blob", "sha256"): "classic",
}
_SIGIL_TYPES = {"@": "feed", "%": "message", "&": "blob"}
_match_key = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]=?").fullmatch


class KeyUri(msgspec.Struct, frozen=True):
    """A URI that names something by 32 bytes; ``parent`` is that of a buttwoo sub-feed."""

    type: str
    format: str
    key: bytes
    parent: bytes | None = None


class AddressUri(msgspec.Struct, frozen=True):
    """A URI that holds the multiserver address of a peer."""

    address: str


class ActionUri(msgspec.Struct, frozen=True):
    """An experimental URI: something a web page asks the peer to do, with its parameters."""

    action: str
    parameters: dict[str, str]


def parse_uri(text: str) -> KeyUri | AddressUri | ActionUri:
    """Read an ``ssb:`` URI, or raise ``RefError``."""
    if not text.startswith("ssb:"):
        raise RefError("an SSB URI starts with ssb:")
    path, _, query = text[4:].partition("?")
    path = path.removeprefix("//")
    mark = "/" if "/" in path else ":"
    parts = path.split(mark)
    if parts == ["experimental"]:
        parameters = _read_query(query)
        if not parameters.get("action"):
            raise RefError("this SSB URI asks for nothing")
        return ActionUri(parameters["action"], parameters)
    if parts == ["address", "multiserver"]:
        address = _read_query(query).get("multiserverAddress")
        if not address:
            raise RefError("this SSB URI holds no address")
        return AddressUri(address)
    return _parse_key_uri(parts)


def from_uri(text: str) -> FeedId | MsgId | BlobId:
    """Return the sigil form of a classic feed's, message's or blob's URI."""
    uri = parse_uri(text)
    if isinstance(uri, KeyUri) and uri.format == "classic":
        if uri.type == "feed":
            return feed_id_from_bytes(uri.key)
        if uri.type == "message":
            return msg_id_from_bytes(uri.key)
        return blob_id_from_bytes(uri.key)
    raise RefError("this SSB URI names no classic feed, message or blob")


def to_uri(sigil: str) -> str:
    """Return the URI of a feed, message or blob id in sigil form."""
    if not (is_feed_id(sigil) or is_msg_id(sigil) or is_blob_id(sigil)):
        raise RefError("this is not the id of a classic feed, message or blob")
    return f"ssb:{_SIGIL_TYPES[sigil[0]]}/classic/{_url_safe(sigil[1:45])}"


def encode_uri(uri: KeyUri | AddressUri | ActionUri) -> str:
    """Write a URI in its canonical form."""
    if isinstance(uri, AddressUri):
        return f"ssb:address/multiserver?multiserverAddress={quote(uri.address, safe='~')}"
    if isinstance(uri, ActionUri):
        pairs = (f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in uri.parameters.items())
        return f"ssb:experimental?{'&'.join(pairs)}"
    parts = [uri.type, uri.format, _encode_key(uri.key)]
    if uri.parent is not None:
        parts.append(_encode_key(uri.parent))
    return f"ssb:{'/'.join(parts)}"


def _parse_key_uri(parts: list[str]) -> KeyUri:
    if len(parts) not in (3, 4):
        raise RefError("an SSB URI looks like ssb:TYPE/FORMAT/DATA")
    kind, word, *data = parts
    format_name = _OLD_FORMATS.get((kind, word), word)
    if format_name not in _FORMATS.get(kind, ()):
        raise RefError("this type and format of SSB URI are not known")
    key = _parse_key(data[0])
    if len(data) == 1:
        return KeyUri(kind, format_name, key)
    if (kind, format_name) != ("feed", "buttwoo-v1"):
        raise RefError("this SSB URI has too many parts")
    return KeyUri(kind, format_name, key, _parse_key(data[1]))


def _parse_key(text: str) -> bytes:
    if _match_key(text) is None:
        raise RefError("the data of this SSB URI are not 32 bytes of URL-safe base64")
    return a2b_base64(text[:43].replace("-", "+").replace("_", "/") + "=")


def _encode_key(key: bytes) -> str:
    return _url_safe(b2a_base64(key, newline=False).decode("ascii"))


def _url_safe(base64: str) -> str:
    return base64.replace("+", "-").replace("/", "_")


def _read_query(query: str) -> dict[str, str]:
    return dict(parse_qsl(query, keep_blank_values=True))
