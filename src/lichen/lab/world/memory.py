"""The lab's log and blobs: in memory, decided by the store's own rules.

``MemoryLog`` keeps what ``lichen.store.ingest.decide`` lets through, and knows what of it a power
cut would leave: own messages always, for they are flushed before anybody hears of them, and with
them all that came before; of others' messages since then any beginning.
"""

import hashlib
from collections.abc import Mapping, Sequence

from lichen.feed.content import Contact, parse_contact
from lichen.feed.formats import FeedFormat
from lichen.feed.message import (
    BlobId,
    ChainedMessage,
    FeedId,
    FeedState,
    Message,
    MsgId,
    RawMessage,
    Rejected,
)
from lichen.feed.refs import blob_id_from_bytes
from lichen.gossip.effects import FinishBlob, WriteBlob
from lichen.gossip.events import BlobFailed, BlobStored, ConnectionId, Ingested, Progress
from lichen.lab.world.formats import StandInFormat
from lichen.store.ingest import Claimed, IngestResult, decide

STAND_IN = StandInFormat()


class _Signatures:
    """Checks signatures on the spot: in virtual time there is nothing to gain from threads."""

    __slots__ = ("_found",)

    def begin(self) -> "_Signatures":
        self._found: dict[int, Message | Rejected] = {}
        return self

    def add(self, number: int, feed_format: FeedFormat, message: ChainedMessage) -> None:
        self._found[number] = feed_format.verify(message)

    def finish(self) -> dict[int, Message | Rejected]:
        return self._found


class MemoryLog:
    """One peer's log, and what of it a crash would leave."""

    __slots__ = ("_format", "_formats", "_fresh", "_signatures", "_states", "feeds", "forked")

    def __init__(self, own: FeedId, feed_format: FeedFormat = STAND_IN) -> None:
        self._format = feed_format
        self._formats = {feed_format.name: feed_format}
        self._signatures = _Signatures()
        self._states: dict[FeedId, FeedState] = {}
        self._fresh: list[FeedId] = []
        """The feed of each message that was not flushed yet, in order."""
        self.feeds: dict[FeedId, list[bytes]] = {}
        self.forked: dict[FeedId, None] = {}

    # What the brain and the store's rules look at

    def received(self, feed: FeedId) -> int:
        """Return the sequence of the last message held of a feed, 0 for none."""
        messages = self.feeds.get(feed)
        return 0 if messages is None else len(messages)

    def clock(self) -> Mapping[FeedId, int]:
        """Return feed to last held sequence."""
        return {feed: len(messages) for feed, messages in self.feeds.items()}

    def state(self, feed: FeedId) -> FeedState | None:
        """Return where a feed stands."""
        messages = self.feeds.get(feed)
        if not messages:
            return None
        state = self._states.get(feed)
        if state is None or state.sequence != len(messages):
            state = self._states[feed] = FeedState(len(messages), self._read(messages[-1]).key)
        return state

    def audited(self, feed: FeedId) -> int:
        """Return up to which message every signature of a feed was checked."""
        return self.received(feed)

    def audited_clock(self) -> Mapping[FeedId, int]:
        """Return feed to last audited sequence."""
        return self.clock()

    def is_audited(self, feed: FeedId, sequence: int) -> bool:
        """Tell whether the signature of a message was checked."""
        return sequence <= self.audited(feed)

    def is_forked(self, feed: FeedId) -> bool:
        """Tell whether a feed is known to be forked."""
        return feed in self.forked

    def held(self, feed: FeedId, sequence: int) -> tuple[MsgId, bytes] | None:
        """Return key and text of a message, None if it is not here."""
        messages = self.feeds.get(feed, [])
        if not 0 < sequence <= len(messages):
            return None
        data = messages[sequence - 1]
        return self._read(data).key, data

    def _read(self, data: bytes) -> Message:
        raw = self._format.parse(data)
        chained = raw if isinstance(raw, Rejected) else self._format.chain_alone(raw)
        message = chained if isinstance(chained, Rejected) else self._format.verify(chained)
        assert isinstance(message, Message), "only valid messages are in the log"
        return message

    def contacts(self) -> tuple[Contact, ...]:
        """Return what the held messages say about feeds."""
        found = (
            parse_contact(self._read(data))
            for messages in self.feeds.values()
            for data in messages
            if b'"contact"' in data
        )
        return tuple(contact for contact in found if contact is not None)

    # What is done to it

    def sync(self) -> None:
        """Flush everything: a crash loses nothing that is there now."""
        self._fresh.clear()

    @property
    def unflushed(self) -> int:
        """Return how many messages a crash may lose."""
        return len(self._fresh)

    def crash(self, kept: int = 0) -> None:
        """Lose what was not flushed, but for the first ``kept`` messages of it."""
        for feed in reversed(self._fresh[kept:]):
            self.cut(feed, len(self.feeds[feed]) - 1)
        self._fresh.clear()

    def cut(self, feed: FeedId, length: int) -> None:
        """Keep only the beginning of a feed, as a backup does."""
        self._states.pop(feed, None)
        if length:
            del self.feeds[feed][length:]
        else:
            self.feeds.pop(feed, None)

    def append(self, data: bytes) -> Ingested:
        """Keep an own message, durably."""
        raw = self._format.parse(data)
        assert isinstance(raw, RawMessage), "it was made by this format"
        ingested = self.ingest(None, (raw,))
        self.sync()
        return ingested

    def ingest(self, connection: ConnectionId | None, batch: Sequence[RawMessage]) -> Ingested:
        """Decide a batch and keep what is good; return what it came to."""
        return self.ingest_all(((connection, batch),))[0]

    def ingest_all(
        self, batches: Sequence[tuple[ConnectionId | None, Sequence[RawMessage]]]
    ) -> list[Ingested]:
        """Decide batches of several peers together, as one transaction does."""
        claims = [Claimed(batch) for _, batch in batches]
        decided = decide(claims, self._formats, self, self._signatures)
        feeds, fresh = self.feeds, self._fresh
        for message in decided.messages:
            author = message.author
            messages = feeds.get(author)
            if messages is None:
                feeds[author] = [message.data]
            else:
                messages.append(message.data)
            fresh.append(author)
            self._states[author] = FeedState(message.sequence, message.key)
        for fork in decided.forks:
            self.forked[fork.first.author] = None
        return [
            _answer(connection, result)
            for (connection, _), result in zip(batches, decided.results, strict=True)
        ]


def _answer(connection: ConnectionId | None, result: IngestResult) -> Ingested:
    return Ingested(
        connection=connection,
        count=result.count,
        progress=tuple(
            Progress(grown.feed, grown.first, grown.last, grown.key) for grown in result.progress
        ),
        rejected=result.rejected,
        forks=result.forks,
        contacts=result.contacts,
        duplicates=result.duplicates,
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

    def crash(self) -> None:
        """Forget all that was on its way."""
        self._coming.clear()

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
