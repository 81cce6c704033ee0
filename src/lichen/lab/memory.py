"""The lab's log: messages in memory, in a stand-in format without signatures.

A message is JSON with author, sequence, content and a mark: ``"valid": false`` stands for a wrong
signature, another ``branch`` for a fork. The rules of a store are kept: order, duplicates, forks,
and that a crash loses what was not yet flushed, except own messages. Blobs are real ones.
"""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec
import orjson

from lichen.feed.content import Contact
from lichen.feed.message import (
    BlobId,
    FeedId,
    ForkProof,
    Message,
    MsgId,
    RawMessage,
    Reason,
    Rejected,
)
from lichen.feed.refs import blob_id_from_bytes
from lichen.gossip.effects import FinishBlob, WriteBlob
from lichen.gossip.events import BlobFailed, BlobStored, ConnectionId, Ingested, Progress


class StandIn(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message of the stand-in format."""

    author: FeedId
    sequence: int
    content: dict[str, object]
    branch: int = 0
    valid: bool = True


_decode = msgspec.json.Decoder(StandIn).decode
_encode = msgspec.json.Encoder().encode


def encode_message(
    author: FeedId,
    sequence: int,
    content: Mapping[str, object],
    *,
    branch: int = 0,
    valid: bool = True,
) -> bytes:
    """Return the bytes of a message."""
    return _encode(StandIn(author, sequence, dict(content), branch, valid))


def parse_message(data: bytes) -> RawMessage | Rejected:
    """Read who claims to have written a message, and where in the feed it stands."""
    try:
        message = _decode(data)
    except (msgspec.DecodeError, RecursionError):
        return Rejected(Reason.NOT_JSON)
    if message.sequence < 1:
        return Rejected(Reason.SEQUENCE, message.author)
    return RawMessage(message.author, message.sequence, data)


def key_of(data: bytes) -> MsgId:
    """Return the id of a message."""
    return MsgId("%" + hashlib.sha256(data).hexdigest()[:12])


def contact_of(message: StandIn) -> Contact | None:
    """Return what a message says about another feed."""
    content = message.content
    target = content.get("contact")
    if content.get("type") != "contact" or not isinstance(target, str):
        return None
    value = -1 if content.get("blocking") else 1 if content.get("following") else -2
    return Contact(message.author, FeedId(target), value, message.sequence)


class MemoryLog:
    """One peer's log, and what of it a crash would leave."""

    __slots__ = ("_durable", "_own", "feeds", "forked")

    def __init__(self, own: FeedId) -> None:
        self._own = own
        self._durable: dict[FeedId, int] = {}
        self.feeds: dict[FeedId, list[bytes]] = {}
        self.forked: dict[FeedId, None] = {}

    def received(self, feed: FeedId) -> int:
        """Return the sequence of the last message held of a feed, 0 for none."""
        return len(self.feeds.get(feed, ()))

    def clock(self) -> Mapping[FeedId, int]:
        """Return feed to last held sequence."""
        return {feed: len(messages) for feed, messages in self.feeds.items()}

    def contacts(self) -> tuple[Contact, ...]:
        """Return what the held messages say about feeds."""
        found = (contact_of(_decode(data)) for messages in self.feeds.values() for data in messages)
        return tuple(contact for contact in found if contact is not None)

    def sync(self) -> None:
        """Flush everything: a crash loses nothing that is there now."""
        self._durable = dict(self.clock())

    def crash(self) -> None:
        """Lose what was not flushed."""
        for feed in list(self.feeds):
            if feed != self._own:
                del self.feeds[feed][self._durable.get(feed, 0) :]

    def append(self, data: bytes) -> Ingested:
        """Keep an own message."""
        return self.ingest(None, (RawMessage(self._own, _decode(data).sequence, data),))

    def ingest(self, connection: ConnectionId | None, batch: Sequence[RawMessage]) -> Ingested:
        """Check a batch and keep what is good; return what it came to."""
        firsts: dict[FeedId, int] = {}
        rejected: list[Rejected] = []
        forks: list[ForkProof] = []
        contacts: list[Contact] = []
        duplicates: list[tuple[FeedId, int]] = []
        failed: set[FeedId] = set()
        for raw in batch:
            reason = self._check(raw, failed, duplicates, forks)
            if reason is not None:
                failed.add(raw.author)
                rejected.append(Rejected(reason, raw.author, raw.sequence))
            elif raw.sequence > self.received(raw.author):
                firsts.setdefault(raw.author, raw.sequence)
                self.feeds.setdefault(raw.author, []).append(raw.data)
                contact = contact_of(_decode(raw.data))
                contacts += [] if contact is None else [contact]
        return Ingested(
            connection=connection,
            count=len(batch),
            progress=tuple(
                Progress(feed, first, len(self.feeds[feed]), key_of(self.feeds[feed][-1]))
                for feed, first in firsts.items()
            ),
            rejected=tuple(rejected),
            forks=tuple(forks),
            contacts=tuple(contacts),
            duplicates=tuple(duplicates),
        )

    def _check(
        self,
        raw: RawMessage,
        failed: set[FeedId],
        duplicates: list[tuple[FeedId, int]],
        forks: list[ForkProof],
    ) -> Reason | None:
        held = self.feeds.get(raw.author, [])
        if raw.author in self.forked:
            return Reason.FORKED
        if raw.sequence <= len(held):
            if held[raw.sequence - 1] == raw.data:
                duplicates.append((raw.author, raw.sequence))
            elif _decode(raw.data).valid:
                self.forked[raw.author] = None
                forks.append(ForkProof(_as_message(held[raw.sequence - 1]), _as_message(raw.data)))
            return None
        if raw.author in failed:
            return Reason.DEPENDS
        if raw.sequence > len(held) + 1:
            return Reason.SEQUENCE_GAP
        return None if _decode(raw.data).valid else Reason.SIGNATURE


def _as_message(data: bytes) -> Message:
    message = _decode(data)
    return Message(
        key=key_of(data),
        previous=None,
        author=message.author,
        sequence=message.sequence,
        timestamp=0.0,
        content=orjson.dumps(message.content),
        data=data,
    )


class MemoryBlobs:
    """One peer's blobs, and those that are on their way."""

    __slots__ = ("_coming", "held")

    def __init__(self) -> None:
        self._coming: dict[tuple[ConnectionId, int], bytes] = {}
        self.held: dict[BlobId, bytes] = {}

    def size(self, blob: BlobId) -> int | None:
        """Return the size of a blob, None if it is not here."""
        return len(self.held[blob]) if blob in self.held else None

    def add(self, data: bytes) -> BlobId:
        """Keep bytes; return their id."""
        blob = blob_id_from_bytes(hashlib.sha256(data).digest())
        self.held[blob] = data
        return blob

    def write(self, effect: WriteBlob) -> None:
        """Add bytes to what comes on a call."""
        key = (effect.connection, effect.call)
        self._coming[key] = self._coming.get(key, b"") + b"".join(effect.items)

    def drop(self, connection: ConnectionId, call: int) -> None:
        """Forget what came on a call."""
        self._coming.pop((connection, call), None)

    def finish(self, effect: FinishBlob, *, is_disk_full: bool) -> BlobStored | BlobFailed:
        """Keep what came on a call if it is the blob; return what it came to."""
        connection, call, blob = effect.connection, effect.call, effect.blob
        data = self._coming.pop((connection, call), b"")
        if is_disk_full:
            return BlobFailed(blob, connection, call, "disk full", is_peers_fault=False)
        if blob_id_from_bytes(hashlib.sha256(data).digest()) != blob:
            return BlobFailed(blob, connection, call, "wrong bytes", is_peers_fault=True)
        self.held[blob] = data
        return BlobStored(blob, len(data), connection, call)
