"""createHistoryStream: what is served to whom, and the way round EBT."""

import json
from typing import Any

import pytest

from lichen.feed.content import Contact
from lichen.gossip import effects, events
from lichen.gossip.effects import MessageForm
from lichen.gossip.exchange.history import HistoryRequest, parse_request
from lichen.lab.world.peers import LabPeer, lab_feed_id
from lichen.lab.world.world import World
from lichen.wire.events import BodyType, CallKind, EndCall, ItemsReceived

FEED = lab_feed_id(1)
NOT_ALLOWED = "method:{} is not in list of allowed methods"


def ask(probe: Any, connection: Any, number: int = -7, **options: Any) -> None:
    args = json.dumps([options]).encode()
    probe.call(connection, "createHistoryStream", args=args, kind=CallKind.SOURCE, number=number)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, HistoryRequest(FEED, 1, None, False, True, MessageForm.KEY_VALUE)),
        ({"seq": 3}, HistoryRequest(FEED, 3, None, False, True, MessageForm.KEY_VALUE)),
        ({"sequence": 3.0}, HistoryRequest(FEED, 3, None, False, True, MessageForm.KEY_VALUE)),
        (
            {"seq": 4, "sequence": 4, "limit": 2, "live": True, "keys": False, "old": False},
            HistoryRequest(FEED, 4, 2, True, False, MessageForm.VALUE),
        ),
        ({"values": False}, HistoryRequest(FEED, 1, None, False, True, MessageForm.KEY)),
        ({"limit": -1}, HistoryRequest(FEED, 1, None, False, True, MessageForm.KEY_VALUE)),
        ({"seq": -5}, HistoryRequest(FEED, 1, None, False, True, MessageForm.KEY_VALUE)),
        ({"seq": 1, "sequence": 2}, None),
        ({"seq": "2"}, None),
        ({"seq": True}, None),
        ({"id": "nonsense"}, "nonsense is not a feed"),
    ],
)
def test_arguments(options: dict[str, Any], expected: Any) -> None:
    request = parse_request(json.dumps([{"id": FEED} | options]).encode())
    if expected is None:
        assert isinstance(request, str)
    else:
        assert request == expected


def test_the_positional_form_of_old_peers() -> None:
    request = parse_request(json.dumps([FEED, 5, True]).encode())
    assert request == HistoryRequest(FEED, 5, None, True, True, MessageForm.KEY_VALUE)


@pytest.mark.parametrize("args", [b"", b"{}", b"[]", b"[1]", b"[null]", b"[[[[", b'[{"id":1}]'])
def test_arguments_that_are_none(args: bytes) -> None:
    assert isinstance(parse_request(args), str)


def test_messages_from_the_sequence_on_and_then_the_end(make_probe: Any) -> None:
    probe = make_probe()
    probe.hold(1, 5)
    connection = probe.connect(1, is_client=False)
    ask(probe, connection, id=probe.ids[1], seq=3, keys=False)
    (run,) = probe.of(effects.SendMessages)
    assert (run.call, run.first, run.last, run.form) == (-7, 3, 5, MessageForm.VALUE)
    assert probe.errors(probe.sent()) == [None]


def test_limit_and_live(make_probe: Any) -> None:
    probe = make_probe()
    probe.hold(1, 5)
    connection = probe.connect(1, is_client=False)
    ask(probe, connection, id=probe.ids[1], seq=5, limit=2, live=True)
    assert probe.runs() == [(1, 5, 5)]
    probe.sent()
    assert probe.errors() == []
    probe.grow(1)
    assert probe.runs() == [(1, 6, 6)]
    assert probe.errors(probe.sent()) == [None]
    probe.grow(1)
    assert probe.runs() == []


def test_a_live_stream_stops_when_the_peer_ends_it(make_probe: Any) -> None:
    probe = make_probe()
    connection = probe.connect(1, is_client=False)
    ask(probe, connection, id=probe.ids[1], live=True)
    probe.grow(1)
    assert probe.runs() == [(1, 1, 1)]
    probe.sent()
    probe.end(connection, -7)
    probe.grow(1)
    assert probe.runs() == []


def test_only_new_messages_without_old(make_probe: Any) -> None:
    probe = make_probe()
    probe.hold(1, 5)
    connection = probe.connect(1, is_client=False)
    ask(probe, connection, id=probe.ids[1], live=True, old=False)
    assert probe.runs() == []
    probe.grow(1)
    assert probe.runs() == [(1, 6, 6)]


@pytest.mark.parametrize("feed", [1, 2, 0])
def test_a_stranger_gets_our_feed_and_those_we_replicate(make_probe: Any, feed: int) -> None:
    probe = make_probe(follows=2)
    probe.hold(feed, 2)
    connection = probe.connect(9, is_client=False)
    ask(probe, connection, id=probe.ids[feed])
    assert probe.runs() == [(feed, 1, 2)]


