"""Dialling, one connection per peer, and the discipline of time."""

import random
from typing import Any

import pytest

from lichen.feed.content import Contact
from lichen.gossip import effects, events
from lichen.gossip.connections.schedule import Schedule
from lichen.gossip.events import Address
from lichen.gossip.node import Node
from lichen.gossip.timers import Timers
from lichen.lab.world.formats import parse_message
from lichen.lab.world.memory import MemoryLog
from lichen.lab.world.peers import lab_feed_id
from lichen.lab.world.world import World


def address(number: int, *, autoconnect: bool = True) -> Address:
    return Address(f"lab:{number}", lab_feed_id(number), autoconnect)


def test_addresses_are_dialled_at_the_start_a_few_at_a_time(make_probe: Any) -> None:
    probe = make_probe()
    book = tuple(address(number) for number in range(20))
    found = probe.tell(events.Started((), book, 1, is_guarded=False))
    dials = probe.of(effects.Dial, found)
    assert len(dials) == 8
    assert probe.own not in {dial.peer for dial in dials}
    probe.tell(events.DialFailed(dials[0].address, "no"))
    assert len(probe.of(effects.Dial)) == 1, "the next one moves up"


def test_back_off_doubles_up_to_a_limit_with_jitter() -> None:
    schedule = Schedule(random.Random(1))
    schedule.add(address(1), 0.0)
    now, waits = 0.0, []
    for _ in range(16):
        (entry,) = schedule.take_due(now, lambda _: True)
        failed = schedule.failed(entry.address, "no", now)
        assert failed is not None
        waits.append(failed.next_at - now)
        assert schedule.take_due(failed.next_at - 0.01, lambda _: True) == []
        now = failed.next_at
    for number, wait_s in enumerate(waits):
        expected = min(2.0**number, 600.0)
        assert 0.5 * expected <= wait_s <= 1.5 * expected
    assert len({wait_s / 600 for wait_s in waits[-4:]}) == 4


def test_a_dial_without_an_end_is_given_up() -> None:
    schedule = Schedule(random.Random(1))
    schedule.add(address(1), 0.0)
    assert len(schedule.take_due(0.0, lambda _: True)) == 1
    assert schedule.take_due(29.0, lambda _: True) == []
    assert schedule.take_due(30.0, lambda _: True) == []
    assert len(schedule.take_due(32.0, lambda _: True)) == 1


