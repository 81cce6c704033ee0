"""The second pass of a decision: verdicts are settled in order, on what truly holds."""

from collections.abc import Mapping

from lichen.feed.content import Contact, parse_contact
from lichen.feed.formats import FeedFormat
from lichen.feed.message import (
    ChainedMessage,
    FeedId,
    FeedState,
    ForkProof,
    Message,
    MsgId,
    RawMessage,
    Reason,
    Rejected,
    prove_fork,
)
from lichen.store.ingest.values import Grown, HeldLog, IngestResult, Kept, Unaudited
from lichen.store.signatures import Verdict


class Answer:
    """What one batch came to, as it grows."""

    __slots__ = ("contacts", "duplicates", "forks", "grown", "refused", "rejected", "source")

    def __init__(self, source: FeedId | None) -> None:
        self.source = source
        self.grown: dict[FeedId, tuple[int, Kept]] = {}
        self.rejected: list[Rejected] = []
        self.forks: list[ForkProof] = []
        self.contacts: list[Contact] = []
        self.duplicates: list[tuple[FeedId, int]] = []
        self.refused: set[FeedId] = set()

    def accept(self, message: Kept) -> None:
        """Note that a message will be in the log."""
        feed = message.author
        known = self.grown.get(feed)
        self.grown[feed] = (message.sequence if known is None else known[0], message)
        contact = parse_contact(message)
        if contact is not None:
            self.contacts.append(contact)

    def refuse(self, rejected: Rejected, feed: FeedId) -> None:
        """Note a refusal; a gap that an earlier refusal made is told as such."""
        if feed in self.refused and rejected.reason in (Reason.SEQUENCE_GAP, Reason.PREVIOUS):
            rejected = Rejected(Reason.DEPENDS, rejected.author, rejected.sequence)
        self.refused.add(feed)
        self.rejected.append(rejected)

    def result(self, count: int) -> IngestResult:
        """Return the answer as a value."""
        return IngestResult(
            count=count,
            progress=tuple(
                Grown(feed, first, last.sequence, last.key)
                for feed, (first, last) in self.grown.items()
            ),
            rejected=tuple(self.rejected),
            forks=tuple(self.forks),
            contacts=tuple(self.contacts),
            duplicates=tuple(self.duplicates),
        )


class _Standing:
    """Where a feed truly stands while a transaction is being put together."""

    __slots__ = ("had_refusal", "is_forked", "messages", "state", "unaudited")

    def __init__(self, state: FeedState | None, is_forked: bool) -> None:
        self.state = state
        self.is_forked = is_forked
        self.had_refusal = False
        self.messages: dict[int, Kept] = {}
        self.unaudited: list[tuple[int, int, FeedId | None]] = []

    def leave_to_audit(self, sequence: int, source: FeedId | None) -> None:
        """Note that a signature was not checked; what lies between two is taken in."""
        stretches = self.unaudited
        if stretches and stretches[-1][2] == source:
            stretches[-1] = (stretches[-1][0], sequence, source)
        else:
            stretches.append((sequence, sequence, source))


