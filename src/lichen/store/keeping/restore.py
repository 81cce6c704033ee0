"""Putting a backup back, into an empty folder only.

Everything is looked at before anything is written: the manifest, each file's hash and format, the
feeds without gaps. What is restored may lack messages that were published after the backup, so
publishing waits until peers were asked for the own feed, and no clock of a peer is believed:
``local.db`` says so before it gets its name, and a log without one is guarded as well. So whatever
moment a crash chooses, what lies there does not publish.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from lichen.feed.refs import blob_key_bytes
from lichen.store.binding import LOG_FILE
from lichen.store.blobs import BLOBS_FOLDER, find_blobs
from lichen.store.errors import BackupDamaged, BackupRefused, NewerFormat, StoreError
from lichen.store.keeping.backup import empty_folder, read_facts
from lichen.store.keeping.files import LOCAL_FILE, SCHEMAS, SECRET_FILE
from lichen.store.keeping.heal import note_changed_log
from lichen.store.keeping.manifest import (
    Manifest,
    choosing,
    copying_to,
    hash_file,
    read_manifest,
    sync,
)
from lichen.store.keeping.report import Progress
from lichen.store.lock import HEALER_FILE, LOCK_FILE, DirectoryLock
from lichen.words import N_

BLOBS_AT_ONCE = 20
"""Blobs between two signs of life."""
_KNOWN_FILES = frozenset({LOG_FILE, LOCAL_FILE, SECRET_FILE})
_LOCKS = frozenset({LOCK_FILE, HEALER_FILE})


class Restore:
    """One restoring; ``manifest`` says what was restored, ``blobs_damaged`` how many were not."""

    def __init__(self, backup: Path, directory: Path) -> None:
        self.manifest: Manifest
        self.blobs_damaged = 0
        self._backup = backup
        self._directory = directory

    def run(self) -> Iterator[Progress]:
        """Do it. Raises ``StoreError`` in words; ``NewerFormat``, for one."""
        self.manifest = read_manifest(self._backup)
        yield from self._look()
        with choosing(self._directory, N_("Choose another one with --home.")):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._refuse_unless_empty()  # or its permissions are nothing of ours
            self._directory.chmod(0o700)
        lock = DirectoryLock(self._directory)
        try:
            self._refuse_unless_empty()
            yield from self._copy_or_nothing()
        finally:
            lock.release()

    def _look(self) -> Iterator[Progress]:
        """See that the backup is whole and can be read by this version."""
        files = self.manifest.files
        if LOG_FILE not in files or files.keys() - _KNOWN_FILES:
            raise BackupDamaged(self._backup)
        for number, (name, kept) in enumerate(files.items()):
            yield Progress("check", number, len(files))
            path = self._backup / name
            if name in SCHEMAS and kept.format > SCHEMAS[name].version:
                raise NewerFormat(path, kept.format, SCHEMAS[name].version)
            try:
                found = hash_file(path, kept.format)
            except OSError as error:
                raise BackupDamaged(path) from error
            if found != kept:
                raise BackupDamaged(path)
        facts = read_facts(self._backup / LOG_FILE)
        told = (self.manifest.feed, self.manifest.messages, self.manifest.feeds)
        if (facts.feed, facts.messages, facts.feeds) != told:
            raise BackupDamaged(self._backup / LOG_FILE)

    def _refuse_unless_empty(self) -> None:
        if any(path.name not in _LOCKS for path in self._directory.iterdir()):
            raise BackupRefused(
                N_("The folder {path} is not empty.", path=self._directory),
                N_("A backup is restored into an empty folder: choose one with --home."),
            )

    def _copy_or_nothing(self) -> Iterator[Progress]:
        try:
            with copying_to(self._directory):
                yield from self._copy()
        except (StoreError, GeneratorExit):
            empty_folder(self._directory, *_LOCKS)
            raise

    def _copy(self) -> Iterator[Progress]:
        yield from self._copy_blobs()
        names = [
            name for name in (SECRET_FILE, LOG_FILE, LOCAL_FILE) if name in self.manifest.files
        ]
        for number, name in enumerate(names):
            yield Progress("restore", number, len(names))
            self._copy_file(name, 0o400 if name == SECRET_FILE else 0o600)
        yield Progress("restore", len(names), len(names))

    def _copy_file(self, name: str, mode: int) -> None:
        scratch = self._directory / f"{name}.new"
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as to, (self._backup / name).open("rb") as file:
            shutil.copyfileobj(file, to, 1 << 20)
            to.flush()
            os.fsync(to.fileno())
        if name == LOCAL_FILE:
            # Guarded before it has its name: there is no moment at which this log may publish.
            note_changed_log(scratch, is_guarded=True, is_renumbered=False)
        scratch.replace(self._directory / name)
        sync(self._directory)

    def _copy_blobs(self) -> Iterator[Progress]:
        """Copy the blobs that hold; one that does not is fetched again from whoever has it."""
        found = list(find_blobs(self._backup / BLOBS_FOLDER))
        for number, (blob, path, _) in enumerate(found):
            if number % BLOBS_AT_ONCE == 0:
                yield Progress("blobs", number, len(found))
            try:
                data = path.read_bytes()
            except OSError:
                data = b""
            if hashlib.sha256(data).digest() != blob_key_bytes(blob):
                self.blobs_damaged += 1
                continue
            to = self._directory / BLOBS_FOLDER / path.relative_to(self._backup / BLOBS_FOLDER)
            to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            to.write_bytes(data)
            to.chmod(0o600)
            sync(to)
