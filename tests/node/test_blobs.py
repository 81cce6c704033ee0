"""Pictures between real peers: one hop, two hops, pushes, a full disk, the local API."""

import asyncio
import errno
import hashlib
import os
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from lichen.feed.message import BlobId
from lichen.feed.refs import blob_id_from_bytes
from lichen.gossip.effects import DropBlob, FinishBlob, WriteBlob
from lichen.gossip.events import BlobFailed, BlobStored, ConnectionId
from lichen.gossip.limits import BLOB_BYTES_MAX
from lichen.node.errors import ApiError
from lichen.node.service import Service
from lichen.store.blobs import EMPTY_BLOB, Draft

OpenPeer = Callable[..., AbstractAsyncContextManager[Service]]
Until = Callable[..., Any]
LinkUp = Callable[..., Any]
PICTURE = random.Random(1).randbytes(700_000)
NOBODYS = blob_id_from_bytes(b"\1" * 32)


async def befriend(*peers: Service) -> None:
    for one in peers:
        await one.publish(
            [
                {"type": "contact", "contact": other.keyring.id, "following": True}
                for other in peers
                if other is not one
            ]
        )


def keep(peer: Service, data: bytes) -> BlobId:
    """Have a blob lie there from the start, without a push."""
    return peer.store.blobs.add(data, BLOB_BYTES_MAX)


def test_a_picture_crosses_one_hop_and_is_noticed(
    open_peer: OpenPeer, link_up: LinkUp, until: Until
) -> None:
    async def run() -> None:
        async with open_peer("anna") as anna, open_peer("bert") as bert:
            await befriend(anna, bert)
            await link_up(anna, bert)
            blob = keep(anna, PICTURE)
            heard: list[str] = []
            bert.hub.listen(lambda notice: heard.append(f"{notice.topic} {notice.detail}"))
            assert bert.blobs.want(blob) is False
            assert bert.blobs.want(blob) is False
            await bert.blobs.wait(blob)
            assert bert.blobs.want(blob) is True
            assert bert.blobs.size(blob) == len(PICTURE)
            assert await bert.blobs.read(blob) == PICTURE
            assert await bert.blobs.read(blob, 10, 20) == PICTURE[10:20]
            await until(lambda: f"blob {blob}" in heard)
            assert heard.count(f"blob {blob}") == 1

    asyncio.run(run())


def test_a_picture_crosses_two_hops_over_a_peer_in_the_middle(
    open_peer: OpenPeer, link_up: LinkUp, until: Until
) -> None:
    async def run() -> None:
        async with (
            open_peer("anna") as anna,
            open_peer("mia") as mia,
            open_peer("bert") as bert,
        ):
            await befriend(anna, mia)
            await befriend(mia, bert)
            await link_up(anna, mia)
            await link_up(bert, mia)
            blob = await anna.blobs.add(PICTURE)
            await until(lambda: mia.blobs.size(blob))
            await until(lambda: bert.blobs.size(blob))
            other = keep(bert, PICTURE[1:])
            await anna.blobs.wait(other)
            assert await anna.blobs.read(other) == PICTURE[1:]
            assert mia.blobs.size(other) == len(PICTURE) - 1
            # Mia is the only one of Anna's three, so that the push goes on.
            await until(lambda: anna.store.local.pushes() == {blob: (mia.keyring.id,)})

    asyncio.run(run())


def test_a_stranger_gets_what_is_here_and_makes_nobody_fetch(
    open_peer: OpenPeer, link_up: LinkUp
) -> None:
    async def run() -> None:
        async with (
            open_peer("anna") as anna,
            open_peer("mia") as mia,
            open_peer("stranger") as stranger,
        ):
            await befriend(anna, mia)
            await link_up(anna, mia)
            await link_up(stranger, mia)
            held, lacking = keep(mia, PICTURE), keep(anna, PICTURE[1:])
            stranger.blobs.want(lacking)
            await stranger.blobs.wait(held)
            assert mia.blobs.size(lacking) is None
            assert mia.shell.brain.snapshot().blobs_wanted == 0

    asyncio.run(run())


