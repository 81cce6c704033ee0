"""Finding by words, by name, by channel, by id or the beginning of one: one box for all."""

import asyncio
import re
from contextlib import suppress
from urllib.parse import quote

from lichen.apps.social.pages.shared import known_faces, viewer_of
from lichen.apps.social.reading.names import feeds_named
from lichen.apps.social.search.asking import Asked
from lichen.apps.social.search.people import ID_LETTERS_MIN, channels_beginning, people_called
from lichen.apps.social.search.query import ALIASES, EXAMPLES, OPERATORS, Complaint
from lichen.apps.social.search.service import VIEWS, answer
from lichen.feed.message import FeedId
from lichen.feed.refs import (
    RefError,
    extract_ref,
    is_blob_id,
    is_feed_id,
    is_msg_id,
    normalize_channel,
)
from lichen.feed.uris import from_uri
from lichen.node.client import OfflineClient
from lichen.node.page import Answer, Moved, Shown, Visit
from lichen.node.paths import segment_of

QUERY_CHARACTERS_MAX = 500
FOUND_MAX = 50
PEOPLE_SHOWN = 8
"""People beside messages found; the box finds the others when more of a name is typed."""
OTHER_SIGIL = {"feed": "%", "msg": "@"}
SLOW_S_MAX = 4.0
"""After so long a page says that it takes long, and offers to wait."""
PATIENCE_S_MAX = 60.0
"""How long a page waits for whoever said so."""

_OPERATOR = re.compile(rf"(?:^|\s)-?(?:{'|'.join((*OPERATORS, *ALIASES))}):", re.IGNORECASE)


async def search(visit: Visit) -> Answer:
    """Go to what a whole id means, else list what fits."""
    query = visit.query.get("q", "").strip()[:QUERY_CHARACTERS_MAX]
    place = None if _is_question(query) else place_of(query)
    if place is not None:
        return Moved(place)
    after = visit.query.get("after", "")
    data: dict[str, object] = {
        "query": query,
        "after": after,
        "asked": None,
        "complaint": None,
        "is_slow": False,
        "examples": EXAMPLES,
        "views": VIEWS,
        "people": {},
        "channels": [],
        "messages": [],
    }
    if query:
        found = await _answer(visit, query, after)
        if found is None:
            data["is_slow"] = True
        elif isinstance(found, Complaint):
            data["complaint"] = found
        else:
            data["asked"] = found
        if not after:
            # Whose id begins so is known once it is sorted in who follows whom; a page is soon.
            with suppress(TimeoutError):
                data |= await asyncio.wait_for(_beside(visit, query), SLOW_S_MAX)
    return Shown("social/search.html", data | {"faces": await _faces(visit, data)})


def place_of(query: str) -> str | None:
    """Return the path of what a whole id, an ``ssb:`` address, a link or a #channel means."""
    if query.startswith("#"):
        channel = normalize_channel(query)
        return None if channel is None else f"/channel/{quote(channel, safe='')}"
    ref: str | None = query
    if query.startswith("ssb:"):
        try:
            ref = from_uri(query)
        except RefError:
            return None
    elif not (is_feed_id(query) or is_msg_id(query) or is_blob_id(query)):
        ref = extract_ref(query)
    if ref is None:
        return None
    kinds = ((is_feed_id, "people"), (is_msg_id, "thread"), (is_blob_id, "blob"))
    for is_kind, place in kinds:
        if is_kind(ref):
            return f"/{place}/{segment_of(ref)}"
    return None


def _is_question(query: str) -> bool:
    """Tell whether a text asks for more than a place, although it may hold an id or a channel."""
    return _OPERATOR.search(query) is not None or (query.startswith("#") and len(query.split()) > 1)


async def _answer(visit: Visit, query: str, after: str) -> Asked | Complaint | None:
    """Return what fits; None if that takes too long."""
    patience_s = PATIENCE_S_MAX if "wait" in visit.query else SLOW_S_MAX
    try:
        return await asyncio.wait_for(answer(visit.service, query, after=after), patience_s)
    except TimeoutError:
        return None


async def _beside(visit: Visit, query: str) -> dict[str, object]:
    """Return the people, channels and ids that begin like what was typed."""
    if _is_question(query):
        return {}
    return {
        "people": await _people_called(visit, query),
        "channels": await asyncio.to_thread(channels_beginning, visit.service.store, query),
        "messages": await _beginning(visit, query, "msg"),
    }


async def _people_called(visit: Visit, query: str) -> dict[FeedId, str]:
    """Return the people in whose name a word begins so, nearest first; then others called so.

    At last those whose key begins so.
    """
    store, viewer, name = visit.service.store, viewer_of(visit), query.removeprefix("@")
    found = await asyncio.to_thread(people_called, store, viewer, name)
    if len(found) < PEOPLE_SHOWN:
        # Some names have no words in them.
        found = {**found, **await asyncio.to_thread(feeds_named, store, viewer, name)}
    for feed in await _beginning(visit, query, "feed"):
        found.setdefault(FeedId(feed), "")
    return dict(list(found.items())[:PEOPLE_SHOWN])


async def _beginning(visit: Visit, query: str, kind: str) -> list[str]:
    """Return the ids of a kind that begin so."""
    # A whole address leads straight to a page; one that is none is the beginning of nothing.
    if query.startswith(("ssb:", OTHER_SIGIL[kind])):
        return []
    if len(query) < ID_LETTERS_MIN and query[:1] not in OTHER_SIGIL.values():
        return []
    found = await OfflineClient(visit.service).call("lichen.resolve", query, kind)
    return [str(ref) for ref in found][:FOUND_MAX] if isinstance(found, list) else []


async def _faces(visit: Visit, data: dict[str, object]) -> object:
    people = data["people"]
    assert isinstance(people, dict), "people are listed by id"
    named = set(people)
    asked = data["asked"]
    if isinstance(asked, Asked):
        named |= {found.entry.feed for found in asked.answer.found}
    return await known_faces(visit, named)
