"""Small calls, with the texts that JavaScript peers compare."""

import json
from typing import Any

import pytest

from lichen.gossip import effects, events
from lichen.lab.world.world import World
from lichen.wire.events import Answer, BodyType, CallKind, ItemsReceived, SendItems


@pytest.mark.parametrize(
    "name", [("blobs", "add"), ("room", "metadata"), ("tunnel", "isRoom"), ("publish",)]
)
@pytest.mark.parametrize("kind", list(CallKind))
def test_what_is_not_offered_is_refused_in_the_known_text(
    make_probe: Any, name: tuple[str, ...], kind: CallKind
) -> None:
    probe = make_probe()
    connection = probe.connect(1, is_client=False)
    probe.call(connection, *name, kind=kind)
    assert probe.errors() == [f"method:{','.join(name)} is not in list of allowed methods"]


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (b'[{"version":2}]', "expected ebt.replicate({version: 3})"),
        (b'[{"version":true}]', "expected ebt.replicate({version: 3})"),
        (b"[]", "expected ebt.replicate({version: 3})"),
        (b"nonsense", "expected ebt.replicate({version: 3})"),
        (b'[{"version":3,"format":"no-such"}]', "Unknown format: no-such"),
        (b'[{"version":3,"format":"bendybutt-v1"}]', "Unknown format: bendybutt-v1"),
    ],
)
@pytest.mark.parametrize("method", ["replicate", "replicateFormat"])
def test_other_versions_and_formats_of_ebt(
    make_probe: Any, method: str, args: bytes, error: str
) -> None:
    probe = make_probe()
    connection = probe.connect(1, is_client=False)
    probe.call(connection, "ebt", method, args=args)
    assert probe.errors() == [error]


@pytest.mark.parametrize("args", [b'[{"version":3}]', b'[{"version":3,"format":"classic"}]'])
@pytest.mark.parametrize("method", ["replicate", "replicateFormat"])
def test_ebt_is_answered(make_probe: Any, method: str, args: bytes) -> None:
    probe = make_probe(follows=1)
    connection = probe.connect(1, is_client=False)
    probe.call(connection, "ebt", method, args=args)
    assert probe.notes(call=-1) == {0: 0, 1: 0}


def test_a_wrong_kind_of_call(make_probe: Any) -> None:
    probe = make_probe()
    connection = probe.connect(1, is_client=False)
    probe.call(connection, "createHistoryStream", kind=CallKind.ASYNC)
    assert probe.errors() == ["no async:createHistoryStream"]
    probe.call(connection, "ebt", "replicate", kind=CallKind.SOURCE, number=-2)
    assert probe.errors() == ["no source:ebt,replicate"]


def test_manifest_and_whoami(make_probe: Any) -> None:
    probe = make_probe()
    connection = probe.connect(9, is_client=False)
    probe.call(connection, "manifest", kind=CallKind.ASYNC)
    (answer,) = probe.commands(Answer)
    assert json.loads(answer.body) == {
        "ebt": {"replicate": "duplex", "replicateFormat": "duplex", "clock": "async"},
        "createHistoryStream": "source",
        "gossip": {"ping": "duplex"},
        "conn": {"ping": "duplex"},
        "manifest": "sync",
        "whoami": "sync",
        "blobs": {
            "has": "async",
            "size": "async",
            "get": "source",
            "getSlice": "source",
            "changes": "source",
            "createWants": "source",
        },
    }
    probe.call(connection, "whoami", kind=CallKind.ASYNC, number=-2)
    (answer,) = probe.commands(Answer)
    assert (answer.call, json.loads(answer.body)) == (-2, {"id": probe.own})


def test_the_clock_tells_only_of_feeds_that_are_exchanged(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    probe.hold(1, 3)
    probe.hold(50, 7)
    connection = probe.connect(9, is_client=False)
    probe.call(connection, "ebt", "clock", args=b'[{"format":"classic"}]', kind=CallKind.ASYNC)
    (answer,) = probe.commands(Answer)
    assert json.loads(answer.body) == {probe.ids[1]: 3}
    probe.call(connection, "ebt", "clock", args=b'[{"format":"x"}]', kind=CallKind.ASYNC, number=-2)
    assert probe.errors() == ["Unknown format: x"]


def pings(probe: Any, found: list[Any], call: int) -> int:
    return len([each for each in probe.commands(SendItems, found) if each.call == call])


def test_we_serve_the_ball_and_volley_theirs_after_the_interval(make_probe: Any) -> None:
    probe = make_probe()
    connection = probe.connect(1)
    assert pings(probe, probe.out, 2) == 1

    def receive() -> list[Any]:
        return list(probe.hear(connection, ItemsReceived(2, BodyType.JSON, [b"1795355631332"])))

    assert pings(probe, receive(), 2) == 0, "the answer to our ball"
    probe.wait(290.0, step_s=10.0)
    assert pings(probe, receive(), 2) == 1, "theirs goes straight back"
    assert pings(probe, probe.wait(290.0, step_s=10.0), 2) == 0
    assert pings(probe, probe.wait(20.0, step_s=10.0), 2) == 1, "and ours comes after the interval"


def test_a_ball_that_never_comes_back_is_served_again(make_probe: Any) -> None:
    probe = make_probe()
    connection = probe.connect(1)
    probe.hear(connection, ItemsReceived(2, BodyType.JSON, [b"1"]))
    assert pings(probe, probe.wait(365.0, step_s=5.0), 2) == 1


@pytest.mark.parametrize("name", [("gossip", "ping"), ("conn", "ping")])
def test_a_caller_of_ping_gets_its_ball_back_but_not_in_a_hurry(
    make_probe: Any, name: tuple[str, str]
) -> None:
    probe = make_probe()
    connection = probe.connect(1, is_client=False)
    probe.call(connection, *name, args=b'[{"timeout":10000}]')
    sent = 0
    for _ in range(1000):
        sent += pings(probe, probe.hear(connection, ItemsReceived(-1, BodyType.JSON, [b"1"])), -1)
    assert sent == 1
    assert pings(probe, probe.wait(11.0), -1) == 1, "it is our turn after the interval"


def test_a_second_ping_replaces_the_first(make_probe: Any) -> None:
    probe = make_probe()
    connection = probe.connect(1, is_client=False)
    probe.call(connection, "gossip", "ping", number=-1)
    probe.call(connection, "gossip", "ping", number=-2)
    assert probe.errors() == [None]


def test_two_brains_keep_a_quiet_connection_alive(make_probe: Any) -> None:
    world = World(seed=2)
    first, second = world.add_peer(), world.add_peer()
    world.connect(first, second)
    world.run(20_000.0)
    assert first.node.snapshot().close_reasons == {}
    assert world.event_count < 500


def test_events_of_unknown_calls_and_connections_are_ignored(make_probe: Any) -> None:
    probe = make_probe()
    connection = probe.connect(1)
    probe.give(connection, b"{}", call=77)
    probe.end(connection, 77, "what")
    probe.give(99, b"{}")
    probe.tell(events.Drained(99, 0))
    probe.tell(events.Disconnected(99, "x"))
    assert probe.of(effects.Close, probe.everything) == []
