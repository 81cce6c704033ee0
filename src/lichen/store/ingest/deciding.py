"""Deciding batches: what is checked at once, and what may wait for its audit.

A batch is decided in two passes. First every message is chained, in order, on the state its feed
would have if all before it were good. Then verdicts are settled in order on what truly holds: the
good prefix of each feed stays; once a feed has had a refusal, its later messages are decided one by
one. No feed depends on another. Several peers' batches are decided together and answered apart.

In between, signatures are checked, all of them or chain first: that of the newest of each feed's
run, and of every message that its chain does not bind to the letter or that too much hangs on. An
id hashes the signature and the low byte of each UTF-16 unit, and ``previous`` names it; so the
newest's signature makes sure that the author wrote all before it, but for letters beyond U+007F
(Scuttlebutt Protocol Guide, Feeds: message ids). If one of those checks fails, its feed's run is
checked one by one.

Refused: what the feed format refuses; messages that do not follow the last one held; everything of
a feed with a proved fork. A message already held is a duplicate; another one in its place proves a
fork if both are validly signed (ssb-validate).
"""

from collections.abc import Callable, Mapping, Sequence

from lichen.feed.content import is_due
from lichen.feed.formats import FeedFormat
from lichen.feed.message import ChainedMessage, FeedId, FeedState, Reason, Rejected
from lichen.store.checking.signatures import Verdict
from lichen.store.ingest.settlement import Outcome, Settlement, chain
from lichen.store.ingest.values import Claimed, Decided, HeldLog, Signatures


def decide(
    claims: Sequence[Claimed],
    formats: Mapping[str, FeedFormat],
    log: HeldLog,
    threads: Signatures,
    own: FeedId | None = None,
) -> Decided:
    """Decide several batches as if they had come one after the other.

    Of the feed ``own`` every signature is checked at once, whatever a claim says.
    """
    hopeful = _Hopeful(formats, log, threads, own)
    outcomes = iter(hopeful.chain(claims))
    settlement = Settlement(formats, log)
    results = [settlement.settle(claim, outcomes) for claim in claims]
    return Decided(
        settlement.messages,
        settlement.forks,
        results,
        settlement.unaudited(),
        settlement.doubted,
    )


class _Run:
    """What comes of one feed in a transaction, while all goes well."""

    __slots__ = ("is_forked", "state", "waiting")

    def __init__(self, state: FeedState | None, is_forked: bool) -> None:
        self.state = state
        self.is_forked = is_forked
        self.waiting: list[int] = []
        """Numbers of messages whose signatures are not checked."""


class _Hopeful:
    """The first pass: chains everything, and has signatures checked."""

    __slots__ = ("_formats", "_log", "_outcomes", "_own", "_runs", "_threads")

    def __init__(
        self,
        formats: Mapping[str, FeedFormat],
        log: HeldLog,
        threads: Signatures,
        own: FeedId | None,
    ) -> None:
        self._formats = formats
        self._log = log
        self._threads = threads
        self._own = own
        self._runs: dict[FeedId, _Run] = {}
        self._outcomes: list[Outcome] = []

    def chain(self, claims: Sequence[Claimed]) -> list[Outcome]:
        """Return what each message of all batches came to."""
        outcomes, formats, runs = self._outcomes, self._formats, self._runs
        signatures = self._threads.begin()
        try:
            for claim in claims:
                verifies_all, own = claim.verifies_all, self._own
                for raw in claim.batch:
                    author = raw.author
                    run = runs.get(author) or self._begin(author)
                    feed_format = formats.get(raw.format)
                    state = run.state
                    outcome: Outcome = None
                    if feed_format is None:
                        outcome = Rejected(Reason.FORMAT, author, raw.sequence)
                    elif not run.is_forked and (state is None or raw.sequence > state.sequence):
                        outcome = chain(raw, feed_format, state)
                        if not isinstance(outcome, Rejected):
                            run.state = FeedState(outcome.sequence, outcome.key)
                        if isinstance(outcome, ChainedMessage):
                            if verifies_all or author == own or is_due(outcome):
                                signatures.add(len(outcomes), feed_format, outcome)
                            else:
                                run.waiting.append(len(outcomes))
                    outcomes.append(outcome)
            self._add_newest(signatures.add)
        finally:
            verdicts = signatures.finish()
        failed: dict[FeedId, int] = {}
        for number, verdict in verdicts.items():
            message = outcomes[number]
            if isinstance(verdict, Rejected) and isinstance(message, ChainedMessage):
                failed[message.author] = min(number, failed.get(message.author, number))
        self._note(verdicts)
        if failed:
            self._check_before(failed)
        return outcomes

    def _begin(self, feed: FeedId) -> _Run:
        run = self._runs[feed] = _Run(self._log.state(feed), self._log.is_forked(feed))
        return run

    def _add_newest(self, add: Callable[[int, FeedFormat, ChainedMessage], None]) -> None:
        """Have the newest of each run checked: all that waits hangs on it."""
        for run in self._runs.values():
            if not run.waiting:
                continue
            newest = self._outcomes[run.waiting[-1]]
            assert isinstance(newest, ChainedMessage), "it waits for its check"
            if run.state is not None and newest.sequence == run.state.sequence:
                add(run.waiting.pop(), self._formats[newest.format], newest)

    def _note(self, verdicts: Mapping[int, Verdict]) -> None:
        for number, verdict in verdicts.items():
            self._outcomes[number] = verdict

    def _check_before(self, failed: Mapping[FeedId, int]) -> None:
        """Check what waits before the first failure of a feed; what follows is decided alone."""
        signatures = self._threads.begin()
        try:
            for feed, first in failed.items():
                for number in self._runs[feed].waiting:
                    message = self._outcomes[number]
                    if number < first and isinstance(message, ChainedMessage):
                        signatures.add(number, self._formats[message.format], message)
        finally:
            verdicts = signatures.finish()
        self._note(verdicts)
