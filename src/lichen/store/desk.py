"""What somebody has on the desk: how far threads were read, what was begun and not yet said.

A part of local.db that ``Local`` holds. All of it is mirrored in memory, so it is bounded: what was
touched longest ago makes room.
"""

from collections.abc import Callable
from concurrent.futures import Future
from itertools import islice
from typing import Protocol

import apsw
import msgspec

from lichen.feed.message import MsgId
from lichen.store.errors import DraftRefused
from lichen.store.schema import immediate

READ_MARKS_MAX = 20_000
"""Threads whose read mark is kept, some 4 MB in memory; beyond, those read longest ago go."""
READ_MARKS_KEPT = READ_MARKS_MAX * 9 // 10
"""How many marks stay when there are too many, so that this is rarely looked at."""
DRAFTS_MAX = 200
"""Drafts that are kept: more than anybody has under way."""
DRAFT_BYTES_MAX = 65_536
"""Bytes of a draft: eight messages' worth, so that a text too long can be kept and shortened."""
DRAFT_PLACE_CHARACTERS_MAX = 200
"""Characters by which a draft is found again: an id and a word."""

Submit = Callable[[Callable[[], None]], "Future[None]"]
"""Have the writer thread do something, after all notes that were submitted before."""


class Write(Protocol):
    """Has the writer thread execute one statement."""

    def __call__(self, sql: str, *bindings: str | float) -> "Future[None]":
        """Return the future of the statement."""


class Draft(msgspec.Struct, frozen=True):
    """A text that somebody has begun to write, and when it was last kept."""

    text: str
    saved_ms: float


class Desk:
    """Read marks and drafts. Reading is for any thread and never waits."""

    __slots__ = ("_db", "_drafts", "_read_marks", "_submit", "_write")

    def __init__(self, db: apsw.Connection, write: Write, submit: Submit) -> None:
        self._db = db
        self._write = write
        self._submit = submit
        self._read_marks: dict[MsgId, int] = dict(
            db.execute("SELECT thread, received_no FROM read_marks ORDER BY received_no")
        )
        self._drafts = {
            place: Draft(text, saved_ms)
            for place, text, saved_ms in db.execute("SELECT place, text, saved_ms FROM drafts")
        }

    def read_to(self, thread: MsgId) -> int:
        """Return the ``received_no`` up to which a thread was read, 0 if it never was."""
        return self._read_marks.get(thread, 0)

    def mark_read(self, thread: MsgId, received_no: int) -> Future[None]:
        """Note that a thread was read up to a message. A mark only ever moves forward."""
        if received_no <= self.read_to(thread):
            return _done()
        # Put in anew, so that what was read last is last.
        self._read_marks.pop(thread, None)
        self._read_marks[thread] = received_no
        if len(self._read_marks) > READ_MARKS_MAX:
            self._forget_marks()
        return self._write(
            "INSERT INTO read_marks VALUES(?,?) ON CONFLICT DO UPDATE"
            " SET received_no = max(received_no, excluded.received_no)",
            thread,
            received_no,
        )

    def draft(self, place: str) -> Draft | None:
        """Return what was begun at a place, e.g. in a thread; None for nothing."""
        return self._drafts.get(place)

    def drafts(self) -> dict[str, Draft]:
        """Return all drafts by place, the one saved last first."""
        return dict(sorted(self._drafts.items(), key=lambda item: -item[1].saved_ms))

    def save_draft(self, place: str, text: str, now_ms: float) -> Future[None]:
        """Keep what was begun at a place; an empty text drops it. Raises ``DraftRefused``.

        The oldest draft makes room where there are too many.
        """
        # A form can bring half a surrogate pair, which no file can hold.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if len(text.encode()) > DRAFT_BYTES_MAX or len(place) > DRAFT_PLACE_CHARACTERS_MAX:
            raise DraftRefused(DRAFT_BYTES_MAX)
        if not text:
            return self.drop_draft(place)
        self._drafts[place] = Draft(text, now_ms)
        while len(self._drafts) > DRAFTS_MAX:
            oldest = min(self._drafts, key=lambda other: self._drafts[other].saved_ms)
            self.drop_draft(oldest)
        return self._write("REPLACE INTO drafts VALUES(?,?,?)", place, text, now_ms)

    def drop_draft(self, place: str) -> Future[None]:
        """Forget what was begun at a place: it was published, or given up."""
        if self._drafts.pop(place, None) is None:
            return _done()
        return self._write("DELETE FROM drafts WHERE place = ?", place)

    def forget_all_marks(self) -> None:
        """Forget how far threads were read. Called before the writer thread starts."""
        self._read_marks.clear()
        self._db.execute("DELETE FROM read_marks")

    def _forget_marks(self) -> None:
        """Let go of the marks of threads that were read longest ago."""
        read_first = list(islice(self._read_marks, len(self._read_marks) - READ_MARKS_KEPT))
        for thread in read_first:
            del self._read_marks[thread]

        def forget() -> None:
            with immediate(self._db):
                self._db.executemany(
                    "DELETE FROM read_marks WHERE thread = ?", [(thread,) for thread in read_first]
                )

        self._submit(forget)


def _done() -> Future[None]:
    """Return the future of what needs no writing."""
    done: Future[None] = Future()
    done.set_result(None)
    return done
