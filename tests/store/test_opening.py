"""Opening a data directory: locked, bound, versioned, damaged."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from lichen.store.errors import (
    DataDirLocked,
    NewerFormat,
    StoreClosed,
    StoreReadFailed,
    Unreadable,
    WrongNetwork,
)
from lichen.store.log import LOG_SCHEMA
from lichen.store.store import Binding, Store, read_binding

MakeAuthor = Callable[[int], Any]
OpenStore = Callable[..., Store]

HOLDER = """
import sys
from pathlib import Path
from lichen.store.lock import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


def test_one_process_per_directory(open_store: OpenStore, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(DataDirLocked, match=f"process {holder.pid}") as caught:
            open_store(directory=tmp_path)
        assert caught.value.pid == holder.pid
        holder.kill()
    open_store(directory=tmp_path)


def test_closed_store_lets_go_and_refuses(open_store: OpenStore, author: MakeAuthor) -> None:
    store = open_store()
    waiting = store.ingest(author(1).posts(5))
    store.close()
    store.close()
    assert waiting.result(0).progress[0].last == 5
    with pytest.raises(StoreClosed):
        store.ingest([])
    with pytest.raises(StoreClosed):
        store.log.since(0, 1)
    assert open_store().log.last_no == 5


def test_failed_opening_leaves_no_lock(open_store: OpenStore) -> None:
    open_store().close()
    for _ in range(2):
        with pytest.raises(WrongNetwork, match="network key"):
            open_store(binding=Binding(b"m" * 32))
    with pytest.raises(WrongNetwork, match="HMAC key"):
        open_store(binding=Binding(b"n" * 32, b"h" * 32))
    open_store()


def test_binding_can_be_read_without_opening(open_store: OpenStore, tmp_path: Path) -> None:
    assert read_binding(tmp_path) is None
    binding = Binding(b"m" * 32, b"h" * 32)
    open_store(directory=tmp_path, binding=binding)
    assert read_binding(tmp_path) == binding


def test_files_are_for_the_owner_only(store: Store) -> None:
    assert store.directory.stat().st_mode & 0o777 == 0o700
    for path in store.directory.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("name", ["log.db", "local.db"])
def test_newer_format_is_refused_and_not_touched(
    open_store: OpenStore, tmp_path: Path, name: str
) -> None:
    open_store(directory=tmp_path).close()
    db = apsw.Connection(str(tmp_path / name))
    db.pragma("user_version", 99)
    db.close()
    before = (tmp_path / name).read_bytes()
    with pytest.raises(NewerFormat, match=r"format 99.*up to \d"):
        open_store(directory=tmp_path)
    assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize("name", ["log.db", "local.db"])
@pytest.mark.parametrize(
    "damage", [b"no database at all" * 500, b"SQLite format 3\x00" + b"\xff" * 8192]
)
def test_damaged_file_is_named_with_the_next_step(
    open_store: OpenStore, tmp_path: Path, name: str, damage: bytes
) -> None:
    open_store(directory=tmp_path).close()
    (tmp_path / name).write_bytes(damage)
    with pytest.raises(Unreadable, match=name) as caught:
        open_store(directory=tmp_path)
    assert "backup" in caught.value.hint
    assert (tmp_path / name).read_bytes() == damage


def test_foreign_database_is_refused(open_store: OpenStore, tmp_path: Path) -> None:
    open_store(directory=tmp_path).close()
    (tmp_path / "log.db").write_bytes((tmp_path / "views.db").read_bytes())
    with pytest.raises(Unreadable, match="not a log file"):
        open_store(directory=tmp_path)


def test_empty_file_of_a_crash_while_creating_is_as_good_as_none(
    open_store: OpenStore, tmp_path: Path
) -> None:
    for name in ("log.db", "local.db", "views.db"):
        (tmp_path / name).write_bytes(b"")
    assert open_store(directory=tmp_path).log.last_no == 0


def test_damage_in_the_middle_is_found(
    open_store: OpenStore, author: MakeAuthor, tmp_path: Path
) -> None:
    store = open_store(directory=tmp_path)
    store.ingest(author(1).posts(300)).result(10)
    assert store.log.damage() == ""
    store.close()
    path = tmp_path / "log.db"
    content = bytearray(path.read_bytes())
    place = content.index(b"150 of 300")
    page = place - place % LOG_SCHEMA.page_bytes
    content[page : page + 8] = b"\xa5" * 8
    path.write_bytes(content)
    store = open_store(directory=tmp_path)
    assert store.log.damage() != ""
    with pytest.raises(StoreReadFailed, match="damaged"):
        store.log.at(author(1).id, 151)
    # Folding meets the damage too: whoever waits for it is told, and the writer lives on.
    with pytest.raises(StoreReadFailed, match="damaged"):
        store.wait_folded().result(10)
    assert store.ingest(author(2).posts(1)).result(10).progress


def test_damage_where_opening_looks_is_named(
    open_store: OpenStore, author: MakeAuthor, tmp_path: Path
) -> None:
    store = open_store(directory=tmp_path)
    store.ingest(author(1).posts(300)).result(10)
    store.wait_folded().result(10)
    store.close()
    path = tmp_path / "log.db"
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(Unreadable, match="cannot be read") as caught:
        open_store(directory=tmp_path)
    assert "backup" in caught.value.hint
