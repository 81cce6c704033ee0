"""Multiserver and older addresses, against multiserver-address and ssb-ref."""

from binascii import b2a_base64
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.feed.addresses import (
    ADDRESS_CHARACTERS_MAX,
    AddressError,
    NetAddress,
    OtherAddress,
    encode_address,
    make_net_address,
    parse_addresses,
    parse_net_address,
)
from lichen.feed.refs import feed_id_from_bytes

Vectors = Callable[[str], list[dict[str, Any]]]

KEY = "+MDEgxFBU1cqQ/gsr1m0ISOda5K3F3B60Rg9yudbYNc="
FEED = f"@{KEY}.ed25519"
SEED = "MahyBYQuHb2DaDvLOUYuwKgdveCymUOfCW6YG299xF8="

# ssb-ref knows no default ports of web sockets and no such host without slashes; here both are
# read. The other way round it dials handshakes that do not exist yet.
READ_BY_US_ONLY = {f"wss://example.com~shs:{KEY}", f"ws:example.com:8989~shs:{KEY}"}
READ_BY_SSB_REF_ONLY = {f"net:example.com:8008~shs2:{KEY}"}


def net_address(text: str) -> NetAddress | None:
    try:
        return parse_net_address(text)
    except AddressError:
        return None


def test_addresses_are_told_as_by_multiserver_address(vectors: Vectors) -> None:
    for case in vectors("ids/addresses.json"):
        text = case["input"]
        if not case["check"]:
            continue
        addresses = parse_addresses(text)
        assert len(addresses) == len(case["decode"]), text
        key = case["key"] if case["key"] and "#" not in case["key"] else None
        if key is not None and len(key) == 53:
            assert key in {address.key for address in addresses}, text
        else:
            assert {address.key for address in addresses} == {None}, text


def test_internet_addresses_are_read_as_by_ssb_ref(vectors: Vectors) -> None:
    compared = 0
    for case in vectors("ids/addresses.json"):
        text, expected = case["input"], case["legacy"] or case["parseAddress"]
        if text in READ_BY_US_ONLY or text in READ_BY_SSB_REF_ONLY:
            assert (net_address(text) is not None) is (text in READ_BY_US_ONLY)
            continue
        address = net_address(text)
        if case["isLegacyInvite"]:
            assert address is not None
            assert encode_address(address) == case["parseInvite"]["invite"]
        elif not expected or not expected["key"]:
            assert address is None, text
        else:
            assert address is not None, text
            host = expected["host"].replace("ws://", "").replace("wss://", "")
            assert (address.host, address.port, address.key) == (
                host,
                expected["port"],
                expected["key"],
            )
            compared += 1
    assert compared > 8


def test_addresses_are_written_as_by_ssb_ref(vectors: Vectors) -> None:
    for case in vectors("ids/to-multiserver.json"):
        parts = case["input"]
        transport, _, host = parts["host"].rpartition("://")
        try:
            address = make_net_address(host, parts["port"], parts["key"])
        except AddressError:
            assert "error" in case
            continue
        address = NetAddress(host, address.port, address.key, None, transport or "net")
        assert encode_address(address) == case["address"]


def test_what_was_read_is_written_again(vectors: Vectors) -> None:
    for case in vectors("ids/addresses.json"):
        try:
            addresses = parse_addresses(case["input"])
        except AddressError:
            continue
        for address in addresses:
            assert parse_addresses(encode_address(address)) == [address]


@given(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 65535),
    st.ip_addresses().map(str) | st.sampled_from(["localhost", "pub.example.com", "my-host"]),
    st.none() | st.binary(min_size=32, max_size=32),
    st.sampled_from(["net", "onion", "ws", "wss"]),
)
def test_every_internet_address_survives_writing(
    key: bytes, port: int, host: str, seed: bytes | None, transport: str
) -> None:
    if transport in ("ws", "wss") and ":" in host:
        return
    address = NetAddress(host, port, feed_id_from_bytes(key), seed, transport)
    assert parse_addresses(encode_address(address)) == [address]


def test_the_older_form_fills_in_what_is_missing() -> None:
    assert parse_net_address(FEED) == NetAddress("localhost", 8008, FEED)
    assert parse_net_address(f":{FEED}") == NetAddress("localhost", 8008, FEED)
    assert parse_net_address(f"a.example::{FEED}") == NetAddress("a.example", 8008, FEED)
    assert parse_net_address(f"::1:80:{FEED}") == NetAddress("::1", 80, FEED)


def test_the_first_address_that_can_be_dialled_counts() -> None:
    text = f"unix:/run/x!:y~noauth;tunnel:{FEED}:{FEED}~shs:{KEY};net:10.0.0.1:1~shs:{KEY}"
    addresses = parse_addresses(text)
    assert [type(address) for address in addresses] == [OtherAddress, OtherAddress, NetAddress]
    assert encode_address(addresses[0]) == "unix:/run/x!:y~noauth"
    assert parse_net_address(text) == NetAddress("10.0.0.1", 1, FEED)


def test_a_seed_is_32_bytes() -> None:
    invite = parse_net_address(f"net:a.example:8008~shs:{KEY}:{SEED}")
    assert invite.seed is not None
    assert b2a_base64(invite.seed, newline=False).decode() == SEED
    assert net_address(f"net:a.example:8008~shs:{KEY}:YQ==") is None
    assert net_address(f"a.example:8008:{FEED}~YQ==") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "net",
        "net:a.example:8008",
        f"net:a.example:70000~shs:{KEY}",
        f"net:a.example:-1~shs:{KEY}",
        f"net:a.example:x~shs:{KEY}",
        f"net:bad host:8008~shs:{KEY}",
        f"net:a.example:8008~shs:{KEY[:-2]}",
        f"net:a.example:8008~shs:{KEY};",
        f"a.example:99999:{FEED}",
        f"a b:8008:{FEED}",
        f"é.example:8008:{FEED}",
        f"a.example:٣:{FEED}",
        "x" * (ADDRESS_CHARACTERS_MAX + 1),
        f"net:a.example:8008~shs:{KEY}~more",
    ],
)
def test_what_cannot_be_dialled_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        parse_net_address(text)


@pytest.mark.parametrize(
    "parts",
    [
        (None, 8008, FEED),
        ("a.example", "8008", FEED),
        ("a.example", 8008.0, FEED),
        ("a.example", True, FEED),
        ("a.example", -1, FEED),
        ("a.example", 8008, KEY),
        ("a.example", 8008, None),
    ],
)
def test_parts_of_another_type_make_no_address(parts: tuple[object, object, object]) -> None:
    with pytest.raises(AddressError):
        make_net_address(*parts)
