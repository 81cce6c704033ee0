"""A peer of the lab: a brain, a log in memory, and what it would have on disk."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

import orjson

from lichen.feed.content import Contact
from lichen.feed.message import BlobId, FeedId, RawMessage
from lichen.feed.refs import feed_id_from_bytes
from lichen.gossip import effects, events
from lichen.gossip.effects import Effect
from lichen.gossip.events import Address, ConnectionId, Event
from lichen.gossip.node import Node
from lichen.lab.world.chance import Chance
from lichen.lab.world.formats import SealedIdentity, lab_identity
from lichen.lab.world.memory import MemoryBlobs, MemoryLog

if TYPE_CHECKING:
    from lichen.lab.world.links import End
    from lichen.lab.world.world import World
    from lichen.wire.events import Command

START_MS = 1_577_836_800_000
"""What peers take for the time at second 0."""


class Brain(Protocol):
    """What a world can run as a peer: a ``Node``, or a script that misbehaves."""

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take in what happened; return what is to be done."""
        ...

    def may_connect(self, peer: FeedId) -> bool:
        """Tell whether to accept a peer."""
        ...


class Crook(Protocol):
    """What a byzantine peer makes of the words of its honest brain."""

    def say(self, end: End, command: Command) -> Command | None:
        """Return what is sent in place of a command, None for nothing."""
        ...


def lab_feed_id(number: int, seed: str = "") -> FeedId:
    """Return an id for tests of a single brain, of which nobody has the key."""
    return feed_id_from_bytes(sha256(f"{seed} peer {number}".encode()).digest())


class Disk:
    """How a peer's disk does: writes fail while it is full, or the next few by themselves."""

    __slots__ = ("faults_left", "is_full", "write_s")

    def __init__(self, write_s: tuple[float, float]) -> None:
        self.is_full = False
        self.faults_left = 0
        self.write_s = write_s
        """From ``Ingest`` to ``Ingested``."""

    def fault(self) -> str | None:
        """Return why a write fails, None if it does not."""
        if self.is_full:
            return "disk full"
        if self.faults_left:
            self.faults_left -= 1
            return "input/output error"
        return None


