"""Messages that are kept before their signatures were checked: who hears of them, and when."""

from typing import Any

import orjson
import pytest

from lichen.gossip import effects, events
from lichen.gossip.limits import FAULTS_MAX
from lichen.wire.events import Answer, CallKind, OpenCall

EBT_ARGS = b'[{"version":3,"format":"classic"}]'


def receive(probe: Any, connection: Any, number: int, first: int, last: int, **odd: Any) -> None:
    """Take a run of messages that a peer sends; ``wrong`` of them was not signed like this."""
    wrong = odd.get("wrong")
    items = [probe.message(number, n, valid=n != wrong) for n in range(first, last + 1)]
    probe.give(connection, *items, call=odd.get("call", 1))
    probe.ingest(chain_first=True)


def audit(probe: Any, *, messages_max: int = 1000) -> list[Any]:
    """Do a step of the audit; return what follows from it."""
    found: list[Any] = []
    for news in probe.log.audit(messages_max):
        found += probe.tell(news)
    return found


def asked(probe: Any, found: list[Any] | None = None) -> dict[Any, dict[int, int]]:
    """Return the notes that were sent, by the connection that they were sent on."""
    noted: dict[Any, dict[int, int]] = {}
    for send in probe.of(effects.Send, found):
        noted.setdefault(send.connection, {}).update(probe.notes([send]))
    return noted


