"""Which messages of a feed still wait for the audit of their signatures: stretches, in order.

They are few: what comes from one peer in one go is one stretch, also if some messages within were
checked on receipt. To check those once more costs less than to keep the pieces apart.
"""

from collections.abc import Iterable, Iterator, Mapping

from lichen.feed.message import FeedId
from lichen.store.ingest.values import Unaudited

JOIN_GAP_MAX = 64
"""Checked messages between two stretches that are still made one: the newest of each batch is."""

Stretches = tuple[Unaudited, ...]


def possible(read: Iterable[Unaudited], clock: Mapping[FeedId, int]) -> Iterator[Unaudited]:
    """Yield stretches as far as they can be; of one that the disk has changed, all that follows."""
    for each in read:
        newest = clock.get(each.feed, 0)
        if each.first <= newest:
            last = each.last if each.first <= each.last <= newest else newest
            yield Unaudited(each.feed, max(each.first, 1), last, each.source)


def with_stretches(
    held: Mapping[FeedId, Stretches], added: Iterable[Unaudited]
) -> dict[FeedId, Stretches]:
    """Return what the stretches of those feeds become that go on with further ones."""
    changed: dict[FeedId, Stretches] = {}
    for new in added:
        feed = new.feed
        stretches = changed[feed] if feed in changed else held.get(feed, ())
        newest = stretches[-1] if stretches else None
        if (
            newest is not None
            and newest.source == new.source
            and new.first - newest.last <= JOIN_GAP_MAX + 1
        ):
            joined = Unaudited(feed, newest.first, max(newest.last, new.last), new.source)
            changed[feed] = (*stretches[:-1], joined)
        else:
            changed[feed] = (*stretches, new)
    return changed


def without(stretches: Stretches, first: int, last: int) -> Stretches:
    """Return what is left of stretches when messages ``first`` to ``last`` are audited, or gone."""
    left: list[Unaudited] = []
    for each in stretches:
        if each.last < first or last < each.first:
            left.append(each)
            continue
        if each.first < first:
            left.append(Unaudited(each.feed, each.first, first - 1, each.source))
        if last < each.last:
            left.append(Unaudited(each.feed, last + 1, each.last, each.source))
    return tuple(left)


def count(stretches: Iterable[Stretches]) -> int:
    """Return how many messages the stretches of several feeds hold."""
    return sum(each.last - each.first + 1 for some in stretches for each in some)
