"""Healing keeps what holds, lays the rest aside, and lets peers give it again."""

import json
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.message import RawMessage
from lichen.store.errors import StoreWriteFailed
from lichen.store.keeping import heal as healing
from lichen.store.keeping.report import Cut, Depth

Peer = Any


def spoil(peer: Peer, author: Any, sequence: int) -> None:
    """Change one letter of a message in the log."""
    peer.change(
        "UPDATE messages SET data = CAST(replace(data, ' of ', ' ov ') AS BLOB)"
        " WHERE received_no = ?",
        peer.number_of(author.id, sequence),
    )


def aside_of(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path, "messages.jsonl").read_text().splitlines()]


def test_damaged_feed_is_cut_and_given_again(peer: Peer) -> None:
    spoil(peer, peer.ada, 41)
    healed = peer.heal()
    assert healed.cuts == (Cut(peer.ada.id, 41, 20),)
    assert (healed.messages, healed.aside, healed.unread) == (161, 20, 0)
    assert not healed.is_guarded
    aside = aside_of(healed.kept)
    assert [line["value"]["sequence"] for line in aside] == list(range(41, 61))
    assert Path(healed.kept, "log.db").stat().st_size > 0
    assert peer.check().damages == []
    store = peer.open()
    assert dict(store.log.clock())[peer.ada.id] == 40
    assert store.log.last_no == 161
    assert not store.local.guard().is_guarded
    assert store.local.draft("new").text == "begun"
    # Peers have it: they give the rest again.
    assert store.ingest(peer.ada.sent).result(10).progress[0].last == 60
    store.wait_folded().result(30)
    assert store.views.read("SELECT count(*) FROM messages") == [(181,)]


def test_what_was_laid_aside_can_be_read_back(peer: Peer) -> None:
    spoil(peer, peer.ada, 41)
    lines = aside_of(peer.heal().kept)
    form = ClassicFormat()
    texts = [json.dumps(line["value"], separators=(",", ":")).encode() for line in lines]
    assert [form.parse(text) for text in texts[1:]] == [
        RawMessage(m.author, m.sequence, m.data) for m in peer.ada.messages[41:]
    ]


def test_clocks_of_peers_are_void_afterwards(peer: Peer) -> None:
    store = peer.open()
    store.local.save_clock(peer.bob.id, {peer.ada.id: 60}).result(10)
    store.close()
    spoil(peer, peer.ada, 41)
    peer.heal()
    assert peer.open().local.load_clock(peer.bob.id) == {}


def test_own_feed_waits_for_peers(peer: Peer) -> None:
    spoil(peer, peer.me, 20)
    assert peer.heal().is_guarded
    store = peer.open()
    assert store.local.guard().is_guarded
    assert store.log.received(peer.me.id) == 19
    assert store.own() == peer.me.id


def test_damaged_columns_cost_nothing(peer: Peer) -> None:
    peer.change(
        "UPDATE messages SET key = randomblob(32) WHERE received_no = ?",
        peer.number_of(peer.ada.id, 33),
    )
    healed = peer.heal()
    assert (healed.messages, healed.aside, healed.cuts) == (181, 0, ())
    assert peer.check().damages == []


def test_damaged_pages_hide_their_own_messages_alone(peer: Peer) -> None:
    page = peer.page_of(b"35 of 60")
    peer.overwrite_page(page)
    damaged = peer.named()
    healed = peer.heal()
    assert 0 < healed.unread < 40
    assert healed.messages + healed.aside + healed.unread == 181
    assert {cut.feed: cut.sequence for cut in healed.cuts} == damaged
    assert healed.is_guarded
    assert peer.check().damages == []
    store = peer.open()
    for who in (peer.ada, peer.bob, peer.me):
        store.ingest(who.sent).result(30)
    assert sorted(store.log.clock().values()) == [1, 60, 60, 60]


@pytest.mark.parametrize("first_bytes", [100, 8192])
def test_destroyed_first_page_loses_no_message(peer: Peer, first_bytes: int) -> None:
    peer.overwrite_page(1, b"\xa5" * first_bytes)
    healed = peer.heal()
    assert (healed.messages, healed.unread) == (181, 0)
    assert healed.is_guarded
    assert peer.check().damages == []
    assert peer.open().own() == peer.me.id


