"""The streams of messages that local programs ask for, old and live.

Options are those of ``ssb-db`` (createLogStream, createUserStream, createHistoryStream,
messagesByType, links): ``limit``, ``reverse``, ``live``, ``old``, ``keys``, ``values``, ``gt``,
``gte``, ``lt``, ``lte``. Bounds of the log are receive times (ms), those of a feed are sequences.
``createLogStream`` also takes ``type`` and ``author``. A message whose signature is not checked yet
says ``audited: false`` beside its key.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial

import msgspec

from lichen.feed.canonical import JsonValue
from lichen.feed.message import FeedId
from lichen.feed.refs import is_feed_id
from lichen.node import limits
from lichen.node.app import Call, Encoded, Send
from lichen.node.errors import ApiError
from lichen.node.net.runs import encode_for_program
from lichen.store.log import Log, Stored
from lichen.store.views.queries import EVERYTHING, Page
from lichen.words import N_

Inbound = AsyncIterator[JsonValue]
Fetch = Callable[[Page], list[Stored]]


class _Wish(msgspec.Struct, frozen=True):
    """The options that all streams share, checked."""

    limit: int
    reverse: bool
    live: bool
    old: bool
    keys: bool
    values: bool

    def encode(self, messages: Log, stored: Stored) -> JsonValue | Encoded:
        """Return a message in the form asked for."""
        if not self.values:
            return stored.key
        return Encoded(encode_for_program(messages, stored) if self.keys else stored.data)


def _wish(options: dict[str, JsonValue]) -> _Wish:
    limit = options.get("limit")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool)):
        raise ApiError("usage", N_("{name} must be a whole number.", name="limit"))
    return _Wish(
        limit=limit if isinstance(limit, int) and limit >= 0 else EVERYTHING,
        reverse=bool(options.get("reverse", False)),
        live=bool(options.get("live", False)),
        old=bool(options.get("old", True)),
        keys=bool(options.get("keys", True)),
        values=bool(options.get("values", True)),
    )


async def create_log_stream(call: Call, inbound: Inbound, send: Send) -> None:
    """Stream the whole log in the order received, or one author's or one type's part of it."""
    options = call.options()
    kind, author = _text(options, "type"), _text(options, "author")
    views, log = call.service.store.views, call.service.store.log
    is_folded = True
    if author is not None:
        fetch: Fetch = lambda page: views.by_author(_feed(author), page, kind=kind)  # noqa: E731
        _feed(author)
        is_folded = kind is not None
    elif kind is not None:
        fetch = lambda page: views.by_type(kind, page)  # noqa: E731
    else:
        is_folded = False

        def fetch(page: Page) -> list[Stored]:
            if page.newest_first:
                found = log.before(page.before, page.limit)
                return [stored for stored in found if stored.received_no > page.after]
            found = log.since(page.after, page.limit)
            return [stored for stored in found if stored.received_no < page.before]

    await _stream(call, send, fetch, is_folded=is_folded)


async def messages_by_type(call: Call, inbound: Inbound, send: Send) -> None:
    """Stream the messages of one content type: ``{type, ...}`` or the type alone."""
    first = call.args[0] if call.args else None
    kind = first if isinstance(first, str) else _text(call.options(), "type")
    if kind is None:
        raise ApiError("usage", N_("{method} takes a type.", method="messagesByType"))
    views = call.service.store.views
    await _stream(call, send, lambda page: views.by_type(kind, page), is_folded=True)


async def _stream(call: Call, send: Send, fetch: Fetch, *, is_folded: bool) -> None:
    """Send the old part in pages, then what is new as it comes."""
    wish = _wish(call.options())
    page = _bounds(call)
    if not wish.old:
        page = Page(after=call.service.store.log.last_no)
    page = msgspec.structs.replace(page, newest_first=wish.reverse and not wish.live)
    left = wish.limit
    is_caught_up = False
    while left:
        growth = call.service.hub.growth()
        if is_folded:
            await _folded(call, is_patient=not page.newest_first or wish.limit == EVERYTHING)
        page = msgspec.structs.replace(page, limit=min(left, limits.LOCAL_STREAM_ITEMS))
        found = await _read(partial(fetch, page), is_quick=is_caught_up)
        for stored in found:
            await send(wish.encode(call.service.store.log, stored))
        left -= len(found)
        is_caught_up = not found
        if found:
            last = found[-1].received_no
            name = "before" if page.newest_first else "after"
            page = msgspec.structs.replace(page, **{name: last})
        elif wish.live:
            await growth.wait()
        else:
            return


async def _folded(call: Call, *, is_patient: bool) -> None:
    """Wait for the views: some of the newest are shown as soon as these are in.

    Else all has to be in, for whoever goes on after the last number misses what comes before it.
    """
    store = call.service.store
    if is_patient:
        await asyncio.wrap_future(store.wait_folded())
        return
    with suppress(TimeoutError):
        newest = asyncio.wrap_future(store.wait_newest())
        await asyncio.wait_for(newest, limits.FOLD_S_MAX)


async def _read(read: Callable[[], list[Stored]], *, is_quick: bool) -> list[Stored]:
    """Read in a thread; at once where only what was just written is asked for."""
    if is_quick:
        return read()
    return await asyncio.get_running_loop().run_in_executor(None, read)


def _bounds(call: Call) -> Page:
    log, options = call.service.store.log, call.options()
    after, before = 0, EVERYTHING
    for name, is_inclusive in (("gt", False), ("gte", True)):
        if (bound := _number(options, name)) is not None:
            after = log.last_no_at(math.nextafter(bound, -math.inf) if is_inclusive else bound)
    for name, is_inclusive in (("lt", False), ("lte", True)):
        if (bound := _number(options, name)) is not None:
            last = log.last_no_at(bound if is_inclusive else math.nextafter(bound, -math.inf))
            before = last + 1
    return Page(after=after, before=before)


async def create_user_stream(call: Call, inbound: Inbound, send: Send) -> None:
    """Stream one feed in the order of its sequence: ``{id, ...}``."""
    options = call.options()
    first = _number(options, "gte")
    if (bound := _number(options, "gt")) is not None:
        first = math.floor(bound) + 1
    last = _number(options, "lte")
    if (bound := _number(options, "lt")) is not None:
        last = math.ceil(bound) - 1
    await _stream_feed(
        call, send, max(1, math.ceil(first or 1)), EVERYTHING if last is None else math.floor(last)
    )


async def create_history_stream(call: Call, inbound: Inbound, send: Send) -> None:
    """Stream one feed from a sequence on: ``{id, seq | sequence, ...}``, the sequence included."""
    if call.args and isinstance(call.args[0], str):
        names = ("id", "seq", "live")
        options: dict[str, JsonValue] = dict(zip(names, call.args, strict=False))
        call = Call(call.service, [options], call.caller)
    first = _number(call.options(), "sequence") or _number(call.options(), "seq") or 1
    await _stream_feed(call, send, max(1, math.ceil(first)), EVERYTHING)


async def _stream_feed(call: Call, send: Send, first: int, last: int) -> None:
    wish, feed, log = _wish(call.options()), _feed(call.options().get("id")), call.service.store.log
    left = wish.limit
    if not wish.old:
        first = max(first, log.received(feed) + 1)
    is_reverse = wish.reverse and not wish.live
    last = min(last, log.received(feed)) if not wish.live else last
    is_caught_up = False
    while left:
        growth = call.service.hub.growth()
        count = min(left, limits.LOCAL_STREAM_ITEMS)
        start = max(first, last - count + 1) if is_reverse else first
        end = min(last, start + count - 1)
        found = await _read(partial(log.run, feed, start, end, EVERYTHING), is_quick=is_caught_up)
        is_caught_up = not found
        for stored in reversed(found) if is_reverse else found:
            await send(wish.encode(log, stored))
        left -= len(found)
        if is_reverse:
            last = start - 1
        else:
            first += len(found)
        if first > last:
            return
        if not found:
            if not wish.live:
                return
            await growth.wait()


async def links(call: Call, inbound: Inbound, send: Send) -> None:
    """Stream links: ``{dest, source, rel, values, limit, reverse}``; ``dest`` is an id."""
    options = call.options()
    wish = _wish(options)
    target, source, rel = (_text(options, name) for name in ("dest", "source", "rel"))
    if target is None or len(target) == 1:
        raise ApiError("usage", N_("links takes the id that is linked to: {{dest: ID}}."))
    store = call.service.store
    page = Page(newest_first=wish.reverse)
    await _folded(call, is_patient=not page.newest_first or wish.limit == EVERYTHING)
    left = wish.limit
    with_value = bool(options.get("values", False))
    while left and (found := store.views.links_to(target, page)):
        for link in found:
            stored = link.source
            if (source not in {None, "@", stored.feed}) or rel not in {None, link.rel}:
                continue
            if left == 0:
                return
            left -= 1
            item: dict[str, JsonValue] = {
                "source": stored.feed,
                "rel": link.rel,
                "dest": target,
                "key": stored.key,
            }
            if with_value:
                item["value"] = msgspec.json.decode(stored.data)
            if not store.log.is_checked(stored):
                item["audited"] = False
            await send(item)
        name = "before" if page.newest_first else "after"
        page = msgspec.structs.replace(page, **{name: found[-1].source.received_no})


def _text(options: dict[str, JsonValue], name: str) -> str | None:
    value = options.get(name)
    if value is not None and not isinstance(value, str):
        raise ApiError("usage", N_("{name} must be a text.", name=name))
    return value


def _number(options: dict[str, JsonValue], name: str) -> float | None:
    value = options.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ApiError("usage", N_("{name} must be a number.", name=name))
    return value


def _feed(value: JsonValue) -> FeedId:
    if not isinstance(value, str) or not is_feed_id(value):
        raise ApiError(
            "usage", N_("{id} is not a feed id.", id=repr(value)), N_("It looks like @…=.ed25519")
        )
    return FeedId(value)
