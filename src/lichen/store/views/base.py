"""The views every peer has: which messages there are, what links to what, who follows whom."""

from collections.abc import Callable, Iterator, Sequence

import apsw
import orjson

from lichen.feed.canonical import JsonValue
from lichen.feed.content import contact_of
from lichen.feed.refs import is_blob_id, is_feed_id, is_msg_id
from lichen.store.log import feed_mark, link_mark
from lichen.store.views.rows import FoldRow, View
from lichen.words import N_

PRIVATE = ""
"""Stands for the type of a private message, which nobody knows; no content has it."""
REL_CHARACTERS_MAX = 200
"""Longest path of keys kept with a link; real ones have a dozen characters."""
PATHS = ("vote.link", "root", "branch", "mentions.link", "contact", "about", "fork", "image.link")
"""Paths that nearly all links have: a number is kept for them, the place here. Only added to."""
_NUMBERS = {path: number for number, path in enumerate(PATHS)}
_IS_REF: dict[str, Callable[[object], bool]] = {"%": is_msg_id, "@": is_feed_id, "&": is_blob_id}


class IndexView:
    """Every message by type (``PRIVATE``: a box), and every link in its content.

    All else that is asked of a message stands in the log, where its number finds it.

    A link is a text that is wholly the id of a feed, message or blob; ``rel`` is the path of keys
    that leads to it, without the places in lists: ``root``, ``branch``, ``vote.link``. Of the id
    its mark is kept (``store/log/marks.py``).
    """

    name = "index"
    title = N_("Kinds of messages, and links")
    version = 3
    schema = """
        CREATE TABLE messages(
            type TEXT NOT NULL, received_no INTEGER NOT NULL,
            PRIMARY KEY(type, received_no)) WITHOUT ROWID;
        CREATE TABLE links(
            target INTEGER NOT NULL, received_no INTEGER NOT NULL, rel ANY NOT NULL,
            PRIMARY KEY(target, received_no, rel)) STRICT, WITHOUT ROWID;
        """

    def fold(self, db: apsw.Connection, rows: Sequence[FoldRow]) -> None:
        """Note each message and what it links to."""
        db.executemany(
            "INSERT OR IGNORE INTO messages VALUES(?,?)",
            [(row.type or PRIVATE, row.received_no) for row in rows],
        )
        db.executemany(
            "INSERT OR IGNORE INTO links VALUES(?,?,?)",
            [
                (link_mark(target), row.received_no, kept_path(rel))
                for row in rows
                if not isinstance(row.content, str)
                for target, rel in links_in(row.content)
            ],
        )

    def unfold(self, db: apsw.Connection, numbers: Sequence[int]) -> None:
        """Forget messages and their links, which are found by going through all."""
        marks = (orjson.dumps(list(numbers)).decode(),)
        gone = "WHERE received_no IN (SELECT value FROM json_each(?))"
        db.execute(f"DELETE FROM messages {gone}", marks)  # noqa: S608 (fixed text)
        db.execute(f"DELETE FROM links {gone}", marks)  # noqa: S608 (fixed text)


class ContactsView:
    """Who follows and blocks whom: the latest contact message of each source about each target.

    With its number of receipt, so that whom somebody follows, and who follows somebody, are pages
    of an order: what was said last comes first. A source stands by its mark; it has messages here.
    """

    name = "contacts"
    title = N_("Who follows and blocks whom")
    version = 3
    types = frozenset({"contact"})
    is_early = True
    schema = """
        CREATE TABLE contacts(
            source INTEGER NOT NULL, target TEXT NOT NULL, value INTEGER NOT NULL,
            sequence INTEGER NOT NULL, received_no INTEGER NOT NULL,
            PRIMARY KEY(source, target)) WITHOUT ROWID;
        CREATE INDEX contacts_by_target ON contacts(target, value, received_no);
        CREATE INDEX contacts_by_source ON contacts(source, value, received_no);
        """

    def fold(self, db: apsw.Connection, rows: Sequence[FoldRow]) -> None:
        """Keep what the later message says."""
        contacts = [
            (contact_of(row.feed, row.sequence, row.content), row.received_no)
            for row in rows
            if not isinstance(row.content, str)
        ]
        db.executemany(
            "INSERT INTO contacts VALUES(?,?,?,?,?) ON CONFLICT DO UPDATE SET"
            " value = excluded.value, sequence = excluded.sequence,"
            " received_no = excluded.received_no"
            " WHERE excluded.sequence > contacts.sequence",
            [
                (
                    feed_mark(contact.source),
                    contact.target,
                    contact.value,
                    contact.sequence,
                    number,
                )
                for contact, number in contacts
                if contact is not None
            ],
        )


def base_views() -> list[View]:
    """Return the views that the store itself asks questions of."""
    return [ContactsView(), IndexView()]


def kept_path(path: str) -> int | str:
    """Return what is kept of a path of keys."""
    return _NUMBERS.get(path, path)


def links_in(content: dict[str, JsonValue]) -> Iterator[tuple[str, str]]:
    """Yield each link in a content with its path of keys."""
    waiting: list[tuple[str, JsonValue]] = list(content.items())
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, str):
            # Nearly all texts are ruled out by their length.
            if 52 <= len(value) <= 53 and (is_ref := _IS_REF.get(value[0])) and is_ref(value):
                yield value, path[:REL_CHARACTERS_MAX]
        elif isinstance(value, dict):
            waiting.extend((f"{path}.{key}", item) for key, item in value.items())
        elif isinstance(value, list):
            waiting.extend((path, item) for item in value)
