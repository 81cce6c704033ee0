"""The lab's log and blobs: in memory, decided by the store's own rules.

``MemoryLog`` keeps what ``lichen.store.ingest.decide`` lets through, audits what that leaves to an
audit, and knows what of it a power cut would leave: own messages always, for they are flushed
before anybody hears of them, and with them all that came before; of the transactions since then any
beginning.
"""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

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
from lichen.gossip.events import (
    Audited,
    AuditFailed,
    BlobFailed,
    BlobStored,
    ConnectionId,
    Ingested,
    Progress,
)
from lichen.lab.world.formats import StandInFormat
from lichen.store.ingest import Claimed, IngestResult, decide
from lichen.store.log.stretches import Stretches, count, with_stretches, without

STAND_IN = StandInFormat()
_FOR_EVER = 2**53


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


class _Transaction(msgspec.Struct):
    """What a transaction changed, to be undone by a crash."""

    stretches: dict[FeedId, Stretches]
    """What waited for the audit before, of the feeds for which that has changed."""
    added: list[FeedId] = []
    """The feed of each message that was added, in order."""


class MemoryLog:
    """One peer's log, and what of it a crash would leave."""

    __slots__ = (
        "_format", "_formats", "_fresh", "_own", "_signatures", "_states", "doubted", "feeds",
        "forked", "lost_contacts", "unaudited",
    )  # fmt: skip

    def __init__(self, own: FeedId, feed_format: FeedFormat = STAND_IN) -> None:
        self._own = own
        self._format = feed_format
        self._formats = {feed_format.name: feed_format}
        self._signatures = _Signatures()
        self._states: dict[FeedId, FeedState] = {}
        self._fresh: list[_Transaction] = []
        """What was not flushed yet, in order."""
        self.feeds: dict[FeedId, list[bytes]] = {}
        self.forked: dict[FeedId, int] = {}
        """Where a feed is proved to be forked."""
        self.unaudited: dict[FeedId, Stretches] = {}
        """What waits for the audit, by feed."""
        self.doubted: list[tuple[FeedId, int]] = []
        """Places to be audited before all others."""
        self.lost_contacts: list[Contact] = []
        """What was said about feeds in messages that had to go with a wrong one before them."""

    # What the brain and the store's rules look at

    def received(self, feed: FeedId) -> int:
        """Return the sequence of the last message held of a feed, 0 for none."""
        messages = self.feeds.get(feed)
        return 0 if messages is None else len(messages)

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
        """Return up to where every signature of a feed was checked."""
        if self.unaudited:
            stretches = self.unaudited.get(feed)
            if stretches:
                return stretches[0].first - 1
        messages = self.feeds.get(feed)
        return 0 if messages is None else len(messages)

    def is_audited(self, feed: FeedId, sequence: int) -> bool:
        """Tell whether the signature of a message was checked."""
        stretches = self.unaudited.get(feed, ())
        return not any(each.first <= sequence <= each.last for each in stretches)

    @property
    def unaudited_count(self) -> int:
        """Return how many messages wait for the audit."""
        return count(self.unaudited.values())

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

    def _read(self, data: bytes) -> ChainedMessage:
        raw = self._format.parse(data)
        chained = raw if isinstance(raw, Rejected) else self._format.chain_alone(raw)
        assert isinstance(chained, ChainedMessage), "only valid texts are in the log"
        return chained

    def contacts(self) -> tuple[Contact, ...]:
        """Return what the held messages say about feeds."""
        return tuple(
            contact for messages in self.feeds.values() for contact in self._contacts_in(messages)
        )

    def _contacts_in(self, messages: Sequence[bytes]) -> list[Contact]:
        found = (parse_contact(self._read(data)) for data in messages if b'"contact"' in data)
        return [contact for contact in found if contact is not None]

    # What is done to it

    def sync(self) -> None:
        """Flush everything: a crash loses nothing that is there now."""
        self._fresh.clear()

    @property
    def unflushed(self) -> int:
        """Return how many transactions a crash may lose."""
        return len(self._fresh)

    def crash(self, kept: int = 0) -> None:
        """Lose what was not flushed, but for the first ``kept`` transactions of it."""
        for done in reversed(self._fresh[kept:]):
            for feed in reversed(done.added):
                self._shorten(feed, len(self.feeds[feed]) - 1)
            self._set_stretches(done.stretches)
        self._fresh.clear()
        self.doubted.clear()

    def restore(self, feed: FeedId, length: int) -> None:
        """Keep only the beginning of a feed, as a backup does; it ends with what was checked."""
        if not self.is_audited(feed, length):
            length = self.audited(feed)
        self._shorten(feed, length)
        self._set_stretches({feed: without(self.unaudited.get(feed, ()), length + 1, _FOR_EVER)})

    def _shorten(self, feed: FeedId, length: int) -> None:
        self._states.pop(feed, None)
        if length:
            del self.feeds[feed][length:]
        else:
            self.feeds.pop(feed, None)

    def _set_stretches(self, changed: Mapping[FeedId, Stretches]) -> Mapping[FeedId, Stretches]:
        """Change what waits for the audit; return what was before."""
        before = {feed: self.unaudited.get(feed, ()) for feed in changed}
        for feed, stretches in changed.items():
            if stretches:
                self.unaudited[feed] = stretches
            else:
                self.unaudited.pop(feed, None)
        return before

    def append(self, data: bytes) -> Ingested:
        """Keep an own message, durably."""
        raw = self._format.parse(data)
        assert isinstance(raw, RawMessage), "it was made by this format"
        ingested = self.ingest(None, (raw,))
        self.sync()
        return ingested

    def ingest(
        self,
        connection: ConnectionId | None,
        batch: Sequence[RawMessage],
        source: FeedId | None = None,
        *,
        verifies_all: bool = True,
    ) -> Ingested:
        """Decide a batch and keep what is good; return what it came to."""
        return self.ingest_all(((connection, Claimed(batch, source, verifies_all)),))[0]

    def ingest_all(self, claims: Sequence[tuple[ConnectionId | None, Claimed]]) -> list[Ingested]:
        """Decide batches of several peers together, as one transaction does."""
        batches = [claim for _, claim in claims]
        decided = decide(batches, self._formats, self, self._signatures, self._own)
        feeds, added = self.feeds, []
        for message in decided.messages:
            author = message.author
            messages = feeds.get(author)
            if messages is None:
                feeds[author] = [message.data]
            else:
                messages.append(message.data)
            added.append(author)
            self._states[author] = FeedState(message.sequence, message.key)
        if added:
            before = self._set_stretches(with_stretches(self.unaudited, decided.unaudited))
            self._fresh.append(_Transaction(dict(before), added))
        for fork in decided.forks:
            self.forked[fork.first.author] = fork.first.sequence
        self.doubted += decided.doubted
        return [
            _answer(connection, result)
            for (connection, _), result in zip(claims, decided.results, strict=True)
        ]

    # The audit

    def audit(self, messages_max: int) -> list[Audited | AuditFailed]:
        """Check some of the signatures that wait; return what it came to."""
        while self.doubted:
            feed, sequence = self.doubted.pop(0)
            if sequence <= self.received(feed) and not self.is_audited(feed, sequence):
                return self._audit(feed, sequence, sequence)
        oldest = next(iter(self.unaudited), None)
        return [] if oldest is None else self.audit_feed(oldest, messages_max)

    def audit_feed(self, feed: FeedId, messages_max: int) -> list[Audited | AuditFailed]:
        """Check some of the signatures of a feed that wait, the oldest first."""
        oldest = self.unaudited[feed][0]
        return self._audit(feed, oldest.first, min(oldest.last, oldest.first + messages_max - 1))

    def _audit(self, feed: FeedId, first: int, last: int) -> list[Audited | AuditFailed]:
        """Check a part of one stretch; cut the feed off before what is wrong in it."""
        before = self.audited(feed)
        stretches = self.unaudited[feed]
        source = next(each.source for each in stretches if each.first <= first <= each.last)
        wrong = next(
            (
                sequence
                for sequence in range(first, last + 1)
                if isinstance(
                    self._format.verify(self._read(self.feeds[feed][sequence - 1])), Rejected
                )
            ),
            None,
        )
        if wrong is not None:
            last = _FOR_EVER
            self.lost_contacts += self._contacts_in(self.feeds[feed][wrong - 1 :])
            self._shorten(feed, wrong - 1)
            if self.forked.get(feed, 0) >= wrong:
                del self.forked[feed]
        old = self._set_stretches({feed: without(stretches, first, last)})
        self._fresh.append(_Transaction(dict(old)))
        if wrong is not None:
            self.sync()
        news: list[Audited | AuditFailed] = []
        if self.audited(feed) > before:
            news.append(Audited(((feed, self.audited(feed)),)))
        if wrong is not None:
            news.append(AuditFailed(feed, wrong, source))
        return news


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
