"""Who one is: an Ed25519 key pair, and the ``secret`` file of the other peers that holds it.

Keys, signatures and the secret file are those of ssb-keys. Signing and verifying are libsodium's,
through PyNaCl: other libraries accept signatures that the network refuses. Text that holds no key
pair is refused with ``SecretError``, whose words say what to do next.
"""

import hmac
import re
from binascii import a2b_base64, b2a_base64

import msgspec
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from lichen.feed.canonical import JsonError, parse_json
from lichen.feed.message import FeedId
from lichen.feed.refs import feed_id_from_bytes, is_canonical_base64

_COMMENT = re.compile(r"\s*#[^\n]*")
_OLD_FILE = re.compile(r"\s*[A-Za-z0-9+/]{86}==(?:\.ed25519)?\s*")

_WARNING = """\
# This is your SECRET. Whoever has it is you: they can read what was written
# to you and write in your name, and nobody can take that back.
#
# Show it to no one. Do not edit it. Use it on one machine only: two copies
# that both write break your feed for good.
#
# Instead, share your public name, which is at the end of this file.
"""


class SecretError(ValueError):
    """A secret file that holds no usable key pair; the words say why and what to do."""


class Identity(msgspec.Struct, frozen=True):
    """A key pair. ``secret`` is the seed followed by the public key, as libsodium keeps it."""

    id: FeedId
    secret: bytes

    def __repr__(self) -> str:
        return f"Identity(id={self.id!r}, secret=...)"

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self.secret[32:]

    def sign(self, data: bytes) -> bytes:
        """Return the detached signature, 64 bytes."""
        return bytes(crypto_sign(data, self.secret)[:64])


def generate_identity(seed: bytes) -> Identity:
    """Make the key pair of a seed: 32 random bytes that nobody else has."""
    if len(seed) != 32:
        raise SecretError(f"a seed has 32 bytes, not {len(seed)}")
    public, secret = crypto_sign_seed_keypair(seed)
    return Identity(feed_id_from_bytes(public), secret)


def verify_signature(public: bytes, signature: bytes, data: bytes) -> bool:
    """Tell whether a detached signature fits a public key and the signed bytes."""
    if len(public) != 32 or len(signature) != 64:
        return False
    try:
        crypto_sign_open(signature + data, public)
    except BadSignatureError:
        return False
    return True


def bytes_to_sign(text: bytes, hmac_key: bytes | None) -> bytes:
    """Return what is signed for a text: itself, or its HMAC where the network has such a key."""
    if hmac_key is None:
        return text
    return hmac.digest(hmac_key, text, "sha512")[:32]


def parse_hmac_key(text: str) -> bytes:
    """Read a network's HMAC key: canonical base64 of 32 bytes. Raises ``ValueError``."""
    if not is_canonical_base64(text) or len(a2b_base64(text)) != 32:
        raise ValueError("an HMAC key is 32 bytes, written in canonical base64")
    return a2b_base64(text)


def parse_secret_file(text: str) -> Identity:
    """Read the text of a ``secret`` file, or raise ``SecretError``."""
    bare = _COMMENT.sub("", text)
    if _OLD_FILE.fullmatch(bare):
        raise SecretError(
            "this secret file is of a very old kind that holds only the private key; open it once "
            "with the program that made it, save it in the new form, and import that"
        )
    try:
        value = parse_json(bare.encode("utf-8", "surrogatepass"))
    except JsonError:
        raise SecretError(
            "this secret file cannot be read: apart from comments it must be one JSON object; "
            "restore it from a copy"
        ) from None
    if not isinstance(value, dict):
        raise SecretError("this secret file holds no object with a key pair; restore it")
    if value.get("curve") != "ed25519":
        raise SecretError("this secret file is for another curve than ed25519; use another one")
    secret = _key_of(value.get("private"), 64, "private")
    identity = generate_identity(secret[:32])
    if identity.secret != secret or _key_of(value.get("public"), 32, "public") != identity.public:
        raise SecretError(
            "this secret file is damaged: its public key does not belong to its private key; "
            "restore it from a copy"
        )
    if value.get("id") not in (None, identity.id, identity.id[1:]):
        raise SecretError("this secret file is damaged: its id is not that of its key; restore it")
    return identity


def encode_secret_file(identity: Identity) -> str:
    """Write the text of a ``secret`` file, as the other peers read it too."""
    public = b2a_base64(identity.public, newline=False).decode("ascii")
    private = b2a_base64(identity.secret, newline=False).decode("ascii")
    return (
        f"{_WARNING}\n"
        "{\n"
        '  "curve": "ed25519",\n'
        f'  "public": "{public}.ed25519",\n'
        f'  "private": "{private}.ed25519",\n'
        f'  "id": "{identity.id}"\n'
        "}\n\n"
        "# The only part of this file that is safe to share is your public name:\n"
        "#\n"
        f"#   {identity.id}\n"
    )


def _key_of(text: object, size: int, name: str) -> bytes:
    if isinstance(text, str):
        base64 = text.removesuffix(".ed25519")
        if is_canonical_base64(base64):
            key = a2b_base64(base64)
            if len(key) == size:
                return key
    raise SecretError(
        f"this secret file is damaged: its {name} key is not {size} bytes; restore it from a copy"
    )
