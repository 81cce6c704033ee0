"""Bringing a log in from a file: verified, counted, and kept as far as the file could be read."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from lichen.feed.refs import msg_id_from_bytes
from lichen.node.api import lines
from lichen.node.errors import ApiError
from lichen.store.audit import auditor
from lichen.store.checking.chainer import Chainer

OpenPeer = Callable[..., Any]
OpenCalls = Callable[..., Any]
MakeAuthor = Callable[[int], Any]
Until = Callable[..., Any]


def line(message: Any, key: str | None = None) -> bytes:
    head = b'{"key":"%s","value":' % (key or message.key).encode()
    return head + message.data + b',"timestamp":1600000000000.5}\n'


async def import_lines(calls: Any, path: Path, lines: list[bytes], **options: Any) -> Any:
    await asyncio.to_thread(path.write_bytes, b"".join(lines))
    told = [
        item async for item in calls.source("lichen.importFile", {"path": str(path), **options})
    ]
    assert [item["done"] for item in told] == [False] * (len(told) - 1) + [True]
    return told[-1]


async def collect(source: AsyncIterator[Any], told: list[Any]) -> None:
    async for item in source:
        told.append(item)  # noqa: PERF401 (what came before a fault counts)


@pytest.fixture(autouse=True, params=["here", "elsewhere"])
def chaining(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of these is so whether another process takes the lines apart, or this one."""
    start = Chainer.start

    def start_and_wait(chainer: Chainer) -> None:
        start(chainer)
        give_up = time.monotonic() + 30
        while not chainer.is_ready:
            assert time.monotonic() < give_up, "the process does not start"
            time.sleep(0.002)

    is_here = request.param == "here"
    monkeypatch.setattr(Chainer, "start", (lambda _: None) if is_here else start_and_wait)


def test_both_kinds_of_lines_and_gzip(
    open_calls: OpenCalls, author: MakeAuthor, tmp_path: Path
) -> None:
    alice = author(1)
    alice.write(30)

    async def run() -> None:
        async with open_calls() as calls:
            file = tmp_path / "log.jsonl"
            lines = [line(message) for message in alice.messages[:10]]
            told = await import_lines(calls, file, [*lines, b"\n", b"  \n"])
            assert (told["read"], told["accepted"], told["refused"]) == (10, 10, 0)
            lines = [message.data + b"\r\n" for message in alice.messages[5:20]]
            told = await import_lines(calls, file, lines)
            assert (told["accepted"], told["duplicates"]) == (10, 5)
            lines = [line(message) for message in alice.messages]
            lines[-1] = lines[-1].rstrip()
            told = await import_lines(calls, file, [gzip.compress(b"".join(lines))])
            assert (told["accepted"], told["duplicates"]) == (10, 20)
            stream = calls.source("createUserStream", {"id": alice.id})
            keys = [item["key"] async for item in stream]
            assert keys == [message.key for message in alice.messages]

    asyncio.run(run())


def test_bad_lines_are_told_with_their_number_and_reason(
    open_calls: OpenCalls, author: MakeAuthor, tmp_path: Path
) -> None:
    alice, bob = author(2), author(3)
    alice.write(4)
    bob.write(4)
    spoilt = json.loads(bob.messages[1].data)
    spoilt["content"]["text"] = "changed"

    async def run() -> None:
        async with open_calls() as calls:
            lines = [
                line(alice.messages[0]),
                b"nonsense\n",
                b'{"key":"%x","value":\n',
                b"[" * 200_000 + b"\n",
                b'"text"\n',
                b'{"key":7}\n',
                b"\xff\xfe\n",
                line(bob.messages[0]),
                json.dumps(spoilt).encode() + b"\n",
                line(bob.messages[2]),
                *(line(message) for message in alice.messages[1:]),
            ]
            told = await import_lines(calls, tmp_path / "log", lines)
            assert told["accepted"] == 5
            assert {2, 3, 4, 5, 6, 7, 9, 10} == {each["line"] for each in told["rejected"]}
            reasons = {each["reason"] for each in told["rejected"]}
            assert "the signature does not fit the author and the text" in reasons
            assert told["refused"] == len(told["rejected"])

    asyncio.run(run())


