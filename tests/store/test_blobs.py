"""Blobs on disk: whole or not at all, never served when their bytes have changed."""

import errno
import hashlib
import os
import stat
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.feed.message import BlobId
from lichen.store.blobs import EMPTY_BLOB, Blobs
from lichen.store.errors import BlobMissing, BlobRefused, StoreWriteFailed
from lichen.store.store import Store

DATA = b"a picture of a lichen" * 1000
MAX = 1 << 20


def blob_of(data: bytes) -> BlobId:
    return BlobId(f"&{b64encode(hashlib.sha256(data).digest()).decode()}.sha256")


def path_of(directory: Path, data: bytes) -> Path:
    digits = hashlib.sha256(data).hexdigest()
    return directory / "sha256" / digits[:2] / digits[2:]


def left_over(directory: Path) -> list[str]:
    return [path.name for path in (directory / "tmp").iterdir()]


def test_added_bytes_lie_where_javascript_peers_look_and_are_private(tmp_path: Path) -> None:
    umask = os.umask(0o000)
    try:
        blobs = Blobs.open(tmp_path / "blobs")
        blob = blobs.add(DATA, MAX)
    finally:
        os.umask(umask)
    assert blob == blob_of(DATA)
    path = path_of(tmp_path / "blobs", DATA)
    assert path.read_bytes() == DATA
    assert blobs.size(blob) == blobs.total_bytes == len(DATA)
    assert left_over(tmp_path / "blobs") == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (path.parent, path.parent.parent, tmp_path / "blobs", tmp_path / "blobs/tmp"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_adding_twice_counts_once_and_removing_counts_back(tmp_path: Path) -> None:
    blobs = Blobs.open(tmp_path)
    blob = blobs.add(DATA, MAX)
    other = blobs.add(b"x", MAX)
    assert blobs.add(DATA, MAX) == blob
    assert (blobs.count, blobs.total_bytes) == (2, len(DATA) + 1)
    assert blobs.remove(blob)
    assert not blobs.remove(blob)
    assert blobs.size(blob) is None
    assert (blobs.count, blobs.total_bytes) == (1, 1)
    again = Blobs.open(tmp_path)
    assert again.sizes() == {other: 1}
    assert again.total_bytes == 1


def test_empty_blob_is_always_here(tmp_path: Path) -> None:
    blobs = Blobs.open(tmp_path)
    assert blobs.size(EMPTY_BLOB) == 0
    assert blobs.read(EMPTY_BLOB) == b""
    assert blobs.add(b"", MAX) == EMPTY_BLOB
    assert EMPTY_BLOB == "&47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=.sha256"
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    ("start", "end"), [(0, None), (0, 5), (3, 9), (20990, 99999), (99999, None), (7, 7), (9, 3)]
)
def test_slices_are_half_open(tmp_path: Path, start: int, end: int | None) -> None:
    blobs = Blobs.open(tmp_path)
    blob = blobs.add(DATA, MAX)
    assert blobs.read(blob, start, end) == DATA[start:end]


@given(pieces=st.lists(st.binary(max_size=300), max_size=20))
@settings(max_examples=40, deadline=None)
def test_pieces_make_the_same_blob(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    blobs = Blobs.open(tmp_path_factory.mktemp("blobs"))
    data = b"".join(pieces)
    with blobs.begin(MAX) as draft:
        for piece in pieces:
            draft.write(piece)
        assert draft.finish(blob_of(data)) == blob_of(data)
    assert blobs.read(blob_of(data)) == data
    assert blobs.total_bytes == len(data)


def test_wrong_hash_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    blobs = Blobs.open(tmp_path)
    draft = blobs.begin(MAX)
    draft.write(DATA)
    with pytest.raises(BlobRefused, match="not of"):
        draft.finish(blob_of(b"something else"))
    draft.discard()
    assert left_over(tmp_path) == []
    assert blobs.sizes() == {}


def test_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    blobs = Blobs.open(tmp_path)
    blobs.add(b"12345", 5)
    with pytest.raises(BlobRefused):
        blobs.add(b"123456", 5)
    assert left_over(tmp_path) == []


def test_what_a_crash_left_is_removed_at_opening(tmp_path: Path) -> None:
    blobs = Blobs.open(tmp_path)
    draft = blobs.begin(MAX)
    draft.write(DATA)
    assert len(left_over(tmp_path)) == 1
    again = Blobs.open(tmp_path)
    assert left_over(tmp_path) == []
    assert again.size(blob_of(DATA)) is None
    draft.discard()


def test_full_disk_is_told_in_words_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = Blobs.open(tmp_path)

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(StoreWriteFailed, match="disk full") as caught:
            blobs.add(DATA, MAX)
    assert "Make room" in caught.value.hint
    assert blobs.size(blob_of(DATA)) is None
    assert left_over(tmp_path) == []
    assert blobs.add(DATA, MAX) == blob_of(DATA)


def spoil(path: Path) -> None:
    path.write_bytes(DATA[:-1] + b"?")


def truncate(path: Path) -> None:
    os.truncate(path, 100)


@pytest.mark.parametrize("damage", [spoil, truncate, Path.unlink])
@pytest.mark.parametrize("is_reopened", [True, False])
def test_file_that_changed_is_not_served_and_can_be_added_again(
    tmp_path: Path, damage: Callable[[Path], None], is_reopened: bool
) -> None:
    blobs = Blobs.open(tmp_path)
    blob = blobs.add(DATA, MAX)
    assert blobs.read(blob, 0, 3) == DATA[:3]
    path = path_of(tmp_path, DATA)
    damage(path)
    if is_reopened:
        blobs = Blobs.open(tmp_path)
    with pytest.raises(BlobMissing):
        blobs.read(blob, 0, 3)
    assert blobs.size(blob) is None
    assert blobs.total_bytes == 0
    assert not path.exists()
    assert blobs.add(DATA, MAX) == blob
    assert blobs.read(blob) == DATA


def test_names_that_are_no_blobs_are_left_alone(tmp_path: Path) -> None:
    Blobs.open(tmp_path).add(DATA, MAX)
    (tmp_path / "sha256" / "README").write_text("notes")
    (tmp_path / "sha256" / "00").mkdir(exist_ok=True)
    (tmp_path / "sha256" / "00" / "nonsense").write_text("notes")
    (tmp_path / "sha256" / "00" / ("F" * 62)).write_text("capitals")
    assert set(Blobs.open(tmp_path).sizes()) == {blob_of(DATA)}


def test_pushes_last_over_runs(open_store: Callable[..., Store]) -> None:
    store = open_store()
    blob, other = store.blobs.add(DATA, MAX), store.blobs.add(b"x", MAX)
    store.local.save_push(blob, ["@one"]).result(10)  # type: ignore[list-item]
    store.local.save_push(other, []).result(10)
    store.local.forget_push(other).result(10)
    store.close()
    again = open_store()
    assert again.local.pushes() == {blob: ("@one",)}
    assert again.blobs.size(blob) == len(DATA)
