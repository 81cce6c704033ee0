"""Which name counts for whom, for one viewer, and who is called so."""

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import orjson

from lichen.apps.social.reading.faces import claim_of
from lichen.apps.social.rules import (
    NAME_CHARACTERS_MAX,
    Claim,
    choose_value,
    clean_line,
    name_skeleton,
)
from lichen.feed.message import FeedId, MsgId
from lichen.feed.refs import is_feed_id, is_msg_id

if TYPE_CHECKING:
    from lichen.store.store import Store

NAMESAKES_MAX = 1_000
"""Feeds of one name that are given at once."""


def names_of(store: "Store", viewer: FeedId, subjects: Sequence[str]) -> dict[str, str]:
    """Return the names that count for the viewer, of those subjects that have one.

    As on pages they are fit for a line, and what has no sign that can be seen is no name.
    """
    claims: dict[str, list[Claim]] = {}
    for subject, author, value in store.views.read(
        "SELECT subject, author, value FROM social_abouts"
        " WHERE field = 'name' AND subject IN (SELECT value FROM json_each(?))",
        (orjson.dumps(list(subjects)).decode(),),
    ):
        claims.setdefault(str(subject), []).append(claim_of(author, value, is_line=True))
    chosen = {
        subject: choose_value(said, viewer, _owner(store, subject))
        for subject, said in claims.items()
    }
    return {subject: name for subject, name in chosen.items() if name is not None}


def feeds_named(
    store: "Store", viewer: FeedId, name: str, *, after: str = "", limit: int = NAMESAKES_MAX
) -> dict[FeedId, str]:
    """Return the feeds that the viewer knows by this name: the one so named by the viewer, if any.

    Capitals do not count. What only others call somebody does not, where another name counts. They
    come in the order of their ids, ``limit`` of them after the id ``after``.
    """
    is_mine = any(_named(store, viewer, name, "", 1, author=viewer))
    author = viewer if is_mine else None
    return dict(islice(_named(store, viewer, name, after, limit, author=author), limit))


def _named(
    store: "Store", viewer: FeedId, name: str, after: str, at_once: int, *, author: str | None
) -> Iterator[tuple[FeedId, str]]:
    """Yield the feeds of which this name counts; with an author, of those that author named so."""
    name = clean_line(name, NAME_CHARACTERS_MAX)
    skeleton, wanted = name_skeleton(name), _without_capitals(name)
    while rows := store.views.read(
        "SELECT DISTINCT subject FROM social_abouts INDEXED BY social_abouts_by_skeleton"
        " WHERE field = 'name' AND skeleton = ?1 AND subject > ?2 AND (?3 IS NULL OR author = ?3)"
        " ORDER BY subject LIMIT ?4",
        (skeleton, after, author, at_once),
    ):
        subjects = [subject for (subject,) in rows if is_feed_id(subject)]
        names = names_of(store, viewer, subjects)
        for subject in subjects:
            if subject in names and _without_capitals(names[subject]) == wanted:
                yield subject, names[subject]
        after = str(rows[-1][0])


def _without_capitals(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def own_name_for(store: "Store", viewer: FeedId, subject: str) -> str | None:
    """Return what the viewer calls a subject; None for nothing."""
    return own_fields_for(store, viewer, subject).get("name")


def own_fields_for(store: "Store", viewer: FeedId, subject: str) -> dict[str, str | None]:
    """Return what the viewer says of a subject, field by field; None where it was taken back."""
    return {
        str(field): None if value is None else str(value)
        for field, value in store.views.read(
            "SELECT field, value FROM social_abouts WHERE subject = ? AND author = ?"
            " AND field IN ('name', 'description', 'image')",
            (subject, viewer),
        )
    }


def _owner(store: "Store", subject: str) -> FeedId | None:
    """Return who speaks for a subject: a feed for itself, an author for a message."""
    if is_feed_id(subject):
        return subject
    stored = store.log.get(MsgId(subject)) if is_msg_id(subject) else None
    return None if stored is None else stored.feed
