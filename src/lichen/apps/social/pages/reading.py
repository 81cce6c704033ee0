"""Pages to read: home, a thread, a channel, a message as it is."""

import asyncio

from lichen.apps.social.pages.shared import (
    digest_of,
    folded,
    known_faces,
    message_at,
    near_of,
    number_in,
    viewer_of,
)
from lichen.apps.social.pages.writing import composer_of
from lichen.apps.social.reading import cards, threads, timeline
from lichen.apps.social.reading.circle import circle_of
from lichen.apps.social.reading.entries import Entry, Hidden, Item
from lichen.apps.social.reading.faces import reactions
from lichen.feed.canonical import JsonValue, encode_indented, parse_json
from lichen.feed.message import FeedId, MsgId
from lichen.feed.refs import is_msg_id, normalize_channel
from lichen.node.errors import ApiError
from lichen.node.page import Answer, Moved, Shown, Visit
from lichen.node.paths import message_of

WELCOMED_SETTING = "welcomed"
UNCHECKED_ASKED_MAX = 300
"""Messages of whose signatures one open page asks: more than any shows."""


async def show_home(visit: Visit) -> Answer:
    """Show the threads of the people I follow, newest activity first."""
    store, own = visit.service.store, viewer_of(visit)
    if not store.local.setting(WELCOMED_SETTING) and not store.log.received(own):
        return Moved("/welcome")
    await folded(visit)
    before = number_in(visit, "before")
    page = await asyncio.to_thread(timeline.home_page, store, own, before=before)
    circle = await asyncio.to_thread(circle_of, store, own)
    near = near_of(visit)
    return Shown(
        "social/home.html",
        {
            "page": page,
            "is_first": before is None,
            "has_people": bool(circle.follows),
            "faces": await known_faces(visit, {*cards.people_of(page), *near}),
            "near": near,
            "near_version": digest_of(near),
        },
    )


async def watch_fresh(visit: Visit) -> JsonValue:
    """Tell in how many threads of home there is something new; null for none."""
    after = number_in(visit, "after") or 0
    store = visit.service.store
    count = await asyncio.to_thread(timeline.count_fresh, store, viewer_of(visit), after)
    return _new_words(visit, count, timeline.FRESH_MAX)


async def watch_near(visit: Visit) -> JsonValue:
    """Tell that somebody came near or went away."""
    return {"version": digest_of(near_of(visit))}


async def watch_replies(visit: Visit) -> JsonValue:
    """Tell how many replies are new in a thread; null for none."""
    after, thread = number_in(visit, "after") or 0, visit.query.get("thread", "")
    if not is_msg_id(thread):
        return None
    store, own = visit.service.store, viewer_of(visit)
    count = await asyncio.to_thread(threads.count_replies_after, store, own, MsgId(thread), after)
    return _new_words(visit, count, threads.FRESH_MAX)


async def watch_unchecked(visit: Visit) -> JsonValue:
    """Tell what became of messages whose signatures were not checked yet, each ``NUMBER:ID``.

    null: the signature holds. Words: the message was taken back. What still waits is left out. The
    number of receipt says which text is asked of: one that was taken back may have come again, and
    then it has the id of the one that is shown.
    """
    asked = visit.query.get("of", "").split(",")[:UNCHECKED_ASKED_MAX]
    return await asyncio.to_thread(_settled, visit, asked)


def _settled(visit: Visit, asked: list[str]) -> dict[str, JsonValue]:
    log, words = visit.service.store.log, visit.words
    told: dict[str, JsonValue] = {}
    for shown in asked:
        number, _, segment = shown.partition(":")
        try:
            stored = log.get(message_of(segment))
        except ValueError:
            continue
        if stored is None or str(stored.received_no) != number:
            told[shown] = {
                "text": words.gettext("taken back"),
                "title": words.gettext("Its author has not signed this: it is here no longer."),
            }
        elif log.is_checked(stored):
            told[shown] = None
    return told


def _new_words(visit: Visit, count: int, count_max: int) -> JsonValue:
    if count == 0:
        return None
    words = visit.words
    if count >= count_max:
        return {"text": words.gettext("{n} new and more").format(n=count_max - 1)}
    return {"text": words.ngettext("{n} new", "{n} new", count).format(n=count)}


async def show_thread(visit: Visit) -> Answer:
    """Show a thread in causal order, from where it was read to."""
    service, own, key = visit.service, viewer_of(visit), message_at(visit)
    await folded(visit)
    page = await asyncio.to_thread(
        threads.open_thread,
        service.store,
        own,
        key,
        after=number_in(visit, "after"),
        shows_hidden="hidden" in visit.query,
        is_side="side" in visit.query,
    )
    if page.total == 0 and page.hidden_count == 0:
        return await show_missing(visit, key)
    items: list[Item] = [page.root, *page.items]
    feeds = {feed for item in items for feed in feeds_in(item)}
    feeds.update(each.feed for each in page.participants)
    keys = [item.key for item in items if isinstance(item, Entry)]
    answer = Shown(
        "social/thread.html",
        {
            "page": page,
            "faces": await known_faces(visit, feeds),
            "likes": await asyncio.to_thread(reactions, service.store, own, keys),
            "composer": composer_of(visit, page.thread),
            "shows_hidden": "hidden" in visit.query,
        },
    )
    if page.later_after is None:
        service.store.local.mark_read(page.thread, page.newest_no)
    return answer


def feeds_in(item: Item) -> set[FeedId]:
    """Return the feeds that a place of a thread names."""
    if isinstance(item, Entry):
        return set(cards.named_in(item))
    return set(item.feeds) if isinstance(item, Hidden) else set()


async def show_missing(visit: Visit, key: MsgId) -> Answer:
    """Say that a message is not here, and what brings it."""
    return Shown("social/missing.html", {"key": key, "faces": {}}, 404)


async def show_channel(visit: Visit) -> Answer:
    """Show the threads with posts in a channel."""
    name = normalize_channel(visit.path["channel"])
    if name is None:
        raise ApiError("not-found", visit.words.gettext("No channel can have this name."))
    await folded(visit)
    before = number_in(visit, "before")
    page = await asyncio.to_thread(
        timeline.channel_page, visit.service.store, viewer_of(visit), name, before=before
    )
    return Shown(
        "social/channel.html",
        {
            "channel": name,
            "page": page,
            "is_first": before is None,
            "faces": await known_faces(visit, cards.people_of(page)),
        },
    )


async def show_message(visit: Visit) -> Answer:
    """Show a message as it was signed."""
    key = message_at(visit)
    stored = await asyncio.to_thread(visit.service.store.log.get, key)
    if stored is None:
        return await show_missing(visit, key)
    text = encode_indented(parse_json(stored.data))
    return Shown(
        "social/message.html",
        {
            "stored": stored,
            "text": text.encode("utf-8", "backslashreplace").decode(),
            "faces": await known_faces(visit, [stored.feed]),
        },
    )
