"""The secret handshake: four messages after which both sides know who the other is.

Rules: Scuttlebutt Protocol Guide, "Handshake"; vectors from secret-handshake. Without the network
key nobody learns that a peer is here; without a peer's public key nobody can dial it; the server
learns the client's key and may refuse it before proving its own. Message sizes are fixed, there is
no length prefix.

==========  =====  ======================================  ==================================
message     bytes  content                                 sent by
==========  =====  ======================================  ==================================
challenge   64     auth(K, a) | a                          client, then server with its own b
hello       112    box(sigA | A, H(K | ab | aB))           client
accept      80     box(sigB, H(K | ab | aB | Ab))          server, once told to accept
==========  =====  ======================================  ==================================

Refused, always without a word: a tag of another network, a point of low order, a key that cannot
be converted, a box that does not open, a wrong signature, bytes that run ahead of an acceptance.
"""

import hashlib
import hmac
from enum import Enum

import msgspec
from nacl.bindings import (
    crypto_scalarmult,
    crypto_scalarmult_base,
    crypto_secretbox_easy,
    crypto_secretbox_open_easy,
    crypto_sign_ed25519_pk_to_curve25519,
    crypto_sign_ed25519_sk_to_curve25519,
)
from nacl.exceptions import CryptoError

from lichen.feed.identity import Identity, verify_signature
from lichen.feed.message import FeedId
from lichen.feed.refs import feed_id_from_bytes, feed_key_bytes
from lichen.wire.errors import LocalProtocolError, RemoteProtocolError
from lichen.wire.limits import EARLY_BYTES_MAX

ZERO_NONCE = bytes(24)
KEY_BYTES = 32


class HandshakeState(Enum):
    """What a side waits for."""

    CHALLENGE = "the other side's challenge"
    HELLO = "the client's hello"
    DECISION = "our decision about the client"
    ACCEPT = "the server's acceptance"
    DONE = "nothing, the keys are agreed"
    CLOSED = "nothing, the handshake is given up"


MESSAGE_BYTES = {
    HandshakeState.CHALLENGE: 64,
    HandshakeState.HELLO: 112,
    HandshakeState.ACCEPT: 80,
}

HANGUP_FAULTS = {
    HandshakeState.CHALLENGE: (
        "handshake-unanswered",
        "the peer hung up at the first message: busy, no such peer, or of another network",
    ),
    HandshakeState.HELLO: (
        "handshake-no-hello",
        "the client hung up without saying who it is",
    ),
    HandshakeState.DECISION: (
        "handshake-no-patience",
        "the client hung up before it was accepted",
    ),
    HandshakeState.ACCEPT: (
        "handshake-not-accepted",
        "the peer hung up when it learnt who we are: it blocks us, or has another key",
    ),
}
"""Reason and words for a connection that ends while a side waits."""


