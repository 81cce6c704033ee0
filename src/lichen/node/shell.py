"""The shell around the brain: it tells it what happens and performs what it wants.

There is one inbox. An event is handled to its end before the next one, effects are performed in
the order given, and everything that the sockets got to send is flushed once the inbox is empty.
No protocol is decided here: retry, back-off, time-outs and the choice of peers are the brain's.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import msgspec
import structlog

from lichen.feed.message import FeedId
from lichen.gossip import effects, events
from lichen.gossip.effects import Effect
from lichen.gossip.events import ConnectionId, Event
from lichen.gossip.node import Node
from lichen.node import limits
from lichen.node.hub import Hub, tell_ingested
from lichen.node.keyring import Keyring
from lichen.node.net.blobs import PeerBlobs
from lichen.node.net.doors import dial, dial_reason
from lichen.node.net.links import Handshakes, Link
from lichen.node.net.runs import Run, is_short, read_run, report_run
from lichen.store.audit.auditor import Audited, AuditNews
from lichen.store.errors import StoreError
from lichen.store.ingest import IngestResult
from lichen.store.local import SavedAddress
from lichen.store.store import Store
from lichen.wire.events import BodyType, Command, MuxrpcEvent, SendItems

log = structlog.get_logger()

Outgoing = Command | Run | effects.AwaitRoom
"""What is done for one peer in the order the brain gave."""


class Remote:
    """A connected peer as the shell sees it.

    While a run of messages is being read for it, later commands wait in ``commands``, so that
    everything leaves in the order the brain gave.
    """

    __slots__ = ("commands", "connection", "is_sending_run", "link")

    def __init__(self, connection: ConnectionId, link: Link) -> None:
        self.connection = connection
        self.link = link
        self.commands: deque[Outgoing] = deque()
        self.is_sending_run = False


class Shell:
    """Joins one brain, one store and many sockets."""

    def __init__(self, store: Store, keyring: Keyring, brain: Node, hub: Hub) -> None:
        self.store = store
        self.keyring = keyring
        self.brain = brain
        self.hub = hub
        self.accept_local: Callable[[Link], None] | None = None
        self.is_guarded = True
        self.handshakes = Handshakes()
        self._is_stopped = False
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[Event] = deque()
        self._is_handling = False
        self._remotes: dict[ConnectionId, Remote] = {}
        self._connections: dict[Link, ConnectionId] = {}
        self._dirty: dict[Link, None] = {}
        self._connection_last = 0
        self._timer: asyncio.TimerHandle | None = None
        self._dials: set[asyncio.Task[None]] = set()
        self._attempts: dict[Link, tuple[str, FeedId]] = {}
        self._waiters: dict[FeedId, list[asyncio.Future[None]]] = {}
        self._all_lost: asyncio.Event | None = None
        self._readers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read")
        self.blobs = PeerBlobs(store, self.deliver)

    def deliver(self, event: Event) -> None:
        """Tell the brain; perform what it answers. Safe to call from within an effect."""
        if self._is_stopped:
            return
        self._inbox.append(event)
        if self._is_handling:
            return
        self._is_handling = True
        try:
            while self._inbox:
                for effect in self.brain.handle(self._inbox.popleft(), self._loop.time()):
                    self._perform(effect)
        finally:
            self._is_handling = False
        dirty, self._dirty = self._dirty, {}
        for link in dirty:
            link.flush()

    def ingested(self, result: IngestResult, connection: ConnectionId | None) -> None:
        """Tell brain and listeners what a batch, an import or an own message came to."""
        if self._is_stopped:
            return
        self.deliver(
            events.Ingested(
                connection=connection,
                count=result.count,
                progress=tuple(
                    events.Progress(grown.feed, grown.first, grown.last, grown.key)
                    for grown in result.progress
                ),
                rejected=result.rejected,
                forks=result.forks,
                contacts=result.contacts,
                duplicates=result.duplicates,
            )
        )
        if result.progress:
            self.hub.log_grew()
        # Live streams, just woken, come first; telling people reads the messages once more.
        peer = self._peer_of(connection)
        self._loop.call_soon(tell_ingested, self.hub, self.store, result, peer)

    def audited(self, news: AuditNews) -> None:
        """Tell the brain what became of messages whose signatures were left for later."""
        if isinstance(news, Audited):
            self.deliver(events.Audited(news.feeds))
        else:
            self.deliver(events.AuditFailed(news.feed, news.sequence, news.source))

    def lift_guard(self) -> None:
        """Allow publishing on a person's word."""
        self.deliver(events.GuardLifted())

    async def connected(self, peer: FeedId) -> None:
        """Return once a peer is connected; the shell raises ``ConnectionError`` into it if not."""
        if any(remote.link.peer == peer for remote in self._remotes.values()):
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.setdefault(peer, []).append(waiter)
        await waiter

    @property
    def link_count(self) -> int:
        """Return how many sockets are open."""
        return len(self._remotes) + len(self.handshakes)

    @property
    def is_crowded(self) -> bool:
        """Return whether a new stranger has to be turned away."""
        return self.link_count >= limits.CONNECTIONS_MAX

    @property
    def close_reasons(self) -> dict[str, int]:
        """Return how often connections ended for each reason, also during the handshake."""
        return dict(
            Counter(self.brain.snapshot().close_reasons) + Counter(self.handshakes.close_reasons)
        )

    async def stop(self) -> None:
        """Close every connection, with goodbye, and wait for what is under way."""
        for task in self._dials:
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        for remote in list(self._remotes.values()):
            remote.link.close("stopping")
        self.handshakes.abort("stopping")
        if self.link_count:
            self._all_lost = asyncio.Event()
            with suppress(TimeoutError):
                async with asyncio.timeout(limits.CLOSE_S_MAX):
                    await self._all_lost.wait()
        self._is_stopped = True
        self._readers.shutdown(wait=True)
        self.blobs.close()

    # What links report (LinkOwner)

    def identified(self, link: Link, peer: FeedId) -> bool:
        """Ask the brain whether this peer may connect; one's own programs always may."""
        if peer == self.keyring.id:
            link.allow_calls(limits.LOCAL_CALLS_MAX)
            return True
        link.allow_calls(self.brain.calls_max(peer))
        return self.brain.may_connect(peer)

    def ready(self, link: Link) -> None:
        """Introduce a peer to the brain, or one's own program to the local API."""
        assert link.peer is not None, "a handshake ends with a peer"
        self.handshakes.complete(link)
        self._attempts.pop(link, None)
        if link.peer == self.keyring.id:
            if self.accept_local is not None:
                self.accept_local(link)
            return
        self._connection_last += 1
        connection = ConnectionId(self._connection_last)
        self._remotes[connection] = Remote(connection, link)
        self._connections[link] = connection
        self._settle(link.peer, None)
        self.deliver(
            events.Connected(
                connection=connection,
                peer=link.peer,
                is_client=link.is_client,
                address=link.address,
                saved_clock=self.store.local.load_clock(link.peer),
            )
        )

    def received(self, link: Link, event: MuxrpcEvent) -> None:
        """Pass on what a peer said."""
        connection = self._connections.get(link)
        if connection is not None:
            self.deliver(events.FromPeer(connection, event))

    def drained(self, link: Link) -> None:
        """Tell the brain that a pipe has room."""
        connection = self._connections.get(link)
        if connection is not None:
            self.deliver(events.Drained(connection, link.queued_bytes))

    def lost(self, link: Link, reason: str) -> None:
        """Forget a socket; a dial that came to nothing has failed."""
        self.handshakes.fail(link, reason)
        self._dirty.pop(link, None)
        attempt = self._attempts.pop(link, None)
        if attempt is not None:
            self._dial_failed(*attempt, reason)
        connection = self._connections.pop(link, None)
        if connection is not None:
            del self._remotes[connection]
            log.info("disconnected", peer=(link.peer or "")[:9], reason=reason)
            self.deliver(events.Disconnected(connection, reason))
        if self._all_lost is not None and not self.link_count:
            self._all_lost.set()

    # What the brain wants

    def _perform(self, effect: Effect) -> None:
        match effect:
            case effects.Send():
                self._send(effect.connection, effect.command)
            case effects.SendMessages() | effects.ReadBlob() | effects.AwaitRoom():
                self._send(effect.connection, effect)
            case effects.Ingest():
                future = self.store.ingest(
                    effect.batch, source=effect.source, verifies_all=effect.verifies_all
                )
                self._report_ingest(future, effect.connection, len(effect.batch))
            case effects.WakeAt():
                if self._timer is not None:
                    self._timer.cancel()
                self._timer = self._loop.call_at(effect.at, self.deliver, events.Woke())
            case effects.Dial():
                task = self._loop.create_task(self._dial(effect.address, effect.peer))
                self._dials.add(task)
                task.add_done_callback(self._dials.discard)
            case effects.Notify():
                self.hub.tell(**msgspec.structs.asdict(effect))
            case effects.SaveClock():
                self.store.local.save_clock(effect.peer, effect.clock)
            case effects.SaveAddress():
                saved = msgspec.convert(effect, SavedAddress, from_attributes=True)
                self.store.local.save_address(saved)
            case effects.ForgetAddress():
                self.store.local.forget_address(effect.address)
            case effects.SaveGuard():
                self.is_guarded = effect.is_guarded
                self.store.local.save_guard(effect.is_guarded, effect.asked_peers)
            case (
                effects.WriteBlob() | effects.FinishBlob() | effects.DropBlob() | effects.SavePush()
            ):
                self.blobs.perform(effect)
            case effects.Close() | effects.PauseReading() | effects.ResumeReading():
                self._steer(effect)

    def _steer(self, effect: effects.Close | effects.PauseReading | effects.ResumeReading) -> None:
        remote = self._remotes.get(effect.connection)
        if remote is None:
            return
        if isinstance(effect, effects.PauseReading):
            remote.link.pause_reading()
        elif isinstance(effect, effects.ResumeReading):
            remote.link.resume_reading()
        else:
            remote.link.close(effect.reason)

    def _send(self, connection: ConnectionId, command: Outgoing) -> None:
        remote = self._remotes.get(connection)
        if remote is None:
            return
        if remote.is_sending_run:
            remote.commands.append(command)
        elif isinstance(command, Run):
            self._send_run(remote, command)
        elif isinstance(command, effects.AwaitRoom):
            remote.link.flush()
            if not remote.link.is_full:
                self.deliver(events.Drained(connection, remote.link.queued_bytes))
        else:
            remote.link.perform(command)
            self._dirty[remote.link] = None

    def _send_run(self, remote: Remote, run: Run) -> None:
        remote.is_sending_run = True
        if is_short(run):
            # What has just been written is in memory: a thread would only add its own delay.
            self._run_was_read(remote, run, partial(read_run, self.store, run))
            return
        future = self._readers.submit(read_run, self.store, run)
        future.add_done_callback(
            lambda done: self._loop.call_soon_threadsafe(
                self._run_was_read, remote, run, done.result
            )
        )

    def _run_was_read(self, remote: Remote, run: Run, read: Callable[[], SendItems]) -> None:
        remote.is_sending_run = False
        if remote.connection not in self._remotes:
            return
        try:
            sent = read()
        except StoreError as error:
            log.warning("run-unreadable", reason=str(error))
            sent = SendItems(run.call, BodyType.JSON, ())
        if sent.items:
            remote.link.perform(sent)
            remote.link.flush()
        waiting, remote.commands = remote.commands, deque()
        for command in waiting:
            self._send(remote.connection, command)
        self.deliver(report_run(run, sent, remote.link.queued_bytes))

    def _report_ingest(
        self, future: "Future[IngestResult]", connection: ConnectionId, count: int
    ) -> None:
        def tell(done: "Future[IngestResult]") -> None:
            try:
                result = done.result()
            except StoreError as error:
                self.deliver(events.IngestFailed(connection, count, str(error)))
            else:
                self.ingested(result, connection)

        future.add_done_callback(lambda done: self._loop.call_soon_threadsafe(tell, done))

    async def _dial(self, address: str, peer: FeedId) -> None:
        try:
            link = Link(self, self.keyring.open_connection(peer), is_client=True)
            link.address = address
            link.peer = peer
            await dial(address, link)
        except (OSError, ValueError) as error:
            self._dial_failed(address, peer, dial_reason(error))
        else:
            if link.is_lost:
                self._dial_failed(address, peer, "closed-by-peer")
            elif link not in self._connections:
                self.handshakes.begin(link)
                self._attempts[link] = (address, peer)

    def _dial_failed(self, address: str, peer: FeedId, reason: str) -> None:
        self._settle(peer, reason)
        self.deliver(events.DialFailed(address, reason))

    def _settle(self, peer: FeedId, reason: str | None) -> None:
        for waiter in self._waiters.pop(peer, ()):
            if waiter.done():
                continue
            if reason is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(ConnectionError(reason))

    def _peer_of(self, connection: ConnectionId | None) -> FeedId | None:
        remote = self._remotes.get(connection) if connection is not None else None
        return remote.link.peer if remote is not None else None
