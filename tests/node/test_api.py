"""What local programs may call: every method, over the socket and without a running peer."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lichen.feed.identity import generate_identity
from lichen.node.client import OfflineClient
from lichen.node.errors import EXIT_CODES, ApiError
from lichen.wire.packets import missing_method

OpenPeer = Callable[..., Any]
OpenCalls = Callable[..., Any]
POST = {"type": "post", "text": "hello"}
FRIEND = generate_identity(b"\2" * 32).id
NOBODY = f"127.0.0.1:9:{FRIEND}"


@pytest.fixture(params=["running", "not running"])
def both(request: pytest.FixtureRequest, open_peer: OpenPeer, open_calls: OpenCalls) -> Any:
    """Open a client of a running peer, and of a directory that no peer runs on."""

    @asynccontextmanager
    async def open_it() -> AsyncIterator[Any]:
        if request.param == "running":
            async with open_peer(), open_calls() as calls:
                assert calls.is_live
                yield calls
        else:
            async with open_calls() as calls:
                assert not calls.is_live
                yield calls

    return open_it


def flat(tree: dict[str, Any], path: str = "") -> dict[str, str]:
    found = {}
    for name, kind in tree.items():
        if isinstance(kind, dict):
            found |= flat(kind, f"{path}{name}.")
        else:
            found[path + name] = kind
    return found


async def collect(source: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in source]


NAMES_OF_SSB = {
    "whoami": "async",
    "publish": "async",
    "get": "async",
    "createLogStream": "source",
    "createUserStream": "source",
    "createHistoryStream": "source",
    "messagesByType": "source",
    "links": "source",
    "friends.isFollowing": "async",
    "friends.isBlocking": "async",
    "friends.hops": "async",
    "friends.graph": "async",
    "status": "async",
    "getAddress": "async",
    "conn.connect": "async",
    "conn.peers": "async",
    "manifest": "async",
}


def test_every_method_of_the_manifest_answers_or_fails_in_words(both: Any) -> None:
    async def run() -> None:
        async with both() as calls:
            manifest = flat(await calls.call("manifest"))
            assert NAMES_OF_SSB.items() <= manifest.items()
            endless = {"lichen.hear"}
            faults = []
            for name in manifest.keys() - endless:
                for args in ((), (None,), (7,), ("x",), ({},), ({"id": 7},), ([[]],)):
                    try:
                        if manifest[name] == "async":
                            await calls.call(name, *args)
                        else:
                            await collect(calls.source(name, *args))
                    except ApiError as fault:
                        faults.append((name, args, fault))
            assert len(faults) > len(manifest)
            for name, args, fault in faults:
                assert fault.slug in EXIT_CODES, (name, args)
                assert fault.message.strip(), (name, args)
                assert "mistake of its own" not in fault.message, (name, args)

    asyncio.run(run())


def test_what_is_published_can_be_read_in_every_way(both: Any) -> None:
    async def run() -> None:
        async with both() as calls:
            own = (await calls.call("whoami"))["id"]
            first = await calls.call("publish", POST)
            assert first["value"]["author"] == own
            assert first["value"]["content"] == POST
            second = await calls.call("publish", {"content": {"type": "vote", "vote": {
                "link": first["key"], "value": 1, "expression": "yes"}}})  # fmt: skip
            assert await calls.call("get", first["key"]) == first["value"]
            assert await calls.call("get", {"id": first["key"], "meta": True}) == first
            assert await collect(calls.source("createLogStream")) == [first, second]
            assert await collect(calls.source("createUserStream", {"id": own})) == [first, second]
            (vote,) = await collect(calls.source("messagesByType", "vote"))
            assert vote == second
            (link,) = await collect(calls.source("links", {"dest": first["key"]}))
            assert (link["key"], link["rel"], link["source"]) == (second["key"], "vote.link", own)
            values = calls.source("createHistoryStream", {"id": own, "seq": 2, "keys": False})
            assert await collect(values) == [second["value"]]

    asyncio.run(run())


def test_bounds_and_directions_of_streams(both: Any) -> None:
    async def run() -> None:
        async with both() as calls:
            own = (await calls.call("whoami"))["id"]
            many = [{"type": "post", "text": str(n)} for n in range(250)]
            await calls.call("lichen.publishMany", many)

            async def texts(name: str, **options: Any) -> list[str]:
                options = {"keys": False, "id": own, **options}
                found = await collect(calls.source(name, options))
                return [int(value["content"]["text"]) for value in found]

            everything = list(range(250))
            for name in ("createLogStream", "createUserStream", "createHistoryStream"):
                assert await texts(name) == everything
                assert await texts(name, reverse=True) == everything[::-1]
                assert await texts(name, limit=3) == [0, 1, 2]
                assert await texts(name, limit=3, reverse=True) == [249, 248, 247]
                assert await texts(name, limit=0) == []
                assert await texts(name, old=False) == []
            assert await texts("createUserStream", gt=10, lt=13) == [10, 11]
            assert await texts("createUserStream", gte=10, lte=13) == [9, 10, 11, 12]
            assert await texts("createUserStream", gte=10, lt=13, reverse=True) == [11, 10, 9]
            assert await texts("createHistoryStream", sequence=249) == [248, 249]
            (last,) = await collect(calls.source("createLogStream", {"reverse": True, "limit": 1}))
            keys = await collect(calls.source("createLogStream", {"values": False, "limit": 250}))
            assert keys[-1] == last["key"]
            after = {"gt": last["timestamp"]}
            assert await collect(calls.source("createLogStream", after)) == []
            until = {"lte": last["timestamp"], "keys": False}
            assert len(await collect(calls.source("createLogStream", until))) == 250

    asyncio.run(run())


def test_publish_many_is_all_or_nothing(both: Any) -> None:
    async def run() -> None:
        async with both() as calls:
            with pytest.raises(ApiError, match="Content 3 cannot be published") as refused:
                await calls.call("lichen.publishMany", [POST, POST, {"type": "x"}, POST])
            assert refused.value.slug == "invalid"
            assert await collect(calls.source("createLogStream")) == []
            made = await calls.call("lichen.publishMany", [POST, POST])
            assert [message["sequence"] for message in made] == [1, 2]
            assert await calls.call("lichen.publishMany", []) == []
            for wrong in (None, "post", {"type": "post"}):
                with pytest.raises(ApiError, match="takes a list") as refused:
                    await calls.call("lichen.publishMany", wrong)
                assert refused.value.slug == "usage"

    asyncio.run(run())


@pytest.mark.parametrize(
    "content",
    [None, 7, "text", [], {}, {"type": "ab"}, {"type": 7}, {"type": "post", "text": "x" * 9000}],
)
def test_content_that_no_peer_would_take_is_not_published(content: Any, both: Any) -> None:
    async def run() -> None:
        async with both() as calls:
            with pytest.raises(ApiError, match=r"Content 1 cannot be published: .{8}") as refused:
                await calls.call("publish", content)
            assert refused.value.slug == "invalid"
            assert (await calls.call("status"))["ownSequence"] == 0

    asyncio.run(run())


def test_what_is_not_here_and_what_is_no_id(both: Any) -> None:
    async def run() -> None:
        async with both() as calls:
            missing = "%" + "A" * 43 + "=.sha256"
            with pytest.raises(ApiError, match="is not here") as refused:
                await calls.call("get", missing)
            assert refused.value.exit_code == 4
            with pytest.raises(ApiError, match="not a message id") as refused:
                await calls.call("get", FRIEND)
            assert refused.value.exit_code == 2
            assert await collect(calls.source("createUserStream", {"id": FRIEND})) == []
            with pytest.raises(ApiError, match="not a feed id"):
                await collect(calls.source("createUserStream", {"id": missing}))

    asyncio.run(run())


def test_who_follows_whom(both: Any) -> None:
    async def run() -> None:
        async with both() as calls:
            own = (await calls.call("whoami"))["id"]
            edge = {"source": own, "dest": FRIEND}
            assert await calls.call("friends.isFollowing", edge) is False
            follow = {"type": "contact", "contact": FRIEND, "following": True}
            await calls.call("publish", follow)
            assert await calls.call("friends.isFollowing", edge) is True
            assert await calls.call("friends.graph") == {own: {FRIEND: 1}}
            await calls.call("publish", {"type": "contact", "contact": FRIEND, "blocking": True})
            assert await calls.call("friends.isBlocking", edge) is True
            assert await calls.call("friends.isFollowing", edge) is False

    asyncio.run(run())


def test_hops_are_set_and_kept(both: Any) -> None:
    async def run() -> None:
        async with both() as calls:
            assert await calls.call("lichen.setHops") == 2
            assert await calls.call("lichen.setHops", 0) == 0
            for wrong in (-1, 1.5, True, "2", 99):
                with pytest.raises(ApiError, match="whole number"):
                    await calls.call("lichen.setHops", wrong)
            assert (await calls.call("status"))["hops"] == 0

    asyncio.run(run())


def test_without_a_network_nothing_can_be_dialled(open_calls: OpenCalls) -> None:
    async def run() -> None:
        async with open_calls() as calls:
            assert await calls.call("getAddress") == ""
            assert (await calls.call("status"))["isRunning"] is False
            with pytest.raises(ApiError, match="No peer is running") as refused:
                await calls.call("conn.connect", NOBODY)
            assert refused.value.exit_code == 5

    asyncio.run(run())


def test_dialling(open_peer: OpenPeer, open_calls: OpenCalls) -> None:
    async def run() -> None:
        async with open_peer() as peer, open_calls() as calls:
            with pytest.raises(ApiError, match="No connection to") as refused:
                await calls.call("conn.connect", NOBODY)
            assert refused.value.slug == "unreachable"
            with pytest.raises(ApiError, match="your own address"):
                await calls.call("conn.connect", peer.doors.addresses()[0])
            with pytest.raises(ApiError, match="not an address"):
                await calls.call("conn.connect", "nonsense")
            async with open_peer("other") as other:
                address = other.doors.addresses()[0]
                answer = await calls.call("conn.connect", address)
                assert answer == {"peer": other.keyring.id, "address": address}
                assert await calls.call("conn.connect", address) == answer
                (connected,) = await calls.call("conn.peers")
                assert connected["peer"] == other.keyring.id
                assert connected["is_client"] is True

    asyncio.run(run())


def test_identity_that_the_address_does_not_name_is_not_talked_to(
    open_peer: OpenPeer, open_calls: OpenCalls
) -> None:
    async def run() -> None:
        async with open_peer(), open_calls() as calls, open_peer("other") as other:
            with pytest.raises(ApiError, match="has another identity"):
                await calls.call("conn.connect", f"127.0.0.1:{other.doors.port}:{FRIEND}")
            status = await OfflineClient(other).call("status")
            assert status["network"]["close_reasons"] == {"handshake-hello": 1}

    asyncio.run(run())


def test_unknown_methods_and_wrong_kinds(open_peer: OpenPeer, open_calls: OpenCalls) -> None:
    async def run() -> None:
        async with open_peer(), open_calls() as calls:
            with pytest.raises(ApiError) as refused:
                await calls.call("blobs.get", "x")
            assert refused.value.message == missing_method(("blobs", "get"))
            with pytest.raises(ApiError, match="not in list of allowed methods"):
                await calls.call("createLogStream")
            with pytest.raises(ApiError, match="not in list of allowed methods"):
                await collect(calls.source("whoami"))
        async with open_calls() as calls:
            with pytest.raises(ApiError, match=r"There is no async method blobs\.get"):
                await calls.call("blobs.get", "x")

    asyncio.run(run())


def test_odd_text_and_numbers_survive(both: Any) -> None:
    async def run() -> None:
        async with both() as calls:
            content = {"type": "post", "text": "\u0000 \u2028 \U0001f33f", "n": 1e21, "m": -0.0}
            made = await calls.call("publish", content)
            assert made["value"]["content"] == content
            assert await calls.call("get", made["key"]) == made["value"]

    asyncio.run(run())


def test_answers_keep_the_bytes_of_a_message(both: Any, tmp_path: Path) -> None:
    async def run() -> None:
        async with both() as calls:
            content = {"type": "post", "10": 1, "9": 2, "n": 0.1, "text": "é"}
            made = await calls.call("publish", content)
            text = json.dumps(made["value"]["content"], ensure_ascii=False)
            assert text == '{"9": 2, "10": 1, "type": "post", "n": 0.1, "text": "é"}'

    asyncio.run(run())
