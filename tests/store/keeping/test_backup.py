"""A backup is whole and of one moment; put back, it does not publish before peers were asked."""

import json
import os
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import pytest

from lichen.store.errors import (
    BackupDamaged,
    BackupRefused,
    DataDirLocked,
    NewerFormat,
    PublishGuarded,
    StoreWriteFailed,
)
from lichen.store.keeping import backup as backing
from lichen.store.keeping import restore as restoring
from lichen.store.keeping.backup import Backup
from lichen.store.keeping.restore import Restore
from lichen.store.lock import DirectoryLock

Peer = Any


def back_up(peer: Peer, to: Path, *, has_secret: bool = False) -> Any:
    work = Backup(peer.directory, to, has_secret=has_secret, program="test", now_ms=1.5e12)
    steps = list(work.run())
    assert {step.stage for step in steps} >= {"local.db", "log.db"}
    return work.manifest


def restore(backup: Path, to: Path) -> Restore:
    work = Restore(backup, to)
    list(work.run())
    return work


@pytest.fixture
def backup(peer: Peer, tmp_path: Path) -> Path:
    (peer.directory / "secret").write_text("the secret")
    back_up(peer, tmp_path / "backup", has_secret=True)
    return tmp_path / "backup"


def test_what_is_in_it(peer: Peer, tmp_path: Path) -> None:
    (peer.directory / "secret").write_text("the secret")
    manifest = back_up(peer, tmp_path / "backup")
    assert (manifest.messages, manifest.feeds, manifest.own_sequence) == (181, 4, 60)
    assert (manifest.feed, manifest.blobs, manifest.has_secret) == (peer.me.id, 1, False)
    names = {path.name for path in (tmp_path / "backup").iterdir()}
    assert names == {"log.db", "local.db", "blobs", "manifest.json"}
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
    kept = json.loads((tmp_path / "backup" / "manifest.json").read_text())
    assert kept["messages"] == 181
    [blob] = [path for path in (tmp_path / "backup/blobs").rglob("*") if path.is_file()]
    assert blob.stat().st_nlink == 2


