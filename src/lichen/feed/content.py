"""The content types that the network itself needs: who follows and blocks whom, where pubs are.

Everything else in content belongs to the applications. The rules for contacts are ssb-friends':
blocking or flagging counts before following, whatever else the message says.
"""

from typing import Final

import msgspec

from lichen.feed.addresses import AddressError, NetAddress, make_net_address, parse_net_address
from lichen.feed.canonical import JsonError, JsonValue, parse_json
from lichen.feed.message import ChainedMessage, FeedId, Message
from lichen.feed.refs import is_feed_id


class Contact(msgspec.Struct, frozen=True):
    """What ``source`` last said of ``target``: 1 follow, -1 block, -2 neither.

    ``sequence`` is that of the contact message; the highest one of a source and target counts.
    """

    source: FeedId
    target: FeedId
    value: int
    sequence: int


class Pub(msgspec.Struct, frozen=True):
    """Where ``source`` says that a pub can be reached."""

    source: FeedId
    address: NetAddress
    sequence: int


WEIGHTY_TYPES: Final = ("contact", "group", "metafeed", "invite", "peer-invite")
"""How types begin on which hangs who gets what: the signature of such a message cannot wait."""
_TYPE_FIRST = b'{"type":"'
_WEIGHTY_FIRST = tuple(_TYPE_FIRST + kind.encode() for kind in WEIGHTY_TYPES)


class _TypeOnly(msgspec.Struct):
    type: str


_read_type = msgspec.json.Decoder(_TypeOnly).decode


def content_type(content: bytes) -> str | None:
    """Return the type of a message's content, None for private text."""
    if content.startswith(b'"'):
        return None
    try:
        return _read_type(content).type
    except ValueError:
        kind = _read_object(content).get("type")
        return kind if isinstance(kind, str) else None


def is_weighty(content: bytes) -> bool:
    """Tell whether a content is of a type on which hangs who gets what."""
    if content.startswith(_TYPE_FIRST):
        return content.startswith(_WEIGHTY_FIRST)
    kind = content_type(content)
    return kind is not None and kind.startswith(WEIGHTY_TYPES)


def is_due(message: ChainedMessage) -> bool:
    """Tell whether a signature cannot wait: the chain does not bind it, or too much hangs on it.

    An id hashes the low bytes of UTF-16 units only; so what is not ASCII can be another text.
    """
    return not message.data.isascii() or is_weighty(message.content)


def parse_contact(message: Message | ChainedMessage) -> Contact | None:
    """Read a contact message; None for any other message."""
    if b'"contact"' not in message.content:
        return None
    return contact_of(message.author, message.sequence, _read_object(message.content))


def contact_of(source: FeedId, sequence: int, content: dict[str, JsonValue]) -> Contact | None:
    """Read the content of a contact message that is decoded already; None for any other."""
    target = content.get("contact")
    if content.get("type") != "contact" or not is_feed_id(target):
        return None
    if _is_truthy(content.get("blocking")) or _is_truthy(content.get("flagged")):
        value = -1
    else:
        value = 1 if content.get("following") is True else -2
    return Contact(source, target, value, sequence)


def parse_pub(message: Message | ChainedMessage) -> Pub | None:
    """Read a message that says where a pub is; None for any other message."""
    if b'"pub"' not in message.content:
        return None
    content = _read_object(message.content)
    address = content.get("address")
    if content.get("type") != "pub":
        return None
    try:
        if isinstance(address, str):
            place = parse_net_address(address)
        elif isinstance(address, dict):
            place = make_net_address(address.get("host"), address.get("port"), address.get("key"))
        else:
            return None
    except AddressError:
        return None
    return Pub(message.author, place, message.sequence)


def _read_object(content: bytes) -> dict[str, JsonValue]:
    try:
        value = parse_json(content)
    except JsonError:
        return {}
    return value if isinstance(value, dict) else {}


def _is_truthy(value: JsonValue) -> bool:
    """Judge as JavaScript does: an empty list or object counts as true."""
    return isinstance(value, list | dict) or bool(value)
