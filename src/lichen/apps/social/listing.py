"""The method ``social.people`` for local programs: lists of people, page by page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TypeGuard, get_args

from lichen.apps.social.reading.people import PEOPLE_PAGE_MAX, PeopleKind, Person, people
from lichen.apps.social.view import NamesView
from lichen.feed.canonical import JsonValue
from lichen.node.app import Call, Method, Send
from lichen.node.errors import ApiError
from lichen.store.views.queries import EVERYTHING
from lichen.words import N_

FOLD_S_MAX = 2.0
"""After so long an answer is given from what the views hold already."""
LIMIT_DEFAULT = 50
KINDS: dict[JsonValue, PeopleKind] = {kind: kind for kind in get_args(PeopleKind)}


async def list_people(call: Call, _inbound: AsyncIterator[JsonValue], send: Send) -> None:
    """Answer ``{kind, name, limit, before}``: those first of whom something was said last.

    ``kind``: ``follows`` (whom you follow; the default), ``followers``, ``nearby`` (whom those
    follow whom you follow) or ``blocked``. ``name``: only those in whose name, as it counts for
    you, a word begins so. The answer is ``{people: [{id, name, mine, theirs, introducedBy}],
    before}``; ``before`` is where the next page goes on, null after the last.
    """
    options = call.options()
    kind, limit = KINDS.get(options.get("kind", "follows")), options.get("limit", LIMIT_DEFAULT)
    name, before = options.get("name", ""), options.get("before")
    if kind is None:
        raise ApiError("usage", N_("kind is one of: {names}.", names=", ".join(map(str, KINDS))))
    if not isinstance(name, str):
        raise ApiError("usage", N_("{name} must be a text.", name="name"))
    if not _is_number(limit) or not 1 <= limit <= PEOPLE_PAGE_MAX:
        raise ApiError("usage", N_("limit is a whole number up to {most}.", most=PEOPLE_PAGE_MAX))
    if before is not None and not (_is_number(before) and 0 <= before < EVERYTHING):
        raise ApiError(
            "usage",
            N_("This is no place in a list."),
            N_("Take “before” from the answer before, or leave it out."),
        )
    folded = asyncio.wrap_future(call.service.store.wait_newest("contacts", NamesView.name))
    with suppress(TimeoutError):
        await asyncio.wait_for(folded, FOLD_S_MAX)
    store, own = call.service.store, call.service.keyring.id
    page = await asyncio.to_thread(people, store, own, kind, name=name, before=before, limit=limit)
    await send({"people": [_encode(each) for each in page.people], "before": page.older_before})


def _is_number(value: JsonValue) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _encode(person: Person) -> JsonValue:
    return {
        "id": person.feed,
        "name": person.face.name,
        "mine": person.relation.mine,
        "theirs": person.relation.theirs,
        "introducedBy": list(person.introduced_by),
    }


PEOPLE_METHODS: dict[str, Method] = {"social.people": Method("async", list_people)}
