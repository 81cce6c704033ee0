"""Whom a name means, and which channels begin so: what stands beside the messages found."""

from typing import TYPE_CHECKING

from lichen.apps.social.content import parse_about
from lichen.apps.social.reading.circle import Circle, circle_of
from lichen.apps.social.reading.entries import read_entry
from lichen.apps.social.reading.names import feeds_named, names_of
from lichen.apps.social.search.excerpts import find_said
from lichen.apps.social.search.query import Query, Said, matching
from lichen.apps.social.search.words import searched_text
from lichen.feed.message import FeedId
from lichen.feed.refs import is_feed_id, normalize_channel

if TYPE_CHECKING:
    from lichen.store.store import Store

PEOPLE_MAX = 50
"""People that one name means at most."""
CLAIMS_MAX = 500
"""Newest messages that give a fitting name; looked through for names that count."""
ID_LETTERS_MIN = 4
"""Letters of a key that may be meant as one: fewer are a word."""
CHANNELS_MAX = 10
"""Channels that are told of."""


def people_meant(store: "Store", viewer: FeedId, text: str) -> tuple[FeedId, ...]:
    """Return whom an operator's value means: you, an id, a whole name, a part of one, of an id."""
    if text == "me":
        return (viewer,)
    if is_feed_id(text):
        return (text,)
    bare = text.removeprefix("@")
    named = feeds_named(store, viewer, bare)
    if named:
        return tuple(sorted(named, key=circle_of(store, viewer).steps)[:PEOPLE_MAX])
    called = people_called(store, viewer, bare)
    if called or len(bare) < ID_LETTERS_MIN:
        return tuple(called)
    return tuple(store.log.feeds_with_prefix(bare, PEOPLE_MAX))


def people_called(
    store: "Store", viewer: FeedId, text: str, *, circle: Circle | None = None
) -> dict[FeedId, str]:
    """Return the people in whose name, as it counts for the viewer, words begin like this.

    Blocked people are among them: only what they wrote is hidden.
    """
    said = Said(searched_text(text), is_beginning=True)
    if not said.text:
        return {}
    near = circle or circle_of(store, viewer)
    match = matching(Query(all_of=((said,),)), {})
    numbers = [
        number
        for (number,) in store.views.read(
            "SELECT rowid FROM search_names WHERE search_names MATCH ? ORDER BY rowid DESC LIMIT ?",
            (match, CLAIMS_MAX),
        )
        if isinstance(number, int)
    ]
    abouts = [parse_about(read_entry(one).content) for one in store.log.at_numbers(numbers)]
    subjects = dict.fromkeys(
        about.subject
        for about in abouts
        if about is not None
        and is_feed_id(about.subject)
        and find_said(dict(about.fields).get("name") or "", [said])
    )
    if len(numbers) == CLAIMS_MAX:
        # Whom one follows is found however many others are called so.
        subjects |= dict.fromkeys(near.follows)
    names = names_of(store, viewer, list(subjects))
    fitting = {FeedId(s): name for s, name in names.items() if find_said(name, [said])}
    ranked = sorted(fitting.items(), key=lambda one: (near.steps(one[0]), one[1].casefold()))
    return dict(ranked[:PEOPLE_MAX])


def channels_beginning(store: "Store", text: str) -> list[str]:
    """Return the channels whose names begin like a text, in order of name."""
    begin = normalize_channel(text)
    found: list[str] = []
    while begin is not None and len(found) < CHANNELS_MAX:
        least = found[-1] if found else begin
        ((channel,),) = store.views.read(
            f"SELECT min(channel) FROM social_channels WHERE channel {'>' if found else '>='} ?",  # noqa: S608 (a fixed text)
            (least,),
        )
        if not isinstance(channel, str) or not channel.startswith(begin):
            break
        found.append(channel)
    return found
