"""A disk that remembers what reached it: for every instant, the files that a power cut may leave.

``Recorder`` writes down, in order, all that is done to the files of one folder: SQLite's own calls
through an APSW VFS, the program's through ``os``. ``Platter`` reads that record up to some instant
and draws what is found after the power is back:

* what was synced is there; a name is there once its folder was synced;
* of what was not, any sectors of 512 bytes, each or none, in any order; the file as long as it was
  at any moment since, and what was never written there is zeros or what lay there before;
* of names made, moved and removed since the folder was synced, the first few or any.

SQLite's files behave as its "unix" VFS makes them: the first sync of a journal or write-ahead log
also syncs its folder, and so does a removal that asks for it.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import apsw
import msgspec
import pytest

SECTOR_BYTES = 512
"""What a disk writes whole or not at all."""
_SYNCS_FOLDER = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL


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
                later = [c for c in self._names_pending if _folder_of(c.path) != record.folder]
                for change in self._names_pending:
                    if _folder_of(change.path) == record.folder:
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
            folder = _folder_of(path)
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


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def _rename(names: dict[str, int | None], change: NameChange) -> None:
    if isinstance(change, Removed):
        names.pop(change.path, None)
        return
    if change.moved_from is not None:
        names.pop(change.moved_from, None)
    names[change.path] = change.file


class Recorder:
    """Writes down what is done to the files of one folder, between ``begin`` and ``end``."""

    def __init__(self, directory: Path, seed: str) -> None:
        self.chance = Random(f"sqlite {seed}")
        """What SQLite takes its salts from, so that the same is written each time."""
        self.records: list[Record] = []
        self._root = f"{directory}/"
        self._files: dict[str, int] = {}
        self._seen: dict[int, bytes] = {}
        self._file_last = 0

    @contextmanager
    def recording(self) -> Iterator[Image]:
        """Record; yields what lies there at the beginning."""
        start = Image.read(Path(self._root))
        for number, path in enumerate(start.files):
            self._files[path] = -1 - number
        vfs = _RecordingVfs(self)
        apsw.randomness(0)
        try:
            with pytest.MonkeyPatch.context() as patch:
                self._listen(patch)
                yield start
        finally:
            apsw.set_default_vfs("unix")
            apsw.randomness(0)
            vfs.unregister()

    def promise(self, what: object) -> None:
        """Note what somebody was told just now."""
        self.records.append(Promised(what))

    def place_of(self, path: str | os.PathLike[str]) -> str | None:
        """Return the path within the folder, None for one elsewhere."""
        text = os.fspath(path)
        return text.removeprefix(self._root) if text.startswith(self._root) else None

    def named(self, place: str) -> int:
        """Return the number of the file of a name, new if it is."""
        if place not in self._files:
            self._file_last += 1
            self._files[place] = self._file_last
            self.records.append(Named(place, self._file_last))
        return self._files[place]

    def removed(self, place: str, *, is_folder_synced: bool = False) -> None:
        """Note that a name was removed."""
        self._files.pop(place, None)
        self.records.append(Removed(place))
        if is_folder_synced:
            self.records.append(FolderSynced(_folder_of(place)))

    def _listen(self, patch: pytest.MonkeyPatch) -> None:
        """Hear what the program does to files by itself."""
        self._wrap(patch, "open", self._opened)
        self._wrap(patch, "mkdir", self._made_folder)
        self._wrap(patch, "unlink", self._unlinked)
        self._wrap(patch, "replace", self._moved)
        self._wrap(patch, "fsync", self._flushed)

    def _wrap(self, patch: pytest.MonkeyPatch, name: str, hear: Callable[..., None]) -> None:
        perform = getattr(os, name)

        def performed(*args: Any, **options: Any) -> Any:
            answer = perform(*args, **options)
            if options.get("dir_fd") is None:
                hear(*args)
            return answer

        patch.setattr(os, name, performed)

    def _opened(self, path: Any, flags: int = 0, *_mode: Any) -> None:
        place = self.place_of(path) if isinstance(path, str | os.PathLike) else None
        if place is not None and flags & os.O_CREAT:
            self.named(place)

    def _made_folder(self, path: Any, *_mode: Any) -> None:
        place = self.place_of(path)
        if place is not None:
            self.records.append(Named(place, None))

    def _unlinked(self, path: Any) -> None:
        place = self.place_of(path)
        if place is not None:
            self.removed(place)

    def _moved(self, old: Any, new: Any) -> None:
        before, after = self.place_of(old), self.place_of(new)
        if before is not None and after is not None:
            self._look(before, Path(new))
            self._files[after] = self._files.pop(before)
            self.records.append(Named(after, self._files[after], moved_from=before))

    def _flushed(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if f"{path}/" == self._root:
            self.records.append(FolderSynced(""))
            return
        place = self.place_of(path)
        if place is None:
            return
        if path.is_dir():
            self.records.append(FolderSynced(place))
        else:
            self._look(place, path)
            self.records.append(Synced(self._files[place]))

    def _look(self, place: str, path: Path) -> None:
        """Note what the program has written into a file that is none of SQLite's."""
        file, data = self.named(place), path.read_bytes()
        if self._seen.get(file) != data:
            self._seen[file] = data
            self.records += [Cut(file, 0), Written(file, 0, data)]


class _RecordingVfs(apsw.VFS):
    """Does what the system's VFS does, and tells the recorder."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__("recording", "unix", makedefault=True)
        self._recorder = recorder

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 (SQLite's name)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        place = None if path is None else self._recorder.place_of(path)
        if place is None:
            return apsw.VFSFile("unix", name, flags)
        return _RecordingFile(self._recorder, place, name, flags)

    def xRandomness(self, count: int) -> bytes:  # noqa: N802
        return self._recorder.chance.randbytes(count)

    def xDelete(self, name: str, syncs_folder: bool) -> None:  # noqa: N802
        super().xDelete(name, syncs_folder)
        place = self._recorder.place_of(name)
        if place is not None:
            self._recorder.removed(place, is_folder_synced=syncs_folder)


class _RecordingFile(apsw.VFSFile):
    """One file that SQLite has open."""

    def __init__(self, recorder: Recorder, place: str, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._records = recorder.records
        self._folder = _folder_of(place)
        self._file = recorder.named(place)
        self._is_folder_due = bool(flags[0] & _SYNCS_FOLDER)

    def xLock(self, level: int) -> None:  # noqa: N802
        try:
            super().xLock(level)
        except apsw.IOError as error:
            # A read-only file cannot be locked for the flush at its closing. SQLite passes over it;
            # APSW raises it, unless the file is said to be busy.
            raise apsw.BusyError from error

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self._records.append(Written(self._file, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        super().xTruncate(size)
        self._records.append(Cut(self._file, size))

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._records.append(Synced(self._file))
        if self._is_folder_due:
            self._is_folder_due = False
            self._records.append(FolderSynced(self._folder))
