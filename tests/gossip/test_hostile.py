"""What peers may do to us: lie, flood, say nothing, read nothing. With numbers."""

import json
import tracemalloc
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.feed.message import Reason, Rejected
from lichen.gossip import effects, events
from lichen.gossip.exchange.notes import decode_note, encode_note, parse_notes
from lichen.gossip.exchange.slots import merge_claim
from lichen.gossip.limits import PENDING_BYTES_HIGH
from lichen.lab.world.peers import lab_feed_id
from lichen.wire.events import Answer, BodyType, CallKind, ItemsReceived, SendItems

NONSENSE = [
    b"",
    b"null",
    b"[]",
    b'"@x"',
    b"{",
    b'{"@":}',
    b"\xff\xfe{}",
    b'{"a":' * 2000,
    b'{"@a":' + b"[" * 100_000,
    b'{"clock":{"clock":' * 500 + b"1" + b"}}" * 500,
    b'{"author":"@x","sequence":1}',
    b'{"author":1,"sequence":"1","content":{}}',
    b'{"author":"@x","sequence":-1,"content":{}}',
]

VALUES = [
    '"12"', "null", "true", "false", "[]", "{}", "1.5", "-1.5", "1e308", "1e400", "-1e400", "NaN",
    "9007199254740993", "18446744073709551616", "-9007199254740993", "4294967297", "2147483648",
    "-2147483649", "-2", "-3", "0.0", "-0", "4.0", "1" * 4000,
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_strange_numbers_do_no_harm(make_probe: Any, value: str) -> None:
    probe = make_probe(follows=2)
    probe.hold(1, 3)
    connection = probe.connect_ebt(3, {2: 4})
    probe.say(connection, b'{"%s":%s}' % (probe.ids[1].encode(), value.encode()))
    probe.say(connection, b'{"%s":%s}' % (probe.ids[77].encode(), value.encode()))
    probe.give(connection, probe.message(2, 1))
    assert len(probe.of(effects.Ingest)) == 1
    probe.wait(30.0)
    assert probe.closed(probe.everything) == []
    probe.tell(events.Disconnected(connection, "gone"))
    (saved,) = probe.of(effects.SaveClock)
    assert all(-1 <= claim < 2**30 for claim in saved.clock.values())


@pytest.mark.parametrize("item", NONSENSE)
def test_nonsense_is_counted_and_too_much_of_it_ends_the_connection(
    make_probe: Any, item: bytes
) -> None:
    probe = make_probe()
    connection = probe.connect_ebt(1, {2: 4})
    for _ in range(50):
        probe.give(connection, item)
    assert probe.closed(probe.everything) == []
    probe.give(connection, probe.message(2, 1))
    assert len(probe.of(effects.Ingest)) == 1
    probe.hear(connection, ItemsReceived(1, BodyType.BINARY, [b"\x00"] * 101))
    assert probe.closed() == ["malformed-items"]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=80).map(str.encode))
def test_no_item_raises(item: bytes) -> None:
    members = parse_notes(item)
    for value in (members or {}).values():
        decode_note(value)


@given(st.integers(-1, 2**30 - 1), st.booleans())
def test_notes_round_trip(sequence: int, receives: bool) -> None:
    note = decode_note(encode_note(sequence, receives=receives))
    assert note.sequence == sequence
    assert note.replicates == (sequence >= 0)
    assert note.receives == (receives and sequence >= 0)


@given(st.none() | st.integers(-1, 50), st.integers(-1, 50))
def test_claims(old: int | None, new: int) -> None:
    expected = new if old in {None, -1} or new <= 0 or (old or 0) > new > 0 else max(old or 0, new)
    assert merge_claim(old, new) == expected


def test_a_million_feeds_are_not_remembered(make_probe: Any) -> None:
    probe = make_probe()
    connection = probe.connect_ebt(1)
    feeds = [lab_feed_id(number, "flood") for number in range(20_000)]
    tracemalloc.start()
    declined = 0
    for number in range(0, 20_000, 1000):
        probe.say(connection, dict.fromkeys(feeds[number : number + 1000], 2_000))
        declined += sum(
            len(orjson.loads(item)) for each in probe.commands(SendItems) for item in each.items
        )
        probe.tell(events.Drained(connection, 0))
    ids = [f"@{number}" for number in range(50_000)]
    probe.say(connection, dict.fromkeys(ids, 2))
    assert probe.out == []
    probe.out, probe.everything = [], []
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert declined == 5_000
    assert used < 8 * 2**20
    assert len(probe.node._parts.ebt.sessions[connection].declined) == 5_000


