"""EBT between one brain and peers that say what the test wants them to say."""

from typing import Any

import orjson

from lichen.feed.content import Contact
from lichen.feed.message import Reason, Rejected
from lichen.gossip import effects, events
from lichen.gossip.limits import STALL_S
from lichen.wire.events import CallKind, SendItems

EBT_ARGS = b'[{"version":3,"format":"classic"}]'


def serve(probe: Any, number: int, saved: dict[Any, int] | None = None) -> Any:
    connection = probe.connect(number, is_client=False, saved=saved)
    probe.call(connection, "ebt", "replicate", args=EBT_ARGS)
    return connection


def test_the_client_calls_and_is_silent_until_the_first_notes(make_probe: Any) -> None:
    probe = make_probe()
    connection = probe.connect(1)
    first, second = probe.opened()
    assert (first.call, first.name, first.kind) == (1, ("ebt", "replicate"), CallKind.DUPLEX)
    assert orjson.loads(first.args) == [{"version": 3, "format": "classic"}]
    assert (second.call, second.name) == (2, ("gossip", "ping"))
    assert probe.notes() == {}
    probe.say(connection, {})
    assert probe.notes() == {0: 0, 1: 0, 2: 0, 3: 0}


def test_messages_before_the_first_notes_are_ignored(make_probe: Any) -> None:
    probe = make_probe()
    connection = probe.connect(1)
    probe.give(connection, probe.message(1, 1))
    assert probe.of(effects.Ingest) == []
    assert probe.node.snapshot().peers[0].messages_ignored == 1


