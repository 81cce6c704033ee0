"""Relays that lie while signatures wait for their audit: what they get in, and for how long.

An id hashes the low byte of each UTF-16 unit, so a relay can swap letters that share it: A (U+0041)
and U+0141. Whoever tries anything may at most show a text with its letters beyond ASCII lowered to
ASCII, until its audit; and never in a message on which hangs who gets what. A lowered letter may be
a quote or the end of a line: then what was said becomes more than one member.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.feed.canonical import canonicalize
from lichen.feed.content import contact_of
from lichen.feed.identity import Identity
from lichen.feed.message import RawMessage
from lichen.store.ingest import IngestResult
from lichen.store.store import Store

MakeAuthor = Callable[[int], Any]
OpenStoreIn = Callable[[], AbstractContextManager[Store]]
Feeds = list[list[RawMessage]]
CROOK = "@" + "C" * 43 + "=.ed25519"
ROOT = "%" + "R" * 43 + "=.sha256"
LENGTH = 9


def raised(text: str) -> str:
    """Letters beyond ASCII with the same low bytes."""
    return "".join(chr(0x100 + ord(letter)) for letter in text)


def lowered(data: bytes) -> bytes:
    """A text with every letter beyond ASCII replaced by the one with the same low byte.

    It is lowered as it is hashed: indented. There a line may end where no line had ended.
    """
    units = canonicalize(data).indented.decode().encode("utf-16-le")
    return canonicalize(units[::2].decode("latin-1").encode()).compact


def contents(target: str, turn: int) -> list[dict[str, object]]:
    """What a feed of the adversary test says, by turns: all that a relay may want to change."""
    kinds: list[dict[str, object]] = [
        {"type": "post", "text": "plain words"},
        {"type": "post", "text": raised("LOWER") + " me"},
        {"type": "contact", "contact": target, "following": True, "blocking": True},
        {"type": "post", "text": "more plain words"},
        {"type": "post", "text": "plain again"},
        {"type": "contact", "contact": target, "note": raised("NOTE"), "blocking": True},
        {"type": raised("POST"), "text": "a type beyond ASCII"},
        {"type": "post", "text": "they said: " + raised('",\n    "root": "') + ROOT},
    ]
    return [kinds[(turn + number) % len(kinds)] for number in range(LENGTH)]


@pytest.fixture(scope="session")
def truths(author: MakeAuthor) -> list[Feeds]:
    """For every place in a feed three feeds, as their authors signed them."""
    thief = author(30).identity
    made: list[Feeds] = []
    for place in range(LENGTH):
        feeds: Feeds = []
        for turn in range(3):
            who = author(31 + 3 * place + turn)
            feeds.append(who.write(*contents(who.id, turn)))
            twin = who.again_from(place)
            twin.identity = Identity(who.id, thief.secret)
            twin.posts(LENGTH - place)
            FORGED[who.id] = twin.sent
        made.append(feeds)
    return made


# What a relay does to a feed. Each gets the messages in order, a place and another feed.


def replace(feed: list[RawMessage], place: int, data: bytes) -> list[RawMessage]:
    old = feed[place]
    return [*feed[:place], RawMessage(old.author, old.sequence, data), *feed[place + 1 :]]


def swap(feed: list[RawMessage], place: int, _other: list[RawMessage]) -> list[RawMessage]:
    feed = [*feed]
    feed[place], feed[place - 1] = feed[place - 1], feed[place]
    return feed


def drop(feed: list[RawMessage], place: int, _other: list[RawMessage]) -> list[RawMessage]:
    return [*feed[:place], *feed[place + 1 :]]


def repeat(feed: list[RawMessage], place: int, _other: list[RawMessage]) -> list[RawMessage]:
    return [*feed, *feed[:place]]


def alter(feed: list[RawMessage], place: int, _other: list[RawMessage]) -> list[RawMessage]:
    return replace(feed, place, feed[place].data.replace(b'"timestamp":15', b'"timestamp":16'))


def splice(feed: list[RawMessage], place: int, other: list[RawMessage]) -> list[RawMessage]:
    """Another author's message in its place, under the name of this one."""
    author = feed[place].author.encode()
    return replace(feed, place, other[place].data.replace(other[place].author.encode(), author))


def mix(feed: list[RawMessage], place: int, other: list[RawMessage]) -> list[RawMessage]:
    return [*feed[:place], other[place], *feed[place:]]


def break_signature(feed: list[RawMessage], place: int, _other: list[RawMessage]) -> Any:
    data = feed[place].data
    start = data.index(b'"signature":"') + len(b'"signature":"')
    letter = b"B" if data[start : start + 1] == b"A" else b"A"
    return replace(feed, place, data[:start] + letter + data[start + 1 :])


def lower(feed: list[RawMessage], place: int, _other: list[RawMessage]) -> list[RawMessage]:
    return replace(feed, place, lowered(feed[place].data))


def lower_all(feed: list[RawMessage], _place: int, _other: list[RawMessage]) -> list[RawMessage]:
    return [RawMessage(m.author, m.sequence, lowered(m.data)) for m in feed]