class LabPeer:
    """One peer of a world."""

    def __init__(
        self,
        world: World,
        number: int,
        *,
        hops_max: int = 2,
        make_brain: Callable[[LabPeer], Brain] | None = None,
        own: FeedId | None = None,
        contacts: tuple[Contact, ...] = (),
        address: str | None = None,
    ) -> None:
        self.world = world
        self.number = number
        self.name = f"p{number}"
        self.identity = lab_identity(number, is_sealed=world.is_sealed)
        if own is not None:
            self.identity = SealedIdentity(own, bytes(64))
        self.id = self.identity.id
        self.lan_address = f"net:10.0.{number // 250}.{number % 250 + 1}:8008~shs:{self.id[1:-8]}"
        self.address = f"lab:{self.name}" if address is None else address
        self.hops_max = hops_max
        self.chance = Chance(world.seed, "peer", number)
        self.log = MemoryLog(self.id, world.feed_format)
        self.blobs = MemoryBlobs()
        self.disk = Disk(world.ingest_s)
        self.pushes: dict[BlobId, tuple[FeedId, ...]] = {}
        self.saved_clocks: dict[FeedId, dict[FeedId, int]] = {}
        self.addresses: dict[str, Address] = {}
        self.is_guarded = False
        self.asked_peers: tuple[FeedId, ...] = ()
        self.notices: list[effects.Notify] = []
        self.ends: dict[ConnectionId, End] = {}
        self.is_up = False
        self.run_count = 0
        self.wake_at = 0.0
        self.woken_at: float | None = None
        self.waiting: list[effects.Ingest] = []
        """Batches for the next transaction."""
        self.is_auditing = False
        """A step of the audit is under way."""
        self.audit_chance = Chance(world.seed, "audit", number)
        self.distrusted: dict[FeedId, None] = {}
        self.untold = 0
        """Batches and audits that have changed the log, of which the brain does not know yet."""
        self.uplink_bytes_per_s = world.uplink_bytes_per_s
        self.uplink_free_at = 0.0
        self.clock_offset_s = 0.0
        self.crook: Crook | None = None
        self.speaks_ebt = True
        self.brain: Brain
        self._make_brain = make_brain
        self._contacts = contacts
        self._clean_end = True
        world.register(self)

    @property
    def node(self) -> Node:
        """Return the brain, if it is a real one."""
        assert isinstance(self.brain, Node), "a script has no such state"
        return self.brain

    @property
    def is_disk_full(self) -> bool:
        """Tell whether nothing more can be written."""
        return self.disk.is_full

    @is_disk_full.setter
    def is_disk_full(self, is_full: bool) -> None:
        self.disk.is_full = is_full

    def start(self) -> None:
        """Begin a run; after a crash the saved clocks of others are not trusted."""
        self.is_up = True
        self.run_count += 1
        self.woken_at = None
        self.is_auditing = False
        self.log.lost_contacts.clear()
        if not self._clean_end:
            self.distrust_clocks()
        self._clean_end = False
        if self._make_brain is None:
            parse = self.world.feed_format.parse
            self.brain = Node(self.id, self.log, self.chance, parse, self.blobs)
        else:
            self.brain = self._make_brain(self)
        self.world.tell(
            self,
            events.Started(
                contacts=(*self._contacts, *self.log.contacts()),
                addresses=tuple(self.addresses.values()),
                hops_max=self.hops_max,
                is_guarded=self.is_guarded,
                asked_peers=self.asked_peers,
                forked=tuple(self.log.forked),
                pushes=tuple(self.pushes.items()),
                distrusted=tuple(self.distrusted),
            ),
        )
        self.world.audit_later(self)

    def distrust_clocks(self) -> None:
        """Forget what others had: messages may have been lost since it was written down."""
        self.saved_clocks.clear()

    def stop(self) -> None:
        """End the run in good order."""
        self._write_down()
        for end in list(self.ends.values()):
            self.world.break_link(end, "stopping")
        self.log.sync()
        self._clean_end = True
        self.is_up = False
        self._drop_memory()

    def _write_down(self) -> None:
        """Finish the writes that wait, as a store does before it closes."""
        if self.waiting and self.is_up:
            self.world.write(self, self.run_count)

    def crash(self) -> None:
        """End the run at once, and lose what was not flushed, or its end."""
        self.is_up = False
        unflushed = self.log.unflushed
        self.log.crash(self.chance.below(unflushed + 1) if self.world.is_torn else 0)
        for end in list(self.ends.values()):
            self.world.break_link(end, "crash")
        self._drop_memory()

    def _drop_memory(self) -> None:
        self.waiting.clear()
        self.blobs.crash()

    def restore(self, shares: tuple[int, int]) -> None:
        """Come back from an older backup: of each feed only so many parts of so many are left."""
        if self.is_up:
            self.crash()
        for feed in list(self.log.feeds):
            self.log.restore(feed, self.log.received(feed) * shares[0] // shares[1])
        self.is_guarded = True
        self.asked_peers = ()
        self.distrust_clocks()

    def sync(self, run: int) -> None:
        """Flush the log, if this run is still on."""
        if self.run_count == run and self.is_up:
            self.log.sync()

    def publish(self, content: dict[str, object] | None = None) -> int:
        """Write a message, durable before anybody hears of it; return its sequence."""
        state = self.log.state(self.id)
        text = orjson.dumps(content or {"type": "post", "text": "x" * 40})
        at = START_MS + int(self.world.now * 1000)
        message = self.world.feed_format.create(text, self.identity, state, float(at))
        ingested = self.log.append(message.data)
        self.world.published(self, message.sequence, message.data)
        if self.is_up:
            self.world.tell(self, ingested)
        return message.sequence

    def read(self, feed: FeedId, first: int, last: int, end: End) -> tuple[bytes, ...]:
        """Return messages to be sent over a link."""
        return tuple(self.log.feeds.get(feed, [])[first - 1 : last])

    def open_end(self, connection: ConnectionId) -> End | None:
        """Return the end of a link that has come up and is not gone."""
        end = self.ends.get(connection)
        return end if end is not None and end.is_open else None

    def follow(self, *others: LabPeer) -> None:
        """Follow other peers."""
        for other in others:
            self.publish({"type": "contact", "contact": other.id, "following": True})

    def unfollow(self, other: LabPeer) -> None:
        """Follow a peer no longer."""
        self.publish({"type": "contact", "contact": other.id, "following": False})

    def block(self, other: LabPeer) -> None:
        """Block a peer."""
        self.publish({"type": "contact", "contact": other.id, "blocking": True})

    def import_message(self, data: bytes) -> None:
        """Take in a message of somebody else's from a file."""
        raw = self.world.feed_format.parse(data)
        assert isinstance(raw, RawMessage), "it was read before"
        self.world.tell(self, self.log.ingest(None, (raw,)))

    def add_blob(self, data: bytes) -> BlobId:
        """Add a blob that others are to have; return its id."""
        blob = self.blobs.add(data)
        self.world.tell(self, events.BlobStored(blob, len(data)))
        self.world.tell(self, events.BlobPushed(blob))
        return blob

    def save_push(self, effect: effects.SavePush) -> None:
        """Remember who has a blob that others are to have."""
        self.pushes.pop(effect.blob, None)
        if effect.peers is not None:
            self.pushes[effect.blob] = effect.peers

    def has(self, feed: LabPeer) -> int:
        """Return how many messages of another peer are held."""
        return self.log.received(feed.id)

    def wants(self, feed: FeedId) -> bool:
        """Tell whether a feed is to be replicated, by the state of the brain."""
        return self.node.hops().get(feed, -1) >= 0
