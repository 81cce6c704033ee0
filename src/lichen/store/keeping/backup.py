"""A backup: a consistent copy of what cannot be derived, made while the peer runs.

Each database is copied by SQLite out of one read transaction, so that writing goes on meanwhile;
``local.db`` first, so that it never speaks of messages that the log beside it does not have. Blobs
never change: where the backup lies on the same disk they are hard links. Views are left out, for
they come from the log. The copy is checked before it gets its manifest.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import msgspec

from lichen.feed.message import FeedId
from lichen.store.binding import LOG_FILE
from lichen.store.blobs import BLOBS_FOLDER, find_blobs
from lichen.store.errors import BackupRefused, opening
from lichen.store.keeping.files import (
    LOCAL_FILE,
    SCHEMAS,
    SECRET_FILE,
    open_for_looking,
    refuse_newer_files,
    structure_faults,
)
from lichen.store.keeping.manifest import (
    BACKUP_KIND,
    BACKUP_VERSION,
    KeptFile,
    Manifest,
    choosing,
    copying_to,
    hash_file,
    sync,
    write_manifest,
)
from lichen.store.keeping.report import Progress
from lichen.words import N_

PAGES_AT_ONCE = 256
"""Pages copied between two signs of life: 2 MiB of the log."""
BLOBS_AT_ONCE = 50
"""Blobs between two signs of life."""
COPIED_FILES = (LOCAL_FILE, LOG_FILE)


class Facts(msgspec.Struct, frozen=True):
    """What a log holds."""

    feed: FeedId | None
    messages: int
    feeds: int
    own_sequence: int


class Backup:
    """One backup of one directory; ``manifest`` is there when it is done."""

    def __init__(
        self, directory: Path, to: Path, *, has_secret: bool, program: str, now_ms: float
    ) -> None:
        self.manifest: Manifest | None = None
        self._directory = directory
        self._to = to
        self._has_secret = has_secret
        self._program = program
        self._now_ms = now_ms

    def run(self) -> Iterator[Progress]:
        """Make it. Raises ``StoreError`` in words; then nothing of it is left."""
        if not (self._directory / LOG_FILE).exists():
            raise BackupRefused(N_("There is nothing to back up in {path}.", path=self._directory))
        if self._has_secret and not (self._directory / SECRET_FILE).exists():
            raise BackupRefused(
                N_("There is no secret file in {path} that could be copied.", path=self._directory),
                N_("Put a copy of it back, or make the backup without --with-secret."),
            )
        refuse_newer_files(self._directory)
        is_new = self._make_folder()
        try:
            with copying_to(self._to):
                yield from self._copy()
        except BaseException:
            empty_folder(self._to)
            if is_new:
                self._to.rmdir()
            raise

    def _make_folder(self) -> bool:
        """Make the folder, or see that it is empty; tell whether it was made."""
        to = self._to.absolute()
        hint = N_("Choose another place, best on another disk.")
        if to.resolve().is_relative_to(self._directory.resolve()):
            raise BackupRefused(
                N_("A backup inside of {path} would be lost with it.", path=self._directory), hint
            )
        with choosing(to, hint):
            is_new = not to.exists()
            to.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(to.iterdir()):
                raise BackupRefused(
                    N_("The folder {path} is not empty.", path=to),
                    N_("Choose a new folder; every backup has one of its own."),
                )
            to.chmod(0o700)
        return is_new

    def _copy(self) -> Iterator[Progress]:
        files: dict[str, KeptFile] = {}
        for name in COPIED_FILES:
            if (self._directory / name).exists():
                yield from self._copy_database(name)
                files[name] = self._checked(name)
        blobs, blob_bytes = 0, 0
        found = list(find_blobs(self._directory / BLOBS_FOLDER))
        for number, (_, path, size) in enumerate(found):
            if number % BLOBS_AT_ONCE == 0:
                yield Progress("blobs", number, len(found))
            if self._copy_blob(path):
                blobs, blob_bytes = blobs + 1, blob_bytes + size
        if self._has_secret:
            files[SECRET_FILE] = self._copy_secret()
        with opening(self._directory / LOG_FILE):
            facts = read_facts(self._to / LOG_FILE)
        manifest = Manifest(
            kind=BACKUP_KIND,
            version=BACKUP_VERSION,
            created_ms=self._now_ms,
            program=self._program,
            feed=facts.feed,
            messages=facts.messages,
            feeds=facts.feeds,
            own_sequence=facts.own_sequence,
            blobs=blobs,
            blob_bytes=blob_bytes,
            has_secret=self._has_secret,
            files=files,
        )
        write_manifest(self._to, manifest)
        self.manifest = manifest

    def _copy_database(self, name: str) -> Iterator[Progress]:
        with (
            closing(open_for_looking(self._directory / name)) as old,
            closing(apsw.Connection(str(self._to / name))) as new,
        ):
            # One snapshot for all steps; without it every write elsewhere would start it again.
            old.execute("BEGIN")
            old.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            new.pragma("synchronous", "off")  # flushed below, once
            with new.backup("main", old, "main") as copying:
                while not copying.done:
                    copying.step(PAGES_AT_ONCE)
                    yield Progress(name, copying.page_count - copying.remaining, copying.page_count)
            # One file that needs no other beside it, also where nothing can be written.
            new.pragma("journal_mode", "delete")
        sync(self._to / name)

    def _checked(self, name: str) -> KeptFile:
        """Check a copy; a damaged log shall not look like a backup of one."""
        path = self._to / name
        faults = structure_faults(path, SCHEMAS[name], is_quick=False)
        if faults:
            raise BackupRefused(
                N_("{path} is damaged: {words}", path=self._directory / name, words=faults[0]),
                N_("Nothing was backed up. Run: lichen fsck --heal"),
            )
        with closing(open_for_looking(path)) as db:
            return hash_file(path, db.pragma("user_version"))

    def _copy_blob(self, path: Path) -> bool:
        to = self._to / BLOBS_FOLDER / path.relative_to(self._directory / BLOBS_FOLDER)
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.link(path, to)
        except FileNotFoundError:
            return False  # thrown away meanwhile
        except OSError:
            try:
                shutil.copyfile(path, to)
            except FileNotFoundError:
                return False
            sync(to)
        return True

    def _copy_secret(self) -> KeptFile:
        to = self._to / SECRET_FILE
        data = (self._directory / SECRET_FILE).read_bytes()
        descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return hash_file(to)


def empty_folder(folder: Path, *but: str) -> None:
    """Take everything out of a folder that was empty before, but for files of these names."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name not in but:
            path.unlink(missing_ok=True)


def read_facts(path: Path) -> Facts:
    """Count what is in a log. A gap in a feed is damage: raises ``BackupRefused``."""
    with closing(open_for_looking(path)) as db:
        own: bytes | None = db.execute("SELECT value FROM meta WHERE name = 'own'").get
        feed = None if own is None else FeedId(own.decode("utf-8", "replace"))
        messages = feeds = own_sequence = 0
        for name, count, first, last in db.execute(
            "SELECT feed, count(*), min(sequence), max(sequence)"
            " FROM messages INDEXED BY messages_by_feed JOIN feeds USING (feed_no)"
            " GROUP BY feed_no"
        ):
            if first != 1 or count != last:
                raise BackupRefused(
                    N_("The log has a gap in the feed {feed}.", feed=name),
                    N_("Nothing was backed up. Run: lichen fsck --heal"),
                )
            messages, feeds = messages + count, feeds + 1
            own_sequence = last if name == feed else own_sequence
    return Facts(feed, messages, feeds, own_sequence)
