"""The guard on publishing: two peers, all they claim, and quiet."""

from typing import Any

from lichen.gossip import effects, events
from lichen.lab.world.peers import LabPeer
from lichen.lab.world.world import World


def guards(probe: Any) -> list[Any]:
    return list(probe.of(effects.SaveGuard, probe.everything))


def test_two_peers_and_quiet_lift_the_guard(make_probe: Any) -> None:
    probe = make_probe(is_guarded=True)
    probe.hold(0, 2)
    probe.connect_ebt(1, {0: 4})
    probe.wait(60.0)
    assert probe.node.is_guarded
    probe.connect_ebt(2, {0: 4})
    probe.wait(9.0)
    assert probe.node.is_guarded
    probe.wait(2.0)
    assert not probe.node.is_guarded
    assert guards(probe)[-1] == effects.SaveGuard(False, (probe.ids[1], probe.ids[2]))
    assert any(each.topic == "guard-lifted" for each in probe.of(effects.Notify, probe.everything))


def test_a_peer_that_does_not_replicate_the_feed_does_not_count(make_probe: Any) -> None:
    probe = make_probe(is_guarded=True)
    probe.connect_ebt(1, {0: 0})
    probe.connect_ebt(2, {0: -1})
    probe.connect_ebt(3, {1: 4})
    probe.wait(100.0)
    assert probe.node.snapshot().asked_peers == (probe.ids[1],)
    assert probe.node.is_guarded


def test_what_is_claimed_must_have_come(make_probe: Any) -> None:
    probe = make_probe(is_guarded=True)
    first = probe.connect_ebt(1, {0: 4})
    probe.connect_ebt(2, {0: 2})
    probe.wait(5.0)
    assert probe.node.snapshot().asked_peers == ()
    probe.give(first, probe.message(0, 1), probe.message(0, 2))
    probe.ingest()
    assert set(probe.node.snapshot().asked_peers) == {probe.ids[1], probe.ids[2]}
    probe.wait(9.0)
    assert probe.node.is_guarded
    probe.wait(2.0)
    assert not probe.node.is_guarded


def test_a_missing_claim_holds_the_guard_after_its_peer_is_gone(make_probe: Any) -> None:
    probe = make_probe(is_guarded=True)
    first = probe.connect_ebt(1, {0: 4})
    probe.tell(events.Disconnected(first, "gone"))
    probe.connect_ebt(2, {0: 0})
    probe.connect_ebt(3, {0: 0})
    probe.wait(100.0)
    assert probe.node.is_guarded


def test_a_peer_that_left_holds_the_guard_for_a_day_and_no_longer(make_probe: Any) -> None:
    probe = make_probe(is_guarded=True)
    first = probe.connect_ebt(1, {0: 4})
    probe.tell(events.Disconnected(first, "gone"))
    probe.connect_ebt(2, {0: 0})
    probe.connect_ebt(3, {0: 0})
    probe.wait(24 * 3600.0 - 60.0)
    assert probe.node.is_guarded
    probe.wait(120.0)
    assert not probe.node.is_guarded
    (lifted,) = (
        each for each in probe.of(effects.Notify, probe.everything) if each.topic == "guard-lifted"
    )
    assert "1 that said to have more of it did not come back" in lifted.detail


def test_a_peer_that_came_back_holds_the_guard_again(make_probe: Any) -> None:
    probe = make_probe(is_guarded=True)
    first = probe.connect_ebt(1, {0: 4})
    probe.tell(events.Disconnected(first, "gone"))
    probe.connect_ebt(2, {0: 0})
    probe.connect_ebt(3, {0: 0})
    probe.wait(24 * 3600.0 - 5.0)
    probe.connect_ebt(1, {0: 4})
    probe.wait(20.0)
    assert probe.node.is_guarded


def test_a_liar_does_not_hold_the_guard_for_ever(make_probe: Any) -> None:
    probe = make_probe(is_guarded=True)
    probe.connect_ebt(1, {0: 2_000})
    probe.connect_ebt(2, {0: 0})
    probe.connect_ebt(3, {0: 0})
    probe.wait(15.0)
    assert probe.node.is_guarded
    probe.wait(60.0)
    assert not probe.node.is_guarded


