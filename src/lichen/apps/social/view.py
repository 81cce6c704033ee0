"""Two views folded from the log: which messages belong to which thread, and who is called what.

``ThreadsView``  one row for each link by which a message places itself in a thread (root or fork)
``NamesView``    the latest value each author gave each field of each subject

Both folds are commutative and idempotent: rows are only added, or replaced by what the same author
said later in the same feed. Private messages are not folded here. Votes belong to a message, not to
the reading order of its thread, and are left out.
"""

from collections.abc import Sequence

import apsw

from lichen.apps.social.content import parse_about, parse_place
from lichen.store.views import FoldRow

_ADD_PLACE = """
INSERT INTO social_threads(thread, received_no) VALUES (?, ?) ON CONFLICT DO NOTHING
"""
_SET_FIELD = """
INSERT INTO social_abouts(subject, field, author, sequence, value) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET sequence = excluded.sequence, value = excluded.value
WHERE excluded.sequence > sequence
"""


class ThreadsView:
    """Thread to the messages in it, without its root message, which names no thread itself."""

    name = "social_threads"
    version = 1
    schema = """
    CREATE TABLE social_threads(
        thread TEXT NOT NULL, received_no INTEGER NOT NULL,
        PRIMARY KEY (thread, received_no)) STRICT, WITHOUT ROWID;
    """

    def fold(self, db: apsw.Connection, rows: Sequence[FoldRow]) -> None:
        """Add the places of messages."""
        places = []
        for row in rows:
            if not isinstance(row.content, dict) or row.type == "vote":
                continue
            if "root" in row.content or "fork" in row.content:
                place = parse_place(row.content)
                threads = {place.root, place.fork} - {None}
                places += [(thread, row.received_no) for thread in threads]
        if places:
            db.executemany(_ADD_PLACE, places)


class NamesView:
    """Subject, field and author to the latest value; NULL where it was taken back."""

    name = "social_abouts"
    version = 1
    types = frozenset({"about"})
    schema = """
    CREATE TABLE social_abouts(
        subject TEXT NOT NULL, field TEXT NOT NULL, author TEXT NOT NULL,
        sequence INTEGER NOT NULL, value TEXT,
        PRIMARY KEY (subject, field, author)) STRICT, WITHOUT ROWID;
    CREATE INDEX social_abouts_by_name ON social_abouts(value COLLATE NOCASE)
        WHERE field = 'name';
    """

    def fold(self, db: apsw.Connection, rows: Sequence[FoldRow]) -> None:
        """Take over what authors say later than what is there."""
        fields = []
        for row in rows:
            about = parse_about(row.content)
            if about is not None:
                fields += [
                    (about.subject, field, row.feed, row.sequence, value)
                    for field, value in about.fields
                ]
        if fields:
            db.executemany(_SET_FIELD, fields)
