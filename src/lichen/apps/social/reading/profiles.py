"""One person as the viewer knows them, and lists of people.

Who follows and blocks whom comes from the contacts folded so far; a distance is counted in follows
from the viewer: 0 oneself, 1 followed, 2 followed by those. Friends follow each other. Counts are
of what is known here: others may follow from feeds that this peer does not keep.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from lichen.apps.social.reading.circle import BLOCKS, FOLLOWS, Circle, as_list, circle_of
from lichen.apps.social.reading.faces import (
    NOBODY,
    Face,
    Lookalike,
    claim_of,
    face_of,
    faces,
    lookalikes,
    nearest,
)
from lichen.apps.social.rules import Claim, choose_value
from lichen.feed.message import BlobId, FeedId
from lichen.store.views.queries import SqlValue

__all__ = [
    "Face",
    "Lookalike",
    "OtherName",
    "People",
    "PeopleKind",
    "Person",
    "Profile",
    "Relation",
    "Some",
    "faces",
    "lookalikes",
    "open_profile",
    "people",
]

if TYPE_CHECKING:
    from lichen.store.store import Store

PROFILE_CLAIMS_MAX = 5_000
"""Claims about one feed that are looked at."""
OTHER_NAMES_MAX = 20
"""Names others gave that a profile lists."""
FEEDS_NAMED_MAX = 5
"""Feeds that a profile names where it counts more."""
DESCRIPTION_CHARACTERS_MAX = 8_000
"""Characters of a description: no message holds more."""
PEOPLE_MAX = 5_000
"""People that are put in order by name, so that a page of them can be shown."""
PEOPLE_PAGE_MAX = 200
"""People of one page."""


PeopleKind = Literal["follows", "followers", "nearby", "blocked"]
"""Which people: see ``people``."""


class OtherName(msgspec.Struct, frozen=True):
    """What others call somebody: ``feeds`` are some of them, nearest first, ``count`` all."""

    name: str
    feeds: tuple[FeedId, ...]
    count: int


class Some(msgspec.Struct, frozen=True):
    """How many feeds, and some of them, nearest first."""

    count: int
    feeds: tuple[FeedId, ...] = ()


class Relation(msgspec.Struct, frozen=True):
    """How two feeds see each other: ``follows``, ``blocks`` or ``none``, both ways."""

    mine: str
    theirs: str


class Profile(msgspec.Struct, frozen=True):
    """A feed as the viewer knows it. ``face`` has the name that counts, and whose word it is.

    ``follows`` and ``followers`` count what is known here. ``in_common`` are friends of both,
    ``blocked_by`` whom the viewer follows. ``message_count`` is how many of its messages are kept.
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


class Person(msgspec.Struct, frozen=True):
    """One line of a list of people. ``steps``: 0 oneself, 1 followed, 2 followed by those, 3 more.

    ``introduced_by``: those the viewer follows who follow this feed.
    """

    feed: FeedId
    face: Face
    relation: Relation
    steps: int
    introduced_by: Some


class People(msgspec.Struct, frozen=True):
    """A page of people. ``next_after`` is what to give as ``after`` for the next, None if last."""

    people: tuple[Person, ...]
    next_after: int | None
    total: int


def open_profile(
    store: "Store", viewer: FeedId, feed: FeedId, *, circle: Circle | None = None
) -> Profile:
    """Return all that is known of a feed, for the viewer."""
    circle = circle or circle_of(store, viewer)
    claims = _claims(store, feed)
    face = face_of(feed, claims["name"], claims["image"], circle)
    by_author = {claim.author: claim.value for claim in claims["name"]}
    theirs = circle_of(store, feed)
    followers = _sources(store, feed, FOLLOWS)
    last = store.log.at(feed, store.log.received(feed))
    my_friends = circle.follows & _sources(store, viewer, FOLLOWS)
    description = choose_value(claims["description"], viewer, feed)
    return Profile(
        feed=feed,
        face=face,
        petname=by_author.get(viewer) if viewer != feed else None,
        own_name=by_author.get(feed),
        other_names=_other_names(store, feed, claims["name"], circle),
        description=description[:DESCRIPTION_CHARACTERS_MAX] if description else None,
        image=face.image,
        relation=Relation(_seen(circle, feed), _seen(theirs, viewer)),
        follows=len(theirs.follows),
        followers=len(followers),
        in_common=_some(my_friends & theirs.follows & followers, circle),
        followed_by=_some(circle.follows & followers, circle),
        blocked_by=_some(circle.follows & _sources(store, feed, BLOCKS), circle),
        last_heard_ms=None if last is None else last.received_ms,
        message_count=store.log.received(feed),
        is_forked=store.log.is_forked(feed),
    )


def people(
    store: "Store",
    viewer: FeedId,
    kind: PeopleKind = "follows",
    *,
    after: int = 0,
    limit: int = 50,
    circle: Circle | None = None,
) -> People:
    """Return a page of people, ``limit`` of them from place ``after`` on.

    ``kind``: ``follows`` (whom the viewer follows) and ``followers`` (of the viewer), ``blocked``,
    all by name; ``nearby`` (followed by those, not yet by the viewer), by how many do.
    """
    circle = circle or circle_of(store, viewer)
    limit, after = max(1, min(limit, PEOPLE_PAGE_MAX)), max(0, after)
    if kind == "nearby":
        ordered: Sequence[FeedId] = _nearby(store, circle)
    else:
        chosen = {
            "follows": circle.follows,
            "followers": _sources(store, viewer, FOLLOWS),
            "blocked": circle.blocks,
        }[kind]
        ordered = _by_name(store, chosen, circle)
    shown = ordered[after : after + limit]
    return People(
        _persons(store, shown, circle),
        next_after=after + limit if after + limit < len(ordered) else None,
        total=len(ordered),
    )


