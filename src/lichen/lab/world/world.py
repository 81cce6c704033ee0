"""A world of peers under a virtual clock: the same brains as in a running peer, in one heap.

``World`` performs every effect of every brain: it delivers messages with delay and bandwidth,
ingests them after a while into a log in memory, dials, closes, crashes and restarts peers. Nothing
depends on anything but the seed: each peer draws from a stream of its own, steps at the same time
go by their number, and the hash of all that was delivered (``trace_hash``) proves it.

    world = World(seed=1)
    alice, bob = world.add_peer(), world.add_peer()
    alice.follow(bob); bob.follow(alice)
    world.connect(alice, bob)
    world.run(until=60.0)
"""

import struct
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b
from heapq import heappop, heappush
from typing import Protocol

from lichen.gossip import events
from lichen.gossip.effects import Effect
from lichen.gossip.events import Address, ConnectionId, Event
from lichen.lab.world.chance import Chance
from lichen.lab.world.formats import LabFormat, SealedFormat
from lichen.lab.world.links import End, Pipe
from lichen.lab.world.network import Latency, Uniform
from lichen.lab.world.peers import LabPeer
from lichen.lab.world.performing import Performer
from lichen.store.ingest import Claimed
from lichen.wire.events import BodyType, Command, OpenCall, SendItems

_delivery = struct.Struct("<dqqi").pack
AUDIT_MESSAGES = 25
"""Signatures checked in one step of an audit."""
BREAK_S = 0.001
"""A link that is not open on one side yet is looked at again after so long."""


class TooLong(Exception):  # noqa: N818 (it says what is the matter)
    """More steps than a world may take: peers chatter without end."""


class Watcher(Protocol):
    """Somebody who is told of every step, and raises what is wrong with it."""

    def handled(self, peer: LabPeer, event: Event, answer: Sequence[Effect]) -> None:
        """Look at what a brain was told and answered; nothing of it is performed yet."""
        ...

    def delivered(self, end: End, command: Command) -> None:
        """Look at a command that has come to the end of a link."""
        ...

    def published(self, peer: LabPeer, sequence: int, data: bytes, branch: int) -> None:
        """Note a message that a peer has written, in one version of its feed."""
        ...


