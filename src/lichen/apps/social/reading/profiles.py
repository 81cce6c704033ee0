"""One person as the viewer knows them.

Who follows and blocks whom comes from the contacts folded so far; a distance is counted in follows
from the viewer: 0 oneself, 1 followed, 2 followed by those. Friends follow each other. Counts are
of what is known here: others may follow from feeds that this peer does not keep.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import msgspec

from lichen.apps.social.reading.circle import (
    BLOCKS,
    Circle,
    Relation,
    as_list,
    as_numbers,
    circle_of,
    feeds_in,
    feeds_marked,
    relation_word,
)
from lichen.apps.social.reading.faces import (
    Face,
    Lookalike,
    claim_of,
    faces,
    lookalikes,
    nearest,
)
from lichen.apps.social.rules import choose_value
from lichen.feed.message import BlobId, FeedId
from lichen.store.log import feed_mark
from lichen.store.views.queries import SqlValue

__all__ = [
    "Face",
    "Lookalike",
    "OtherName",
    "Profile",
    "Relation",
    "Some",
    "faces",
    "lookalikes",
    "open_profile",
]

if TYPE_CHECKING:
    from lichen.store.store import Store

PROFILE_CLAIMS_MAX = 5_000
"""Descriptions of one feed by others that are looked at."""
NAMERS_LOOKED_AT = 50
"""Others who named a feed whose words are looked at, those whom the viewer follows first."""
OTHER_NAMES_MAX = 20
"""Names others gave that a profile lists."""
FEEDS_NAMED_MAX = 5
"""Feeds that a profile names where it counts more."""
DESCRIPTION_CHARACTERS_MAX = 8_000
"""Characters of a description: no message holds more."""


class OtherName(msgspec.Struct, frozen=True):
    """What others call somebody: ``feeds`` are some of them, nearest first, ``count`` all."""

    name: str
    feeds: tuple[FeedId, ...]
    count: int


class Some(msgspec.Struct, frozen=True):
    """How many feeds, and some of them, nearest first."""

    count: int
    feeds: tuple[FeedId, ...] = ()


class Profile(msgspec.Struct, frozen=True):
    """A feed as the viewer knows it. ``face`` has the name that counts, and whose word it is.

    ``follows`` and ``followers`` count what is known here. ``in_common`` are friends of both,
    ``blocked_by`` whom the viewer follows; of oneself they are not asked. ``message_count`` is how
    many of its messages are kept.
    """

    feed: FeedId
    face: Face
    petname: str | None
    own_name: str | None
    other_names: tuple[OtherName, ...]
    description: str | None
    image: BlobId | None
    relation: Relation
    follows: int
    followers: int
    in_common: Some
    followed_by: Some
    """Those the viewer follows who follow this feed: who introduces it."""
    blocked_by: Some
    last_heard_ms: float | None
    message_count: int
    is_forked: bool


def open_profile(
    store: "Store", viewer: FeedId, feed: FeedId, *, circle: Circle | None = None
) -> Profile:
    """Return all that is known of a feed, for the viewer."""
    circle = circle or circle_of(store, viewer)
    face = faces(store, viewer, [feed], circle=circle)[feed]
    said = _fields_said(store, viewer, feed)
    follows, relation_back = _seen_from(store, feed, viewer)
    followed_by, in_common = _followed_in_between(store, circle, feed)
    blockers = circle.follows & _blockers(store, feed)
    last = store.log.at(feed, store.log.received(feed))
    description = said.get(("description", viewer)) or said.get(("description", feed))
    if not description:
        description = _description_by_others(store, feed)
    return Profile(
        feed=feed,
        face=face,
        petname=said.get(("name", viewer)) if viewer != feed else None,
        own_name=said.get(("name", feed)),
        other_names=_other_names(store, feed, circle),
        description=description[:DESCRIPTION_CHARACTERS_MAX] if description else None,
        image=face.image,
        relation=Relation(circle.word_for(feed), relation_back),
        follows=follows,
        followers=_count_followers(store, feed),
        in_common=_some(in_common),
        followed_by=_some(followed_by),
        blocked_by=_some(blockers),
        last_heard_ms=None if last is None else last.received_ms,
        message_count=store.log.received(feed),
        is_forked=store.log.is_forked(feed),
    )


def _fields_said(
    store: "Store", viewer: FeedId, feed: FeedId
) -> dict[tuple[str, FeedId], str | None]:
    """Return what the viewer and a feed itself say of its fields."""
    return {
        (str(field), FeedId(str(author))): claim_of(author, value, is_line=field == "name").value
        for field, author, value in store.views.read(
            "SELECT field, author, value FROM social_abouts WHERE subject = ?1"
            " AND field IN ('name', 'description') AND author IN (?1, ?2)",
            (feed, viewer),
        )
    }


def _description_by_others(store: "Store", feed: FeedId) -> str | None:
    """Return how most others describe a feed that neither the viewer nor it itself describes."""
    rows = store.views.read(
        "SELECT author, value FROM social_abouts WHERE subject = ? AND field = 'description'"
        " LIMIT ?",
        (feed, PROFILE_CLAIMS_MAX),
    )
    claims = [claim_of(author, value, is_line=False) for author, value in rows]
    return choose_value(claims, feed, feed)


def _other_names(store: "Store", feed: FeedId, circle: Circle) -> tuple[OtherName, ...]:
    """Return the names that others gave, first that of whoever is nearest, then the most used."""
    namers: dict[str, list[FeedId]] = {}
    for author, value in store.views.read(
        "SELECT author, value FROM social_abouts"
        " WHERE subject = ?1 AND field = 'name' AND author NOT IN (?1, ?2)"
        " AND author NOT IN (SELECT value FROM json_each(?3))"
        # Were there very many, those would count whom the viewer follows.
        " ORDER BY author NOT IN (SELECT value FROM json_each(?4)) LIMIT ?5",
        (feed, circle.viewer, circle.blocks_listed, circle.follows_listed, NAMERS_LOOKED_AT),
    ):
        if name := claim_of(author, value, is_line=True).value:
            namers.setdefault(name, []).append(FeedId(str(author)))
    authors = {author for feeds in namers.values() for author in feeds}
    near = _followed_by_followed(store, circle, authors - circle.follows)
    in_order = {name: nearest(feeds, circle, near) for name, feeds in namers.items()}

    def rank(name: str) -> tuple[int, bool, int, str]:
        first = in_order[name][0]
        return circle.steps(first), first not in near, -len(in_order[name]), name

    return tuple(
        OtherName(name, in_order[name][:FEEDS_NAMED_MAX], len(in_order[name]))
        for name in sorted(in_order, key=rank)[:OTHER_NAMES_MAX]
    )


def _seen_from(store: "Store", feed: FeedId, viewer: FeedId) -> tuple[int, str]:
    """Return how many a feed follows, and how it sees the viewer."""
    ((follows, value),) = store.views.read(
        "SELECT (SELECT count(*) FROM contacts WHERE source = ?1 AND value = 1 AND target != ?2),"
        " (SELECT value FROM contacts WHERE source = ?1 AND target = ?3 AND target != ?2)",
        (feed_mark(feed), feed, viewer),
    )
    assert isinstance(follows, int), "a count is a number"
    return follows, relation_word(value)


def _count_followers(store: "Store", feed: FeedId) -> int:
    ((count,),) = store.views.read(
        "SELECT count(*) FROM contacts WHERE target = ? AND value = 1 AND source != ?",
        (feed, feed_mark(feed)),
    )
    assert isinstance(count, int), "a count is a number"
    return count


def _followed_in_between(
    store: "Store", circle: Circle, feed: FeedId
) -> tuple[frozenset[FeedId], frozenset[FeedId]]:
    """Return whom the viewer follows of a feed's followers, and who of them is a friend of both."""
    if feed == circle.viewer:
        return frozenset(), frozenset()
    mark = feed_mark(feed)
    followed_by = _sources(
        store,
        "SELECT source FROM contacts INDEXED BY contacts_by_target WHERE target = ?1"
        " AND value = 1 AND source != ?2 AND source IN (SELECT value FROM json_each(?3))",
        (feed, mark, circle.follows_marked),
    )
    friends = feeds_in(
        store.views.read(
            "SELECT target FROM json_each(?) t CROSS JOIN contacts"
            " ON source = ? AND target = t.value AND contacts.value = 1",
            (as_list(followed_by), mark),
        )
    )
    in_common = _sources(
        store,
        "SELECT source FROM json_each(?) s CROSS JOIN contacts"
        " ON source = s.value AND target = ? AND contacts.value = 1",
        (as_numbers(list(map(feed_mark, friends))), circle.viewer),
    )
    return followed_by, in_common


