"""Keeping beside a running peer, and a peer whose log was healed: others give the rest again."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from lichen.feed.message import FeedId
from lichen.node.api import keeper as keepers
from lichen.node.api.keeper import open_keeper
from lichen.node.api.keeping import restore
from lichen.node.client import OfflineClient
from lichen.node.errors import ApiError
from lichen.node.home import Home, Settings
from lichen.store.local import SavedAddress

OpenPeer = Callable[..., Any]
POST = {"type": "post", "text": "hello"}


async def keep(home: Path, name: str, **options: Any) -> list[Any]:
    async with open_keeper(Home(home), Settings()) as keeper:
        return [record async for record in keeper.source(name, options)]


def spoil(home: Path, sequence: int) -> None:
    """Change a message of the longest feed."""
    db = apsw.Connection(str(home / "log.db"))
    db.execute(
        "UPDATE messages SET data = CAST(replace(data, 'hello', 'HELLO') AS BLOB)"
        " WHERE sequence = ? AND feed_no ="
        " (SELECT feed_no FROM messages GROUP BY feed_no ORDER BY count(*) DESC LIMIT 1)",
        (sequence,),
    )
    assert db.changes() == 1
    db.close()


def follow(peer: Any) -> dict[str, Any]:
    return {"type": "contact", "contact": peer.keyring.id, "following": True}


def test_beside_a_running_peer(open_peer: OpenPeer, tmp_path: Path) -> None:
    async def run() -> None:
        home = tmp_path / "peer"
        async with open_peer() as peer:
            await peer.publish([POST] * 250)
            records = await keep(home, "lichen.fsck", depth="full")
            assert records[-1]["report"]["damages"] == []
            assert records[-1]["report"]["signatures"] == 250
            stages = [record["stage"] for record in records[:-1]]
            assert stages.count("messages") > 2
            copied = (await keep(home, "lichen.backup", path=str(tmp_path / "backup")))[-1]
            assert copied["manifest"]["messages"] == 250
            assert copied["manifest"]["own_sequence"] == 250
            await peer.publish([POST])
            assert (await OfflineClient(peer).call("status"))["damage"] is None
            with pytest.raises(ApiError, match="running peer") as caught:
                await keep(home, "lichen.fsck", heal=True)
            assert (caught.value.slug, "--heal" in caught.value.hint) == ("refused", True)
            with pytest.raises(ApiError, match="Nobody is about to heal") as caught:
                await OfflineClient(peer).call("lichen.stepAside")
            rebuilt = await keep(home, "lichen.rebuild", views=["contacts"])
            (view,) = rebuilt[-1]["views"]
            assert (view["name"], view["folded"], view["total"]) == ("contacts", 251, 251)
            assert rebuilt[-1]["done"] is True
            with pytest.raises(ApiError, match="no such view") as caught:
                await keep(home, "lichen.rebuild", views=["weather"])
            assert "contacts" in caught.value.hint

    asyncio.run(run())


def test_a_log_that_was_deleted_under_its_peer(open_peer: OpenPeer, tmp_path: Path) -> None:
    """The peer still has it: nothing may make it close the file."""

    async def run() -> None:
        home = tmp_path / "peer"
        async with open_peer() as peer:
            await peer.publish([POST] * 20)
            (home / "log.db").unlink()
            for name, options in (
                ("lichen.fsck", {}),
                ("lichen.fsck", {"heal": True}),
                ("lichen.backup", {"path": str(tmp_path / "backup")}),
            ):
                with pytest.raises(ApiError, match="was deleted") as caught:
                    async with open_keeper(
                        Home(home), Settings(), heals="heal" in options
                    ) as keeper:
                        [_ async for _ in keeper.source(name, options)]
                assert (caught.value.slug, "lichen export" in caught.value.hint) == (
                    "damaged",
                    True,
                )
            assert not peer.is_stepping_aside
            assert peer.store.log.count() == 20

    asyncio.run(run())


def test_what_a_check_or_the_doctor_finds_is_remembered(
    open_peer: OpenPeer, tmp_path: Path
) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            await peer.publish([POST] * 20)
            spoil(tmp_path / "peer", 7)
            client = OfflineClient(peer)
            assert (await client.call("status"))["damage"] is None
            assert (await keep(tmp_path / "peer", "lichen.fsck"))[-1]["report"]["damages"]
            assert (await client.call("status"))["damage"] == "the database is damaged"
        async with open_peer() as peer:
            patch = pytest.MonkeyPatch()
            patch.setattr(peer.store.log.__class__, "damage", lambda _log: "page 7")
            for _ in range(2):
                (found,) = (
                    each
                    for each in await OfflineClient(peer).call("lichen.doctor")
                    if each["check"] == "log"
                )
                assert found["verdict"] == "fail"
                patch.undo()
            assert (await OfflineClient(peer).call("status"))["damage"]

    asyncio.run(run())


def test_an_address_of_nobody_is_dialled_in_vain(
    open_peer: OpenPeer, until: Callable[..., Any]
) -> None:
    """The disk has changed the id beside it: that is told as any other dial that fails."""

    async def run() -> None:
        async with open_peer(listens=False) as peer:
            saved = SavedAddress("net:127.0.0.1:1~shs:nobody", FeedId("@nobody"))
            await asyncio.wrap_future(peer.store.local.save_address(saved))
        async with open_peer() as peer:
            await until(lambda: peer.store.local.addresses()[0].failures)

    asyncio.run(run())


def test_rebuilding_empties_and_folds_again(open_peer: OpenPeer, tmp_path: Path) -> None:
    async def run() -> None:
        async with open_peer(listens=False) as peer:
            await peer.publish([POST] * 30)
            await asyncio.wrap_future(peer.store.wait_folded())
            database = peer.store._engine._db
            peer.store._submit(lambda: database.execute("UPDATE messages SET type = 'x'")).result()
            assert peer.store.views.read("SELECT DISTINCT type FROM messages") == [("x",)]
            records = [r async for r in OfflineClient(peer).source("lichen.rebuild", {})]
            assert records[-1]["done"]
            assert peer.store.views.read("SELECT DISTINCT type FROM messages") == [("post",)]

    asyncio.run(run())


def test_healed_feed_comes_again_from_a_peer(
    open_peer: OpenPeer, link_up: Callable[..., Any], until: Callable[..., Any], tmp_path: Path
) -> None:
    async def run() -> None:
        home = tmp_path / "bert"
        async with open_peer("anna") as anna, open_peer("bert") as bert:
            own = anna.keyring.id
            await anna.publish([POST] * 80)
            await bert.publish([follow(anna)])
            await link_up(bert, anna)
            await until(lambda: bert.store.log.received(own) == 80)
        spoil(home, 41)
        last = (await keep(home, "lichen.fsck"))[-1]
        [damage] = last["report"]["damages"]
        assert (damage["feed"], damage["sequence"] in {41, 42}) == (own, True)
        assert last["healed"] is None
        last = (await keep(home, "lichen.fsck", heal=True))[-1]
        assert last["healed"]["cuts"] == [{"feed": own, "sequence": 41, "count": 40}]
        async with open_peer("anna") as anna, open_peer("bert") as bert:
            assert bert.store.log.received(own) == 40
            assert not bert.shell.is_guarded
            await link_up(bert, anna)
            await until(lambda: bert.store.log.received(own) == 80)
        assert (await keep(home, "lichen.fsck", depth="full"))[-1]["report"]["damages"] == []

    asyncio.run(run())


def test_a_message_that_the_disk_has_changed_is_given_to_nobody(
    open_peer: OpenPeer, link_up: Callable[..., Any], until: Callable[..., Any], tmp_path: Path
) -> None:
    """It reads like a message: a peer that was given it would blame us."""

    async def run() -> None:
        async with open_peer("anna") as anna, open_peer("bert") as bert:
            await anna.publish([POST] * 80)
            await bert.publish([follow(anna)])
            spoil(tmp_path / "anna", 41)
            await link_up(bert, anna)
            await until(lambda: anna.store.faults.damage)
            await until(lambda: bert.store.log.received(anna.keyring.id) == 40)
            (peer,) = bert.shell.brain.snapshot().peers
            assert peer.faults == 0
            assert (await OfflineClient(anna).call("status"))["damage"]

    asyncio.run(run())


def test_own_feed_healed_or_restored_publishes_after_peers_were_asked(
    open_peer: OpenPeer, link_up: Callable[..., Any], until: Callable[..., Any], tmp_path: Path
) -> None:
    """What was published after the backup comes back from a peer, and the feed goes on from it."""

    async def run() -> None:
        async with open_peer("anna") as anna, open_peer("bert") as bert:
            own = anna.keyring.id
            await anna.publish([POST] * 20)
            await keep(
                tmp_path / "anna", "lichen.backup", path=str(tmp_path / "backup"), withSecret=True
            )
            await anna.publish([POST] * 5)
            await bert.publish([follow(anna)])
            await link_up(bert, anna)
            await until(lambda: bert.store.log.received(own) == 25)
        async for _ in restore(tmp_path / "backup", Home(tmp_path / "again")):
            pass
        async with open_peer("again") as again, open_peer("bert") as bert:
            assert again.keyring.id == own
            assert again.store.log.received(own) == 20
            with pytest.raises(ApiError, match="Nothing is published yet"):
                await again.publish([POST])
            await link_up(again, bert)
            await until(lambda: again.store.log.received(own) == 25)
            assert not again.store.log.is_forked(own)

    asyncio.run(run())


def test_folder_without_data_and_folder_in_use(open_peer: OpenPeer, tmp_path: Path) -> None:
    async def run() -> None:
        with pytest.raises(ApiError, match="no data") as caught:
            await keep(tmp_path / "nowhere", "lichen.fsck")
        assert caught.value.slug == "no-identity"
        (tmp_path / "without log").mkdir()
        (tmp_path / "without log" / "secret").write_text("a key")
        with pytest.raises(ApiError, match="The log is gone") as caught:
            await keep(tmp_path / "without log", "lichen.fsck")
        assert caught.value.slug == "damaged"
        assert not (tmp_path / "nowhere").exists()
        async with open_peer(listens=False):
            with pytest.raises(ApiError, match="in use") as caught:
                await keep(tmp_path / "peer", "lichen.fsck")
            assert caught.value.slug == "locked"

    asyncio.run(run())


def test_given_up_it_leaves_the_folder_free(open_peer: OpenPeer, tmp_path: Path) -> None:
    async def run() -> None:
        async with open_peer(listens=False) as peer:
            await peer.publish([POST] * 30)
        home = Home(tmp_path / "peer")
        async with open_keeper(home, Settings()) as keeper:
            records = keeper.source("lichen.fsck", {"depth": "full"})
            await anext(records)
            await records.aclose()
        with keepers._locked(home.directory, is_needed=True):
            pass

    asyncio.run(run())
