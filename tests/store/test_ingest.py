"""What becomes of batches: good prefixes, refusals, duplicates, forks."""

import gc
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise, zip_longest
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.message import ChainedMessage, Message, RawMessage, Reason
from lichen.store.checking.signatures import SignatureThreads
from lichen.store.ingest import Claimed, Grown, IngestResult, decide
from lichen.store.ingest.settlement import Answer
from lichen.store.store import Store

MakeAuthor = Callable[[int], Any]
OpenStoreIn = Callable[[], AbstractContextManager[Store]]


def ingest(store: Store, *messages: RawMessage) -> IngestResult:
    return store.ingest(messages).result(10)


def ingest_together(store: Store, *batches: list[RawMessage]) -> list[IngestResult]:
    """Have several batches wait, so that they are decided in one transaction."""
    gate = threading.Event()
    store._submit(lambda: gate.wait() and None)
    futures = [store.ingest(batch) for batch in batches]
    gate.set()
    return [future.result(10) for future in futures]


def reasons(result: IngestResult) -> list[tuple[int, Reason]]:
    return [(rejected.sequence, rejected.reason) for rejected in result.rejected]


def test_feeds_of_a_batch_grow(store: Store, author: MakeAuthor) -> None:
    ada, bob = author(1), author(2)
    batch = [m for pair in zip(ada.posts(3), bob.posts(3), strict=True) for m in pair]
    result = ingest(store, *batch)
    assert result.count == 6
    assert set(result.progress) == {
        Grown(ada.id, 1, 3, ada.messages[-1].key),
        Grown(bob.id, 1, 3, bob.messages[-1].key),
    }
    assert store.log.clock() == {ada.id: 3, bob.id: 3}
    assert [stored.data for stored in store.log.since(0, 10)] == [m.data for m in batch]
    assert ingest(store, *ada.posts(1)).progress == (Grown(ada.id, 4, 4, ada.messages[-1].key),)


def test_good_prefix_is_kept_and_other_feeds_are_not_touched(
    store: Store, author: MakeAuthor
) -> None:
    ada, bob = author(1), author(2)
    bad = ada.posts(6)
    bad[3] = author(0).spoil(bad[3])
    result = ingest(store, *bad, *bob.posts(2))
    assert reasons(result) == [(4, Reason.SIGNATURE), (5, Reason.DEPENDS), (6, Reason.DEPENDS)]
    assert store.log.clock() == {ada.id: 3, bob.id: 2}
    assert ingest(store, *ada.sent[3:]).progress[0].last == 6


def test_gap_is_refused(store: Store, author: MakeAuthor) -> None:
    ada = author(1)
    messages = ada.posts(4)
    assert reasons(ingest(store, messages[0], messages[2], messages[3])) == [
        (3, Reason.SEQUENCE_GAP),
        (4, Reason.DEPENDS),
    ]
    assert store.log.received(ada.id) == 1
    assert reasons(ingest(store, messages[3])) == [(4, Reason.SEQUENCE_GAP)]


def test_refused_message_can_come_right_in_the_same_batch(store: Store, author: MakeAuthor) -> None:
    messages = author(1).posts(3)
    result = ingest(store, messages[0], author(0).spoil(messages[1]), *messages[1:])
    assert reasons(result) == [(2, Reason.SIGNATURE)]
    assert result.progress[0].last == 3


def test_batches_decided_together_are_answered_apart(store: Store, author: MakeAuthor) -> None:
    ada, bob = author(1), author(2)
    messages = ada.posts(4)
    bad = [messages[0], author(0).spoil(messages[1]), messages[2]]
    before = store._log_writer._db.total_changes()
    first, second, third = ingest_together(store, bad, messages, bob.posts(1))
    assert store._log_writer._db.total_changes() > before
    assert reasons(first) == [(2, Reason.SIGNATURE), (3, Reason.DEPENDS)]
    assert first.progress[0].last == 1
    assert second.duplicates == ((ada.id, 1),)
    assert second.progress == (Grown(ada.id, 2, 4, ada.messages[-1].key),)
    assert second.rejected == ()
    assert third.progress[0].feed == bob.id


