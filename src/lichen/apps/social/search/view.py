"""The view behind full-text search: an FTS5 index of what public messages say.

The index keeps no text (``content=''``): whoever finds a message reads it from the log, and what
the log no longer holds is not found. A row's number is the message's number of receipt, so that
the newest come first at no cost. ``search_times`` has the time to show of each message that is
in the index, for dates and for the order of what was found, and whose it is: that FTS5 leaves
people out takes long, for it looks at all they wrote. ``search_spans`` says between which times
those of each stretch of the log are, so that what was written long ago is found without going
through all since. ``search_names`` is an index apart of
the messages that give a name, so that those who are looked for among people do not come up among
what people say.

The fold is commutative and idempotent, for a row depends on its message alone and replaces itself.
"""

from collections.abc import Sequence

import apsw

from lichen.apps.social.rules import believable_ms
from lichen.apps.social.search.words import TOKENIZER, facets_of, indexed_text, named_text
from lichen.feed.message import FeedId
from lichen.feed.refs import feed_key_bytes
from lichen.store.views import FoldRow
from lichen.words import N_

AUTOMERGE = 8
"""Segments of one level that are merged in passing: half the writing of the usual 4."""

AUTHOR_BYTES = 6
SPAN_BITS = 12
"""Messages of one stretch, as a power of two: a million make some 250 stretches."""

_ADD_WORDS = "INSERT OR REPLACE INTO search(rowid, said) VALUES (?, ?)"
_ADD_NAME = "INSERT OR REPLACE INTO search_names(rowid, named) VALUES (?, ?)"
_ADD_TIME = "INSERT OR REPLACE INTO search_times(received_no, written_s, author) VALUES (?, ?, ?)"
_WIDEN_SPAN = """
INSERT INTO search_spans(span, first_s, last_s) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET
first_s = min(first_s, excluded.first_s), last_s = max(last_s, excluded.last_s)
"""


class SearchView:
    """Words and facets to messages. Private messages are not folded here."""

    name = "social_search"
    title = N_("Words, for searching")
    version = 2
    schema = f"""
    CREATE VIRTUAL TABLE search USING fts5(
        said, content='', contentless_delete=1, tokenize="{TOKENIZER}");
    CREATE VIRTUAL TABLE search_names USING fts5(
        named, content='', contentless_delete=1, tokenize="{TOKENIZER}");
    INSERT INTO search(search, rank) VALUES ('automerge', {AUTOMERGE});
    CREATE TABLE search_times(
        received_no INTEGER PRIMARY KEY, written_s INTEGER NOT NULL,
        author INTEGER NOT NULL) STRICT;
    CREATE TABLE search_spans(
        span INTEGER PRIMARY KEY, first_s INTEGER NOT NULL, last_s INTEGER NOT NULL) STRICT;
    """  # noqa: S608 (constants of this program)

    def fold(self, db: apsw.Connection, rows: Sequence[FoldRow]) -> None:
        """Add what messages say. In order of number: FTS5 writes a segment at each step back."""
        found, times, named = [], [], []
        for row in rows:
            if isinstance(row.content, dict):
                said, name = indexed_text(row.content), named_text(row.content)
                if said:
                    facets = facets_of(row.feed, row.content)
                    found.append((row.received_no, f"{' '.join(facets)} {said}"))
                    times.append((row.received_no, written_s(row), author_number(row.feed)))
                if name:
                    named.append((row.received_no, name))
        if found:
            db.executemany(_ADD_WORDS, sorted(found))
            db.executemany(_ADD_TIME, sorted(times))
            db.executemany(_WIDEN_SPAN, _spans(times))
        if named:
            db.executemany(_ADD_NAME, sorted(named))


def _spans(times: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Return the stretches that messages are in, with the first and the last of their times."""
    seconds: dict[int, list[int]] = {}
    for received_no, at_s, _ in times:
        seconds.setdefault(received_no >> SPAN_BITS, []).append(at_s)
    return [(span, min(of_span), max(of_span)) for span, of_span in seconds.items()]


def author_number(feed: FeedId) -> int:
    """Return a number for a feed: as much of the key as nobody can meet by trying keys."""
    return int.from_bytes(feed_key_bytes(feed)[:AUTHOR_BYTES])


def written_s(row: FoldRow) -> int:
    """Return the second by which a message is ordered: that of the time to show."""
    return int(believable_ms(row.timestamp, row.received_ms) // 1000)
