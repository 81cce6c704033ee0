"""The method ``social.search`` for local programs."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

from lichen.apps.social.search.asking import Asked, ask
from lichen.apps.social.search.query import Complaint
from lichen.apps.social.search.reading import LIMIT_DEFAULT, LIMIT_MAX, Found, parse_cursor
from lichen.apps.social.search.view import SearchView
from lichen.apps.social.view import NamesView
from lichen.feed.canonical import JsonValue, parse_json
from lichen.node.app import Call, Method, Send, to_json
from lichen.node.errors import ApiError
from lichen.node.net.runs import encode_for_program
from lichen.node.service import Service
from lichen.store.log import Log
from lichen.words import N_

FOLD_S_MAX = 1.0
"""After so long an answer is given from what is in the index, and says what is not."""
VIEWS = (SearchView.name, NamesView.name, "contacts")


async def answer(
    service: "Service", text: str, *, after: str = "", limit: int = LIMIT_DEFAULT
) -> Asked | Complaint:
    """Answer a question as it was typed, without holding up the peer."""
    # For all views: whoever waits for some of them has these folded first, and from the oldest on.
    folded = asyncio.wrap_future(service.store.wait_folded())
    with suppress(TimeoutError):
        await asyncio.wait_for(folded, FOLD_S_MAX)
    return await asyncio.to_thread(
        ask, service.store, service.keyring.id, text, time.time(), after=after, limit=limit
    )


async def search(call: Call, _inbound: AsyncIterator[JsonValue], send: Send) -> None:
    """Answer ``{query, limit, after}``: what fits, newest first, and where the next page begins.

    ``{found: [{message, excerpt: {text, marks}, care, thread, threadTitle}], after, count,
    isCountWhole, folded, total, people, notes}``; marks are pairs of places in the text, counted in
    code points. A question that cannot be answered is refused with what to mend.
    """
    options = call.options()
    text, limit = options.get("query"), options.get("limit", LIMIT_DEFAULT)
    after = options.get("after", "")
    if not isinstance(text, str) or not text.strip():
        raise ApiError("usage", N_("Say what to search for."), N_("For example: bread -white"))
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= LIMIT_MAX:
        raise ApiError("usage", N_("limit is a whole number up to {most}.", most=LIMIT_MAX))
    if not isinstance(after, str) or (after and parse_cursor(after) is None):
        raise ApiError(
            "usage",
            N_("This is no place in an answer."),
            N_("Take “after” from the answer before, or leave it out."),
        )
    asked = await answer(call.service, text, after=after, limit=limit)
    if isinstance(asked, Complaint):
        raise ApiError("usage", asked.message, asked.hint)
    await send(_encode(call.service.store.log, asked))


def _encode(messages: Log, asked: Asked) -> JsonValue:
    return {
        "found": [_encode_found(messages, one) for one in asked.answer.found],
        "after": asked.answer.after,
        "count": asked.answer.count,
        "isCountWhole": asked.answer.is_count_whole,
        "folded": asked.answer.folded,
        "total": asked.answer.total,
        "people": {typed: list(feeds) for typed, feeds in asked.people.items()},
        "notes": [to_json(note.to_json()) for note in asked.notes],
    }


def _encode_found(messages: Log, found: Found) -> JsonValue:
    return {
        "message": parse_json(encode_for_program(messages, found.entry.stored)),
        "excerpt": to_json(found.excerpt),
        "care": found.care,
        "thread": found.entry.place.root or found.entry.key,
        "threadTitle": found.thread_title,
    }


SEARCH_METHODS: dict[str, Method] = {"social.search": Method("async", search)}
