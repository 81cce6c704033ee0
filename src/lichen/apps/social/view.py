"""Four views folded from the log: threads, channels, what people are called, and who likes what.

``ThreadsView``   one row for each thread a message is in: its own if it begins one, else those it
                  names as root and fork
``ChannelsView``  channel to the posts in it: those that name it, and those with its tag
``NamesView``     the latest value each author gave each field of each subject
``VotesView``     the latest vote of each author on each target

Threads, targets of votes and authors stand by their marks (``store/log/marks.py``).

All folds are commutative and idempotent: rows are only added, or replaced by what the same author
said later in the same feed. Private messages are not folded here. Votes belong to a message, not to
the reading order of its thread, and are in no thread.
"""

from collections.abc import Iterator, Sequence

import apsw

from lichen.apps.social.content import channels_of, parse_about, parse_place, parse_post, parse_vote
from lichen.apps.social.rules import EXPRESSION_CHARACTERS_MAX, name_skeleton
from lichen.feed.canonical import JsonValue
from lichen.feed.message import MsgId
from lichen.store.log import feed_mark, message_mark
from lichen.store.views import FoldRow
from lichen.words import N_

BEGINS, ANSWERS, BESIDE = 0, 1, 2
"""What a message is to a thread: its root, in it by ``root``, or in a side thread of it."""
CHANNELS_OF_POST_MAX = 20
"""Channels that one post can be in: so many that nobody means more, and a bound to its rows."""

