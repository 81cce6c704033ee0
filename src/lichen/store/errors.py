"""What can go wrong with the data on disk.

``message`` is one sentence for a person, ``hint`` the next step, empty where there is none. Both
are phrases: English, and to be told in another language.
Messages that are refused are not errors but values (``lichen.feed.message.Rejected``).
"""

# ruff: noqa: N818 (each name says what is the case)

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec

from lichen.feed.message import BlobId, FeedId
from lichen.words import N_, phrase_of


class StoreError(Exception):
    """Something the store cannot do, in words, with the next step in ``hint``."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class DataDirLocked(StoreError):
    """Another process holds the data directory; ``pid`` is its process, None if not readable."""

    def __init__(self, directory: Path, pid: int | None) -> None:
        who = N_("another process") if pid is None else N_("process {pid}", pid=str(pid))
        super().__init__(
            N_("The folder {path} is in use by {who}.", path=directory, who=who),
            N_("Stop that process first, or use another folder."),
        )
        self.pid = pid


class NewerFormat(StoreError):
    """A file was written by a later version of this program."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(
            N_(
                "{path} has data format {found}, and this version knows formats up to {known}.",
                path=path,
                found=str(found),
                known=str(known),
            ),
            N_("Install the newer version again; older ones never touch such a file."),
        )


class WrongNetwork(StoreError):
    """The data directory belongs to another network key or HMAC key."""

    def __init__(self, directory: Path, what: str) -> None:
        super().__init__(
            N_(
                "The folder {path} belongs to a network with another {what}.",
                path=directory,
                what=what,
            ),
            N_("Start with the key it was made with, or use another folder for this network."),
        )


class WrongIdentity(StoreError):
    """The log was written by another identity than the secret file's."""

    def __init__(self, bound: FeedId, given: FeedId) -> None:
        super().__init__(
            N_(
                "This folder holds the log of {bound}, and the secret file is that of {given}.",
                bound=bound,
                given=given,
            ),
            N_("Put the right secret file back, or use another folder for this identity."),
        )
        self.bound = bound


class Unreadable(StoreError):
    """A file that cannot be derived from others is damaged, or is no database of ours."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            N_("{path} cannot be read: {words}.", path=path, words=reason),
            N_(
                "Run lichen fsck --heal, which keeps what can be read and lets peers give the rest "
                "again; or restore a backup into a new folder: lichen restore"
            ),
        )


class NotWritable(StoreError):
    """The folder or a file in it cannot be written at all: permissions, a read-only disk."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            N_("{path} cannot be written: {words}.", path=path, words=phrase_of(reason)),
            N_(
                "Make it writable for you (its owner, its permissions, the disk it lies on), or "
                "choose another folder with --home. Nothing in it is damaged."
            ),
        )


class StoreWriteFailed(StoreError):
    """Nothing of a write is on disk; ``reason`` says why in a few words, e.g. ``disk full``."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(N_("Nothing was written: {reason}.", reason=reason), hint)
        self.reason = reason


class StoreReadFailed(StoreError):
    """Something could not be read back from disk."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            N_("The data on disk cannot be read: {reason}.", reason=phrase_of(reason)),
            HEAL if reason in DAMAGES else "",
        )
        self.reason = reason


class StoreClosed(StoreError):
    """The store is closed or closing and takes no more work."""

    def __init__(self) -> None:
        super().__init__(N_("The store is closed."))


class PublishGuarded(StoreError):
    """Publishing waits until peers were asked for the own feed."""

    def __init__(self) -> None:
        super().__init__(
            N_(
                "Nothing is published yet: this key may have been used elsewhere, and a message "
                "written now could split its feed for good."
            ),
            N_("Connect to at least two peers that know you, or allow publishing in words."),
        )


class OwnFeedUnaudited(StoreError):
    """The signatures of own messages in the log are not all checked: nothing is built on them."""

    def __init__(self) -> None:
        super().__init__(
            N_("Nothing is published yet: own messages from elsewhere are still being checked."),
            N_("Try again in a moment."),
        )


class OwnFeedForked(StoreError):
    """The own feed has two different messages with one sequence; it cannot go on."""

    def __init__(self, feed: FeedId, sequence: int) -> None:
        super().__init__(
            N_(
                "The feed {feed} is forked at sequence {sequence}: two different messages of it "
                "exist, and no peer takes anything later.",
                feed=feed,
                sequence=str(sequence),
            ),
            N_("Start again with a new identity, and tell your friends by another way."),
        )


class ContentRefused(StoreError):
    """One content of a batch cannot be published, so none of the batch was."""

    def __init__(self, index: int, words: str) -> None:
        super().__init__(
            N_(
                "Content {number} cannot be published: {reason}.",
                number=str(index + 1),
                reason=phrase_of(words),
            )
        )
        self.index = index
        self.words = words


