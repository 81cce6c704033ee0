"""The calls about blobs, theirs and ours: each peer calls createWants on the other.

What is decided stands in ``exchange.blobs``; here it becomes calls, answers and effects. A peer
that refuses createWants is asked the old way, by blobs.has and blobs.changes. Blobs that are here
are served one after the other and in short runs, so that messages get through between them.
"""

from collections.abc import Callable

import orjson

from lichen.feed.message import BlobId
from lichen.gossip.connections.answers import (
    BLOBS_CHANGES,
    BLOBS_CREATE_WANTS,
    BLOBS_GET_SLICE,
    BLOBS_HAS,
    BLOBS_SIZE,
)
from lichen.gossip.connections.blob_downloads import BlobDownloads
from lichen.gossip.connections.session import Session
from lichen.gossip.effects import SavePush
from lichen.gossip.events import (
    BlobFailed,
    BlobPushed,
    BlobRead,
    BlobRemoved,
    BlobStored,
    BlobWanted,
)
from lichen.gossip.exchange.blob_peer import BlobPeer, ServedBlob
from lichen.gossip.exchange.blob_requests import (
    NOT_HERE,
    encode_wants,
    parse_change,
    parse_haves,
    parse_ids,
    parse_request,
    parse_wants,
)
from lichen.gossip.limits import (
    BLOBS_PER_HAS_MAX,
    BLOBS_SERVED_FRIEND_MAX,
    BLOBS_SERVED_STRANGER_MAX,
    MALFORMED_MAX,
    WANT_CALLS_MAX,
    WANTS_PER_FRAME_MAX,
    WANTS_REMEMBERED_FRIEND_MAX,
    WANTS_REMEMBERED_STRANGER_MAX,
)
from lichen.gossip.parts import Parts
from lichen.wire.events import (
    Answer,
    AnswerReceived,
    BodyType,
    CallEnded,
    CallKind,
    CallReceived,
    EndCall,
    ItemsReceived,
    OpenCall,
    SendItems,
)
from lichen.wire.packets import missing_method


