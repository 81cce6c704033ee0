"""Writing: the composer with its preview, replies, reactions, drafts. Nothing typed is ever lost.

Each step keeps a draft on this machine first; only a message that was published takes it away.
"""

import asyncio
from contextlib import suppress

import msgspec

from lichen.apps.social import content as social
from lichen.apps.social.pages.shared import folded, known_faces, message_at, viewer_of
from lichen.apps.social.reading import threads
from lichen.feed.canonical import JsonValue
from lichen.feed.message import FeedId, MsgId
from lichen.feed.refs import is_msg_id, normalize_channel
from lichen.node.client import OfflineClient
from lichen.node.errors import ApiError
from lichen.node.page import Answer, Moved, Sent, Shown, Visit
from lichen.node.paths import segment_of
from lichen.store.errors import StoreError
from lichen.store.store import Store

NEW_PLACE = "new"
"""The draft of a post that answers nothing; a reply's is kept by its thread."""


class Composer(msgspec.Struct, frozen=True):
    """A form to write in: what is answered, what is typed so far, how much room there is.

    Sizes are UTF-16 code units of the message as it will be signed; 0 where they are not shown.
    """

    place: str
    root: MsgId | None = None
    text: str = ""
    channel: str = ""
    used: int = 0
    limit: int = 0


def composer_of(visit: Visit, root: MsgId | None = None) -> Composer:
    """Return the composer of a place with what was typed there before; not measured yet."""
    place = root or NEW_PLACE
    draft = visit.service.store.local.draft(place)
    text = "" if draft is None else draft.text
    return Composer(place, root, text, visit.query.get("channel", ""))


def _measured(store: Store, own: FeedId, composer: Composer) -> Composer:
    """Return a composer with the size of the message as it would be published now."""
    place = social.Place()
    if composer.root is not None:
        found = threads.reply_place(store, composer.root, is_fork=True)
        place = found or social.Place(root=composer.root, branch=(composer.root,))
    content = social.encode_post(
        social.Post(
            composer.text,
            root=place.root,
            branch=place.branch,
            fork=place.fork,
            channel=normalize_channel(composer.channel),
            mentions=social.mentions_in(composer.text),
        )
    )
    used, limit = social.post_size(content, store.log.received(own) + 1)
    return msgspec.structs.replace(composer, used=used, limit=limit)


def _typed(visit: Visit) -> Composer:
    """Return the composer with what a form holds; a draft of it is kept at once. Raises ApiError.

    What answers a message that cannot be is no new post: it was meant for one thread.
    """
    form = visit.form
    root = form.get("root", "")
    if root and not is_msg_id(root):
        raise ApiError(
            "usage",
            visit.words.gettext("It is not clear what this answers, so it was not said."),
            visit.words.gettext("Copy your words, open the thread again and answer there."),
        )
    place = MsgId(root) if root else None
    composer = Composer(
        place=place or NEW_PLACE,
        root=place,
        text=form.get("text", ""),
        channel=form.get("channel", "").strip(),
    )
    # Where a draft cannot be kept (too long, disk full), the page that answers holds the text.
    with suppress(StoreError):
        _keep_draft(visit, composer.place, composer.text)
    return composer


def _keep_draft(visit: Visit, place: str, text: str) -> None:
    local = visit.service.store.local
    if text.strip():
        local.save_draft(place, text, visit.now * 1000)
    else:
        local.drop_draft(place)


async def show_write(visit: Visit) -> Answer:
    """Show the composer for a new post."""
    return await _show_composer(visit, composer_of(visit))


async def _show_composer(
    visit: Visit, composer: Composer, *, is_preview: bool = False, fault: ApiError | None = None
) -> Answer:
    await folded(visit)
    composer = await asyncio.to_thread(_measured, visit.service.store, viewer_of(visit), composer)
    mentions = social.mentions_in(composer.text)
    people = [FeedId(each.link) for each in mentions if each.link.startswith("@")]
    return Shown(
        "social/write.html",
        {
            "composer": composer,
            "is_preview": is_preview and bool(composer.text.strip()),
            "fault": fault,
            "named": people,
            "faces": await known_faces(visit, people),
        },
        400 if fault else 200,
    )


async def write(visit: Visit) -> Answer:
    """Publish what a form holds, or show how it will look."""
    composer = _typed(visit)
    if visit.form.get("act") == "preview":
        return await _show_composer(visit, composer, is_preview=True)
    options: dict[str, JsonValue] = {"text": composer.text}
    if composer.root is not None:
        options["root"] = composer.root
        # The root of a thread that is itself a reply is that of a side thread.
        options["fork"] = True
    if composer.channel:
        options["channel"] = composer.channel
    try:
        answer = await OfflineClient(visit.service).call("social.post", options)
    except ApiError as fault:
        return await _show_composer(visit, composer, is_preview=True, fault=fault)
    # It is said: a draft that cannot be dropped must not make anybody say it again.
    with suppress(StoreError):
        visit.service.store.local.drop_draft(composer.place)
    key = published_key(answer)
    if composer.root is None:
        return Moved(f"/thread/{segment_of(key)}")
    return Moved(f"/thread/{segment_of(key)}#m-{segment_of(key)}")


def published_key(answer: JsonValue) -> MsgId:
    """Return the id of the message that a call of the social app published."""
    message = answer.get("message") if isinstance(answer, dict) else None
    key = message.get("key") if isinstance(message, dict) else None
    assert isinstance(key, str), "what publishes answers with the message"
    return MsgId(key)


async def save_draft(visit: Visit) -> Answer:
    """Keep what is typed so far."""
    root = visit.form.get("root", "")
    _keep_draft(visit, root if is_msg_id(root) else NEW_PLACE, visit.form.get("text", ""))
    return Sent(b"", "text/plain")


async def react(visit: Visit) -> Answer:
    """Like a message, by an expression if one is given, or take the like back."""
    key = message_at(visit)
    options: dict[str, JsonValue] = {"id": key, "value": int(visit.form.get("value") == "1")}
    if options["value"]:
        options["expression"] = visit.form.get("expression", "")
    await OfflineClient(visit.service).call("social.vote", options)
    return Moved(f"/thread/{segment_of(key)}#m-{segment_of(key)}")
