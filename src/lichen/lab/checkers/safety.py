"""What must hold at every step, whatever went wrong before.

Cheap looks are taken at every event of every brain; dear ones, which go over the whole state of a
peer, every ``DEAR_EVENTS`` events.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

import orjson

from lichen.feed.message import FeedId
from lichen.feed.refs import blob_id_from_bytes
from lichen.gossip import effects, events
from lichen.gossip.connections.session import Session
from lichen.gossip.effects import Effect
from lichen.gossip.events import ConnectionId, Event
from lichen.gossip.exchange.replication import BLOCK, FollowGraph
from lichen.gossip.limits import (
    BLOBS_SERVED_FRIEND_MAX,
    CONNECTIONS_MAX,
    DOWNLOADS_MAX,
    INGEST_BATCH_MAX,
    PENDING_MESSAGES_HIGH,
    UNKNOWN_FEEDS_MAX,
)
from lichen.gossip.node import Node
from lichen.lab.checkers.ledger import Ledger
from lichen.lab.checkers.tally import Tally
from lichen.lab.world.links import End
from lichen.lab.world.peers import LabPeer
from lichen.wire.events import BodyType, Command, SendItems

DEAR_EVENTS: Final = 25
PENDING_MAX: Final = PENDING_MESSAGES_HIGH + INGEST_BATCH_MAX
"""What may wait for the disk: the bound, and one frame more that was under way."""
QUEUED_BYTES_MAX: Final = 768 * 1024
"""What may wait in a pipe: room, a run of blob and one of the short messages of a life, notes."""
TIMERS_MAX: Final = 2_000
"""Deadlines in the heap of one brain, the overtaken ones among them."""

CHECKS: Final = (
    "prefix: what was audited is the beginning of what its author wrote",
    "forged: what nobody wrote is not taken",
    "bound: what waits for its audit has the ids that its author gave",
    "unaudited: nobody is sent, and none but a source is told, what was not audited",
    "waiting: only what friends send may wait, and of nobody who was blamed",
    "blamed: who sent what fails its audit is trusted no more",
    "own: an author never writes twice in one place",
    "durable: nobody holds what its author may still lose",
    "carried: only what is replicated is taken",
    "notes: nobody claims to have more than it has",
    "blocks: nothing of an author goes to whom it blocks",
    "bounds: queues and timers stay within their limits",
    "sources: a feed is asked of one peer at a time",
    "set: what is replicated follows from the log",
    "behind: what somebody has more of is looked after",
    "hash: a blob is what its name says",
    "recovery: nobody may write right after a restore",
)
_NAMES = {words.partition(":")[0]: words for words in CHECKS}


class Safety:
    """Watches a world."""

    def __init__(self, ledger: Ledger, *, crooks: frozenset[int] = frozenset()) -> None:
        self.ledger = ledger
        self.tally = Tally()
        self._crooks = crooks
        self._blamed: dict[tuple[int, str], None] = {}
        """(peer, other) where the one has found that the other sent what was wrong."""
        self.cuts: dict[int, dict[FeedId, None]] = {}
        """Peer to the feeds that have failed an audit there."""
        self._events = 0
        self._looks: dict[type, Callable[[LabPeer, Effect], None]] = {
            effects.Ingest: self._look_at_ingest,
            effects.SendMessages: self._look_at_run,
            effects.Send: self._look_at_send,
        }

    def _hold(self, check: str, claim: bool, words: str) -> None:
        self.tally.hold(_NAMES[check], claim, words)

    # What the world reports

    def published(self, peer: LabPeer, sequence: int, data: bytes, branch: int) -> None:
        """Note what was written."""
        is_first = self.ledger.write(peer, sequence, data, branch)
        self._hold("own", is_first, f"{peer.name} wrote number {sequence} twice")

    def delivered(self, end: End, command: Command) -> None:
        """Look at what has come to the end of a link."""
        if not isinstance(command, SendItems) or command.body_type is not BodyType.JSON:
            return
        parse = end.owner.world.feed_format.parse
        for item in command.items:
            if not item.startswith(b'{"previous"') or not self.ledger.is_known(item):
                continue
            raw = parse(item)
            author = end.owner.world.by_id.get(str(raw.author))
            if author is not None and author.number not in self._crooks:
                written = self.ledger.length(author.id)
                words = f"{end.owner.name} was sent {author.name}'s number {raw.sequence}"
                self._hold("durable", raw.sequence <= written, words)

    def handled(self, peer: LabPeer, event: Event, answer: Sequence[Effect]) -> None:
        """Look at one step of a brain."""
        if peer.number in self._crooks or not isinstance(peer.brain, Node):
            return
        if type(event) is events.Ingested:
            self._look_at_log(peer, event)
        elif type(event) is events.Audited:
            self._look_at_audit(peer, event)
        elif type(event) is events.AuditFailed:
            self._note_cut(peer, event)
        elif type(event) is events.BlobStored:
            found = blob_id_from_bytes(sha256(peer.blobs.held[event.blob]).digest())
            self._hold("hash", found == event.blob, f"{peer.name} keeps {found} as {event.blob}")
        elif type(event) is events.Started and event.is_guarded:
            self._hold("recovery", peer.node.is_guarded, f"{peer.name} may write")
        for effect in answer:
            look = self._looks.get(type(effect))
            if look is not None:
                look(peer, effect)
        self._events += 1
        if self._events % DEAR_EVENTS == 0:
            self.look_at_all(peer)

    # Cheap looks

    def _look_at_log(self, peer: LabPeer, event: events.Ingested) -> None:
        for progress in event.progress:
            feed = progress.feed
            held, audited = peer.log.feeds[feed], peer.log.audited(feed)
            words = f"{peer.name} holds another {feed[:6]} up to {progress.last}"
            is_known, start = self.ledger.is_known, max(progress.first - 1, audited)
            fresh = held[progress.first - 1 : min(audited, progress.last)]
            self._hold("forged", all(map(is_known, fresh)), words)
            self._hold("prefix", self.ledger.is_prefix(feed, held[:audited]), words)
            for data in held[start : progress.last]:
                self._hold("bound", is_known(data) or self.ledger.has_id(feed, data), words)

    def _look_at_audit(self, peer: LabPeer, event: events.Audited) -> None:
        for feed, last in event.progress:
            words = f"{peer.name} has audited another {feed[:6]} up to {last}"
            held = peer.log.feeds[feed][:last]
            self._hold("prefix", self.ledger.is_prefix(feed, held), words)

    def _note_cut(self, peer: LabPeer, event: events.AuditFailed) -> None:
        self.cuts.setdefault(peer.number, {})[event.feed] = None
        if event.source is not None:
            self._blamed[peer.number, event.source] = None
            is_honest = peer.world.by_id[event.source].number not in self._crooks
            words = f"{peer.name} blames {peer.world.by_id[event.source].name}"
            self._hold("blamed", not is_honest, words)

    def _look_at_ingest(self, peer: LabPeer, effect: Effect) -> None:
        assert isinstance(effect, effects.Ingest)
        wanted = peer.node._parts.replication.wanted
        for raw in effect.batch:
            self._hold("carried", raw.author in wanted, f"{peer.name} took {raw.author[:6]}")
        if not effect.verifies_all:
            is_trusted = (peer.number, effect.source) not in self._blamed
            words = f"{peer.name} lets wait what {effect.source[:6]} sent"
            self._hold("waiting", is_trusted and effect.source in wanted, words)
        self._hold("bounds", len(effect.batch) <= INGEST_BATCH_MAX, "a batch is too long")

    def _look_at_run(self, peer: LabPeer, effect: Effect) -> None:
        assert isinstance(effect, effects.SendMessages)
        end = peer.ends.get(effect.connection)
        replication = peer.node._parts.replication
        words = f"{peer.name} gave {effect.feed[:6]}"
        self._hold("carried", effect.feed in replication.wanted, words)
        self._hold("unaudited", effect.last <= peer.log.audited(effect.feed), words)
        if end is not None:
            blockers = replication.blocked_by.get(end.other.peer)
            if blockers:
                self._hold("blocks", effect.feed not in blockers, f"{words} to {end.other.peer}")

    def _look_at_send(self, peer: LabPeer, effect: Effect) -> None:
        assert isinstance(effect, effects.Send)
        command = effect.command
        if not isinstance(command, SendItems) or command.body_type is not BodyType.JSON:
            return
        for item in command.items:
            if not item.startswith(b'{"@'):
                continue
            end = peer.ends.get(effect.connection)
            replication = peer.node._parts.replication
            blockers = {} if end is None else replication.blocked_by.get(end.other.peer, {})
            for feed, note in orjson.loads(item).items():
                if note >= 0:
                    held = peer.log.received(feed)
                    self._hold("notes", note >> 1 <= held, f"{peer.name} noted {note}, has {held}")
                    if feed in peer.log.unaudited:
                        self._look_at_note(peer, effect.connection, feed, note)
                    self._hold("carried", feed in replication.wanted, f"{peer.name} noted {feed}")
                    if blockers:
                        self._hold("blocks", feed not in blockers, f"{peer.name} noted {feed}")

    def _look_at_note(
        self, peer: LabPeer, connection: ConnectionId, feed: FeedId, note: int
    ) -> None:
        """See that a note says no more than was audited, but for what its reader has as well."""
        audited = peer.log.audited(feed)
        session = peer.node._parts.ebt.sessions.get(connection)
        if note & 1 == 0 and session is not None:
            audited = max(audited, session.claims.get(feed, 0))
        self._hold("unaudited", note >> 1 <= audited, f"{peer.name} noted {note} of {feed[:6]}")

    # Dear looks

    def look_at_all(self, peer: LabPeer) -> None:
        """Go over the state of a peer."""
        if peer.is_up:
            self._look_at_bounds(peer)
            self._look_at_sources(peer)
            self._look_at_set(peer)
            for feed, stretches in peer.log.unaudited.items():
                is_held = stretches[-1].last <= peer.log.received(feed)
                self._hold("unaudited", is_held, f"{peer.name} is to audit what it has not")
                self._hold("own", feed != peer.id, f"{peer.name} has not checked what it wrote")

    def _look_at_bounds(self, peer: LabPeer) -> None:
        parts = peer.node._parts
        timers = len(parts.timers._heap)
        self._hold("bounds", timers <= TIMERS_MAX, f"{peer.name} keeps {timers} deadlines")
        self._hold("bounds", len(parts.sessions) <= CONNECTIONS_MAX, "too many connections")
        self._hold("bounds", len(parts.blobs.downloads) <= DOWNLOADS_MAX, "too many downloads")
        for session in parts.sessions.values():
            self._look_at_session(peer, session)

    def _look_at_session(self, peer: LabPeer, session: Session) -> None:
        words = f"{peer.name}, connection {session.connection}"
        self._hold(
            "bounds", 0 <= session.pending <= PENDING_MAX, f"{words}: {session.pending} wait"
        )
        end = peer.ends.get(session.connection)
        if end is not None and peer.crook is None:
            queued = end.pipe.queued_bytes
            self._hold("bounds", queued <= QUEUED_BYTES_MAX, f"{words}: {queued} bytes queued")
        if session.ebt is not None:
            declined = len(session.ebt.declined)
            bound = UNKNOWN_FEEDS_MAX + len(peer.world.peers)
            self._hold("bounds", declined <= bound, f"{words}: {declined} feeds declined")
        self._hold("bounds", len(session.pings) <= BLOBS_SERVED_FRIEND_MAX, "too many pings")

    def _look_at_sources(self, peer: LabPeer) -> None:
        ebt = peer.node._parts.ebt
        asked: dict[str, int] = {}
        wanted = peer.node._parts.replication.wanted
        for connection, session in ebt.sessions.items():
            for feed, agreed in session.slots.items():
                self._hold("carried", feed in wanted, f"{peer.name} exchanges {feed[:6]}")
                if agreed.is_asked:
                    words = f"{peer.name} asks two peers for {feed[:6]}"
                    self._hold("sources", feed not in asked, words)
                    asked[feed] = connection
                    source = ebt.sources.source(feed)
                    self._hold("sources", source is session, f"{peer.name} lost a source")
            if session.has_spoken:
                for feed, claim in session.claims.items():
                    slot = session.slots.get(feed)
                    is_over = feed in ebt.sources.frozen or (slot is not None and slot.is_refused)
                    if claim > peer.log.received(feed) and not is_over and not peer.untold:
                        words = f"{peer.name} forgot that it lacks {feed[:6]}"
                        self._hold("behind", feed in ebt.sources.behind, words)

    def _look_at_set(self, peer: LabPeer) -> None:
        """Compute the replication set anew from the log, unless a change waits to be worked in."""
        parts = peer.node._parts
        if ("graph", 0) in parts.timers._at or peer.untold:
            return
        graph = FollowGraph()
        for contact in (*peer.log.contacts(), *peer.log.lost_contacts):
            graph.add(contact)
        hops_max = parts.replication.hops_max
        hops = graph.distances(peer.id, hops_max)
        due = {feed for feed, distance in hops.items() if 0 <= distance <= hops_max} | {peer.id}
        carried = parts.replication.wanted.keys()
        self._hold(
            "set", carried == due, f"{peer.name} carries {len(carried)}, not {len(due)} feeds"
        )
        for other in peer.world.peers:
            for author in peer.world.peers:
                is_block = graph.value(author.id, other.id) == BLOCK and author is not other
                is_known = author.id in parts.replication.blocked_by.get(other.id, {})
                words = f"{peer.name}: does {author.name} block {other.name}?"
                self._hold("set", is_block == is_known, words)