def test_line_with_a_surrogate_that_stands_alone(
    open_calls: OpenCalls, author: MakeAuthor, tmp_path: Path
) -> None:
    alice = author(1)
    alice.write(1)
    alice.write(1, {"type": "post", "text": "half a pair: \ud83d, and on"})
    alice.write(1)

    async def run() -> None:
        async with open_calls() as calls:
            lines = [line(message) for message in alice.messages]
            told = await import_lines(calls, tmp_path / "log.jsonl", lines)
            assert (told["accepted"], told["refused"]) == (3, 0), told

    asyncio.run(run())


def test_id_that_its_text_does_not_have_is_told(
    open_calls: OpenCalls, author: MakeAuthor, tmp_path: Path
) -> None:
    alice = author(4)
    alice.write(3)
    wrong = msg_id_from_bytes(b"\1" * 32)

    async def run() -> None:
        async with open_calls() as calls:
            first, second, third = alice.messages
            lines = [line(first), line(second, wrong), line(third)]
            told = await import_lines(calls, tmp_path / "log", lines)
            assert told["accepted"] == 3
            assert told["refused"] == 1
            assert told["rejected"][0]["key"] == wrong
            bob = author(44)
            bob.write(1)
            spoilt = bob.messages[0].data.replace(b"message 1", b"massage 1")
            told = await import_lines(calls, tmp_path / "log", [*lines, spoilt])
            assert told["refused"] == 2, "one bad line does not hide another"

    asyncio.run(run())


def test_fork_in_a_file_is_counted(
    open_calls: OpenCalls, author: MakeAuthor, tmp_path: Path
) -> None:
    alice = author(5)
    alice.write(3)
    other = alice.on_another_machine(2)
    other.write(1, {"type": "post", "text": "other"})

    async def run() -> None:
        async with open_calls() as calls:
            lines = [line(message) for message in [*alice.messages, other.messages[2]]]
            told = await import_lines(calls, tmp_path / "log", lines)
            assert (told["accepted"], told["forks"]) == (3, 1)
            assert (await calls.call("status"))["forkedFeeds"] == [alice.id]

    asyncio.run(run())


