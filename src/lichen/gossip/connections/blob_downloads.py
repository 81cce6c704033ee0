"""Blobs on their way to us: asked of one peer at a time, cut off at the first byte too many.

What comes goes to the disk piece by piece; the disk has the word on the hash. A peer that gives
nothing for a while, or something else than it said, loses the download to another one.
"""

from lichen.gossip.connections.answers import BLOBS_GET
from lichen.gossip.connections.session import Session
from lichen.gossip.effects import DropBlob, FinishBlob, Notify, WriteBlob
from lichen.gossip.events import BlobFailed, BlobStored, ConnectionId
from lichen.gossip.exchange.blob_peer import Download
from lichen.gossip.limits import (
    BLOB_BYTES_MAX,
    BLOB_RETRY_S,
    DOWNLOAD_S_MAX,
    DOWNLOAD_STALL_S,
)
from lichen.gossip.parts import Parts
from lichen.wire.events import (
    BodyType,
    CallEnded,
    CallKind,
    EndCall,
    ItemsReceived,
    OpenCall,
    SendItems,
)


class BlobDownloads:
    """Deals with the blobs.get calls of ours."""

    __slots__ = ("_blobs", "_parts")

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._blobs = parts.blobs

    def start(self, now: float) -> None:
        """Ask for what is wanted and somebody has."""
        for peer, blob, size in self._blobs.choose():
            session = self._parts.sessions[peer.connection]
            args = b'[{"key":"%s","max":%d}]' % (blob.encode(), BLOB_BYTES_MAX)
            call = session.next_call()
            session.send(self._parts.out, OpenCall(call, BLOBS_GET, args, CallKind.SOURCE))
            self._blobs.begin(peer, Download(blob, peer.connection, call, size, now))
            self._parts.timers.set("blob", now + DOWNLOAD_STALL_S, peer.connection)

    def receive(
        self, session: Session, download: Download, event: ItemsReceived, now: float
    ) -> None:
        """Pass on what came of a blob; more than was said, or no bytes, is a lie."""
        download.received += sum(map(len, event.items))
        download.heard_at = now
        expected = BLOB_BYTES_MAX - 1 if download.expected is None else download.expected
        if event.body_type is not BodyType.BINARY or download.received > expected:
            self._give_up(session, download, "not the blob", now, is_lie=True)
            return
        items = tuple(event.items)
        self._parts.out.append(WriteBlob(session.connection, download.call, download.blob, items))

    def receive_end(
        self, session: Session, download: Download, event: CallEnded, now: float
    ) -> None:
        """Have a blob kept that has come to its end, if it has."""
        is_short = download.received < (download.expected or 1)
        if event.error is not None or is_short:
            self._give_up(session, download, None, now, is_lie=event.error is None)
            return
        download.is_finishing = True
        self._parts.out.append(FinishBlob(session.connection, download.call, download.blob))

    def _give_up(
        self, session: Session, download: Download, reason: str | None, now: float, *, is_lie: bool
    ) -> None:
        """Let go of a download; with a reason its call is still to be ended."""
        parts = self._parts
        if reason is not None:
            session.send(parts.out, EndCall(download.call, reason))
        if download.received:
            parts.out.append(DropBlob(session.connection, download.call))
        self._blobs.fail(download, is_lie=is_lie)
        parts.timers.set_if_unset("blobs", now + BLOB_RETRY_S)

    def check_stall(self, connection: ConnectionId, now: float) -> None:
        """Look whether a blob still comes."""
        session = self._parts.sessions[connection]
        peer = self._blobs.peers.get(connection)
        download = None if peer is None else peer.download
        if download is None or download.is_finishing:
            return
        if session.is_paused:
            download.heard_at = now  # we do not read, so silence is no sign
        due_at = min(download.heard_at + DOWNLOAD_STALL_S, download.since + DOWNLOAD_S_MAX)
        if due_at <= now:
            self._give_up(session, download, "stalled", now, is_lie=False)
        else:
            self._parts.timers.set("blob", due_at, connection)

    def retry(self, _now: float) -> None:
        """Try again what had failed."""
        self._blobs.retry()

    def on_stored(self, event: BlobStored, now: float) -> None:
        """Tell everybody who wants to know that a blob is here."""
        parts = self._parts
        download, is_wanted = self._blobs.stored(event.blob, event.size)
        if download is not None and not download.is_finishing:
            session = parts.sessions[download.connection]
            session.send(parts.out, EndCall(download.call))
            parts.out.append(DropBlob(download.connection, download.call))
        for peer in self._blobs.peers.values():
            if peer.changes_call:
                item = SendItems(peer.changes_call, BodyType.TEXT, (event.blob.encode(),))
                parts.sessions[peer.connection].send(parts.out, item)
        if is_wanted:
            parts.out.append(Notify("blob", detail=event.blob))

    def on_failed(self, event: BlobFailed, now: float) -> None:
        """Try another peer, or wait for the disk."""
        parts = self._parts
        download = self._blobs.find(event.blob, event.connection, event.call)
        if download is None:
            return
        session = parts.sessions.get(event.connection)
        if session is not None and not download.is_finishing:
            session.send(parts.out, EndCall(event.call, "not now"))
            parts.out.append(DropBlob(event.connection, event.call))
        if event.is_peers_fault:
            self._blobs.fail(download, is_lie=True)
        else:
            self._blobs.hold(download)
        parts.timers.set_if_unset("blobs", now + BLOB_RETRY_S)
