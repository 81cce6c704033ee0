"""Chain first in a world: what waits for its audit, who gets it when, and what a crash leaves."""

from lichen.feed.message import RawMessage
from lichen.gossip.events import Audited, AuditFailed
from lichen.lab.world.formats import encode_message
from lichen.lab.world.memory import MemoryLog
from lichen.lab.world.peers import LabPeer, lab_feed_id
from lichen.lab.world.world import World

OWN, ANNA, BERT = (lab_feed_id(number) for number in range(3))


def run_of(first: int, last: int, wrong: int = 0) -> tuple[RawMessage, ...]:
    return tuple(
        RawMessage(ANNA, n, encode_message(ANNA, n, {"type": "post"}, valid=n != wrong))
        for n in range(first, last + 1)
    )


def held_log(wrong: int = 0) -> MemoryLog:
    log = MemoryLog(OWN)
    log.ingest(None, run_of(1, 6, wrong), BERT, verifies_all=False)
    return log


def test_an_audit_goes_on_in_order_and_ends() -> None:
    log = held_log()
    assert (log.received(ANNA), log.audited(ANNA), log.unaudited_count) == (6, 0, 5)
    assert log.audit(2) == [Audited(((ANNA, 2),))]
    assert (log.is_audited(ANNA, 2), log.is_audited(ANNA, 3)) == (True, False)
    assert log.audit(100) == [Audited(((ANNA, 6),))]
    assert log.audit(100) == []
    assert log.audited(ANNA) == 6


def test_a_wrong_message_ends_the_feed_before_it() -> None:
    log = held_log(wrong=4)
    assert log.audit(100) == [Audited(((ANNA, 3),)), AuditFailed(ANNA, 4, BERT)]
    assert log.received(ANNA) == log.audited(ANNA) == 3
    assert log.unflushed == 0, "it is taken away durably"
    log.ingest(None, run_of(4, 6), OWN)
    assert log.audited(ANNA) == 6


def test_another_text_with_the_same_id_is_audited_before_all_else() -> None:
    log = held_log(wrong=4)
    log.doubted.append((ANNA, 4))
    assert log.audit(1) == [AuditFailed(ANNA, 4, BERT)]
    assert (log.received(ANNA), log.audited(ANNA)) == (3, 0)
    assert log.audit(100) == [Audited(((ANNA, 3),))]


def test_a_crash_takes_back_what_was_audited_since_the_flush_and_messages_with_their_marks() -> (
    None
):
    log = held_log()
    log.sync()
    log.audit(2)
    log.ingest(None, run_of(7, 9), BERT, verifies_all=False)
    log.audit(2)
    assert log.unflushed == 3
    log.crash(kept=2)
    assert (log.received(ANNA), log.audited(ANNA), log.unaudited_count) == (9, 2, 6)
    log = held_log()
    log.sync()
    log.audit(2)
    log.crash()
    assert (log.received(ANNA), log.audited(ANNA), log.unaudited_count) == (6, 0, 5)
    log.crash()
    assert log.audit(100) == [Audited(((ANNA, 6),))]


def test_a_backup_ends_with_a_message_that_was_checked() -> None:
    log = held_log()
    log.audit(2)
    log.restore(ANNA, 4)
    assert (log.received(ANNA), log.unaudited_count) == (2, 0)


def chain_of_three(seed: int) -> tuple[World, LabPeer, LabPeer, LabPeer]:
    """Return a world in which one writes, one passes on, and one gets all from the second."""
    world = World(seed)
    world.audit_s = (2.0, 4.0)
    writer, middle, reader = (world.add_peer() for _ in range(3))
    for one, other in ((middle, writer), (reader, middle), (reader, writer)):
        one.follow(other)
    for _ in range(200):
        writer.publish()
    world.connect(middle, writer)
    world.connect(middle, reader)
    return world, writer, middle, reader


def test_others_have_it_as_far_as_it_was_audited() -> None:
    world, writer, middle, reader = chain_of_three(1)
    world.run(10.0)
    audited = middle.log.audited(writer.id)
    assert middle.has(writer) == 200
    assert 0 < reader.has(writer) <= audited < 200
    world.run(60.0)
    assert middle.log.unaudited_count == reader.log.unaudited_count == 0
    assert reader.has(writer) == 200


def test_an_audit_goes_on_after_a_crash_and_after_a_restart() -> None:
    for is_clean in (True, False):
        world, writer, middle, reader = chain_of_three(2)
        world.run(10.0)
        (middle.stop if is_clean else middle.crash)()
        writer.stop()
        middle.start()
        assert 0 < middle.log.audited(writer.id) < 200
        world.run(60.0)
        assert middle.log.audited(writer.id) == reader.has(writer) == middle.has(writer) == 200


def test_with_all_signatures_checked_at_once_nothing_waits() -> None:
    world, writer, middle, _reader = chain_of_three(1)
    world.verifies_all = True
    world.run(10.0)
    assert middle.log.audited(writer.id) == 200