def _claims(store: "Store", feed: FeedId) -> dict[str, list[Claim]]:
    claims: dict[str, list[Claim]] = {"name": [], "image": [], "description": []}
    for field, author, value in store.views.read(
        "SELECT field, author, value FROM social_abouts WHERE subject = ? LIMIT ?",
        (feed, PROFILE_CLAIMS_MAX),
    ):
        claims[str(field)].append(claim_of(author, value, is_line=field == "name"))
    return claims


def _other_names(
    store: "Store", feed: FeedId, claims: Sequence[Claim], circle: Circle
) -> tuple[OtherName, ...]:
    """Return the names that others gave, first that of whoever is nearest, then the most used."""
    namers: dict[str, list[FeedId]] = {}
    for claim in claims:
        is_other = claim.author not in {feed, circle.viewer} and claim.author not in circle.blocks
        if claim.value and is_other:
            namers.setdefault(claim.value, []).append(claim.author)
    authors = {author for feeds in namers.values() for author in feeds}
    near = _followed_by_followed(store, circle, authors)
    in_order = {name: nearest(feeds, circle, near) for name, feeds in namers.items()}

    def rank(name: str) -> tuple[int, bool, int, str]:
        first = in_order[name][0]
        return circle.steps(first), first not in near, -len(in_order[name]), name

    return tuple(
        OtherName(name, in_order[name][:FEEDS_NAMED_MAX], len(in_order[name]))
        for name in sorted(in_order, key=rank)[:OTHER_NAMES_MAX]
    )


def _followed_by_followed(
    store: "Store", circle: Circle, among: Collection[FeedId]
) -> frozenset[FeedId]:
    """Return which of these feeds somebody follows whom the viewer follows."""
    return _feeds(
        store.views.read(
            "SELECT a.value FROM json_each(?) a WHERE EXISTS ("
            " SELECT 1 FROM contacts INDEXED BY contacts_by_target WHERE target = a.value"
            " AND contacts.value = 1 AND source IN (SELECT value FROM json_each(?)))",
            (as_list(among), circle.follows_listed),
        )
    )


def _sources(store: "Store", feed: FeedId, value: int) -> frozenset[FeedId]:
    """Return who follows (1) or blocks (-1) a feed."""
    return _feeds(
        store.views.read(
            "SELECT source FROM contacts WHERE target = ?1 AND value = ?2 AND source != ?1",
            (feed, value),
        )
    )


def _nearby(store: "Store", circle: Circle) -> list[FeedId]:
    """Return who is followed by the followed, but not by the viewer, most introduced first."""
    rows = store.views.read(
        "SELECT target FROM json_each(?) f CROSS JOIN contacts ON source = f.value"
        " WHERE contacts.value = 1 AND target NOT IN (SELECT value FROM json_each(?))"
        " GROUP BY target ORDER BY count(*) DESC, target LIMIT ?",
        (circle.follows_listed, as_list(circle.mine | circle.blocks), PEOPLE_MAX),
    )
    return [FeedId(str(target)) for (target,) in rows]


def _by_name(store: "Store", feeds: Collection[FeedId], circle: Circle) -> list[FeedId]:
    """Return feeds by the names that count; those without one last."""
    bounded = sorted(feeds)[:PEOPLE_MAX]
    known = faces(store, circle.viewer, bounded, circle=circle)

    def rank(feed: FeedId) -> tuple[bool, str, FeedId]:
        name = known[feed].name
        return name is None, (name or "").casefold(), feed

    return sorted(bounded, key=rank)


def _persons(store: "Store", feeds: Sequence[FeedId], circle: Circle) -> tuple[Person, ...]:
    known = faces(store, circle.viewer, feeds, circle=circle)
    seen_by = {
        FeedId(str(source)): value
        for source, value in store.views.read(
            "SELECT source, value FROM contacts"
            " WHERE target = ? AND source IN (SELECT value FROM json_each(?))",
            (circle.viewer, as_list(feeds)),
        )
    }
    introducers: dict[FeedId, list[FeedId]] = {}
    for target, source in store.views.read(
        "SELECT target, source FROM json_each(?) a"
        " CROSS JOIN contacts INDEXED BY contacts_by_target ON target = a.value"
        " WHERE contacts.value = 1 AND source IN (SELECT value FROM json_each(?))",
        (as_list(feeds), circle.follows_listed),
    ):
        introducers.setdefault(FeedId(str(target)), []).append(FeedId(str(source)))
    return tuple(
        Person(
            feed,
            known.get(feed, NOBODY),
            Relation(_seen(circle, feed), _word(seen_by.get(feed))),
            min(circle.steps(feed), 2) if feed in introducers or feed in circle.mine else 3,
            _some(introducers.get(feed, ()), circle),
        )
        for feed in feeds
    )


def _some(feeds: Collection[FeedId], circle: Circle) -> Some:
    return Some(len(feeds), nearest(feeds, circle)[:FEEDS_NAMED_MAX])


def _seen(circle: Circle, feed: FeedId) -> str:
    """Return how the circle's feed sees another one."""
    return "follows" if feed in circle.follows else "blocks" if feed in circle.blocks else "none"


def _word(value: SqlValue) -> str:
    return "follows" if value == FOLLOWS else "blocks" if value == BLOCKS else "none"


def _feeds(rows: Sequence[Sequence[SqlValue]]) -> frozenset[FeedId]:
    return frozenset(FeedId(str(row[0])) for row in rows)