_ADD_PLACE = """
INSERT INTO social_threads(thread, received_no, feed, role, is_post) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""
_ADD_TO_CHANNEL = """
INSERT INTO social_channels(channel, received_no, thread, feed) VALUES (?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""
_SET_FIELD = """
INSERT INTO social_abouts(subject, field, author, sequence, value, skeleton)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE
SET sequence = excluded.sequence, value = excluded.value, skeleton = excluded.skeleton
WHERE excluded.sequence > sequence
"""
_SET_VOTE = """
INSERT INTO social_votes(target, author, sequence, value, expression) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE
SET sequence = excluded.sequence, value = excluded.value, expression = excluded.expression
WHERE excluded.sequence > sequence
"""


class ThreadsView:
    """Thread to the messages in it. A post that names no thread begins its own.

    The partial indexes are the questions of a timeline: what somebody wrote last in threads, what
    anybody did, and which threads somebody began.
    """

    name = "social_threads"
    title = N_("Threads")
    version = 4
    schema = """
    CREATE TABLE social_threads(
        thread BLOB NOT NULL, received_no INTEGER NOT NULL, feed INTEGER NOT NULL,
        role INTEGER NOT NULL, is_post INTEGER NOT NULL,
        PRIMARY KEY (thread, received_no)) STRICT, WITHOUT ROWID;
    CREATE INDEX social_threads_by_feed ON social_threads(feed, received_no)
        WHERE is_post = 1 AND role < 2;
    CREATE INDEX social_threads_newest ON social_threads(received_no)
        WHERE is_post = 1 AND role < 2;
    CREATE INDEX social_threads_begun ON social_threads(feed, received_no)
        WHERE is_post = 1 AND role = 0;
    """

    def fold(self, db: apsw.Connection, rows: Sequence[FoldRow]) -> None:
        """Add the places of messages."""
        places = [
            (message_mark(thread), row.received_no, feed_mark(row.feed), role, row.type == "post")
            for row in rows
            if isinstance(row.content, dict) and row.type != "vote"
            for thread, role in _places(row, row.content)
        ]
        if places:
            db.executemany(_ADD_PLACE, places)


class ChannelsView:
    """Normalized channel to the posts that are in it, each with the thread it belongs to."""

    name = "social_channels"
    title = N_("Channels")
    version = 2
    types = frozenset({"post"})
    schema = """
    CREATE TABLE social_channels(
        channel TEXT NOT NULL, received_no INTEGER NOT NULL, thread BLOB NOT NULL,
        feed INTEGER NOT NULL, PRIMARY KEY (channel, received_no)) STRICT, WITHOUT ROWID;
    CREATE INDEX social_channels_by_thread ON social_channels(channel, thread, received_no);
    """

    def fold(self, db: apsw.Connection, rows: Sequence[FoldRow]) -> None:
        """Add posts to their channels."""
        found = []
        for row in rows:
            post = parse_post(row.content) if _may_name_channels(row.content) else None
            if post is not None:
                thread, feed = message_mark(post.root or row.key), feed_mark(row.feed)
                found += [
                    (channel, row.received_no, thread, feed)
                    for channel in channels_of(post)[:CHANNELS_OF_POST_MAX]
                ]
        if found:
            db.executemany(_ADD_TO_CHANNEL, found)


class NamesView:
    """Subject, field and author to the latest value; NULL where it was taken back."""

    name = "social_abouts"
    title = N_("Names and pictures of people")
    version = 3
    types = frozenset({"about"})
    is_early = True
    schema = """
    CREATE TABLE social_abouts(
        subject TEXT NOT NULL, field TEXT NOT NULL, author TEXT NOT NULL,
        sequence INTEGER NOT NULL, value TEXT, skeleton TEXT,
        PRIMARY KEY (subject, field, author)) STRICT, WITHOUT ROWID;
    CREATE INDEX social_abouts_by_skeleton ON social_abouts(skeleton, subject)
        WHERE field = 'name';
    """

    def fold(self, db: apsw.Connection, rows: Sequence[FoldRow]) -> None:
        """Take over what authors say later than what is there."""
        fields = []
        for row in rows:
            about = parse_about(row.content)
            if about is not None:
                fields += [
                    (about.subject, field, row.feed, row.sequence, value, _skeleton(field, value))
                    for field, value in about.fields
                ]
        if fields:
            db.executemany(_SET_FIELD, fields)


class VotesView:
    """Target and author to the latest vote; one that takes an earlier one back is kept as 0."""

    name = "social_votes"
    title = N_("Likes")
    version = 2
    types = frozenset({"vote"})
    schema = """
    CREATE TABLE social_votes(
        target BLOB NOT NULL, author INTEGER NOT NULL, sequence INTEGER NOT NULL,
        value INTEGER NOT NULL, expression TEXT NOT NULL,
        PRIMARY KEY (target, author)) STRICT, WITHOUT ROWID;
    """

    def fold(self, db: apsw.Connection, rows: Sequence[FoldRow]) -> None:
        """Take over what authors say later than what is there."""
        votes = []
        for row in rows:
            vote = parse_vote(row.content)
            if vote is not None:
                expression = vote.expression[:EXPRESSION_CHARACTERS_MAX]
                target, author = message_mark(vote.link), feed_mark(row.feed)
                votes.append((target, author, row.sequence, vote.value, expression))
        if votes:
            db.executemany(_SET_VOTE, votes)


def _may_name_channels(content: JsonValue) -> bool:
    """Tell whether a content has to be read for its channels: most have none."""
    return isinstance(content, dict) and bool(content.get("channel") or content.get("mentions"))


def _places(row: FoldRow, content: dict[str, JsonValue]) -> Iterator[tuple[MsgId, int]]:
    """Yield the threads a message is in and as what; by ``root`` counts before by ``fork``."""
    root, fork = content.get("root"), content.get("fork")
    if root is None and fork is None:
        if row.type == "post":
            yield row.key, BEGINS
        return
    place = parse_place({"root": root, "fork": fork})
    if place.root is not None:
        yield place.root, ANSWERS
    if place.fork is not None and place.fork != place.root:
        yield place.fork, BESIDE
    if place.root is None and place.fork is None and row.type == "post":
        yield row.key, BEGINS


def _skeleton(field: str, value: str | None) -> str | None:
    return name_skeleton(value) if field == "name" and value is not None else None
