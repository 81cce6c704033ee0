"""Fuzz targets of the feed room: each takes any bytes, and may only answer or refuse in its way.

``SEEDS`` are good inputs to start from: spoilt ones reach deeper than bytes from nowhere.
"""

import pytest

from lichen.feed.addresses import AddressError, encode_address, parse_addresses
from lichen.feed.canonical import JsonError, canonicalize, canonicalize_exactly
from lichen.feed.content import content_type, parse_contact, parse_pub
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import SecretError, parse_secret_file
from lichen.feed.message import ChainedMessage, RawMessage, Rejected
from lichen.feed.refs import (
    RefError,
    extract_ref,
    feed_id_from_bytes,
    feed_key_bytes,
    is_typed_id,
    normalize_channel,
    parse_feed_id,
    parse_link,
)
from lichen.feed.uris import encode_uri, parse_uri

KEY = b"+MDEgxFBU1cqQ/gsr1m0ISOda5K3F3B60Rg9yudbYNc="
SEEDS = [
    b"@" + KEY + b".ed25519",
    b"%" + KEY + b".sha256",
    b"&" + KEY + b".sha256?unbox=" + KEY,
    b"ssb:message/classic/-MDEgxFBU1cqQ_gsr1m0ISOda5K3F3B60Rg9yudbYNc=",
    b"ssb:experimental?action=start-http-auth&sid=%40x",
    b"net:example.com:8008~shs:" + KEY + b";ws://[::1]:80~shs:" + KEY,
    b"example.com:8008:@" + KEY + b".ed25519~" + KEY,
    b'{"previous":null,"sequence":1,"author":"@'
    + KEY
    + b'.ed25519","timestamp":1.5,"hash":"sha256",'
    b'"content":{"type":"contact","contact":"@'
    + KEY
    + b'.ed25519","following":true},"signature":"'
    + b"A" * 86
    + b'==.sig.ed25519"}',
    b'{"curve":"ed25519","public":"' + KEY + b'.ed25519","private":"x","id":"@x"} # secret',
]
FORMAT = ClassicFormat()


def refs_target(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    is_typed_id(text)
    parse_link(text)
    extract_ref(text)
    normalize_channel(text)
    try:
        feed = parse_feed_id(text)
    except RefError:
        return
    assert feed_id_from_bytes(feed_key_bytes(feed)) == text


def uris_target(data: bytes) -> None:
    try:
        uri = parse_uri(data.decode("utf-8", "replace"))
    except RefError:
        return
    assert parse_uri(encode_uri(uri)) == uri


def addresses_target(data: bytes) -> None:
    try:
        addresses = parse_addresses(data.decode("utf-8", "replace"))
    except AddressError:
        return
    for address in addresses:
        assert parse_addresses(encode_address(address)) == [address]


def secret_file_target(data: bytes) -> None:
    with pytest.raises(SecretError):
        parse_secret_file(data.decode("utf-8", "replace"))


def canonical_target(data: bytes) -> None:
    try:
        exact = canonicalize_exactly(data)
    except JsonError:
        with pytest.raises(JsonError):
            canonicalize(data)
        return
    quick = canonicalize(data)
    assert (quick.compact, quick.indented) == (exact.compact, exact.indented)
    assert canonicalize(exact.indented).compact == exact.compact


def message_target(data: bytes) -> None:
    raw = FORMAT.parse(data)
    if isinstance(raw, Rejected):
        return
    assert isinstance(raw, RawMessage)
    chained = FORMAT.chain_alone(raw)
    if isinstance(chained, ChainedMessage):
        assert canonicalize_exactly(data).compact == chained.data
        content_type(chained.content)
        parse_contact(chained)
        parse_pub(chained)
        # Nobody here has a key, so nothing that was made up can be believed.
        assert isinstance(FORMAT.verify(chained), Rejected)


TARGETS = {
    "refs": refs_target,
    "uris": uris_target,
    "addresses": addresses_target,
    "secret file": secret_file_target,
    "canonical": canonical_target,
    "message": message_target,
}