class DraftRefused(StoreError):
    """A draft is too long to be kept on this machine."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(
            N_(
                "This text is too long to be kept as a draft: it may have {most} bytes.",
                most=bytes_max,
            ),
            N_("Copy it to a file, and write it in several parts."),
        )


class BlobMissing(StoreError):
    """A blob is not here, or no longer: a file whose bytes were not the blob's is thrown away."""

    def __init__(self, blob: BlobId) -> None:
        super().__init__(N_("The blob {id} is not here.", id=blob))


class BlobRefused(StoreError):
    """Bytes that cannot be kept as the blob they are meant to be."""


class BackupRefused(StoreError):
    """No backup can be made there, or put back from there."""


class BackupDamaged(BackupRefused):
    """A backup is not what was written."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            N_("The backup is damaged: {path} is not what was written.", path=path),
            N_("Nothing was restored. Take another backup."),
        )


DISK_FULL = N_("disk full")
DAMAGED = N_("the database is damaged")
NO_DATABASE = N_("it is not a database")
DISK_FAULT = N_("the disk reports an input or output error")
DAMAGES = frozenset({DAMAGED, NO_DATABASE, DISK_FAULT})
"""Reasons that do not pass by themselves."""
HEAL = N_(
    "Mend it with: lichen fsck --heal. It keeps what holds; a running peer steps aside for it, and"
    " goes on afterwards."
)
READ_ONLY = N_("the disk or the file is read-only")
_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})
_UNWRITABLE_ERRNOS = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_UNWRITABLE = (apsw.ReadOnlyError, apsw.CantOpenError, apsw.PermissionsError)
MAKE_ROOM = N_("Make room on the disk; what waits is tried again.")
_REASONS: tuple[tuple[type[apsw.Error], str], ...] = (
    (apsw.FullError, DISK_FULL),
    (apsw.ReadOnlyError, READ_ONLY),
    (apsw.CantOpenError, N_("a file cannot be opened")),
    (apsw.PermissionsError, N_("access is not permitted")),
    (apsw.BusyError, N_("another program holds the database")),
    (apsw.LockedError, N_("another program holds the database")),
    (apsw.CorruptError, DAMAGED),
    (apsw.NotADBError, NO_DATABASE),
    (apsw.NoMemError, N_("out of memory")),
    (apsw.IOError, DISK_FAULT),
)


def reason_of(error: Exception) -> str:
    """Say in a few words what a database or system error means."""
    if isinstance(error, UnicodeDecodeError | msgspec.MsgspecError):
        return DAMAGED  # a text in the database is none any more
    extended = getattr(error, "extendedresult", 0)
    if extended == apsw.SQLITE_IOERR_SHMSIZE:
        return DISK_FULL  # there was no room for the index of a write-ahead log
    for kind, words in _REASONS:
        if isinstance(error, kind):
            return words
    if isinstance(error, OSError) and error.errno in _FULL_ERRNOS:
        return DISK_FULL
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        return READ_ONLY
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


@contextmanager
def reading() -> Iterator[None]:
    """Turn database errors into ``StoreReadFailed``."""
    try:
        yield
    except apsw.ConnectionClosedError as error:
        raise StoreClosed from error
    except (apsw.Error, UnicodeDecodeError) as error:
        raise StoreReadFailed(reason_of(error)) from error


def opening_fault(path: Path, error: Exception) -> StoreError:
    """Return what an error means that came while a file was being opened."""
    reason = reason_of(error)
    if reason == DISK_FULL:
        hint = N_("Make room on the disk of {path}, and begin again.", path=path)
        return StoreWriteFailed(reason, hint)
    is_forbidden = isinstance(error, OSError) and error.errno in _UNWRITABLE_ERRNOS
    if is_forbidden or isinstance(error, _UNWRITABLE):
        return NotWritable(path, reason)
    return Unreadable(path, phrase_of(reason))


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Turn database and system errors into ``Unreadable``, or say why nothing can be written."""
    try:
        yield
    except (apsw.Error, OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        raise opening_fault(path, error) from error
    except StoreReadFailed as error:
        raise Unreadable(path, phrase_of(error.reason)) from error


@contextmanager
def writing() -> Iterator[None]:
    """Turn database and system errors into ``StoreWriteFailed``."""
    try:
        yield
    except (apsw.Error, OSError, UnicodeDecodeError) as error:
        reason = reason_of(error)
        hint = ""
        if reason == DISK_FULL:
            hint = MAKE_ROOM
        elif reason in DAMAGES:
            hint = HEAL
        raise StoreWriteFailed(reason, hint) from error
    except StoreReadFailed as error:
        raise StoreWriteFailed(error.reason) from error
