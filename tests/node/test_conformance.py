"""One list of events, one list of effects: what real peers lived through is played again.

Peers run on loopback with a brain that writes everything down. A fresh brain must go the same way,
and so must a peer of the lab, whose links, log, blobs and pipes report what the real ones did.
"""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.feed.identity import Identity, generate_identity
from lichen.gossip import events
from lichen.gossip.node import Node
from lichen.lab.conformance.recording import Recorder, Recording, decode, encode
from lichen.lab.conformance.replay import Compared, Deviates, replay, replay_in_lab
from lichen.node import service as service_module
from lichen.node.home import network_key_default
from lichen.store.store import Store
from lichen.wire.connection import Connection
from lichen.wire.events import BodyType, CallKind, CallReceived, EndCall, OpenCall, SendItems

OpenPeer = Callable[..., Any]
LinkUp = Callable[..., Any]
Until = Callable[..., Any]
MakeAuthor = Callable[[int], Any]
POST = {"type": "post", "text": "hello"}
REGRESSION = Path(__file__).with_name("recordings") / "two-peers.jsonl"


def follow(feed: str) -> dict[str, Any]:
    return {"type": "contact", "contact": feed, "following": True}


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Recorder]:
    """Give every peer that is opened a brain that writes down; return these brains."""
    brains: list[Recorder] = []
    stores: list[Store] = []
    open_store = Store.open

    def open_and_note(*args: Any, **more: Any) -> Store:
        stores.append(open_store(*args, **more))
        return stores[-1]

    def make(*ports: Any) -> Node:
        store = stores[-1]

        def texts(event: events.Event) -> tuple[bytes, ...]:
            if isinstance(event, events.Ingested) and event.connection is None:
                return tuple(
                    data
                    for grown in event.progress
                    for _, data in store.log.run_texts(grown.feed, grown.first, grown.last, 1 << 30)
                )
            if isinstance(event, events.BlobStored) and event.connection is None:
                return (store.blobs.read(event.blob, 0, event.size),)
            return ()

        brains.append(Recorder(*ports, texts=texts))
        return brains[-1]

    monkeypatch.setattr(Store, "open", open_and_note)
    monkeypatch.setattr(service_module, "Node", make)
    return brains


class Stranger:
    """A scripted peer: it says what a test tells it to say."""

    def __init__(self, peer: Any, identity: Identity | None = None) -> None:
        self.heard: list[Any] = []
        self.is_cut = False
        self._peer = peer
        self._stack = Connection(
            identity=identity or generate_identity(os.urandom(32)),
            network_key=network_key_default(),
            ephemeral_seed=os.urandom(32),
            remote=peer.keyring.id,
            calls_max=1000,
        )

    async def connect(self) -> "Stranger":
        host, port = self._peer.doors.addresses()[0].removeprefix("net:").split("~")[0].split(":")
        self._reader, self._writer = await asyncio.open_connection(host, int(port))
        while not self._stack.is_ready:
            self._writer.write(self._stack.data_to_send())
            await self.listen()
        return self

    async def listen(self) -> None:
        data = await asyncio.wait_for(self._reader.read(1 << 18), 30)
        self.is_cut = self.is_cut or not data
        self.heard += self._stack.receive_data(data)

    async def say(self, *commands: Any) -> None:
        for command in commands:
            self._stack.perform(command)
        self._writer.write(self._stack.data_to_send())
        await asyncio.sleep(0)

    async def until(self, is_so: Callable[[], Any]) -> Any:
        while not (found := is_so()):
            assert not self.is_cut, "turned away"
            await self.listen()
        return found

    def call(self, name: str) -> Any:
        """Return a call of the peer's that was not taken yet."""
        for event in self.heard:
            if isinstance(event, CallReceived) and event.name[0] == name:
                self.heard.remove(event)
                return event
        return None

    def hang_up(self) -> None:
        self._writer.transport.abort()


def check(brains: list[Recorder]) -> list[Compared]:
    """Play every recording again, written down and read back, in a bare brain and in the lab."""
    compared = []
    for brain in brains:
        recording = brain.recording()
        assert decode(encode(recording)) == recording
        effects = replay(recording)
        compared.append(replay_in_lab(recording))
        assert compared[-1].effects == effects == sum(len(s.effects) for s in recording.steps)
    return compared


def kinds(brain: Recorder) -> Counter[str]:
    """Return how often each kind of event and effect stands in a recording."""
    steps = brain.recording().steps
    told = Counter(str(step.event["is"]) for step in steps)
    return told + Counter(str(effect["is"]) for step in steps for effect in step.effects)