def test_pushes_go_on_in_the_next_run(open_peer: OpenPeer, link_up: LinkUp, until: Until) -> None:
    async def run() -> None:
        async with open_peer("anna") as anna:
            blob = await anna.blobs.add(PICTURE)
            assert await anna.blobs.add(b"") == EMPTY_BLOB
            assert anna.store.local.pushes() == {blob: ()}
        async with open_peer("anna") as anna, open_peer("bert") as bert:
            await befriend(anna, bert)
            await link_up(bert, anna)
            await until(lambda: bert.blobs.size(blob))

    asyncio.run(run())


def test_a_picture_that_was_cut_short_on_disk_is_fetched_from_another(
    open_peer: OpenPeer, link_up: LinkUp
) -> None:
    async def run() -> None:
        async with (
            open_peer("anna") as anna,
            open_peer("mia") as mia,
            open_peer("bert") as bert,
        ):
            await befriend(anna, mia, bert)
            blob = keep(mia, PICTURE)
            keep(bert, PICTURE)
            digits = hashlib.sha256(PICTURE).hexdigest()
            file = mia.home.directory / "blobs" / "sha256" / digits[:2] / digits[2:]
            os.truncate(file, 300_000)
            await link_up(anna, mia)
            anna.blobs.want(blob)
            await link_up(anna, bert)
            await anna.blobs.wait(blob)
            assert await anna.blobs.read(blob) == PICTURE
            assert mia.blobs.size(blob) is None or file.stat().st_size == len(PICTURE)

    asyncio.run(run())


