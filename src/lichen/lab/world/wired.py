"""Links with the real wire at both ends: handshake, boxes, muxrpc, and real bytes in between.

They cost ten times as much as commands that are handed over, and exist to prove that nothing else
differs: every command has the size that was reckoned, and every event is the one that the lab's own
table of calls gives.
"""

from hashlib import sha256
from typing import Final

from lichen.feed.identity import Identity
from lichen.feed.message import FeedId
from lichen.gossip.events import ConnectionId
from lichen.lab.world.formats import lab_identity
from lichen.wire.connection import Connection
from lichen.wire.events import Command, Identified, MuxrpcEvent

NETWORK_KEY: Final = sha256(b"the network of the lab").digest()
CALLS_MAX: Final = 10_000


class Unlike(Exception):  # noqa: N818 (it says what is the matter)
    """The real wire did something else than the lab reckoned."""


class Wire:
    """One side of a link over real bytes."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def perform(self, command: Command, size: int) -> bytes:
        """Return the bytes of a command. Raises Unlike if they are not so many."""
        self._connection.perform(command)
        return self._take(size)

    def _take(self, size: int) -> bytes:
        data = self._connection.data_to_send()
        if len(data) != size:
            raise Unlike(f"{len(data)} bytes instead of {size}")
        return data

    def receive(self, data: bytes, event: MuxrpcEvent | None) -> MuxrpcEvent | None:
        """Return what bytes mean. Raises Unlike if it is not the expected event."""
        found = self._connection.receive_data(data)
        if found != ([] if event is None else [event]):
            raise Unlike(f"{found} instead of {event}")
        return found[0] if found else None  # type: ignore[return-value]

    def answer(self, size: int) -> bytes:
        """Return the bytes of the end that answers an end. Raises Unlike."""
        return self._take(size)


def join_wires(client: int, server: int, connection: ConnectionId) -> tuple[Wire, Wire]:
    """Return both ends of a link after their handshake, by the numbers of the peers."""
    near, far = (lab_identity(number, is_sealed=False) for number in (client, server))
    seeds = [sha256(f"{side} {connection}".encode()).digest() for side in ("near", "far")]
    dialler = _connect(near, seeds[0], far.id)
    accepter = _connect(far, seeds[1], None)
    while not (dialler.is_ready and accepter.is_ready):
        for event in accepter.receive_data(dialler.data_to_send()):
            if isinstance(event, Identified):
                accepter.accept()
        dialler.receive_data(accepter.data_to_send())
    return Wire(dialler), Wire(accepter)


def _connect(identity: Identity, seed: bytes, remote: FeedId | None) -> Connection:
    return Connection(
        identity=identity,
        network_key=NETWORK_KEY,
        ephemeral_seed=seed,
        remote=remote,
        calls_max=CALLS_MAX,
    )