def test_a_friends_messages_may_wait_for_their_audit_and_a_strangers_not(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    friend, stranger = probe.connect_ebt(1, {1: 4}), probe.connect_ebt(9, {1: 8})
    probe.give(stranger, probe.message(1, 1))
    (unknown,) = probe.of(effects.Ingest)
    assert (unknown.source, unknown.verifies_all) == (probe.ids[9], True)
    probe.give(friend, probe.message(1, 1))
    (known,) = probe.of(effects.Ingest)
    assert (known.source, known.verifies_all) == (probe.ids[1], False)


def test_all_of_a_peer_that_was_distrusted_before_is_checked_at_once(make_probe: Any) -> None:
    probe = make_probe(follows=1, distrusted=(1,))
    probe.give(probe.connect_ebt(1, {1: 4}), probe.message(1, 1))
    assert [each.verifies_all for each in probe.of(effects.Ingest)] == [True]
    assert probe.node.snapshot().distrusted == (probe.ids[1],)


def test_who_was_distrusted_can_be_trusted_again(make_probe: Any) -> None:
    probe = make_probe(follows=2, distrusted=(1, 2))
    for number in (1, 2, 9):
        probe.tell(events.PeerTrusted(probe.ids[number]))
    probe.tell(events.AuditFailed(probe.ids[1], 9, probe.ids[2]))
    assert probe.node.snapshot().distrusted == (probe.ids[2],)
    probe.give(probe.connect_ebt(1, {1: 4}), probe.message(1, 1))
    assert [each.verifies_all for each in probe.of(effects.Ingest)] == [False]


def test_what_is_not_audited_is_told_to_nobody_and_then_to_all(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    source = probe.connect_ebt(1, {0: 0, 1: 10})
    silent = probe.connect_ebt(2, {1: 1})
    wanting = probe.connect_ebt(3, {1: 0})
    receive(probe, source, 1, 1, 5)
    assert (probe.log.received(probe.ids[1]), probe.log.audited(probe.ids[1])) == (5, 0)
    assert probe.of(effects.Send) == probe.runs() == []
    found = audit(probe, messages_max=3)
    assert asked(probe, found) == {silent: {1: 7}}
    assert [(run.connection, run.first, run.last) for run in probe.of(effects.SendMessages)] == [
        (wanting, 1, 3)
    ]
    probe.sent()
    found = audit(probe)
    assert asked(probe, found) == {silent: {1: 11}}
    assert probe.runs(found) == [(1, 4, 5)]


def test_messages_that_were_checked_on_receipt_are_told_of_at_once(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    source = probe.connect_ebt(1, {1: 10})
    other = probe.connect_ebt(2, {1: 1})
    probe.give(source, probe.message(1, 1))
    assert asked(probe, probe.ingest(chain_first=True)) == {other: {1: 3}}


def test_the_source_is_told_what_was_received_and_others_what_was_audited(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    first = probe.connect_ebt(1, {1: 10})
    receive(probe, first, 1, 1, 5)
    second = probe.connect_ebt(2, {1: 20})
    assert asked(probe) == {first: {1: 1}, second: {0: 1, 1: 10}}
    receive(probe, second, 1, 6, 10)
    audit(probe, messages_max=2)
    third = probe.connect_ebt(3, {1: 6})
    assert asked(probe)[third][1] == 5


def test_a_peer_with_less_is_not_asked_before_the_audit_and_then_it_is(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    source = probe.connect_ebt(1, {1: 10})
    receive(probe, source, 1, 1, 5)
    probe.tell(events.Disconnected(source, "gone"))
    other = probe.connect_ebt(2, {1: 4})
    assert asked(probe) == {other: {0: 0, 1: 1}}
    found = audit(probe, messages_max=3)
    assert asked(probe, found) == {}
    assert probe.runs(found) == [(1, 3, 3)]
    probe.sent()
    assert asked(probe, audit(probe)) == {other: {1: 10}}


def test_a_peer_that_has_more_is_asked_in_the_middle_of_an_audit(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    source = probe.connect_ebt(1, {1: 10})
    receive(probe, source, 1, 1, 5)
    probe.tell(events.Disconnected(source, "gone"))
    connection = probe.connect(2, is_client=False)
    probe.call(connection, "ebt", "replicate", args=EBT_ARGS)
    assert probe.notes(call=-1)[1] == 1, "its clock is not known"
    probe.say(connection, {probe.ids[1]: 16}, call=-1)
    assert probe.notes(call=-1) == {1: 10}


def test_a_feed_on_which_both_agreed_is_left_out_also_before_its_audit(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    source = probe.connect_ebt(1, {0: 0, 1: 10})
    receive(probe, source, 1, 1, 5)
    probe.tell(events.Disconnected(source, "gone"))
    for number, claim, noted in ((1, 5, {}), (2, 0, {1: 1}), (3, 9, {1: 10})):
        saved = {probe.ids[1]: claim}
        connection = probe.connect(number, is_client=False, saved=saved)
        probe.call(connection, "ebt", "replicate", args=EBT_ARGS)
        got = {feed: note for feed, note in probe.notes(call=-1).items() if feed == 1}
        assert got == noted


def test_a_source_that_has_lost_messages_is_none_until_the_audit(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    source = probe.connect_ebt(1, {1: 10})
    receive(probe, source, 1, 1, 5)
    audit(probe, messages_max=3)
    probe.say(source, {probe.ids[1]: 3})
    assert probe.notes() == {1: 7}
    assert probe.node._parts.ebt.sources.source(probe.ids[1]) is None
    assert asked(probe, audit(probe)) == {source: {1: 10}}


def test_a_failed_audit_is_blamed_on_the_sender_and_another_is_asked(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    crook = probe.connect_ebt(2, {1: 10})
    receive(probe, crook, 1, 1, 5, wrong=3)
    honest = probe.connect_ebt(3, {1: 10})
    found = audit(probe)
    assert probe.log.received(probe.ids[1]) == probe.log.audited(probe.ids[1]) == 2
    assert probe.node.snapshot().distrusted == (probe.ids[2],)
    assert [each.topic for each in probe.of(effects.Notify, found)] == ["taken-back"]
    assert asked(probe, found) == {crook: {1: -1}, honest: {1: 4}}
    probe.give(crook, probe.message(1, 3))
    assert probe.of(effects.Ingest) == []
    receive(probe, honest, 1, 3, 5)
    audit(probe)
    assert probe.log.audited(probe.ids[1]) == 5


def test_what_a_forked_feed_has_lost_is_asked_for_again(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    crook, honest = probe.connect_ebt(2, {1: 10}), probe.connect_ebt(3, {1: 10})
    probe.give(crook, *(probe.message(1, n, valid=n != 3) for n in range(1, 6)))
    under_way = probe.of(effects.Ingest)
    probe.give(honest, probe.message(1, 5, branch=1))
    for each in (*under_way, *probe.of(effects.Ingest)):
        probe.tell(probe.log.ingest(each.connection, each.batch, each.source, verifies_all=False))
    assert probe.node.snapshot().feeds_forked == 1
    found = audit(probe)
    assert asked(probe, found) == {crook: {1: -1}, honest: {1: 4}}
    assert probe.node.snapshot().feeds_forked == 0


def test_who_did_not_send_it_goes_on_and_is_told_what_is_lost(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    crook = probe.connect_ebt(2, {1: 10})
    receive(probe, crook, 1, 1, 5, wrong=3)
    honest = probe.connect_ebt(3, {1: 16})
    receive(probe, honest, 1, 6, 8)
    found = audit(probe)
    assert asked(probe, found) == {crook: {1: -1}, honest: {1: 4}}
    assert probe.node.snapshot().peers[1].faults == 0


def test_a_source_that_has_no_more_than_is_left_is_asked_no_more(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    crook = probe.connect_ebt(2, {1: 10})
    receive(probe, crook, 1, 1, 5, wrong=3)
    probe.tell(events.Disconnected(crook, "gone"))
    other = probe.connect_ebt(3, {1: 10})
    probe.say(other, {probe.ids[1]: 4})
    found = audit(probe)
    assert asked(probe, found) == {other: {1: 5}}


def test_a_feed_left_out_of_the_notes_is_refused_all_the_same(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    source = probe.connect_ebt(2, {0: 0, 1: 10, 2: 0})
    receive(probe, source, 1, 1, 5, wrong=3)
    probe.tell(events.Disconnected(source, "gone"))
    again = probe.connect(2, is_client=False, saved={probe.ids[1]: 5})
    probe.call(again, "ebt", "replicate", args=EBT_ARGS)
    assert 1 not in probe.notes(call=-1)
    found = audit(probe)
    assert probe.notes(found, call=-1) == {1: -1}
    probe.say(again, {probe.ids[1]: 12}, call=-1)
    assert probe.notes(call=-1) == {}


def test_a_crook_that_is_gone_is_remembered(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    crook = probe.connect_ebt(2, {1: 10})
    receive(probe, crook, 1, 1, 5, wrong=3)
    probe.tell(events.Disconnected(crook, "gone"))
    audit(probe)
    assert probe.node.snapshot().distrusted == (probe.ids[2],)
    again = probe.connect_ebt(2, {1: 10})
    assert probe.notes()[1] == 4, "it may give the feed again, checked at once"
    probe.give(again, probe.message(1, 3))
    assert [each.verifies_all for each in probe.of(effects.Ingest)] == [True]


def test_a_failed_audit_without_a_known_sender_blames_nobody(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    source = probe.connect_ebt(2, {1: 10})
    receive(probe, source, 1, 1, 5)
    probe.tell(events.AuditFailed(probe.ids[1], 9, None))
    assert probe.node.snapshot().distrusted == ()


def test_a_peer_that_spoils_many_feeds_is_closed(make_probe: Any) -> None:
    probe = make_probe(follows=FAULTS_MAX + 1)
    crook = probe.connect_ebt(1, {1: 10})
    for number in range(1, FAULTS_MAX + 1):
        assert probe.of(effects.Close) == []
        probe.tell(events.AuditFailed(probe.ids[number], 1, probe.ids[1]))
    assert probe.of(effects.Close) == [effects.Close(crook, "invalid-messages")]


@pytest.mark.parametrize("is_live", [True, False])
def test_history_streams_serve_what_was_audited(make_probe: Any, is_live: bool) -> None:
    probe = make_probe(follows=2)
    source = probe.connect_ebt(1, {1: 10})
    receive(probe, source, 1, 1, 5)
    audit(probe, messages_max=2)
    old = probe.connect(2, is_client=False)
    request = {"id": probe.ids[1], "live": is_live, "seq": 1}
    probe.call(
        old, "createHistoryStream", args=orjson.dumps([request]), kind=CallKind.SOURCE, number=-7
    )
    assert probe.runs() == [(1, 1, 2)]
    probe.sent()
    assert probe.errors() == ([] if is_live else [None])
    assert probe.runs(audit(probe)) == ([(1, 3, 5)] if is_live else [])


def test_only_news_means_what_was_not_audited_when_asked(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    source = probe.connect_ebt(1, {1: 10})
    receive(probe, source, 1, 1, 5)
    audit(probe, messages_max=2)
    old = probe.connect(2, is_client=False)
    request = {"id": probe.ids[1], "live": True, "old": False}
    probe.call(
        old, "createHistoryStream", args=orjson.dumps([request]), kind=CallKind.SOURCE, number=-7
    )
    assert probe.runs() == []
    assert probe.runs(audit(probe)) == [(1, 3, 5)]


def test_the_clock_for_others_ends_with_what_was_audited(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    source = probe.connect_ebt(1, {1: 10, 2: 10})
    receive(probe, source, 1, 1, 5)
    receive(probe, source, 2, 1, 4)
    audit(probe, messages_max=2)
    probe.call(source, "ebt", "clock", kind=CallKind.ASYNC, number=-7)
    (answer,) = probe.commands(Answer)
    assert orjson.loads(answer.body) == {probe.ids[1]: 2}


def test_streams_from_old_peers_begin_again_where_the_feed_was_cut(make_probe: Any) -> None:
    probe = make_probe(follows=2)
    calls: dict[int, int] = {}
    for number in (2, 3):
        connection = probe.connect(number, is_client=False)
        probe.call(connection, "createHistoryStream", args=b'[{"id":"x"}]', kind=CallKind.SOURCE)
        opened = [each for each in probe.opened() if each.name == ("createHistoryStream",)]
        calls[number] = next(e.call for e in opened if probe.ids[1].encode() in e.args)
        if number == 2:
            crook = connection
    receive(probe, crook, 1, 1, 5, wrong=3, call=calls[2])
    found = audit(probe)
    assert [orjson.loads(each.args)[0]["seq"] for each in probe.commands(OpenCall, found)] == [3]
    assert len(probe.errors(found)) == 2, "both streams had gone too far"