def raise_words(feed: list[RawMessage], place: int, _other: list[RawMessage]) -> list[RawMessage]:
    data = feed[place].data.replace(b"plain", raised("plain").encode())
    return replace(feed, place, data)


def swallow_block(feed: list[RawMessage], place: int, _other: list[RawMessage]) -> list[RawMessage]:
    data = feed[place].data.replace(b'"blocking"', f'"blockin{raised("g")}"'.encode())
    return replace(feed, place, data)


def hide_contact(feed: list[RawMessage], place: int, _other: list[RawMessage]) -> list[RawMessage]:
    data = feed[place].data.replace(b'"type":"contact"', f'"type":"contac{raised("t")}"'.encode())
    return replace(feed, place, data)


def forge_end(feed: list[RawMessage], _place: int, _other: list[RawMessage]) -> list[RawMessage]:
    """From some place on a chain of one's own, in the author's name, signed with another key."""
    return FORGED[feed[0].author]


ACTS = [
    swap, drop, repeat, alter, splice, mix, break_signature, lower, lower_all, raise_words,
    swallow_block, hide_contact, forge_end,
]  # fmt: skip
FORGED: dict[str, list[RawMessage]] = {}
"""By author: a feed that goes on from some place with messages signed by somebody else."""


def check_log(store: Store, truth: Feeds) -> None:
    """Nothing but the stated remainder is in the log, and nothing of it counts as audited."""
    for feed in truth:
        who = feed[0].author
        audited = store.log.audited(who)
        for message in store.log.run(who, 1, 100, 10**6):
            real = feed[message.sequence - 1].data
            if message.data == real:
                continue
            value = json.loads(message.data)
            assert not real.isascii()
            assert message.data == lowered(real)
            assert contact_of(message.feed, message.sequence, value["content"]) is None
            assert message.sequence > audited
            assert not store.log.is_audited(who, message.sequence)
    assert not store.log.forked()


def deliver(
    store: Store, messages: Sequence[RawMessage], size: int, *, together: bool
) -> list[IngestResult]:
    """Send messages in batches of one size, chain first, decided one by one or as they come."""
    futures = []
    for at in range(0, len(messages), size):
        future = store.ingest(messages[at : at + size], source=CROOK, verifies_all=False)
        futures.append(future)
        if not together:
            future.result(10)
    return [future.result(10) for future in futures]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_each_lie_at_each_place(
    truths: list[Feeds],
    store: Store,
    act: Callable[..., list[RawMessage]],
    size: int,
    elsewhere: bool,
    chain_elsewhere: Callable[[Store], None],
) -> None:
    if elsewhere:
        chain_elsewhere(store)
    for place in range(1, LENGTH):
        truth = truths[place]
        feed = truth[1]
        deliver(store, act(feed, place, truth[2]), size, together=size == 3)
        check_log(store, truth)
        store.wait_audited().result(10)
        assert store.log.unaudited_count() == 0
        check_log(store, truth)
        deliver(store, feed, 100, together=False)
        store.wait_audited().result(10)
        held = store.log.run(feed[0].author, 1, 100, 10**6)
        assert [m.data for m in held] == [m.data for m in feed]


@given(
    lies=st.lists(
        st.tuples(st.sampled_from(ACTS), st.integers(1, LENGTH - 1), st.integers(0, 2)), max_size=5
    ),
    size=st.integers(1, 3 * LENGTH),
    order=st.randoms(use_true_random=False),
    together=st.booleans(),
    audits_between=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_many_lies_at_once(
    truths: list[Feeds],
    open_store_in: OpenStoreIn,
    lies: list[tuple[Callable[..., list[RawMessage]], int, int]],
    size: int,
    order: Any,
    together: bool,
    audits_between: bool,
) -> None:
    """Several lies and feeds in one stream, honest peers beside; in the end it is the truth."""
    truth = truths[lies[0][1] if lies else 1]
    feeds = [[*feed] for feed in truth]
    for act, place, which in lies:
        if len(feeds[which]) > place:
            feeds[which] = act(feeds[which], place, truth[(which + 1) % 3])
    queues = [[*feed] for feed in (*feeds, *truth)]
    mixed: list[RawMessage] = []
    while any(queues):
        queue = order.choice([queue for queue in queues if queue])
        take = order.randint(1, len(queue))
        mixed += queue[:take]
        del queue[:take]
    with open_store_in() as store:
        half = len(mixed) // 2
        deliver(store, mixed[:half], size, together=together)
        check_log(store, truth)
        if audits_between:
            store.wait_audited().result(10)
        deliver(store, mixed[half:], size, together=together)
        check_log(store, truth)
        store.wait_audited().result(10)
        check_log(store, truth)
        for feed in truth:
            deliver(store, feed, size, together=together)
        store.wait_audited().result(10)
        store.wait_folded().result(10)
        held = {message.data for message in store.log.since(0, 1000)}
        assert held == {message.data for feed in truth for message in feed}
        for feed in truth:
            assert store.log.audited(feed[0].author) == LENGTH
        assert store.views.read("SELECT count(*) FROM messages") == [(3 * LENGTH,)]
