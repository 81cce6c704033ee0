"""The only owner of keys: nothing else of the running peer holds a secret.

It signs own messages and announcements, and gives handshakes what they need. Its repr shows the
public id only.
"""

import os

from lichen.feed.identity import Identity
from lichen.feed.message import FeedId
from lichen.wire.connection import Connection
from lichen.wire.discovery import Announcement, encode_signed, parse_signed


class Keyring:
    """The identity and the network key of one running peer."""

    __slots__ = ("_identity", "_network_key")

    def __init__(self, identity: Identity, network_key: bytes) -> None:
        self._identity = identity
        self._network_key = network_key

    def __repr__(self) -> str:
        return f"Keyring({self._identity.id})"

    @property
    def id(self) -> FeedId:
        """Return the own feed id."""
        return self._identity.id

    @property
    def identity(self) -> Identity:
        """Return the signer, for the one place that writes own messages: the store's writer."""
        return self._identity

    def open_connection(self, remote: FeedId | None) -> Connection:
        """Return a connection about to shake hands: as client with ``remote``, else as server."""
        return Connection(
            identity=self._identity,
            network_key=self._network_key,
            ephemeral_seed=os.urandom(32),
            remote=remote,
        )

    def sign_announcement(self, address: str) -> bytes:
        """Return what tells the local network that we listen at an address."""
        return encode_signed(address, self._identity, self._network_key)

    def read_announcement(self, data: bytes) -> Announcement | None:
        """Read an announcement of a peer of this network; None if it is none."""
        return parse_signed(data, self._network_key)
