"""Opening database files: made private, versioned from the first day, never guessed at.

``application_id`` says which of our files it is, ``user_version`` its format. An older format is
brought forward step by step in one transaction; a newer one, or a file that is something else, is
refused untouched.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import msgspec

from lichen.store.errors import (
    DAMAGED,
    NewerFormat,
    StoreReadFailed,
    Unreadable,
    opening_fault,
    reading,
)
from lichen.words import N_, phrase_of

BUSY_WAIT_MS_MAX = 5_000
"""How long to wait for another program that reads or copies one of the files."""
WRITE_CACHE_KIB = 16_384
"""Pages the writing connection keeps in memory: the inner pages of a million messages' indexes."""
READ_CACHE_KIB = 8_192
"""Pages each reading connection keeps at most: the inner pages that one question goes through at a
million messages. SQLite's usual 2 MB make a page of people three times as slow there."""
CHECKPOINT_BYTES = 16 * 1024 * 1024
"""Size of the write-ahead log at which it is moved to the file: rarer flushes in a first sync."""

FORMAT_MAX = 1_000
"""No version of this program will get so far: what says a higher number is damaged."""

OnFault = Callable[[StoreReadFailed], None]


class Schema(msgspec.Struct, frozen=True):
    """One kind of file. ``steps[n]`` is the SQL that brings format n to format n + 1.

    ``page_bytes`` counts when a file is made: bigger pages waste less behind long rows.
    """

    name: str
    application_id: int
    steps: tuple[str, ...]
    page_bytes: int = 4096

    @property
    def version(self) -> int:
        """Return the format that this version of the program writes."""
        return len(self.steps)

    def is_newer(self, found: int) -> bool:
        """Tell whether a later version of this program wrote a file of this format."""
        return self.version < found <= FORMAT_MAX


def open_for_writing(path: Path, schema: Schema) -> apsw.Connection:
    """Open or create a file, bring it to the current format, and return the one writing connection.

    Raises ``NewerFormat``, ``Unreadable``, ``NotWritable`` or ``StoreWriteFailed``.
    """
    db: apsw.Connection | None = None
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        db.set_busy_timeout(BUSY_WAIT_MS_MAX)
        db.pragma("page_size", schema.page_bytes)
        _check_and_migrate(db, path, schema)
        db.pragma("journal_mode", "wal")
        db.pragma("synchronous", "normal")
        db.pragma("cache_size", -WRITE_CACHE_KIB)
        db.wal_autocheckpoint(CHECKPOINT_BYTES // schema.page_bytes)
    except (apsw.Error, OSError, UnicodeDecodeError) as error:
        _close(db)
        raise opening_fault(path, error) from error
    except BaseException:
        _close(db)
        raise
    return db


def refuse_newer(path: Path, schema: Schema) -> None:
    """Raise ``NewerFormat`` if a later version of this program wrote a file; nothing is touched."""
    if is_absent(path):
        return
    try:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    except apsw.Error:
        return  # opening it for writing says what is the matter
    try:
        db.set_busy_timeout(BUSY_WAIT_MS_MAX)
        found_id, found = db.pragma("application_id"), db.pragma("user_version")
    except apsw.Error:
        return
    finally:
        db.close(True)
    if found_id == schema.application_id and schema.is_newer(found):
        raise NewerFormat(path, found, schema.version)


def is_absent(path: Path) -> bool:
    """Tell whether a file is not there, or empty: a crash can leave it so, and nothing is in it."""
    return not path.exists() or path.stat().st_size == 0


def delete_database(path: Path) -> None:
    """Throw a database away, with its write-ahead log."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _close(db: apsw.Connection | None) -> None:
    if db is not None:
        db.close(True)


def _check_and_migrate(db: apsw.Connection, path: Path, schema: Schema) -> None:
    found_id = db.pragma("application_id")
    found = db.pragma("user_version")
    # A crash while the file was being made leaves it empty, which is as good as new.
    is_empty = (
        found_id == 0 and found == 0 and not db.execute("SELECT count(*) FROM sqlite_schema").get
    )
    if not is_empty and found_id != schema.application_id:
        raise Unreadable(path, N_("it is not a {name} file of this program", name=schema.name))
    if schema.is_newer(found):
        raise NewerFormat(path, found, schema.version)
    if not 0 <= found <= schema.version:
        raise Unreadable(path, phrase_of(DAMAGED))
    if found == schema.version:
        return
    # All steps or none, flushed: a crash at any instant leaves the old format as it was.
    with durable(db):
        for step in schema.steps[found:]:
            db.execute(step)
        db.pragma("application_id", schema.application_id)
        db.pragma("user_version", schema.version)


def only_row(db: apsw.Connection, sql: str) -> tuple[Any, ...]:
    """Return the one row that a table always has. Raises ``StoreReadFailed``: it is gone."""
    row: tuple[Any, ...] | None = db.execute(sql).fetchone()
    if row is None:
        raise StoreReadFailed(DAMAGED)
    return row


@contextmanager
def immediate(db: apsw.Connection) -> Iterator[None]:
    """Run a block as one write transaction; whatever goes wrong, nothing of it stays."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # A full disk may have ended the transaction already.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def durable(db: apsw.Connection) -> Iterator[None]:
    """Run a block as one write transaction that has reached the disk itself when it ends."""
    db.pragma("synchronous", "full")
    try:
        with immediate(db):
            yield
    finally:
        db.pragma("synchronous", "normal")


class Readers:
    """Read-only connections to one file, lent to any thread, one at a time each."""

    __slots__ = ("_generation", "_idle", "_is_closed", "_on_fault", "_path")

    def __init__(self, path: Path, on_fault: OnFault | None = None) -> None:
        """``on_fault`` is told, from the thread that meets it, what cannot be read."""
        self._path = path
        self._on_fault = on_fault
        self._idle: deque[tuple[int, apsw.Connection]] = deque()
        self._generation = 0
        self._is_closed = False

    def lend(self) -> "_Loan":
        """Lend a connection; database errors within become ``StoreReadFailed``."""
        return _Loan(self)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Turn database errors into ``StoreReadFailed``, and tell of them."""
        try:
            with reading():
                yield
        except StoreReadFailed as fault:
            if self._on_fault is not None:
                self._on_fault(fault)
            raise

    def renew(self) -> None:
        """Forget all connections: another file lies there now."""
        self._generation += 1
        while self._idle:
            self._idle.pop()[1].close(True)

    def close(self) -> None:
        """Close all connections; one that is lent is closed when it comes back."""
        self._is_closed = True
        self.renew()

    def _open(self) -> apsw.Connection:
        if self._is_closed:
            raise apsw.ConnectionClosedError
        db = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READONLY)
        db.set_busy_timeout(BUSY_WAIT_MS_MAX)
        db.pragma("cache_size", -READ_CACHE_KIB)
        return db


class _Loan:
    """A connection on loan, for a ``with``: written out, for each question to a file needs one."""

    __slots__ = ("_db", "_generation", "_readers")

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    def __enter__(self) -> apsw.Connection:
        readers = self._readers
        try:
            self._generation, self._db = readers._idle.pop()
        except IndexError:
            with readers.telling():
                self._generation, self._db = readers._generation, readers._open()
        return self._db

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        readers = self._readers
        if readers._is_closed or self._generation != readers._generation:
            self._db.close(True)
        else:
            readers._idle.append((self._generation, self._db))
        if isinstance(error, apsw.Error | UnicodeDecodeError):
            with readers.telling():
                raise error
