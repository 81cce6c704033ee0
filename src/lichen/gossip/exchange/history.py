"""createHistoryStream, both ways: what a peer without EBT asks of us, and what we ask of it.

Rules of ssb-db and ssb-db2 as peers rely on them: the object's ``sequence`` (or ``seq``) is the
first sequence wanted, ``live`` keeps the stream open, ``limit`` counts messages, ``keys`` and
``values`` choose the form. Served are the own feed, to anybody, and replicated feeds whose author
does not block the caller; of any other feed the stream ends without messages. What is not audited
yet is as good as not here.
"""

import msgspec
import orjson

from lichen.feed.message import FeedId
from lichen.feed.refs import is_feed_id
from lichen.gossip.effects import MessageForm
from lichen.gossip.limits import (
    HISTORY_ASKED_MAX,
    HISTORY_DOUBLINGS_MAX,
    HISTORY_KEPT_FRIEND_MAX,
    HISTORY_KEPT_STRANGER_MAX,
    HISTORY_ROUND_S,
    HISTORY_SERVED_FRIEND_MAX,
    HISTORY_SERVED_STRANGER_MAX,
    MESSAGES_RUN_MAX,
)

_SEQUENCE_MAX = 2**53


class HistoryRequest(msgspec.Struct, frozen=True):
    """What a createHistoryStream call asks for."""

    feed: FeedId
    first: int
    limit: int | None
    is_live: bool
    with_old: bool
    form: MessageForm


def parse_request(args: bytes) -> HistoryRequest | str:
    """Read the arguments of createHistoryStream; a text says what is wrong with them."""
    try:
        values = orjson.loads(args)
    except orjson.JSONDecodeError:
        return "createHistoryStream: the arguments are not JSON"
    if not isinstance(values, list):
        return "createHistoryStream: the arguments are not a list"
    options = values[0] if values else None
    if isinstance(options, str):
        names = ("id", "seq", "live")
        options = dict(zip(names, values, strict=False))
    if not isinstance(options, dict):
        return "createHistoryStream: expected an object with an id"
    feed = options.get("id")
    if not is_feed_id(feed):
        return f"{str(feed)[:80]} is not a feed"
    first = _read_first(options)
    if first is None:
        return "createHistoryStream: seq and sequence differ or are no numbers"
    limit = options.get("limit")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit <= 0:
        limit = None
    return HistoryRequest(
        feed=feed,
        first=first,
        limit=limit,
        is_live=bool(options.get("live", False)),
        with_old=options.get("old") is not False,
        form=_read_form(options),
    )


def _read_first(options: dict[str, object]) -> int | None:
    given = [options[name] for name in ("sequence", "seq") if options.get(name) is not None]
    numbers = []
    for value in given:
        number = int(value) if isinstance(value, float) and value.is_integer() else value
        if not isinstance(number, int) or isinstance(number, bool):
            return None
        numbers.append(number)
    if len(set(numbers)) > 1:
        return None
    return max(1, min(numbers[0], _SEQUENCE_MAX)) if numbers else 1


def _read_form(options: dict[str, object]) -> MessageForm:
    if options.get("keys") is False:
        return MessageForm.VALUE
    return MessageForm.KEY if options.get("values") is False else MessageForm.KEY_VALUE


class ServedStream:
    """One createHistoryStream call that we answer."""

    __slots__ = ("call", "feed", "form", "is_live", "left", "sent")

    def __init__(self, call: int, request: HistoryRequest, audited: int) -> None:
        self.call = call
        self.feed = request.feed
        self.form = request.form
        self.is_live = request.is_live
        self.left = request.limit
        self.sent = request.first - 1 if request.with_old else max(audited, request.first - 1)

    def take_run(self, audited: int) -> tuple[int, int] | None:
        """Return the next messages to send and count them as sent; None if there are none."""
        last = min(audited, self.sent + MESSAGES_RUN_MAX)
        if self.left is not None:
            last = min(last, self.sent + self.left)
        if last <= self.sent:
            return None
        first = self.sent + 1
        if self.left is not None:
            self.left -= last - self.sent
        self.sent = last
        return first, last

    def unsend(self, count: int) -> None:
        """Take back the last messages of a run: they were not sent after all."""
        self.sent -= count
        if self.left is not None:
            self.left += count

    def is_over(self, audited: int) -> bool:
        """Tell whether nothing can follow on this stream."""
        return self.left == 0 or (not self.is_live and audited <= self.sent)