def test_a_full_disk_is_waited_for_and_leaves_nothing(
    open_peer: OpenPeer, link_up: LinkUp, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lichen.gossip.connections.blob_downloads.BLOB_RETRY_S", 0.5)
    tries: list[str] = []

    def fail(draft: Draft, data: bytes) -> None:
        tries.append(draft._path.parent.parent.parent.name)
        raise OSError(errno.ENOSPC, "No space left on device")

    async def run() -> None:
        async with open_peer("anna") as anna, open_peer("bert") as bert:
            await befriend(anna, bert)
            await link_up(anna, bert)
            blob = keep(anna, PICTURE)
            with monkeypatch.context() as patched:
                patched.setattr(Draft, "_write_out", fail)
                bert.blobs.want(blob)
                await until(lambda: len(tries) >= 2)
                with pytest.raises(ApiError, match="disk full") as caught:
                    await anna.blobs.add(b"another one")
                assert caught.value.slug == "limit"
            await bert.blobs.wait(blob)
            assert list((bert.home.directory / "blobs" / "tmp").iterdir()) == []
            assert bert.shell.brain.snapshot().blob_faults == 0

    asyncio.run(run())


def test_too_big_a_picture_is_refused_in_words(open_peer: OpenPeer, tmp_path: Path) -> None:
    async def run() -> None:
        async with open_peer(listens=False) as peer:
            with pytest.raises(ApiError, match="5242880 bytes") as caught:
                await peer.blobs.add(bytes(BLOB_BYTES_MAX))
            assert caught.value.slug == "limit"
            file = tmp_path / "big"
            file.write_bytes(bytes(BLOB_BYTES_MAX))
            with pytest.raises(ApiError, match="5242880 bytes"):
                await peer.blobs.add_file(file)
            blob = await peer.blobs.add(bytes(BLOB_BYTES_MAX - 1))
            assert peer.blobs.size(blob) == BLOB_BYTES_MAX - 1
            assert await peer.blobs.read(NOBODYS) is None

    asyncio.run(run())


@pytest.mark.parametrize("listens", [True, False], ids=["running", "without a network"])
def test_local_programs_add_read_and_throw_away(
    open_peer: OpenPeer, open_calls: Any, tmp_path: Path, listens: bool
) -> None:
    file = tmp_path / "picture"
    file.write_bytes(PICTURE)

    async def use(calls: Any) -> None:
        blob = await calls.call("blobs.addFile", {"path": str(file)})
        assert blob == blob_id_from_bytes(hashlib.sha256(PICTURE).digest())
        assert await calls.call("blobs.has", blob) is True
        assert await calls.call("blobs.has", [blob, NOBODYS]) == [True, False]
        assert await calls.call("blobs.size", [blob, NOBODYS, EMPTY_BLOB]) == [700_000, None, 0]
        assert await calls.call("blobs.want", blob) is True
        assert await calls.call("blobs.push", blob) is True
        assert b"".join([piece async for piece in calls.binary("blobs.get", blob)]) == PICTURE
        sliced = {"key": blob, "start": 5, "end": 70_000}
        pieces = [piece async for piece in calls.binary("blobs.getSlice", sliced)]
        assert [len(piece) for piece in pieces] == [65536, 4459]
        assert b"".join(pieces) == PICTURE[5:70_000]
        assert [item async for item in calls.source("blobs.ls")] == [blob]
        listed = [item async for item in calls.source("blobs.ls", {"meta": True})]
        assert listed == [{"id": blob, "size": 700_000}]
        assert await calls.call("blobs.rm", blob) is True
        assert await calls.call("blobs.rm", blob) is False
        for name, args, slug in [
            ("blobs.get", [blob], "not-found"),
            ("blobs.get", [{"key": "x"}], "usage"),
            ("blobs.get", [{"key": EMPTY_BLOB, "size": 5}], "limit"),
        ]:
            with pytest.raises(ApiError) as caught:
                [piece async for piece in calls.binary(name, *args)]
            assert caught.value.slug == slug
        for name, argument, slug in [
            ("blobs.push", blob, "not-found"),
            ("blobs.want", "x", "usage"),
            ("blobs.has", ["x"], "usage"),
            ("blobs.addFile", {"path": str(tmp_path / "none")}, "not-found"),
            ("blobs.addFile", {}, "usage"),
        ]:
            with pytest.raises(ApiError) as caught:
                await calls.call(name, argument)
            assert caught.value.slug == slug, name
        await want_what_nobody_has(calls)

    async def want_what_nobody_has(calls: Any) -> None:
        if listens:
            assert await calls.call("blobs.want", NOBODYS, {"nowait": True}) is False
            return
        with pytest.raises(ApiError) as caught:
            await calls.call("blobs.want", NOBODYS)
        assert caught.value.slug == "unreachable"

    async def run() -> None:
        if not listens:
            async with open_calls() as calls:
                await use(calls)
            return
        async with open_peer(), open_calls() as calls:
            await use(calls)

    asyncio.run(run())


def test_a_program_that_waits_hears_when_a_picture_comes(
    open_peer: OpenPeer, open_calls: Any, link_up: LinkUp
) -> None:
    async def run() -> None:
        async with (
            open_peer("anna") as anna,
            open_peer("bert") as bert,
            open_calls("anna") as calls,
        ):
            blob = keep(bert, PICTURE)
            asking = asyncio.create_task(calls.call("blobs.want", blob))
            given_up = asyncio.create_task(calls.call("blobs.want", blob))
            await asyncio.sleep(0.05)
            assert not asking.done()
            given_up.cancel()
            await link_up(anna, bert)
            assert await asking is True
            assert anna.blobs._waiters == {}

    asyncio.run(run())


def test_after_a_failed_write_the_rest_is_dropped_and_told_once(
    open_peer: OpenPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(draft: Draft, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def run() -> None:
        async with open_peer(listens=False) as peer:
            incoming = peer.blobs._incoming
            call = (ConnectionId(1), 2)
            blob = blob_id_from_bytes(hashlib.sha256(PICTURE).digest())
            write = WriteBlob(*call, blob, (PICTURE,))
            with monkeypatch.context() as patched:
                patched.setattr(Draft, "_write_out", fail)
                failed = incoming.perform(write)
            assert isinstance(failed, BlobFailed)
            assert not failed.is_peers_fault
            assert incoming.perform(write) is None
            assert incoming.perform(FinishBlob(*call, blob)) is None
            incoming.perform(DropBlob(*call))
            assert incoming._drafts == {}
            incoming.perform(write)
            stored = incoming.perform(FinishBlob(*call, blob))
            assert stored == BlobStored(blob, len(PICTURE), *call)
            incoming.perform(WriteBlob(*call, blob, (PICTURE, b"x")))
            lie = incoming.perform(FinishBlob(*call, blob))
            assert isinstance(lie, BlobFailed)
            assert lie.is_peers_fault
            assert list((peer.home.directory / "blobs" / "tmp").iterdir()) == []

    asyncio.run(run())
