"""The process that chains beside the writer: nothing depends on it, and nothing changes by it."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.message import Candidate, ChainedMessage, Message, RawMessage
from lichen.store.checking import chainer as chaining
from lichen.store.checking.chainer import COMMAND, Chainer
from lichen.store.checking.work import VERIFIED_ONE_IN, chain_block, chain_texts

MakeAuthor = Callable[[int], Any]
MakeChainer = Callable[..., Chainer]
FORMAT = ClassicFormat()
WAIT_S = 30


@pytest.fixture
def make_chainer() -> Iterator[MakeChainer]:
    made: list[Chainer] = []

    def make(feed_format: ClassicFormat = FORMAT, *args: Any, **options: Any) -> Chainer:
        chainer = Chainer(feed_format, *args, is_alone=False, **options)
        made.append(chainer)
        return chainer

    yield make
    for chainer in made:
        chainer.close()
        assert chainer._process is None


def until(claim: Callable[[], object]) -> None:
    give_up = time.monotonic() + WAIT_S
    while not claim():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def ready(chainer: Chainer) -> Chainer:
    chainer.start()
    until(lambda: chainer.is_ready)
    return chainer


def pass_through(chainer: Chainer, batch: Sequence[Candidate]) -> "Future[list[Candidate]]":
    """Pass a batch on to nobody: what it had become is the answer."""

    def onward(candidates: Sequence[Candidate]) -> "Future[list[Candidate]]":
        future: Future[list[Candidate]] = Future()
        future.set_result(list(candidates))
        return future

    return chainer.pass_on(batch, onward)


def test_texts_come_to_the_same_there_and_here(
    author: MakeAuthor, make_chainer: MakeChainer
) -> None:
    alice, bob = author(1), author(2)
    alice.posts(70)
    alice.write({"type": "contact", "contact": bob.id, "following": True})
    alice.write({"type": "post", "text": "h\u00e9llo"})
    batch = alice.sent
    spoilt = alice.spoil(batch[-1])
    batch[10] = RawMessage(alice.id, 11, b"no JSON")
    batch[11] = RawMessage(bob.id, 12, batch[11].data)
    batch[12] = RawMessage(alice.id, 99, batch[12].data)
    batch[13] = RawMessage(alice.id, 14, batch[13].data, "bamboo")
    batch.append(spoilt)
    found = pass_through(ready(make_chainer()), batch).result(WAIT_S)
    assert found[10:14] == batch[10:14], "what is not what it claims to be goes on as it came"
    assert all(isinstance(each, ChainedMessage) for each in found[:10] + found[14:70])
    assert isinstance(found[70], Message), "a contact's signature is due"
    assert isinstance(found[-1], ChainedMessage), "a wrong signature is not called right"
    kept = [at for at in range(len(batch)) if at not in range(10, 14)]
    here = chain_texts([each.data for each in batch], FORMAT).found()
    assert [found[at] for at in kept] == [here[at] for at in kept]


def test_lines_come_to_the_same_there_and_here(
    author: MakeAuthor, make_chainer: MakeChainer
) -> None:
    alice = author(1)
    alice.posts(3)
    lines = [b'{"key":"%%wrong","value":%b}' % alice.sent[0].data, alice.sent[1].data, b"", b"{}"]
    lines += [
        b'{"key":"%b","value":%b}' % (each.key.encode(), each.data) for each in alice.messages
    ]
    block = b"\n".join(lines)
    chainer = make_chainer()
    assert chainer.chain_lines(block) is None, "there is no process yet"
    asked = ready(chainer).chain_lines(block)
    assert asked is not None
    found = asked.result(WAIT_S)
    assert found == chain_block(block, FORMAT)
    assert [each is None for each in found.messages] == [False, False, True, True, *[False] * 3]
    assert found.claimed == {0: "%wrong"}


def test_only_some_signatures_are_checked_there(author: MakeAuthor) -> None:
    alice = author(1)
    texts = ["\u00e9" if n % 10 == 0 else "e" for n in range(60)] + ["\u00e9"] * 60
    alice.write(*({"type": "post", "text": text} for text in texts))
    data = [each.data for each in alice.sent]
    for found, few in (
        (chain_texts(data, FORMAT), [0, 10, 20, 30, 40, 50]),
        (chain_block(b"\n".join(data), FORMAT), [0, 10, 30, 40]),
    ):
        assert [at for at in found.verified if at < 60] == few, "of a file every third is left"
        assert len(found.verified) <= 120 / VERIFIED_ONE_IN
        assert {texts[at] for at in found.verified} == {"\u00e9"}, "no other is due"


def test_signatures_are_those_of_the_network(author: MakeAuthor, make_chainer: MakeChainer) -> None:
    alice = author(1)
    alice.write(*({"type": "contact", "contact": alice.id} for _ in range(64)))
    keyed = ready(make_chainer(ClassicFormat(b"k" * 32), b"k" * 32))
    found = pass_through(keyed, alice.sent).result(WAIT_S)
    assert not any(isinstance(each, Message) for each in found)
    found = pass_through(ready(make_chainer()), alice.sent).result(WAIT_S)
    assert any(isinstance(each, Message) for each in found)


def test_batches_go_on_in_order(author: MakeAuthor, make_chainer: MakeChainer) -> None:
    alice = author(1)
    alice.posts(1000)
    sent = alice.sent
    chainer = ready(make_chainer())
    came: list[int] = []

    def onward(candidates: Sequence[Candidate]) -> "Future[None]":
        came.extend(each.sequence for each in candidates)
        future: Future[None] = Future()
        future.set_result(None)
        return future

    futures = []
    at = 0
    for size in [300, 1, 2, 100, 1, 500, 96]:
        futures.append(chainer.pass_on(sent[at : at + size], onward))
        at += size
    for future in futures:
        future.result(WAIT_S)
    assert came == list(range(1, 1001))


def test_small_batches_and_chained_ones_are_left_alone(
    author: MakeAuthor, make_chainer: MakeChainer
) -> None:
    alice = author(1)
    alice.posts(100)
    chainer = ready(make_chainer())
    assert pass_through(chainer, alice.sent[:5]).result(WAIT_S) == alice.sent[:5]
    assert pass_through(chainer, alice.messages).result(WAIT_S) == alice.messages


def test_first_large_batch_starts_it_and_does_not_wait(
    author: MakeAuthor, make_chainer: MakeChainer
) -> None:
    alice = author(1)
    alice.posts(64)
    chainer = make_chainer()
    passed = pass_through(chainer, alice.sent)
    assert passed.done()
    assert passed.result() == alice.sent
    until(lambda: chainer.is_ready)
    assert (
        pass_through(chainer, alice.sent).result(WAIT_S)
        == chain_texts([each.data for each in alice.sent], FORMAT).found()
    )


def test_what_a_killed_process_owes_is_done_here(
    author: MakeAuthor, make_chainer: MakeChainer
) -> None:
    alice = author(1)
    alice.posts(500)
    told: list[str] = []
    chainer = ready(make_chainer(on_notice=told.append))
    assert chainer._process is not None
    os.kill(chainer._process.pid, signal.SIGSTOP)
    futures = [pass_through(chainer, alice.sent[at : at + 100]) for at in range(0, 500, 100)]
    futures.append(pass_through(chainer, alice.sent[:1]))
    os.kill(chainer._process.pid, signal.SIGKILL)
    found = [each for future in futures for each in future.result(WAIT_S)]
    assert all(isinstance(each, ChainedMessage) for each in found)
    assert [each.sequence for each in found] == [*range(1, 501), 1]
    until(lambda: told)
    assert "exit -9" in told[0]
    # From then on everything is done here.
    assert pass_through(chainer, alice.sent).result(WAIT_S) == alice.sent
    assert not chainer.is_ready


@pytest.mark.parametrize(
    "command", [("/nowhere/python",), (sys.executable, "-c", ""), (sys.executable, "-c", "print()")]
)
def test_process_that_does_not_start_is_not_missed(
    author: MakeAuthor, make_chainer: MakeChainer, command: tuple[str, ...]
) -> None:
    alice = author(1)
    alice.posts(100)
    told: list[str] = []
    chainer = make_chainer(command=command, on_notice=told.append)
    for _ in range(3):
        assert pass_through(chainer, alice.sent).result(WAIT_S)
    until(lambda: told)
    assert pass_through(chainer, alice.sent).result(WAIT_S) == alice.sent
    assert len(told) == 1
    assert "Traceback" not in told[0]


def test_idle_process_is_let_go_and_comes_again(
    author: MakeAuthor, make_chainer: MakeChainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chaining, "IDLE_S", 0.05)
    alice = author(1)
    alice.posts(64)
    told: list[str] = []
    chainer = make_chainer(on_notice=told.append)
    for _ in range(2):
        ready(chainer)
        until(lambda: chainer._process is None)
        assert not chainer.is_ready
        assert pass_through(chainer, alice.sent).result(WAIT_S) == alice.sent
        until(lambda: chainer._process is not None)
    assert not told, "that it goes is as it should be"


def test_closing_waits_for_what_is_owed_and_not_for_a_start(
    author: MakeAuthor, make_chainer: MakeChainer
) -> None:
    alice = author(1)
    alice.posts(200)
    chainer = ready(make_chainer())
    futures = [pass_through(chainer, alice.sent) for _ in range(5)]
    chainer.close()
    assert all(future.done() for future in futures)
    asleep = make_chainer(command=(sys.executable, "-c", "import time; time.sleep(1000)"))
    asleep.start()
    asleep.close()
    assert asleep._process is None


def test_process_ends_with_its_peer() -> None:
    program = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen({COMMAND!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(1000)\n"
    )
    import subprocess  # noqa: PLC0415 (only here)

    with subprocess.Popen((sys.executable, "-c", program), stdout=subprocess.PIPE) as peer:
        assert peer.stdout is not None
        child = int(peer.stdout.readline())
        peer.kill()

    def is_gone() -> bool:
        try:
            with open(f"/proc/{child}/stat") as file:  # noqa: PTH123 (one line)
                return file.read().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    until(is_gone)


def test_an_answer_that_makes_no_sense_is_done_without(
    author: MakeAuthor, make_chainer: MakeChainer
) -> None:
    program = (
        "import sys, json\n"
        "read, write = sys.stdin.buffer, sys.stdout.buffer\n"
        "answer = b''\n"
        "while head := read.read(5):\n"
        "    read.read(int.from_bytes(head[:4], 'little'))\n"
        "    write.write(len(answer).to_bytes(4, 'little') + answer)\n"
        "    write.flush()\n"
        "    answer = b'nonsense'\n"
    )
    alice = author(1)
    alice.posts(64)
    chainer = ready(make_chainer(command=(sys.executable, "-c", program)))
    found = pass_through(chainer, alice.sent).result(WAIT_S)
    assert found == chain_texts([each.data for each in alice.sent], FORMAT).found()
    assert json.loads(found[0].data)["sequence"] == 1