def test_signatures_of_a_file_are_checked_behind_and_told(
    open_calls: OpenCalls, author: MakeAuthor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = author(5)
    alice.write(100)

    async def run() -> None:
        async with open_calls() as calls:
            with monkeypatch.context() as patch:
                patch.setattr(auditor, "CALM_S", 1e6)
                await import_lines(calls, tmp_path / "log", map(line, alice.messages))
                status = await calls.call("status")
                assert (status["messages"], status["unaudited"]) == (100, 99)
                assert status["audit"]["behind"] == 99
                (found,) = [
                    finding["words"]
                    for finding in await calls.call("lichen.doctor")
                    if finding["check"] == "signatures"
                ]
                assert found.startswith("99 messages wait")
            await asyncio.wrap_future(calls._service.store.wait_audited())
            status = await calls.call("status")
            assert (status["unaudited"], status["audit"]) == (0, None)

    asyncio.run(run())


def test_all_signatures_are_checked_at_once_or_waited_for(
    open_calls: OpenCalls, author: MakeAuthor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = author(5), author(6)
    alice.write(40)
    bob.write(40)

    async def run() -> None:
        async with open_calls() as calls:
            monkeypatch.setattr(auditor, "CALM_S", 1e6)
            file = tmp_path / "log"
            told = await import_lines(calls, file, map(line, alice.messages), verify="all")
            assert (told["accepted"], told["unaudited"]) == (40, 0)
            told = await import_lines(calls, file, map(line, bob.messages[:20]))
            assert (told["accepted"], told["unaudited"]) == (20, 19)
            told = await import_lines(calls, file, map(line, bob.messages[20:]), waitAudit=True)
            assert (told["accepted"], told["unaudited"], told["cut"]) == (20, 0, 0)
            with pytest.raises(ApiError) as refused:
                await import_lines(calls, file, [], verify="none")
            assert refused.value.slug == "usage"

    asyncio.run(run())


def test_lines_that_end_in_any_block_are_whole(
    open_calls: OpenCalls, author: MakeAuthor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = author(5)
    alice.write(20)

    async def run() -> None:
        async with open_calls() as calls:
            monkeypatch.setattr(lines, "BLOCK_BYTES", 100)
            monkeypatch.setattr(lines, "LINE_BYTES_MAX", 2_000)
            texts = [line(message) for message in alice.messages]
            told = await import_lines(calls, tmp_path / "log", [b"x" * 9_999 + b"\n", *texts])
            assert (told["accepted"], told["refused"]) == (20, 1)
            assert told["rejected"][0]["line"] == 1

    asyncio.run(run())


@pytest.mark.parametrize("how", ["cut", "changed", "no gzip"])
def test_broken_gzip_keeps_what_was_read_and_says_so(
    how: str, open_calls: OpenCalls, author: MakeAuthor, tmp_path: Path
) -> None:
    alice = author(6)
    alice.write(2500)
    whole = gzip.compress(b"".join(line(message) for message in alice.messages), 1)
    broken = {
        "cut": whole[: len(whole) * 9 // 10],
        "changed": whole[: len(whole) * 9 // 10] + b"\xff" * (len(whole) // 10),
        "no gzip": whole[:2] + b"nonsense" * 100,
    }[how]

    async def run() -> None:
        async with open_calls() as calls:
            file = tmp_path / "log.gz"
            told = []
            file.write_bytes(broken)
            with pytest.raises(ApiError, match="cannot be read to its end") as refused:
                await collect(calls.source("lichen.importFile", {"path": str(file)}), told)
            count = (await calls.call("status"))["messages"]
            if how == "no gzip":
                assert (refused.value.slug, count) == ("failed", 0)
            else:
                assert refused.value.slug == "partly-done"
                assert 2000 < count < 2500, "also what was read of an unfinished batch"
                assert told[-1]["accepted"] == count, "all that is kept was told"
            file.write_bytes(whole)
            options = {"path": str(file)}
            told = [item async for item in calls.source("lichen.importFile", options)]
            assert told[-1]["accepted"] + count == 2500

    asyncio.run(run())


def test_file_that_is_not_there(open_calls: OpenCalls, tmp_path: Path) -> None:
    async def run() -> None:
        async with open_calls() as calls:
            for path, slug in ((tmp_path / "none", "not-found"), (tmp_path, "failed")):
                with pytest.raises(ApiError, match=str(path)) as refused:
                    await anext(calls.source("lichen.importFile", {"path": str(path)}))
                assert refused.value.slug == slug
            with pytest.raises(ApiError, match="takes the path"):
                await anext(calls.source("lichen.importFile"))

    asyncio.run(run())


def test_import_that_its_program_leaves_is_known_to_the_brain(
    open_peer: OpenPeer, open_calls: OpenCalls, author: MakeAuthor, tmp_path: Path, until: Until
) -> None:
    alice, carol = author(7), author(8)
    alice.write(1200)
    alice.write(1, {"type": "contact", "contact": carol.id, "following": True})
    alice.write(1799)
    file = tmp_path / "log"
    file.write_bytes(b"".join(line(message) for message in alice.messages))

    async def run() -> None:
        async with open_peer() as peer:
            follow = {"type": "contact", "contact": alice.id, "following": True}
            await peer.publish([follow])
            async with open_calls() as calls:
                stream = calls.source("lichen.importFile", {"path": str(file)})
                assert (await anext(stream))["accepted"] >= 1000
            received = 0

            def is_still() -> bool:
                nonlocal received
                before, received = received, peer.store.log.received(alice.id)
                return before == received >= 2000

            await until(is_still)
            graph = peer.shell.brain.graph
            await until(lambda: graph.edges(alice.id).get(carol.id) == 1)

    asyncio.run(run())


def test_views_wait_when_they_are_told_to(
    open_calls: OpenCalls, author: MakeAuthor, tmp_path: Path
) -> None:
    alice = author(9)
    alice.write(1500)

    async def run() -> None:
        async with open_calls() as calls:
            lines = [line(message) for message in alice.messages]
            await import_lines(calls, tmp_path / "log", lines, noViews=True)
            views = (await calls.call("status"))["views"]
            assert max(view["total"] - view["folded"] for view in views) > 0
        async with open_calls() as calls:
            found = calls.source("messagesByType", {"type": "post", "keys": False})
            assert len([value async for value in found]) == 1500

    asyncio.run(run())
