"""The recorded disk itself: what it must keep, and what it may lose, tear and mix."""

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import apsw
from disk import SECTOR_BYTES, Cut, FolderSynced, Image, Named, Platter, Record, Synced, Written
from recorder import Recorder

DRAWS = 300
A, B = b"a" * SECTOR_BYTES, b"b" * SECTOR_BYTES


def draws(*records: Record, start: Image | None = None) -> list[dict[str, bytes]]:
    platter = Platter(start or Image({}))
    for record in records:
        platter.apply(record)
    rng = Random(1)
    return [platter.draw(rng).files for _ in range(DRAWS)]


NAMED = (Named("file", 1), FolderSynced(""))


def test_what_was_synced_is_there() -> None:
    for files in draws(*NAMED, Written(1, 0, A + B), Cut(1, 700), Synced(1)):
        assert files == {"file": (A + B)[:700]}


def test_sectors_that_were_not_synced_come_torn_and_in_any_order() -> None:
    found = {
        files["file"]
        for files in draws(*NAMED, Written(1, 0, A + A), Synced(1), Written(1, 0, B + B))
    }
    assert found == {A + A, A + B, B + A, B + B}


def test_a_file_may_be_longer_than_what_was_written_into_it() -> None:
    found = {files["file"] for files in draws(*NAMED, Written(1, 0, A), Written(1, 600, b"x"))}
    assert b"" in found
    assert A + b"\0" * 88 + b"x" in found
    assert b"\0" * 601 in found
    assert any(len(data) == 601 and set(data) - set(b"\0ax") for data in found)


def test_a_cut_may_not_have_come_through() -> None:
    start = Image({"file": A + B})
    found = {files["file"] for files in draws(Cut(-1, 10), start=start)}
    assert found == {A + B, A[:10]}


def test_a_name_may_be_gone_until_its_folder_is_synced() -> None:
    kept = Written(1, 0, A), Synced(1)
    assert {len(files) for files in draws(Named("file", 1), *kept)} == {0, 1}
    assert {len(files) for files in draws(Named("file", 1), *kept, FolderSynced(""))} == {1}


def test_a_file_in_a_lost_folder_is_lost() -> None:
    records = Named("inner", None), Named("inner/file", 1), Synced(1), FolderSynced("inner")
    assert {len(files) for files in draws(*records)} == {0, 1}
    assert {len(files) for files in draws(*records, FolderSynced(""))} == {1}


def test_a_move_is_whole_or_not_at_all() -> None:
    start = Image({"old": b"1"})
    found = [set(files) for files in draws(Named("new", -1, moved_from="old"), start=start)]
    assert {frozenset(names) for names in found} == {frozenset({"old"}), frozenset({"new"})}


def test_what_sqlite_and_the_program_do_is_recorded_to_the_byte(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "")
    with recorder.recording() as start:
        db = apsw.Connection(str(tmp_path / "a.db"))
        db.execute("CREATE TABLE t(a)")
        db.pragma("journal_mode", "wal")
        for number in range(50):
            db.execute("INSERT INTO t VALUES(?)", (f"{number}" * 500,))
        write_blob(tmp_path)
        before = Image.read(tmp_path)
        db.close()
        after = Image.read(tmp_path)
    platter = Platter(start)
    seen = []
    for record in recorder.records:
        platter.apply(record)
        seen.append(everything(platter))
    assert before.files in seen
    assert seen[-1] == after.files


def write_blob(directory: Path) -> None:
    (directory / "inner").mkdir()
    descriptor = os.open(directory / "inner/tmp", os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(descriptor, A)
    os.fsync(descriptor)
    os.close(descriptor)
    (directory / "inner/tmp").replace(directory / "inner/blob")


def everything(platter: Platter) -> dict[str, bytes]:
    """Return the files with nothing lost."""

    class All(Random):
        choice: Callable[..., object] = staticmethod(lambda chances: 1.0)

        def random(self) -> float:
            return 0.99

    return platter.draw(All()).files
