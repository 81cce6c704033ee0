"""Fixtures of the gossip tests: a single brain to be told things, and the vector files."""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pytest

from lichen.feed.content import Contact
from lichen.feed.message import BlobId, FeedId, RawMessage
from lichen.gossip import effects, events
from lichen.gossip.effects import Effect
from lichen.gossip.events import ConnectionId, Event
from lichen.gossip.node import Node
from lichen.lab.world.formats import encode_message, parse_message
from lichen.lab.world.memory import MemoryBlobs, MemoryLog
from lichen.lab.world.peers import lab_feed_id
from lichen.wire.events import (
    BodyType,
    CallEnded,
    CallKind,
    CallReceived,
    Command,
    EndCall,
    ItemsReceived,
    OpenCall,
    SendItems,
)

VECTORS = Path(__file__).parent.parent / "vectors"
WANTS_CALL = -50
"""The number of a remote peer's createWants here."""
EBT_ARGS = b'[{"version":3,"format":"classic"}]'
T = TypeVar("T")


@pytest.fixture(scope="session")
def load_cases() -> Callable[[str], list[dict[str, Any]]]:
    """Return a reader of vector files."""

    def load(name: str) -> list[dict[str, Any]]:
        cases: list[dict[str, Any]] = json.loads((VECTORS / name).read_text())["cases"]
        return cases

    return load


class Probe:
    """One brain, its log, and the effects of the last event."""

    def __init__(
        self,
        *,
        follows: int = 3,
        hops_max: int = 1,
        is_guarded: bool = False,
        contacts: tuple[Contact, ...] = (),
        keeps_blobs: bool = False,
        pushes: tuple[tuple[BlobId, tuple[FeedId, ...]], ...] = (),
        distrusted: tuple[int, ...] = (),
    ) -> None:
        self.ids = [lab_feed_id(number) for number in range(1000)]
        self.own = self.ids[0]
        self.now = 1000.0
        self.log = MemoryLog(self.own)
        self.blobs = MemoryBlobs()
        blobs = self.blobs if keeps_blobs else None
        self.node = Node(self.own, self.log, random.Random(1), parse_message, blobs)
        self.out: list[Effect] = []
        self.everything: list[Effect] = []
        self._connection_last = 0
        edges = [Contact(self.own, feed, 1, n) for n, feed in enumerate(self.ids[1 : follows + 1])]
        self.tell(
            events.Started(
                (*edges, *contacts),
                (),
                hops_max=hops_max,
                is_guarded=is_guarded,
                pushes=pushes,
                distrusted=tuple(self.ids[number] for number in distrusted),
            )
        )

    def tell(self, event: Event, *, after_s: float = 0.0) -> list[Effect]:
        self.now += after_s
        self.out = self.node.handle(event, self.now)
        self.everything += self.out
        return self.out

    def wait(self, seconds: float, *, step_s: float = 1.0) -> list[Effect]:
        """Let time pass with a ``Woke`` now and then; return all effects of it."""
        found: list[Effect] = []
        end = self.now + seconds
        while self.now < end:
            found += self.tell(events.Woke(), after_s=min(step_s, end - self.now))
        return found

    def hold(self, number: int, count: int) -> None:
        """Have the log hold messages from the start."""
        feed = self.ids[number]
        self.log.feeds[feed] = [self.message(number, n) for n in range(1, count + 1)]

    def message(self, number: int, sequence: int, **options: Any) -> bytes:
        return encode_message(self.ids[number], sequence, {"type": "post"}, **options)

    def connect(
        self, number: int, *, is_client: bool = True, saved: dict[FeedId, int] | None = None
    ) -> ConnectionId:
        self._connection_last += 1
        connection = ConnectionId(self._connection_last)
        self.tell(
            events.Connected(connection, self.ids[number], is_client, f"lab:{number}", saved or {})
        )
        return connection

    def connect_ebt(self, number: int, notes: Mapping[int, int] | None = None) -> ConnectionId:
        """Connect to a peer that speaks EBT; its first notes are those of the numbered feeds."""
        connection = self.connect(number)
        self.say(connection, {self.ids[feed]: note for feed, note in (notes or {}).items()})
        return connection

    def hear(self, connection: ConnectionId, event: Any) -> list[Effect]:
        return self.tell(events.FromPeer(connection, event))

    def call(
        self,
        connection: ConnectionId,
        *name: str,
        args: bytes = b"[]",
        kind: CallKind = CallKind.DUPLEX,
        number: int = -1,
    ) -> list[Effect]:
        return self.hear(connection, CallReceived(number, name, args, kind))

    def say(self, connection: ConnectionId, notes: Any, *, call: int = 1) -> list[Effect]:
        """The peer sends an object of notes (or any other JSON, or bytes as they are)."""
        item = notes if isinstance(notes, bytes) else orjson.dumps(notes)
        return self.hear(connection, ItemsReceived(call, BodyType.JSON, [item]))

    def give(self, connection: ConnectionId, *items: bytes, call: int = 1) -> list[Effect]:
        return self.hear(connection, ItemsReceived(call, BodyType.JSON, list(items)))

    def end(self, connection: ConnectionId, call: int, error: str | None = None) -> list[Effect]:
        return self.hear(connection, CallEnded(call, error))

    def ingest(self, *, chain_first: bool = False) -> list[Effect]:
        """Do what the last effects want ingested; return what follows from it."""
        found: list[Effect] = []
        for effect in [each for each in self.out if isinstance(each, effects.Ingest)]:
            verifies_all = effect.verifies_all or not chain_first
            found += self.tell(
                self.log.ingest(
                    effect.connection, effect.batch, effect.source, verifies_all=verifies_all
                )
            )
        return found

    def publish(self) -> list[Effect]:
        sequence = self.log.received(self.own) + 1
        return self.tell(self.log.append(self.message(0, sequence)))

    def grow(self, number: int) -> list[Effect]:
        """A feed grows by an import."""
        data = self.message(number, self.log.received(self.ids[number]) + 1)
        raw = parse_message(data)
        assert isinstance(raw, RawMessage)
        return self.tell(self.log.ingest(None, (raw,)))

    def of(self, kind: type[T], found: list[Effect] | None = None) -> list[T]:
        """Return the effects of one type."""
        return [each for each in (self.out if found is None else found) if isinstance(each, kind)]

    def commands(self, kind: type[T], found: list[Effect] | None = None) -> list[T]:
        """Return the commands of one type that were sent."""
        sent: list[Command] = [each.command for each in self.of(effects.Send, found)]
        return [each for each in sent if isinstance(each, kind)]

    def notes(self, found: list[Effect] | None = None, *, call: int = 1) -> dict[int, int]:
        """Return the notes that were sent, by the number of the feed."""
        noted: dict[int, int] = {}
        for command in self.commands(SendItems, found):
            if command.call == call:
                for item in command.items:
                    for feed, note in orjson.loads(item).items():
                        noted[self.ids.index(feed)] = note
        return noted

    def runs(self, found: list[Effect] | None = None) -> list[tuple[int, int, int]]:
        """Return (feed number, first, last) of the messages that were sent."""
        return [
            (self.ids.index(run.feed), run.first, run.last)
            for run in self.of(effects.SendMessages, found)
        ]

    def sent(self, queued_bytes: int = 0) -> list[Effect]:
        """Report that the last run was sent."""
        run = self.of(effects.SendMessages, self.everything)[-1]
        return self.tell(
            events.MessagesSent(
                run.connection, run.call, run.feed, run.first, run.last, queued_bytes
            )
        )

    def errors(self, found: list[Effect] | None = None) -> list[str | None]:
        """Return how calls were ended."""
        return [command.error for command in self.commands(EndCall, found)]

    def opened(self, found: list[Effect] | None = None) -> list[OpenCall]:
        return self.commands(OpenCall, found)

    def closed(self, found: list[Effect] | None = None) -> list[str]:
        return [close.reason for close in self.of(effects.Close, found)]


