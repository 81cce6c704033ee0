"""Who does the keeping for a command: the running peer, or this program alone.

A peer's folder is kept without opening it as a peer does: that would need the very files whole that
are to be looked at. Its lock is held meanwhile.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol

from lichen.feed.canonical import JsonValue
from lichen.node.api.keeping import (
    Records,
    back_up,
    check,
    formats_of,
    needs_healing,
    store_faults,
)
from lichen.node.client import SocketClient, running_peer
from lichen.node.errors import ApiError
from lichen.node.home import Home, Settings
from lichen.store.binding import LOG_FILE
from lichen.store.errors import NotWritable
from lichen.store.keeping.files import LOCAL_FILE
from lichen.store.lock import HEALER_FILE, DirectoryLock, is_locked
from lichen.words import N_

PEER_S_MAX = 60.0
"""How long a peer may take to step aside, and to come back: it closes files, and opens them."""
LOCK_POLL_S = 0.1


class Keeper(Protocol):
    """Whoever does the keeping: the running peer, or this program alone."""

    is_live: bool

    def source(self, name: str, *args: JsonValue) -> AsyncIterator[JsonValue]:
        """Do the work of that name and yield its records. Raises ApiError."""
        ...


class LoneKeeper:
    """Keeps a folder that no peer is running on, without opening it as a peer does."""

    is_live = False

    def __init__(self, home: Home, settings: Settings) -> None:
        self._home = home
        self._settings = settings

    async def source(self, name: str, *args: JsonValue) -> AsyncIterator[JsonValue]:
        """Do the work of that name and yield its records. Raises ApiError."""
        options = args[0] if args and isinstance(args[0], dict) else {}
        works = {"lichen.fsck": self._fsck, "lichen.backup": self._backup}
        async with aclosing(works[name](options)) as records:
            async for record in records:
                yield record

    async def _fsck(self, options: Mapping[str, JsonValue]) -> Records:
        heals = bool(options.get("heal"))
        directory = self._home.directory
        with store_faults(), _locked(directory, is_needed=heals) as is_held:
            formats = formats_of(directory, self._settings)
            async for record in check(directory, formats, options, heals=heals, settles=is_held):
                yield record

    async def _backup(self, options: Mapping[str, JsonValue]) -> Records:
        with store_faults(), _locked(self._home.directory, is_needed=False):
            async for record in back_up(self._home.directory, options):
                yield record


class Healer:
    """Heals the folder of a running peer, which steps aside for it and comes back.

    The peer looks first, and is left in peace if nothing is damaged. It closes everything before
    anything is replaced, and is opened anew afterwards: so healing works on a folder that nobody
    uses, as it always does. Who may have the folder when is a matter of two locks (``store.lock``)
    that the system takes from whoever dies.
    """

    is_live = True

    def __init__(self, home: Home, settings: Settings, peer: SocketClient) -> None:
        self._home = home
        self._settings = settings
        self._peer = peer

    async def source(self, name: str, *args: JsonValue) -> AsyncIterator[JsonValue]:
        """Do the work of that name and yield its records. Raises ApiError."""
        options = args[0] if args and isinstance(args[0], dict) else {}
        if not await self._is_known_to_be_damaged():
            async for record in self._peer.source(
                name, {**options, "depth": "full", "heal": False}
            ):
                if needs_healing(record):
                    break
                yield record
            else:
                return
        with store_faults(), _held(self._home.directory, HEALER_FILE):
            yield {"stage": "aside"}
            await self._peer.call("lichen.stepAside")
            await self._alone()
            async for record in LoneKeeper(self._home, self._settings).source(name, options):
                if isinstance(record, dict) and record.get("done"):
                    last = record
                else:
                    yield record
        yield {**last, "isPeerBack": await self._is_back()}

    async def _is_known_to_be_damaged(self) -> bool:
        try:
            status = await self._peer.call("status")
        except ApiError as error:
            if error.slug != "damaged":
                raise
            return True
        return isinstance(status, dict) and bool(status.get("damage"))

    async def _alone(self) -> None:
        """Wait until the peer lets go of its folder; if it does not, taking the lock says so."""
        deadline = time.monotonic() + PEER_S_MAX
        while time.monotonic() < deadline:
            if not is_locked(self._home.directory):
                return
            await asyncio.sleep(LOCK_POLL_S)

    async def _is_back(self) -> bool:
        """Wait until the peer answers again; False if it does not."""
        deadline = time.monotonic() + PEER_S_MAX
        while time.monotonic() < deadline:
            async with running_peer(self._home) as peer:
                if peer is not None:
                    return True
            await asyncio.sleep(LOCK_POLL_S)
        return False


@asynccontextmanager
async def open_keeper(
    home: Home, settings: Settings, *, heals: bool = False
) -> AsyncIterator[Keeper]:
    """Connect to the running peer of a data directory, or keep the directory alone.

    A running peer steps aside for a keeper that ``heals``.
    """
    async with running_peer(home) as client:
        if client is not None:
            yield Healer(home, settings, client) if heals else client
            return
    if not (home.directory / LOG_FILE).exists():
        if home.secret.exists() or (home.directory / LOCAL_FILE).exists():
            raise ApiError(
                "damaged",
                N_("The log is gone: there is no log.db in {path}.", path=home.directory),
                N_(
                    "Put it back, or a backup into a new folder: lichen restore. If there is none,"
                    " lichen start begins a new log, and peers give the messages again; publishing"
                    " waits for yours."
                ),
            )
        raise ApiError(
            "no-identity",
            N_("There is no data in {path}.", path=home.directory),
            N_("Choose the folder with --home."),
        )
    yield LoneKeeper(home, settings)


@contextmanager
def _held(directory: Path, file: str) -> Iterator[None]:
    lock = DirectoryLock(directory, file)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _locked(directory: Path, *, is_needed: bool) -> Iterator[bool]:
    """Hold the lock of a folder; one that cannot be written needs none for being looked at.

    Tells whether it is held.
    """
    lock: DirectoryLock | None = None
    try:
        lock = DirectoryLock(directory)
    except NotWritable:
        if is_needed:
            raise
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.release()
