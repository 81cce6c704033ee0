"""Two peers of flesh and blood: durable before told, guarded before published."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import apsw
import pytest

from lichen.feed.identity import generate_identity
from lichen.feed.message import RawMessage
from lichen.gossip import limits as gossip_limits
from lichen.gossip.exchange import own_feed
from lichen.node import shell as shell_module
from lichen.node.client import OfflineClient
from lichen.node.errors import ApiError
from lichen.store.log.writer import LogWriter

OpenPeer = Callable[..., Any]
LinkUp = Callable[..., Any]
Until = Callable[..., Any]
POST = {"type": "post", "text": "hello"}


def follow(peer: Any) -> dict[str, Any]:
    return {"type": "contact", "contact": peer.keyring.id, "following": True}


def test_both_hear_what_either_writes(open_peer: OpenPeer, link_up: LinkUp, until: Until) -> None:
    async def run() -> None:
        async with open_peer("anna") as anna, open_peer("bert") as bert:
            for one, other in ((anna, bert), (bert, anna)):
                await one.publish([POST] * 300)
                await one.publish([follow(other)])
                # Else each would decline the other at first, and remember no clock of it.
                await until(lambda one=one: one.shell.brain.snapshot().feeds_wanted == 2)
            await link_up(anna, bert)
            for one, other in ((anna, bert), (bert, anna)):
                own = other.keyring.id
                await until(lambda one=one, own=own: one.store.log.received(own) == 301)
                (live,) = await other.publish([POST])
                await until(lambda one=one, live=live: one.store.log.get(live.key))
                assert one.store.log.get(live.key).data == live.data
        async with open_peer("anna") as anna, open_peer("bert") as bert:
            assert anna.store.local.load_clock(bert.keyring.id)[bert.keyring.id] == 302
            assert [e.peer for e in anna.store.local.addresses()] == [bert.keyring.id]

    asyncio.run(run())


def test_own_message_is_on_disk_before_anybody_hears_of_it(
    open_peer: OpenPeer, link_up: LinkUp, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    append, read_run = LogWriter.append, shell_module.read_run

    def is_on_disk(peer: Any) -> bool:
        db = apsw.Connection(str(peer.home.directory / "log.db"), apsw.SQLITE_OPEN_READONLY)
        try:
            rows = "SELECT count(*) FROM messages WHERE instr(data, CAST('secret' AS BLOB))"
            return bool(db.execute(rows).get)
        finally:
            db.close()

    async def run() -> None:
        async with open_peer("anna") as anna, open_peer("bert") as bert:
            await bert.publish([follow(anna)])
            await anna.publish([POST])
            await link_up(bert, anna)
            await until(lambda: bert.store.log.received(anna.keyring.id) == 1)

            def append_and_tell(writer: LogWriter, messages: Any, *args: Any, **more: Any) -> Any:
                is_own = any(each.author == anna.keyring.id for each in messages)
                if is_own and writer is anna.store._log_writer:
                    assert not is_on_disk(anna)
                    append(writer, messages, *args, **more)
                    told.append(f"written, durable={more.get('is_durable')}")
                    assert is_on_disk(anna)
                else:
                    append(writer, messages, *args, **more)

            def read_and_tell(*args: Any) -> Any:
                told.append("read for a peer")
                return read_run(*args)

            monkeypatch.setattr(LogWriter, "append", append_and_tell)
            monkeypatch.setattr(shell_module, "read_run", read_and_tell)
            anna.hub.listen(lambda notice: told.append(f"heard {notice.topic}"))
            await anna.publish([{"type": "post", "text": "secret"}])
            told.append("answered")
            await until(lambda: bert.store.log.received(anna.keyring.id) == 2)

    asyncio.run(run())
    assert told[0] == "written, durable=True"
    told = [each for each in told if each != "heard disconnected"]
    assert sorted(told[1:]) == ["answered", "heard message", "read for a peer"]


def test_message_that_cannot_be_written_is_told_to_nobody(
    open_peer: OpenPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any, **_more: Any) -> None:
        raise OSError(28, "No space left on device")

    async def run() -> None:
        async with open_peer() as peer:
            notices = []
            peer.hub.listen(notices.append)
            with monkeypatch.context() as patch:
                patch.setattr(LogWriter, "append", fail)
                with pytest.raises(ApiError, match="Nothing was written"):
                    await peer.publish([POST])
            assert {notice.topic for notice in notices} <= {"store-failed"}
            (message,) = await peer.publish([POST])
            assert message.sequence == 1

    asyncio.run(run())


def test_message_whose_program_has_gone_is_told_all_the_same(
    open_peer: OpenPeer, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = LogWriter.append
    begun, may_go_on = threading.Event(), threading.Event()

    def append_slowly(*args: Any, **more: Any) -> None:
        begun.set()
        assert may_go_on.wait(30)
        append(*args, **more)

    async def run() -> None:
        async with open_peer() as peer:
            heard: list[str] = []
            peer.hub.listen(lambda notice: heard.append(notice.topic))
            monkeypatch.setattr(LogWriter, "append", append_slowly)
            calling = asyncio.create_task(OfflineClient(peer).call("publish", POST))
            await until(begun.is_set)
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling
            may_go_on.set()
            await until(lambda: heard == ["message"])

    asyncio.run(run())


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the guard wait less for news of the own feed."""
    assert gossip_limits.GUARD_QUIET_S == own_feed.GUARD_QUIET_S > 1
    monkeypatch.setattr(own_feed, "GUARD_QUIET_S", 0.2)


