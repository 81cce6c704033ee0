"""A peer of the lab: a brain, a log in memory, and what it would have on disk."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from lichen.feed.content import Contact
from lichen.feed.message import BlobId, FeedId
from lichen.gossip import effects, events
from lichen.gossip.effects import Effect
from lichen.gossip.events import Address, ConnectionId, Event
from lichen.gossip.node import Node
from lichen.lab.memory import MemoryBlobs, MemoryLog, encode_message, parse_message

if TYPE_CHECKING:
    from lichen.lab.links import End
    from lichen.lab.world import World


class Brain(Protocol):
    """What a world can run as a peer: a ``Node``, or a script that misbehaves."""

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take in what happened; return what is to be done."""
        ...

    def may_connect(self, peer: FeedId) -> bool:
        """Tell whether to accept a peer."""
        ...


def lab_feed_id(number: int, seed: str = "") -> FeedId:
    """Return the id of the peer with this number."""
    digest = hashlib.sha256(f"{seed} peer {number}".encode()).digest()
    return FeedId(f"@{base64.b64encode(digest).decode()}.ed25519")


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
    ) -> None:
        self.world = world
        self.name = f"p{number}"
        self.address = f"lab:{self.name}"
        self.id = lab_feed_id(number) if own is None else own
        self.hops_max = hops_max
        self.log = MemoryLog(self.id)
        self.blobs = MemoryBlobs()
        self.pushes: dict[BlobId, tuple[FeedId, ...]] = {}
        self.saved_clocks: dict[FeedId, dict[FeedId, int]] = {}
        self.addresses: dict[str, Address] = {}
        self.is_guarded = False
        self.asked_peers: tuple[FeedId, ...] = ()
        self.notices: list[effects.Notify] = []
        self.ends: dict[ConnectionId, End] = {}
        self.is_up = False
        self.is_disk_full = False
        self.run_count = 0
        self.wake_count = 0
        self.ingest_free_at = 0.0
        self.clock_offset_s = 0.0
        self.brain: Brain
        self._make_brain = make_brain
        self._contacts = contacts
        self._clean_end = True

    @property
    def node(self) -> Node:
        """Return the brain, if it is a real one."""
        assert isinstance(self.brain, Node), "a script has no such state"
        return self.brain

    def start(self) -> None:
        """Begin a run; after a crash the saved clocks of others are not trusted."""
        self.is_up = True
        self.run_count += 1
        if not self._clean_end:
            self.saved_clocks.clear()
        self._clean_end = False
        if self._make_brain is None:
            rng = random.Random(f"{self.name} {self.run_count}")  # noqa: S311 (reproducible)
            self.brain = Node(self.id, self.log, rng, parse_message, self.blobs)
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
            ),
        )

    def stop(self) -> None:
        """End the run in good order."""
        for end in list(self.ends.values()):
            self.world.break_link(end, "stopping")
        self.log.sync()
        self._clean_end = True
        self.is_up = False

    def crash(self) -> None:
        """End the run at once, and lose what was not flushed."""
        self.is_up = False
        self.log.crash()
        for end in list(self.ends.values()):
            self.world.break_link(end, "crash")

    def sync(self, run: int) -> None:
        """Flush the log, if this run is still on."""
        if self.run_count == run and self.is_up:
            self.log.sync()

    def publish(self, content: dict[str, object] | None = None) -> int:
        """Write a message; return its sequence."""
        sequence = self.log.received(self.id) + 1
        data = encode_message(self.id, sequence, content or {"type": "post", "text": "x" * 40})
        ingested = self.log.append(data)
        if self.is_up:
            self.world.tell(self, ingested)
        return sequence

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