class HistoryServer:
    """The createHistoryStream calls of one remote peer."""

    __slots__ = ("_kept_max", "_served_max", "live", "ready", "streams", "waiting")

    def __init__(self) -> None:
        self.streams: dict[int, ServedStream] = {}
        self.ready: dict[int, None] = {}
        """Streams with messages to send, in turn."""
        self.waiting: dict[int, None] = {}
        """Streams beyond the number served at once."""
        self.live: dict[FeedId, dict[int, None]] = {}
        """Streams that have sent everything and wait for the feed to grow."""
        self.set_friend(is_friend=False)

    def set_friend(self, *, is_friend: bool) -> None:
        """Set the limits for a peer that we replicate, or for a stranger."""
        self._served_max = HISTORY_SERVED_FRIEND_MAX if is_friend else HISTORY_SERVED_STRANGER_MAX
        self._kept_max = HISTORY_KEPT_FRIEND_MAX if is_friend else HISTORY_KEPT_STRANGER_MAX

    def add(self, stream: ServedStream) -> bool:
        """Begin to serve a call; False if there are too many already."""
        if len(self.streams) >= self._kept_max:
            return False
        self.streams[stream.call] = stream
        self._enqueue(stream.call)
        return True

    def _enqueue(self, call: int) -> None:
        if len(self.ready) < self._served_max:
            self.ready[call] = None
        else:
            self.waiting[call] = None

    def advance(self) -> None:
        """Let waiting streams move up into the free places."""
        while self.waiting and len(self.ready) < self._served_max:
            call = next(iter(self.waiting))
            del self.waiting[call]
            self.ready[call] = None

    def park(self, stream: ServedStream) -> None:
        """Wait for the feed of a stream to grow."""
        self.live.setdefault(stream.feed, {})[stream.call] = None

    def grew(self, feed: FeedId) -> bool:
        """Wake the streams that wait for a feed; tell whether there were any."""
        calls = self.live.pop(feed, None)
        if not calls:
            return False
        for call in calls:
            self._enqueue(call)
        return True

    def remove(self, call: int) -> None:
        """Forget a stream, whatever its state."""
        stream = self.streams.pop(call, None)
        if stream is None:
            return
        self.ready.pop(call, None)
        self.waiting.pop(call, None)
        calls = self.live.get(stream.feed)
        if calls is not None:
            calls.pop(call, None)
            if not calls:
                del self.live[stream.feed]
        self.advance()

    def streams_of(self, feed: FeedId) -> list[int]:
        """Return the calls that are about a feed."""
        return [call for call, stream in self.streams.items() if stream.feed == feed]


class HistoryCaller:
    """The createHistoryStream calls that we make to one peer without EBT.

    Feeds are asked for live, nearest first, as far as the number of streams allows; an eighth of
    the streams goes round among the feeds that are left over, without ``live``.
    """

    __slots__ = ("_earliest", "_live_max", "_misses", "by_call", "by_feed", "queue", "refused")

    def __init__(self) -> None:
        self.by_call: dict[int, FeedId] = {}
        self.by_feed: dict[FeedId, int] = {}
        self.queue: dict[FeedId, float] = {}
        """Feeds to ask for, with the earliest time to do so."""
        self.refused: dict[FeedId, None] = {}
        """Feeds that are not taken from this peer: it sent something invalid."""
        self._misses: dict[FeedId, int] = {}
        """Live streams in a row that ended without a message: the peer does not serve the feed."""
        self._earliest = 0.0
        """No feed of the queue is due before this."""
        self._live_max = HISTORY_ASKED_MAX - HISTORY_ASKED_MAX // 8

    def want(self, feed: FeedId, at: float = 0.0) -> None:
        """Put a feed in the row, unless it is streaming or refused."""
        if feed not in self.by_feed and feed not in self.refused:
            self.queue.setdefault(feed, at)
            self._earliest = min(self._earliest, at)

    def take_next(self, now: float) -> tuple[FeedId, bool] | None:
        """Return the next feed to ask for and whether live; None when it is nobody's turn."""
        if len(self.by_call) >= HISTORY_ASKED_MAX or now < self._earliest:
            return None
        for feed, at in self.queue.items():
            if at <= now:
                del self.queue[feed]
                return feed, len(self.by_call) < self._live_max
        self._earliest = min(self.queue.values(), default=0.0)
        return None

    def next_at(self) -> float | None:
        """Return when to look for the next feed; None if a stream has to end first."""
        if not self.queue or len(self.by_call) >= HISTORY_ASKED_MAX:
            return None
        return self._earliest

    def opened(self, feed: FeedId, call: int, *, is_live: bool) -> None:
        """Remember the stream of a feed."""
        self.by_call[call] = feed
        self.by_feed[feed] = call
        if is_live:
            self._misses[feed] = self._misses.get(feed, 0) + 1
        else:
            self._misses.pop(feed, None)

    def hint(self, feed: FeedId) -> bool:
        """Put a feed that waits first in time: the peer asks for it, so by now it replicates it.

        Tell whether that changes anything.
        """
        if self.queue.get(feed, 0.0) <= 0.0:
            return False
        self._misses.pop(feed, None)
        self.queue[feed] = self._earliest = 0.0
        return True

    def heard(self, feed: FeedId) -> None:
        """Take note that messages of a feed have come."""
        self._misses.pop(feed, None)

    def ended(self, call: int, now: float) -> FeedId | None:
        """Forget an ended stream and put its feed at the end of the row."""
        feed = self.by_call.pop(call, None)
        if feed is not None:
            del self.by_feed[feed]
            doublings = min(max(self._misses.get(feed, 0) - 1, 0), HISTORY_DOUBLINGS_MAX)
            self.want(feed, now + HISTORY_ROUND_S * 2**doublings)
        return feed

    def drop(self, feed: FeedId) -> int | None:
        """Stop asking for a feed; return the call to end, if one is open."""
        self.queue.pop(feed, None)
        call = self.by_feed.pop(feed, None)
        if call is not None:
            del self.by_call[call]
        return call

    def reject(self, feed: FeedId) -> int | None:
        """Take a feed from this peer no more; return the call to end."""
        self.refused[feed] = None
        return self.drop(feed)
