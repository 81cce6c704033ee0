"""Protocol bugs on purpose, to see whether the lab finds them. Each takes a ``MonkeyPatch``.

They are the mistakes that were made, or nearly made, in the peers that exist: a forgotten wake-up,
a feed that is not handed over, a check that is skipped, a promise that is not written down.
"""

from collections.abc import Callable
from typing import Any

import pytest

from lichen.feed.message import ChainedMessage, Message, Rejected
from lichen.gossip.connections import session as sessions
from lichen.gossip.connections.blob_downloads import BlobDownloads
from lichen.gossip.connections.lifecycle import Lifecycle
from lichen.gossip.connections.session import Session
from lichen.gossip.connections.verdicts import Verdicts
from lichen.gossip.events import Audited, BlobStored
from lichen.gossip.exchange import ebt
from lichen.gossip.exchange.blobs import BlobExchange
from lichen.gossip.exchange.ebt import Ebt
from lichen.gossip.exchange.history import HistoryServer
from lichen.gossip.exchange.notes import encode_note
from lichen.gossip.exchange.own_feed import OwnFeed
from lichen.gossip.exchange.replication import Replication
from lichen.gossip.exchange.slots import EbtSession
from lichen.gossip.exchange.sources import Sources
from lichen.gossip.node import Node
from lichen.gossip.parts import Parts
from lichen.gossip.timers import Timers
from lichen.lab.world.formats import SealedFormat
from lichen.lab.world.memory import MemoryBlobs, MemoryLog
from lichen.lab.world.peers import LabPeer
from lichen.store.log.stretches import without

Patch = pytest.MonkeyPatch


def _nothing(*_args: Any, **_options: Any) -> None:
    return None


# Time


def no_wake_up_is_asked_for(patch: Patch) -> None:
    patch.setattr(Timers, "next_at", _nothing)


def stalls_are_not_looked_at(patch: Patch) -> None:
    patch.setattr(Sources, "check_stalls", _nothing)


# Trust


def the_chain_is_not_checked(patch: Patch) -> None:
    patch.setattr(SealedFormat, "chain", lambda self, raw, _state: self.chain_alone(raw))


def the_signature_is_not_checked(patch: Patch) -> None:
    def verify(_self: SealedFormat, message: ChainedMessage) -> Message | Rejected:
        names = [
            name for name in message.__struct_fields__ if name not in {"indented", "signature"}
        ]
        return Message(*(getattr(message, name) for name in names))

    patch.setattr(SealedFormat, "verify", verify)


def the_hash_of_a_blob_is_not_checked(patch: Patch) -> None:
    def finish(self: MemoryBlobs, effect: Any, *, is_disk_full: bool) -> BlobStored:
        data = self._coming.pop((effect.connection, effect.call), b"")
        self.held[effect.blob] = data
        return BlobStored(effect.blob, len(data), effect.connection, effect.call)

    patch.setattr(MemoryBlobs, "finish", finish)


# What is audited later


class _Rash:
    """A log that takes all that it has for audited."""

    def __init__(self, log: Any) -> None:
        self.received = self.audited = log.received
        self.clock = log.clock


def what_is_received_is_told_to_all(patch: Patch) -> None:
    begin = Ebt.__init__

    def init(self: Ebt, own: Any, log: Any, replication: Any) -> None:
        begin(self, own, log, replication)
        self._log = self.sources._log = _Rash(log)  # type: ignore[assignment]

    patch.setattr(Ebt, "__init__", init)


def a_replaced_source_is_told_what_was_received(patch: Patch) -> None:
    def stop(self: Sources, session: EbtSession, feed: Any) -> None:
        slot = session.slots.get(feed)
        if slot is not None and slot.is_asked:
            slot.is_asked = False
            session.note(feed, self._log.received(feed), receives=False)

    patch.setattr(Sources, "_stop", stop)


def a_peer_with_less_is_asked_before_the_audit(patch: Patch) -> None:
    patch.setattr(Sources, "may_ask", lambda self, _session, feed: self.is_free(feed))


def what_is_received_is_served_as_history(patch: Patch) -> None:
    take = Session._take_run
    patch.setattr(
        Session, "_take_run", lambda self, out, ebt, log: take(self, out, ebt, _Rash(log))
    )


