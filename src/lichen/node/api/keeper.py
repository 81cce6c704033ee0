"""Who does the keeping for a command: the running peer, or this program alone.

A peer's folder is kept without opening it as a peer does: that would need the very files whole that
are to be looked at. Its lock is held meanwhile.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol

from lichen.feed.canonical import JsonValue
from lichen.node.api.keeping import Records, back_up, check, formats_of, store_faults
from lichen.node.client import running_peer
from lichen.node.errors import ApiError
from lichen.node.home import Home, Settings
from lichen.store.binding import LOG_FILE
from lichen.store.errors import NotWritable
from lichen.store.lock import DirectoryLock
from lichen.words import N_


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


@asynccontextmanager
async def open_keeper(home: Home, settings: Settings) -> AsyncIterator[Keeper]:
    """Connect to the running peer of a data directory, or keep the directory alone."""
    async with running_peer(home) as client:
        if client is not None:
            yield client
            return
    if not (home.directory / LOG_FILE).exists():
        raise ApiError(
            "no-identity",
            N_("There is no data in {path}.", path=home.directory),
            N_("Choose the folder with --home."),
        )
    yield LoneKeeper(home, settings)


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
