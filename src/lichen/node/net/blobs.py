"""Blobs of a running peer: what its apps and programs ask for, and what comes from other peers.

Files are touched in threads only. What a peer sends is written by one thread, in the order in
which it came; the brain bounds how much of it can wait there.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lichen.feed.message import BlobId
from lichen.gossip import events
from lichen.gossip.effects import DropBlob, FinishBlob, SavePush, WriteBlob
from lichen.gossip.events import ConnectionId, Event
from lichen.gossip.limits import BLOB_BYTES_MAX
from lichen.node.app import finish
from lichen.node.errors import ApiError, store_fault
from lichen.store.blobs import EMPTY_BLOB, Draft
from lichen.store.errors import BlobMissing, BlobRefused, StoreError
from lichen.store.store import Store
from lichen.words import N_

BYTES_MAX = BLOB_BYTES_MAX - 1
"""The biggest blob that peers pass on."""

Deliver = Callable[[Event], None]
BlobEffect = WriteBlob | FinishBlob | DropBlob | SavePush


class PeerBlobs:
    """The blobs of one peer."""

    def __init__(self, store: Store, deliver: Deliver) -> None:
        self._store = store
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._waiters: dict[BlobId, list[asyncio.Future[None]]] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="blob")
        self._incoming = _Incoming(store)

    # What apps and programs ask for

    async def add(self, data: bytes) -> BlobId:
        """Keep bytes as a blob and have other peers fetch it; return its id once it is durable.

        Raises ApiError: too big, or the disk is full.
        """
        if len(data) > BYTES_MAX:
            raise _too_big(len(data))
        return await finish(self._add(data))

    async def add_file(self, path: Path) -> BlobId:
        """Do the same with what is in a file. Raises ApiError, also if it cannot be read."""
        try:
            data = await self._loop.run_in_executor(None, _read_file, path)
        except OSError as error:
            slug = "not-found" if isinstance(error, FileNotFoundError) else "failed"
            raise ApiError(
                slug, N_("{path} cannot be read: {words}.", path=path, words=error.strerror)
            ) from error
        return await self.add(data)

    async def _add(self, data: bytes) -> BlobId:
        blobs = self._store.blobs
        try:
            blob = await self._loop.run_in_executor(None, blobs.add, data, BYTES_MAX)
        except StoreError as error:
            raise store_fault(error) from error
        if blob != EMPTY_BLOB:
            self._tell(events.BlobStored(blob, len(data)))
            self._deliver(events.BlobPushed(blob))
        return blob

    def want(self, blob: BlobId) -> bool:
        """Have peers asked for a blob unless it is here; tell whether it is. Asking twice is one.

        The notice ``blob``, with the id in ``detail``, tells when it has come.
        """
        if self.size(blob) is not None:
            return True
        self._deliver(events.BlobWanted(blob))
        return False

    async def wait(self, blob: BlobId) -> None:
        """Have peers asked for a blob and return once it is here, however long that takes."""
        if self.want(blob):
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        waiters = self._waiters.setdefault(blob, [])
        waiters.append(waiter)
        try:
            await waiter
        finally:
            waiters.remove(waiter)
            if not waiters and self._waiters.get(blob) is waiters:
                del self._waiters[blob]

    async def read(self, blob: BlobId, start: int = 0, end: int | None = None) -> bytes | None:
        """Return the bytes of a blob, or those from ``start`` up to ``end``; None: not here.

        Raises ApiError if the disk cannot be read.
        """
        try:
            return await self._loop.run_in_executor(None, self._store.blobs.read, blob, start, end)
        except BlobMissing:
            return None
        except StoreError as error:
            raise store_fault(error) from error

    def size(self, blob: BlobId) -> int | None:
        """Return the size of a blob, None if it is not here."""
        return self._store.blobs.size(blob)

    def push(self, blob: BlobId) -> None:
        """Have other peers fetch a blob that is here."""
        self._deliver(events.BlobPushed(blob))

    async def remove(self, blob: BlobId) -> bool:
        """Throw a blob away; tell whether it was here. Raises ApiError."""
        try:
            was_here = await self._loop.run_in_executor(None, self._store.blobs.remove, blob)
        except StoreError as error:
            raise store_fault(error) from error
        self._deliver(events.BlobRemoved(blob))
        return was_here

    # What the brain wants

    def perform(self, effect: BlobEffect) -> None:
        """Do what the brain wants with a blob."""
        if isinstance(effect, SavePush):
            if effect.peers is None:
                self._store.local.forget_push(effect.blob)
            else:
                self._store.local.save_push(effect.blob, effect.peers)
            return
        self._thread.submit(self._perform, effect)

    def _perform(self, effect: WriteBlob | FinishBlob | DropBlob) -> None:
        event = self._incoming.perform(effect)
        if event is not None:
            self._loop.call_soon_threadsafe(self._tell, event)

    def _tell(self, event: events.BlobStored | events.BlobFailed) -> None:
        self._deliver(event)
        if isinstance(event, events.BlobStored):
            for waiter in self._waiters.pop(event.blob, ()):
                if not waiter.done():
                    waiter.set_result(None)

    def close(self) -> None:
        """Finish what is being written, and drop what is incomplete."""
        self._thread.shutdown(wait=True)
        self._incoming.close()


class _Incoming:
    """Blobs on their way in, by the call they come on; all of it in one thread."""

    def __init__(self, store: Store) -> None:
        self._blobs = store.blobs
        self._drafts: dict[tuple[ConnectionId, int], Draft | None] = {}
        """None: writing has failed, and what still comes is dropped."""

    def perform(
        self, effect: WriteBlob | FinishBlob | DropBlob
    ) -> events.BlobStored | events.BlobFailed | None:
        key = (effect.connection, effect.call)
        if isinstance(effect, DropBlob):
            self._drop(key)
            return None
        try:
            if isinstance(effect, WriteBlob):
                self._write(key, effect.items)
                return None
            return self._finish(key, effect)
        except StoreError as error:
            is_lie = isinstance(error, BlobRefused)
            self._drop(key)
            if isinstance(effect, WriteBlob):
                self._drafts[key] = None
            return events.BlobFailed(effect.blob, *key, str(error), is_peers_fault=is_lie)

    def _write(self, key: tuple[ConnectionId, int], items: tuple[bytes, ...]) -> None:
        if key not in self._drafts:
            self._drafts[key] = self._blobs.begin(BYTES_MAX)
        draft = self._drafts[key]
        if draft is not None:
            for item in items:
                draft.write(item)

    def _finish(
        self, key: tuple[ConnectionId, int], effect: FinishBlob
    ) -> events.BlobStored | None:
        draft = self._drafts.get(key)
        if draft is None:
            return None  # told when it failed
        draft.finish(effect.blob)
        self._drop(key)
        return events.BlobStored(effect.blob, draft.size, *key)

    def _drop(self, key: tuple[ConnectionId, int]) -> None:
        draft = self._drafts.pop(key, None)
        if draft is not None:
            draft.discard()

    def close(self) -> None:
        for key in list(self._drafts):
            self._drop(key)


def _too_big(size: int) -> ApiError:
    return ApiError(
        "limit",
        N_(
            "These are {size} bytes, and a blob may have {most} at most: peers would not pass a "
            "bigger one on.",
            size=size,
            most=BYTES_MAX,
        ),
        N_("Make it smaller, for instance by scaling the picture down."),
    )


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(BYTES_MAX + 1)
        if len(data) > BYTES_MAX:
            raise _too_big(max(path.stat().st_size, len(data)))
        return data
