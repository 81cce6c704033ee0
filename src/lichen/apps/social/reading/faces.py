"""What stands beside everything somebody wrote: a name, a picture, and whose words the name is.

Names and pictures are chosen as ssb-about does: what the viewer says, else what the subject says,
else what most people say. What these two say of all feeds of a page is one question; what others
say is asked of those alone for whom that is nothing. What is claimed goes through ``clean_line``:
no name can break out of its line or turn the writing around.

``lookalikes`` compares names by ``name_skeleton``, which finds the easy tricks only.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from lichen.apps.social.reading.circle import Circle, as_hex, as_list, circle_of
from lichen.apps.social.rules import (
    EXPRESSION_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    Claim,
    choose_value,
    clean_line,
    name_skeleton,
    plain_expression,
)
from lichen.feed.message import BlobId, FeedId, MsgId
from lichen.feed.refs import is_blob_id, is_feed_id
from lichen.store.log import feed_mark, message_mark

if TYPE_CHECKING:
    from lichen.store.store import Store

CLAIMS_MAX = 20_000
"""Claims read for one page: a hundred feeds, each named and pictured by a hundred others."""
NAMERS_MAX = 3
"""Feeds that a face names as those who call somebody so."""
LOOKALIKES_MAX = 10
"""Feeds with a confusable name that are looked at."""
VOTES_MAX = 20_000
"""Votes read for one page."""
VOTERS_MAX = 30
"""Feeds that a reaction names."""


class Face(msgspec.Struct, frozen=True):
    """Who is meant. ``name`` is None where nobody says any; then the id stands for it.

    ``is_own_name``: it is what they call themselves. ``is_petname``: it is the viewer's word.
    Otherwise ``namers`` say so, nearest first, ``namer_count`` of them in all. ``own_name`` is what
    they call themselves in any case.
    """

    name: str | None
    image: BlobId | None
    is_own_name: bool
    is_petname: bool = False
    own_name: str | None = None
    namers: tuple[FeedId, ...] = ()
    namer_count: int = 0


NOBODY = Face(None, None, is_own_name=False)


class Lookalike(msgspec.Struct, frozen=True):
    """Another feed whose name can be mistaken."""

    feed: FeedId
    name: str


class Reaction(msgspec.Struct, frozen=True):
    """How many like a message by an expression; an empty one is a plain like.

    ``feeds``: some of them, nearest first.
    """

    expression: str
    count: int
    feeds: tuple[FeedId, ...]
    is_mine: bool


def faces(
    store: "Store", viewer: FeedId, feeds: Collection[FeedId], *, circle: Circle | None = None
) -> dict[FeedId, Face]:
    """Return the face of each feed, for a whole page in one question."""
    circle = circle or Circle(viewer)
    names, images = _claims_that_settle(store, viewer, feeds)
    for field, of_field in (("name", names), ("image", images)):
        # Only where neither the viewer nor the subject says anything does count what others say.
        open_feeds = [f for f in feeds if not any(claim.value for claim in of_field.get(f, ()))]
        if not open_feeds:
            continue
        for subject, author, value in store.views.read(
            "SELECT subject, author, value FROM social_abouts"
            " WHERE subject IN (SELECT value FROM json_each(?)) AND field = ? LIMIT ?",
            (as_list(open_feeds), field, CLAIMS_MAX),
        ):
            claim = claim_of(author, value, is_line=field == "name")
            of_field.setdefault(FeedId(str(subject)), []).append(claim)
    return {
        feed: face_of(feed, names.get(feed, ()), images.get(feed, ()), circle) for feed in feeds
    }


_Claims = dict[FeedId, list[Claim]]


def _claims_that_settle(
    store: "Store", viewer: FeedId, feeds: Collection[FeedId]
) -> tuple[_Claims, _Claims]:
    """Return what the viewer and each feed itself say of its name, and of its picture."""
    names: _Claims = {}
    images: _Claims = {}
    for subject, field, author, value in store.views.read(
        "SELECT subject, field, author, social_abouts.value FROM json_each(?) s"
        " CROSS JOIN social_abouts ON subject = s.value"
        " WHERE field IN ('name', 'image') AND author IN (?, s.value)",
        (as_list(feeds), viewer),
    ):
        of_field = names if field == "name" else images
        claim = claim_of(author, value, is_line=field == "name")
        of_field.setdefault(FeedId(str(subject)), []).append(claim)
    return names, images


def claim_of(author: object, value: object, *, is_line: bool) -> Claim:
    """Return a claim as read from the view, a name made fit for a line."""
    text = None if value is None else str(value)
    if text is not None and is_line:
        text = clean_line(text, NAME_CHARACTERS_MAX) or None
    return Claim(FeedId(str(author)), text)


def face_of(feed: FeedId, names: Sequence[Claim], images: Sequence[Claim], circle: Circle) -> Face:
    """Choose a face from all claims."""
    by_author = {claim.author: claim.value for claim in names}
    name = choose_value(names, circle.viewer, feed)
    own_name = by_author.get(feed)
    is_petname = circle.viewer != feed and name is not None and by_author.get(circle.viewer) == name
    is_own_name = name is not None and own_name == name
    namers: tuple[FeedId, ...] = ()
    if not is_own_name and not is_petname:
        namers = nearest([c.author for c in names if c.value == name and name], circle)
    image = choose_value(images, circle.viewer, feed)
    return Face(
        name=name,
        image=BlobId(image) if is_blob_id(image) else None,
        is_own_name=is_own_name,
        is_petname=is_petname,
        own_name=own_name,
        namers=namers[:NAMERS_MAX],
        namer_count=len(namers),
    )


def nearest(
    feeds: Collection[FeedId], circle: Circle, near: Collection[FeedId] = ()
) -> tuple[FeedId, ...]:
    """Return feeds ordered by distance: the viewer, the followed, those in ``near``, the others."""
    return tuple(
        sorted(feeds, key=lambda feed: (circle.steps(feed), feed not in near, feed)),
    )


def lookalikes(
    store: "Store", viewer: FeedId, feed: FeedId, *, circle: Circle | None = None
) -> list[Lookalike]:
    """Return other known feeds whose name, as the viewer sees it, can be mistaken for this one's.

    Capitals, compatibility forms, accents and the commonest twins of letters do not count. Were
    there very many, those are looked at who call themselves so, or whom the viewer does.
    """
    circle = circle or circle_of(store, viewer)
    name = faces(store, viewer, [feed], circle=circle)[feed].name
    skeleton = name_skeleton(name) if name else ""
    if not skeleton:
        return []
    rows = store.views.read(
        "SELECT subject FROM social_abouts WHERE field = 'name' AND skeleton = ?"
        " AND subject != ? GROUP BY subject"
        " ORDER BY min(author != subject AND author != ?), subject LIMIT ?",
        (skeleton, feed, viewer, LOOKALIKES_MAX),
    )
    others = [subject for (subject,) in rows if is_feed_id(subject)]
    seen = faces(store, viewer, others, circle=circle)
    return [
        Lookalike(other, known_as)
        for other in nearest(others, circle)
        if (known_as := seen[other].name) is not None and name_skeleton(known_as) == skeleton
    ]


def reactions(
    store: "Store", viewer: FeedId, keys: Collection[MsgId], *, circle: Circle | None = None
) -> dict[MsgId, tuple[Reaction, ...]]:
    """Return how messages are liked, the most frequent expression first, in one question.

    Only votes above 0 count, the latest of each author, and none of a blocked feed.
    """
    circle = circle or circle_of(store, viewer)
    found: dict[MsgId, dict[str, list[FeedId]]] = {}
    marks = {message_mark(key): key for key in keys}
    for target, mark, expression in store.views.read(
        "SELECT target, author, expression FROM social_votes"
        " WHERE target IN (SELECT unhex(value) FROM json_each(?)) AND value > 0"
        " AND author NOT IN (SELECT value FROM json_each(?)) LIMIT ?",
        (as_hex(marks), circle.blocks_marked, VOTES_MAX),
    ):
        author = store.log.feed_of(mark) if isinstance(mark, int) else None
        if author is not None and isinstance(target, bytes):
            of_target = found.setdefault(marks[target], {})
            of_target.setdefault(plain_expression(str(expression)), []).append(author)
    return {target: _ranked(said, circle) for target, said in found.items()}


def own_vote(store: "Store", viewer: FeedId, key: MsgId) -> tuple[int, str] | None:
    """Return value and expression of the viewer's latest vote on a message; None for no vote."""
    for value, expression in store.views.read(
        "SELECT value, expression FROM social_votes WHERE target = ? AND author = ?",
        (message_mark(key), feed_mark(viewer)),
    ):
        assert isinstance(value, int), "the column holds integers"
        return value, str(expression)[:EXPRESSION_CHARACTERS_MAX]
    return None


def _ranked(said: Mapping[str, Sequence[FeedId]], circle: Circle) -> tuple[Reaction, ...]:
    return tuple(
        Reaction(
            expression,
            len(feeds),
            nearest(feeds, circle)[:VOTERS_MAX],
            circle.viewer in feeds,
        )
        for expression, feeds in sorted(said.items(), key=lambda item: (-len(item[1]), item[0]))
    )
