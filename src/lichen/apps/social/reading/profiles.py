"""One person as the viewer knows them, and lists of people.

Who follows and blocks whom comes from the contacts folded so far; a distance is counted in follows
from the viewer: 0 oneself, 1 followed, 2 followed by those. Friends follow each other. Counts are
of what is known here: others may follow from feeds that this peer does not keep.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
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
NEARBY_SPAN = 10_000
"""Messages of the log in which contacts are looked for first: some hundred, mostly."""
NEARBY_GROWTH = 4
"""Each further span is so many times as long."""
FOLLOWERS_LOOKED_AT = 20
"""Newest followers of somebody among whom those are looked for whom the viewer follows."""
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
    """One line of a list of people.

    ``introduced_by``: some of those the viewer follows who follow this feed; none are looked for
    where they follow the viewer.
    """

    feed: FeedId
    face: Face
    relation: Relation
    introduced_by: tuple[FeedId, ...]


class People(msgspec.Struct, frozen=True):
    """A page of people. ``older_before``: where the next page goes on, None after the last."""

    people: tuple[Person, ...]
    older_before: int | None


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
    before: int | None = None,
    limit: int = 50,
    circle: Circle | None = None,
) -> People:
    """Return a page of people, those first of whom it was said last.

    ``kind``: ``follows`` (whom the viewer follows), ``followers`` (of the viewer), ``blocked``, and
    ``nearby`` (whom those follow whom the viewer follows, but not the viewer). A page goes on
    before the ``received_no`` of a contact message, so that what is said meanwhile shifts nothing,
    and costs the same however many people there are.
    """
    circle = circle or circle_of(store, viewer)
    limit = max(1, min(limit, PEOPLE_PAGE_MAX))
    end = store.log.last_no + 1 if before is None else before
    if kind == "nearby":
        found = _nearby(store, circle, end, is_first=before is None)
    else:
        found = iter(_told(store, viewer, kind, end, limit + 1))
    # One more than is shown tells whether there is a next page.
    chosen = list(islice(found, limit + 1))
    shown = chosen[:limit]
    return People(
        _persons(store, [feed for feed, _, _ in shown], circle, {f: by for f, _, by in shown}),
        older_before=shown[-1][1] if len(chosen) > limit else None,
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


_Told = tuple[FeedId, int, tuple[FeedId, ...]]
"""A feed, the number of the message that puts it where it stands, and who introduced it lately."""


def _told(
    store: "Store", viewer: FeedId, kind: PeopleKind, before: int, limit: int
) -> Iterator[_Told]:
    """Yield whom the viewer follows or blocks, or who follows the viewer, the last told first."""
    if kind == "followers":
        rows = store.views.read(
            "SELECT source, received_no FROM contacts INDEXED BY contacts_by_target"
            " WHERE target = ?1 AND value = 1 AND received_no < ?2 AND source != ?1"
            " ORDER BY received_no DESC LIMIT ?3",
            (viewer, before, limit),
        )
    else:
        rows = store.views.read(
            "SELECT target, received_no FROM contacts INDEXED BY contacts_by_source"
            " WHERE source = ?1 AND value = ?2 AND received_no < ?3 AND target != ?1"
            " ORDER BY received_no DESC LIMIT ?4",
            (viewer, FOLLOWS if kind == "follows" else BLOCKS, before, limit),
        )
    for feed, number in rows:
        assert isinstance(number, int), "the column holds integers"
        yield FeedId(str(feed)), number, ()


def _nearby(store: "Store", circle: Circle, end: int, *, is_first: bool) -> Iterator[_Told]:
    """Yield whom the followed follow, but not the viewer, the last introduced first."""
    top, span = end, NEARBY_SPAN
    seen: set[FeedId] = set(circle.mine | circle.blocks)
    while end > 0:
        introduced: dict[FeedId, tuple[int, list[FeedId]]] = {}
        for target, source, number in store.views.read(
            "SELECT target, source, received_no FROM json_each(?) f"
            " CROSS JOIN contacts INDEXED BY contacts_by_source ON source = f.value"
            " WHERE contacts.value = 1 AND received_no >= ? AND received_no < ?"
            " ORDER BY received_no DESC",
            (circle.follows_listed, end - span, end),
        ):
            assert isinstance(number, int), "the column holds integers"
            if target not in seen:
                _, by = introduced.setdefault(FeedId(str(target)), (number, []))
                by.append(FeedId(str(source)))
        seen.update(introduced)
        earlier = set() if is_first else _introduced_later(store, circle, introduced, top)
        for feed, (number, by) in introduced.items():
            if feed not in earlier:
                yield feed, number, tuple(by[:FEEDS_NAMED_MAX])
        end, span = end - span, span * NEARBY_GROWTH


def _introduced_later(
    store: "Store", circle: Circle, feeds: Collection[FeedId], top: int
) -> frozenset[FeedId]:
    """Return those who stand on an earlier page."""
    return _feeds(
        store.views.read(
            "SELECT t.value FROM json_each(?) t WHERE EXISTS ("
            " SELECT 1 FROM contacts INDEXED BY contacts_by_target WHERE target = t.value"
            " AND contacts.value = 1 AND received_no >= ?"
            " AND source IN (SELECT value FROM json_each(?)))",
            (as_list(feeds), top, circle.follows_listed),
        )
    )


def _persons(
    store: "Store",
    feeds: Sequence[FeedId],
    circle: Circle,
    introduced: Mapping[FeedId, tuple[FeedId, ...]],
) -> tuple[Person, ...]:
    known = faces(store, circle.viewer, feeds, circle=circle)
    seen_by = {
        FeedId(str(source)): value
        for source, value in store.views.read(
            "SELECT source, contacts.value FROM json_each(?) s"
            " CROSS JOIN contacts ON source = s.value AND target = ?",
            (as_list(feeds), circle.viewer),
        )
    }
    others = [f for f in feeds if not introduced[f] and seen_by.get(f) != FOLLOWS]
    introducers = {**introduced, **_introducers(store, others, circle)}
    return tuple(
        Person(
            feed,
            known.get(feed, NOBODY),
            Relation(_seen(circle, feed), _word(seen_by.get(feed))),
            introducers[feed],
        )
        for feed in feeds
    )


def _introducers(
    store: "Store", feeds: Collection[FeedId], circle: Circle
) -> dict[FeedId, tuple[FeedId, ...]]:
    """Return some whom the viewer follows among the newest followers of each feed that has such."""
    found: dict[FeedId, list[FeedId]] = {}
    for target, source in store.views.read(
        "SELECT target, source FROM json_each(?) t"
        " CROSS JOIN contacts INDEXED BY contacts_by_target ON target = t.value"
        " AND contacts.value = 1 AND received_no >= ifnull((SELECT received_no FROM contacts"
        "  INDEXED BY contacts_by_target WHERE target = t.value AND contacts.value = 1"
        "  ORDER BY received_no DESC LIMIT 1 OFFSET ?), 0)"
        " WHERE source IN (SELECT value FROM json_each(?)) ORDER BY t.key, received_no DESC",
        (as_list(feeds), FOLLOWERS_LOOKED_AT - 1, circle.follows_listed),
    ):
        found.setdefault(FeedId(str(target)), []).append(FeedId(str(source)))
    return {feed: tuple(by[:FEEDS_NAMED_MAX]) for feed, by in found.items()}


def _some(feeds: Collection[FeedId], circle: Circle) -> Some:
    return Some(len(feeds), nearest(feeds, circle)[:FEEDS_NAMED_MAX])


def _seen(circle: Circle, feed: FeedId) -> str:
    """Return how the circle's feed sees another one."""
    return "follows" if feed in circle.follows else "blocks" if feed in circle.blocks else "none"


def _word(value: SqlValue) -> str:
    return "follows" if value == FOLLOWS else "blocks" if value == BLOCKS else "none"


def _feeds(rows: Sequence[Sequence[SqlValue]]) -> frozenset[FeedId]:
    return frozenset(FeedId(str(row[0])) for row in rows)
