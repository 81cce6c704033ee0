"""What goes into a decision and what comes out of it, and whom the decision asks."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from lichen.feed.content import Contact
from lichen.feed.formats import FeedFormat
from lichen.feed.message import (
    Candidate,
    ChainedMessage,
    FeedId,
    FeedState,
    ForkProof,
    Message,
    MsgId,
    Rejected,
)
from lichen.store.checking.signatures import Verdict

Kept = Message | ChainedMessage
"""What is taken: a ``ChainedMessage`` until its audit, a ``Message`` after it or at once."""


class HeldLog(Protocol):
    """The log as the rules see it: what a transaction builds on."""

    def state(self, feed: FeedId) -> FeedState | None:
        """Return where a feed stands, None if it is empty."""
        ...

    def is_forked(self, feed: FeedId) -> bool:
        """Tell whether a fork of a feed is proved."""
        ...

    def is_audited(self, feed: FeedId, sequence: int) -> bool:
        """Tell whether the signature of a message in the log was checked."""
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


class Claimed(msgspec.Struct, frozen=True):
    """A batch as it came: from whom, and whether all its signatures are to be checked at once.

    ``source`` is blamed when the audit finds a wrong signature; None: a file, or nobody known.
    """

    batch: Sequence[Candidate]
    source: FeedId | None = None
    verifies_all: bool = True


class Unaudited(msgspec.Struct, frozen=True):
    """A stretch of a feed with signatures that are still to be checked, and who sent it.

    Both ends are such messages; between them some may have been checked already.
    """

    feed: FeedId
    first: int
    last: int
    source: FeedId | None = None


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
    """All that one transaction will write, and each batch's answer once it is written.

    ``unaudited``: the stretches of ``messages`` whose signatures are left to the audit.
    ``doubted``: places where what is held, or will be, cannot be true; their audit is due at once.
    """

    messages: list[Kept]
    forks: list[ForkProof]
    results: list[IngestResult]
    unaudited: list[Unaudited] = []
    doubted: list[tuple[FeedId, int]] = []