class Settlement:
    """Decides messages in order, on what truly holds."""

    __slots__ = ("_formats", "_log", "_standings", "doubted", "forks", "messages")

    def __init__(self, formats: Mapping[str, FeedFormat], log: HeldLog) -> None:
        self._formats = formats
        self._log = log
        self._standings: dict[FeedId, _Standing] = {}
        self.messages: list[Kept] = []
        self.forks: list[ForkProof] = []
        self.doubted: list[tuple[FeedId, int]] = []

    def unaudited(self) -> list[Unaudited]:
        """Return the stretches whose signatures are left to the audit."""
        return [
            Unaudited(feed, first, last, source)
            for feed, standing in self._standings.items()
            for first, last, source in standing.unaudited
        ]

    def settle(
        self, raw: RawMessage, outcome: Verdict | ChainedMessage | None, answer: Answer
    ) -> None:
        """Decide one message, given what the hopeful pass found, and note it in the answer."""
        feed = raw.author
        standing = self._standings.get(feed)
        if standing is None:
            standing = _Standing(self._log.state(feed), self._log.is_forked(feed))
            self._standings[feed] = standing
        feed_format = self._formats.get(raw.format)
        if feed_format is None:
            answer.refuse(Rejected(Reason.FORMAT, feed, raw.sequence), feed)
            return
        if standing.state is not None and raw.sequence <= standing.state.sequence:
            self._settle_held(raw, feed_format, standing, answer)
            return
        if standing.is_forked:
            answer.refuse(Rejected(Reason.FORKED, feed, raw.sequence), feed)
            return
        if outcome is None or standing.had_refusal:
            # The hopeful pass went on from a message that was refused since.
            outcome = _decide_alone(raw, feed_format, standing.state)
        if isinstance(outcome, Rejected):
            standing.had_refusal = True
            if outcome.reason is Reason.PREVIOUS and standing.state is not None:
                _, held = self._held(feed, standing.state.sequence, standing)
                self._settle_contradiction(raw, held, feed_format, standing, answer)
            else:
                answer.refuse(outcome, feed)
            return
        standing.state = FeedState(outcome.sequence, outcome.key)
        standing.messages[outcome.sequence] = outcome
        if type(outcome) is ChainedMessage:
            standing.leave_to_audit(outcome.sequence, answer.source)
        self.messages.append(outcome)
        answer.accept(outcome)

    def _settle_held(
        self, raw: RawMessage, feed_format: FeedFormat, standing: _Standing, answer: Answer
    ) -> None:
        """Decide a message in whose place another one is held already, or the same."""
        held_key, held_data = self._held(raw.author, raw.sequence, standing)
        is_same = held_data == raw.data
        if not is_same:
            other = feed_format.chain_alone(raw)
            if isinstance(other, ChainedMessage) and other.key == held_key:
                is_same = True
                if not self._is_audited(raw.author, raw.sequence, standing):
                    # Of two texts with one id one is false, or both: the signature tells.
                    verdict = feed_format.verify(other)
                    if isinstance(verdict, Rejected):
                        answer.refuse(verdict, raw.author)
                        return
                    self.doubted.append((raw.author, raw.sequence))
        if is_same:
            answer.duplicates.append((raw.author, raw.sequence))
        else:
            self._settle_contradiction(raw, held_data, feed_format, standing, answer)

    def _settle_contradiction(
        self,
        raw: RawMessage,
        held: bytes,
        feed_format: FeedFormat,
        standing: _Standing,
        answer: Answer,
    ) -> None:
        """Decide a message that cannot be true beside a held one: a fork if it is signed."""
        feed = raw.author
        if standing.is_forked:
            answer.refuse(Rejected(Reason.FORKED, feed, raw.sequence), feed)
            return
        alone = feed_format.chain_alone(raw)
        verdict = feed_format.verify(alone) if isinstance(alone, ChainedMessage) else alone
        if isinstance(verdict, Rejected):
            answer.refuse(verdict, feed)
            return
        first = _held_message(held, feed_format)
        if isinstance(first, Rejected):
            # What is held is false, so it proves nothing; its audit will take it away.
            self.doubted.append((feed, first.sequence))
            answer.refuse(Rejected(Reason.DEPENDS, feed, raw.sequence), feed)
            return
        fork = prove_fork(first, verdict)
        assert fork is not None, "two messages that contradict each other prove a fork"
        standing.is_forked = True
        self.forks.append(fork)
        answer.forks.append(fork)

    def _is_audited(self, feed: FeedId, sequence: int, standing: _Standing) -> bool:
        message = standing.messages.get(sequence)
        if message is not None:
            return type(message) is Message
        return self._log.is_audited(feed, sequence)

    def _held(self, feed: FeedId, sequence: int, standing: _Standing) -> tuple[MsgId, bytes]:
        message = standing.messages.get(sequence)
        if message is not None:
            return message.key, message.data
        held = self._log.held(feed, sequence)
        assert held is not None, "a feed in the log has no gaps"
        return held


def _decide_alone(raw: RawMessage, feed_format: FeedFormat, state: FeedState | None) -> Verdict:
    chained = feed_format.chain(raw, state)
    return feed_format.verify(chained) if isinstance(chained, ChainedMessage) else chained


def _held_message(data: bytes, feed_format: FeedFormat) -> Verdict:
    """Read a message back from its text in the log: only its signature may be in doubt."""
    raw = feed_format.parse(data)
    chained = raw if isinstance(raw, Rejected) else feed_format.chain_alone(raw)
    assert isinstance(chained, ChainedMessage), "only valid texts are in the log"
    return feed_format.verify(chained)