def test_exchange_over_ebt_with_blobs_and_a_block(
    recorded: list[Recorder], open_peer: OpenPeer, link_up: LinkUp, until: Until
) -> None:
    picture = random.Random(1).randbytes(300_000)

    async def run() -> None:
        async with open_peer("anna") as anna, open_peer("bert") as bert:
            for one, other in ((anna, bert), (bert, anna)):
                await one.publish([POST] * 300)
                await one.publish([follow(other.keyring.id)])
            await link_up(anna, bert)
            for one, other in ((anna, bert), (bert, anna)):
                own = other.keyring.id
                await until(lambda one=one, own=own: one.store.log.audited(own) == 301)
            blob = anna.store.blobs.add(picture, 5 << 20)
            anna.shell.deliver(events.BlobStored(blob, len(picture)))
            anna.shell.deliver(events.BlobPushed(blob))
            bert.blobs.want(blob)
            await bert.blobs.wait(blob)
            await bert.publish([POST])
            own = bert.keyring.id
            await until(lambda: anna.store.log.received(own) == 302)
            await anna.publish([{"type": "contact", "contact": own, "blocking": True}])
            await until(lambda: not anna.shell.brain.snapshot().peers)
            await until(lambda: not bert.shell.brain.snapshot().peers)

    asyncio.run(run())
    anna, bert = check(recorded)
    assert anna.reports["Ingested"] >= 2
    assert bert.reports["BlobStored"] == 1
    assert anna.reports["BlobRead"] >= 3
    assert anna.reports["MessagesSent"] >= 3
    assert anna.said >= 5
    assert kinds(recorded[0])["Close"] == 1
    assert all(kinds(brain)["Audited"] for brain in recorded)


def test_history_from_a_peer_without_ebt(
    recorded: list[Recorder], open_peer: OpenPeer, author: MakeAuthor, until: Until
) -> None:
    writer = author(5)
    texts = [raw.data for raw in writer.write(250)]

    async def run() -> None:
        async with open_peer("anna") as anna:
            await anna.publish([follow(writer.id), *[POST] * 20])
            old = await Stranger(anna).connect()
            await old.say(OpenCall(1, ("ebt", "replicate"), b'[{"version":3}]', CallKind.DUPLEX))
            await old.say(EndCall(1, "no EBT here", "Error"))
            ebt = old.call("ebt")
            if ebt is not None:
                await old.say(EndCall(ebt.call, "method:ebt,replicate is not in list", "TypeError"))
            request = json.dumps([{"id": anna.keyring.id, "live": True}]).encode()
            await old.say(OpenCall(2, ("createHistoryStream",), request, CallKind.SOURCE))
            asked = await old.until(
                lambda: next(
                    (
                        event
                        for event in old.heard
                        if isinstance(event, CallReceived) and writer.id.encode() in event.args
                    ),
                    None,
                )
            )
            for start in range(0, 250, 50):
                items = texts[start : start + 50]
                await old.say(SendItems(asked.call, BodyType.JSON, items))
            await until(lambda: anna.store.log.received(writer.id) == 250)
            await anna.publish([POST])
            await old.until(lambda: b'"sequence":22,' in repr(old.heard).encode())
            await old.say(EndCall(2))
            old.hang_up()
            await until(lambda: not anna.shell.brain.snapshot().peers)

    asyncio.run(run())
    (anna,) = check(recorded)
    assert anna.reports["Ingested"] >= 2
    assert anna.reports["MessagesSent"] >= 2
    assert kinds(recorded[0])["Ingest"] >= 1


