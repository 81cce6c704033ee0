"""One world twice: real crypto at both ends of every link, and stand-ins of the same sizes."""

import os
from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from lichen.gossip import events
from lichen.gossip.effects import Effect
from lichen.gossip.events import Event
from lichen.lab.conformance.wired import WiredWorld
from lichen.lab.world.chance import Chance
from lichen.lab.world.links import End
from lichen.lab.world.peers import LabPeer
from lichen.lab.world.world import World
from lichen.wire.events import Command

PEERS = int(os.environ.get("LICHEN_WIRED_PEERS", "12"))
"""The campaign runs 50."""


def unsigned(value: object, world: World) -> object:
    """Return a value as it is whoever has signed: messages by their stamp, without their ids."""
    if isinstance(value, bytes):
        is_message = value.startswith((b'{"previous"', b'{"author"'))
        return world.feed_format.stamp(value) if is_message else value
    if isinstance(value, msgspec.Struct):
        return [unsigned(getattr(value, name), world) for name in value.__struct_fields__]
    if isinstance(value, list | tuple):
        return [unsigned(each, world) for each in value]
    return "%" if isinstance(value, str) and value.startswith("%") else value


class Trace:
    """The hash of all that brains are told and answer, but for what a signature makes different."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hash = blake2b()
        self.told: dict[str, int] = {}

    def handled(self, peer: LabPeer, event: Event, answer: Sequence[Effect]) -> None:
        name = type(event).__name__
        self.told[name] = self.told.get(name, 0) + 1
        for value in (event, *answer):
            said = (peer.number, self._world.now, type(value), unsigned(value, self._world))
            self._hash.update(repr(said).encode())

    def delivered(self, end: End, command: Command) -> None:
        """Look at nothing: the world's own trace has it."""

    def published(self, peer: LabPeer, sequence: int, data: bytes, branch: int) -> None:
        """Look at nothing: the brain is told."""

    def digest(self) -> str:
        return self._hash.hexdigest()


def live(world: World) -> tuple[Trace, World]:
    """Let peers follow, write, push a blob, part, and meet again."""
    trace = Trace(world)
    world.watcher = trace
    chance = Chance(3, "wired")
    peers = [world.add_peer() for _ in range(PEERS)]
    for peer in peers:
        peer.follow(*(other for other in peers if other is not peer and chance.happens(0.5)))
        for _ in range(chance.between(1, 9)):
            peer.publish()
    for number, peer in enumerate(peers):
        world.connect(peer, peers[(number + 1) % PEERS])
        world.connect(peer, peers[(number + 1 + chance.between(1, PEERS - 3)) % PEERS])
    world.run(10)
    blob = peers[0].add_blob(chance.octets(150_000))
    world.tell(peers[1], events.BlobWanted(blob))
    peers[2].speaks_ebt = False
    peers[2].block(peers[3])
    peers[4].crash()
    world.run(20)
    peers[4].start()
    for peer in peers:
        peer.publish()
    world.run(45)
    assert blob in peers[1].blobs.held
    return trace, world


def test_real_connections_and_stand_ins_leave_the_same_trace() -> None:
    sealed_trace, sealed = live(World(7))
    wired_trace, wired = live(WiredWorld(7))
    assert wired.message_count == sealed.message_count > PEERS * PEERS
    assert wired.byte_count == sealed.byte_count
    assert wired.event_count == sealed.event_count
    assert wired.trace_hash == sealed.trace_hash
    assert wired_trace.told == sealed_trace.told
    assert {"Connected", "Disconnected", "BlobStored", "BlobRead"} <= wired_trace.told.keys()
    assert wired_trace.digest() == sealed_trace.digest()
    texts = [peer.log.feeds[peer.id][0] for peer in (sealed.peers[0], wired.peers[0])]
    assert texts[0] != texts[1]
    assert len(texts[0]) == len(texts[1])