def what_was_audited_is_not_told(patch: Patch) -> None:
    patch.setattr(Verdicts, "on_audited", _nothing)


def nobody_is_blamed_for_a_failed_audit(patch: Patch) -> None:
    patch.setattr(Verdicts, "_distrust", _nothing)


def distrust_is_forgotten_with_the_run(patch: Patch) -> None:
    started = Node._on_started

    def on_started(self: Node, event: Any, now: float) -> None:
        started(self, event, now)
        self._parts.distrusted = {}

    patch.setattr(Node, "_on_started", on_started)


def another_peer_is_not_asked_after_a_failed_audit(patch: Patch) -> None:
    patch.setattr(Sources, "ask_again", _nothing)


def strangers_are_trusted(patch: Patch) -> None:
    patch.setattr(Parts, "is_trusted", lambda self, peer: peer not in self.distrusted)


def an_audit_finds_nothing(patch: Patch) -> None:
    def audit(self: MemoryLog, feed: Any, first: int, last: int) -> list[Any]:
        self._set_stretches({feed: without(self.unaudited[feed], first, last)})
        return [Audited(((feed, self.audited(feed)),))]

    patch.setattr(MemoryLog, "_audit", audit)


def what_waits_for_its_audit_is_forgotten_with_the_run(patch: Patch) -> None:
    start = LabPeer.start

    def start_anew(self: LabPeer) -> None:
        self.log.unaudited.clear()
        start(self)

    patch.setattr(LabPeer, "start", start_anew)


# What a crash leaves


def own_messages_are_not_flushed(patch: Patch) -> None:
    def append(self: MemoryLog, data: bytes) -> Any:
        raw = self._format.parse(data)
        return self.ingest(None, (raw,))  # type: ignore[arg-type]

    patch.setattr(MemoryLog, "append", append)


def clocks_are_trusted_after_a_crash(patch: Patch) -> None:
    patch.setattr(LabPeer, "distrust_clocks", _nothing)


def the_guard_is_forgotten(patch: Patch) -> None:
    start = OwnFeed.start
    patch.setattr(
        OwnFeed, "start", lambda self, _guarded, asked, now: start(self, False, asked, now)
    )


def the_guard_never_opens(patch: Patch) -> None:
    patch.setattr(OwnFeed, "opens_at", None)


# Who may have what


def blocks_are_ignored_when_feeds_are_shared(patch: Patch) -> None:
    def is_shared(self: Replication, feed: Any, _peer: Any) -> bool:
        return feed in self.wanted

    patch.setattr(Replication, "is_shared", is_shared)


def a_new_block_changes_nothing(patch: Patch) -> None:
    patch.setattr(Node, "_refuse", _nothing)


def a_block_is_never_lifted(patch: Patch) -> None:
    note = Replication._note_block

    def note_block(
        self: Replication, author: Any, peer: Any, is_block: bool, *, was_block: bool
    ) -> None:
        if is_block:
            note(self, author, peer, is_block, was_block=was_block)

    patch.setattr(Replication, "_note_block", note_block)


def blocked_peers_are_let_in(patch: Patch) -> None:
    patch.setattr(Replication, "is_blocked", lambda _self, _peer: False)


def follows_are_not_taken_in(patch: Patch) -> None:
    patch.setattr(Replication, "add", lambda _self, _contact: False)


def feeds_one_hop_too_far_are_carried(patch: Patch) -> None:
    find = Replication._find_wanted

    def find_wanted(self: Replication) -> Any:
        self.hops_max += 1
        try:
            return find(self)
        finally:
            self.hops_max -= 1

    patch.setattr(Replication, "_find_wanted", find_wanted)


def an_unfollowed_feed_is_exchanged_further(patch: Patch) -> None:
    patch.setattr(Ebt, "unfollow", _nothing)


# Notes


def a_note_claims_one_message_too_many(patch: Patch) -> None:
    def note(self: EbtSession, feed: Any, sequence: int, *, receives: bool) -> None:
        self.notes[feed] = encode_note(sequence + 1, receives=receives)
        self._dirty[self.connection] = None

    patch.setattr(EbtSession, "note", note)


