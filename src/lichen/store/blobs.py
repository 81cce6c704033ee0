"""Blobs as files: pictures and other attachments, named by the hash of their bytes.

The place of each file is that of multiblob (npm), which the JavaScript peers use:
``sha256/<first two hex digits>/<the others>``. A blob is written under ``tmp``, hashed on the way,
flushed, and only then gets its name; what a crash leaves under ``tmp`` is removed at the next
opening.

A file is not believed because of its name: the first time in a run that it is read, and again when
its size or its time has changed, all of it is hashed. One that does not hold is thrown away and
counts as missing, so that it can be fetched again. Refused: bytes above the caller's limit, and
bytes with another hash than the one they were announced by.
"""

import hashlib
import os
import shutil
import stat
import threading
from binascii import a2b_hex
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self

from lichen.feed.message import BlobId
from lichen.feed.refs import blob_id_from_bytes, blob_key_bytes
from lichen.store.errors import BlobMissing, BlobRefused, StoreReadFailed, reason_of, writing
from lichen.words import N_

BLOBS_FOLDER = "blobs"
EMPTY_BLOB = blob_id_from_bytes(hashlib.sha256(b"").digest())
"""The blob of no bytes is always here, without a file."""

_ALGORITHM = "sha256"
_TEMPORARY = "tmp"


class Blobs:
    """The blobs of one data directory; for any thread. What touches files may take its time."""

    __slots__ = ("_checked", "_directory", "_draft_last", "_lock", "_sizes", "_total_bytes")

    def __init__(self, directory: Path) -> None:
        """Made by ``open``."""
        self._directory = directory
        self._lock = threading.Lock()
        self._sizes: dict[BlobId, int] = {}
        self._checked: dict[BlobId, tuple[int, int]] = {}
        """Size and time of files that were hashed in this run."""
        self._total_bytes = 0
        self._draft_last = 0

    @classmethod
    def open(cls, directory: Path) -> "Blobs":
        """Open or make the folder, remove what a crash left, and see what is there."""
        blobs = cls(directory)
        shutil.rmtree(directory / _TEMPORARY, ignore_errors=True)
        for folder in (directory, directory / _TEMPORARY, directory / _ALGORITHM):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        # A blob outlives a power cut only if the names of all folders above it do.
        for folder in (directory.parent, directory, directory / _ALGORITHM):
            _sync_directory(folder)
        for blob, _, size in find_blobs(directory):
            blobs._sizes[blob] = size
            blobs._total_bytes += size
        return blobs

    @property
    def total_bytes(self) -> int:
        """Return the size of all blobs together."""
        return self._total_bytes

    @property
    def count(self) -> int:
        """Return how many blobs are here, not counting the empty one."""
        return len(self._sizes)

    def size(self, blob: BlobId) -> int | None:
        """Return the size of a blob, None if it is not here. Never touches the disk."""
        return 0 if blob == EMPTY_BLOB else self._sizes.get(blob)

    def sizes(self) -> dict[BlobId, int]:
        """Return every blob that is here, with its size."""
        with self._lock:
            return dict(self._sizes)

    def add(self, data: bytes, bytes_max: int) -> BlobId:
        """Keep bytes durably; return their id. Raises ``BlobRefused`` or ``StoreWriteFailed``."""
        with self.begin(bytes_max) as draft:
            draft.write(data)
            return draft.finish()

    def begin(self, bytes_max: int) -> "Draft":
        """Begin a blob that comes piece by piece, of ``bytes_max`` bytes at most."""
        with self._lock:
            self._draft_last += 1
            number = self._draft_last
        return Draft(self, self._directory / _TEMPORARY / str(number), bytes_max)

    def read(self, blob: BlobId, start: int = 0, end: int | None = None) -> bytes:
        """Return the bytes from ``start`` up to ``end``, without it to the last.

        Raises ``BlobMissing``, also when the file no longer holds the blob's bytes; it is thrown
        away then. Raises ``StoreReadFailed`` when the disk does.
        """
        if blob == EMPTY_BLOB:
            return b""
        path = self._path(blob)
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                mark = (status.st_size, status.st_mtime_ns)
                if mark != self._checked.get(blob):
                    if hashlib.file_digest(file, _ALGORITHM).digest() != blob_key_bytes(blob):
                        self.remove(blob)
                        raise BlobMissing(blob)
                    self._checked[blob] = mark
                file.seek(start)
                return file.read(-1 if end is None else max(0, end - start))
        except FileNotFoundError as error:
            self.remove(blob)
            raise BlobMissing(blob) from error
        except OSError as error:
            raise StoreReadFailed(reason_of(error)) from error

    def remove(self, blob: BlobId) -> bool:
        """Throw a blob away; tell whether it was here. Raises ``StoreWriteFailed``."""
        with self._lock:
            size = self._sizes.pop(blob, None)
            self._total_bytes -= size or 0
            self._checked.pop(blob, None)
        with writing():
            self._path(blob).unlink(missing_ok=True)
        return size is not None

    def _path(self, blob: BlobId) -> Path:
        digits = blob_key_bytes(blob).hex()
        return self._directory / _ALGORITHM / digits[:2] / digits[2:]

    def _place(self, draft: Path, blob: BlobId, size: int) -> None:
        """Give a flushed file its name, durably."""
        path = self._path(blob)
        folder = path.parent
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
            _sync_directory(folder.parent)
        draft.replace(path)
        _sync_directory(folder)
        status = path.stat()
        with self._lock:
            self._total_bytes += size - self._sizes.get(blob, 0)
            self._sizes[blob] = size
            self._checked[blob] = (status.st_size, status.st_mtime_ns)


