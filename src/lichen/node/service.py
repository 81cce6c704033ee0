"""A running peer: the data directory opened, the brain fed, the doors open, and all of it closed.

``Service`` without ``listen`` is the same peer without a network: the command line uses it on a
data directory that no other process holds.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress

import msgspec
import structlog

from lichen import __version__
from lichen.feed.canonical import JsonValue, encode_compact
from lichen.feed.formats import FeedFormat
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.message import Message
from lichen.gossip import events
from lichen.gossip.node import Node
from lichen.node.api.methods import METHODS
from lichen.node.app import App, Method, finish
from lichen.node.errors import ApiError, store_fault
from lichen.node.home import (
    HOPS_DEFAULT,
    Home,
    Settings,
    make_private_directory,
    network_key_default,
    open_identity,
)
from lichen.node.hub import Hub, Notice
from lichen.node.keyring import Keyring
from lichen.node.net.blobs import PeerBlobs
from lichen.node.net.doors import Doors
from lichen.node.net.lan import LISTEN, MODES, SETTING, Lan, LanStatus
from lichen.node.progress import CatchingUp, Pace
from lichen.node.shell import Shell
from lichen.store.audit.auditor import AuditNews
from lichen.store.binding import LOG_FILE, Binding, read_binding
from lichen.store.errors import (
    StoreError,
    StoreWriteFailed,
    Unreadable,
    opening,
)
from lichen.store.ingest import Grown, IngestResult
from lichen.store.keeping.trouble import Trouble
from lichen.store.lock import HEALER_FILE, LOCK_FILE, is_locked
from lichen.store.store import Store
from lichen.store.views.base import base_views
from lichen.words import N_, phrase_of

log = structlog.get_logger()

LOCK_POLL_S = 0.1
"""How often a peer that stepped aside looks whether it may come back."""
WRITE_RETRY_S = 5.0
"""How often is tried whether a disk that refused to write has room again."""


class Service:
    """One peer on one data directory."""

    def __init__(self, home: Home, settings: Settings, apps: Sequence[App]) -> None:
        self.home = home
        self.settings = settings
        self.apps = apps
        self.methods: dict[str, Method] = dict(METHODS)
        for app in apps:
            self.methods.update(app.methods)
        self.hub = Hub()
        self.started_at = time.time()
        self.is_clean_start = True
        self.is_new_identity = False
        self.is_stepping_aside = False
        self.doors: Doors | None = None
        self.store: Store
        self.keyring: Keyring
        self.shell: Shell
        self.hops_max = HOPS_DEFAULT
        self.format: FeedFormat
        self._lan: Lan | None = None
        self._pace = Pace()
        self._audit_pace = Pace()
        self._stopped = asyncio.Event()
        self._alone: dict[str, asyncio.Lock] = {}
        self._loop = asyncio.get_running_loop()
        self._is_closing = False
        self._retrying: asyncio.TimerHandle | None = None

    @property
    def blobs(self) -> PeerBlobs:
        """Return the blobs: add, want, read."""
        return self.shell.blobs

    async def open(self, *, is_online: bool = False) -> None:
        """Open the data directory and start the brain; ``is_online`` lets it dial.

        Raises ApiError in words: locked by another process, wrong network key, damaged secret,
        unreadable or newer data.
        """
        os.umask(0o077)
        make_private_directory(self.home.directory)
        try:
            self.store = self._open_store()
        except StoreError as error:
            raise store_fault(error) from error
        try:
            await self._start_run(is_online)
        except BaseException as error:
            self.store.close()
            if isinstance(error, StoreError):
                raise store_fault(error) from error
            raise

    async def listen(self) -> None:
        """Open the doors: the network's port and the local socket. Raises ApiError."""
        self.doors = Doors(self)
        await self.doors.open()
        if self.settings.has_lan:
            self._lan = Lan(self)
            await self._lan.set_mode(self.lan.mode)

    async def close(self) -> None:
        """Close doors and connections, finish what is being written, leave a clean mark."""
        self._is_closing = True
        if self._lan is not None:
            await self._lan.close()
        if self.doors is not None:
            await self.doors.close()
        await self.shell.stop()
        self.store.local.end_run()
        await asyncio.get_running_loop().run_in_executor(None, self.store.close)

    def stop(self) -> None:
        """Ask ``run_until_stopped`` to return."""
        self._stopped.set()

    def step_aside(self) -> None:
        """Stop, and be opened anew once nobody heals the data directory any more."""
        self.is_stepping_aside = True
        self.hub.tell("aside")
        self.stop()

    async def run_until_stopped(self) -> None:
        """Wait for ``stop``."""
        await self._stopped.wait()

    def alone(self, kind: str) -> asyncio.Lock:
        """Return the lock of a kind of step: what looks first and then publishes holds it."""
        return self._alone.setdefault(kind, asyncio.Lock())

    async def publish(self, contents: Sequence[JsonValue]) -> list[Message]:
        """Sign contents as the next own messages; return once they are durable.

        Raises ApiError: a content is refused, or publishing waits for the own feed.
        """
        if self.shell.is_guarded:
            raise ApiError(
                "refused",
                N_(
                    "Nothing is published yet: this key may have been used elsewhere, and a "
                    "message written now could split its feed for good."
                ),
                N_(
                    "Connect to at least two peers that know you, or, if you are sure that no "
                    "newer message of yours exists, run: lichen allow-publishing"
                ),
            )
        texts = [encode_compact(content).encode("utf-8", "surrogatepass") for content in contents]
        return await finish(self._publish(texts))

    async def _publish(self, texts: Sequence[bytes]) -> list[Message]:
        try:
            now_ms = float(int(time.time() * 1000))
            future = self.store.publish(texts, self.keyring.identity, now_ms)
            messages = await asyncio.wrap_future(future)
        except StoreError as error:
            fault = store_fault(error)
            if fault.slug == "limit":
                # Unlike messages of others and drafts, this does not wait for room.
                fault.hint = N_("Make room on the disk, then publish it again.")
            raise fault from error
        if messages:
            self.shell.ingested(self._own_progress(messages), None)
        return messages

    def _own_progress(self, messages: list[Message]) -> IngestResult:
        """Return what publishing came to, in the words of an ingest."""
        first, last = messages[0], messages[-1]
        grown = Grown(first.author, first.sequence, last.sequence, last.key)
        contacts = self.store.contacts_of(messages)
        return IngestResult(count=len(messages), progress=(grown,), contacts=contacts)

    def set_hops(self, hops_max: int) -> None:
        """Change how far to replicate, now and in later runs."""
        self.hops_max = hops_max
        self.store.local.set_setting("hops", hops_max)
        if hasattr(self, "shell"):
            self.shell.deliver(events.HopsChanged(hops_max))

    @property
    def lan(self) -> LanStatus:
        """Return what is done on the local network, now and in later runs."""
        chosen = self.store.local.setting(SETTING)
        is_chosen = isinstance(chosen, str) and chosen in MODES
        return LanStatus(
            mode=str(chosen) if is_chosen else LISTEN,
            is_chosen=is_chosen,
            is_open=self._lan is not None and self._lan.is_open,
            problems=self._lan.problems if self._lan is not None else (),
        )

    def catching_up(self) -> CatchingUp | None:
        """Return how far behind the connected peers this one is; None when it is not."""
        behind = self.shell.brain.snapshot().messages_behind
        return self._pace.measure(self.store.log.last_no, behind)

    def auditing(self) -> CatchingUp | None:
        """Return how far the audit of signatures is; None when next to nothing waits for it."""
        behind = self.store.log.unaudited_count()
        return self._audit_pace.measure(self.store.log.count() - behind, behind)

    async def set_lan(self, mode: str) -> None:
        """Change what is done on the local network, one of ``lan.MODES``; it is remembered."""
        self.store.local.set_setting(SETTING, mode)
        if self._lan is not None:
            await self._lan.set_mode(mode)

    def _open_store(self) -> Store:
        try:
            bound = read_binding(self.home.directory)
        except Unreadable:
            bound = None  # opening the store says why, or that another process is just making it
        network_key = self.settings.network_key or (
            bound.network_key if bound is not None else network_key_default()
        )
        hmac_key = self.settings.hmac_key or (bound.hmac_key if bound is not None else None)
        self.format = ClassicFormat(hmac_key)
        store = Store.open(
            self.home.directory,
            binding=Binding(network_key, hmac_key),
            formats={"classic": self.format},
            verify=self.settings.verify,
            views=[*base_views(), *(view for app in self.apps for view in app.views)],
            on_notice=lambda words: log.warning("store", words=words),
            on_audit=self._hear_audit,
            on_trouble=self._hear_trouble,
        )
        store.faults.on_damage = self._hear_damage
        try:
            identity, self.is_new_identity = open_identity(self.home, store)
        except BaseException:
            store.close()
            raise
        self.keyring = Keyring(identity, network_key)
        return store

    def _hear_audit(self, news: AuditNews) -> None:
        """Pass on what the writer thread says."""
        self._loop.call_soon_threadsafe(self._tell_audit, news)

    def _tell_audit(self, news: AuditNews) -> None:
        if hasattr(self, "shell"):  # before that, the brain will find it in the log
            self.shell.audited(news)

    def _hear_damage(self, reason: str) -> None:
        """Pass on what any thread says."""
        self._loop.call_soon_threadsafe(lambda: self.hub.tell("damaged", detail=phrase_of(reason)))

    def _hear_trouble(self, trouble: Trouble | None) -> None:
        """Pass on what the writer thread says."""
        self._loop.call_soon_threadsafe(self._tell_trouble, trouble)

    def _tell_trouble(self, trouble: Trouble | None) -> None:
        """Tell once that nothing can be written, and once that it works again; try meanwhile."""
        if trouble is None:
            self.hub.tell("store-works")
            return
        self.hub.tell("store-failed", detail=StoreWriteFailed(trouble.reason).message)
        if self._retrying is None:
            self._retrying = self._loop.call_later(WRITE_RETRY_S, self._try_writing)

    def _try_writing(self) -> None:
        """Write what waits for room on the disk; the brain asks for messages again by itself."""
        self._retrying = None
        if self._is_closing:
            return
        if self.store.local.has_unsaved:
            self.store.local.save_again()
        if self.store.trouble is not None or self.store.local.has_unsaved:
            self._retrying = self._loop.call_later(WRITE_RETRY_S, self._try_writing)

    async def _start_run(self, is_online: bool) -> None:
        self.is_clean_start = self.store.local.begin_run()
        hops = self.store.local.setting("hops")
        self.hops_max = hops if isinstance(hops, int) else HOPS_DEFAULT
        if self.settings.hops is not None:
            self.set_hops(self.settings.hops)
        if self.settings.lan is not None:
            await self.set_lan(self.settings.lan)
        await self._start_brain(is_online)

    async def _start_brain(self, is_online: bool) -> None:
        rng = random.Random(os.urandom(16))  # noqa: S311 (chance for back-off, not for keys)
        with opening(self.home.directory / LOG_FILE):
            contacts = await asyncio.get_running_loop().run_in_executor(None, self.store.contacts)
        guard = self.store.local.guard()
        brain = Node(self.keyring.id, self.store.log, rng, self.format.parse, self.store.blobs)
        self.shell = Shell(self.store, self.keyring, brain, self.hub)
        self.shell.is_guarded = guard.is_guarded
        self.shell.deliver(
            events.Started(
                contacts=tuple(contacts),
                addresses=self._address_book() if is_online else (),
                hops_max=self.hops_max,
                is_guarded=guard.is_guarded,
                asked_peers=guard.asked_peers,
                clock_ms=(time.time() - asyncio.get_running_loop().time()) * 1000,
                forked=tuple(sorted(self.store.log.forked())),
                pushes=tuple(self.store.local.pushes().items()),
                distrusted=self.store.local.distrusted(),
            )
        )

    def _address_book(self) -> tuple[events.Address, ...]:
        return tuple(
            events.Address(entry.address, entry.peer, entry.autoconnect, entry.source)
            for entry in self.store.local.addresses()
        )


