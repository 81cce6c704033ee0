"""A question as it is typed, to an answer with what there is to say about it, for every face."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from lichen.apps.social.reading.circle import Circle, circle_of
from lichen.apps.social.search.people import PEOPLE_MAX, people_meant
from lichen.apps.social.search.query import BEST, Complaint, Query, parse_query
from lichen.apps.social.search.reading import (
    BEST_WINDOW,
    LIMIT_DEFAULT,
    WINDOW,
    Answer,
    parse_cursor,
    search,
)
from lichen.feed.message import FeedId
from lichen.words import N_, N_many, Phrase

if TYPE_CHECKING:
    from lichen.store.store import Store

WORD_CHARACTERS_SHOWN = 60
"""Characters of what was typed that stand in a sentence of ours."""


class Asked(msgspec.Struct, frozen=True):
    """What was understood, whom its names mean, what fits, and what to say about it."""

    query: Query
    people: Mapping[str, tuple[FeedId, ...]]
    answer: Answer
    notes: tuple[Phrase, ...]


def ask(
    store: "Store",
    viewer: FeedId,
    text: str,
    now_s: float,
    *,
    after: str = "",
    limit: int = LIMIT_DEFAULT,
) -> Asked | Complaint:
    """Answer a question as it was typed. Days are those of this machine's zone.

    ``after``: where a page goes on, as the answer before said; another text begins anew.
    """
    now = dt.datetime.fromtimestamp(now_s)  # noqa: DTZ006 (the reader's day, summer time and all)
    query = parse_query(text, now)
    if isinstance(query, Complaint):
        return query
    people = {typed: people_meant(store, viewer, typed) for typed in query.people()}
    circle = circle_of(store, viewer)
    answer = search(
        store, viewer, query, people, after=parse_cursor(after), limit=limit, circle=circle
    )
    return Asked(query, people, answer, tuple(_notes(query, people, answer, circle)))


def _notes(
    query: Query, people: Mapping[str, tuple[FeedId, ...]], answer: Answer, circle: Circle
) -> Iterator[Phrase]:
    if query.is_empty:
        yield N_("Only words and numbers can be looked for, and here is none.")
    if query.is_private:
        yield N_("Private messages cannot be opened here yet, so none of them is searched.")
    for typed, feeds in people.items():
        shown = typed[:WORD_CHARACTERS_SHOWN]
        if not feeds:
            yield N_("Nobody here is called {name}.", name=shown)
        elif len(feeds) >= PEOPLE_MAX:
            yield N_(
                "{name} can mean {n} people or more; the nearest are meant.",
                n=PEOPLE_MAX,
                name=shown,
            )
        elif len(feeds) > 1:
            yield N_many(
                "{name} can mean {n} person; all are meant.",
                "{name} can mean {n} people; all are meant.",
                len(feeds),
                name=shown,
            )
        elif feeds[0] in circle.blocks:
            yield N_("You block {name}; what blocked people write is left out.", name=shown)
    if query.order == BEST and not answer.is_count_whole:
        yield N_("The best of the newest {n} that fit.", n=BEST_WINDOW)
    elif answer.count is not None and not answer.is_count_whole:
        yield N_("More than {n} fit. A further word or operator narrows it down.", n=WINDOW)