def a_lower_claim_is_not_believed(patch: Patch) -> None:
    patch.setattr(ebt, "merge_claim", lambda old, new: max(-1 if old is None else old, new))


def what_was_sent_counts_as_received(patch: Patch) -> None:
    confirm = Ebt.confirm_run

    def confirm_run(self: Ebt, session: EbtSession, feed: Any, run: Any, last: int) -> None:
        confirm(self, session, feed, run, last)
        session.claims[feed] = last

    patch.setattr(Ebt, "confirm_run", confirm_run)


def a_refusal_is_never_taken_back(patch: Patch) -> None:
    join = Ebt._join

    def join_unless_declined(self: Ebt, session: EbtSession, feed: Any) -> bool:
        return feed not in session.declined and join(self, session, feed)

    patch.setattr(Ebt, "_join", join_unless_declined)


def news_are_not_offered(patch: Patch) -> None:
    patch.setattr(Ebt, "grew", _nothing)


# Sources


def nothing_is_handed_over(patch: Patch) -> None:
    patch.setattr(Sources, "hand_over", lambda *_: False)


def a_replaced_source_is_not_told_to_stop(patch: Patch) -> None:
    patch.setattr(Sources, "_stop", _nothing)


def a_lost_source_stays_in_the_table(patch: Patch) -> None:
    def release(self: Sources, session: EbtSession, feed: Any) -> bool:
        slot = session.slots.get(feed)
        if slot is not None:
            slot.is_asked = False
        return self._source.get(feed) == session.connection

    patch.setattr(Sources, "release", release)


# The way out


def the_first_message_of_a_run_is_left_out(patch: Patch) -> None:
    take = Ebt.take_run

    def take_run(self: Ebt, session: EbtSession, feed: Any) -> tuple[int, int] | None:
        run = take(self, session, feed)
        return None if run is None else (min(run[0] + 1, run[1]), run[1])

    patch.setattr(Ebt, "take_run", take_run)


def a_run_is_never_confirmed(patch: Patch) -> None:
    patch.setattr(Node, "_on_messages_sent", _nothing)


def room_in_the_pipe_is_not_noticed(patch: Patch) -> None:
    patch.setattr(Node, "_on_drained", _nothing)


def a_pipe_is_filled_without_end(patch: Patch) -> None:
    patch.setattr(sessions, "QUEUED_BYTES_LOW", 2**40)

    def report_room(self: Session, queued_bytes: int, now: float) -> None:
        self.in_flight = self.stuck_since = None
        self.awaits_room = False

    patch.setattr(Session, "report_room", report_room)


def the_rest_of_a_long_feed_is_forgotten(patch: Patch) -> None:
    patch.setattr(Ebt, "confirm_run", _nothing)


def a_blocked_peer_is_sent_what_was_ready(patch: Patch) -> None:
    patch.setattr(Ebt, "refuse", _nothing)


def old_peers_are_not_told_of_news(patch: Patch) -> None:
    patch.setattr(HistoryServer, "grew", lambda *_: False)


# Failure


def a_failed_write_is_forgotten(patch: Patch) -> None:
    patch.setattr(
        Verdicts, "on_ingest_failed", lambda self, event, _now: self._count_pending(event)
    )


def a_dropped_connection_is_kept_in_mind(patch: Patch) -> None:
    patch.setattr(Lifecycle, "_lost", _nothing)


# Blobs


def wants_are_not_told(patch: Patch) -> None:
    patch.setattr(BlobExchange, "tell", _nothing)


def a_stalled_blob_is_waited_for(patch: Patch) -> None:
    patch.setattr(BlobDownloads, "check_stall", _nothing)


def a_failed_blob_is_not_tried_again(patch: Patch) -> None:
    patch.setattr(BlobExchange, "retry", _nothing)


def ends_of_blobs_are_not_noticed(patch: Patch) -> None:
    patch.setattr(BlobDownloads, "receive_end", _nothing)


BUGS: dict[str, Callable[[Patch], None]] = {
    name: plant
    for name, plant in list(globals().items())
    if callable(plant) and getattr(plant, "__module__", "") == __name__ and name[0] != "_"
}
