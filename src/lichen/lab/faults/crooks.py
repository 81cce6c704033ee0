"""Byzantine peers: an honest brain whose words are twisted on their way out.

So they take part in everything, and lie where it hurts. ``Old`` is no crook: it is a peer of the
days before EBT. ``TwoFaced`` writes its own feed in two versions and shows each to one half of the
others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import orjson

from lichen.feed.message import ChainedMessage, FeedId, FeedState, RawMessage
from lichen.gossip.connections.answers import EBT_REPLICATE
from lichen.gossip.exchange.notes import encode_note
from lichen.lab.world.peers import START_MS, Crook, LabPeer
from lichen.wire.events import BodyType, Command, EndCall, OpenCall, SendItems

if TYPE_CHECKING:
    from lichen.lab.world.chance import Chance
    from lichen.lab.world.links import End

FORKS_AFTER: Final = 3
"""Messages that both versions of a two-faced feed share."""
_ITEMS_KEPT: Final = 50
_SPLICED_MIN: Final = 3
_HIGH: Final = "Ł".encode()
"""A letter of two bytes, 0x41 the lower one of its UTF-16 unit."""
_LOW: Final = b"A"


def _is_message(item: bytes) -> bool:
    return item.startswith(b'{"previous"')


class Mute:
    """Says nothing at all."""

    def say(self, end: End, command: Command) -> Command | None:
        """Return nothing."""
        return None


class Liar:
    """Claims a thousand messages more of every feed than it has, and wants none."""

    def say(self, end: End, command: Command) -> Command | None:
        """Twist notes."""
        if not isinstance(command, SendItems) or command.body_type is not BodyType.JSON:
            return command
        return SendItems(command.call, command.body_type, tuple(map(self._twist, command.items)))

    def _twist(self, item: bytes) -> bytes:
        if not item.startswith(b'{"@'):
            return item
        notes = orjson.loads(item)
        return orjson.dumps(
            {
                feed: note if note < 0 else encode_note((note >> 1) + 1000, receives=False)
                for feed, note in notes.items()
            }
        )


class Withholder:
    """Tells truly what it has, sends nothing of it, and ends no stream that it was asked for."""

    def say(self, end: End, command: Command) -> Command | None:
        """Keep messages and blobs back."""
        if isinstance(command, EndCall) and command.call < 0:
            return None
        if not isinstance(command, SendItems):
            return command
        is_blob = command.body_type is BodyType.BINARY
        return None if is_blob or any(map(_is_message, command.items)) else command


class Replayer:
    """Sends what it sent before over and over, in any order."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._sent: list[bytes] = []

    def say(self, end: End, command: Command) -> Command | None:
        """Add old items to new ones."""
        if not isinstance(command, SendItems) or command.body_type is not BodyType.JSON:
            return command
        items = list(command.items)
        self._sent = (self._sent + items)[-_ITEMS_KEPT:]
        items += [self._chance.pick(self._sent) for _ in range(self._chance.below(20))]
        if self._chance.happens(0.3):
            self._chance.shuffle(items)
        return SendItems(command.call, command.body_type, tuple(items))


class Babbler:
    """Puts bytes that mean nothing between the others, and cuts some of those short."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    def say(self, end: End, command: Command) -> Command | None:
        """Spoil some items."""
        chance = self._chance
        if not isinstance(command, SendItems):
            return command
        if command.body_type is BodyType.BINARY:
            noise = tuple(chance.octets(len(item)) for item in command.items)
            return SendItems(command.call, command.body_type, noise)
        if not chance.happens(0.3):
            return command
        items = list(command.items)
        place = chance.below(len(items))
        whole = items[place]
        items[place] = chance.pick(
            (
                whole[: 1 + chance.below(len(whole))],
                chance.octets(chance.between(1, 100)),
                b'{"@":1e999}',
                b'{"previous":null}',
                b"[]",
            )
        )
        return SendItems(command.call, command.body_type, tuple(items))


class Forger:
    """Changes a letter in what others have written, and passes it on."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    def say(self, end: End, command: Command) -> Command | None:
        """Forge some messages."""
        if not isinstance(command, SendItems):
            return command
        items = [
            item.replace(b"x", b"y", 1) if _is_message(item) and self._chance.happens(0.2) else item
            for item in command.items
        ]
        return SendItems(command.call, command.body_type, tuple(items))


