"""Reading threads from the views, for one viewer: the person whose peer this is."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from lichen.apps.social.content import Place
from lichen.apps.social.reading.circle import Circle, as_hex, as_marks, circle_of
from lichen.apps.social.reading.entries import Entry, Gap, Hidden, Item, read_entry
from lichen.apps.social.rules import first_words, heads, sort_thread
from lichen.apps.social.view import BEGINS
from lichen.feed.message import FeedId, MsgId
from lichen.store.log import Stored, feed_mark, message_mark

if TYPE_CHECKING:
    from lichen.store.store import Store

THREAD_MESSAGES_MAX = 5000
"""Replies of a thread that are put in order, the newest if there are more: a second's work."""
HIDDEN_MESSAGES_MAX = 500
"""Replies of blocked feeds that are put in order, so that their places can be shown."""
GAPS_LOOKED_UP_MAX = 5000
"""Messages referred to that are looked for in the log: a tenth of a second's work."""
GAPS_OF_REPLY_MAX = 16
"""Messages that one reply can show to be missing: a hostile one names a hundred that never were."""
WINDOW_DEFAULT = 100
"""Items of a thread shown at once: more than most threads have."""
WINDOW_MAX = 500
"""Items of a thread shown at once, at most: a page of some megabytes."""
FRESH_MAX = 100
"""Fresh replies that are counted; a page says 99+."""
ROOTS_AT_ONCE = 30
"""Posts that begin a thread, read in one go: what a terminal shows at first."""


class Participant(msgspec.Struct, frozen=True):
    """Somebody who wrote in a thread, and how many of its messages are theirs."""

    feed: FeedId
    count: int


class ThreadPage(msgspec.Struct, frozen=True):
    """A window of a thread. The root stands before it, always; places count from 0 after the root.

    ``items`` are those at ``first`` and after it, of ``length`` in all. ``earlier_after`` and
    ``later_after`` are what to give as ``after`` for the windows beside this one, None at the ends.
    ``total`` counts the messages here that are not hidden, the root included; ``is_cut``: there are
    more than can be put in order, and the oldest replies are left out. ``outer``: the thread that
    this one is a side thread of. ``side_threads``: replies with threads of their own, and how many
    messages these have.
    """

    thread: MsgId
    asked: MsgId
    title: str
    root: Item
    items: tuple[Item, ...]
    first: int
    length: int
    earlier_after: int | None
    later_after: int | None
    total: int
    hidden_count: int
    is_cut: bool
    participants: tuple[Participant, ...]
    outer: MsgId | None
    side_threads: dict[MsgId, int]
    newest_no: int
    read_to_no: int


def open_thread(
    store: "Store",
    viewer: FeedId,
    key: MsgId,
    *,
    limit: int = WINDOW_DEFAULT,
    after: int | None = None,
    shows_hidden: bool = False,
    is_side: bool = False,
    circle: Circle | None = None,
) -> ThreadPage:
    """Return a window of the thread of a message: ``limit`` items from place ``after`` on.

    ``is_side``: of the side thread that begins at the message, also if it is a reply itself.
    Without ``after`` it is the end of the thread, or the part around ``key`` if that is a reply.
    """
    circle = circle or circle_of(store, viewer)
    limit = max(1, min(limit, WINDOW_MAX))
    blocks: frozenset[FeedId] = frozenset() if shows_hidden else circle.blocks
    thread, root = _root_of(store, key, is_side=is_side)
    replies, hidden_count, reply_count = _read_replies(store, thread, blocks)
    ordered = _in_order([*replies, root] if root else replies)
    items = list(_fold_hidden(with_gaps(store, thread, ordered, blocks), thread, blocks))
    start = _window_start(items, key, limit, after)
    shown = [entry for entry in ordered if entry.feed not in blocks]
    return ThreadPage(
        thread=thread,
        asked=key,
        title=title_of(root) if root and root.feed not in blocks else "",
        root=_root_item(thread, root, blocks),
        items=tuple(items[start : start + limit]),
        first=start,
        length=len(items),
        earlier_after=max(0, start - limit) if start > 0 else None,
        later_after=start + limit if start + limit < len(items) else None,
        total=reply_count - hidden_count + (root is not None and root.feed not in blocks),
        hidden_count=hidden_count + (root is not None and root.feed in blocks),
        is_cut=reply_count > len(replies),
        participants=tuple(
            Participant(feed, count)
            for feed, count in Counter(entry.feed for entry in shown).items()
        ),
        outer=_outer(root),
        side_threads=_side_threads(store, thread, ordered),
        newest_no=max((entry.received_no for entry in shown), default=0),
        read_to_no=store.local.read_to(thread),
    )