def test_notes_that_are_too_long_are_not_read(make_probe: Any) -> None:
    probe = make_probe()
    probe.hold(1, 1)
    connection = probe.connect_ebt(1)
    item = b'{"%s":0,"x":"%s"}' % (probe.ids[1].encode(), b"y" * (4 * 2**20))
    probe.give(connection, item)
    assert probe.runs() == []


def test_calls_that_come_too_fast_end_the_connection(make_probe: Any) -> None:
    probe = make_probe()
    connection = probe.connect(1, is_client=False)
    for number in range(1, 6_001):
        probe.call(connection, "blobs", "want", number=-number, kind=CallKind.ASYNC)
    assert probe.closed(probe.everything) == []
    for number in range(6_001, 6_200):
        probe.now += 0.001
        probe.call(connection, "blobs", "want", number=-number, kind=CallKind.ASYNC)
    assert "call-flood" in probe.closed(probe.everything)


def test_messages_that_wait_for_the_store_are_bounded(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    connection = probe.connect_ebt(2, {1: 100_000})
    batches = []
    sequence = 0
    while not probe.of(effects.PauseReading):
        probe.give(connection, *(probe.message(1, sequence + n) for n in range(1, 301)))
        batches += probe.of(effects.Ingest)
        sequence += 300
    assert sequence == 4_200
    probe.give(connection, *(probe.message(1, sequence + n) for n in range(1, 2_001)))
    more = probe.of(effects.Ingest)
    assert [len(each.batch) for each in more] == [1000, 1000]
    assert probe.of(effects.PauseReading) == [], "once is enough"
    resumed_at = 0
    for each in batches + more:
        if probe.of(effects.ResumeReading, probe.tell(probe.log.ingest(connection, each.batch))):
            resumed_at = probe.log.received(probe.ids[1])
    assert resumed_at == 3_900
    assert probe.log.received(probe.ids[1]) == 6_200


def test_long_messages_wait_in_fewer_numbers(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    connection = probe.connect_ebt(2, {1: 100_000})
    sequence = 0
    while not probe.of(effects.PauseReading):
        # White space is what a hostile peer can have for nothing.
        run = (probe.message(1, sequence + n) + b" " * 20_000 for n in range(1, 51))
        probe.give(connection, *run)
        sequence += 50
    assert sequence * 20_000 < PENDING_BYTES_HIGH + 50 * 25_000
    assert sequence < 300


def test_a_failed_batch_no_longer_counts_as_waiting(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    connection = probe.connect_ebt(2, {1: 100_000})
    probe.give(connection, *(probe.message(1, n) for n in range(1, 4_101)))
    assert len(probe.of(effects.PauseReading)) == 1
    for count in (1000, 1000, 1000, 1000, 100):
        probe.tell(events.IngestFailed(connection, count, "disk full"))
    assert probe.of(effects.ResumeReading, probe.everything) != []


def test_one_run_of_messages_at_a_time_and_only_while_there_is_room(make_probe: Any) -> None:
    probe = make_probe(follows=3)
    for feed in (1, 2, 3):
        probe.hold(feed, 1000)
    connection = probe.connect_ebt(4, {1: 0, 2: 0, 3: 0})
    runs = probe.runs()
    assert len(runs) == 1
    for _ in range(3):
        probe.sent()
        runs += probe.runs()
    assert [feed for feed, _, _ in runs] == [1, 1, 1, 1], "a feed is sent as a whole"
    probe.sent(queued_bytes=10_000_000)
    assert probe.runs() == []
    assert probe.of(effects.AwaitRoom) == [effects.AwaitRoom(connection)]
    probe.grow(1)
    assert probe.out == [], "nothing is sent into a full pipe"
    probe.tell(events.Drained(connection, 1000))
    assert len(probe.runs()) == 1


def test_news_overtake_a_long_feed_every_other_time(make_probe: Any) -> None:
    probe = make_probe(follows=3)
    probe.hold(1, 2_000)
    probe.hold(2, 10)
    probe.hold(3, 10)
    probe.connect_ebt(4, {1: 0, 2: 10, 3: 10})
    runs = probe.runs()
    for feed in (2, 3):
        probe.grow(feed)
    for _ in range(4):
        probe.sent()
        runs += probe.runs()
    assert [feed for feed, _, _ in runs] == [1, 2, 1, 3, 1]


def test_notes_are_merged_while_the_pipe_is_full(make_probe: Any) -> None:
    probe = make_probe(follows=900)
    connection = probe.connect(950, is_client=False)
    probe.call(connection, "ebt", "replicate", args=b'[{"version":3}]')
    for _ in range(3):
        probe.say(connection, dict.fromkeys(probe.ids[1:900], 1), call=-1)
    sent = 0
    for _ in range(40):
        for feed in range(1, 900):
            probe.grow(feed)
            sent += sum(len(item) for each in probe.commands(SendItems) for item in each.items)
    assert 64 * 1024 <= sent < 128 * 1024
    assert probe.of(effects.AwaitRoom, probe.everything) == [effects.AwaitRoom(connection)]
    probe.tell(events.Drained(connection, 0))
    assert probe.notes(call=-1) == dict.fromkeys(range(1, 900), 80)


def test_a_peer_that_never_reads_is_closed(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    probe.hold(1, 1000)
    connection = probe.connect_ebt(2, {1: 0})
    probe.sent(queued_bytes=1_000_000)
    for _ in range(30):
        probe.wait(5.0)
        probe.say(connection, {probe.ids[1]: 0})
    assert probe.closed(probe.everything) == []
    probe.wait(40.0)
    assert probe.closed(probe.everything) == ["peer-does-not-read"]
    assert probe.node.snapshot().close_reasons == {"peer-does-not-read": 1}


def test_a_slow_reader_is_not_closed(make_probe: Any) -> None:
    probe = make_probe(follows=1)
    probe.hold(1, 3000)
    connection = probe.connect_ebt(2, {1: 0})
    for _ in range(10):
        probe.sent(queued_bytes=1_000_000)
        probe.wait(120.0, step_s=10.0)
        probe.say(connection, {})
        probe.tell(events.Drained(connection, 0))
    assert probe.closed(probe.everything) == []


def test_a_silent_peer_is_closed_in_the_end(make_probe: Any) -> None:
    probe = make_probe()
    probe.connect(1)
    probe.wait(599.0, step_s=10.0)
    assert probe.closed(probe.everything) == []
    probe.wait(2.0)
    assert probe.closed(probe.everything) == ["idle"]


def test_a_hostile_peer_does_not_hold_up_the_others(make_probe: Any) -> None:
    probe = make_probe(follows=5)
    bad = probe.connect_ebt(6, dict.fromkeys(range(1, 6), 2**31 - 2))
    good = probe.connect_ebt(7, dict.fromkeys(range(1, 6), 4))
    found = probe.wait(4.0)
    asked = {
        feed
        for each in probe.of(effects.Send, found)
        if each.connection == good
        for feed, note in json.loads(each.command.items[0]).items()
        if note == 0
    }
    assert asked == set(probe.ids[1:6])
    probe.give(bad, *(probe.message(feed, 1, valid=False) for feed in range(1, 6)))
    probe.ingest()
    probe.give(good, *(probe.message(feed, n) for feed in range(1, 6) for n in (1, 2)))
    probe.ingest()
    assert [probe.log.received(feed) for feed in probe.ids[1:6]] == [2] * 5


def test_sessions_begun_again_and_again_end_the_connection(make_probe: Any) -> None:
    probe = make_probe()
    connection = probe.connect(1, is_client=False)
    for number in range(1, 21):
        probe.call(connection, "ebt", "replicate", args=b'[{"version":3}]', number=-number)
    assert probe.closed(probe.everything) == []
    probe.call(connection, "ebt", "replicate", args=b'[{"version":3}]', number=-21)
    assert probe.closed() == ["ebt-flood"]


def test_answers_that_nobody_reads_are_not_given(make_probe: Any) -> None:
    probe = make_probe(follows=999)
    for feed in range(1000):
        probe.hold(feed, 1)
    connection = probe.connect(1, is_client=False)
    given = 0
    for number in range(1, 1001):
        probe.call(connection, "ebt", "clock", number=-number, kind=CallKind.ASYNC)
        given += sum(len(answer.body) for answer in probe.commands(Answer))
    assert given < 256 * 1024
    probe.tell(events.Drained(connection, 0))
    probe.call(connection, "ebt", "clock", number=-2000, kind=CallKind.ASYNC)
    assert len(probe.commands(Answer)) == 1


def test_the_other_branch_of_a_fork_is_not_held_against_its_bearer(make_probe: Any) -> None:
    probe = make_probe(follows=20)
    connection = probe.connect_ebt(21, dict.fromkeys(range(1, 21), 8))
    for feed in range(1, 21):
        rejected = (Rejected(Reason.PREVIOUS, probe.ids[feed], 1),)
        probe.tell(events.Ingested(connection, 0, (), rejected=rejected))
        assert probe.notes() == {feed: -1}
    assert probe.closed(probe.everything) == []
