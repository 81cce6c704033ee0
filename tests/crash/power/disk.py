"""A disk that remembers what reached it: for every instant, the files that a power cut may leave.

``recorder`` writes down, in order, all that is done to the files of one folder. ``Platter`` reads
that record up to some instant and draws what is found after the power is back:

* what was synced is there; a name is there once its folder was synced;
* of what was not, any sectors of 512 bytes, each or none, in any order; the file as long as it was
  at any moment since, and what was never written there is zeros or what lay there before;
* of names made, moved and removed since the folder was synced, the first few or any.

SQLite's files behave as its "unix" VFS makes them: the first sync of a journal or write-ahead log
also syncs its folder, and so does a removal that asks for it.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec

SECTOR_BYTES = 512
"""What a disk writes whole or not at all."""


class Written(msgspec.Struct, frozen=True):
    """Bytes were written into a file."""

    file: int
    offset: int
    data: bytes


class Cut(msgspec.Struct, frozen=True):
    """A file was cut to a size."""

    file: int
    size: int


class Synced(msgspec.Struct, frozen=True):
    """Everything written into a file has reached the disk."""

    file: int


class Named(msgspec.Struct, frozen=True):
    """A file or folder (None) got a name, instead of another one if it was moved."""

    path: str
    file: int | None
    moved_from: str | None = None


class Removed(msgspec.Struct, frozen=True):
    """A name was removed."""

    path: str


class FolderSynced(msgspec.Struct, frozen=True):
    """All names in a folder have reached the disk."""

    folder: str


class Promised(msgspec.Struct, frozen=True):
    """Somebody was told something that a power cut must not take back."""

    what: object


Change = Written | Cut
NameChange = Named | Removed
Record = Change | NameChange | Synced | FolderSynced | Promised


class Image(msgspec.Struct, frozen=True):
    """What lies in the folder: files by relative path, and folders."""

    files: dict[str, bytes]
    folders: tuple[str, ...] = ()

    def write(self, directory: Path) -> None:
        """Put it into a folder, instead of all that is there."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700, parents=True)
        for folder in self.folders:
            (directory / folder).mkdir(mode=0o700)
        for path, data in self.files.items():
            (directory / path).write_bytes(data)

    @classmethod
    def read(cls, directory: Path) -> "Image":
        """Take what is in a folder; the index of a write-ahead log is never on the disk."""
        paths = sorted(directory.rglob("*"))
        return cls(
            {
                str(path.relative_to(directory)): path.read_bytes()
                for path in paths
                if path.is_file() and not path.name.endswith("-shm")
            },
            tuple(str(path.relative_to(directory)) for path in paths if path.is_dir()),
        )


class Platter:
    """What of a record has surely reached the disk, and what may have."""

    def __init__(self, start: Image) -> None:
        self._files: dict[int, bytearray] = {}
        self._pending: dict[int, list[Change]] = {}
        self._names: dict[str, int | None] = dict.fromkeys(start.folders)
        self._names_pending: list[NameChange] = []
        for number, (path, data) in enumerate(start.files.items()):
            self._files[-1 - number] = bytearray(data)
            self._names[path] = -1 - number

    def apply(self, record: Record) -> None:
        """Go on by one record."""
        match record:
            case Written() | Cut():
                self._pending.setdefault(record.file, []).append(record)
            case Synced():
                self._files[record.file] = self._settled(record.file)
            case Named() | Removed():
                self._names_pending.append(record)
            case FolderSynced():
                later = [c for c in self._names_pending if folder_of(c.path) != record.folder]
                for change in self._names_pending:
                    if folder_of(change.path) == record.folder:
                        _rename(self._names, change)
                self._names_pending = later
            case Promised():
                pass

    def draw(self, rng: Random) -> Image:
        """Draw what is found when the power is back."""
        chance = rng.choice((0.0, 0.0, 0.5, 0.9, 1.0, rng.random()))
        names = dict(self._names)
        changes = self._names_pending
        if rng.random() < 0.5:
            changes = changes[: rng.randint(0, len(changes))]
        else:
            changes = [change for change in changes if rng.random() < chance]
        for change in changes:
            _rename(names, change)
        drawn: dict[int, bytes] = {}
        files: dict[str, bytes] = {}
        folders: list[str] = []
        for path, file in sorted(names.items()):
            folder = folder_of(path)
            if folder and folder not in folders:
                continue
            if file is None:
                folders.append(path)
                continue
            if file not in drawn:
                drawn[file] = self._drawn(file, chance, rng)
            files[path] = drawn[file]
        for path in [path for path in files if path.endswith("-wal")]:
            if rng.random() < 0.3:
                files[path.removesuffix("-wal") + "-shm"] = rng.randbytes(rng.choice((0, 3, 32768)))
        return Image(files, tuple(folders))

    def _settled(self, file: int) -> bytearray:
        content = self._files.get(file, bytearray())
        for change in self._pending.pop(file, ()):
            if isinstance(change, Cut):
                _resize(content, change.size, 0)
            else:
                _resize(content, max(len(content), change.offset), 0)
                content[change.offset : change.offset + len(change.data)] = change.data
        return content

    def _drawn(self, file: int, chance: float, rng: Random) -> bytes:
        """Draw one file: some sectors of what was not synced, and a length it had meanwhile."""
        content = bytearray(self._files.get(file, b""))
        changes = self._pending.get(file, [])
        if not changes:
            return bytes(content)
        filler = rng.randrange(1, 256) if rng.random() < 0.2 else 0
        known = len(changes) if rng.random() < chance else rng.randint(0, len(changes))
        size = len(content)
        for place, change in enumerate(changes):
            if isinstance(change, Cut):
                if place < known:
                    size = change.size
                    _resize(content, size, filler)
                continue
            end = change.offset + len(change.data)
            if place < known:
                size = max(size, end)
            _resize(content, max(len(content), end), filler)
            for first, last in _sectors(change.offset, end):
                if rng.random() < chance:
                    content[first:last] = change.data[first - change.offset : last - change.offset]
        _resize(content, size, filler)
        return bytes(content)


def _sectors(start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        last = min(end, (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
        yield start, last
        start = last


def _resize(content: bytearray, size: int, filler: int) -> None:
    if size < len(content):
        del content[size:]
    else:
        content.extend(bytes((filler,)) * (size - len(content)))


def folder_of(path: str) -> str:
    """Return the folder that a name is in."""
    return path.rpartition("/")[0]


def _rename(names: dict[str, int | None], change: NameChange) -> None:
    if isinstance(change, Removed):
        names.pop(change.path, None)
        return
    if change.moved_from is not None:
        names.pop(change.moved_from, None)
    names[change.path] = change.file
