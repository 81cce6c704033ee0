"""Where a peer can be reached: multiserver addresses, and the older ``HOST:PORT:@KEY`` form.

An address is ``transport~transform``, several stand in a row with ``;`` between them, each part is
``name:data:data`` and ``!`` escapes the four marks (multiserver-address; ssb-ref for the old form).
Addresses of the four internet transports become ``NetAddress``; others (unix, tunnel, bt, dht) and
those with a wrong port or an unknown transform are kept as text, since another program may know
them. A text of neither form is refused with ``AddressError``.
"""

import re
from binascii import a2b_base64, b2a_base64
from ipaddress import ip_address

import msgspec

from lichen.feed.message import FeedId
from lichen.feed.refs import is_canonical_base64, is_feed_id

PORT_DEFAULT = 8008
"""The port of a peer whose address names none."""
ADDRESS_CHARACTERS_MAX = 4096
"""Characters of an address text; real ones have a few hundred."""
_WEB_PORTS = {"ws": 80, "wss": 443}

_DATA = r'(?:["-9<-}]|![!~:;])*'
_PROTOCOL = rf"[a-z][a-z0-9-]+(?::{_DATA})*"
_ADDRESS = rf"{_PROTOCOL}(?:~{_PROTOCOL})+"
_match_multiserver = re.compile(rf"{_ADDRESS}(?:;{_ADDRESS})*").fullmatch
_match_domain = re.compile(
    r"(?=.{1,253}$)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*"
    r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
).fullmatch
_match_port = re.compile(r"[0-9]{1,5}", re.ASCII).fullmatch
_find_pieces = re.compile(r"!.|[^!]").findall


class AddressError(ValueError):
    """A text that is no address, or none that can be dialled; the words say what is wrong."""


class NetAddress(msgspec.Struct, frozen=True):
    """A peer on the internet: ``transport`` is net, onion, ws or wss; ``seed`` is of an invite."""

    host: str
    port: int
    key: FeedId
    seed: bytes | None = None
    transport: str = "net"


class OtherAddress(msgspec.Struct, frozen=True):
    """An address of another kind, as it was written; ``key`` if it says whose it is."""

    text: str
    key: FeedId | None = None


def parse_addresses(text: str) -> list[NetAddress | OtherAddress]:
    """Read one address or several, or raise ``AddressError``."""
    if len(text) > ADDRESS_CHARACTERS_MAX:
        raise AddressError(f"an address has at most {ADDRESS_CHARACTERS_MAX} characters")
    if _match_multiserver(text) is not None:
        return [_parse_multiserver(part) for part in _split(text, ";")]
    return [_parse_legacy(text)]


def parse_net_address(text: str) -> NetAddress:
    """Return the first address in a text that can be dialled, or raise ``AddressError``."""
    for address in parse_addresses(text):
        if isinstance(address, NetAddress):
            return address
    raise AddressError(
        "this address cannot be dialled; one that can looks like net:HOST:PORT~shs:KEY"
    )


def make_net_address(host: object, port: object, key: object) -> NetAddress:
    """Put an address together from its parts, as ``pub`` messages have them."""
    if not isinstance(host, str) or not _is_host(host):
        raise AddressError("the host is neither a domain nor an IP address")
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
        raise AddressError("the port is not a number from 0 to 65535")
    if not is_feed_id(key):
        raise AddressError("the key is not a feed id (@ + 44 characters + .ed25519)")
    return NetAddress(host, port, key)


def encode_address(address: NetAddress | OtherAddress) -> str:
    """Write an address as the other peers read it; a colon in a host stays bare, as theirs do."""
    if isinstance(address, OtherAddress):
        return address.text
    slashes = "//" if address.transport in _WEB_PORTS else ""
    text = f"{address.transport}:{slashes}{address.host}:{address.port}~shs:{address.key[1:45]}"
    if address.seed is None:
        return text
    return f"{text}:{b2a_base64(address.seed, newline=False).decode('ascii')}"


def _parse_multiserver(text: str) -> NetAddress | OtherAddress:
    protocols = [_split(protocol, ":") for protocol in _split(text, "~")]
    key = _key_of(protocols)
    transport, *place = (_unescape(data) for data in protocols[0])
    if key is None or len(protocols) != 2 or protocols[1][0] != "shs":
        return OtherAddress(text, key)
    host, port = _host_and_port(transport, place)
    seed = _seed_of(protocols[1][2:])
    if host is None or port is None or seed is None:
        return OtherAddress(text, key)
    return NetAddress(host, port, key, seed or None, transport)


def _host_and_port(transport: str, place: list[str]) -> tuple[str | None, int | None]:
    """Return host and port of an internet transport, None where one is missing or wrong."""
    if transport not in ("net", "onion", "ws", "wss") or not place:
        return None, None
    *host_parts, port_text = place
    port: int | None = None
    if transport in _WEB_PORTS:
        place[0] = place[0].removeprefix("//")
        if len(place) == 1:
            host_parts, port = place, _WEB_PORTS[transport]
        else:
            host_parts = place[:-1]
    if port is None:
        port = _parse_port(port_text)
    # The host of a net address may hold bare colons: then it is IPv6.
    host = ":".join(host_parts)
    return host if _is_host(host) else None, port


def _parse_legacy(text: str) -> NetAddress:
    address, _, seed_text = text.partition("~")
    *place, key = address.split(":")
    if not is_feed_id(key):
        raise AddressError(
            "this is not an address; one looks like net:HOST:PORT~shs:KEY or HOST:PORT:@KEY.ed25519"
        )
    port = _parse_port(place[-1]) if place and place[-1] else PORT_DEFAULT
    host = ":".join(place[:-1]) or "localhost"
    if port is None or not _is_host(host):
        raise AddressError("the host or the port of this address is wrong")
    seed = _seed_of([seed_text]) if seed_text else b""
    if seed is None:
        raise AddressError("the seed at the end of this address is not 32 bytes of base64")
    return NetAddress(host, port, key, seed or None)


def _key_of(protocols: list[list[str]]) -> FeedId | None:
    """Return whose address it is, by the handshake it names; later handshakes count as well."""
    for name, *data in protocols:
        if name.startswith("shs") and data:
            key = f"@{data[0]}.ed25519"
            return key if is_feed_id(key) else None
    return None


def _seed_of(data: list[str]) -> bytes | None:
    """Return the seed, empty if there is none, None if it is wrong."""
    if not data:
        return b""
    if not is_canonical_base64(data[0]):
        return None
    seed = a2b_base64(data[0])
    return seed if len(seed) == 32 else None


def _parse_port(text: str) -> int | None:
    if _match_port(text) is None or int(text) > 65535:
        return None
    return int(text)


def _is_host(text: str) -> bool:
    if _match_domain(text) is not None:
        return True
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _split(text: str, mark: str) -> list[str]:
    """Split at a mark where it is not escaped; the escapes stay."""
    parts = [""]
    for piece in _find_pieces(text):
        if piece == mark:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _unescape(data: str) -> str:
    return re.sub("!(.)", r"\1", data)
