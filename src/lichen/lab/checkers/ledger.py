"""What was truly written: every message of every author, in each version of a feed."""

from typing import Final

from lichen.feed.message import ChainedMessage, FeedId, RawMessage
from lichen.lab.world.formats import LabFormat
from lichen.lab.world.peers import LabPeer

ONE_VERSION: Final = 1


class Ledger:
    """The truth, noted down as it is written."""

    __slots__ = ("_format", "_known", "versions")

    def __init__(self, feed_format: LabFormat) -> None:
        self._format = feed_format
        self.versions: dict[FeedId, list[list[bytes]]] = {}
        self._known: dict[bytes, None] = {}

    def write(self, peer: LabPeer, sequence: int, data: bytes, branch: int) -> bool:
        """Note a message; False if the author had written another one in its place."""
        versions = self.versions.setdefault(peer.id, [])
        while len(versions) <= branch:
            versions.append([])
        version = versions[branch]
        self._known[data] = None
        if sequence == len(version) + 1:
            version.append(data)
        return version[sequence - 1 : sequence] == [data]

    def is_known(self, data: bytes) -> bool:
        """Tell whether a message was written by its author."""
        return data in self._known

    def has_id(self, feed: FeedId, data: bytes) -> bool:
        """Tell whether a text has the id of the message that its author wrote in this place."""
        message = self._chain(data)
        return message is not None and any(
            (written := self._chain(version[message.sequence - 1])) is not None
            and written.key == message.key
            for version in self.versions.get(feed, ())
            if len(version) >= message.sequence
        )

    def _chain(self, data: bytes) -> ChainedMessage | None:
        raw = self._format.parse(data)
        chained = self._format.chain_alone(raw) if isinstance(raw, RawMessage) else raw
        return chained if isinstance(chained, ChainedMessage) else None

    def is_forked(self, feed: FeedId) -> bool:
        """Tell whether a feed was written in more than one version."""
        return len(self.versions.get(feed, ())) > ONE_VERSION

    def length(self, feed: FeedId) -> int:
        """Return how many messages an author has written."""
        return max(map(len, self.versions.get(feed, ())), default=0)

    def is_prefix(self, feed: FeedId, held: list[bytes]) -> bool:
        """Tell whether messages are the beginning of a feed, in one of its versions."""
        if self.is_forked(feed):
            return self._is_chain(held)
        versions = self.versions.get(feed, ())
        return any(version[: len(held)] == held for version in versions)

    def _is_chain(self, held: list[bytes]) -> bool:
        previous = None
        for data in held:
            chained = self._chain(data)
            if chained is None or data not in self._known or chained.previous != previous:
                return False
            previous = chained.key
        return True
