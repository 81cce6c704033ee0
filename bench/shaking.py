"""One secret handshake with a peer, as a stranger who dials, says nothing and leaves."""

import os
import socket

from lichen.feed.addresses import NetAddress, parse_addresses
from lichen.feed.identity import generate_identity
from lichen.node.home import network_key_default
from lichen.wire.connection import Connection

HANDSHAKE_S_MAX = 30


def shake_hands(address: str) -> None:
    """Dial, shake hands, hang up."""
    parsed = next(part for part in parse_addresses(address) if isinstance(part, NetAddress))
    connection = Connection(
        identity=generate_identity(os.urandom(32)),
        network_key=network_key_default(),
        ephemeral_seed=os.urandom(32),
        remote=parsed.key,
    )
    with socket.create_connection((parsed.host, parsed.port), HANDSHAKE_S_MAX) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sendall(connection.data_to_send())
        while not connection.is_ready:
            data = peer.recv(4096)
            if not data:
                raise ConnectionError(f"{address} hung up in the handshake")
            connection.receive_data(data)
            peer.sendall(connection.data_to_send())
        connection.say_goodbye()
        peer.sendall(connection.data_to_send())
