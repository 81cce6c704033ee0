"""A newcomer on a thin line: when the nearest people can be read, while the rest still comes.

One peer carries many feeds, as a friend or a pub does; a newcomer that follows some of their
authors connects over a line of some megabits, and gets everything. Both run the deployed code. What
the newcomer follows is noted first and sent as whole feeds, so it should be there after its share
of all bytes. ``least_s`` is what the line takes for the bytes of those feeds alone.
"""

from collections.abc import Sequence
from typing import Final

import orjson

from lichen.feed.content import Contact
from lichen.feed.message import FeedId, FeedState, RawMessage
from lichen.gossip.effects import Effect
from lichen.gossip.events import Address, Event, Ingested
from lichen.lab.experiments.experiment import Impossible, ResultRow, Values
from lichen.lab.world.chance import Chance
from lichen.lab.world.formats import lab_identity
from lichen.lab.world.garbage import rare_collections
from lichen.lab.world.links import End
from lichen.lab.world.network import Steady
from lichen.lab.world.peers import LabPeer
from lichen.lab.world.world import World
from lichen.wire.events import Command

WAY_S: Final = 0.05
"""From one end of the line to the other."""
STEP_S: Final = 1.0
END_S: Final = 24 * 3600.0
TEXT_CHARACTERS: Final = (40, 600)
"""Posts of so many characters: messages of some 700 bytes, as the network has them."""
WRITTEN_MS: Final = 1_700_000_000_000.0


class Watch:
    """Measures when the newcomer has all of a feed."""

    def __init__(self, world: World, newcomer: LabPeer, lengths: dict[FeedId, int]) -> None:
        self._world = world
        self._newcomer = newcomer
        self._lengths = lengths
        self.whole_s: dict[FeedId, float] = {}

    def handled(self, peer: LabPeer, event: Event, answer: Sequence[Effect]) -> None:
        """Note which feeds are whole now."""
        if peer is not self._newcomer or type(event) is not Ingested:
            return
        for grown in event.progress:
            if grown.last == self._lengths.get(grown.feed):
                self.whole_s[grown.feed] = self._world.now

    def delivered(self, end: End, command: Command) -> None:
        """Look at nothing."""

    def published(self, peer: LabPeer, sequence: int, data: bytes, branch: int) -> None:
        """Look at nothing."""


def run(seed: int, values: Values) -> list[ResultRow]:
    """Let a newcomer join. Raises Impossible."""
    feeds, near = int(values["feeds"]), int(values["near"])
    if near > feeds:
        raise Impossible(f"of {feeds} feeds nobody can follow {near}")
    if int(values["messages"]) < feeds:
        raise Impossible(f"{feeds} feeds have as many messages at least")
    with rare_collections():
        return [_join(seed, values, feeds, near)]


def _join(seed: int, values: Values, feeds: int, near: int) -> ResultRow:
    world = World(seed, latency=Steady(WAY_S))
    world.bytes_per_s = float(values["megabits"]) * 1e6 / 8
    authors = [lab_identity(2 + number).id for number in range(feeds)]
    followed = authors[:: feeds // near][:near]
    host = LabPeer(world, 0, hops_max=1, contacts=_follows(lab_identity(0).id, authors))
    contacts = _follows(lab_identity(1).id, followed) + _follows(followed[0], authors)
    newcomer = LabPeer(world, 1, hops_max=2, contacts=contacts)
    newcomer.addresses = {host.address: Address(host.address, host.id)}
    chance = Chance(seed, "joining")
    lengths = _write(world, host, feeds, int(values["messages"]), chance)
    watch = world.watcher = Watch(world, newcomer, lengths)
    for peer in (host, newcomer):
        world.admit(peer)
    while len(watch.whole_s) < feeds and world.now < END_S:
        world.run(world.now + STEP_S)
    ends = [watch.whole_s[feed] for feed in followed]
    near_bytes = sum(len(data) for feed in followed for data in host.log.feeds[feed])
    return {
        "messages": sum(lengths.values()),
        "near_messages": sum(lengths[feed] for feed in followed),
        "first_s": min(ends),
        "near_s": max(ends),
        "least_s": near_bytes / world.bytes_per_s,
        "all_s": max(watch.whole_s.values()),
        "bytes": world.byte_count,
        "trace_hash": world.trace_hash,
    }


def _follows(source: FeedId, targets: Sequence[FeedId]) -> tuple[Contact, ...]:
    return tuple(Contact(source, target, 1, 1) for target in targets if target != source)


def _write(
    world: World, host: LabPeer, feeds: int, messages: int, chance: Chance
) -> dict[FeedId, int]:
    """Have authors write feeds, the first the longest, each next a little shorter."""
    weights = [1.0 / (10 + number) for number in range(feeds)]
    lengths: dict[FeedId, int] = {}
    for number, weight in enumerate(weights):
        identity = lab_identity(2 + number)
        length = max(1, round(messages * weight / sum(weights)))
        state: FeedState | None = None
        batch = []
        for sequence in range(length):
            text = "x" * (TEXT_CHARACTERS[0] + chance.below(TEXT_CHARACTERS[1]))
            content = orjson.dumps({"type": "post", "text": text})
            at = WRITTEN_MS + sequence * 1000
            message = world.feed_format.create(content, identity, state, at)
            state = FeedState(message.sequence, message.key)
            batch.append(RawMessage(message.author, message.sequence, message.data))
        host.log.ingest(None, batch)
        lengths[identity.id] = length
    host.log.sync()
    return lengths
