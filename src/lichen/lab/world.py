"""A world of peers under a virtual clock: the same brains as in a running peer, in one heap.

``World`` performs every effect of every brain: it delivers messages with delay and bandwidth,
ingests them after a while into a log in memory, dials, closes, crashes and restarts peers. Nothing
depends on anything but the seed: the same seed gives the same trace, event by event.

    world = World(seed=1)
    alice, bob = world.add_peer(), world.add_peer()
    alice.follow(bob); bob.follow(alice)
    world.connect(alice, bob)
    world.run(until=60.0)
"""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterable
from heapq import heappop, heappush

from lichen.feed.message import RawMessage
from lichen.gossip import effects, events
from lichen.gossip.effects import Effect
from lichen.gossip.events import Address, ConnectionId, Event
from lichen.gossip.exchange.blob_requests import split_blob
from lichen.lab.links import End, Pipe
from lichen.lab.memory import parse_message
from lichen.lab.peers import LabPeer
from lichen.wire.events import BodyType, Command, SendItems


class World:
    """Peers, the links between them, and the heap of what happens next."""

    def __init__(self, seed: int, *, latency_s: tuple[float, float] = (0.005, 0.05)) -> None:
        self.rng = random.Random(seed)  # noqa: S311 (a world is reproducible, not secret)
        self.now = 0.0
        self.latency_s = latency_s
        self.bytes_per_s = 10_000_000.0
        self.ingest_s = (0.001, 0.05)
        self.sync_s = 1.0
        """How long others' messages may be lost by a crash."""
        self.peers: list[LabPeer] = []
        self.cuts: set[frozenset[str]] = set()
        """Pairs of peers that cannot reach each other."""
        self.transmissions: Counter[tuple[str, str, int]] = Counter()
        """(receiver, author, sequence) to how often the message came over a link."""
        self.notes_sent = 0
        self.event_count = 0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._connection_last = 0
        self._trace = hashlib.sha256()

    @property
    def trace(self) -> str:
        """Return the hash of everything that happened."""
        return self._trace.hexdigest()

    # Time

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something later."""
        self._order += 1
        heappush(self._heap, (self.now + delay_s, self._order, action))

    def run(self, until: float) -> None:
        """Let everything happen up to a time."""
        while self._heap and self._heap[0][0] <= until:
            self.now, _, action = heappop(self._heap)
            action()
        self.now = until

    # Peers

    def add_peer(self, **options: object) -> LabPeer:
        """Add a peer and start it."""
        peer = LabPeer(self, len(self.peers), **options)  # type: ignore[arg-type]
        self.peers.append(peer)
        peer.start()
        return peer

    def tell(self, peer: LabPeer, event: Event) -> None:
        """Give an event to a peer's brain and perform what it answers."""
        if not peer.is_up:
            return
        self.event_count += 1
        self._trace.update(f"{self.now:.9f} {peer.name} {event!r}\n".encode())
        for effect in peer.brain.handle(event, self.now - peer.clock_offset_s):
            self._perform(peer, effect)

    def connect(self, client: LabPeer, server: LabPeer) -> None:
        """Have one peer dial another now, and again whenever the connection is lost."""
        self.tell(client, events.AddressAdded(Address(server.address, server.id)))

    def cut(self, first: LabPeer, second: LabPeer) -> None:
        """Let two peers not reach each other; a link between them breaks."""
        self.cuts.add(frozenset((first.name, second.name)))
        for end in list(first.ends.values()):
            if end.other.peer == second.id:
                self.break_link(end, "cut")

    def heal(self) -> None:
        """Let everybody reach everybody again."""
        self.cuts.clear()

    def find(self, address: str) -> LabPeer | None:
        """Return the peer that has an address."""
        return next((peer for peer in self.peers if peer.address == address), None)

    # Links

    def dial(self, client: LabPeer, address: str) -> None:
        """Try to open a link; both ends hear of it, the server first."""
        server = self.find(address)
        delay_s = self.rng.uniform(*self.latency_s) * 2
        run = client.run_count
        if (
            server is None
            or not server.is_up
            or frozenset((client.name, server.name)) in self.cuts
            or not server.brain.may_connect(client.id)
        ):
            self.after(delay_s, lambda: self._dial_failed(client, run, address))
            return
        self.after(delay_s, lambda: self._join(client, server, run, address))

    def _dial_failed(self, client: LabPeer, run: int, address: str) -> None:
        if client.run_count == run:
            self.tell(client, events.DialFailed(address, "nobody is there"))

    def _join(self, client: LabPeer, server: LabPeer, run: int, address: str) -> None:
        is_cut = frozenset((client.name, server.name)) in self.cuts
        if client.run_count != run or not client.is_up or not server.is_up or is_cut:
            self._dial_failed(client, run, address)
            return
        near = self._make_end(client, is_client=True, address=address)
        far = self._make_end(server, is_client=False, address=client.address)
        near.other, far.other = far, near
        near.pipe = self._make_pipe(client, near, server, far)
        far.pipe = self._make_pipe(server, far, client, near)
        self._open(server, far)
        self.after(self.rng.uniform(*self.latency_s), lambda: self._open(client, near))

    def _make_end(self, peer: LabPeer, *, is_client: bool, address: str) -> End:
        self._connection_last += 1
        connection = ConnectionId(self._connection_last)
        end = End(peer.id, connection, is_client=is_client, address=address)
        peer.ends[connection] = end
        return end

    def _make_pipe(self, sender: LabPeer, end: End, receiver: LabPeer, other: End) -> Pipe:
        base_s = self.rng.uniform(*self.latency_s)
        arrived_at = 0.0

        def latency_s() -> float:
            nonlocal arrived_at
            arrived_at = max(arrived_at, self.now + base_s * self.rng.uniform(1.0, 1.2))
            return arrived_at - self.now

        def report_room() -> None:
            if end.is_open:
                self.tell(sender, events.Drained(end.connection, end.pipe.queued_bytes))

        return Pipe(
            self.after,
            lambda command: self._arrive(receiver, other, command),
            report_room,
            latency_s,
            self.bytes_per_s,
        )

    def _open(self, peer: LabPeer, end: End) -> None:
        if end.connection not in peer.ends:
            return
        end.is_open = True
        saved = dict(peer.saved_clocks.get(end.other.peer, {}))
        self.tell(
            peer,
            events.Connected(end.connection, end.other.peer, end.is_client, end.address, saved),
        )

    def _arrive(self, peer: LabPeer, end: End, command: Command) -> None:
        if end.connection not in peer.ends:
            return
        if not end.is_open:
            self.after(0.001, lambda: self._arrive(peer, end, command))
            return
        event, answer = end.calls.receive(command)
        if answer is not None:
            end.pipe.put(answer)
        if event is None:
            return
        if isinstance(command, SendItems):
            self._count(peer, command.items)
        self.tell(peer, events.FromPeer(end.connection, event))

    def _count(self, peer: LabPeer, items: Iterable[bytes]) -> None:
        for item in items:
            raw = parse_message(item)
            if isinstance(raw, RawMessage):
                self.transmissions[peer.name, raw.author, raw.sequence] += 1
            else:
                self.notes_sent += 1

    def break_link(self, end: End, reason: str) -> None:
        """Break a link: nothing in it arrives, both ends hear of it."""
        for each in (end, end.other):
            peer = self._owner(each)
            if peer.ends.pop(each.connection, None) is not None and each.is_open:
                self.tell(peer, events.Disconnected(each.connection, reason))

    def _owner(self, end: End) -> LabPeer:
        return next(peer for peer in self.peers if peer.id == end.peer)

    def _close(self, peer: LabPeer, end: End, reason: str) -> None:
        del peer.ends[end.connection]
        self.after(0.0, lambda: self.tell(peer, events.Disconnected(end.connection, reason)))
        self.after(self.rng.uniform(*self.latency_s), lambda: self._lose(end.other))

    def _lose(self, end: End) -> None:
        peer = self._owner(end)
        if peer.ends.pop(end.connection, None) is not None and end.is_open:
            self.tell(peer, events.Disconnected(end.connection, "closed by the other side"))

    # Effects

    def _perform(self, peer: LabPeer, effect: Effect) -> None:
        match effect:
            case effects.Ingest():
                self._ingest(peer, effect)
            case effects.Dial():
                self.dial(peer, effect.address)
            case effects.WakeAt():
                self._wake_at(peer, effect.at + peer.clock_offset_s)
            case effects.SaveClock():
                peer.saved_clocks[effect.peer] = dict(effect.clock)
            case effects.SaveGuard():
                peer.is_guarded = effect.is_guarded
                peer.asked_peers = effect.asked_peers
            case effects.SaveAddress():
                peer.addresses[effect.address] = Address(
                    effect.address, effect.peer, source=effect.source
                )
            case effects.ForgetAddress():
                peer.addresses.pop(effect.address, None)
            case effects.Notify():
                peer.notices.append(effect)
            case effects.WriteBlob():
                peer.blobs.write(effect)
            case effects.FinishBlob():
                done = peer.blobs.finish(effect, is_disk_full=peer.is_disk_full)
                self.after(self.rng.uniform(*self.ingest_s), lambda: self.tell(peer, done))
            case effects.DropBlob():
                peer.blobs.drop(effect.connection, effect.call)
            case effects.SavePush():
                peer.save_push(effect)
            case _:
                end = peer.ends.get(effect.connection)
                if end is not None and end.is_open:
                    self._perform_on(peer, end, effect)

    def _perform_on(self, peer: LabPeer, end: End, effect: Effect) -> None:
        match effect:
            case effects.Send():
                if end.calls.perform(effect.command):
                    end.pipe.put(effect.command)
            case effects.SendMessages():
                self._send_messages(peer, end, effect)
            case effects.ReadBlob():
                self._send_blob(peer, end, effect)
            case effects.AwaitRoom():
                end.pipe.await_room()
            case effects.Close():
                self._close(peer, end, effect.reason)
            case effects.PauseReading():
                end.other.pipe.set_read(is_read=False)
            case effects.ResumeReading():
                end.other.pipe.set_read(is_read=True)

    def _send_messages(self, peer: LabPeer, end: End, run: effects.SendMessages) -> None:
        items = peer.log.feeds.get(run.feed, [])[run.first - 1 : run.last]
        command = SendItems(run.call, BodyType.JSON, tuple(items))
        if items and end.calls.perform(command):
            end.pipe.put(command)
        last = run.first - 1 + len(items)

        def report() -> None:
            if end.connection in peer.ends:
                queued_bytes = end.pipe.queued_bytes
                self.tell(
                    peer,
                    events.MessagesSent(
                        end.connection, run.call, run.feed, run.first, last, queued_bytes
                    ),
                )

        self.after(0.0, report)

    def _send_blob(self, peer: LabPeer, end: End, run: effects.ReadBlob) -> None:
        data = peer.blobs.held.get(run.blob, b"")[run.start : run.end]
        command = SendItems(run.call, BodyType.BINARY, split_blob(data))
        if data and end.calls.perform(command):
            end.pipe.put(command)
        reached = run.start + len(data)

        def report() -> None:
            if end.connection in peer.ends:
                queued_bytes = end.pipe.queued_bytes
                self.tell(
                    peer,
                    events.BlobRead(end.connection, run.call, run.blob, reached, queued_bytes),
                )

        self.after(0.0, report)

    def _wake_at(self, peer: LabPeer, at: float) -> None:
        run = peer.run_count
        peer.wake_count += 1
        number = peer.wake_count

        def wake() -> None:
            if peer.run_count == run and peer.wake_count == number:
                self.tell(peer, events.Woke())

        self.after(max(0.0, at - self.now), wake)

    def _ingest(self, peer: LabPeer, effect: effects.Ingest) -> None:
        run = peer.run_count
        delay_s = max(peer.ingest_free_at - self.now, 0.0) + self.rng.uniform(*self.ingest_s)
        peer.ingest_free_at = self.now + delay_s

        def ingest() -> None:
            if peer.run_count != run or not peer.is_up:
                return
            if peer.is_disk_full:
                count = len(effect.batch)
                self.tell(peer, events.IngestFailed(effect.connection, count, "disk full"))
                return
            self.tell(peer, peer.log.ingest(effect.connection, effect.batch))
            self.after(self.sync_s, lambda: peer.sync(run))

        self.after(delay_s, ingest)