def test_feeds_that_are_not_replicated_end_at_once(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    probe.hold(8, 2)
    connection = probe.connect(9, is_client=False)
    ask(probe, connection, id=probe.ids[8], live=True)
    assert (probe.runs(), probe.errors()) == ([], [None])
    ask(probe, connection, id="bad", number=-8)
    assert probe.errors() == ["bad is not a feed"]


def test_a_feed_is_not_served_to_whom_its_author_blocks(make_probe: Any) -> None:
    ids = make_probe().ids
    probe = make_probe(follows=2, contacts=(Contact(ids[1], ids[9], -1, 5),))
    probe.hold(1, 2)
    connection = probe.connect(9, is_client=False)
    ask(probe, connection, id=ids[1])
    assert (probe.runs(), probe.errors()) == ([], [None])
    ask(probe, connection, id=ids[2], live=True, number=-8)
    block = Contact(ids[2], ids[9], -1, 5)
    probe.tell(events.Ingested(None, 0, (), contacts=(block,)))
    ended = probe.commands(EndCall, probe.wait(0.2, step_s=0.2))
    assert [end.call < 0 for end in ended] == [True, False], "theirs, and ours of the same feed"
    probe.grow(2)
    assert probe.runs() == []


def test_streams_beyond_the_number_served_at_once_wait_their_turn(make_probe: Any) -> None:
    probe = make_probe(follows=20)
    for feed in range(1, 21):
        probe.hold(feed, 1)
    connection = probe.connect(900, is_client=False)
    served = []
    for feed in range(1, 21):
        ask(probe, connection, id=probe.ids[feed], live=True, number=-feed)
        served += probe.runs()
    for _ in range(20):
        served += probe.runs(probe.sent())
    assert sorted(served) == [(feed, 1, 1) for feed in range(1, 21)]


def test_too_many_streams_are_refused(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    connection = probe.connect(900, is_client=False)
    refused = 0
    for number in range(1, 1102):
        ask(probe, connection, id=probe.ids[1], live=True, number=-number)
        refused += probe.errors().count("too many streams")
    assert refused == 101


@pytest.mark.parametrize(
    "error", [NOT_ALLOWED.format("ebt,replicate"), "muxrpc: no such command: ebt.replicate", "x"]
)
def test_a_refused_client_asks_for_every_feed(make_probe: Any, error: str) -> None:
    probe = make_probe(follows=2)
    probe.hold(1, 4)
    connection = probe.connect(9)
    probe.end(connection, 1, error)
    calls = probe.opened()
    assert [call.call for call in calls] == [3, 4, 5]
    assert {call.name for call in calls} == {("createHistoryStream",)}
    assert [json.loads(call.args) for call in calls] == [
        [{"id": probe.ids[feed], "seq": seq, "live": True, "keys": False}]
        for feed, seq in ((0, 1), *sorted(((1, 5), (2, 1)), key=lambda each: probe.ids[each[0]]))
    ]


def test_a_peer_that_does_not_answer_ebt_is_asked_the_old_way(make_probe: Any) -> None:
    for is_client in (True, False):
        probe = make_probe(follows=2)
        probe.connect(9, is_client=is_client)
        names = [call.name for call in probe.opened(probe.wait(16.0))]
        assert names == [("createHistoryStream",)] * 3


def test_a_caller_of_history_is_called_back_until_ebt_begins(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    connection = probe.connect(9, is_client=False)
    ask(probe, connection, id=probe.ids[0])
    assert len(probe.opened()) == 2
    probe.call(connection, "ebt", "replicate", args=b'[{"version":3}]', number=-8)
    probe.say(connection, {}, call=-8)
    assert probe.errors() == [None, None]


def test_messages_of_a_history_stream_are_taken(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    probe.hold(1, 1)
    connection = probe.connect(9)
    probe.end(connection, 1, "no")
    by_feed = {json.loads(call.args)[0]["id"]: call.call for call in probe.opened()}
    first = by_feed[probe.ids[1]]
    probe.give(connection, *(probe.message(1, n) for n in (1, 2, 3)), call=first)
    probe.ingest()
    assert probe.log.received(probe.ids[1]) == 3
    probe.give(connection, probe.message(2, 1), probe.message(8, 1), b"{}", call=first)
    assert probe.of(effects.Ingest) == []
    peer = probe.node.snapshot().peers[0]
    assert (peer.messages_duplicate, peer.messages_ignored) == (1, 2)


def test_a_peer_that_refuses_history_too_is_left_in_peace(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    connection = probe.connect(9)
    probe.end(connection, 1, NOT_ALLOWED.format("ebt,replicate"))
    found = probe.end(connection, 3, NOT_ALLOWED.format("createHistoryStream"))
    assert probe.errors(found) == [None, None], "the other two streams are ended"
    assert probe.opened(probe.wait(500.0, step_s=10.0)) == []


def test_an_invalid_message_ends_its_stream_only(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    connection = probe.connect(9)
    probe.end(connection, 1, "no")
    by_feed = {json.loads(call.args)[0]["id"]: call.call for call in probe.opened()}
    probe.give(connection, probe.message(1, 1, valid=False), call=by_feed[probe.ids[1]])
    assert probe.errors(probe.ingest()) == [None]
    probe.give(connection, probe.message(1, 1), call=by_feed[probe.ids[1]])
    assert probe.of(effects.Ingest) == []
    probe.give(connection, probe.message(2, 1), call=by_feed[probe.ids[2]])
    assert len(probe.of(effects.Ingest)) == 1


def test_a_gap_in_a_stream_opens_it_anew(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    connection = probe.connect(9)
    probe.end(connection, 1, "no")
    by_feed = {json.loads(call.args)[0]["id"]: call.call for call in probe.opened()}
    probe.give(connection, probe.message(1, 1), probe.message(1, 5), call=by_feed[probe.ids[1]])
    assert probe.errors(probe.ingest()) == [None]
    (call,) = probe.opened(probe.wait(1.5, step_s=0.5))
    assert json.loads(call.args)[0]["seq"] == 2


def test_more_feeds_than_streams_are_gone_round(make_probe: Any) -> None:
    probe = make_probe(follows=400)
    connection = probe.connect(900)
    probe.end(connection, 1, "no")
    calls = probe.opened()
    assert len(calls) == 256
    live = [json.loads(call.args)[0]["live"] for call in calls]
    assert live.count(True) == 224
    asked = {json.loads(call.args)[0]["id"] for call in calls}
    while len(asked) < 401:
        ended, calls = [c.call for c in calls if not json.loads(c.args)[0]["live"]], []
        for call in ended:
            calls += probe.opened(probe.end(connection, call))
        assert calls, "the rest is never asked for"
        asked |= {json.loads(call.args)[0]["id"] for call in calls}


class OldPeer(LabPeer):
    """A peer whose brain does not know ebt.replicate."""

    def start(self) -> None:
        super().start()
        brain, handle = self.node, self.node.handle

        class NoEbt:
            def handle(self, event: Any, now: float) -> Any:
                inner = getattr(event, "event", None)
                name = getattr(inner, "name", ())
                if name == ("ebt", "replicate"):
                    inner = type(inner)(inner.call, ("ebt", "none"), inner.args, inner.kind)
                    event = events.FromPeer(event.connection, inner)
                return handle(event, now)

            may_connect = staticmethod(brain.may_connect)

        self.brain = NoEbt()


@pytest.mark.parametrize("old_dials", [True, False])
def test_a_world_without_ebt_converges(old_dials: bool) -> None:
    world = World(seed=5)
    old = OldPeer(world, 2)
    peers = [world.add_peer(), world.add_peer(), old]
    world.peers.append(old)
    old.start()
    for peer in peers:
        peer.follow(*(other for other in peers if other is not peer))
        for _ in range(20):
            peer.publish()
    for other in peers[:2]:
        world.connect(*((old, other) if old_dials else (other, old)))
    world.run(40.0)
    for peer in peers:
        peer.publish()
    world.run(42.0)
    assert [[peer.has(other) for other in peers] for peer in peers] == [[23] * 3] * 3


def test_a_peer_that_serves_nothing_is_asked_less_and_less(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    connection = probe.connect(9)
    calls = probe.opened(probe.end(connection, 1, "no"))
    times: list[float] = []
    while probe.now < 1000.0 + 3600.0:
        for call in calls:
            probe.end(connection, call.call)
        calls = probe.opened(probe.wait(30.0, step_s=10.0))
        times += [probe.now - 1000.0] * bool(calls)
        probe.hear(connection, ItemsReceived(2, BodyType.JSON, [b"1"]))
    assert len(times) == 5, times
    assert times[-1] > 1500.0


def test_a_feed_that_the_peer_asks_for_itself_is_asked_for_at_once(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    connection = probe.connect(9)
    calls = probe.opened(probe.end(connection, 1, "no"))
    for call in calls:
        probe.end(connection, call.call)
    assert not probe.opened(probe.wait(20.0))
    probe.out = []
    ask(probe, connection, id=probe.ids[1], live=True)
    (again,) = probe.opened()
    assert probe.ids[1].encode() in again.args
    probe.end(connection, again.call)
    assert not probe.opened(probe.wait(20.0)), "once for each time that it asks"


def test_streams_of_a_feed_end_when_it_is_replicated_no_longer(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    connection = probe.connect(9, is_client=False)
    ask(probe, connection, id=probe.ids[2], live=True)
    contact = Contact(probe.own, probe.ids[2], -2, 99)
    probe.tell(events.Ingested(None, 0, (), contacts=(contact,)))
    ended = [end.call for end in probe.commands(EndCall, probe.wait(0.2, step_s=0.2))]
    assert -7 in ended