def run_service(
    home: Home,
    settings: Settings,
    apps: Sequence[App],
    *,
    announce: Callable[[Notice], None],
    on_ready: Callable[[Service], None] | None = None,
    face: Callable[[Service], AbstractAsyncContextManager[object]] = nullcontext,
) -> int:
    """Run a peer until it is told to stop (SIGINT, SIGTERM). Returns the exit code.

    ``face`` is entered once the peer is serving, and left before it closes. Raises ApiError when
    it cannot start. A peer that steps aside is closed whole, and another one opened afterwards:
    what the directory says then, the publishing guard included, counts as at any start.
    """

    async def run_once(chosen: Settings) -> Service:
        service = Service(home, chosen, apps)
        service.hub.listen(announce)
        await service.open(is_online=True)
        try:
            _on_signals(service.stop)
            await service.listen()
            log.info("started", version=__version__, id=service.keyring.id[:9])
            if on_ready is not None:
                on_ready(service)
            async with face(service):
                await service.run_until_stopped()
        finally:
            await service.close()
        return service

    async def run() -> int:
        chosen = settings
        while True:
            service = await run_once(chosen)
            if not service.is_stepping_aside or not await _is_healed(home):
                return 0
            assert service.doors is not None, "it was listening"
            # It is found where it was, and what was set since it started counts, not how it was.
            chosen = msgspec.structs.replace(settings, port=service.doors.port, hops=None, lan=None)

    return asyncio.run(run())


def _on_signals(act: Callable[[], None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, act)


async def _is_healed(home: Home) -> bool:
    """Wait until nobody heals the directory, nor holds it; False: told to stop meanwhile."""
    stopped = asyncio.Event()
    _on_signals(stopped.set)
    while any(is_locked(home.directory, file) for file in (HEALER_FILE, LOCK_FILE)):
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), LOCK_POLL_S)
        if stopped.is_set():
            return False
    return True