def test_text_with_the_same_id_does_not_take_the_place_of_the_real_one(
    store: Store, author: MakeAuthor
) -> None:
    """The id hashes only the low byte of each character: 'a' and U+0161 look the same to it."""
    ada = author(1)
    (real,) = ada.write({"type": "post", "text": "a"})
    fake = RawMessage(ada.id, 1, real.data.replace(b'"text":"a"', '"text":"\u0161"'.encode()))
    assert fake.data != real.data
    first, second = ingest_together(store, [fake], [real])
    assert reasons(first) == [(1, Reason.SIGNATURE)]
    assert second.progress[0].key == ada.messages[0].key
    assert ingest(store, fake).duplicates == ((ada.id, 1),)
    assert [stored.data for stored in store.log.since(0, 9)] == [real.data]


def test_duplicates_are_told(store: Store, author: MakeAuthor) -> None:
    ada = author(1)
    messages = ada.posts(2)
    spaced = RawMessage(ada.id, 2, b" " + messages[1].data)
    result = ingest(store, *messages, messages[0], spaced)
    assert result.duplicates == ((ada.id, 1), (ada.id, 2))
    assert not result.rejected
    assert store.log.last_no == 2


def test_unknown_format_and_false_claims_are_refused(store: Store, author: MakeAuthor) -> None:
    ada, bob = author(1), author(2)
    (message,) = ada.posts(1)
    assert reasons(ingest(store, RawMessage(ada.id, 1, message.data, "bamboo"))) == [
        (1, Reason.FORMAT)
    ]
    assert reasons(ingest(store, RawMessage(bob.id, 1, message.data))) == [(1, Reason.AUTHOR)]
    assert store.log.last_no == 0


@pytest.mark.parametrize("together", [True, False])
def test_fork_is_proved_and_ends_the_feed(
    open_store: Callable[[], Store], author: MakeAuthor, together: bool
) -> None:
    store = open_store()
    ada, bob = author(1), author(2)
    ada.posts(3)
    twin = ada.again_from(1)
    twin.write({"type": "post", "text": "from the old machine"})
    ours, theirs = ada.sent, twin.sent
    if together:
        (result,) = ingest_together(store, [*ours, theirs[1], *ada.posts(1), *bob.posts(1)])
    else:
        ingest(store, *ours)
        result = ingest(store, theirs[1], *ada.posts(1), *bob.posts(1))
    (proof,) = result.forks
    assert (proof.first, proof.second) == (ada.messages[1], twin.messages[1])
    assert reasons(result) == [(4, Reason.FORKED)]
    assert store.log.clock() == {ada.id: 3, bob.id: 1}
    store.close()

    store = open_store()
    assert store.log.forked() == {ada.id}
    kept = store.log.fork(ada.id)
    assert kept is not None
    assert (kept.first, kept.second) == (ada.messages[1].data, twin.messages[1].data)
    again = ingest(store, theirs[1], ada.sent[3], ours[2])
    assert reasons(again) == [(2, Reason.FORKED), (4, Reason.FORKED)]
    assert again.duplicates == ((ada.id, 3),)
    assert again.forks == ()


def test_unsigned_text_proves_no_fork(store: Store, author: MakeAuthor) -> None:
    ada = author(1)
    ada.posts(2)
    twin = ada.again_from(1)
    twin.write({"type": "post", "text": "never signed like this"})
    ingest(store, *ada.sent)
    result = ingest(store, author(0).spoil(twin.sent[1]), *ada.posts(1))
    assert reasons(result) == [(2, Reason.SIGNATURE)]
    assert result.forks == ()
    assert store.log.received(ada.id) == 3


def test_contacts_are_told_only_of_what_was_taken(store: Store, author: MakeAuthor) -> None:
    ada, bob = author(1), author(2)
    follow = {"type": "contact", "contact": bob.id, "following": True}
    block = {"type": "contact", "contact": bob.id, "blocking": True}
    messages = ada.write(follow, block)
    result = ingest(store, messages[0], author(0).spoil(messages[1]))
    assert [(c.source, c.target, c.value) for c in result.contacts] == [(ada.id, bob.id, 1)]


