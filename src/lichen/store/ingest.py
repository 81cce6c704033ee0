"""From claimed messages to decided ones: chain, signature, place in the feed; nothing is written.

A batch is decided in two passes. First every message is chained, in order, on the state its feed
would have if all before it were good, and its signature is queued for the threads. Then verdicts
are settled in order on what truly holds: the good prefix of each feed stays; once a feed has had a
refusal, its later messages are decided one by one. No feed depends on another. Several peers'
batches are decided together and answered apart.

Refused: what the feed format refuses; messages that do not follow the last one held; everything of
a feed with a proved fork. A message already held is a duplicate; another one in its place, with a
good signature, proves a fork (Scuttlebutt Protocol Guide, Feeds; ssb-validate).
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

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
from lichen.store.signatures import Verdict


class HeldLog(Protocol):
    """The log as the rules see it: what a transaction builds on."""

    def state(self, feed: FeedId) -> FeedState | None:
        """Return where a feed stands, None if it is empty."""
        ...

    def is_forked(self, feed: FeedId) -> bool:
        """Tell whether a fork of a feed is proved."""
        ...

    def held(self, feed: FeedId, sequence: int) -> tuple[MsgId, bytes] | None:
        """Return key and text of a message, None if it is not here."""
        ...


class Pass(Protocol):
    """The signatures of one transaction."""

    def add(self, number: int, feed_format: FeedFormat, message: ChainedMessage) -> None:
        """Have a signature checked."""
        ...

    def finish(self) -> dict[int, Verdict]:
        """Return all verdicts by number."""
        ...


class Signatures(Protocol):
    """Who checks signatures: threads here, nobody in particular in the lab."""

    def begin(self) -> Pass:
        """Begin a transaction."""
        ...


class Grown(msgspec.Struct, frozen=True):
    """A feed has grown: ``first`` to ``last`` are new in the log, ``key`` is the last's."""

    feed: FeedId
    first: int
    last: int
    key: MsgId


class IngestResult(msgspec.Struct, frozen=True):
    """What one batch came to. What it says of growth is in the log."""

    count: int
    progress: tuple[Grown, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    forks: tuple[ForkProof, ...] = ()
    contacts: tuple[Contact, ...] = ()
    duplicates: tuple[tuple[FeedId, int], ...] = ()


class Decided(msgspec.Struct, frozen=True):
    """All that one transaction will write, and each batch's answer once it is written."""

    messages: list[Message]
    forks: list[ForkProof]
    results: list[IngestResult]


def decide(
    batches: Sequence[Sequence[RawMessage]],
    formats: Mapping[str, FeedFormat],
    log: HeldLog,
    threads: Signatures,
) -> Decided:
    """Decide several batches as if they had come one after the other."""
    outcomes = _chain_all(batches, formats, log, threads)
    settlement = _Settlement(formats, log)
    number = 0
    results: list[IngestResult] = []
    for batch in batches:
        answer = _Answer()
        for raw in batch:
            settlement.settle(raw, outcomes[number], answer)
            number += 1
        results.append(answer.result(len(batch)))
    return Decided(settlement.messages, settlement.forks, results)


def _chain_all(
    batches: Sequence[Sequence[RawMessage]],
    formats: Mapping[str, FeedFormat],
    log: HeldLog,
    threads: Signatures,
) -> list[Verdict | None]:
    """Chain everything hopefully and check all signatures; None: it is not ahead of its feed."""
    states: dict[FeedId, FeedState | None] = {}
    outcomes: list[Verdict | None] = []
    signatures = threads.begin()
    try:
        for batch in batches:
            for raw in batch:
                feed = raw.author
                if feed in states:
                    state = states[feed]
                else:
                    state = states[feed] = log.state(feed)
                feed_format = formats.get(raw.format)
                outcome: ChainedMessage | Verdict | None
                if feed_format is None:
                    outcome = Rejected(Reason.FORMAT, feed, raw.sequence)
                elif log.is_forked(feed) or (state is not None and raw.sequence <= state.sequence):
                    outcome = None
                else:
                    outcome = feed_format.chain(raw, state)
                if isinstance(outcome, ChainedMessage):
                    assert feed_format is not None
                    signatures.add(len(outcomes), feed_format, outcome)
                    states[feed] = FeedState(outcome.sequence, outcome.key)
                    outcome = None
                outcomes.append(outcome)
    finally:
        verdicts = signatures.finish()
    for number, verdict in verdicts.items():
        outcomes[number] = verdict
    return outcomes


class _Answer:
    """What one batch came to, as it grows."""

    __slots__ = ("contacts", "duplicates", "forks", "grown", "refused", "rejected")

    def __init__(self) -> None:
        self.grown: dict[FeedId, tuple[int, Message]] = {}
        self.rejected: list[Rejected] = []
        self.forks: list[ForkProof] = []
        self.contacts: list[Contact] = []
        self.duplicates: list[tuple[FeedId, int]] = []
        self.refused: set[FeedId] = set()

    def accept(self, message: Message) -> None:
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

    __slots__ = ("had_refusal", "is_forked", "messages", "state")

    def __init__(self, state: FeedState | None, is_forked: bool) -> None:
        self.state = state
        self.is_forked = is_forked
        self.had_refusal = False
        self.messages: dict[int, Message] = {}


class _Settlement:
    """Decides messages in order, on what truly holds."""

    __slots__ = ("_formats", "_log", "_standings", "forks", "messages")

    def __init__(self, formats: Mapping[str, FeedFormat], log: HeldLog) -> None:
        self._formats = formats
        self._log = log
        self._standings: dict[FeedId, _Standing] = {}
        self.messages: list[Message] = []
        self.forks: list[ForkProof] = []

    def settle(self, raw: RawMessage, outcome: Verdict | None, answer: _Answer) -> None:
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
        self.messages.append(outcome)
        answer.accept(outcome)

    def _settle_held(
        self, raw: RawMessage, feed_format: FeedFormat, standing: _Standing, answer: _Answer
    ) -> None:
        """Decide a message in whose place another one is held already, or the same."""
        held_key, held_data = self._held(raw.author, raw.sequence, standing)
        is_same = held_data == raw.data
        if not is_same:
            other = feed_format.chain_alone(raw)
            is_same = isinstance(other, ChainedMessage) and other.key == held_key
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
        answer: _Answer,
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
        fork = prove_fork(_held_message(held, feed_format), verdict)
        assert fork is not None, "two messages that contradict each other prove a fork"
        standing.is_forked = True
        self.forks.append(fork)
        answer.forks.append(fork)

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


def _held_message(data: bytes, feed_format: FeedFormat) -> Message:
    """Read a message back from its text in the log, where only valid ones are."""
    raw = feed_format.parse(data)
    chained = raw if isinstance(raw, Rejected) else feed_format.chain_alone(raw)
    message = chained if isinstance(chained, Rejected) else feed_format.verify(chained)
    assert isinstance(message, Message), "only valid messages are in the log"
    return message
