"""Vectors of pull-box-stream, flipped bits, forged goodbyes."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_secretbox_easy

from lichen.wire.boxstream import BODY_BYTES_MAX, HEADER_BYTES, Boxer, Unboxer
from lichen.wire.errors import LocalProtocolError

KEY = b"k" * 32
NONCE = b"\xff" * 23 + b"\xfe"


def test_boxing_vectors(load_vectors: Callable[[str], list[dict[str, Any]]]) -> None:
    cases = load_vectors("boxstream/box.json")
    assert cases
    for case in cases:
        key, nonce = bytes.fromhex(case["key"]), bytes.fromhex(case["nonce"])
        plain, cipher = bytes.fromhex(case["plain"]), bytes.fromhex(case["cipher"])
        boxer, boxed, offset = Boxer(key, nonce), b"", 0
        for size in case["chunk_sizes"]:
            boxed += boxer.box(plain[offset : offset + size])
            offset += size
        assert boxed + boxer.goodbye() == cipher, case["name"]
        unboxer = Unboxer(key, nonce)
        assert unboxer.receive_data(cipher) == plain
        assert unboxer.is_ended
        assert unboxer.fault is None


def test_unboxing_vectors(load_vectors: Callable[[str], list[dict[str, Any]]]) -> None:
    cases = load_vectors("boxstream/unbox-errors.json")
    assert cases
    for case in cases:
        unboxer = Unboxer(bytes.fromhex(case["key"]), bytes.fromhex(case["nonce"]))
        plain = unboxer.receive_data(bytes.fromhex(case["cipher"]))
        assert plain == bytes.fromhex("".join(case["delivered"])), case["name"]
        assert unboxer.is_ended is (case["end"] == "clean goodbye"), case["name"]


@given(st.binary(max_size=10_000), st.lists(st.integers(1, 5000), max_size=20))
def test_any_cutting_gives_the_same_plaintext(plain: bytes, sizes: list[int]) -> None:
    boxer = Boxer(KEY, NONCE)
    cipher = boxer.box(plain) + boxer.goodbye()
    unboxer, received, offset = Unboxer(KEY, NONCE), b"", 0
    for size in sizes:
        received += unboxer.receive_data(cipher[offset : offset + size])
        offset += size
    received += unboxer.receive_data(cipher[offset:])
    assert received == plain
    assert unboxer.is_ended


def test_every_flipped_bit_is_found_before_plaintext() -> None:
    boxer = Boxer(KEY, NONCE)
    first, second = boxer.box(b"first"), boxer.box(b"second" * 4)
    for bit in range(len(second) * 8):
        tampered = bytearray(second)
        tampered[bit // 8] ^= 1 << bit % 8
        unboxer = Unboxer(KEY, NONCE)
        assert unboxer.receive_data(first + tampered) == b"first"
        assert unboxer.fault is not None
        assert unboxer.fault.reason == "box-tampered"
        assert unboxer.receive_data(second) == b""


def test_a_goodbye_cannot_be_forged_replayed_or_moved() -> None:
    boxer = Boxer(KEY, NONCE)
    first = boxer.box(b"first")
    goodbye = boxer.goodbye()
    early = Unboxer(KEY, NONCE)
    assert early.receive_data(goodbye + first) == b""
    assert early.fault is not None
    zeros = Unboxer(KEY, NONCE)
    assert zeros.receive_data(bytes(HEADER_BYTES)) == b""
    assert zeros.fault is not None
    assert not zeros.is_ended


@pytest.mark.parametrize("length", [0, BODY_BYTES_MAX + 1, 65535])
def test_lengths_that_do_not_occur_are_refused(length: int) -> None:
    header = length.to_bytes(2, "big") + b"t" * 16
    unboxer = Unboxer(KEY, NONCE)
    assert unboxer.receive_data(crypto_secretbox_easy(header, NONCE, KEY) + bytes(70_000)) == b""
    assert unboxer.fault is not None
    assert unboxer.fault.reason == "box-length"
    assert not unboxer._buffer


def test_what_is_kept_stays_small() -> None:
    cipher = Boxer(KEY, NONCE).box(bytes(BODY_BYTES_MAX))
    unboxer = Unboxer(KEY, NONCE)
    for offset in range(0, len(cipher) - 1, 100):
        unboxer.receive_data(cipher[offset : min(offset + 100, len(cipher) - 1)])
    assert HEADER_BYTES < len(unboxer._buffer) <= BODY_BYTES_MAX


def test_nothing_is_boxed_after_the_goodbye() -> None:
    boxer = Boxer(KEY, NONCE)
    boxer.goodbye()
    with pytest.raises(LocalProtocolError):
        boxer.box(b"more")
    with pytest.raises(LocalProtocolError):
        boxer.goodbye()
