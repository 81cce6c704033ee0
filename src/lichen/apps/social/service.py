"""What local programs may ask and do about people and their posts: the ``social.`` methods.

Whatever publishes answers ``{"message": {key, value, timestamp}}``; ``{"already": true}`` when it
was so before and nothing was published; and with ``dryRun`` ``{"content": ...}``, which is what
would be published.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from lichen.apps.social import content as social
from lichen.apps.social.fields import profile_fields, profile_name
from lichen.apps.social.reading import names as known_names
from lichen.apps.social.reading import threads
from lichen.apps.social.reading.circle import BLOCKS, FOLLOWS
from lichen.apps.social.reading.entries import Gap
from lichen.apps.social.reading.faces import own_vote
from lichen.apps.social.rules import EXPRESSION_CHARACTERS_MAX, clean_line
from lichen.apps.social.view import ChannelsView, NamesView, ThreadsView, VotesView
from lichen.feed.canonical import JsonValue, parse_json
from lichen.feed.message import FeedId, MsgId
from lichen.feed.refs import is_blob_id, is_feed_id, is_msg_id, normalize_channel
from lichen.node.app import Call, Encoded, Method, Send
from lichen.node.errors import ApiError
from lichen.node.net.runs import encode_for_program
from lichen.words import N_, N_many, Phrase

BRANCH_MAX = 20
"""Messages that a post says it answers at once."""
NAMES_ASKED_MAX = 1000
TIMELINE_DEFAULT = 30
TIMELINE_MAX = 1000
FOLD_S_MAX = 2.0
"""After so long an answer is given from what the views hold already."""
VIEWS = (ThreadsView.name, ChannelsView.name, NamesView.name, VotesView.name)


async def thread(call: Call) -> AsyncIterator[JsonValue | Encoded]:
    """Stream the thread of a message in reading order.

    A message that is referred to but not here is ``{"key", "isMissing": true}``. What blocked
    feeds wrote is left out.
    """
    key = _ref_argument(call, is_msg_id, N_("message"))
    await _folded(call)
    store = call.service.store
    root = threads.thread_root(store, MsgId(key))
    entries = threads.read_thread(store, root)
    if not entries:
        raise ApiError("not-found", N_("The message {id} is not here.", id=key))
    for item in threads.with_gaps(store, root, entries):
        if isinstance(item, Gap):
            yield {"key": item.key, "isMissing": True}
        elif _relation(call, item.stored.feed) != BLOCKS:
            yield Encoded(encode_for_program(store.log, item.stored))


async def name(call: Call) -> JsonValue:
    """Return the name of a feed, message or blob, as it counts for you; null for none."""
    subject = _ref_argument(call, _is_ref, N_("feed or message"))
    await _folded(call)
    store = call.service.store
    return known_names.names_of(store, call.service.keyring.id, [subject]).get(subject)


async def names(call: Call) -> JsonValue:
    """Return id to name for ``{ids: [...]}``; ids without a name are left out."""
    ids = call.options().get("ids")
    if not isinstance(ids, list) or len(ids) > NAMES_ASKED_MAX:
        raise ApiError(
            "usage",
            N_(
                "{method} takes a list of at most {most} ids.", method="names", most=NAMES_ASKED_MAX
            ),
        )
    wanted = [ref for ref in ids if isinstance(ref, str) and _is_ref(ref)]
    found = known_names.names_of(call.service.store, call.service.keyring.id, wanted)
    return dict(found)


async def by_name(call: Call) -> JsonValue:
    """Return the feeds known by a name, ``[{id, name}]``; one that you named so counts alone.

    After the name may stand ``{limit, after}``: they come in the order of their ids, so many after
    this one.
    """
    wanted = call.args[0] if call.args else None
    options = call.args[1] if len(call.args) > 1 and isinstance(call.args[1], dict) else {}
    if not isinstance(wanted, str):
        raise ApiError("usage", N_("{method} takes a name.", method="byName"))
    after, limit = options.get("after", ""), options.get("limit", known_names.NAMESAKES_MAX)
    if not isinstance(limit, int) or not 1 <= limit <= known_names.NAMESAKES_MAX:
        raise ApiError(
            "usage", N_("limit is a whole number up to {most}.", most=known_names.NAMESAKES_MAX)
        )
    await _folded(call)
    found = known_names.feeds_named(
        call.service.store, call.service.keyring.id, wanted, after=str(after), limit=limit
    )
    return [{"id": feed, "name": known_as} for feed, known_as in found.items()]


async def timeline(call: Call) -> AsyncIterator[JsonValue | Encoded]:
    """Stream the newest posts that begin a thread, newest first: ``{limit, lt}``.

    ``lt``: only those received before this time, as the last one's ``timestamp`` says it.
    """
    limit, end_ms = call.options().get("limit", TIMELINE_DEFAULT), call.options().get("lt")
    if not isinstance(limit, int) or not 0 <= limit <= TIMELINE_MAX:
        raise ApiError("usage", N_("limit is a whole number up to {most}.", most=TIMELINE_MAX))
    if end_ms is not None and not isinstance(end_ms, int | float):
        raise ApiError("usage", N_("{name} must be a number.", name="lt"))
    await _folded(call)
    sent, store = 0, call.service.store
    last_no = store.log.last_no
    if end_ms is not None:
        last_no = store.log.last_no_at(math.nextafter(end_ms, -math.inf))
    for stored in threads.newest_roots(store, last_no):
        if sent >= limit:
            break
        if _relation(call, stored.feed) != BLOCKS:
            yield Encoded(encode_for_program(store.log, stored))
            sent += 1


async def post(call: Call) -> JsonValue:
    """Publish a post: ``{text, root, branch, fork, channel, dryRun}``.

    ``root``: any message of a thread. ``branch``: what is answered, else the heads of the thread.
    ``fork: true``: begin a side thread at that message instead of continuing its thread.
    """
    options = call.options()
    text, root = options.get("text"), options.get("root")
    if not isinstance(text, str) or not text.strip():
        raise ApiError("usage", N_("A post needs a text."))
    place = social.Place()
    if root is not None:
        if not is_msg_id(root):
            raise ApiError(
                "usage",
                N_("{id} is not a message id.", id=repr(root)),
                N_("It looks like %…=.sha256"),
            )
        await _folded(call)
        place = _reply_place(call, MsgId(root))
    elif options.get("fork") or options.get("branch"):
        raise ApiError(
            "usage", N_("Only a reply has a branch or a fork."), N_("Give root as well.")
        )
    content = social.encode_post(
        social.Post(
            text,
            root=place.root,
            branch=place.branch,
            fork=place.fork,
            channel=_channel(options.get("channel")),
            mentions=social.mentions_in(text),
        )
    )
    return await _publish(call, content)


async def vote(call: Call) -> JsonValue:
    """Like a message, or (``value: 0``) no longer: ``{id, value, expression, dryRun}``."""
    key = _ref_argument(call, is_msg_id, N_("message"))
    options = call.options()
    value, given = options.get("value", 1), options.get("expression", "")
    if not isinstance(value, int) or isinstance(value, bool) or value not in {0, 1}:
        raise ApiError("usage", N_("The value of a vote is 1, or 0 to take it back."))
    expression = clean_line(given, EXPRESSION_CHARACTERS_MAX) if isinstance(given, str) else None
    if expression is None or expression != given:
        raise ApiError(
            "usage",
            N_(
                "An expression is a word or a sign, up to {most} characters long.",
                most=EXPRESSION_CHARACTERS_MAX,
            ),
        )
    wanted = (1, expression) if value else (0, "")
    await _folded(call)
    said = own_vote(call.service.store, call.service.keyring.id, MsgId(key))
    content = social.encode_vote(social.Vote(key, *wanted))
    # Nothing was ever said, or it was taken back: both mean that there is nothing to take back.
    is_already = said == wanted or (value == 0 and (said is None or said[0] == 0))
    return await _publish(call, content, is_already=is_already)


async def follow(call: Call) -> JsonValue:
    """Follow a feed: ``{id, dryRun}``."""
    feed = _other_feed(call, N_("You cannot follow yourself."))
    is_already = _relation(call, feed) == FOLLOWS
    return await _publish(call, social.encode_follow(feed), is_already=is_already)


async def unfollow(call: Call) -> JsonValue:
    """Follow or block a feed no longer: ``{id, dryRun}``."""
    feed = _other_feed(call, N_("You cannot unfollow yourself."))
    is_already = _relation(call, feed) not in {FOLLOWS, BLOCKS}
    return await _publish(call, social.encode_unfollow(feed), is_already=is_already)


async def block(call: Call) -> JsonValue:
    """Block a feed: ``{id, dryRun}``."""
    feed = _other_feed(call, N_("You cannot block yourself."))
    is_already = _relation(call, feed) == BLOCKS
    return await _publish(call, social.encode_block(feed), is_already=is_already)


async def set_name(call: Call) -> JsonValue:
    """Name a feed, message or blob: ``{id, name, dryRun}``."""
    subject = _ref_argument(call, _is_ref, N_("feed or message"))
    new_name = profile_name(call.options().get("name"))
    await _folded(call)
    own = call.service.keyring.id
    is_already = known_names.own_name_for(call.service.store, own, subject) == new_name
    content = social.encode_name(subject, new_name)
    return await _publish(call, content, is_already=is_already)


async def set_profile(call: Call) -> JsonValue:
    """Say who somebody is: ``{id, name, description, image, dryRun}``, ``id`` being you if absent.

    What is absent stays as it is; null takes back what you said. One message says all that changes.
    """
    options = call.options()
    own = call.service.keyring.id
    subject = _ref_argument(call, _is_ref, N_("feed or message")) if "id" in options else own
    wanted = profile_fields(options)
    await _folded(call)
    said = known_names.own_fields_for(call.service.store, own, subject)
    changed = {
        key: value
        for key, value in wanted.items()
        if said.get(key) != (social.link_of(value) if key == "image" else value)
    }
    content = social.encode_profile(subject, changed or wanted)
    return await _publish(call, content, is_already=not changed)


async def _publish(
    call: Call, content: dict[str, JsonValue], *, is_already: bool = False
) -> JsonValue:
    if is_already:
        return {"already": True, "content": content}
    _check_size(call, content)
    if call.options().get("dryRun"):
        return {"content": content}
    (message,) = await call.service.publish([content])
    messages = call.service.store.log
    stored = messages.get(message.key)
    assert stored is not None, "a published message is in the log"
    return {"message": parse_json(encode_for_program(messages, stored))}


def _check_size(call: Call, content: dict[str, JsonValue]) -> None:
    service = call.service
    sequence = service.store.log.received(service.keyring.id) + 1
    used, limit = social.post_size(content, sequence)
    if used > limit:
        raise ApiError(
            "invalid",
            N_many(
                "This is about {n} character too long.",
                "This is about {n} characters too long.",
                used - limit,
            ),
            N_("Shorten it, or write it in two messages."),
        )


def _reply_place(call: Call, answered: MsgId) -> social.Place:
    """Return where a reply belongs, by the options ``branch`` and ``fork`` of the call."""
    options = call.options()
    given = options.get("branch", [])
    chosen = given if isinstance(given, list) else [given]
    if len(chosen) > BRANCH_MAX or not all(is_msg_id(key) for key in chosen):
        raise ApiError(
            "usage", N_("branch is a list of at most {most} message ids.", most=BRANCH_MAX)
        )
    branch = [MsgId(str(key)) for key in chosen]
    place = threads.reply_place(
        call.service.store, answered, branch, is_fork=bool(options.get("fork"))
    )
    # A thread whose root has not come, or is out of reach, can be answered all the same.
    if place is None:
        raise ApiError(
            "not-found",
            N_("The message {id} is not here, so it cannot be answered yet.", id=answered),
            N_("Connect to a peer that has it."),
        )
    return place


def _relation(call: Call, feed: FeedId) -> int | None:
    """Return what you last said of a feed, also if that was just now: follow, block, neither."""
    service = call.service
    relation: int | None = service.shell.brain.graph.edges(service.keyring.id).get(feed)
    return relation


async def _folded(call: Call) -> None:
    """Wait until the views hold what the log got last, but not for long.

    What is not in yet tells ``lichen.folding``.
    """
    folded = asyncio.wrap_future(call.service.store.wait_newest("index", *VIEWS))
    with suppress(TimeoutError):
        await asyncio.wait_for(folded, FOLD_S_MAX)


def _is_ref(text: str) -> bool:
    return is_feed_id(text) or is_msg_id(text) or is_blob_id(text)


def _ref_argument(call: Call, is_right: Callable[[str], bool], kind: str) -> str:
    first = call.args[0] if call.args else None
    ref = first.get("id") if isinstance(first, dict) else first
    if not isinstance(ref, str) or not is_right(ref):
        raise ApiError("usage", N_("{id} is not the id of a {kind}.", id=repr(ref), kind=kind))
    return ref


def _other_feed(call: Call, refusal: Phrase) -> FeedId:
    feed = _ref_argument(call, is_feed_id, N_("feed"))
    if feed == call.service.keyring.id:
        raise ApiError("usage", refusal, N_("Give the id of somebody else."))
    return FeedId(feed)


def _channel(given: JsonValue) -> str | None:
    if given is None:
        return None
    channel = normalize_channel(given) if isinstance(given, str) else None
    if channel is None:
        raise ApiError("usage", N_("{name} is not the name of a channel.", name=repr(given)))
    return channel


def _answering(function: Callable[[Call], Awaitable[JsonValue]]) -> Method:
    async def method(call: Call, _inbound: AsyncIterator[JsonValue], send: Send) -> None:
        await send(await function(call))

    return Method("async", method)


def _one_at_a_time(kind: str, function: Callable[[Call], Awaitable[JsonValue]]) -> Method:
    """Return a method that looks and publishes in one step: of its kind no other runs meanwhile."""

    async def method(call: Call, _inbound: AsyncIterator[JsonValue], send: Send) -> None:
        async with call.service.alone(kind):
            answer = await function(call)
        await send(answer)

    return Method("async", method)


def _streaming(function: Callable[[Call], AsyncIterator[JsonValue | Encoded]]) -> Method:
    async def method(call: Call, _inbound: AsyncIterator[JsonValue], send: Send) -> None:
        async for item in function(call):
            await send(item)

    return Method("source", method)


METHODS: dict[str, Method] = {
    "social.thread": _streaming(thread),
    "social.name": _answering(name),
    "social.names": _answering(names),
    "social.byName": _answering(by_name),
    "social.timeline": _streaming(timeline),
    "social.post": _answering(post),
    "social.follow": _one_at_a_time("social.relation", follow),
    "social.unfollow": _one_at_a_time("social.relation", unfollow),
    "social.block": _one_at_a_time("social.relation", block),
    "social.vote": _one_at_a_time("social.vote", vote),
    "social.setName": _one_at_a_time("social.about", set_name),
    "social.setProfile": _one_at_a_time("social.about", set_profile),
}
