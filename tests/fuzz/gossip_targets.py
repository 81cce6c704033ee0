"""Fuzz targets of the gossip room: any bytes as arguments and items, and nothing may be raised.

``SEEDS`` are good inputs to start from: spoilt ones reach deeper than bytes from nowhere.
"""

import random

import orjson

from lichen.feed.content import Contact
from lichen.gossip import effects, events
from lichen.gossip.connections.answers import SERVED
from lichen.gossip.events import ConnectionId
from lichen.gossip.exchange.blob_requests import (
    parse_change,
    parse_haves,
    parse_ids,
    parse_request,
    parse_wants,
)
from lichen.gossip.node import Node
from lichen.lab.world.formats import parse_message
from lichen.lab.world.memory import MemoryBlobs, MemoryLog
from lichen.lab.world.peers import lab_feed_id
from lichen.wire.events import (
    AnswerReceived,
    BodyType,
    CallEnded,
    CallReceived,
    ItemsReceived,
    OpenCall,
)

PICTURE = b"a picture"
BLOB = MemoryBlobs().add(PICTURE)
LACKING = MemoryBlobs().add(b"another one")
SEEDS = [
    orjson.dumps({BLOB: -1, LACKING: 9}),
    orjson.dumps([{"key": BLOB, "max": 100, "size": 9}]),
    orjson.dumps([{"id": BLOB, "start": 0, "end": 5}]),
    orjson.dumps([[BLOB, LACKING]]),
    orjson.dumps([BLOB]),
    b"[true,false]",
    LACKING.encode(),
    PICTURE,
]
CONNECTION = ConnectionId(1)


def parse(data: bytes) -> None:
    """Bytes as every form of blob calls."""
    wants = parse_wants(data)
    assert wants is None or all(wants.values())
    asked = parse_ids(data)
    assert isinstance(asked, str) or asked[1] or len(asked[0]) == 1
    for is_slice in (False, True):
        request = parse_request(data, is_slice=is_slice)
        if not isinstance(request, str):
            request.find_objection(9)
            assert request.start >= 0
    assert len(parse_haves(data, 2)) in {0, 2}
    parse_change(data)


def speak(data: bytes) -> None:
    """Bytes as arguments, items and answers of every call, from a friend, on both sides."""
    node, opened = _connect()
    for number, (name, kind) in enumerate(SERVED.items(), start=1):
        opened += _tell(node, CallReceived(-number, name, data, kind))
        for body_type in BodyType:
            opened += _tell(node, ItemsReceived(-number, body_type, [data]))
    for call in range(1, 12):
        for body_type in BodyType:
            opened += _tell(node, ItemsReceived(call, body_type, [data]))
    _tell(node, CallEnded(3, data.decode("utf-8", "replace")))
    for call in range(12):
        opened += _tell(node, AnswerReceived(call, BodyType.JSON, data))
    assert [call.call for call in opened] == list(range(1, len(opened) + 1))
    node.handle(events.Disconnected(CONNECTION, "gone"), 3.0)
    status = node.snapshot()
    assert (status.peers, status.blobs_fetching) == ((), 0)


def _connect() -> tuple[Node, list[OpenCall]]:
    own, peer = lab_feed_id(0), lab_feed_id(1)
    blobs = MemoryBlobs()
    blobs.add(PICTURE)
    node = Node(own, MemoryLog(own), random.Random(1), parse_message, blobs)
    contacts = (Contact(own, peer, 1, 1),)
    node.handle(events.Started(contacts, (), hops_max=1, is_guarded=False), 1.0)
    node.handle(events.BlobWanted(LACKING), 1.0)
    found = node.handle(events.Connected(CONNECTION, peer, True, "lab:1", {}), 1.0)
    return node, _opened(found)


def _tell(node: Node, event: object) -> list[OpenCall]:
    found = node.handle(events.FromPeer(CONNECTION, event), 2.0)  # type: ignore[arg-type]
    return _opened(found)


def _opened(found: list[effects.Effect]) -> list[OpenCall]:
    sent = [each.command for each in found if isinstance(each, effects.Send)]
    return [command for command in sent if isinstance(command, OpenCall)]


TARGETS = (parse, speak)
