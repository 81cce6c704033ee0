"""Judging messages by their text alone: form, id, place in the feed, signature.

What the log says beside the text (its columns and indexes) is not believed here; who checks the
log compares it with what was found. A feed ends at its first message that does not hold.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from lichen.feed.formats import FeedFormat
from lichen.feed.message import ChainedMessage, FeedId, FeedState, Reason, Rejected
from lichen.store.checking.signatures import SignatureThreads
from lichen.store.log.reader import LogRow

HEADS_AT_ONCE = 500
"""Newest messages whose signatures are checked together."""


class Judged(msgspec.Struct, frozen=True):
    """A row as its text proves it: a chained message, or why it is none."""

    row: LogRow
    author: FeedId | None
    sequence: int
    message: ChainedMessage | None = None
    reason: Reason | None = None


class Judge:
    """Judges rows in the order of receipt; remembers where each feed stands and which ended."""

    __slots__ = (
        "_format_names",
        "_formats",
        "_heads",
        "_states",
        "_threads",
        "ended",
        "signatures",
    )

    def __init__(
        self,
        formats: Mapping[str, FeedFormat],
        format_names: Mapping[int, str],
        threads: SignatureThreads,
    ) -> None:
        self._formats = formats
        self._format_names = format_names
        self._threads = threads
        self._states: dict[FeedId, FeedState] = {}
        self._heads: dict[FeedId, ChainedMessage] = {}
        self.ended: dict[FeedId, int] = {}
        """Feeds with a message that does not hold, and its sequence."""
        self.signatures = 0
        """How many signatures were checked."""

    def judge(self, rows: Sequence[LogRow], *, checks_signatures: bool) -> list[Judged]:
        """Judge rows that follow those judged before."""
        chained = [self._chain(row) for row in rows]
        if not checks_signatures:
            return chained
        messages = [found.message for found in chained if found.message is not None]
        bad = self._verify(messages)
        return [self._settle(found, bad) for found in chained]

    def bad_heads(self) -> Iterator[ChainedMessage]:
        """Yield the newest messages of feeds whose signatures do not hold."""
        heads = [head for feed, head in self._heads.items() if feed not in self.ended]
        for start in range(0, len(heads), HEADS_AT_ONCE):
            together = heads[start : start + HEADS_AT_ONCE]
            bad = self._verify(together)
            for head in together:
                if bad.get(head.author) == head.sequence:
                    self.ended[head.author] = head.sequence
                    yield head

    def state(self, feed: FeedId) -> FeedState | None:
        """Return where a feed stands by what held."""
        return self._states.get(feed)

    def _chain(self, row: LogRow) -> Judged:
        name = self._format_names.get(row[1], "")
        feed_format = self._formats.get(name) or next(iter(self._formats.values()))
        raw = feed_format.parse(row[5])
        if isinstance(raw, Rejected):
            return Judged(row, None, row[2], reason=raw.reason)
        if raw.author in self.ended:
            return Judged(row, raw.author, raw.sequence, reason=Reason.DEPENDS)
        found = feed_format.chain(raw, self._states.get(raw.author))
        if isinstance(found, Rejected):
            self.ended[raw.author] = self._next(raw.author)
            return Judged(row, raw.author, raw.sequence, reason=found.reason)
        self._states[raw.author] = FeedState(found.sequence, found.key)
        self._heads[raw.author] = found
        return Judged(row, raw.author, raw.sequence, message=found)

    def _next(self, feed: FeedId) -> int:
        state = self._states.get(feed)
        return 1 if state is None else state.sequence + 1

    def _verify(self, messages: Sequence[ChainedMessage]) -> dict[FeedId, int]:
        """Return the first message of each feed whose signature does not hold."""
        signatures = self._threads.begin()
        try:
            for number, message in enumerate(messages):
                signatures.add(number, self._formats[message.format], message)
        finally:
            verdicts = signatures.finish()
        self.signatures += len(messages)
        bad: dict[FeedId, int] = {}
        for number, message in enumerate(messages):
            if isinstance(verdicts[number], Rejected):
                bad[message.author] = min(
                    message.sequence, bad.get(message.author, message.sequence)
                )
        return bad

    def _settle(self, found: Judged, bad: Mapping[FeedId, int]) -> Judged:
        message = found.message
        first = None if message is None else bad.get(message.author)
        if message is None or first is None or message.sequence < first:
            return found
        self.ended[message.author] = first
        reason = Reason.SIGNATURE if message.sequence == first else Reason.DEPENDS
        return Judged(found.row, found.author, found.sequence, reason=reason)
