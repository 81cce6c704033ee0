"""The head of a backup: which files, how big, with which hashes, and what is in them.

``manifest.json`` is written last, so that a backup that was broken off has none.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from lichen.feed.message import FeedId
from lichen.store.errors import (
    MAKE_ROOM,
    BackupDamaged,
    BackupRefused,
    StoreWriteFailed,
    writing,
)
from lichen.words import N_, phrase_of

MANIFEST_FILE = "manifest.json"
MANIFEST_BYTES_MAX = 1 << 20
BACKUP_VERSION = 1
BACKUP_KIND = "lichen-backup"


class KeptFile(msgspec.Struct, frozen=True):
    """One file of a backup."""

    bytes: int
    sha256: str
    format: int = 0
    """The data format of a database, 0 for other files."""


class Manifest(msgspec.Struct, frozen=True):
    """The head of a backup."""

    kind: str
    version: int
    created_ms: float
    program: str
    feed: FeedId | None
    messages: int
    feeds: int
    own_sequence: int
    blobs: int
    blob_bytes: int
    has_secret: bool
    files: dict[str, KeptFile]


def read_manifest(folder: Path) -> Manifest:
    """Read the head of a backup. Raises ``BackupRefused``: none, damaged, or of a later version."""
    path = folder / MANIFEST_FILE
    try:
        data = path.read_bytes()[:MANIFEST_BYTES_MAX]
    except OSError as error:
        raise BackupRefused(
            N_("{path} is no backup, or one that was never finished.", path=folder),
            N_("Give the folder that lichen backup has made: it holds a file manifest.json."),
        ) from error
    try:
        head = msgspec.json.decode(data)
        if isinstance(head, dict) and head.get("kind") == BACKUP_KIND:
            version = head.get("version")
            if isinstance(version, int) and version > BACKUP_VERSION:
                raise BackupRefused(
                    N_("The backup {path} was made by a later version.", path=folder),
                    N_("Install the newer version, and restore it with that."),
                )
        manifest = msgspec.convert(head, Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise BackupDamaged(path) from error
    if manifest.kind != BACKUP_KIND:
        raise BackupDamaged(path)
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the head of a backup, durably: from now on it counts as one."""
    path = folder / MANIFEST_FILE
    scratch = path.with_suffix(".new")
    with scratch.open("xb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
    sync(folder)


def hash_file(path: Path, data_format: int = 0) -> KeptFile:
    """Return size and hash of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return KeptFile(path.stat().st_size, digest, data_format)


@contextmanager
def copying_to(folder: Path) -> Iterator[None]:
    """Turn database and system errors into ``StoreWriteFailed``; nothing of it is tried again."""
    try:
        with writing():
            yield
    except StoreWriteFailed as error:
        if error.hint == MAKE_ROOM:
            error.hint = N_("Make room on the disk of {path}, and begin again.", path=folder)
        raise


@contextmanager
def choosing(folder: Path, hint: str) -> Iterator[None]:
    """Say of a folder that cannot be used that it cannot, and what to do."""
    try:
        yield
    except OSError as error:
        words = phrase_of((error.strerror or str(error)).lower())
        raise BackupRefused(
            N_("The folder {path} cannot be used: {words}.", path=folder, words=words), hint
        ) from error


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, reach the disk itself."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
