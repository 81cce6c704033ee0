"""Sealed messages keep every rule of the classic format, and have the same size and story."""

import pytest

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.message import (
    ChainedMessage,
    FeedState,
    Message,
    RawMessage,
    Reason,
    Rejected,
)
from lichen.lab.world.formats import SealedFormat, lab_identity

CONTENT = b'{"type":"post","text":"hello"}'


def make(feed_format: SealedFormat, count: int, *, is_sealed: bool) -> list[Message]:
    identity = lab_identity(1, is_sealed=is_sealed)
    made: list[Message] = []
    for number in range(count):
        state = FeedState(made[-1].sequence, made[-1].key) if made else None
        made.append(feed_format.create(CONTENT, identity, state, 1e12 + number))
    return made


@pytest.mark.parametrize("is_sealed", [True, False])
def test_what_was_made_is_chained_and_verified(is_sealed: bool) -> None:
    feed_format = SealedFormat(is_sealed=is_sealed)
    first, second = make(feed_format, 2, is_sealed=is_sealed)
    raw = feed_format.parse(second.data)
    assert isinstance(raw, RawMessage)
    chained = feed_format.chain(raw, FeedState(1, first.key))
    assert isinstance(chained, ChainedMessage)
    assert feed_format.verify(chained) == second
    assert feed_format.chain(raw, None) == Rejected(Reason.SEQUENCE_GAP, raw.author, 2)
    other = FeedState(1, second.key)
    assert feed_format.chain(raw, other) == Rejected(Reason.PREVIOUS, raw.author, 2)


def test_a_changed_letter_breaks_the_seal() -> None:
    feed_format = SealedFormat()
    (message,) = make(feed_format, 1, is_sealed=True)
    raw = feed_format.parse(message.data.replace(b"hello", b"hallo"))
    assert isinstance(raw, RawMessage)
    chained = feed_format.chain(raw, None)
    assert isinstance(chained, ChainedMessage)
    for _ in range(2):  # also when it is remembered
        assert feed_format.verify(chained) == Rejected(Reason.SIGNATURE, raw.author, 1)


def test_sealed_and_signed_differ_in_the_signature_alone() -> None:
    sealed, signed = SealedFormat(), SealedFormat(is_sealed=False)
    first, second = make(sealed, 2, is_sealed=True), make(signed, 2, is_sealed=False)
    assert [len(each.data) for each in first] == [len(each.data) for each in second]
    assert [sealed.stamp(each.data) for each in first] == [signed.stamp(x.data) for x in second]
    assert first[0].data != second[0].data
    real = ClassicFormat()
    raw = real.parse(second[0].data)
    assert isinstance(raw, RawMessage)
    chained = real.chain(raw, None)
    assert isinstance(chained, ChainedMessage)
    assert isinstance(real.verify(chained), Message)


def test_what_is_held_twice_is_one_object() -> None:
    feed_format = SealedFormat()
    (message,) = make(feed_format, 1, is_sealed=True)
    copy = bytes(bytearray(message.data))
    assert feed_format.parse(copy) is feed_format.parse(message.data)
