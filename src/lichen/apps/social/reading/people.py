"""Lists of people, for one viewer: the followed, followers, the blocked, friends of friends.

Each is a stretch of an index of the contacts folded so far, those first of whom something was said
last. A page goes on before the ``received_no`` of a contact message, so that what is said meanwhile
shifts nothing, and costs the same however many people there are.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Literal

import msgspec

from lichen.apps.social.reading.circle import (
    BLOCKS,
    FOLLOWS,
    Circle,
    Relation,
    as_list,
    as_numbers,
    circle_of,
    feeds_in,
    feeds_marked,
    relation_word,
)
from lichen.apps.social.reading.faces import NOBODY, Face, faces
from lichen.apps.social.reading.names import names_of
from lichen.apps.social.reading.profiles import FEEDS_NAMED_MAX
from lichen.apps.social.search.excerpts import find_said
from lichen.apps.social.search.query import Said
from lichen.apps.social.search.words import searched_text
from lichen.feed.message import FeedId
from lichen.store.log import feed_mark
from lichen.store.views.queries import SqlValue

if TYPE_CHECKING:
    from lichen.store.store import Store

NEARBY_SPAN = 10_000
"""Messages of the log in which contacts are looked for first: some hundred, mostly."""
NEARBY_GROWTH = 4
"""Each further span is so many times as long."""
FOLLOWERS_LOOKED_AT = 20
"""Newest followers of somebody among whom those are looked for whom the viewer follows."""
PEOPLE_PAGE_MAX = 200
"""People of one page."""
NAMES_AT_ONCE = 200
"""Names looked at in one go, where people are looked for by name."""

PeopleKind = Literal["follows", "followers", "nearby", "blocked"]
"""Which people: see ``people``."""


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


def people(
    store: "Store",
    viewer: FeedId,
    kind: PeopleKind = "follows",
    *,
    name: str = "",
    before: int | None = None,
    limit: int = 50,
    circle: Circle | None = None,
) -> People:
    """Return a page of people, those first of whom it was said last.

    ``kind``: ``follows`` (whom the viewer follows), ``followers`` (of the viewer), ``blocked``, and
    ``nearby`` (whom those follow whom the viewer follows, but not the viewer). A page goes on
    before the ``received_no`` of a contact message, so that what is said meanwhile shifts nothing,
    and costs the same however many people there are; but with a ``name`` (only those in whose name
    a word begins so) it looks through the names of the list until the page is full.
    """
    circle = circle or circle_of(store, viewer)
    limit = max(1, min(limit, PEOPLE_PAGE_MAX))
    end = store.log.last_no + 1 if before is None else before
    if kind == "nearby":
        found = _nearby(store, circle, end, is_first=before is None)
    else:
        found = _told(store, viewer, kind, end, limit + 1)
    if name.strip():
        found = _called(store, viewer, found, name)
    # One more than is shown tells whether there is a next page.
    chosen = list(islice(found, limit + 1))
    shown = chosen[:limit]
    return People(
        _persons(store, [feed for feed, _, _ in shown], circle, {f: by for f, _, by in shown}),
        older_before=shown[-1][1] if len(chosen) > limit else None,
    )


_Told = tuple[FeedId, int, tuple[FeedId, ...]]
"""A feed, the number of the message that puts it where it stands, and who introduced it lately."""


def _called(store: "Store", viewer: FeedId, found: Iterator[_Told], name: str) -> Iterator[_Told]:
    """Yield those in whose name, as it counts for the viewer, a word begins so."""
    said = Said(searched_text(name), is_beginning=True)
    while some := list(islice(found, NAMES_AT_ONCE)):
        names = names_of(store, viewer, [feed for feed, _, _ in some])
        for one in some:
            known = names.get(one[0], "")
            # A name may be of signs alone, which are no words.
            if find_said(known, [said]) if said.text else name.strip() in known:
                yield one


def _told(
    store: "Store", viewer: FeedId, kind: PeopleKind, before: int, at_once: int
) -> Iterator[_Told]:
    """Yield whom the viewer follows or blocks, or who follows the viewer, the last told first."""
    while rows := _told_rows(store, viewer, kind, before, at_once):
        for told, number in rows:
            assert isinstance(number, int), "the column holds integers"
            feed = store.log.feed_of(told) if isinstance(told, int) else FeedId(str(told))
            if feed is not None:  # it may have been cut off the log since
                yield feed, number, ()
            before = number


def _told_rows(
    store: "Store", viewer: FeedId, kind: PeopleKind, before: int, limit: int
) -> list[tuple[SqlValue, ...]]:
    if kind == "followers":
        return store.views.read(
            "SELECT source, received_no FROM contacts INDEXED BY contacts_by_target"
            " WHERE target = ? AND value = 1 AND received_no < ? AND source != ?"
            " ORDER BY received_no DESC LIMIT ?",
            (viewer, before, feed_mark(viewer), limit),
        )
    return store.views.read(
        "SELECT target, received_no FROM contacts INDEXED BY contacts_by_source"
        " WHERE source = ? AND value = ? AND received_no < ? AND target != ?"
        " ORDER BY received_no DESC LIMIT ?",
        (feed_mark(viewer), FOLLOWS if kind == "follows" else BLOCKS, before, viewer, limit),
    )


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
            (circle.follows_marked, end - span, end),
        ):
            assert isinstance(number, int), "the column holds integers"
            if target not in seen:
                _, by = introduced.setdefault(FeedId(str(target)), (number, []))
                by.extend(feeds_marked(store, [source]))
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
    return feeds_in(
        store.views.read(
            "SELECT t.value FROM json_each(?) t WHERE EXISTS ("
            " SELECT 1 FROM contacts INDEXED BY contacts_by_target WHERE target = t.value"
            " AND contacts.value = 1 AND received_no >= ?"
            " AND source IN (SELECT value FROM json_each(?)))",
            (as_list(feeds), top, circle.follows_marked),
        )
    )


def _persons(
    store: "Store",
    feeds: Sequence[FeedId],
    circle: Circle,
    introduced: Mapping[FeedId, tuple[FeedId, ...]],
) -> tuple[Person, ...]:
    known = faces(store, circle.viewer, feeds, circle=circle)
    marks = {feed_mark(feed): feed for feed in feeds}
    seen_by = {
        marks[source]: value
        for source, value in store.views.read(
            "SELECT source, contacts.value FROM json_each(?) s"
            " CROSS JOIN contacts ON source = s.value AND target = ?",
            (as_numbers(marks), circle.viewer),
        )
        if isinstance(source, int)
    }
    others = [f for f in feeds if not introduced[f] and seen_by.get(f) != FOLLOWS]
    introducers = {**introduced, **_introducers(store, others, circle)}
    return tuple(
        Person(
            feed,
            known.get(feed, NOBODY),
            Relation(circle.word_for(feed), relation_word(seen_by.get(feed))),
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
        (as_list(feeds), FOLLOWERS_LOOKED_AT - 1, circle.follows_marked),
    ):
        found.setdefault(FeedId(str(target)), []).extend(feeds_marked(store, [source]))
    return {feed: tuple(by[:FEEDS_NAMED_MAX]) for feed, by in found.items()}
