"""Keys, signatures and the secret file, against ssb-keys."""

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.feed.identity import (
    SecretError,
    bytes_to_sign,
    encode_secret_file,
    generate_identity,
    parse_hmac_key,
    parse_secret_file,
    verify_signature,
)

Vectors = Callable[[str], list[dict[str, Any]]]

ME = generate_identity(bytes(range(32)))


def test_keys_and_signatures_are_those_of_ssb_keys(vectors: Vectors) -> None:
    for case in vectors("keys/keys.json"):
        identity = generate_identity(bytes.fromhex(case["seed_hex"]))
        message = bytes.fromhex(case["message_hex"])
        assert identity.id == case["id"]
        assert b2a_base64(identity.public, newline=False).decode() + ".ed25519" == case["public"]
        assert b2a_base64(identity.secret, newline=False).decode() + ".ed25519" == case["private"]
        for hmac_key, expected in (
            (None, case["signature"]),
            (parse_hmac_key(case["hmac_key_b64"]), case["signature_hmac"]),
        ):
            signed = bytes_to_sign(message, hmac_key)
            signature = identity.sign(signed)
            assert b2a_base64(signature, newline=False).decode() + ".sig.ed25519" == expected
            assert verify_signature(identity.public, signature, signed)


def test_secret_files_are_read_as_by_ssb_keys(vectors: Vectors) -> None:
    for case in vectors("keys/keyfiles.json"):
        if case["loaded"] is None:
            with pytest.raises(SecretError):
                parse_secret_file(case["text"])
            continue
        identity = parse_secret_file(case["text"])
        assert identity.id == case["loaded"]["id"]
        secret = a2b_base64(case["loaded"]["private"].removesuffix(".ed25519"))
        assert identity.secret == secret


@given(st.binary(min_size=32, max_size=32))
def test_a_written_secret_file_reads_back(seed: bytes) -> None:
    identity = generate_identity(seed)
    text = encode_secret_file(identity)
    assert parse_secret_file(text) == identity
    assert text.startswith("#")
    assert text.rstrip().endswith(f"#   {identity.id}")


def test_a_secret_file_without_sigil_or_id_is_read() -> None:
    text = encode_secret_file(ME)
    assert parse_secret_file(text.replace(f'"{ME.id}"', f'"{ME.id[1:]}"')) == ME
    assert parse_secret_file(text.replace(f',\n  "id": "{ME.id}"', "")) == ME


def test_a_very_old_secret_file_is_refused_with_a_next_step() -> None:
    private = b2a_base64(ME.secret, newline=False).decode() + ".ed25519"
    for text in (private, f"# my key\n{private}\n", private.removesuffix(".ed25519")):
        with pytest.raises(SecretError, match=r"very old.*import"):
            parse_secret_file(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{", "["),
        ('"curve": "ed25519"', '"curve": "p256"'),
        ('"private"', '"privat"'),
        ('"public": "A', '"public": "B'),
        (ME.id, "@" + "A" * 43 + "=.ed25519"),
        (b2a_base64(ME.secret, newline=False).decode(), "AAAA"),
        (b2a_base64(ME.secret, newline=False).decode(), "!"),
    ],
)
def test_a_damaged_secret_file_is_refused_in_words(old: str, new: str) -> None:
    text = encode_secret_file(ME)
    assert old in text
    with pytest.raises(SecretError) as caught:
        parse_secret_file(text.replace(old, new))
    assert "restore" in str(caught.value) or "use another" in str(caught.value)
    assert b2a_base64(ME.secret, newline=False).decode()[:20] not in str(caught.value)


def test_halves_of_two_secrets_are_no_identity() -> None:
    other = generate_identity(bytes(32))
    private = b2a_base64(ME.secret, newline=False).decode()
    mixed = b2a_base64(ME.secret[:32] + other.public, newline=False).decode()
    with pytest.raises(SecretError, match="does not belong"):
        parse_secret_file(encode_secret_file(ME).replace(private, mixed))


@given(st.text())
def test_any_text_is_an_identity_or_a_secret_error(text: str) -> None:
    with pytest.raises(SecretError):
        parse_secret_file(text)


def test_the_secret_is_not_shown() -> None:
    assert repr(ME.secret)[2:10] not in repr(ME)
    assert str(ME) == repr(ME) == f"{[ME]!r}"[1:-1]
    assert ME.id in repr(ME)


def test_a_changed_signature_message_or_key_does_not_verify() -> None:
    signature = ME.sign(b"hello")
    assert verify_signature(ME.public, signature, b"hello")
    assert not verify_signature(ME.public, signature, b"hellp")
    assert not verify_signature(generate_identity(bytes(32)).public, signature, b"hello")
    for place in (0, 31, 32, 63):
        changed = bytearray(signature)
        changed[place] ^= 1
        assert not verify_signature(ME.public, bytes(changed), b"hello")


def test_odd_sizes_do_not_verify() -> None:
    signature = ME.sign(b"hello")
    assert not verify_signature(ME.public[:31], signature, b"hello")
    assert not verify_signature(ME.public, signature[:63], b"hello")
    # Signature and text are told apart by length alone, so a shifted border must not pass.
    assert not verify_signature(ME.public, signature + b"h", b"ello")
    assert not verify_signature(ME.public, b"", signature + b"hello")


def test_a_weak_key_verifies_nothing() -> None:
    # The neutral point as a key would let an empty signature fit every text.
    neutral = b"\x01" + bytes(31)
    assert not verify_signature(neutral, neutral + bytes(32), b"anything")


def test_a_seed_has_32_bytes() -> None:
    with pytest.raises(SecretError):
        generate_identity(bytes(31))


@pytest.mark.parametrize("text", ["", "AQ==", "A" * 43 + "=\n", "A" * 43, "A" * 42 + "B="])
def test_an_hmac_key_is_32_bytes_of_canonical_base64(text: str) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        parse_hmac_key(text)