class Draft:
    """A blob on its way to the disk; as a context it leaves nothing behind unless it finished."""

    __slots__ = ("_blobs", "_bytes_max", "_file", "_hash", "_path", "size")

    def __init__(self, blobs: Blobs, path: Path, bytes_max: int) -> None:
        self._blobs = blobs
        self._path = path
        self._bytes_max = bytes_max
        self._hash = hashlib.sha256()
        self.size = 0
        with writing():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_fault: object) -> None:
        self.discard()

    def write(self, data: bytes) -> None:
        """Add bytes. Raises ``BlobRefused`` above the limit, or ``StoreWriteFailed``."""
        self.size += len(data)
        if self.size > self._bytes_max:
            raise BlobRefused(N_("A blob may have {most} bytes at most.", most=self._bytes_max))
        self._hash.update(data)
        with writing():
            self._write_out(data)

    def _write_out(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def finish(self, expected: BlobId | None = None) -> BlobId:
        """Keep what was written, durably; return its id.

        Raises ``BlobRefused`` if that is not the expected one, or ``StoreWriteFailed``.
        """
        blob = blob_id_from_bytes(self._hash.digest())
        if expected is not None and blob != expected:
            raise BlobRefused(
                N_("The bytes are those of {blob}, not of {wanted}.", blob=blob, wanted=expected)
            )
        if blob == EMPTY_BLOB:
            return blob
        with writing():
            os.fsync(self._file.fileno())
            self._blobs._place(self._path, blob, self.size)
        return blob

    def discard(self) -> None:
        """Leave nothing of it under ``tmp``; harmless after ``finish``."""
        with suppress(OSError):  # what stays is removed at the next opening
            self._file.close()
            self._path.unlink(missing_ok=True)


def find_blobs(directory: Path) -> Iterable[tuple[BlobId, Path, int]]:
    """Yield every blob of a blobs folder by its name alone: id, file, size."""
    folder = directory / _ALGORITHM
    for branch in os.scandir(folder) if folder.is_dir() else ():
        if not branch.is_dir():
            continue
        for entry in os.scandir(branch):
            blob = _blob_at(branch.name + entry.name)
            status = entry.stat()
            if blob is not None and stat.S_ISREG(status.st_mode):
                yield blob, Path(entry.path), status.st_size


def _blob_at(digits: str) -> BlobId | None:
    """Return whose file has such a name, None if no blob's."""
    if len(digits) != 64 or digits != digits.lower():
        return None
    try:
        return blob_id_from_bytes(a2b_hex(digits))
    except ValueError:
        return None


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
