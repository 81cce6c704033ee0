"""A brain that floods: whatever is new goes to every neighbour but the one it came from.

It stands beside the real brain to check worlds against the array model of flooding. It asks for
nothing, notes nothing and forgets no link.
"""

from lichen.feed.message import FeedId, RawMessage
from lichen.gossip import events
from lichen.gossip.effects import Dial, Effect, Ingest, Send, SendMessages
from lichen.gossip.events import ConnectionId, Event
from lichen.lab.world.peers import LabPeer
from lichen.wire.events import CallKind, CallReceived, ItemsReceived, OpenCall

_CALL = 1


class EagerBrain:
    """Floods over all links."""

    __slots__ = ("_calls", "_peer", "_senders")

    def __init__(self, peer: LabPeer) -> None:
        self._peer = peer
        self._calls: dict[ConnectionId, int] = {}
        self._senders: dict[ConnectionId, FeedId] = {}

    def may_connect(self, peer: FeedId) -> bool:
        """Take everybody."""
        return peer != self._peer.id

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Dial whom it knows, take what comes, pass on what is new."""
        match event:
            case events.Started():
                return [Dial(each.address, each.peer) for each in event.addresses]
            case events.Connected(is_client=False):
                self._senders[event.connection] = event.peer
            case events.Connected():
                self._senders[event.connection] = event.peer
                self._calls[event.connection] = _CALL
                opened = OpenCall(_CALL, ("flood",), b"[]", CallKind.DUPLEX)
                return [Send(event.connection, opened)]
            case events.Disconnected():
                self._calls.pop(event.connection, None)
            case events.FromPeer():
                return self._hear(event)
            case events.Ingested():
                return self._pass_on(event)
            case _:
                pass
        return []

    def _hear(self, event: events.FromPeer) -> list[Effect]:
        said = event.event
        if isinstance(said, CallReceived):
            self._calls[event.connection] = said.call
        if not isinstance(said, ItemsReceived):
            return []
        parsed = map(self._peer.world.feed_format.parse, said.items)
        batch = tuple(raw for raw in parsed if isinstance(raw, RawMessage))
        return [Ingest(event.connection, batch, self._senders[event.connection])]

    def _pass_on(self, event: events.Ingested) -> list[Effect]:
        return [
            SendMessages(connection, call, grown.feed, grown.first, grown.last)
            for grown in event.progress
            for connection, call in self._calls.items()
            if connection != event.connection
        ]