class Lowerer:
    """Swaps letters of what it relays for others that an id does not tell from them.

    The last message of a run it leaves as it is: that one's signature is checked on receipt.
    """

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    def say(self, end: End, command: Command) -> Command | None:
        """Lower some messages."""
        if not isinstance(command, SendItems):
            return command
        lowered = [
            item.replace(_HIGH, _LOW) if _is_message(item) and self._chance.happens(0.7) else item
            for item in command.items[:-1]
        ]
        return SendItems(command.call, command.body_type, (*lowered, *command.items[-1:]))


class Splicer:
    """Puts the messages of a run together in another way than their author has."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    def say(self, end: End, command: Command) -> Command | None:
        """Swap, leave out, repeat or renumber a message between others."""
        items = list(command.items) if isinstance(command, SendItems) else []
        if len(items) < _SPLICED_MIN or not all(map(_is_message, items)):
            return command
        place = self._chance.between(1, len(items) - 2)
        match self._chance.below(5):
            case 0:
                items[place - 1], items[place] = items[place], items[place - 1]
            case 1:
                del items[place]
            case 2:
                items[place] = items[place - 1]
            case 3:
                items[place] = _renumbered(items[place - 1])
            case _:
                pass
        assert isinstance(command, SendItems), "only those have items"
        return SendItems(command.call, command.body_type, tuple(items))


def _renumbered(item: bytes) -> bytes:
    value = orjson.loads(item)
    return orjson.dumps({**value, "sequence": value["sequence"] + 1})


class Old:
    """Knows no ebt.replicate: never calls it, and refuses it in the usual words."""

    def __init__(self) -> None:
        self._unsaid: dict[tuple[int, int], None] = {}

    def say(self, end: End, command: Command) -> Command | None:
        """Leave EBT out."""
        call = (end.connection, command.call)
        if isinstance(command, OpenCall) and command.name == EBT_REPLICATE:
            self._unsaid[call] = None
        return None if call in self._unsaid else command


class TwoFaced(LabPeer):
    """A peer that shows one half of the world another feed than the other half."""

    def publish(self, content: dict[str, object] | None = None) -> int:
        """Write a message, and another one in its place for the others."""
        sequence = super().publish(content)
        if not hasattr(self, "second"):
            self.second: list[bytes] = []
            self._state: FeedState | None = None
        own = self.log.feeds[self.id][-1]
        if sequence > FORKS_AFTER:
            text = orjson.dumps({"type": "post", "text": f"to you alone {sequence}"})
            at = float(START_MS + sequence)
            made = self.world.feed_format.create(text, self.identity, self._state, at)
            own = made.data
        self.second.append(own)
        self._state = _state_of(self, own)
        self.world.published(self, sequence, own, branch=1)
        return sequence

    def read(self, feed: FeedId, first: int, last: int, end: End) -> tuple[bytes, ...]:
        """Show each half its own version."""
        if feed == self.id and end.other.owner.number % 2:
            return tuple(self.second[first - 1 : last])
        return super().read(feed, first, last, end)


def _state_of(peer: LabPeer, data: bytes) -> FeedState:
    raw = peer.world.feed_format.parse(data)
    assert isinstance(raw, RawMessage), "it was just made"
    chained = peer.world.feed_format.chain_alone(raw)
    assert isinstance(chained, ChainedMessage), "it was just made"
    return FeedState(chained.sequence, chained.key)


def make_crook(role: str, chance: Chance) -> Crook | None:
    """Return what twists the words of a peer with this role."""
    makers: dict[str, Callable[[], Crook]] = {
        "mute": Mute,
        "lie": Liar,
        "withhold": Withholder,
        "replay": lambda: Replayer(chance),
        "garbage": lambda: Babbler(chance),
        "forge": lambda: Forger(chance),
        "lower": lambda: Lowerer(chance),
        "splice": lambda: Splicer(chance),
        "old": Old,
    }
    return makers[role]() if role in makers else None