def test_the_server_notes_first_even_when_there_is_nothing_to_say(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    probe.hold(0, 2)
    probe.hold(1, 3)
    serve(probe, 1, saved={probe.ids[0]: 2, probe.ids[1]: 3})
    (items,) = probe.commands(SendItems)
    assert (items.call, items.items) == (-1, (b"{}",))


def test_feeds_that_the_peer_had_are_left_out_and_others_noted(make_probe: Any) -> None:
    probe = make_probe()
    for feed, count in ((0, 2), (1, 3), (2, 4)):
        probe.hold(feed, count)
    saved = {probe.ids[0]: 2, probe.ids[1]: 1, probe.ids[2]: -1}
    serve(probe, 1, saved=saved)
    assert probe.notes(call=-1) == {1: 6, 3: 0}


def test_a_clock_that_is_not_trusted_makes_the_whole_clock_go_out(make_probe: Any) -> None:
    probe = make_probe()
    for feed in range(4):
        probe.hold(feed, 5)
    serve(probe, 1, saved={})
    assert probe.notes(call=-1) == dict.fromkeys(range(4), 10)


def test_the_own_feed_is_noted_under_guard_although_it_is_believed_equal(make_probe: Any) -> None:
    probe = make_probe(is_guarded=True)
    probe.hold(0, 2)
    serve(probe, 1, saved={probe.ids[0]: 2})
    assert probe.notes(call=-1)[0] == 4


def test_wrapped_notes_are_understood(make_probe: Any) -> None:
    probe = make_probe()
    probe.hold(1, 3)
    connection = probe.connect(1)
    probe.say(connection, {"clock": {probe.ids[1]: 2}, "more": [1]})
    assert probe.runs() == [(1, 2, 3)]


def test_a_feed_that_is_not_replicated_is_declined_once(make_probe: Any) -> None:
    probe = make_probe()
    connection = probe.connect_ebt(1)
    probe.say(connection, {probe.ids[9]: 6})
    assert probe.notes() == {9: -1}
    probe.say(connection, {probe.ids[9]: 8})
    assert probe.notes() == {}
    probe.say(connection, {probe.ids[10]: -1})
    assert probe.notes() == {}
    assert probe.runs() == []


def test_a_strangers_feed_is_never_asked_for_nor_taken(make_probe: Any) -> None:
    probe = make_probe()
    connection = probe.connect_ebt(9, {9: 10, 1: 0})
    assert probe.notes() == {0: 0, 1: 0, 2: 0, 3: 0, 9: -1}
    probe.give(connection, probe.message(9, 1), probe.message(500, 1))
    assert probe.of(effects.Ingest) == []
    assert probe.node.snapshot().peers[0].messages_ignored == 2


def test_only_one_peer_is_asked_for_a_feed(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    probe.hold(0, 1)
    probe.hold(1, 1)
    probe.connect_ebt(1, {1: 2, 0: 2})
    assert probe.notes() == {0: 2, 1: 2}
    probe.connect_ebt(2, {1: 2, 0: 2})
    assert probe.notes() == {0: 3, 1: 3}


def test_a_peer_that_claims_more_takes_over(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    first = probe.connect_ebt(2, {1: 4})
    second = probe.connect_ebt(3, {1: 8})
    sent = {each.connection: each.command for each in probe.of(effects.Send)}
    assert orjson.loads(sent[second].items[0])[probe.ids[1]] == 0
    assert orjson.loads(sent[first].items[0]) == {probe.ids[1]: 1}


def test_when_the_source_goes_the_next_one_is_asked_at_once(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    first = probe.connect_ebt(2, {1: 8})
    probe.connect_ebt(3, {1: 8})
    assert probe.notes()[1] == 1
    probe.tell(events.Disconnected(first, "gone"))
    assert probe.notes() == {1: 0}


def test_when_the_source_says_no_the_next_one_is_asked_at_once(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    first = probe.connect_ebt(2, {1: 8})
    second = probe.connect_ebt(3, {1: 8})
    probe.say(first, {probe.ids[1]: -1})
    (asked,) = probe.of(effects.Send)
    assert asked.connection == second
    assert probe.notes() == {1: 0}


def test_an_idle_feed_that_was_received_is_asked_of_another_at_once(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    first = probe.connect_ebt(2, {1: 2, 0: 0})
    probe.connect_ebt(3, {1: 2, 0: 0})
    probe.give(first, probe.message(1, 1))
    probe.ingest()
    probe.tell(events.Disconnected(first, "gone"))
    assert probe.notes()[1] == 2


def test_a_silent_source_is_replaced_after_three_seconds(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    probe.connect_ebt(2, {1: 8})
    second = probe.connect_ebt(3, {1: 8})
    assert probe.notes()[1] == 1
    found = probe.wait(2.5, step_s=0.5)
    assert probe.of(effects.Send, found) == []
    found = probe.wait(1.5, step_s=0.5)
    asked = [
        each.connection
        for each in probe.of(effects.Send, found)
        if orjson.loads(each.command.items[0]).get(probe.ids[1]) == 0
    ]
    assert asked == [second]


def test_only_a_feed_that_is_behind_has_the_brain_woken_to_look_over_it(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    peer = probe.connect_ebt(2, {1: 4})
    probe.give(peer, probe.message(1, 1))
    probe.ingest()
    assert probe.of(effects.WakeAt, probe.everything)[-1].at <= probe.now + STALL_S
    probe.give(peer, probe.message(1, 2))
    probe.ingest()
    assert probe.of(effects.WakeAt, probe.everything)[-1].at > probe.now + STALL_S


def test_a_source_that_sends_other_feeds_keeps_those_that_wait_their_turn(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    first = probe.connect_ebt(3, {1: 400, 2: 8})
    probe.connect_ebt(4, {1: 400, 2: 8})
    for sequence in range(1, 10):
        probe.give(first, probe.message(1, sequence))
        probe.ingest()
        assert 2 not in probe.notes(probe.wait(1.0))


def test_an_unfaithful_source_is_left_after_three_promises(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    liar = probe.connect_ebt(2, {1: 2_000_000})
    asked = probe.notes()
    times = []
    for _ in range(100):
        found = probe.wait(1.0)
        if probe.notes(found).get(1) == 0:
            times.append(probe.now - 1000.0)
    assert asked[1] == 0
    assert times[:3] == [3.0, 9.0, 21.0]
    assert len(times) == 4, "after that it is asked once a minute"
    probe.connect_ebt(3, {1: 2})
    assert probe.notes()[1] in {0, 1}
    honest = probe.of(effects.Send)
    told = {each.connection: orjson.loads(each.command.items[0]) for each in honest}
    assert told[liar][probe.ids[1]] == 1
    assert len(told) == 2


def test_our_own_slow_store_is_not_blamed_on_the_peer(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    first = probe.connect_ebt(2, {1: 8})
    probe.connect_ebt(3, {1: 8})
    probe.give(first, *(probe.message(1, each) for each in range(1, 5)))
    taken = list(probe.out)
    assert probe.notes(probe.wait(30.0)) == {}
    probe.out = taken
    probe.ingest()
    assert probe.log.received(probe.ids[1]) == 4


def test_messages_are_sent_from_where_the_peer_stands(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    probe.hold(1, 450)
    probe.connect_ebt(2, {1: 20, 0: 0})
    assert probe.runs() == [(1, 11, 210)]
    probe.sent()
    assert probe.runs() == [(1, 211, 410)]
    probe.sent()
    assert probe.runs() == [(1, 411, 450)]
    probe.sent()
    assert probe.runs() == []
    probe.grow(1)
    assert probe.runs() == [(1, 451, 451)]


def test_a_run_that_ended_early_is_continued(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    probe.hold(1, 10)
    connection = probe.connect_ebt(2, {1: 0})
    assert probe.runs() == [(1, 1, 10)]
    probe.tell(events.MessagesSent(connection, 1, probe.ids[1], 1, 4, 0))
    assert probe.runs() == [(1, 5, 10)]
    probe.tell(events.MessagesSent(connection, 1, probe.ids[1], 5, 4, 0))
    assert probe.runs() == [], "nothing was found: it is not tried in a circle"
    probe.say(connection, {probe.ids[1]: 8})
    assert probe.runs() == [(1, 5, 10)]


def test_a_new_message_goes_to_who_wants_it_and_is_announced_to_the_rest(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    probe.hold(1, 1)
    eager = probe.connect_ebt(2, {1: 2, 0: 0})
    lazy = probe.connect_ebt(3, {1: 3, 0: 1})
    probe.publish()
    assert [(run.connection, run.first) for run in probe.of(effects.SendMessages)] == [(eager, 1)]
    (announced,) = probe.of(effects.Send)
    assert announced.connection == lazy
    assert orjson.loads(announced.command.items[0]) == {probe.ids[0]: 3}
    probe.say(lazy, {probe.ids[0]: 0})
    assert probe.runs() == [(0, 1, 1)]


def test_what_came_from_a_peer_is_not_sent_back_to_it(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    first = probe.connect_ebt(2, {1: 4})
    probe.give(first, probe.message(1, 1), probe.message(1, 2))
    probe.ingest()
    assert probe.runs() == []
    assert probe.notes() == {}
    second = probe.connect_ebt(3, {0: 0, 1: 7})
    probe.give(second, probe.message(1, 3))
    found = probe.ingest()
    assert [(run.connection, run.first) for run in probe.of(effects.SendMessages, found)] == [
        (first, 3)
    ]
    assert probe.notes(found) == {}, "the second peer knows"


def test_a_duplicate_of_an_unasked_peer_is_answered_with_one_odd_note(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    probe.hold(1, 5)
    probe.connect_ebt(2, {1: 10})
    second = probe.connect_ebt(3, {1: 10})
    probe.give(second, probe.message(1, 4), probe.message(1, 5))
    assert probe.notes() == {1: 11}
    assert probe.of(effects.Ingest) == []
    assert probe.node.snapshot().peers[1].messages_duplicate == 2


def test_a_peer_that_lost_messages_gets_them_again(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    probe.hold(1, 5)
    connection = probe.connect_ebt(2, {1: 10, 0: 0})
    assert probe.runs() == []
    probe.say(connection, {probe.ids[1]: 4})
    assert probe.runs() == [(1, 3, 5)]


def test_following_later_asks_who_has_most(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    poor = probe.connect_ebt(2, {1: 0, 0: 0, 7: 2})
    rich = probe.connect_ebt(3, {1: 0, 0: 0, 7: 8})
    contact = Contact(probe.own, probe.ids[7], 1, 99)
    probe.tell(events.Ingested(None, 0, (), contacts=(contact,)))
    assert probe.of(effects.Send) == []
    found = probe.wait(0.2, step_s=0.2)
    told = {
        each.connection: orjson.loads(each.command.items[0])
        for each in probe.of(effects.Send, found)
    }
    assert told == {poor: {probe.ids[7]: 1}, rich: {probe.ids[7]: 0}}


def test_unfollowing_says_so(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    probe.hold(2, 4)
    connection = probe.connect_ebt(3, {1: 0, 2: 4})
    probe.tell(events.Ingested(None, 0, (), contacts=(Contact(probe.own, probe.ids[2], -2, 99),)))
    assert probe.notes(probe.wait(0.2, step_s=0.2)) == {2: -1}
    probe.give(connection, probe.message(2, 5))
    assert probe.of(effects.Ingest) == []
    probe.tell(events.Ingested(None, 0, (), contacts=(Contact(probe.own, probe.ids[2], 1, 100),)))
    assert probe.notes(probe.wait(0.2, step_s=0.2)) == {2: 8}


def test_a_feed_is_kept_from_a_peer_that_its_author_blocks(make_probe: Any) -> None:
    block = Contact(make_probe().ids[1], make_probe().ids[2], -1, 5)
    probe = make_probe(follows=2, contacts=(block,))
    probe.hold(1, 3)
    probe.connect_ebt(2, {1: 0, 0: 0})
    assert 1 not in probe.notes() or probe.notes()[1] == -1
    assert probe.runs() == []


def test_a_block_during_a_session_stops_the_feed(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    probe.hold(1, 3)
    probe.connect_ebt(2, {1: 6, 0: 0})
    block = Contact(probe.ids[1], probe.ids[2], -1, 5)
    probe.tell(events.Ingested(None, 0, (), contacts=(block,)))
    assert probe.notes(probe.wait(0.2, step_s=0.2)) == {1: -1}
    probe.grow(1)
    assert probe.runs() == []
    unblock = Contact(probe.ids[1], probe.ids[2], -2, 6)
    probe.tell(events.Ingested(None, 0, (), contacts=(unblock,)))
    found = probe.wait(0.2, step_s=0.2)
    assert probe.notes(found) == {1: 8}
    assert probe.runs(found) == [(1, 4, 4)], "its last note had been even"


def test_blocking_a_peer_closes_the_connection(make_probe: Any) -> None:
    probe = make_probe()
    probe.connect_ebt(1)
    assert probe.node.may_connect(probe.ids[1])
    block = Contact(probe.own, probe.ids[1], -1, 99)
    probe.tell(events.Ingested(None, 0, (), contacts=(block,)))
    assert probe.closed(probe.wait(0.2, step_s=0.2)) == ["blocked"]
    assert not probe.node.may_connect(probe.ids[1])
    probe.connect(1)
    assert probe.closed() == ["blocked"]


def test_the_peers_clock_is_saved_at_the_end_and_now_and_then(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    connection = probe.connect_ebt(2, {1: 6, 2: -1, 9: 4})
    expected = {probe.ids[1]: 3, probe.ids[2]: -1}
    (saved,) = probe.of(effects.SaveClock, probe.wait(61.0))
    assert saved.clock == expected
    assert probe.of(effects.SaveClock, probe.wait(61.0)) == [], "nothing new was heard"
    probe.tell(events.Disconnected(connection, "gone"))
    (saved,) = probe.of(effects.SaveClock)
    assert (saved.peer, saved.clock) == (probe.ids[2], expected)


def test_feeds_that_we_declined_are_not_in_the_clock(make_probe: Any) -> None:
    probe = make_probe(follows=3)
    connection = probe.connect_ebt(4, {1: 6, 2: 6, 3: 6})
    probe.give(connection, probe.message(2, 1, valid=False))
    probe.ingest()
    edges = (Contact(probe.own, probe.ids[3], -2, 99), Contact(probe.ids[1], probe.ids[4], -1, 9))
    probe.tell(events.Ingested(None, 0, (), contacts=edges))
    probe.wait(1.0)
    probe.tell(events.Disconnected(connection, "gone"))
    (saved,) = probe.of(effects.SaveClock)
    assert saved.clock == {}


def test_a_second_session_replaces_the_first(make_probe: Any) -> None:
    probe = make_probe()
    connection = serve(probe, 1)
    probe.call(connection, "ebt", "replicate", args=b'[{"version":3}]', number=-2)
    assert probe.errors() == ["reconnected to peer"]
    assert probe.notes(call=-2) == {0: 0, 1: 0, 2: 0, 3: 0}
    probe.say(connection, {probe.ids[1]: 4}, call=-1)
    probe.give(connection, probe.message(1, 1), call=-1)
    assert probe.of(effects.Ingest) == []
    probe.say(connection, {probe.ids[1]: 4}, call=-2)
    probe.give(connection, probe.message(1, 1), call=-2)
    assert len(probe.of(effects.Ingest)) == 1


def test_an_invalid_message_stops_that_feed_and_no_other(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    bad = probe.connect_ebt(3, {1: 8, 2: 8})
    probe.connect_ebt(4, {1: 8, 2: 8})
    probe.give(
        bad,
        probe.message(1, 1),
        probe.message(2, 1),
        probe.message(1, 2, valid=False),
        probe.message(1, 3),
        probe.message(2, 2),
    )
    found = probe.ingest()
    assert [probe.log.received(probe.ids[feed]) for feed in (1, 2)] == [1, 2]
    sends = [
        (s.connection, orjson.loads(s.command.items[0])) for s in probe.of(effects.Send, found)
    ]
    assert (bad, {probe.ids[1]: -1}) in sends
    assert any(each[0] != bad and each[1].get(probe.ids[1]) == 2 for each in sends)
    probe.give(bad, probe.message(1, 2), probe.message(2, 3))
    (taken,) = probe.of(effects.Ingest)
    assert [raw.author for raw in taken.batch] == [probe.ids[2]]
    assert probe.node.snapshot().peers[0].faults == 1


def test_too_many_faults_close_the_connection(make_probe: Any) -> None:
    probe = make_probe(follows=20)
    connection = probe.connect_ebt(21, dict.fromkeys(range(1, 21), 8))
    for feed in range(1, 11):
        probe.give(connection, probe.message(feed, 1, valid=False))
        probe.ingest()
    assert probe.closed() == ["invalid-messages"]
    assert probe.node.snapshot().close_reasons == {"invalid-messages": 1}


def test_a_gap_is_no_fault_and_leads_to_one_more_question(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    connection = probe.connect_ebt(2, {1: 20})
    probe.give(connection, probe.message(1, 1), probe.message(1, 3))
    assert probe.notes(probe.ingest()) == {1: 2}
    probe.give(connection, probe.message(1, 4))
    assert probe.notes(probe.ingest()) == {}, "not twice in a second"
    assert probe.node.snapshot().peers[0].faults == 0


def test_a_fork_freezes_the_feed_for_good(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    first = probe.connect_ebt(3, {1: 8, 2: 8})
    probe.give(first, probe.message(1, 1))
    taken = list(probe.out)
    probe.give(first, probe.message(1, 1, branch=1))
    late = list(probe.out)
    probe.out = taken
    probe.ingest()
    probe.out = late
    assert probe.notes(probe.ingest()) == {1: 3}
    assert probe.node.snapshot().feeds_forked == 1
    second = probe.connect_ebt(4, {1: 80, 2: 8})
    assert probe.notes()[1] == 3
    probe.give(second, probe.message(1, 2), probe.message(2, 1))
    (taken_in,) = probe.of(effects.Ingest)
    assert [raw.author for raw in taken_in.batch] == [probe.ids[2]]


def test_a_failed_write_is_asked_for_again(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    connection = probe.connect_ebt(2, {1: 4})
    probe.give(connection, probe.message(1, 1), probe.message(1, 2))
    probe.tell(events.IngestFailed(connection, 2, "disk full"))
    assert probe.notes(probe.wait(9.0)) == {}
    assert probe.notes(probe.wait(2.0)) == {1: 0}


def test_a_refusal_of_the_store_without_author_is_survived(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    connection = probe.connect_ebt(2, {1: 4})
    probe.give(connection, probe.message(1, 1))
    rejected = (Rejected(Reason.NOT_JSON), Rejected(Reason.DEPENDS, probe.ids[1], 1))
    probe.tell(events.Ingested(connection, 1, (), rejected=rejected))
    assert probe.closed() == []
