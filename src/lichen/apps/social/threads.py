"""Reading threads and names from the views, for one viewer: the person whose peer this is."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
import orjson

from lichen.apps.social.content import Place, parse_place
from lichen.apps.social.rules import (
    Claim,
    ThreadMessage,
    choose_value,
    heads,
    message_links,
    sort_thread,
)
from lichen.feed.canonical import JsonValue, parse_json
from lichen.feed.message import FeedId, MsgId
from lichen.feed.refs import is_feed_id, is_msg_id
from lichen.store.log import Stored
from lichen.store.views.queries import Page

if TYPE_CHECKING:
    from lichen.store.store import Store

THREAD_MESSAGES_MAX = 5000
PAGE_MESSAGES = 200
NAMESAKES_MAX = 1000


class ThreadEntry(msgspec.Struct, frozen=True):
    """One message of a thread: as stored, as ordered, and where it says it belongs."""

    stored: Stored
    message: ThreadMessage
    place: Place


class Gap(msgspec.Struct, frozen=True):
    """A message that others refer to and that is not in the log."""

    key: MsgId


def thread_root(store: "Store", key: MsgId) -> MsgId:
    """Return the root of the thread a message belongs to: itself, if it answers nothing."""
    stored = store.log.get(key)
    return key if stored is None else _entry(stored).place.root or key


def read_thread(store: "Store", root: MsgId) -> list[ThreadEntry]:
    """Return the messages of a thread that are here, in reading order."""
    numbers = [
        number
        for (number,) in store.views.read(
            "SELECT received_no FROM social_threads WHERE thread = ? ORDER BY received_no LIMIT ?",
            (root, THREAD_MESSAGES_MAX),
        )
        if isinstance(number, int)
    ]
    entries = {entry.stored.key: entry for entry in map(_entry, store.log.at_numbers(numbers))}
    first = store.log.get(root)
    if first is not None:
        entries[root] = _entry(first)
    return [entries[message.key] for message in sort_thread(e.message for e in entries.values())]


def with_gaps(
    store: "Store", root: MsgId, entries: Sequence[ThreadEntry]
) -> Iterator[ThreadEntry | Gap]:
    """Yield a thread's messages, each missing one as a gap before the first that refers to it."""
    known: set[MsgId] = {entry.stored.key for entry in entries}
    for entry in entries:
        referred = (root, *entry.place.branch)
        for key in referred:
            if key not in known:
                known.add(key)
                if store.log.get(key) is None:
                    yield Gap(key)
        yield entry


def thread_heads(entries: Sequence[ThreadEntry]) -> list[MsgId]:
    """Return the messages of a thread that a new reply continues."""
    return heads([entry.message for entry in entries])


def newest_roots(store: "Store") -> Iterator[Stored]:
    """Yield the posts that begin a thread, newest first."""
    page = Page(limit=PAGE_MESSAGES)
    while posts := store.views.by_type("post", page):
        yield from (stored for stored in posts if _entry(stored).place == Place())
        page = msgspec.structs.replace(page, before=posts[-1].received_no)


def names_of(store: "Store", viewer: FeedId, subjects: Sequence[str]) -> dict[str, str]:
    """Return the names that count for the viewer, of those subjects that have one."""
    claims: dict[str, list[Claim]] = {}
    for subject, author, value in store.views.read(
        "SELECT subject, author, value FROM social_abouts"
        " WHERE field = 'name' AND subject IN (SELECT value FROM json_each(?))",
        (orjson.dumps(list(subjects)).decode(),),
    ):
        claim = Claim(FeedId(str(author)), None if value is None else str(value))
        claims.setdefault(str(subject), []).append(claim)
    chosen = {
        subject: choose_value(said, viewer, _owner(store, subject))
        for subject, said in claims.items()
    }
    return {subject: name for subject, name in chosen.items() if name is not None}


def feeds_named(store: "Store", viewer: FeedId, name: str) -> dict[FeedId, str]:
    """Return the feeds that the viewer knows by this name: the one so named by the viewer, if any.

    Capitals do not count. What only others call somebody does not, where another name counts.
    """
    said = [
        (subject, author)
        for subject, author in store.views.read(
            "SELECT subject, author FROM social_abouts"
            " WHERE field = 'name' AND value = ? COLLATE NOCASE LIMIT ?",
            (name, NAMESAKES_MAX),
        )
        if is_feed_id(subject)
    ]
    mine = [subject for subject, author in said if author == viewer]
    subjects = mine or list(dict.fromkeys(subject for subject, _author in said))
    names = names_of(store, viewer, subjects)
    return {
        subject: names[subject]
        for subject in subjects
        if names.get(subject, "").casefold() == name.casefold()
    }


def own_name_for(store: "Store", viewer: FeedId, subject: str) -> str | None:
    """Return what the viewer calls a subject; None for nothing."""
    for (value,) in store.views.read(
        "SELECT value FROM social_abouts WHERE subject = ? AND field = 'name' AND author = ?",
        (subject, viewer),
    ):
        return value if isinstance(value, str) else None
    return None


def _owner(store: "Store", subject: str) -> FeedId | None:
    """Return who speaks for a subject: a feed for itself, an author for a message."""
    if is_feed_id(subject):
        return subject
    stored = store.log.get(MsgId(subject)) if is_msg_id(subject) else None
    return None if stored is None else stored.feed


def _entry(stored: Stored) -> ThreadEntry:
    value: JsonValue = parse_json(stored.data)
    assert isinstance(value, dict), "only valid messages are in the log"
    content, timestamp = value.get("content"), value.get("timestamp")
    return ThreadEntry(
        stored,
        ThreadMessage(
            key=stored.key,
            links=message_links(value),
            received_ms=stored.received_ms,
            timestamp=float(timestamp) if isinstance(timestamp, int | float) else 0.0,
        ),
        parse_place(content) if isinstance(content, dict) else Place(),
    )