def test_imported_identity_publishes_once_two_peers_were_asked(
    open_peer: OpenPeer, link_up: LinkUp, until: Until, hurry: None
) -> None:
    identity = generate_identity(b"\5" * 32)

    async def run() -> None:
        async with open_peer("old", identity=identity) as old:
            await OfflineClient(old).call("lichen.liftGuard")
            messages = await old.publish([POST] * 5)
        written = [RawMessage(each.author, each.sequence, each.data) for each in messages]
        async with (
            open_peer("new", identity=identity) as new,
            open_peer("anna") as anna,
            open_peer("bert") as bert,
        ):
            for friend in (anna, bert):
                await friend.publish(
                    [{"type": "contact", "contact": identity.id, "following": True}]
                )
                result = await asyncio.wrap_future(friend.store.ingest(written))
                friend.shell.ingested(result, None)
            with pytest.raises(ApiError, match="Nothing is published yet") as refused:
                await new.publish([POST])
            assert refused.value.slug == "refused"
            assert "allow-publishing" in refused.value.hint
            await link_up(new, anna)
            await until(lambda: new.store.log.received(identity.id) == 5)
            await asyncio.sleep(0.4)
            assert new.shell.is_guarded, "one peer is not enough"
            await link_up(new, bert)
            await until(lambda: not new.shell.is_guarded)
            (message,) = await new.publish([POST])
            assert message.sequence == 6
            assert message.previous == messages[-1].key
        async with open_peer("new") as new:
            assert not new.shell.is_guarded

    asyncio.run(run())


def test_guard_stays_over_a_restart_until_it_is_lifted_in_words(open_peer: OpenPeer) -> None:
    identity = generate_identity(b"\6" * 32)

    async def run() -> None:
        for _ in range(2):
            async with open_peer(identity=identity) as peer:
                assert peer.shell.is_guarded
                for name, args in (("publish", POST), ("lichen.publishMany", [POST])):
                    with pytest.raises(ApiError, match="Nothing is published yet"):
                        await OfflineClient(peer).call(name, args)
        async with open_peer() as peer:
            await OfflineClient(peer).call("lichen.liftGuard")
            assert len(await peer.publish([POST])) == 1
        async with open_peer() as peer:
            assert len(await peer.publish([POST])) == 1

    asyncio.run(run())


def test_log_that_was_put_back_from_a_copy_is_guarded(open_peer: OpenPeer) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            await peer.publish([POST])
        log = peer.home.directory / "log.db"
        copy = log.read_bytes()
        async with open_peer() as peer:
            await peer.publish([POST] * 3)
        log.write_bytes(copy)
        async with open_peer() as peer:
            assert peer.store.log.received(peer.keyring.id) == 1
            with pytest.raises(ApiError, match="Nothing is published yet"):
                await peer.publish([POST])

    asyncio.run(run())


def test_peer_that_stops_in_the_middle_of_a_sync_ends_in_good_order(
    open_peer: OpenPeer, link_up: LinkUp, until: Until, capfd: pytest.CaptureFixture[str]
) -> None:
    async def run() -> None:
        async with open_peer("anna") as anna:
            await anna.publish([{"type": "post", "text": "x" * 3000}] * 3000)
            async with open_peer("bert") as bert:
                bert.hub.listen(lambda _notice: None)
                await bert.publish([follow(anna)])
                await link_up(bert, anna)
                await until(lambda: bert.store.log.received(anna.keyring.id) > 0)
            async with open_peer("bert") as bert:
                had = bert.store.log.received(anna.keyring.id)
                assert had > 0
                assert bert.is_clean_start
                await link_up(bert, anna)
                await until(lambda: bert.store.log.received(anna.keyring.id) == 3000)

    asyncio.run(run())
    assert capfd.readouterr().err == ""


def test_batch_that_is_decided_while_the_peer_stops(
    open_peer: OpenPeer,
    link_up: LinkUp,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    append = LogWriter.append
    begun, may_go_on = threading.Event(), threading.Event()
    heard: list[str] = []

    async def run() -> None:
        async with open_peer("anna") as anna:
            own = anna.keyring.id
            await anna.publish([POST] * 5)
            async with open_peer("bert") as bert:
                await bert.publish([follow(anna)])
                bert.hub.listen(lambda notice: heard.append(notice.topic))

                def append_slowly(writer: LogWriter, *args: Any, **more: Any) -> None:
                    begun.set()
                    assert may_go_on.wait(30)
                    append(writer, *args, **more)

                async def go_on() -> None:
                    await until(lambda: bert.shell._is_stopped)
                    may_go_on.set()

                monkeypatch.setattr(LogWriter, "append", append_slowly)
                await link_up(bert, anna)
                await until(begun.is_set)
                going_on = asyncio.create_task(go_on())
            await going_on
            async with open_peer("bert") as bert:
                assert bert.is_clean_start
                assert bert.store.log.received(own) == 5

    asyncio.run(run())
    assert heard == ["connected", "disconnected"], "who has stopped tells no news"
    assert caplog.records == []