def test_a_hostile_peer_with_forgeries_nonsense_and_a_fork(
    recorded: list[Recorder], open_peer: OpenPeer, author: MakeAuthor, until: Until
) -> None:
    alice, bob = author(1), author(2)
    alice.write(10)
    bob.write(10)
    spoilt = [message.data for message in alice.messages]
    value = json.loads(spoilt[5])
    value["signature"] = "A" * 86 + "==.sig.ed25519"
    spoilt[5] = json.dumps(value, indent=2).encode()
    twin = bob.on_another_machine(6)
    twin.write(6, {"type": "post", "text": "another life"})

    async def run() -> None:
        async with open_peer("anna") as anna:
            await anna.publish([follow(alice.id), follow(bob.id)])
            await until(lambda: {alice.id, bob.id} <= anna.shell.brain.hops().keys())
            for texts in (spoilt, [m.data for m in bob.messages], [m.data for m in twin.messages]):
                liar = await Stranger(anna).connect()
                args = b'[{"version":3,"format":"classic"}]'
                await liar.say(OpenCall(1, ("ebt", "replicate"), args, CallKind.DUPLEX))
                notes = json.dumps({alice.id: 40, bob.id: 40, "nobody": -7}).encode()
                await liar.say(
                    SendItems(1, BodyType.JSON, [notes]),
                    OpenCall(2, ("blobs", "has"), b'["&no"]', CallKind.ASYNC),
                    OpenCall(3, ("rm", "-rf"), b"[]", CallKind.SOURCE),
                    OpenCall(4, ("createHistoryStream",), b'[{"id":1e999}]', CallKind.SOURCE),
                )
                await asyncio.sleep(0.1)
                await liar.say(SendItems(1, BodyType.JSON, texts * 2))
                await asyncio.sleep(0.2)
                await liar.say(SendItems(1, BodyType.JSON, [b'{"author":', b"[[[]"]))
                liar.hang_up()
                await until(lambda: not anna.shell.brain.snapshot().peers)

    asyncio.run(run())
    (anna,) = check(recorded)
    assert anna.reports["Ingested"] >= 2
    told = [s.event for s in recorded[0].recording().steps if s.event["is"] == "Ingested"]
    assert any(event["rejected"] for event in told)
    assert any(event["forks"] for event in told)


def test_letters_changed_on_the_way_are_found_by_the_audit(
    recorded: list[Recorder], open_peer: OpenPeer, author: MakeAuthor, until: Until
) -> None:
    alice, crook, friend = author(1), author(2), author(3)
    alice.write(40)
    alice.write(1, {"type": "post", "text": "Łx"})
    alice.write(9)
    honest = [message.data for message in alice.messages]
    lowered = [data.replace("Ł".encode(), b"A") for data in honest]

    async def run() -> None:
        async with open_peer("anna") as anna:
            await anna.publish([follow(each.id) for each in (alice, crook, friend)])
            await until(lambda: anna.shell.brain.snapshot().feeds_wanted == 4)
            for sender, texts in ((crook, lowered), (friend, honest)):
                peer = await Stranger(anna, sender.identity).connect()
                args = b'[{"version":3,"format":"classic"}]'
                await peer.say(OpenCall(1, ("ebt", "replicate"), args, CallKind.DUPLEX))
                notes = json.dumps({alice.id: 101}).encode()
                await peer.say(SendItems(1, BodyType.JSON, [notes]))
                await peer.until(lambda peer=peer: alice.id in str(peer.heard))
                start = anna.store.log.received(alice.id)
                await peer.say(SendItems(1, BodyType.JSON, texts[start:]))
                whole = 40 if sender is crook else 50
                for held in (anna.store.log.received, anna.store.log.audited):
                    await until(lambda held=held, whole=whole: held(alice.id) == whole)
                peer.hang_up()
                await until(lambda: not anna.shell.brain.snapshot().peers)
            held = anna.store.log.run_texts(alice.id, 1, 50, 1 << 30)
            assert [data for _, data in held] == honest
        async with open_peer("anna") as anna:
            assert anna.shell.brain.snapshot().distrusted == (crook.id,)

    asyncio.run(run())
    anna, _again = check(recorded)
    assert anna.reports["AuditFailed"] == 1
    told = kinds(recorded[0])
    assert told["Audited"] >= 2


def test_a_brain_that_thinks_otherwise_is_found_out(
    recorded: list[Recorder],
    open_peer: OpenPeer,
    link_up: LinkUp,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        async with open_peer("anna") as anna, open_peer("bert") as bert:
            await anna.publish([follow(bert.keyring.id)])
            await bert.publish([POST])
            await link_up(anna, bert)
            await until(lambda: anna.store.log.received(bert.keyring.id) == 1)

    asyncio.run(run())
    recording = recorded[0].recording()
    assert replay(recording) > 5
    last = max(n for n, step in enumerate(recording.steps) if step.effects)
    changed = list(recording.steps)
    changed[last] = msgspec.structs.replace(changed[last], effects=())
    with pytest.raises(Deviates, match=f"step {last}"):
        replay(Recording(recording.own, recording.has_blobs, tuple(changed)))
    monkeypatch.setattr("lichen.gossip.timers.Timers.next_at", lambda _timers: None)
    with pytest.raises(Deviates):
        replay(recording)


def test_recording_of_an_earlier_version_is_lived_through_again() -> None:
    recording = decode(REGRESSION.read_bytes())
    assert any(step.event["is"] == "Audited" for step in recording.steps)
    assert replay(recording) == 37
    assert replay_in_lab(recording).reports["Ingested"] >= 2