def test_an_address_without_autoconnect_is_tried_once(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(events.AddressAdded(address(5, autoconnect=False)))
    assert len(probe.of(effects.Dial)) == 1
    assert probe.of(effects.SaveAddress) == []
    probe.tell(events.DialFailed("lab:5", "no"))
    assert probe.of(effects.Dial, probe.wait(1000.0, step_s=10.0)) == []


def test_failures_are_remembered_and_forgotten(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(events.AddressAdded(address(5)))
    probe.tell(events.DialFailed("lab:5", "no"))
    assert [each.failures for each in probe.of(effects.SaveAddress)] == [1]
    probe.connect(5)
    assert [each.failures for each in probe.of(effects.SaveAddress)] == [0]


def test_a_steady_connection_is_dialled_again_soon_a_short_one_later(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(events.AddressAdded(address(5)))
    waits = []
    for lasted_s in (100.0, 0.1, 0.1, 0.1, 0.1, 0.1, 100.0):
        connection = probe.connect(5)
        probe.wait(lasted_s, step_s=10.0)
        probe.tell(events.Disconnected(connection, "gone"))
        lost = probe.now
        while not probe.of(effects.Dial):
            probe.tell(events.Woke(), after_s=0.1)
        waits.append(probe.now - lost)
    assert waits[0] < 2.0
    assert waits[5] > 10.0
    assert waits[6] < 2.0


def test_a_peer_is_dialled_when_its_block_is_lifted(make_probe: Any) -> None:
    probe = make_probe(contacts=(Contact(lab_feed_id(0), lab_feed_id(5), -1, 50),))
    probe.tell(events.AddressAdded(address(5)))
    assert not probe.of(effects.Dial)
    lifted = Contact(probe.own, lab_feed_id(5), -2, 51)
    probe.tell(events.Ingested(None, 0, (), contacts=(lifted,)))
    assert [dial.peer for dial in probe.of(effects.Dial, probe.wait(2.0))] == [lab_feed_id(5)]


def test_blocked_and_connected_peers_are_not_dialled(make_probe: Any) -> None:
    ids = make_probe().ids
    probe = make_probe(contacts=(Contact(ids[0], ids[5], -1, 90),))
    probe.tell(events.AddressAdded(address(5)))
    probe.connect(6)
    probe.tell(events.AddressAdded(address(6)))
    assert probe.of(effects.Dial, probe.wait(100.0)) == []


@pytest.mark.parametrize("first_is_client", [True, False])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
def test_of_two_simultaneous_connections_one_stays_by_rule(
    make_probe: Any, number: int, first_is_client: bool
) -> None:
    probe = make_probe()
    first = probe.connect(number, is_client=first_is_client)
    second = probe.connect(number, is_client=not first_is_client)
    (closed,) = [each.connection for each in probe.of(effects.Close)]
    kept = first if closed == second else second
    client_kept = first_is_client if kept == first else not first_is_client
    assert client_kept == (probe.own > probe.ids[number])
    assert len(probe.node.snapshot().peers) == 1


def test_a_newer_connection_replaces_an_older_one(make_probe: Any) -> None:
    probe = make_probe()
    first = probe.connect_ebt(1, {1: 4})
    probe.wait(6.0)
    second = probe.connect(1, is_client=False)
    assert [(each.connection, each.reason) for each in probe.of(effects.Close)] == [
        (first, "replaced")
    ]
    kinds = [type(effect) for effect in probe.out]
    assert kinds.index(effects.Close) < kinds.index(effects.SaveClock)
    probe.tell(events.Disconnected(first, "replaced"))
    assert [peer.is_client for peer in probe.node.snapshot().peers] == [False]
    probe.call(second, "ebt", "replicate", args=b'[{"version":3}]')
    assert probe.notes(call=-1)[1] == 0


def test_a_newer_connection_takes_over_what_is_known_of_the_peer(make_probe: Any) -> None:
    probe = make_probe()
    probe.hold(1, 2)
    probe.connect_ebt(1, {1: 4})
    probe.wait(6.0)
    second = probe.connect(1, is_client=False)
    probe.call(second, "ebt", "replicate", args=b'[{"version":3}]')
    assert 1 not in probe.notes(call=-1)


def test_simultaneous_dials_of_two_brains_leave_one_connection() -> None:
    for seed in range(50):
        world = World(seed)
        first, second = world.add_peer(), world.add_peer()
        first.follow(second)
        second.follow(first)
        world.connect(first, second)
        world.run(world.chance.within(0.0, 0.2))
        world.connect(second, first)
        world.run(5.0)
        assert [len(peer.ends) for peer in (first, second)] == [1, 1], f"seed {seed}"
        assert first.has(second) == second.has(first) == 1


def test_connections_are_bounded(make_probe: Any) -> None:
    probe = make_probe()
    for number in range(1, 129):
        assert probe.node.may_connect(probe.ids[number])
        probe.connect(number, is_client=False)
    assert not probe.node.may_connect(probe.ids[200])
    assert probe.node.may_connect(probe.ids[1]), "a known peer may come again"
    probe.connect(200, is_client=False)
    assert probe.closed() == ["too-many-connections"]


def test_a_stranger_gives_way_to_somebody_we_carry(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    for number in range(3, 131):
        probe.connect(number, is_client=False)
    assert probe.node.may_connect(probe.ids[1])
    probe.connect(1, is_client=False)
    assert probe.closed() == ["gave-way"]
    assert probe.node.may_connect(probe.ids[2])
    assert not probe.node.may_connect(probe.ids[200])


def test_nobody_is_accepted_before_the_start() -> None:
    node = Node(lab_feed_id(0), MemoryLog(lab_feed_id(0)), random.Random(1), parse_message)
    assert not node.may_connect(lab_feed_id(1))


def test_at_most_one_wake_and_never_in_the_past(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(events.AddressAdded(address(5)))
    connection = probe.connect_ebt(1, {1: 40, 2: 8})
    for step in range(2000):
        probe.tell(events.Woke(), after_s=0.7)
        if step % 50 == 0:
            probe.say(connection, {probe.ids[3]: step})
        wakes = probe.of(effects.WakeAt)
        assert len(wakes) <= 1
        assert all(wake.at > probe.now for wake in wakes)


def test_a_lost_wake_loses_nothing(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    probe.connect_ebt(2, {1: 8})
    second = probe.connect_ebt(3, {1: 8})
    probe.now += 3.5
    probe.tell(events.Drained(second, 0))
    assert probe.notes() != {}, "the stall is seen at any event"


def test_an_early_wake_arms_the_next(make_probe: Any) -> None:
    probe = make_probe()
    probe.connect(1)
    before = probe.of(effects.WakeAt)
    probe.tell(events.Woke())
    assert probe.of(effects.WakeAt) == before


def test_an_idle_node_asks_for_no_wake() -> None:
    world = World(seed=1)
    world.add_peer()
    world.run(100_000.0)
    assert world.event_count == 1


def test_timers() -> None:
    timers = Timers()
    timers.set("a", 5.0)
    timers.set("b", 3.0, 7)
    timers.set("a", 4.0)
    timers.set_if_unset("b", 1.0, 7)
    timers.set("c", 2.0)
    timers.cancel("c")
    assert timers.next_at() == 3.0
    assert timers.take_due(2.9) == []
    assert timers.take_due(10.0) == [("b", 7), ("a", 0)]
    assert timers.next_at() is None
