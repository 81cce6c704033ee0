"""Making own messages: place and time from the log, signed, and read back before they count.

A message that a peer may have seen must never be lost, or the next one would fork the feed. So the
batch is one durable transaction, and the bytes that were written are taken apart and verified like
a stranger's before it is committed. Timestamps strictly increase (monotonic-timestamp).
"""

import math
from collections.abc import Sequence

import msgspec

from lichen.feed.formats import ContentError, FeedFormat
from lichen.feed.identity import Identity
from lichen.feed.message import ChainedMessage, FeedId, FeedState, Message, Reason, Rejected
from lichen.store.checking.signatures import SignatureThreads
from lichen.store.errors import (
    DAMAGED,
    ContentRefused,
    OwnFeedForked,
    OwnFeedUnaudited,
    StoreError,
    StoreReadFailed,
    StoreWriteFailed,
    writing,
)
from lichen.store.log import LogWriter
from lichen.store.writer import Task
from lichen.words import N_

TIMESTAMP_STEP_MS = 0.001
"""How much later the next message of the same millisecond claims to be."""
_UNVERIFIED = N_("a message that was just signed does not verify")


class Publication(msgspec.Struct, frozen=True):
    """What is to be published: JSON texts, by whom, when."""

    contents: Sequence[bytes]
    identity: Identity
    now_ms: float


class _Head(msgspec.Struct):
    """Where the own feed will stand, message by message."""

    state: FeedState | None
    timestamp: float


def publish_all(
    tasks: Sequence[Task[Publication, list[Message]]],
    feed_format: FeedFormat,
    log: LogWriter,
    threads: SignatureThreads,
    now_ms: float,
) -> list[Message]:
    """Make the messages of all tasks, which are one person's, and write them as one batch.

    A task whose content is refused has no part in it. Returns what was written.
    """
    made: list[tuple[Task[Publication, list[Message]], list[Message]]] = []
    head: _Head | None = None
    for task in tasks:
        try:
            if head is None:
                head = _head_of(task.asked.identity.id, feed_format, log)
            made.append((task, _make(task.asked, feed_format, head, threads)))
        except StoreError as error:
            task.future.set_exception(error)
    everything = [message for _, messages in made for message in messages]
    try:
        with writing():
            log.append(everything, now_ms=now_ms, is_durable=True)
    except StoreWriteFailed as error:
        for task, _ in made:
            task.future.set_exception(error)
        return []
    for task, messages in made:
        task.future.set_result(messages)
    return everything


def next_timestamp(now_ms: float, last_ms: float) -> float:
    """Return the claimed time of a message made now, later than that of the one before it."""
    if now_ms > last_ms:
        return now_ms
    later = max(round(last_ms + TIMESTAMP_STEP_MS, 3), math.nextafter(last_ms, math.inf))
    return later if math.isfinite(later) else last_ms


def _make(
    asked: Publication, feed_format: FeedFormat, head: _Head, threads: SignatureThreads
) -> list[Message]:
    made: list[Message] = []
    state, timestamp = head.state, head.timestamp
    signatures = threads.begin()
    try:
        for index, content in enumerate(asked.contents):
            timestamp = next_timestamp(asked.now_ms, timestamp)
            try:
                message = feed_format.create(content, asked.identity, state, timestamp)
            except ContentError as error:
                raise ContentRefused(index, str(error)) from error
            chained = _chain(message.data, feed_format, state)
            if isinstance(chained, Rejected):
                raise StoreWriteFailed(_UNVERIFIED)
            signatures.add(index, feed_format, chained)
            made.append(message)
            state = FeedState(message.sequence, message.key)
    finally:
        verdicts = signatures.finish()
    if any(verdicts[index] != message for index, message in enumerate(made)):
        raise StoreWriteFailed(_UNVERIFIED)
    head.state, head.timestamp = state, timestamp
    return made


def _chain(
    data: bytes, feed_format: FeedFormat, state: FeedState | None
) -> ChainedMessage | Rejected:
    """Take a message apart from its bytes, as if a stranger had sent them."""
    raw = feed_format.parse(data)
    return raw if isinstance(raw, Rejected) else feed_format.chain(raw, state)


def _head_of(feed: FeedId, feed_format: FeedFormat, log: LogWriter) -> _Head:
    fork = log.fork_sequence(feed)
    if fork is not None:
        raise OwnFeedForked(feed, fork)
    if log.has_unaudited(feed):
        raise OwnFeedUnaudited
    with writing():
        state = log.state(feed)
        held = None if state is None else log.held(feed, state.sequence)
    if state is None:
        return _Head(None, -math.inf)
    raw = Rejected(Reason.NOT_JSON) if held is None else feed_format.parse(held[1])
    newest = raw if isinstance(raw, Rejected) else feed_format.chain_alone(raw)
    if not isinstance(newest, ChainedMessage) or (newest.author, newest.key) != (feed, state.key):
        # What follows a message that nobody else has would end the feed for everybody.
        raise StoreReadFailed(DAMAGED)
    return _Head(state, newest.timestamp)
