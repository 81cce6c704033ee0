"""Announcements on the local network: the vectors of ssb-lan, and what strangers may send."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_secretbox_easy

from lichen.feed.addresses import NetAddress, encode_address, parse_net_address
from lichen.feed.identity import Identity, generate_identity
from lichen.wire.discovery import (
    Announcement,
    encode_plain,
    encode_signed,
    parse_plain,
    parse_signed,
)
from lichen.wire.limits import ANNOUNCEMENT_BYTES_MAX

KEY = bytes(range(32))
ANNA = generate_identity(b"a" * 32)
BERT = generate_identity(b"b" * 32)


def address_of(identity: Identity, host: str = "192.168.1.2", port: int = 8008) -> str:
    return encode_address(NetAddress(host, port, identity.id))


def box(text: bytes, key: bytes = KEY) -> bytes:
    boxed: bytes = crypto_secretbox_easy(text, key[:24], key)
    return boxed


def test_vectors(load_vectors: Callable[[str], list[dict[str, Any]]]) -> None:
    from base64 import b64decode  # noqa: PLC0415

    cases = load_vectors("discovery/lan.json")
    assert cases
    for case in cases:
        identity = generate_identity(bytes.fromhex(case["seed_hex"]))
        network_key = b64decode(case["network_key_b64"])
        packet = bytes.fromhex(case["packet_hex"])
        address = case["address"]
        assert identity.id == case["id"]
        assert encode_plain(address).decode() == case["legacy_packet_utf8"]
        assert encode_signed(address, identity, network_key) == packet
        reachable = (parse_net_address(address),)
        assert parse_signed(packet, network_key) == Announcement(identity.id, reachable, True)
        plain = case["legacy_packet_utf8"].encode()
        assert parse_plain(plain) == Announcement(identity.id, reachable, False)


def test_the_oldest_form_of_an_address_is_read() -> None:
    found = parse_plain(b"10.0.0.7:9000:" + ANNA.id.encode())
    assert found == Announcement(ANNA.id, (NetAddress("10.0.0.7", 9000, ANNA.id),), False)


def test_only_addresses_of_one_peer_over_tcp_are_told() -> None:
    text = ";".join(
        [
            f"ws://10.0.0.7:9~shs:{ANNA.id[1:45]}",
            address_of(ANNA, "10.0.0.7"),
            address_of(BERT, "10.0.0.8"),
            address_of(ANNA, "10.0.0.9") + ":" + ANNA.id[1:45],
        ]
    )
    found = parse_plain(text.encode())
    assert found is not None
    assert found.peer == ANNA.id
    assert [(each.host, each.seed) for each in found.addresses] == [
        ("10.0.0.7", None),
        ("10.0.0.9", None),
    ]


def test_who_did_not_sign_is_not_verified() -> None:
    genuine = encode_signed(address_of(ANNA), ANNA, KEY)
    forged = encode_signed(address_of(ANNA), BERT, KEY)
    assert parse_signed(genuine, KEY) is not None
    for data in (forged, genuine[:-1] + bytes([genuine[-1] ^ 1]), genuine[:-64] + b"\0" * 64):
        found = parse_signed(data, KEY)
        assert found is not None
        assert not found.is_verified


def test_another_network_is_not_heard() -> None:
    assert parse_signed(encode_signed(address_of(ANNA), ANNA, KEY), b"k" * 32) is None


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"[]", b"null", b'{"address":1}', b'{"address":"nowhere"}', b"\xff",
     b'{"address":',
     b'{"address":"ws://10.0.0.7:9~shs:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}',
     b"[" * 500],
)  # fmt: skip
def test_what_is_no_address_is_nothing(text: bytes) -> None:
    assert parse_signed(box(text) + b"\0" * 64, KEY) is None
    assert parse_plain(text) is None


def test_what_is_too_long_is_not_looked_at() -> None:
    address = address_of(ANNA)
    longest = ";".join([address] * 40)
    assert len(longest) > ANNOUNCEMENT_BYTES_MAX
    assert parse_plain(longest.encode()) is None
    assert parse_signed(encode_signed(longest, ANNA, KEY), KEY) is None
    assert parse_plain(longest[: len(address) * 2 + 1].encode()) is not None


@given(st.text())
def test_texts_that_are_no_address_do_no_harm(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    parse_plain(data)
    parse_signed(encode_signed(text.encode("utf-8", "replace").decode(), ANNA, KEY), KEY)


@given(
    st.ip_addresses().map(lambda ip: str(ip).partition("%")[0]),
    st.integers(0, 65535),
    st.binary(min_size=32, max_size=32),
)
def test_what_is_announced_is_what_is_heard(host: str, port: int, key: bytes) -> None:
    address = address_of(ANNA, host, port)
    expected = (NetAddress(host, port, ANNA.id),)
    assert parse_signed(encode_signed(address, ANNA, key), key) == Announcement(
        ANNA.id, expected, True
    )
    assert parse_plain(encode_plain(address)) == Announcement(ANNA.id, expected, False)
