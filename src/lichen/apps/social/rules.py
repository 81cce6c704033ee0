"""What follows from messages: the order of a thread, its heads and gaps, which name counts.

Thread order and heads are those of ssb-sort: a message stands after everything of the thread that
it links to, directly or through others; where that says nothing, the time of receipt decides, then
the claimed time, then the key, descending. Names are chosen as in ssb-about: what I say, else what
the subject says, else what most people say. Everything here is a pure function of its arguments.
"""

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec

from lichen.feed.canonical import JsonValue
from lichen.feed.message import FeedId, MsgId
from lichen.feed.refs import is_msg_id


class ThreadMessage(msgspec.Struct, frozen=True):
    """What the order of a thread depends on. ``links``: every message the value points at."""

    key: MsgId
    links: frozenset[MsgId]
    received_ms: float
    timestamp: float


class Claim(msgspec.Struct, frozen=True):
    """The latest value one author gave a field of a subject; None: taken back."""

    author: FeedId
    value: str | None


def message_links(value: JsonValue) -> frozenset[MsgId]:
    """Return every message id anywhere in a JSON value."""
    return frozenset(_walk(value))


def sort_thread(messages: Iterable[ThreadMessage]) -> list[ThreadMessage]:
    """Return the messages in reading order: causes first, then by time."""
    by_key = {message.key: message for message in messages}
    ranked = sorted(by_key.values(), key=lambda message: message.key, reverse=True)
    ranked.sort(key=lambda message: (message.received_ms, message.timestamp))
    rank = {message.key: place for place, message in enumerate(ranked)}
    waiting_for = {
        message.key: {link for link in message.links if link in rank and link != message.key}
        for message in ranked
    }
    waiters: dict[MsgId, list[MsgId]] = {}
    for key, causes in waiting_for.items():
        for cause in causes:
            waiters.setdefault(cause, []).append(key)
    ready = [rank[key] for key, causes in waiting_for.items() if not causes]
    heapq.heapify(ready)
    ordered: list[ThreadMessage] = []
    while ready:
        message = ranked[heapq.heappop(ready)]
        ordered.append(message)
        for waiter in waiters.get(message.key, ()):
            waiting_for[waiter].discard(message.key)
            if not waiting_for[waiter]:
                heapq.heappush(ready, rank[waiter])
    # A circle of hashes cannot be made; if one is given all the same, nothing may get lost.
    placed = {message.key for message in ordered}
    return ordered + [message for message in ranked if message.key not in placed]


def heads(messages: Collection[ThreadMessage]) -> list[MsgId]:
    """Return the messages that no other of the thread links to, sorted by key."""
    linked = {link for message in messages for link in message.links if link != message.key}
    return sorted({message.key for message in messages} - linked)


def roots(messages: Collection[ThreadMessage]) -> list[MsgId]:
    """Return the messages that link to no other of the thread, in reading order."""
    keys = {message.key for message in messages}
    return [
        message.key
        for message in sort_thread(messages)
        if not (message.links - {message.key}) & keys
    ]


def choose_value(claims: Sequence[Claim], viewer: FeedId, owner: FeedId | None) -> str | None:
    """Return the value that counts for ``viewer``: own word, the owner's, the most frequent one.

    Equally frequent values: the one first in code point order, so that the choice is stable.
    """
    by_author = {claim.author: claim.value for claim in claims if claim.value}
    for author in (viewer, owner):
        if author is not None and by_author.get(author):
            return by_author[author]
    counts = Counter(value for value in by_author.values() if value)
    return min(counts, key=lambda value: (-counts[value], value), default=None)


def _walk(value: JsonValue) -> Iterator[MsgId]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            if is_msg_id(item):
                yield MsgId(item)
        elif isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