def test_truncated_file(peer: Peer) -> None:
    content = peer.log.read_bytes()
    peer.log.write_bytes(content[: len(content) * 3 // 4 - 100])
    healed = peer.heal()
    assert 0 < healed.messages < 181
    assert peer.check().damages == []
    store = peer.open()
    store.ingest(peer.ada.sent).result(30)
    assert store.log.received(peer.ada.id) == 60


def test_messages_in_the_write_ahead_log_are_kept(peer: Peer, tmp_path: Path) -> None:
    store = peer.open()
    store.ingest(peer.ada.posts(5)).result(10)
    copy = tmp_path / "crashed"
    copy.mkdir()
    for path in peer.directory.glob("*.db*"):
        (copy / path.name).write_bytes(path.read_bytes())
    store.close()
    peer.directory = copy
    spoil(peer, peer.bob, 41)
    assert peer.heal().messages == 181 + 5 - 20
    assert list(copy.glob("log.db-wal")) == []


def test_damaged_memory_of_the_machine(peer: Peer) -> None:
    path = peer.directory / "local.db"
    with closing(apsw.Connection(str(path))) as db:
        db.execute("INSERT INTO distrusted VALUES(?)", (peer.bob.id,))
    content = path.read_bytes()
    page = content.index(b"begun") // 4096
    others = [n for n in range(1, len(content) // 4096) if n != page]
    with path.open("r+b") as file:
        for number in others[3:5]:
            file.seek(number * 4096)
            file.write(b"\xa5" * 64)
    healed = peer.heal()
    assert healed.is_local_new
    assert not healed.is_log_new
    store = peer.open()
    assert store.local.guard().is_guarded
    assert store.local.draft("new").text == "begun"
    assert store.local.distrusted() == (peer.bob.id,)
    assert store.log.last_no == 181


def test_damaged_views_are_dropped_and_nothing_else(peer: Peer) -> None:
    before = peer.log.read_bytes()
    (peer.directory / "views.db").write_bytes(b"nothing of ours" * 1000)
    healed = peer.heal()
    assert healed.are_views_dropped
    assert (healed.is_log_new, healed.kept) == (False, "")
    assert peer.log.read_bytes() == before
    assert peer.check(Depth.QUICK).damages == []


def test_damaged_blob_is_thrown_away(peer: Peer) -> None:
    [path] = [path for path in (peer.directory / "blobs/sha256").rglob("*") if path.is_file()]
    path.write_bytes(b"x")
    assert peer.heal().blobs == 1
    assert peer.open().blobs.size(peer.blob) is None


def test_without_room_nothing_changes(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(peer, peer.ada, 41)
    before = {path: path.read_bytes() for path in peer.directory.glob("*.db")}
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(healing.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StoreWriteFailed, match="disk full") as caught:
        peer.heal()
    assert "MiB" in caught.value.hint
    assert {path: path.read_bytes() for path in peer.directory.glob("*.db")} == before
    assert not (peer.directory / "damaged").exists()


@pytest.mark.parametrize("step", ["_swap_log", "delete_database", "note_changed_log"])
def test_broken_off_it_can_be_done_again(
    peer: Peer, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(peer, peer.me, 41)

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    target: Any = healing.Heal if step == "_swap_log" else healing
    calls: list[Callable[..., Any]] = [getattr(target, step)]
    with monkeypatch.context() as broken:
        count = 0

        def fail_late(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            # delete_database clears the way first, and drops the views last.
            if step == "delete_database" and count < 4:
                return calls[0](*args, **kwargs)
            return fail()

        broken.setattr(target, step, fail_late)
        with pytest.raises(KeyboardInterrupt):
            peer.heal()
    peer.directory.joinpath("damaged").rename(peer.directory / "damaged-first")
    if peer.check().damages:
        assert peer.heal().messages == 161
    assert peer.check().damages == []
    store = peer.open()
    assert store.local.guard().is_guarded
    assert store.log.received(peer.me.id) == 40
    store.wait_folded().result(30)
    assert store.views.read("SELECT count(*) FROM messages") == [(161,)]


def number_offset(content: bytes, number: int) -> int:
    """Return where a leaf of the log says the number of one of the first 127 messages."""
    for page in range(0, len(content), 8192):
        if content[page] != 13:  # a leaf of a table
            continue
        for cell in range(int.from_bytes(content[page + 3 : page + 5])):
            pointer = page + 8 + 2 * cell
            at = page + int.from_bytes(content[pointer : pointer + 2])
            while content[at] & 0x80:  # the size of the row
                at += 1
            if content[at + 1] == number and b'"hash":"sha256"' in content[at : at + 400]:
                return at + 1
    raise AssertionError("it is nowhere")


@pytest.mark.parametrize(("number", "claimed"), [(40, 127), (40, 3), (120, 2), (1, 126)])
def test_what_lies_behind_a_changed_number_is_not_forgotten(
    peer: Peer, number: int, claimed: int
) -> None:
    content = bytearray(peer.log.read_bytes())
    content[number_offset(content, number)] = claimed
    peer.log.write_bytes(content)
    healed = peer.heal()
    assert healed.messages + healed.aside > 181 - 20, "a page has fewer messages than that"
    assert healed.messages + healed.aside + healed.unread >= 181
    assert healed.is_guarded
    assert peer.check().damages == []


def test_a_number_beyond_all_others_hides_nothing(peer: Peer) -> None:
    """The last message claims a number so high that nobody can try all those before it."""
    peer.change("UPDATE messages SET received_no = ? WHERE received_no = 181", 1 << 50)
    peer.overwrite_page(peer.page_of(b"35 of 60"))
    healed = peer.heal()
    assert healed.messages + healed.aside > 181 - 40
    assert peer.check().damages == []


def test_messages_that_only_the_index_knows_are_lost_and_said_to_be(peer: Peer) -> None:
    last = peer.number_of(peer.ada.id, 60)
    db = apsw.Connection(str(peer.log))
    [row] = db.execute("SELECT * FROM sqlite_schema WHERE name = 'messages_by_feed'").fetchall()
    db.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    db.pragma("writable_schema", "on")
    db.execute("DELETE FROM sqlite_schema WHERE name = 'messages_by_feed'")
    db.close()
    db = apsw.Connection(str(peer.log))
    db.execute("DELETE FROM messages WHERE received_no = ?", (last,))
    db.pragma("writable_schema", "on")
    db.execute("INSERT INTO sqlite_schema VALUES(?,?,?,?,?)", row)
    db.close()
    healed = peer.heal()
    assert healed.unread == 1
    assert healed.cuts == (Cut(peer.ada.id, 60, 0),)
    assert healed.is_guarded


def test_healing_without_room_halfway_leaves_nothing(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(peer, peer.ada, 41)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as disk:
        disk.setattr(healing, "note_changed_log", full)
        with pytest.raises(StoreWriteFailed, match="disk full") as caught:
            peer.heal()
    assert str(peer.directory) in caught.value.hint
    assert not (peer.directory / "damaged").exists()
    assert not list(peer.directory.glob("*.new*"))
    assert peer.heal().messages == 161