class BoxKeys(msgspec.Struct, frozen=True):
    """What a handshake leaves for the box stream: a key and a first nonce for each direction."""

    send_key: bytes
    send_nonce: bytes
    receive_key: bytes
    receive_nonce: bytes

    def __repr__(self) -> str:
        return "BoxKeys(...)"


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _auth(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-512 cut to its first half, as libsodium's ``crypto_auth`` of old."""
    return hmac.digest(key, data, "sha512")[:KEY_BYTES]


def _shared(secret: bytes, public: bytes) -> bytes:
    """Multiply a point; a point of low order would give a secret known to everybody."""
    try:
        return crypto_scalarmult(secret, public)
    except CryptoError:
        raise RemoteProtocolError(
            "handshake-low-order", "the peer sent a point of low order"
        ) from None


def _curve_public(public: bytes) -> bytes:
    """Convert a signing key to an exchange key; not every 32 bytes are a key."""
    try:
        return crypto_sign_ed25519_pk_to_curve25519(public)
    except CryptoError:
        raise RemoteProtocolError(
            "handshake-key", "the peer's identity is no usable public key"
        ) from None


def _open_box(box: bytes, key: bytes, reason: str) -> bytes:
    try:
        return crypto_secretbox_open_easy(box, ZERO_NONCE, key)
    except CryptoError:
        raise RemoteProtocolError(reason, "a handshake message does not open") from None


class Handshake:
    """What both sides share: messages of fixed size read from a stream, and what to send."""

    __slots__ = (
        "_buffer",
        "_ephemeral_public",
        "_ephemeral_secret",
        "_identity",
        "_identity_key",
        "_keys",
        "_network_key",
        "_outgoing",
        "state",
    )

    def __init__(self, identity: Identity, network_key: bytes, ephemeral_seed: bytes) -> None:
        if len(network_key) != KEY_BYTES or len(ephemeral_seed) != KEY_BYTES:
            raise LocalProtocolError("a network key and an ephemeral seed are 32 bytes each")
        self.state = HandshakeState.CHALLENGE
        self._identity: Identity | None = identity
        self._identity_key = feed_key_bytes(identity.id)
        self._network_key = network_key
        self._ephemeral_secret: bytes | None = ephemeral_seed
        self._ephemeral_public = crypto_scalarmult_base(ephemeral_seed)
        self._buffer = bytearray()
        self._outgoing = bytearray()
        self._keys: BoxKeys | None = None

    def receive_data(self, data: bytes) -> None:
        """Take bytes in; raises RemoteProtocolError at the first that cannot be right."""
        if self.state is HandshakeState.CLOSED:
            raise LocalProtocolError("the handshake is over")
        self._buffer += data
        while len(self._buffer) >= (size := MESSAGE_BYTES.get(self.state, len(self._buffer) + 1)):
            message = bytes(self._buffer[:size])
            del self._buffer[:size]
            try:
                self._receive_message(message)
            except RemoteProtocolError:
                self.close()
                raise
        if self.state is HandshakeState.DECISION and len(self._buffer) > EARLY_BYTES_MAX:
            self.close()
            raise RemoteProtocolError("handshake-early-data", "the client did not wait")

    def receive_eof(self) -> RemoteProtocolError:
        """Give up: the other side is gone. Returns the fault to be raised."""
        reason, words = HANGUP_FAULTS[self.state]
        self.close()
        return RemoteProtocolError(reason, words)

    def data_to_send(self) -> bytes:
        """Bytes for the socket; each is given once."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def take_keys(self) -> tuple[BoxKeys, bytes]:
        """Give, once, the keys agreed on and the bytes that came after the last message."""
        keys = self._keys
        if keys is None:
            raise LocalProtocolError("no keys are agreed")
        rest = bytes(self._buffer)
        self._keys = None
        self._buffer.clear()
        return keys, rest

    def close(self) -> None:
        """Give up: nothing is sent any more and every secret is dropped."""
        self.state = HandshakeState.CLOSED
        self._outgoing.clear()
        self._buffer.clear()
        self._keys = None
        self._drop_secrets()

    def _receive_message(self, message: bytes) -> None:
        raise NotImplementedError

    def _drop_secrets(self) -> None:
        """Forget what could decide or reveal anything later (Python cannot wipe bytes)."""
        self._identity = None
        self._ephemeral_secret = None

    def _own_secrets(self) -> tuple[Identity, bytes]:
        assert self._identity is not None
        assert self._ephemeral_secret is not None
        return self._identity, self._ephemeral_secret

    def _challenge(self) -> bytes:
        return _auth(self._network_key, self._ephemeral_public) + self._ephemeral_public

    def _read_challenge(self, message: bytes) -> bytes:
        """Return the other side's ephemeral key, if it knows the network key."""
        tag, public = message[:KEY_BYTES], message[KEY_BYTES:]
        if not hmac.compare_digest(tag, _auth(self._network_key, public)):
            raise RemoteProtocolError(
                "handshake-challenge", "the peer speaks of another network, or not at all"
            )
        return public

    def _finish(self, accept_key: bytes, remote_key: bytes, remote_ephemeral: bytes) -> None:
        """Derive the box stream's keys: each direction's holds its *receiver's* public key."""
        secret = _sha256(accept_key)
        self._keys = BoxKeys(
            send_key=_sha256(secret + remote_key),
            send_nonce=_auth(self._network_key, remote_ephemeral)[:24],
            receive_key=_sha256(secret + self._identity_key),
            receive_nonce=_auth(self._network_key, self._ephemeral_public)[:24],
        )
        self.state = HandshakeState.DONE
        self._drop_secrets()


class ClientHandshake(Handshake):
    """The side that dials: it must know the server's key and speaks first."""

    __slots__ = ("_accept_key", "_accepted_text", "_server_ephemeral", "_server_key", "server")

    def __init__(
        self, identity: Identity, network_key: bytes, ephemeral_seed: bytes, server: FeedId
    ) -> None:
        super().__init__(identity, network_key, ephemeral_seed)
        self.server = server
        self._server_key = feed_key_bytes(server)
        self._server_ephemeral = b""
        self._accept_key = b""
        self._accepted_text = b""
        self._outgoing += self._challenge()

    def _receive_message(self, message: bytes) -> None:
        if self.state is HandshakeState.CHALLENGE:
            self._say_hello(self._read_challenge(message))
        else:
            self._receive_accept(message)

    def _say_hello(self, server_ephemeral: bytes) -> None:
        identity, ephemeral_secret = self._own_secrets()
        network_key, own_key = self._network_key, self._identity_key
        both_ephemeral = _shared(ephemeral_secret, server_ephemeral)
        to_server = _shared(ephemeral_secret, _curve_public(self._server_key))
        own_curve_secret = crypto_sign_ed25519_sk_to_curve25519(identity.secret)
        from_client = _shared(own_curve_secret, server_ephemeral)
        text_hash = _sha256(both_ephemeral)
        signature = identity.sign(network_key + self._server_key + text_hash)
        hello_key = _sha256(network_key + both_ephemeral + to_server)
        self._outgoing += crypto_secretbox_easy(signature + own_key, ZERO_NONCE, hello_key)
        self._accept_key = _sha256(network_key + both_ephemeral + to_server + from_client)
        self._accepted_text = network_key + signature + own_key + text_hash
        self._server_ephemeral = server_ephemeral
        self._ephemeral_secret = None
        self.state = HandshakeState.ACCEPT

    def _receive_accept(self, message: bytes) -> None:
        signature = _open_box(message, self._accept_key, "handshake-accept")
        if not verify_signature(self._server_key, signature, self._accepted_text):
            raise RemoteProtocolError(
                "handshake-accept", "the server's acceptance is not signed by it"
            )
        self._finish(self._accept_key, self._server_key, self._server_ephemeral)

    def _drop_secrets(self) -> None:
        super()._drop_secrets()
        self._accept_key = b""
        self._accepted_text = b""


class ServerHandshake(Handshake):
    """The side that is dialled: it answers who knows the network, and decides about the client."""

    __slots__ = (
        "_accept_key",
        "_accepted_text",
        "_both_ephemeral",
        "_client_ephemeral",
        "_client_key",
        "client",
    )

    def __init__(self, identity: Identity, network_key: bytes, ephemeral_seed: bytes) -> None:
        super().__init__(identity, network_key, ephemeral_seed)
        self.client: FeedId | None = None
        self._client_key = b""
        self._client_ephemeral = b""
        self._both_ephemeral = b""
        self._accept_key = b""
        self._accepted_text = b""

    def accept(self) -> None:
        """Let the client in: send the last message and agree on the keys."""
        if self.state is not HandshakeState.DECISION:
            raise LocalProtocolError(f"there is nobody to accept: waiting for {self.state.value}")
        identity, _ = self._own_secrets()
        signature = identity.sign(self._accepted_text)
        self._outgoing += crypto_secretbox_easy(signature, ZERO_NONCE, self._accept_key)
        self._finish(self._accept_key, self._client_key, self._client_ephemeral)

    def _receive_message(self, message: bytes) -> None:
        if self.state is HandshakeState.CHALLENGE:
            self._receive_challenge(message)
        else:
            self._receive_hello(message)

    def _receive_challenge(self, message: bytes) -> None:
        client_ephemeral = self._read_challenge(message)
        _, ephemeral_secret = self._own_secrets()
        self._both_ephemeral = _shared(ephemeral_secret, client_ephemeral)
        self._client_ephemeral = client_ephemeral
        self._outgoing += self._challenge()
        self.state = HandshakeState.HELLO

    def _receive_hello(self, message: bytes) -> None:
        identity, ephemeral_secret = self._own_secrets()
        network_key, both_ephemeral = self._network_key, self._both_ephemeral
        own_curve_secret = crypto_sign_ed25519_sk_to_curve25519(identity.secret)
        to_server = _shared(own_curve_secret, self._client_ephemeral)
        hello_key = _sha256(network_key + both_ephemeral + to_server)
        hello = _open_box(message, hello_key, "handshake-hello")
        signature, client_key = hello[:64], hello[64:]
        text_hash = _sha256(both_ephemeral)
        text = network_key + self._identity_key + text_hash
        if not verify_signature(client_key, signature, text):
            raise RemoteProtocolError("handshake-hello", "the client's hello is not signed by it")
        from_client = _shared(ephemeral_secret, _curve_public(client_key))
        self._accept_key = _sha256(network_key + both_ephemeral + to_server + from_client)
        self._accepted_text = network_key + hello + text_hash
        self._client_key = client_key
        self._both_ephemeral = b""
        self._ephemeral_secret = bytes(KEY_BYTES)
        self.client = feed_id_from_bytes(client_key)
        self.state = HandshakeState.DECISION

    def _drop_secrets(self) -> None:
        super()._drop_secrets()
        self._both_ephemeral = b""
        self._accept_key = b""
        self._accepted_text = b""
