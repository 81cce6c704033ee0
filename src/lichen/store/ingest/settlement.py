"""The second pass of a decision: verdicts are settled in order, on what truly holds."""

from collections.abc import Iterator, Mapping

from lichen.feed.content import Contact, parse_contact
from lichen.feed.formats import FeedFormat
from lichen.feed.message import (
    Candidate,
    ChainedMessage,
    FeedId,
    FeedState,
    ForkProof,
    Message,
    MsgId,
    RawMessage,
    Reason,
    Rejected,
    check_place,
    prove_fork,
)
from lichen.store.checking.signatures import Verdict
from lichen.store.ingest.values import Claimed, Grown, HeldLog, IngestResult, Kept, Unaudited

Outcome = Verdict | ChainedMessage | None
"""What the hopeful pass found. ``ChainedMessage``: bound by a later signature, its own unchecked.
None: not ahead of its feed."""
_KEPT = (Message, ChainedMessage)


class Answer:
    """What one batch came to, as it grows."""

    __slots__ = ("contacts", "duplicates", "forks", "grown", "refused", "rejected", "source")

    def __init__(self, source: FeedId | None) -> None:
        self.source = source
        self.grown: list[tuple[_Standing, int]] = []
        """Feeds that grew, and the sequence from which on."""
        self.rejected: list[Rejected] = []
        self.forks: list[ForkProof] = []
        self.contacts: list[Contact] = []
        self.duplicates: list[tuple[FeedId, int]] = []
        self.refused: set[FeedId] = set()

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
                Grown(standing.feed, first, standing.kept[-1].sequence, standing.kept[-1].key)
                for standing, first in self.grown
            ),
            rejected=tuple(self.rejected),
            forks=tuple(self.forks),
            contacts=tuple(self.contacts),
            duplicates=tuple(self.duplicates),
        )


