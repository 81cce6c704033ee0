"""What proves that a feed is forked, and what does not."""

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import generate_identity
from lichen.feed.message import FeedState, ForkProof, Message, prove_fork

ME = generate_identity(b"\x07" * 32)
OTHER = generate_identity(b"\x08" * 32)
FORMAT = ClassicFormat()


def post(text: bytes, after: Message | None = None, author: object = ME) -> Message:
    state = None if after is None else FeedState(after.sequence, after.key)
    identity = author if author is OTHER else ME
    assert identity is ME or identity is OTHER
    return FORMAT.create(b'{"type":"post","text":"%b"}' % text, identity, state, 1.0)


FIRST, RIVAL = post(b"first"), post(b"rival")


def test_two_messages_of_one_place_are_a_fork() -> None:
    assert prove_fork(FIRST, RIVAL) == ForkProof(FIRST, RIVAL)
    assert prove_fork(post(b"a", FIRST), post(b"b", FIRST)) is not None
    assert prove_fork(post(b"a", FIRST), post(b"a", RIVAL)) is not None


def test_a_message_after_a_rival_is_a_fork() -> None:
    after_rival = post(b"second", RIVAL)
    assert prove_fork(FIRST, after_rival) == ForkProof(FIRST, after_rival)


def test_honest_messages_are_no_fork() -> None:
    second = post(b"second", FIRST)
    third = post(b"third", second)
    assert prove_fork(FIRST, FIRST) is None
    assert prove_fork(FIRST, second) is None
    assert prove_fork(second, third) is None
    assert prove_fork(FIRST, third) is None
    assert prove_fork(second, FIRST) is None


def test_messages_of_two_authors_are_no_fork() -> None:
    assert prove_fork(FIRST, post(b"first", author=OTHER)) is None
