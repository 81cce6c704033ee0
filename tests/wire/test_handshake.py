"""Vectors of secret-handshake, everything tampered with, points of low order, hang-ups."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import (
    crypto_scalarmult,
    crypto_scalarmult_base,
    crypto_secretbox_easy,
    crypto_sign_ed25519_pk_to_curve25519,
)

from lichen.feed.identity import Identity, generate_identity
from lichen.feed.refs import feed_id_from_bytes, feed_key_bytes
from lichen.wire.errors import LocalProtocolError, RemoteProtocolError
from lichen.wire.handshake import (
    BoxKeys,
    ClientHandshake,
    Handshake,
    HandshakeState,
    ServerHandshake,
)
from lichen.wire.limits import EARLY_BYTES_MAX

NETWORK_KEY = bytes(range(32))
PRIME = 2**255 - 19

ORDER_8_POINTS = (
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)
LOW_ORDER_POINTS = [
    value.to_bytes(32, "little") for value in (0, 1, *ORDER_8_POINTS, PRIME - 1, PRIME, PRIME + 1)
]
SMALL_ORDER_KEYS = [
    bytes.fromhex(text)
    for text in (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    )
]


def make_both(case: dict[str, Any]) -> tuple[ClientHandshake, ServerHandshake]:
    network_key = bytes.fromhex(case["network_key"])
    client = ClientHandshake(
        generate_identity(bytes.fromhex(case["client_seed"])),
        network_key,
        bytes.fromhex(case["client_ephemeral_sk"]),
        feed_id_from_bytes(bytes.fromhex(case["client_expects_server_pk"])),
    )
    server = ServerHandshake(
        generate_identity(bytes.fromhex(case["server_seed"])),
        network_key,
        bytes.fromhex(case["server_ephemeral_sk"]),
    )
    return client, server


def keys_of(side: dict[str, str]) -> BoxKeys:
    return BoxKeys(
        send_key=bytes.fromhex(side["encrypt_key"]),
        send_nonce=bytes.fromhex(side["encrypt_nonce"]),
        receive_key=bytes.fromhex(side["decrypt_key"]),
        receive_nonce=bytes.fromhex(side["decrypt_nonce"]),
    )


def is_refused(handshake: Handshake, message: bytes) -> bool:
    """Feed a message; tell whether it ended the handshake in silence."""
    try:
        handshake.receive_data(message)
    except RemoteProtocolError as error:
        reason = error.reason
    else:
        return False
    assert reason.startswith("handshake-")
    assert handshake.data_to_send() == b""
    assert handshake.state is HandshakeState.CLOSED
    return True


def tag_of(public: bytes) -> bytes:
    return hmac.digest(NETWORK_KEY, public, "sha512")[:32]


def server_of(identity: Identity) -> ServerHandshake:
    return ServerHandshake(identity, NETWORK_KEY, b"2" * 32)


def test_success_vectors(load_vectors: Callable[[str], list[dict[str, Any]]]) -> None:
    cases = [c for c in load_vectors("shs/handshake.json") if c["expect"] == "success"]
    assert cases
    for case in cases:
        client, server = make_both(case)
        challenge = client.data_to_send()
        assert challenge.hex() == case["msg1"]
        server.receive_data(challenge)
        answer = server.data_to_send()
        assert answer.hex() == case["msg2_honest"]
        client.receive_data(answer)
        hello = client.data_to_send()
        assert hello.hex() == case["msg3"]
        server.receive_data(hello)
        assert server.data_to_send() == b""
        assert feed_key_bytes(server.client).hex() == case["client_pk"]
        server.accept()
        accept = server.data_to_send()
        assert accept.hex() == case["msg4"]
        client.receive_data(accept)
        assert client.take_keys() == (keys_of(case["client"]), b"")
        assert server.take_keys() == (keys_of(case["server"]), b"")


def test_rejection_vectors(load_vectors: Callable[[str], list[dict[str, Any]]]) -> None:
    cases = [c for c in load_vectors("shs/handshake.json") if c["expect"] != "success"]
    assert cases
    for case in cases:
        client, server = make_both(case)
        if case["expect"] == "server rejects msg1":
            # The file gives the client's network key only; the server's is any other.
            stranger = ServerHandshake(generate_identity(b"s" * 32), NETWORK_KEY, b"2" * 32)
            assert client.data_to_send().hex() == case["msg1"]
            assert is_refused(stranger, bytes.fromhex(case["msg1"]))
            assert is_refused(client, bytes.fromhex(case["msg2_honest"]))
        else:
            server.receive_data(bytes.fromhex(case["msg1"]))
            assert server.data_to_send().hex() == case["msg2_honest"]
            assert is_refused(server, bytes.fromhex(case["msg3"]))


def test_tampered_vectors(load_vectors: Callable[[str], list[dict[str, Any]]]) -> None:
    for case in load_vectors("shs/tampered.json"):
        base, message = case["base"], bytes.fromhex(case["bytes"])
        client, server = make_both(base)
        client.data_to_send()
        if case["message"] == 3:
            server.receive_data(bytes.fromhex(base["msg1"]))
            server.data_to_send()
        if case["message"] == 4:
            client.receive_data(bytes.fromhex(base["msg2_honest"]))
            client.data_to_send()
        assert is_refused(client if case["reader"] == "client" else server, message), case["name"]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_every_flipped_bit_is_refused(
    number: int, client_identity: Identity, server_identity: Identity
) -> None:
    size = {1: 64, 2: 64, 3: 112, 4: 80}[number]
    for bit in range(0, size * 8, 7):
        client = ClientHandshake(client_identity, NETWORK_KEY, b"1" * 32, server_identity.id)
        server = server_of(server_identity)
        sides: list[Handshake] = [client, server]
        for step in range(1, number + 1):
            sender, receiver = sides if step % 2 else reversed(sides)
            message = bytearray(sender.data_to_send())
            if step < number:
                receiver.receive_data(bytes(message))
                if step == 3:
                    server.accept()
        message[bit // 8] ^= 1 << bit % 8
        assert is_refused(receiver, bytes(message)), (number, bit)


@pytest.mark.parametrize("high_bit", [0, 0x80])
@pytest.mark.parametrize("point", LOW_ORDER_POINTS)
def test_low_order_points_are_refused(
    point: bytes, high_bit: int, client_identity: Identity, server_identity: Identity
) -> None:
    public = point[:31] + bytes([point[31] | high_bit])
    challenge = tag_of(public) + public
    assert is_refused(server_of(server_identity), challenge)
    client = ClientHandshake(client_identity, NETWORK_KEY, b"1" * 32, server_identity.id)
    client.data_to_send()
    assert is_refused(client, challenge)


@pytest.mark.parametrize("key", SMALL_ORDER_KEYS)
def test_small_order_identities_are_refused(
    key: bytes, client_identity: Identity, server_identity: Identity
) -> None:
    """With a key of small order this signature fits any text, for a verifier that lets it."""
    signature = SMALL_ORDER_KEYS[0] + bytes(32)
    server = server_of(server_identity)
    ephemeral = b"1" * 32
    public = crypto_scalarmult_base(ephemeral)
    server.receive_data(tag_of(public) + public)
    both_ephemeral = crypto_scalarmult(ephemeral, server.data_to_send()[32:])
    server_curve = crypto_sign_ed25519_pk_to_curve25519(server_identity.public)
    to_server = crypto_scalarmult(ephemeral, server_curve)
    hello_key = hashlib.sha256(NETWORK_KEY + both_ephemeral + to_server).digest()
    assert is_refused(server, crypto_secretbox_easy(signature + key, bytes(24), hello_key))

    client = ClientHandshake(client_identity, NETWORK_KEY, ephemeral, feed_id_from_bytes(key))
    client.data_to_send()
    other = server_of(server_identity)
    other.receive_data(tag_of(public) + public)
    assert is_refused(client, other.data_to_send())


class Forger(Identity, frozen=True):
    """Somebody who has the exchange key of an identity but cannot sign for it."""

    def sign(self, data: bytes) -> bytes:
        return generate_identity(b"f" * 32).sign(data)


def test_a_hello_signed_by_somebody_else_is_refused(
    client_identity: Identity, server_identity: Identity
) -> None:
    forger = Forger(client_identity.id, client_identity.secret)
    client = ClientHandshake(forger, NETWORK_KEY, b"1" * 32, server_identity.id)
    server = server_of(server_identity)
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    assert is_refused(server, client.data_to_send())


def test_an_acceptance_signed_by_somebody_else_is_refused(
    client_identity: Identity, server_identity: Identity
) -> None:
    client = ClientHandshake(client_identity, NETWORK_KEY, b"1" * 32, server_identity.id)
    server = server_of(Forger(server_identity.id, server_identity.secret))
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    server.receive_data(client.data_to_send())
    server.accept()
    assert is_refused(client, server.data_to_send())


def test_a_bad_hello_takes_back_the_answer_not_yet_sent(
    client_identity: Identity, server_identity: Identity
) -> None:
    client = ClientHandshake(client_identity, NETWORK_KEY, b"1" * 32, server_identity.id)
    server = server_of(server_identity)
    assert is_refused(server, client.data_to_send() + bytes(112))


def test_any_cutting_of_the_bytes_will_do(
    client_identity: Identity, server_identity: Identity
) -> None:
    @given(st.lists(st.integers(1, 40), max_size=40))
    def check(sizes: list[int]) -> None:
        def feed(receiver: Handshake, data: bytes) -> None:
            offset = 0
            for size in sizes:
                receiver.receive_data(data[offset : offset + size])
                offset += size
            receiver.receive_data(data[offset:])

        client = ClientHandshake(client_identity, NETWORK_KEY, b"1" * 32, server_identity.id)
        server = server_of(server_identity)
        feed(server, client.data_to_send())
        feed(client, server.data_to_send())
        feed(server, client.data_to_send())
        server.accept()
        feed(client, server.data_to_send() + b"already boxes")
        client_keys, rest = client.take_keys()
        server_keys, _ = server.take_keys()
        assert rest == b"already boxes"
        assert client_keys.send_key == server_keys.receive_key
        assert client_keys.receive_nonce == server_keys.send_nonce

    check()


def test_a_hang_up_names_the_moment(client_identity: Identity, server_identity: Identity) -> None:
    client = ClientHandshake(client_identity, NETWORK_KEY, b"1" * 32, server_identity.id)
    server = server_of(server_identity)
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    assert client.receive_eof().reason == "handshake-not-accepted"
    assert server.receive_eof().reason == "handshake-no-hello"
    unanswered = ClientHandshake(client_identity, NETWORK_KEY, b"1" * 32, server_identity.id)
    unanswered.receive_data(bytes(63))
    assert unanswered.receive_eof().reason == "handshake-unanswered"


def test_the_server_answers_nothing_before_it_decides(
    client_identity: Identity, server_identity: Identity
) -> None:
    client = ClientHandshake(client_identity, NETWORK_KEY, b"1" * 32, server_identity.id)
    server = server_of(server_identity)
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    server.receive_data(client.data_to_send())
    assert server.state is HandshakeState.DECISION
    assert server.data_to_send() == b""
    with pytest.raises(RemoteProtocolError, match="handshake-early-data"):
        server.receive_data(bytes(EARLY_BYTES_MAX + 1))
    with pytest.raises(LocalProtocolError):
        server.accept()


def test_no_secret_is_shown_or_kept(client_identity: Identity, server_identity: Identity) -> None:
    client = ClientHandshake(client_identity, NETWORK_KEY, b"1" * 32, server_identity.id)
    server = server_of(server_identity)
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    server.receive_data(client.data_to_send())
    server.accept()
    client.receive_data(server.data_to_send())
    assert repr(client.take_keys()[0]) == "BoxKeys(...)"
    for side in (client, server):
        assert side._ephemeral_secret is None
        assert side._identity is None
        assert side._accept_key == b""


def test_misuse_is_our_fault(server_identity: Identity) -> None:
    server = server_of(server_identity)
    with pytest.raises(LocalProtocolError):
        server.accept()
    with pytest.raises(LocalProtocolError):
        server.take_keys()
    with pytest.raises(LocalProtocolError):
        ServerHandshake(server_identity, b"short", b"2" * 32)
