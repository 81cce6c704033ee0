"""Writes down what is done to the files of one folder: by SQLite through an APSW VFS, by ``os``."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest
from disk import (
    Cut,
    FolderSynced,
    Image,
    Named,
    Promised,
    Record,
    Removed,
    Synced,
    Written,
    folder_of,
)

_SYNCS_FOLDER = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL


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
            self.records.append(FolderSynced(folder_of(place)))

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
        self._folder = folder_of(place)
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