def test_message_after_another_one_than_ours_proves_a_fork(
    store: Store, author: MakeAuthor
) -> None:
    ada = author(1)
    ada.posts(3)
    twin = ada.again_from(1)
    twin.posts(3)
    ingest(store, *ada.sent)
    result = ingest(store, twin.sent[3], *ada.posts(1))
    (proof,) = result.forks
    assert (proof.first, proof.second) == (ada.messages[2], twin.messages[3])
    assert reasons(result) == [(4, Reason.FORKED)]
    assert store.log.forked() == {ada.id}


def test_nothing_keeps_what_was_decided(store: Store, author: MakeAuthor) -> None:
    """A circle would: every message of a first sync, until Python looks for circles."""
    claim = Claimed(author(1).posts(3), verifies_all=False)
    threads = SignatureThreads(0)
    gc.collect()
    gc.disable()
    try:
        decide([claim], {"classic": ClassicFormat()}, store._log_writer, threads)
        assert not [each for each in gc.get_objects() if isinstance(each, Answer)]
    finally:
        gc.enable()
        threads.close()


def test_fault_of_a_format_reaches_the_caller_and_the_writer_lives(
    store: Store, author: MakeAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(form: ClassicFormat, message: ChainedMessage) -> Message:
        raise ZeroDivisionError

    messages = author(1).posts(3)
    with monkeypatch.context() as patch:
        patch.setattr(ClassicFormat, "verify", break_down)
        with pytest.raises(ZeroDivisionError):
            ingest(store, *messages)
    assert store.log.last_no == 0
    assert ingest(store, *messages).progress


@pytest.fixture(scope="session")
def awkward(author: MakeAuthor) -> list[RawMessage]:
    """Two good feeds, one with a forged message in it, one that forks; all mixed."""
    ada, bob, eve, fay = author(1), author(2), author(3), author(4)
    for somebody in (ada, bob, eve, fay):
        somebody.posts(6)
    twin = fay.again_from(3)
    twin.posts(2)
    forged = eve.sent
    forged[2] = eve.spoil(forged[2])
    feeds = [ada.sent, bob.sent, forged, [*fay.sent, *twin.sent[3:]]]
    mixed = [m for turn in zip_longest(*feeds) for m in turn if m is not None]
    return [*mixed, *eve.sent, ada.sent[0]]


def held(store: Store) -> tuple[set[bytes], frozenset[str], dict[str, int]]:
    messages = {stored.data for stored in store.log.since(0, 1000)}
    return messages, store.log.forked(), dict(store.log.clock())


@given(cuts=st.sets(st.integers(1, 31)), together=st.booleans())
@settings(max_examples=15, deadline=None)
def test_how_messages_are_split_into_batches_changes_nothing(
    awkward: list[RawMessage], open_store_in: OpenStoreIn, cuts: set[int], together: bool
) -> None:
    edges = [0, *sorted(cuts), len(awkward)]
    batches = [awkward[a:b] for a, b in pairwise(edges)]
    with open_store_in() as store:
        for message in awkward:
            ingest(store, message)
        expected = held(store)
    assert expected[2] == dict.fromkeys(expected[2], 6)
    with open_store_in() as store:
        if together:
            ingest_together(store, *batches)
        else:
            for batch in batches:
                ingest(store, *batch)
        assert held(store) == expected


@given(order=st.permutations(range(12)), seed=st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_any_order_gives_unbroken_chains(
    author: MakeAuthor, open_store_in: OpenStoreIn, order: list[int], seed: int
) -> None:
    ada, bob = author(10 + seed), author(20 + seed)
    everything = ada.posts(6) + bob.posts(6)
    with open_store_in() as store:
        ingest(store, *(everything[n] for n in order))
        for somebody in (ada, bob):
            run = store.log.run(somebody.id, 1, 100, 10**6)
            assert [m.data for m in run] == [m.data for m in somebody.sent[: len(run)]]
            assert store.log.received(somebody.id) == len(run)
        ingest(store, *everything)
        assert dict(store.log.clock()) == {ada.id: 6, bob.id: 6}