def title_of(entry: Entry) -> str:
    """Return a title for what an entry says: its own if it has one, else its first words.

    Where the author asks for care the title says that, and nothing of what it is asked for.
    """
    warning = entry.content.get("contentWarning")
    if isinstance(warning, str) and warning:
        return first_words(warning)
    title = entry.content.get("title")
    return first_words(title if isinstance(title, str) and not entry.text else entry.text)


def count_replies_after(
    store: "Store", viewer: FeedId, thread: MsgId, after_no: int, *, circle: Circle | None = None
) -> int:
    """Return how many posts others wrote in a thread after ``after_no``; stops at ``FRESH_MAX``."""
    circle = circle or circle_of(store, viewer)
    ((count,),) = store.views.read(
        "SELECT count(*) FROM (SELECT 1 FROM social_threads WHERE thread = ? AND is_post = 1"
        " AND received_no > ? AND feed NOT IN (SELECT value FROM json_each(?)) LIMIT ?)",
        (message_mark(thread), after_no, as_marks(circle.blocks | {viewer}), FRESH_MAX),
    )
    assert isinstance(count, int), "a count is a number"
    return count


def thread_root(store: "Store", key: MsgId) -> MsgId:
    """Return the root of the thread a message belongs to: itself, if it answers nothing."""
    stored = store.log.get(key)
    return key if stored is None else read_entry(stored).place.root or key


def _root_of(store: "Store", key: MsgId, *, is_side: bool) -> tuple[MsgId, Entry | None]:
    """Return the thread of a message, or the one that begins there, and its root if it is here."""
    stored = store.log.get(key)
    asked = None if stored is None else read_entry(stored)
    if is_side or asked is None or asked.place.root is None:
        return key, asked
    first = store.log.get(asked.place.root)
    return asked.place.root, None if first is None else read_entry(first)


def read_thread(store: "Store", root: MsgId) -> list[Entry]:
    """Return the messages of a thread that are here, in reading order."""
    replies, _hidden, _count = _read_replies(store, root, frozenset())
    first = store.log.get(root)
    return _in_order(replies if first is None else [*replies, read_entry(first)])


def with_gaps(
    store: "Store",
    root: MsgId,
    entries: Sequence[Entry],
    blocks: frozenset[FeedId] = frozenset(),
) -> Iterator[Entry | Gap]:
    """Yield a thread's messages, each missing one as a gap before the first that refers to it.

    What only ``blocks`` refer to is no gap.
    """
    referred = {
        entry.key: (root, *entry.place.branch[:GAPS_OF_REPLY_MAX])
        for entry in entries
        if entry.feed not in blocks
    }
    wanted = {key for keys in referred.values() for key in keys} - {e.key for e in entries}
    missing = set(store.log.missing(sorted(wanted)[:GAPS_LOOKED_UP_MAX]))
    for entry in entries:
        for key in referred.get(entry.key, ()):
            if key in missing:
                missing.remove(key)
                yield Gap(key)
        yield entry


def thread_heads(entries: Sequence[Entry]) -> list[MsgId]:
    """Return the messages of a thread that a new reply continues."""
    return heads([entry.message for entry in entries])


def reply_place(
    store: "Store", answered: MsgId, branch: Sequence[MsgId] = (), *, is_fork: bool = False
) -> Place | None:
    """Return where an answer to a message belongs; None if nothing of its thread is here.

    ``branch``: what is answered, else the heads of the thread. ``is_fork``: begin a side thread at
    the message if it is a reply itself.
    """
    root, fork = thread_root(store, answered), None
    if is_fork and root != answered:
        root, fork = answered, root
    known = read_thread(store, root)
    if not known:
        return None
    return Place(root=root, fork=fork, branch=tuple(branch or thread_heads(known)) or (root,))


def newest_roots(store: "Store", last_no: int | None = None) -> Iterator[Stored]:
    """Yield the posts that begin a thread, newest first, from a number of receipt on."""
    before = (store.log.last_no if last_no is None else last_no) + 1
    while numbers := [
        number
        for (number,) in store.views.read(
            "SELECT received_no FROM social_threads INDEXED BY social_threads_newest"
            " WHERE is_post = 1 AND role < 2 AND role = ? AND received_no < ?"
            " ORDER BY received_no DESC LIMIT ?",
            (BEGINS, before, ROOTS_AT_ONCE),
        )
        if isinstance(number, int)
    ]:
        yield from store.log.at_numbers(numbers)
        before = numbers[-1]


def _in_order(entries: Sequence[Entry]) -> list[Entry]:
    by_key = {entry.key: entry for entry in entries}
    return [by_key[message.key] for message in sort_thread(e.message for e in by_key.values())]


