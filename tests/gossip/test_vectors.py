"""Vectors generated with epidemic-broadcast-trees, layered-graph and dynamic-dijkstra."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from lichen.feed.content import Contact
from lichen.feed.message import FeedId, RawMessage
from lichen.gossip import events
from lichen.gossip.exchange.notes import decode_note, encode_note
from lichen.gossip.exchange.replication import FollowGraph
from lichen.lab.world.formats import StandInFormat, encode_message, parse_message
from lichen.lab.world.links import End
from lichen.lab.world.network import Steady
from lichen.lab.world.peers import LabPeer
from lichen.lab.world.world import World
from lichen.wire.events import Command, SendItems

VECTORS = Path(__file__).parent.parent / "vectors"
Cases = Callable[[str], list[dict[str, Any]]]


def case_names(name: str) -> list[str]:
    return [case["name"] for case in json.loads((VECTORS / name).read_text())["cases"]]


def test_encode_note(load_cases: Cases) -> None:
    cases = load_cases("ebt/note-encode.json")
    assert [encode_note(case["seq"], receives=case["receive"]) for case in cases] == [
        case["note"] for case in cases
    ]


def test_decode_note(load_cases: Cases) -> None:
    for case in load_cases("ebt/note-decode.json"):
        note = decode_note(case["note"])
        read = (note.sequence, note.replicates, note.receives)
        assert read == (case["sequence"], case["replicate"], case["receive"]), case


@pytest.mark.parametrize("name", case_names("friends/hops.json"))
def test_hops(load_cases: Cases, name: str) -> None:
    case = next(case for case in load_cases("friends/hops.json") if case["name"] == name)
    graph = FollowGraph()
    for source, edges in case["graph"].items():
        for target, value in edges.items():
            graph.add(Contact(FeedId(source), FeedId(target), value, 1))
    distances = graph.distances(FeedId(case["start"]), case["max"])
    assert distances == pytest.approx(case["hops"])


class RecordingWorld(World):
    """Keeps what travels, per direction."""

    def __init__(self) -> None:
        super().__init__(seed=0, latency=Steady(0.01), feed_format=StandInFormat())
        self.sent: dict[str, list[tuple[int, int] | tuple[str, int]]] = {}
        self.names: dict[str, str] = {}

    def _count(self, end: End, command: Command, size: int) -> None:
        if isinstance(command, SendItems) and abs(command.call) == 1:
            line = self.sent.setdefault(
                f"{self.names[end.other.peer]} > {self.names[end.peer]}", []
            )
            for item in command.items:
                line.extend(self.read(item))
        super()._count(end, command, size)

    def read(self, item: bytes) -> list[tuple[str, int]]:
        """Return (feed, note) pairs, or ("feed#sequence", 0) for a message; own feeds left out."""
        raw = parse_message(item)
        if isinstance(raw, RawMessage):
            return [(f"{self.names[raw.author]}#{raw.sequence}", 0)]
        return [
            (self.names[feed], note)
            for feed, note in orjson.loads(item).items()
            if self.names[feed] in {"x", "y"}
        ]


def build(case: dict[str, Any]) -> tuple[RecordingWorld, dict[str, LabPeer]]:
    world = RecordingWorld()
    feeds = {name: FeedId(feed) for name, feed in case["feeds"].items()}
    ids = {name: FeedId(peer["id"]) for name, peer in case["peers"].items()}
    world.names = {feed: name for name, feed in (feeds | ids).items()}
    peers = {}
    for name, peer in case["peers"].items():
        contacts = [Contact(ids[name], feeds[feed], 1, 1) for feed in peer["follows"]]
        contacts += [Contact(feeds[a], ids[b], -1, 1) for a, b in peer["blocks"]]
        made = world.add_peer(hops_max=1, own=ids[name], contacts=tuple(contacts))
        for feed, sequence in peer["has"].items():
            made.log.feeds[feeds[feed]] = [
                encode_message(feeds[feed], each, {"type": "x"}) for each in range(1, sequence + 1)
            ]
        for other, clock in peer["saved_clocks"].items():
            made.saved_clocks[FeedId(other)] = {FeedId(feed): each for feed, each in clock.items()}
        peers[name] = made
    return world, peers


def play(case: dict[str, Any]) -> tuple[RecordingWorld, dict[str, LabPeer]]:
    world, peers = build(case)
    feeds = {name: FeedId(feed) for name, feed in case["feeds"].items()}
    for step in case["steps"]:
        ((verb, (first, second)),) = step.items()
        peer = peers[first]
        if verb == "connect":
            world.connect(peer, peers[second])
        elif verb == "append":
            feed = feeds[second]
            data = encode_message(feed, peer.log.received(feed) + 1, {"type": "x"})
            raw = parse_message(data)
            assert isinstance(raw, RawMessage)
            world.tell(peer, peer.log.ingest(None, (raw,)))
        else:
            assert verb == "follow"
            contact = Contact(peer.id, feeds[second], 1, 9)
            world.tell(peer, events.Ingested(None, 0, (), contacts=(contact,)))
        world.run(world.now + 2.0)
    return world, peers


@pytest.mark.parametrize("name", case_names("ebt/sessions.json"))
def test_session_ends_with_the_same_messages(load_cases: Cases, name: str) -> None:
    case = next(case for case in load_cases("ebt/sessions.json") if case["name"] == name)
    _, peers = play(case)
    feeds = case["feeds"]
    final = {
        name: {feed: peer.log.received(feeds[feed]) for feed in case["final"][name]}
        for name, peer in peers.items()
    }
    assert final == case["final"]


def javascript_trace(case: dict[str, Any], world: RecordingWorld) -> dict[str, list[Any]]:
    sent: dict[str, list[Any]] = {}
    for each in case["trace"]:
        if "data" in each:
            line = sent.setdefault(f"{each['from']} > {each['to']}", [])
            line += world.read(orjson.dumps(each["data"]))
    return sent


# Where JavaScript asks a second peer for a feed that another already sends, or answers a note that
# is as far as itself, because its look-up of other senders reads the wrong entry.
DIFFERS = {"three peers, one source", "three peers, line"}


@pytest.mark.parametrize("name", [n for n in case_names("ebt/sessions.json") if n not in DIFFERS])
def test_session_sends_the_same(load_cases: Cases, name: str) -> None:
    case = next(case for case in load_cases("ebt/sessions.json") if case["name"] == name)
    world, _ = play(case)
    expected = javascript_trace(case, world)
    for line in expected.values():
        line.sort()
    ours = {line: sorted(each) for line, each in world.sent.items() if each}
    assert ours == {line: each for line, each in expected.items() if each}
