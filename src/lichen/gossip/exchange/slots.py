"""What two peers have told each other over one ebt.replicate call.

Per feed a slot: does the peer want messages, do we ask for them, how far were they sent. The
peer's claims (what it says it has) stand apart, because they outlive the session as its clock.
"""

import msgspec

from lichen.feed.message import FeedId
from lichen.gossip.events import ConnectionId
from lichen.gossip.exchange.notes import encode_note

UNTOLD = -1
"""``Slot.sent`` before the peer has said where it stands."""


class Slot(msgspec.Struct, gc=False):
    """What is agreed about one feed. There are millions in a lab: it is small, and no garbage."""

    wants: bool = False
    """The peer's last note was even: send what follows ``sent``."""
    sent: int = UNTOLD
    is_asked: bool = False
    """Our last note was even: this peer is the feed's source."""
    is_refused: bool = False
    """The peer sent something invalid: nothing of this feed is taken from it any more."""
    broken: int = 0
    """Promises in a row that the peer did not keep."""
    asked_at: float = 0.0
    heard_at: float = 0.0
    resync_at: float = 0.0


class EbtSession:
    """One side of an ebt.replicate call."""

    __slots__ = (
        "_dirty",
        "_was_fresh",
        "call",
        "claims",
        "connection",
        "declined",
        "fresh",
        "going",
        "has_heard",
        "has_spoken",
        "heard_at",
        "heard_count",
        "must_note",
        "notes",
        "peer",
        "ready",
        "slots",
        "unsaved",
    )

    def __init__(
        self,
        connection: ConnectionId,
        peer: FeedId,
        call: int,
        dirty: dict[ConnectionId, None],
    ) -> None:
        self.connection = connection
        self.peer = peer
        self.call = call
        self.has_heard = False
        """The peer's first notes have come."""
        self.has_spoken = False
        """Our first notes are written (perhaps not sent yet)."""
        self.must_note = False
        """The next notes go out even when there are none."""
        self.heard_at = 0.0
        self.heard_count = 0
        """Notes and messages heard, so that an unchanged clock is not saved again."""
        self.claims: dict[FeedId, int] = {}
        self.slots: dict[FeedId, Slot] = {}
        self.unsaved: dict[FeedId, None] = {}
        """Feeds left out of the clock that outlives the session: what the peer sent of them was
        invalid, or we had declined them before on this call, and it may not hear otherwise."""
        self.declined: dict[FeedId, int] = {}
        """Feeds that we said -1 to, with what the peer had noted."""
        self.notes: dict[FeedId, int] = {}
        """Notes to send, merged until there is room."""
        self.going: FeedId | None = None
        """The feed that is being sent, as a whole: a person reads a whole feed, not all feeds'
        oldest messages."""
        self.ready: dict[FeedId, None] = {}
        """Feeds of which the peer can be sent messages after that one, first come first served:
        the peer notes those nearest to it first."""
        self.fresh: dict[FeedId, None] = {}
        """Feeds that have grown by a little: every other run is one of these."""
        self._was_fresh = False
        self._dirty = dirty

    def note(self, feed: FeedId, sequence: int, *, receives: bool) -> None:
        """Write a note to be sent with the next ones."""
        self.notes[feed] = encode_note(sequence, receives=receives)
        self._dirty[self.connection] = None

    def make_ready(self, feed: FeedId) -> None:
        """Put a feed in the row of those to be sent from."""
        self.ready[feed] = None
        self._dirty[self.connection] = None

    def make_fresh(self, feed: FeedId) -> None:
        """Have the news of a feed sent before what has long been there."""
        self.fresh[feed] = None
        self._dirty[self.connection] = None

    def go_on(self, feed: FeedId) -> None:
        """Send more of a feed before another one is begun."""
        if self.going not in (None, feed):
            self.make_ready(feed)
        else:
            self.going = feed
            self._dirty[self.connection] = None

    @property
    def is_ready(self) -> bool:
        """Tell whether there is a feed to be sent from."""
        return bool(self.ready or self.fresh or self.going)

    def take_ready(self) -> FeedId:
        """Take the feed to send a run of. There is one."""
        rest = self.going is not None or bool(self.ready)
        self._was_fresh = bool(self.fresh) and not (self._was_fresh and rest)
        if not self._was_fresh and self.going is not None:
            feed, self.going = self.going, None
            return feed
        row = self.fresh if self._was_fresh else self.ready
        feed = next(iter(row))
        del row[feed]
        return feed

    def drop_ready(self, feed: FeedId) -> None:
        """Send nothing more of a feed."""
        self.ready.pop(feed, None)
        self.fresh.pop(feed, None)
        if self.going == feed:
            self.going = None

    def mark_dirty(self) -> None:
        """Have the session looked after at the end of this event."""
        self._dirty[self.connection] = None

    def decline(self, feed: FeedId) -> None:
        """Say that a feed is not exchanged with this peer, and remember what it had noted."""
        slot = self.slots.pop(feed, None)
        claim = self.claims.pop(feed, UNTOLD)
        self.drop_ready(feed)
        self.unsaved.pop(feed, None)
        wants = slot is not None and slot.wants
        self.declined[feed] = encode_note(claim, receives=wants)
        self.note(feed, -1, receives=False)


def merge_claim(old: int | None, new: int) -> int:
    """Return what to believe when a peer claims ``new`` after ``old``.

    A lower number is respected (the peer has lost messages), and -1 replaces and is replaced.
    """
    if old is None or old == -1 or new <= 0:
        return new
    if old > 0 and new < old:
        return new
    return max(old, new)
