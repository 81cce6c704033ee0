"""Which name counts for whom, for one viewer, and who is called so."""

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

import orjson

from lichen.apps.social.rules import Claim, choose_value
from lichen.feed.message import FeedId, MsgId
from lichen.feed.refs import is_feed_id, is_msg_id

if TYPE_CHECKING:
    from lichen.store.store import Store

NAMESAKES_MAX = 1_000
"""Feeds of one name that are given at once."""


def names_of(store: "Store", viewer: FeedId, subjects: Sequence[str]) -> dict[str, str]:
    """Return the names that count for the viewer, of those subjects that have one."""
    claims: dict[str, list[Claim]] = {}
    for subject, author, value in store.views.read(
        "SELECT subject, author, value FROM social_abouts"
        " WHERE field = 'name' AND subject IN (SELECT value FROM json_each(?))",
        (orjson.dumps(list(subjects)).decode(),),
    ):
        claim = Claim(FeedId(str(author)), None if value is None else str(value))
        claims.setdefault(str(subject), []).append(claim)
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
    mine = store.views.read(
        "SELECT subject FROM social_abouts INDEXED BY social_abouts_by_name"
        " WHERE field = 'name' AND value = ? COLLATE NOCASE AND author = ? AND subject > ?"
        " ORDER BY subject LIMIT ?",
        (name, viewer, after, limit),
    )
    if mine:
        return _named(store, viewer, name, mine)
    found: dict[FeedId, str] = {}
    while len(found) < limit:
        rows = store.views.read(
            "SELECT DISTINCT subject FROM social_abouts INDEXED BY social_abouts_by_name"
            " WHERE field = 'name' AND value = ? COLLATE NOCASE AND subject > ?"
            " ORDER BY subject LIMIT ?",
            (name, after, limit),
        )
        found |= _named(store, viewer, name, rows)
        if len(rows) < limit:
            break
        after = str(rows[-1][0])
    return dict(islice(found.items(), limit))


def _named(
    store: "Store", viewer: FeedId, name: str, rows: Sequence[Sequence[object]]
) -> dict[FeedId, str]:
    """Return those feeds of which this name counts."""
    subjects = [subject for (subject,) in rows if is_feed_id(subject)]
    names = names_of(store, viewer, subjects)
    return {
        subject: names[subject]
        for subject in subjects
        if names.get(subject, "").casefold() == name.casefold()
    }


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
