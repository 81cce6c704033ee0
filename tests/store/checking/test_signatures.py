"""Checking signatures in several threads at once."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.message import ChainedMessage, Message, RawMessage, Reason, Rejected
from lichen.store.checking.signatures import KEPT_MAX, SignatureThreads

MakeAuthor = Callable[[int], Any]


def chained(message: RawMessage) -> ChainedMessage:
    found = ClassicFormat().chain_alone(message)
    assert isinstance(found, ChainedMessage)
    return found


@pytest.mark.parametrize("count", [0, 1, 3])
def test_every_signature_gets_its_own_verdict(author: MakeAuthor, count: int) -> None:
    ada = author(1)
    messages = ada.posts(60)
    for number in range(0, 60, 7):
        messages[number] = ada.spoil(messages[number])
    threads = SignatureThreads(count)
    signatures = threads.begin()
    for number, message in enumerate(messages):
        signatures.add(number, ClassicFormat(), chained(message))
    verdicts = signatures.finish()
    threads.close()
    assert {number: isinstance(verdict, Message) for number, verdict in verdicts.items()} == {
        number: number % 7 != 0 for number in range(60)
    }
    assert verdicts[7] == Rejected(Reason.SIGNATURE, ada.id, 8)
    assert verdicts[8] == ada.messages[8]


class Waiting(ClassicFormat):
    """Keeps worker threads waiting until the writer has nothing left to do itself."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.may_leave = threading.Event()

    def verify(self, message: ChainedMessage) -> Message | Rejected:
        if threading.current_thread() is not threading.main_thread():
            self.entered.set()
            assert self.may_leave.wait(10)
        return super().verify(message)


def test_finish_waits_for_what_is_under_way_elsewhere(author: MakeAuthor) -> None:
    form = Waiting()
    threads = SignatureThreads(1)
    signatures = threads.begin()
    messages = author(1).posts(KEPT_MAX + 2)
    for number, message in enumerate(messages[: KEPT_MAX + 1]):
        signatures.add(number, form, chained(message))
    assert form.entered.wait(10)
    signatures.add(KEPT_MAX + 1, form, chained(messages[-1]))
    release = threading.Timer(0.05, form.may_leave.set)
    release.start()
    assert sorted(signatures.finish()) == list(range(KEPT_MAX + 2))
    release.join()
    threads.close()


def test_fault_in_a_thread_is_raised_in_the_writer_and_spares_the_next_batch(
    author: MakeAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = SignatureThreads(2)
    messages = [chained(message) for message in author(1).posts(20)]
    with monkeypatch.context() as patch:
        patch.setattr(ClassicFormat, "verify", lambda form, message: 1 // 0)
        signatures = threads.begin()
        for number, message in enumerate(messages):
            signatures.add(number, ClassicFormat(), message)
        with pytest.raises(ZeroDivisionError):
            signatures.finish()
    signatures = threads.begin()
    for number, message in enumerate(messages):
        signatures.add(number, ClassicFormat(), message)
    assert len(signatures.finish()) == 20
    threads.close()