class BlobCalls:
    """Deals with what peers say about blobs, and says what we have to."""

    __slots__ = ("_blobs", "_parts", "downloads", "handlers")

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._blobs = parts.blobs
        self.downloads = BlobDownloads(parts)
        self.handlers: dict[type, Callable[..., None]] = {
            BlobRead: self.on_read,
            BlobStored: self.downloads.on_stored,
            BlobFailed: self.downloads.on_failed,
            BlobWanted: self.on_wanted,
            BlobPushed: self.on_pushed,
            BlobRemoved: self.on_removed,
        }

    def open(self, session: Session) -> None:
        """Ask a connected peer what it wants and has."""
        if self._blobs.store is None:
            return
        peer = self._blobs.open(session.connection, session.peer)
        peer.our_call = self._open_call(session, BLOBS_CREATE_WANTS, b"[]", CallKind.SOURCE)

    def _open_call(
        self, session: Session, name: tuple[str, ...], args: bytes, kind: CallKind
    ) -> int:
        call = session.next_call()
        session.send(self._parts.out, OpenCall(call, name, args, kind))
        return call

    def _is_friend(self, session: Session) -> bool:
        return self._parts.replication.is_wanted(session.peer)

    # Calls of the remote peer

    def receive_call(self, session: Session, event: CallReceived) -> None:
        """Serve a call about blobs, or refuse it."""
        peer = self._blobs.peers.get(session.connection)
        name, call = event.name, event.call
        is_refused = name == BLOBS_CHANGES and not self._is_friend(session)
        if peer is None or is_refused:
            session.send(self._parts.out, EndCall(call, missing_method(name)))
        elif name == BLOBS_CREATE_WANTS:
            self._serve_wants(session, peer, call)
        elif name == BLOBS_CHANGES:
            if peer.changes_call:
                session.send(self._parts.out, EndCall(peer.changes_call))
            peer.changes_call = call
        elif name in {BLOBS_HAS, BLOBS_SIZE}:
            self._answer_ids(session, peer, event)
        else:
            self._serve_blob(session, peer, event)

    def _serve_wants(self, session: Session, peer: BlobPeer, call: int) -> None:
        peer.want_calls += 1
        if peer.want_calls > WANT_CALLS_MAX:
            self._parts.doom(session, "wants-flood")
            return
        if peer.their_call:
            session.send(self._parts.out, EndCall(peer.their_call))
        peer.their_call = call
        self._blobs.tell_all(peer)

    def _answer_ids(self, session: Session, peer: BlobPeer, event: CallReceived) -> None:
        asked = parse_ids(event.args)
        if isinstance(asked, str):
            session.send(self._parts.out, EndCall(event.call, asked))
            return
        ids, is_list = asked
        sizes = [self._blobs.size(blob) for blob in ids]
        answers: list[object] = list(sizes)
        if event.name == BLOBS_HAS:
            answers = [size is not None for size in sizes]
            for blob, size in zip(ids, sizes, strict=True):
                if size is None:
                    self._hear_want(session, peer, blob, 1)
        body = orjson.dumps(answers if is_list else answers[0])
        session.send(self._parts.out, Answer(event.call, BodyType.JSON, body))

    def _serve_blob(self, session: Session, peer: BlobPeer, event: CallReceived) -> None:
        out, call = self._parts.out, event.call
        request = parse_request(event.args, is_slice=event.name == BLOBS_GET_SLICE)
        if isinstance(request, str):
            session.send(out, EndCall(call, request))
            return
        size = self._blobs.size(request.blob)
        if size is None:
            session.send(out, EndCall(call, NOT_HERE))
            self._hear_want(session, peer, request.blob, 1)
            return
        is_friend = self._is_friend(session)
        served_max = BLOBS_SERVED_FRIEND_MAX if is_friend else BLOBS_SERVED_STRANGER_MAX
        objection = request.find_objection(size)
        if objection is None and len(peer.served) >= served_max:
            objection = "too many blobs at once"
        end = size if request.end is None else min(request.end, size)
        if objection is not None or request.start >= end:
            session.send(out, EndCall(call, objection))
            return
        peer.served[call] = ServedBlob(call, request.blob, request.start, end)
        self._parts.mark_dirty(session)

    # What is said of wants and haves

    def _hear_want(self, session: Session, peer: BlobPeer, blob: BlobId, hops: int) -> None:
        size = self._blobs.size(blob)
        if size is not None:
            if size:
                self._blobs.tell(peer, blob, size)
            return
        is_friend = self._is_friend(session)
        room = WANTS_REMEMBERED_FRIEND_MAX if is_friend else WANTS_REMEMBERED_STRANGER_MAX
        if len(peer.wants) < room or blob in peer.wants:
            peer.wants[blob] = hops
        if is_friend:
            self._blobs.ask(peer, blob, hops)

    def receive_items(self, session: Session, event: ItemsReceived, now: float) -> None:
        """Take in what came on a call of ours about blobs."""
        peer = self._blobs.peers.get(session.connection)
        if peer is None:
            return
        if event.call == peer.our_call:
            self._receive_wants(session, peer, event)
        elif event.call == peer.our_changes_call:
            for item in event.items:
                blob = parse_change(item)
                if blob is not None:
                    self._hear_claim(session, peer, blob, None)
        elif peer.download is not None and event.call == peer.download.call:
            self.downloads.receive(session, peer.download, event, now)

    def _receive_wants(self, session: Session, peer: BlobPeer, event: ItemsReceived) -> None:
        peer.has_heard = True
        for item in event.items:
            wants = parse_wants(item) if event.body_type is BodyType.JSON else None
            if wants is None:
                session.malformed_count += 1
                continue
            for blob, number in wants.items():
                if number < 0:
                    self._hear_want(session, peer, blob, -number)
                else:
                    # Still told when it is here: the peer may push it and count who has it.
                    self._hear_claim(session, peer, blob, number)
        if session.malformed_count > MALFORMED_MAX:
            self._parts.doom(session, "malformed-items")

    def _hear_claim(self, session: Session, peer: BlobPeer, blob: BlobId, size: int | None) -> None:
        self._blobs.claim(peer, blob, size, is_friend=self._is_friend(session))

    def receive_answer(self, session: Session, event: AnswerReceived) -> None:
        """Take in which blobs a peer without createWants has."""
        peer = self._blobs.peers.get(session.connection)
        asked = () if peer is None else peer.has_calls.pop(event.call, ())
        if peer is None or not asked:
            return
        haves = parse_haves(event.body, len(asked))
        for blob, has_it in zip(asked, haves, strict=False):
            if has_it:
                self._hear_claim(session, peer, blob, None)

    def receive_end(self, session: Session, event: CallEnded, now: float) -> None:
        """Take note that a call about blobs is over."""
        peer = self._blobs.peers.get(session.connection)
        if peer is None:
            return
        call = event.call
        peer.served.pop(call, None)
        if call == peer.their_call:
            peer.their_call = 0
            peer.news.clear()
        elif call == peer.changes_call:
            peer.changes_call = 0
        elif call == peer.our_call:
            peer.our_call = 0
            if event.error is not None and not peer.has_heard:
                self._ask_the_old_way(session, peer)
        elif call == peer.our_changes_call or peer.has_calls.pop(call, None) is not None:
            peer.is_legacy = False  # this too is refused
        elif peer.download is not None and call == peer.download.call:
            self.downloads.receive_end(session, peer.download, event, now)

    def _ask_the_old_way(self, session: Session, peer: BlobPeer) -> None:
        peer.is_legacy = True
        peer.our_changes_call = self._open_call(session, BLOBS_CHANGES, b"[]", CallKind.SOURCE)
        for blob, want in self._blobs.wants.items():
            self._blobs.tell(peer, blob, -want.hops)

    # What people ask for

    def on_wanted(self, event: BlobWanted, _now: float) -> None:
        """Look for a blob."""
        self._blobs.want(event.blob)

    def on_pushed(self, event: BlobPushed, _now: float) -> None:
        """Announce a blob until enough peers have it."""
        self._blobs.push(event.blob)

    def on_removed(self, event: BlobRemoved, _now: float) -> None:
        """Announce a blob no more."""
        self._blobs.end_push(event.blob)

    # Sending

    def on_read(self, event: BlobRead, now: float) -> None:
        """Go on with a blob that is served, or with the next one."""
        session = self._parts.sessions.get(event.connection)
        peer = self._blobs.peers.get(event.connection)
        if session is None or peer is None:
            return
        run, peer.in_flight = peer.in_flight, None
        session.report_room(event.queued_bytes, now)
        session.keep_room(self._parts.out, now)
        self._parts.mark_dirty(session)
        served = peer.served.get(event.call)
        if served is None or run is None:
            return
        served.at = event.end
        if event.end < run.end:
            del peer.served[event.call]
            session.send(self._parts.out, EndCall(event.call, NOT_HERE))
        elif served.at >= served.end:
            del peer.served[event.call]
            session.send(self._parts.out, EndCall(event.call))

    def flush(self, session: Session, now: float) -> None:
        """Send what there is to say and to serve, and room for."""
        peer = self._blobs.peers.get(session.connection)
        if peer is None:
            return
        while (peer.news or peer.must_tell) and not session.awaits_room:
            some = dict(list(peer.news.items())[:WANTS_PER_FRAME_MAX])
            for blob in some:
                del peer.news[blob]
            self._tell(session, peer, some)
            session.keep_room(self._parts.out, now)
        if peer.served and not session.awaits_room:
            run = peer.take_run()
            if run is not None:
                self._parts.out.append(run)

    def _tell(self, session: Session, peer: BlobPeer, some: dict[BlobId, int]) -> None:
        peer.must_tell = False
        if peer.their_call:
            item = SendItems(peer.their_call, BodyType.JSON, (encode_wants(some),))
            session.send(self._parts.out, item)
        wanted = tuple(blob for blob, number in some.items() if number < 0)
        if not peer.is_legacy:
            return
        for start in range(0, len(wanted), BLOBS_PER_HAS_MAX):
            asked = wanted[start : start + BLOBS_PER_HAS_MAX]
            args = orjson.dumps([asked])
            peer.has_calls[self._open_call(session, BLOBS_HAS, args, CallKind.ASYNC)] = asked

    def save_pushes(self) -> None:
        """Write down what is new about pushes."""
        unsaved = self._blobs.unsaved
        while unsaved:
            blob, _ = unsaved.popitem()
            holders = self._blobs.pushes.get(blob)
            peers = None if holders is None else tuple(holders)
            self._parts.out.append(SavePush(blob, peers))