class _Standing:
    """Where a feed truly stands while a transaction is being put together."""

    __slots__ = (
        "_before", "answer", "feed", "first", "is_forked", "is_hopeful", "kept", "last",
        "unaudited",
    )  # fmt: skip

    def __init__(self, feed: FeedId, state: FeedState | None, is_forked: bool) -> None:
        self.feed = feed
        self._before = state
        self.is_forked = is_forked
        self.is_hopeful = not is_forked
        """Nothing was refused: the feed stands where the hopeful pass thought it would."""
        self.kept: list[Kept] = []
        self.answer: Answer | None = None
        """The answer that says of the last message kept."""
        self.unaudited: list[tuple[int, int, FeedId | None]] = []
        self.first = self.last = 0
        """The stretch that is growing, of those left to the audit and sent by one source."""

    @property
    def state(self) -> FeedState | None:
        """Return where the feed stands."""
        if self.kept:
            return FeedState(self.kept[-1].sequence, self.kept[-1].key)
        return self._before

    def find(self, sequence: int) -> Kept | None:
        """Return a message kept in this transaction."""
        place = sequence - self.kept[0].sequence if self.kept else -1
        return self.kept[place] if 0 <= place < len(self.kept) else None

    def answer_to(self, answer: Answer, first: int) -> None:
        """Have another answer say of what is kept from here on: of ``first`` for a start."""
        self.end_stretch()
        self.answer = answer
        answer.grown.append((self, first))

    def end_stretch(self) -> None:
        """Begin another stretch; what lies between two messages of one is taken in."""
        if self.first:
            assert self.answer is not None, "an answer has said of these messages"
            source = self.answer.source
            if self.unaudited and self.unaudited[-1][2] == source:
                self.unaudited[-1] = (self.unaudited[-1][0], self.last, source)
            else:
                self.unaudited.append((self.first, self.last, source))
        self.first = 0


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
        """Return the stretches whose signatures are left to the audit: all is settled."""
        for standing in self._standings.values():
            standing.end_stretch()
            # Answers know standings: the circle would keep every message until it is found.
            standing.answer = None
        return [
            Unaudited(standing.feed, first, last, source)
            for standing in self._standings.values()
            for first, last, source in standing.unaudited
        ]

    def settle(self, claim: Claimed, outcomes: Iterator[Outcome]) -> IngestResult:
        """Decide a batch, given what the hopeful pass found of each message."""
        answer = Answer(claim.source)
        standings, messages = self._standings, self.messages
        # Most messages are as hoped for. What is done for each here, is done a million times.
        for raw in claim.batch:
            outcome = next(outcomes)
            standing = standings.get(raw.author)
            if standing is None:
                standing = self._begin(raw.author)
            kept: Kept | None
            if standing.is_hopeful and isinstance(outcome, _KEPT):
                kept = outcome
            else:
                kept = self._decide(raw, outcome, standing, answer)
                if kept is None:
                    continue
            if standing.answer is not answer:
                standing.answer_to(answer, kept.sequence)
            standing.kept.append(kept)
            messages.append(kept)
            if type(kept) is ChainedMessage:
                standing.last = kept.sequence
                standing.first = standing.first or kept.sequence
            elif b'"contact"' in kept.content:
                contact = parse_contact(kept)
                if contact is not None:
                    answer.contacts.append(contact)
        return answer.result(len(claim.batch))

    def _begin(self, feed: FeedId) -> _Standing:
        standing = _Standing(feed, self._log.state(feed), self._log.is_forked(feed))
        self._standings[feed] = standing
        return standing

    def _decide(
        self, raw: Candidate, outcome: Outcome, standing: _Standing, answer: Answer
    ) -> Kept | None:
        """Decide a message that is not as hoped for, or comes after one; None: it is not kept."""
        feed = raw.author
        feed_format = self._formats.get(raw.format)
        if feed_format is None:
            answer.refuse(Rejected(Reason.FORMAT, feed, raw.sequence), feed)
            return None
        state = standing.state
        if state is not None and raw.sequence <= state.sequence:
            self._settle_held(raw, feed_format, standing, answer)
            return None
        if standing.is_forked:
            answer.refuse(Rejected(Reason.FORKED, feed, raw.sequence), feed)
            return None
        if outcome is None or not standing.is_hopeful:
            # The hopeful pass went on from a message that was refused since.
            outcome = _decide_alone(raw, feed_format, state)
        if isinstance(outcome, Rejected):
            standing.is_hopeful = False
            if outcome.reason is Reason.PREVIOUS and state is not None:
                _, held = self._held(feed, state.sequence, standing)
                self._settle_contradiction(raw, held, feed_format, standing, answer)
            else:
                answer.refuse(outcome, feed)
            return None
        return outcome

    def _settle_held(
        self, raw: Candidate, feed_format: FeedFormat, standing: _Standing, answer: Answer
    ) -> None:
        """Decide a message in whose place another one is held already, or the same."""
        held_key, held_data = self._held(raw.author, raw.sequence, standing)
        is_same = held_data == raw.data
        if not is_same:
            other = _chain_alone(raw, feed_format)
            if not isinstance(other, Rejected) and other.key == held_key:
                is_same = True
                if not self._is_audited(raw.author, raw.sequence, standing):
                    # Of two texts with one id one is false, or both: the signature tells.
                    verdict = _verify(other, feed_format)
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
        raw: Candidate,
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
        verdict = _verify(_chain_alone(raw, feed_format), feed_format)
        if isinstance(verdict, Rejected):
            answer.refuse(verdict, feed)
            return
        first = _held_message(held, feed_format)
        fork = None if isinstance(first, Rejected) else prove_fork(first, verdict)
        if fork is None:
            # What is held is false, so it proves nothing: its audit will take it away, or the disk
            # has changed it.
            held_at = raw.sequence if standing.state is None else standing.state.sequence
            self.doubted.append((feed, min(raw.sequence, held_at)))
            answer.refuse(Rejected(Reason.DEPENDS, feed, raw.sequence), feed)
            return
        standing.is_forked = True
        standing.is_hopeful = False
        self.forks.append(fork)
        answer.forks.append(fork)

    def _is_audited(self, feed: FeedId, sequence: int, standing: _Standing) -> bool:
        message = standing.find(sequence)
        if message is not None:
            return type(message) is Message
        return self._log.is_audited(feed, sequence)

    def _held(self, feed: FeedId, sequence: int, standing: _Standing) -> tuple[MsgId, bytes]:
        message = standing.find(sequence)
        if message is not None:
            return message.key, message.data
        held = self._log.held(feed, sequence)
        assert held is not None, "a feed in the log has no gaps"
        return held


def chain(
    candidate: Candidate, feed_format: FeedFormat, state: FeedState | None
) -> Kept | Rejected:
    """Check what is not proved of a message yet, but for its signature."""
    if isinstance(candidate, RawMessage):
        return feed_format.chain(candidate, state)
    return check_place(candidate, state)


def _chain_alone(candidate: Candidate, feed_format: FeedFormat) -> Kept | Rejected:
    return feed_format.chain_alone(candidate) if isinstance(candidate, RawMessage) else candidate


def _verify(message: Kept | Rejected, feed_format: FeedFormat) -> Verdict:
    return feed_format.verify(message) if isinstance(message, ChainedMessage) else message


def _decide_alone(raw: Candidate, feed_format: FeedFormat, state: FeedState | None) -> Verdict:
    return _verify(chain(raw, feed_format, state), feed_format)


def _held_message(data: bytes, feed_format: FeedFormat) -> Verdict:
    """Read a message back from its text in the log."""
    raw = feed_format.parse(data)
    chained = raw if isinstance(raw, Rejected) else feed_format.chain_alone(raw)
    return chained if isinstance(chained, Rejected) else feed_format.verify(chained)