def test_peers_of_earlier_runs_count(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(events.Started((), (), 1, is_guarded=True, asked_peers=(probe.ids[5], probe.ids[6])))
    probe.wait(11.0)
    assert not probe.node.is_guarded


def test_a_peer_of_an_earlier_run_may_claim_more_now(make_probe: Any) -> None:
    probe = make_probe()
    asked = tuple(probe.ids[4:7])
    probe.tell(events.Started((), (), 1, is_guarded=True, asked_peers=asked))
    probe.connect_ebt(5, {0: 6})
    probe.wait(5.0)
    assert probe.node.snapshot().asked_peers == (probe.ids[4], probe.ids[6])
    probe.wait(8.0)
    assert probe.node.is_guarded


def test_a_person_lifts_it_at_once(make_probe: Any) -> None:
    probe = make_probe(is_guarded=True)
    probe.tell(events.GuardLifted())
    assert not probe.node.is_guarded
    assert guards(probe) == [effects.SaveGuard(False, ())]


def test_own_messages_that_were_lost_raise_the_guard(make_probe: Any) -> None:
    probe = make_probe()
    probe.hold(0, 1)
    first = probe.connect_ebt(1, {0: 4})
    probe.give(first, probe.message(0, 2))
    probe.ingest()
    assert probe.node.is_guarded
    assert guards(probe) == [effects.SaveGuard(True, (probe.ids[1],))]


def test_a_guard_that_goes_up_hears_those_who_are_connected_already(make_probe: Any) -> None:
    probe = make_probe()
    probe.hold(0, 1)
    old = probe.connect(2)
    probe.end(old, 1, "no ebt")
    first = probe.connect_ebt(1, {0: 4})
    probe.give(first, probe.message(0, 2))
    found = probe.ingest()
    (again,) = [call for call in probe.opened(found) if probe.own.encode() in call.args]
    assert b'"live":false' in again.args
    probe.wait(30.0)
    assert probe.node.is_guarded, "one answer is not enough"
    probe.end(old, again.call)
    probe.wait(11.0)
    assert not probe.node.is_guarded


def test_own_messages_that_are_published_do_not(make_probe: Any) -> None:
    probe = make_probe()
    probe.publish()
    assert not probe.node.is_guarded


def test_history_streams_count_as_answers(make_probe: Any) -> None:
    probe = make_probe(is_guarded=True)
    for number in (1, 2):
        connection = probe.connect(number)
        probe.end(connection, 1, "no ebt")
        own = next(call for call in probe.opened() if probe.own.encode() in call.args)
        assert b'"live":false' in own.args
        probe.end(connection, own.call)
    probe.wait(11.0)
    assert not probe.node.is_guarded


def restore(world: World, peer: LabPeer, sequence: int) -> None:
    """Put an old copy of a peer's log back; the guard is up as after an import."""
    peer.stop()
    del peer.log.feeds[peer.id][sequence:]
    peer.log.sync()
    peer.saved_clocks.clear()
    peer.is_guarded = True
    peer.asked_peers = ()
    peer.start()


def test_a_restored_peer_gets_its_feed_back_before_it_publishes() -> None:
    for seed in range(60):
        world = World(seed)
        peers = [world.add_peer() for _ in range(4)]
        for peer in peers:
            peer.follow(*(other for other in peers if other is not peer))
        for first, second in ((0, 1), (0, 2), (1, 2), (2, 3), (0, 3)):
            world.connect(peers[first], peers[second])
        count = world.chance.between(10, 500)
        for _ in range(count):
            peers[0].publish()
        world.run(world.chance.within(0.1, 20.0))
        published = peers[0].has(peers[0])
        known = max(peer.has(peers[0]) for peer in peers[1:])
        restore(world, peers[0], world.chance.between(3, published))
        started = world.now
        while peers[0].node.is_guarded and world.now < started + 100:
            world.run(world.now + 0.5)
        assert not peers[0].node.is_guarded, f"seed {seed}"
        assert world.now - started <= 60.0, f"seed {seed}"
        assert peers[0].has(peers[0]) >= known, f"seed {seed}: a fork"