def _read_replies(
    store: "Store", thread: MsgId, blocks: frozenset[FeedId]
) -> tuple[list[Entry], int, int]:
    """Return the replies of a thread, how many blocked feeds wrote, and how many there are.

    The newest ones are read if there are too many, and those of blocked feeds take nobody's place.
    """
    rows_max = THREAD_MESSAGES_MAX + HIDDEN_MESSAGES_MAX
    rows = _replies(store, thread, rows_max)
    marks = set(map(feed_mark, blocks))
    shown = [number for number, feed in rows if feed not in marks]
    hidden = [number for number, feed in rows if feed in marks]
    hidden_count, count = len(hidden), len(rows)
    if count == rows_max:
        # Those of one kind may stand behind very many of the other.
        blocked = as_marks(blocks)
        shown = _replies_of(store, thread, blocked, "NOT IN", THREAD_MESSAGES_MAX)
        hidden = _replies_of(store, thread, blocked, "IN", HIDDEN_MESSAGES_MAX)
        hidden_count, count = _count_replies(store, thread, blocked)
    numbers = shown[:THREAD_MESSAGES_MAX] + hidden[:HIDDEN_MESSAGES_MAX]
    return [read_entry(one) for one in store.log.at_numbers(numbers)], hidden_count, count


def _replies(store: "Store", thread: MsgId, rows_max: int) -> list[tuple[int, object]]:
    """Return the newest replies of a thread, each with the mark of who wrote it."""
    return [
        (number, feed)
        for number, feed in store.views.read(
            "SELECT received_no, feed FROM social_threads WHERE thread = ? AND role > 0"
            " ORDER BY received_no DESC LIMIT ?",
            (message_mark(thread), rows_max),
        )
        if isinstance(number, int)
    ]


def _replies_of(
    store: "Store", thread: MsgId, blocked: str, condition: str, rows_max: int
) -> list[int]:
    """Return the newest replies of a thread by feeds that are, or are not, blocked."""
    return [
        number
        for (number,) in store.views.read(
            "SELECT received_no FROM social_threads WHERE thread = ? AND role > 0"  # noqa: S608
            f" AND feed {condition} (SELECT value FROM json_each(?))"
            " ORDER BY received_no DESC LIMIT ?",
            (message_mark(thread), blocked, rows_max),
        )
        if isinstance(number, int)
    ]


def _count_replies(store: "Store", thread: MsgId, blocked: str) -> tuple[int, int]:
    """Return how many replies are of blocked feeds, and how many there are."""
    ((hidden, total),) = store.views.read(
        "SELECT count(*) FILTER (WHERE feed IN (SELECT value FROM json_each(?))), count(*)"
        " FROM social_threads WHERE thread = ? AND role > 0",
        (blocked, message_mark(thread)),
    )
    assert isinstance(hidden, int), "a count is a number"
    assert isinstance(total, int), "a count is a number"
    return hidden, total


def _fold_hidden(
    items: Iterable[Entry | Gap], thread: MsgId, blocks: frozenset[FeedId]
) -> Iterator[Item]:
    """Yield all but the root, with what blocked feeds wrote in a row as one."""
    hidden: list[FeedId] = []
    for item in items:
        if item.key == thread:
            continue
        if isinstance(item, Entry) and item.feed in blocks:
            hidden.append(item.feed)
            continue
        if hidden:
            yield Hidden(len(hidden), tuple(dict.fromkeys(hidden)))
            hidden = []
        yield item
    if hidden:
        yield Hidden(len(hidden), tuple(dict.fromkeys(hidden)))


def _window_start(items: Sequence[Item], key: MsgId, limit: int, after: int | None) -> int:
    """Return the place of a window's first item: as asked, around ``key``, or the last window."""
    last = max(0, len(items) - limit)
    if after is not None:
        return max(0, min(after, len(items)))
    for place, item in enumerate(items):
        if not isinstance(item, Hidden) and item.key == key:
            return max(0, min(place - limit // 2, last))
    return last


def _root_item(thread: MsgId, root: Entry | None, blocks: frozenset[FeedId]) -> Item:
    if root is None:
        return Gap(thread)
    return Hidden(1, (root.feed,)) if root.feed in blocks else root


def _outer(root: Entry | None) -> MsgId | None:
    """Return the thread in which the root of a side thread is a reply."""
    if root is None or root.place.root == root.key:
        return None
    return root.place.root


def _side_threads(store: "Store", thread: MsgId, entries: Sequence[Entry]) -> dict[MsgId, int]:
    """Return which replies are roots themselves, and how many messages their threads have."""
    keys = {message_mark(entry.key): entry.key for entry in entries if entry.key != thread}
    if not keys:
        return {}
    return {
        keys[mark]: count
        for mark, count in store.views.read(
            "SELECT thread, count(*) FROM json_each(?) k"
            " CROSS JOIN social_threads ON thread = unhex(k.value) WHERE role > 0 GROUP BY thread",
            (as_hex(keys),),
        )
        if isinstance(count, int) and isinstance(mark, bytes)
    }