class World:
    """Peers, the links between them, and the heap of what happens next."""

    def __init__(
        self,
        seed: int,
        *,
        latency: Latency | None = None,
        feed_format: LabFormat | None = None,
        is_sealed: bool = True,
    ) -> None:
        """``is_sealed`` False signs for real."""
        self.seed = seed
        self.chance = Chance(seed, "world")
        self.is_sealed = is_sealed
        self.feed_format = SealedFormat(is_sealed=is_sealed) if feed_format is None else feed_format
        self.now = 0.0
        self.latency = Uniform(0.005, 0.05) if latency is None else latency
        self.jitter = 0.2
        """Share by which a delay may be longer than the link's own."""
        self.bytes_per_s = 10_000_000.0
        self.uplink_bytes_per_s = 0.0
        """What all links of a peer share; 0 for no such bound."""
        self.ingest_s = (0.001, 0.05)
        self.verifies_all = False
        """Every signature is checked on receipt; nothing is left to an audit."""
        self.audit_s = (0.001, 0.05)
        """How long a step of the audit takes."""
        self.sync_s = 1.0
        """How long others' messages may be lost by a crash."""
        self.is_torn = False
        """A crash leaves any beginning of what was not flushed, instead of nothing."""
        self.peers: list[LabPeer] = []
        self.by_address: dict[str, LabPeer] = {}
        self.by_id: dict[str, LabPeer] = {}
        self.cuts: dict[tuple[int, int], None] = {}
        """(sender, receiver) by number: nothing gets from one to the other."""
        self.watcher: Watcher | None = None
        self.transmissions: Counter[tuple[str, str, int]] | None = None
        """(receiver, author, sequence) to how often the message came, if anybody counts."""
        self.message_count = self.note_count = self.byte_count = 0
        """Messages, other items and bytes that were delivered."""
        self.event_count = self.step_count = 0
        self.steps_max = 0
        """Steps after which ``run`` gives up with ``TooLong``; 0 for never."""
        self._heap: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._order = 0
        self._connection_last = 0
        self._perform = Performer(self).handlers
        self._trace = blake2b(digest_size=16)

    @property
    def trace_hash(self) -> str:
        """Return the hash of everything that was delivered, and of when, where and how much."""
        return self._trace.hexdigest()

    # Time

    def at(self, at: float, action: Callable[..., None], *args: object) -> None:
        """Do something at a time; what is due at the same time goes by order."""
        self._order += 1
        heappush(self._heap, (at, self._order, action, args))

    def after(self, delay_s: float, action: Callable[..., None], *args: object) -> None:
        """Do something later."""
        self._order += 1
        heappush(self._heap, (self.now + delay_s, self._order, action, args))

    def run(self, until: float) -> None:
        """Let everything happen up to a time."""
        heap = self._heap
        steps, steps_max = self.step_count, self.steps_max
        try:
            while heap and heap[0][0] <= until:
                self.now, _, action, args = heappop(heap)
                steps += 1
                action(*args)
                if steps == steps_max:
                    raise TooLong(f"{steps} steps by second {self.now:.0f}")
        finally:
            self.step_count = steps
        self.now = until

    # Peers

    def add_peer(self, **options: object) -> LabPeer:
        """Add a peer and start it."""
        return self.admit(LabPeer(self, len(self.peers), **options))  # type: ignore[arg-type]

    def admit(self, peer: LabPeer) -> LabPeer:
        """Start a peer of any kind."""
        self.peers.append(peer)
        peer.start()
        return peer

    def register(self, peer: LabPeer) -> None:
        """Have a peer found under its addresses."""
        self.by_address[peer.address] = self.by_address[peer.lan_address] = peer
        self.by_id[peer.id] = peer

    def tell(self, peer: LabPeer, event: Event) -> None:
        """Give an event to a peer's brain and perform what it answers."""
        if not peer.is_up:
            return
        self.event_count += 1
        answer = peer.brain.handle(event, self.now - peer.clock_offset_s)
        if self.watcher is not None:
            self.watcher.handled(peer, event, answer)
        perform = self._perform
        for effect in answer:
            perform[type(effect)](peer, effect)

    def published(self, peer: LabPeer, sequence: int, data: bytes, *, branch: int = 0) -> None:
        """Take note that a peer has written a message, in one version of its feed."""
        if self.watcher is not None:
            self.watcher.published(peer, sequence, data, branch)

    def write(self, peer: LabPeer, run: int) -> None:
        """Make a transaction of all messages that wait for it."""
        if peer.run_count != run or not peer.is_up:
            return
        claims = [
            (
                each.connection,
                Claimed(each.batch, each.source, each.verifies_all or self.verifies_all),
            )
            for each in peer.waiting
        ]
        peer.waiting.clear()
        fault = peer.disk.fault()
        if fault is not None:
            for connection, claim in claims:
                self.tell(peer, events.IngestFailed(connection, len(claim.batch), fault))
            return
        was_flushed = not peer.log.unflushed
        answers = peer.log.ingest_all(claims)
        for number, ingested in enumerate(answers, 1):
            peer.untold = len(answers) - number
            self.tell(peer, ingested)
        if was_flushed and peer.log.unflushed:
            self.after(self.sync_s, peer.sync, run)
        self.audit_later(peer)

    def audit_later(self, peer: LabPeer) -> None:
        """Have a peer check the next signatures that it has left for later, if there are any."""
        if peer.log.unaudited and not peer.is_auditing:
            peer.is_auditing = True
            self.after(peer.audit_chance.within(*self.audit_s), self._audit, peer, peer.run_count)

    def _audit(self, peer: LabPeer, run: int) -> None:
        if peer.run_count != run or not peer.is_up:
            return
        peer.is_auditing = False
        was_flushed = not peer.log.unflushed
        if peer.disk.fault() is None:
            found = peer.log.audit(AUDIT_MESSAGES)
            for number, news in enumerate(found, 1):
                if isinstance(news, events.AuditFailed) and news.source is not None:
                    peer.distrusted[news.source] = None
                peer.untold = len(found) - number
                self.tell(peer, news)
        if was_flushed and peer.log.unflushed:
            self.after(self.sync_s, peer.sync, run)
        self.audit_later(peer)

    # Links

    def connect(self, client: LabPeer, server: LabPeer) -> None:
        """Have one peer dial another now, and again whenever the connection is lost."""
        self.tell(client, events.AddressAdded(Address(server.address, server.id)))

    def see(self, peer: LabPeer, other: LabPeer) -> None:
        """Let a peer hear another one announce itself nearby."""
        if not self.is_cut(peer, other):
            self.tell(peer, events.PeerSeen(other.lan_address, other.id, is_verified=True))

    def cut(self, first: LabPeer, second: LabPeer) -> None:
        """Let two peers not reach each other; a link between them breaks."""
        self.cuts[first.number, second.number] = self.cuts[second.number, first.number] = None
        self.break_between(first, second, "cut")

    def cut_one_way(self, sender: LabPeer, receiver: LabPeer) -> None:
        """Let nothing get from one peer to another: what is sent is lost, and nobody is told."""
        self.cuts[sender.number, receiver.number] = None
        for end in sender.ends.values():
            if end.other.owner is receiver:
                end.pipe.is_stuck = True

    def break_between(self, first: LabPeer, second: LabPeer, reason: str) -> None:
        """Break the links between two peers."""
        for end in list(first.ends.values()):
            if end.other.owner is second:
                self.break_link(end, reason)

    def heal(self) -> None:
        """Let everybody reach everybody again; links that were stuck break."""
        self.cuts.clear()

    def is_cut(self, first: LabPeer, second: LabPeer) -> bool:
        """Tell whether two peers cannot have a link: a handshake needs both directions."""
        pair = (first.number, second.number)
        return pair in self.cuts or pair[::-1] in self.cuts

    def dial(self, client: LabPeer, address: str) -> None:
        """Try to open a link; both ends hear of it, the server first."""
        server = self.by_address.get(address)
        run = client.run_count
        number = client.number if server is None else server.number
        delay_s = 2 * self.latency.draw_s(client.chance, client.number, number)
        if (
            server is None
            or not server.is_up
            or self.is_cut(client, server)
            or not server.brain.may_connect(client.id)
        ):
            self.after(delay_s, self._dial_failed, client, run, address)
        else:
            self.after(delay_s, self._join, client, server, run, address)

    def _dial_failed(self, client: LabPeer, run: int, address: str) -> None:
        if client.run_count == run:
            self.tell(client, events.DialFailed(address, "nobody is there"))

    def _join(self, client: LabPeer, server: LabPeer, run: int, address: str) -> None:
        is_gone = client.run_count != run or not client.is_up or not server.is_up
        if is_gone or self.is_cut(client, server):
            self._dial_failed(client, run, address)
            return
        near = self._make_end(client, is_client=True, address=address)
        far = self._make_end(server, is_client=False, address=client.address)
        near.other, far.other = far, near
        for end in (near, far):
            sender, receiver = end.owner, end.other.owner
            base_s = self.latency.draw_s(sender.chance, sender.number, receiver.number)
            end.pipe = Pipe(self, end, self._arrive, base_s, self.bytes_per_s)
        self._fit(near, far)
        self._open(far)
        self.after(
            self.latency.draw_s(server.chance, server.number, client.number), self._open, near
        )

    def _fit(self, near: End, far: End) -> None:
        """Do what else a new link needs: here nothing."""

    def _make_end(self, peer: LabPeer, *, is_client: bool, address: str) -> End:
        self._connection_last += 1
        connection = ConnectionId(self._connection_last)
        end = End(peer, connection, is_client=is_client, address=address)
        peer.ends[connection] = end
        return end

    def _open(self, end: End) -> None:
        if not end.is_alive:
            return
        end.is_open = True
        other = end.other.peer
        saved = end.owner.saved_clocks.get(other, {})
        connected = events.Connected(end.connection, other, end.is_client, end.address, saved)
        self.tell(end.owner, connected)

    def _arrive(self, end: End, command: Command, size: int) -> None:
        if not end.is_alive:
            return
        if not end.is_open:
            self.after(BREAK_S, self._arrive, end, command, size)
            return
        self._count(end, command, size)
        if self.watcher is not None:
            self.watcher.delivered(end, command)
        if type(command) is OpenCall and command.name[0] == "ebt" and not end.owner.speaks_ebt:
            command = OpenCall(command.call, ("ebt", "unknown"), command.args, command.kind)
        event, answer = end.calls.receive(command)
        if answer is not None:
            end.pipe.put(answer)
        if event is not None:
            self.tell(end.owner, events.FromPeer(end.connection, event))

    def _count(self, end: End, command: Command, size: int) -> None:
        """Count a delivery and mix it into the trace."""
        self.byte_count += size
        update = self._trace.update
        update(_delivery(self.now, end.connection, size, command.call))
        if type(command) is not SendItems:
            update(repr(command).encode())
            return
        if command.body_type is not BodyType.JSON:
            update(b"".join(command.items))
            return
        stamp = self.feed_format.stamp
        for item in command.items:
            if item.startswith((b'{"previous"', b'{"author"')):
                self.message_count += 1
                update(stamp(item))
                if self.transmissions is not None:
                    raw = self.feed_format.parse(item)
                    key = (end.owner.name, str(raw.author), raw.sequence)
                    self.transmissions[key] += 1
            else:
                self.note_count += 1
                update(item)

    def report_room(self, end: End) -> None:
        """Tell a peer that a pipe has room again."""
        if end.is_alive and end.is_open:
            drained = events.Drained(end.connection, end.pipe.queued_bytes)
            self.tell(end.owner, drained)

    def break_link(self, end: End, reason: str) -> None:
        """Break a link: nothing in it arrives, both ends hear of it."""
        for each in (end, end.other):
            self._drop(each, reason)

    def _drop(self, end: End, reason: str) -> None:
        if end.is_alive:
            self._forget(end)
            if end.is_open:
                self.tell(end.owner, events.Disconnected(end.connection, reason))

    def _forget(self, end: End) -> None:
        """Let go of an end; what has not left is dropped, and the uplink is free for others."""
        end.is_alive = False
        owner = end.owner
        del owner.ends[end.connection]
        if owner.uplink_free_at > self.now:
            busy = (other.pipe.free_at for other in owner.ends.values())
            owner.uplink_free_at = max(busy, default=self.now)

    def close(self, end: End) -> None:
        """Close a link from one side; the other side hears of it after what was sent before."""
        self._forget(end)
        lost = events.Disconnected(end.connection, "closed")
        self.after(0.0, self.tell, end.owner, lost)
        sender, receiver = end.owner, end.other.owner
        delay_s = self.latency.draw_s(sender.chance, sender.number, receiver.number)
        self.after(delay_s, self._drop, end.other, "closed by the other side")