def _followed_by_followed(
    store: "Store", circle: Circle, among: Collection[FeedId]
) -> frozenset[FeedId]:
    """Return which of these feeds somebody follows whom the viewer follows."""
    return feeds_in(
        store.views.read(
            "SELECT a.value FROM json_each(?) a WHERE EXISTS ("
            " SELECT 1 FROM contacts INDEXED BY contacts_by_target WHERE target = a.value"
            " AND contacts.value = 1 AND source IN (SELECT value FROM json_each(?)))",
            (as_list(among), circle.follows_marked),
        )
    )


def _blockers(store: "Store", feed: FeedId) -> frozenset[FeedId]:
    """Return who blocks a feed."""
    return _sources(
        store,
        "SELECT source FROM contacts WHERE target = ? AND value = ? AND source != ?",
        (feed, BLOCKS, feed_mark(feed)),
    )


def _sources(store: "Store", sql: str, bindings: Sequence[SqlValue]) -> frozenset[FeedId]:
    return frozenset(feeds_marked(store, (mark for (mark,) in store.views.read(sql, bindings))))


def _some(feeds: Collection[FeedId]) -> Some:
    """Return how many these are whom the viewer follows, and some; all are as near."""
    return Some(len(feeds), tuple(sorted(feeds)[:FEEDS_NAMED_MAX]))