class BlobProbe:
    """A probe whose peers speak of blobs."""

    def __init__(self, probe: Any) -> None:
        self.probe = probe
        self.wants_calls: dict[ConnectionId, int] = {}

    def connect(self, number: int, *, listens: bool = True) -> ConnectionId:
        connection: ConnectionId = self.probe.connect(number, is_client=False)
        (opened,) = [each for each in self.probe.opened() if each.name[0] == "blobs"]
        assert (opened.name, opened.kind) == (("blobs", "createWants"), CallKind.SOURCE)
        self.wants_calls[connection] = opened.call
        if listens:
            self.probe.call(
                connection, "blobs", "createWants", kind=CallKind.SOURCE, number=WANTS_CALL
            )
        return connection

    def say(self, connection: ConnectionId, wants: Any) -> list[Any]:
        found: list[Any] = self.probe.say(connection, wants, call=self.wants_calls[connection])
        return found

    def told(self, found: list[Any] | None = None) -> list[tuple[int, dict[str, int]]]:
        """Return (connection, what it was told) in order."""
        return [
            (each.connection, orjson.loads(item))
            for each in self.probe.of(effects.Send, found)
            if isinstance(each.command, SendItems) and each.command.call == WANTS_CALL
            for item in each.command.items
        ]

    def gets(self, found: list[Any] | None = None) -> list[tuple[int, int, str]]:
        """Return (connection, call, blob) of the blobs asked for."""
        return [
            (each.connection, each.command.call, orjson.loads(each.command.args)[0]["key"])
            for each in self.probe.of(effects.Send, found)
            if isinstance(each.command, OpenCall) and each.command.name == ("blobs", "get")
        ]

    def give(self, connection: int, call: int, *items: bytes) -> list[Any]:
        found: list[Any] = self.probe.hear(
            ConnectionId(connection), ItemsReceived(call, BodyType.BINARY, list(items))
        )
        return found

    def disk(self, *, is_full: bool = False) -> list[Any]:
        """Do what the last effects want written; return what follows from it."""
        found: list[Any] = []
        blobs = self.probe.blobs
        for effect in list(self.probe.out):
            if isinstance(effect, effects.WriteBlob):
                blobs.write(effect)
            elif isinstance(effect, effects.DropBlob):
                blobs.drop(effect.connection, effect.call)
            elif isinstance(effect, effects.FinishBlob):
                found += self.probe.tell(blobs.finish(effect, is_disk_full=is_full))
        return found

    def want(self, blob: BlobId) -> list[Any]:
        found: list[Any] = self.probe.tell(events.BlobWanted(blob))
        return found

    def transfer(self, connection: int, call: int, data: bytes) -> list[Any]:
        """The peer gives everything and ends."""
        self.give(connection, call, data)
        self.disk()
        self.probe.end(ConnectionId(connection), call)
        return self.disk()


@pytest.fixture(scope="session")
def make_probe() -> type[Probe]:
    return Probe


@pytest.fixture(scope="session")
def make_blob_probe() -> type[BlobProbe]:
    return BlobProbe


@pytest.fixture
def peer() -> BlobProbe:
    """Return a peer that keeps blobs and replicates the feeds of five others."""
    return BlobProbe(Probe(follows=5, keeps_blobs=True))
