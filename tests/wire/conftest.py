"""Two connections joined in memory, and the vectors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lichen.feed.identity import Identity, generate_identity
from lichen.wire.connection import Connection
from lichen.wire.events import Identified, Ready

NETWORK_KEY = bytes(range(32))
VECTORS = Path(__file__).parent.parent / "vectors"


@pytest.fixture(scope="session")
def load_vectors() -> Callable[[str], list[dict[str, Any]]]:
    """Return the cases of a vector file."""
    return lambda name: json.loads((VECTORS / name).read_text())["cases"]


@pytest.fixture(scope="session")
def client_identity() -> Identity:
    return generate_identity(b"c" * 32)


@pytest.fixture(scope="session")
def server_identity() -> Identity:
    return generate_identity(b"s" * 32)


@pytest.fixture(scope="session")
def make_strangers(
    client_identity: Identity, server_identity: Identity
) -> Callable[[], tuple[Connection, Connection]]:
    """Make a client and a server that have not exchanged a byte."""

    def make() -> tuple[Connection, Connection]:
        client = Connection(
            identity=client_identity,
            network_key=NETWORK_KEY,
            ephemeral_seed=b"1" * 32,
            remote=server_identity.id,
            calls_max=256,
        )
        server = Connection(
            identity=server_identity,
            network_key=NETWORK_KEY,
            ephemeral_seed=b"2" * 32,
            remote=None,
            calls_max=256,
        )
        return client, server

    return make


@pytest.fixture(scope="session")
def make_pair(
    make_strangers: Callable[[], tuple[Connection, Connection]],
) -> Callable[[], tuple[Connection, Connection]]:
    """Make a client and a server whose handshake is complete."""

    def make() -> tuple[Connection, Connection]:
        client, server = make_strangers()
        server.receive_data(client.data_to_send())
        client.receive_data(server.data_to_send())
        (identified,) = server.receive_data(client.data_to_send())
        assert isinstance(identified, Identified)
        assert server.accept() == [Ready()]
        assert client.receive_data(server.data_to_send())[-1] == Ready()
        return client, server

    return make
