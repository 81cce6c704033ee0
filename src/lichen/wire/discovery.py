"""What peers of one local network tell each other by UDP broadcast: here is where I listen.

Two payloads are in use, each on a port of its own. The old one (ssb-local; port 8008) is the text
of an address and proves nothing. The new one (ssb-lan; port 26830) is that address in an object of
JSON, boxed with the network key, and a signature of its owner over the indented text of the object.
The nonce is always the same, the first 24 bytes of the network key: the box keeps other networks
out, it keeps no secret.

A datagram of a stranger is read or it is not: whatever is no address of somebody is None.
"""

from collections.abc import Sequence

import msgspec
from nacl.bindings import crypto_secretbox_easy, crypto_secretbox_open_easy
from nacl.exceptions import CryptoError

from lichen.feed.addresses import AddressError, NetAddress, parse_addresses
from lichen.feed.canonical import JsonError, encode_compact, encode_indented, parse_json
from lichen.feed.identity import Identity, verify_signature
from lichen.feed.message import FeedId
from lichen.feed.refs import feed_key_bytes
from lichen.wire.limits import ANNOUNCEMENT_BYTES_MAX

PLAIN_PORT = 8008
"""Where the old payload is sent to and heard."""
SIGNED_PORT = 26830
"""Where the new payload is sent to and heard."""

_NONCE_BYTES = 24
_MAC_BYTES = 16
_SIGNATURE_BYTES = 64


class Announcement(msgspec.Struct, frozen=True):
    """Somebody says where a peer listens. All addresses are of this one peer."""

    peer: FeedId
    addresses: tuple[NetAddress, ...]
    is_verified: bool
    """The peer itself signed it, though perhaps long ago; else anybody may have said so."""


def encode_plain(address: str) -> bytes:
    """Return the old payload for an address text."""
    return address.encode()


def encode_signed(address: str, identity: Identity, network_key: bytes) -> bytes:
    """Return the new payload for an address text."""
    text = encode_compact({"address": address}).encode()
    boxed: bytes = crypto_secretbox_easy(text, network_key[:_NONCE_BYTES], network_key)
    return boxed + identity.sign(_signed_text(address))


def parse_plain(data: bytes) -> Announcement | None:
    """Read an old payload; None if it is none."""
    if len(data) > ANNOUNCEMENT_BYTES_MAX:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    found = _read(text)
    return None if found is None else Announcement(*found, is_verified=False)


def parse_signed(data: bytes, network_key: bytes) -> Announcement | None:
    """Read a new payload; None if it is none, or one of another network.

    A wrong signature is not refused: it shows in ``is_verified``, as in the other peers.
    """
    if not _MAC_BYTES + _SIGNATURE_BYTES < len(data) <= ANNOUNCEMENT_BYTES_MAX:
        return None
    boxed, signature = data[:-_SIGNATURE_BYTES], data[-_SIGNATURE_BYTES:]
    try:
        text = crypto_secretbox_open_easy(boxed, network_key[:_NONCE_BYTES], network_key)
        value = parse_json(text)
    except (CryptoError, JsonError):
        return None
    address = value.get("address") if isinstance(value, dict) else None
    if not isinstance(address, str):
        return None
    found = _read(address)
    if found is None:
        return None
    peer, addresses = found
    public = feed_key_bytes(peer)
    is_verified = verify_signature(public, signature, _signed_text(address))
    return Announcement(peer, addresses, is_verified)


def _signed_text(address: str) -> bytes:
    return encode_indented({"address": address}).encode()


def _read(text: str) -> tuple[FeedId, tuple[NetAddress, ...]] | None:
    """Return the peer of the first address over TCP, and all such addresses of that peer."""
    try:
        parts: Sequence[object] = parse_addresses(text)
    except AddressError:
        return None
    reachable = [
        NetAddress(part.host, part.port, part.key)
        for part in parts
        if isinstance(part, NetAddress) and part.transport == "net"
    ]
    if not reachable:
        return None
    peer = reachable[0].key
    return peer, tuple(address for address in reachable if address.key == peer)