def test_restored_it_waits_for_peers(peer: Peer, backup: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    restore(backup, home)
    assert (home / "secret").stat().st_mode & 0o777 == 0o400
    peer.directory = home
    store = peer.open()
    assert store.local.guard().is_guarded
    assert store.log.last_no == 181
    assert store.local.draft("new").text == "begun"
    assert store.local.begin_run() is False
    assert store.blobs.read(peer.blob) == b"picture" * 1000
    with pytest.raises(PublishGuarded):
        store.publish([b'{"type":"post"}'], peer.me.identity, 1.6e12).result(10)
    store.wait_folded().result(30)
    assert store.views.read("SELECT count(*) FROM messages") == [(181,)]
    assert peer.check().damages == []


def test_clocks_of_the_time_before_are_void(peer: Peer, tmp_path: Path) -> None:
    store = peer.open()
    store.local.save_clock(peer.bob.id, {peer.ada.id: 60}).result(10)
    store.close()
    back_up(peer, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "home")
    peer.directory = tmp_path / "home"
    assert peer.open().local.load_clock(peer.bob.id) == {}


def test_of_a_running_peer_it_is_of_one_moment(peer: Peer, tmp_path: Path) -> None:
    """Somebody writes all the while: the copy is a prefix of the log, whole and without gaps."""
    store = peer.open()
    stopped = threading.Event()

    def write() -> None:
        while not stopped.is_set():
            store.publish([b'{"type":"post","text":"more"}'] * 20, peer.me.identity, 1.6e12)
            store.ingest(peer.ada.posts(20)).result(30)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        manifests = [back_up(peer, tmp_path / str(number)) for number in range(3)]
    finally:
        stopped.set()
        writer.join()
    store.close()
    counts = [manifest.messages for manifest in manifests]
    assert counts == sorted(counts)
    assert counts[-1] > 181
    for number, manifest in enumerate(manifests):
        peer.directory = tmp_path / str(number)
        report = peer.check()
        assert (report.damages, report.messages) == ([], manifest.messages)


def test_it_ends_though_somebody_writes_between_all_steps(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backing, "PAGES_AT_ONCE", 1)
    store = peer.open()
    work = Backup(peer.directory, tmp_path / "b", has_secret=False, program="test", now_ms=1.5e12)
    for number, step in enumerate(work.run()):
        assert number < 300, step
        store.publish([b'{"type":"post","text":"more"}'], peer.me.identity, 1.6e12).result(10)
    assert 181 <= work.manifest.messages < store.log.last_no
    store.close()


@pytest.mark.parametrize("name", ["log.db", "local.db", "secret", "manifest.json"])
def test_damaged_backup_is_refused(backup: Path, tmp_path: Path, name: str) -> None:
    path = backup / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    with pytest.raises((BackupDamaged, BackupRefused)):
        restore(backup, tmp_path / "home")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("name", ["log.db", "local.db"])
def test_incomplete_backup_is_refused(backup: Path, tmp_path: Path, name: str) -> None:
    (backup / name).unlink()
    with pytest.raises(BackupDamaged, match=name):
        restore(backup, tmp_path / "home")


def test_unfinished_backup_is_none(backup: Path, tmp_path: Path) -> None:
    (backup / "manifest.json").unlink()
    with pytest.raises(BackupRefused, match="never finished"):
        restore(backup, tmp_path / "home")


@pytest.mark.parametrize("where", ["manifest", "log"])
def test_newer_backup_is_refused(backup: Path, tmp_path: Path, where: str) -> None:
    path = backup / "manifest.json"
    head = json.loads(path.read_text())
    if where == "manifest":
        head["version"] = 99
        head["of later versions"] = head.pop("files")
    else:
        head["files"]["log.db"]["format"] = 99
    path.write_text(json.dumps(head))
    with pytest.raises((BackupRefused, NewerFormat), match=r"later version|format 99"):
        restore(backup, tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_older_formats_are_brought_forward_when_opened(peer: Peer, backup: Path) -> None:
    db = apsw.Connection(str(backup / "local.db"))
    assert db.pragma("user_version") > 1
    assert db.pragma("journal_mode") == "delete"
    db.close()


def test_only_into_an_empty_folder(backup: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)
    (home / "secret").write_text("another identity")
    with pytest.raises(BackupRefused, match="not empty"):
        restore(backup, home)
    assert (home / "secret").read_text() == "another identity"
    assert [path.name for path in home.iterdir()] == ["secret"]
    assert stat.S_IMODE(home.stat().st_mode) == 0o755, "it was none of ours"


def test_not_into_a_folder_in_use(backup: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    lock = DirectoryLock(home)
    with pytest.raises(DataDirLocked):
        restore(backup, home)
    lock.release()


def test_damaged_picture_is_left_out(peer: Peer, backup: Path, tmp_path: Path) -> None:
    [path] = [path for path in (backup / "blobs").rglob("*") if path.is_file()]
    path.unlink()
    path.write_bytes(b"other bytes")
    assert restore(backup, tmp_path / "home").blobs_damaged == 1
    peer.directory = tmp_path / "home"
    assert peer.open().blobs.size(peer.blob) is None


def test_damaged_log_makes_no_backup(peer: Peer, tmp_path: Path) -> None:
    peer.overwrite_page(peer.page_of(b"35 of 60"))
    with pytest.raises(BackupRefused, match="damaged") as caught:
        back_up(peer, tmp_path / "backup")
    assert "fsck" in caught.value.hint
    assert not (tmp_path / "backup").exists()


def test_gap_makes_no_backup(peer: Peer, tmp_path: Path) -> None:
    peer.change("DELETE FROM messages WHERE received_no = ?", peer.number_of(peer.ada.id, 30))
    with pytest.raises(BackupRefused, match="gap"):
        back_up(peer, tmp_path / "backup")


def test_place_that_is_taken(peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "theirs").write_text("keep me")
    with pytest.raises(BackupRefused, match="not empty"):
        back_up(peer, tmp_path / "backup")
    with pytest.raises(BackupRefused, match="inside"):
        back_up(peer, peer.directory / "backup")
    assert (tmp_path / "backup" / "theirs").read_text() == "keep me"


def test_disk_that_fills_up_leaves_nothing(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(backing, "sync", full)
    with pytest.raises(StoreWriteFailed, match="disk full"):
        back_up(peer, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    assert peer.check().damages == []


@pytest.mark.parametrize("step", ["_copy_file", "note_changed_log"])
def test_restoring_broken_off_never_publishes(
    peer: Peer, backup: Path, tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every step of it: what lies there does not open, or is guarded."""
    home = tmp_path / "home"
    for survived in range(4):
        target: Any = Restore if step == "_copy_file" else restoring
        real, count = getattr(target, step), 0

        def fail_late(*args: Any, _real: Any = real, _most: int = survived, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count > _most:
                raise KeyboardInterrupt
            return _real(*args, **kwargs)

        with monkeypatch.context() as broken:
            broken.setattr(target, step, fail_late)
            with suppress(KeyboardInterrupt):
                restore(backup, home)
        if (home / "log.db").exists():
            peer.directory = home
            store = peer.open()
            assert store.local.guard().is_guarded
            store.close()
        home.rename(tmp_path / f"home-{survived}")


def test_restoring_to_a_full_disk_leaves_room_for_another_try(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    home = tmp_path / "home"
    with monkeypatch.context() as disk:
        disk.setattr(restoring, "note_changed_log", full)
        with pytest.raises(StoreWriteFailed, match="disk full") as caught:
            restore(backup, home)
    assert str(home) in caught.value.hint
    assert [path.name for path in home.iterdir()] == ["lock"]
    assert restore(backup, home).manifest.messages == 181


@pytest.mark.parametrize("name", ["log.db", "local.db"])
def test_folder_of_a_later_version_is_not_called_damaged(
    peer: Peer, tmp_path: Path, name: str
) -> None:
    db = apsw.Connection(str(peer.directory / name))
    db.execute("CREATE TABLE of_later_versions(x); PRAGMA user_version = 9")
    db.close()
    before = (peer.directory / name).read_bytes()
    for keep in (peer.check, peer.heal, lambda: back_up(peer, tmp_path / "backup")):
        with pytest.raises(NewerFormat, match="format 9"):
            keep()
    assert (peer.directory / name).read_bytes() == before
