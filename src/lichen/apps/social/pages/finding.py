"""Finding by id, by the beginning of one, by name, by channel."""

from urllib.parse import quote

from lichen.apps.social.pages.shared import folded, known_faces
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
OTHER_SIGIL = {"feed": "%", "msg": "@"}


async def search(visit: Visit) -> Answer:
    """Go to what a whole id means, else list what fits."""
    query = visit.query.get("q", "").strip()[:QUERY_CHARACTERS_MAX]
    place = place_of(query)
    if place is not None:
        return Moved(place)
    await folded(visit)
    people = await _people_called(visit, query) if query else {}
    messages = await _beginning(visit, query, "msg") if query else []
    return Shown(
        "social/search.html",
        {
            "query": query,
            "people": people,
            "messages": messages,
            "faces": await known_faces(visit, people),
        },
    )


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


async def _people_called(visit: Visit, query: str) -> dict[FeedId, str]:
    """Return the people called so, then those whose key begins so."""
    client = OfflineClient(visit.service)
    found: dict[FeedId, str] = {}
    named = await client.call("social.byName", query.removeprefix("@"))
    for item in named if isinstance(named, list) else ():
        if isinstance(item, dict) and isinstance(item.get("id"), str):
            found[FeedId(str(item["id"]))] = str(item.get("name", ""))
    for feed in await _beginning(visit, query, "feed"):
        found.setdefault(FeedId(feed), "")
    return dict(list(found.items())[:FOUND_MAX])


async def _beginning(visit: Visit, query: str, kind: str) -> list[str]:
    """Return the ids of a kind that begin so."""
    # A whole address leads straight to a page; one that is none is the beginning of nothing.
    if query.startswith(("ssb:", OTHER_SIGIL[kind])):
        return []
    found = await OfflineClient(visit.service).call("lichen.resolve", query, kind)
    return [str(ref) for ref in found][:FOUND_MAX] if isinstance(found, list) else []
