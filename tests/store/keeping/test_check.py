"""A check finds what is damaged, and says whose and from where; what is whole it leaves alone."""

import random
from typing import Any

import apsw
import pytest

from lichen.feed.identity import encode_secret_file
from lichen.store.errors import StoreReadFailed, Unreadable, WrongIdentity
from lichen.store.keeping.heal import settle_audit
from lichen.store.keeping.report import Depth

Peer = Any


@pytest.mark.parametrize("depth", Depth)
def test_whole_directory(peer: Peer, depth: Depth) -> None:
    before = {path: path.read_bytes() for path in peer.directory.glob("*.db")}
    report = peer.check(depth)
    assert report.damages == []
    assert (report.messages, report.feeds) == (181, 4)
    if depth is not Depth.QUICK:
        assert report.forks == 1
        assert report.signatures == (181 if depth is Depth.FULL else 4)
    assert report.blobs == (1 if depth is Depth.FULL else 0)
    assert {path: path.read_bytes() for path in peer.directory.glob("*.db")} == before


def test_beside_a_running_peer(peer: Peer) -> None:
    store = peer.open()
    store.ingest(peer.ada.posts(5)).result(10)
    assert peer.check().damages == []
    assert peer.check().messages == 186


def test_gap_is_found_by_the_quick_check(peer: Peer) -> None:
    peer.change("DELETE FROM messages WHERE received_no = ?", peer.number_of(peer.ada.id, 30))
    for depth in Depth:
        assert peer.named(depth) == {peer.ada.id: 30}


def test_changed_text_breaks_the_id(peer: Peer) -> None:
    number = peer.number_of(peer.ada.id, 31)
    peer.change(
        "UPDATE messages SET data = CAST(replace(data, '30 of', '03 of') AS BLOB)"
        " WHERE received_no = ?",
        number,
    )
    assert peer.named(Depth.QUICK) == {}
    assert peer.named(Depth.CHAIN)[peer.ada.id] in {31, 32}
    assert set(peer.named(Depth.CHAIN)) == {peer.ada.id}


def test_last_text_of_a_feed_breaks_its_signature(peer: Peer) -> None:
    peer.change(
        "UPDATE messages SET data = CAST(replace(data, '9 of', '8 of') AS BLOB)"
        " WHERE received_no = ?",
        peer.number_of(peer.bob.id, 60),
    )
    assert peer.named(Depth.CHAIN) == {peer.bob.id: 60}


def test_low_byte_twin_is_found_by_its_signature_alone(peer: Peer) -> None:
    """The id hashes the low byte of each unit: only the full check sees such a change."""
    store = peer.open()
    store.ingest(peer.ada.write({"type": "post", "text": "Ł"}, {"type": "post", "text": "."}))
    store.close()
    peer.change(
        "UPDATE messages SET data = CAST(replace(data, 'Ł', 'A') AS BLOB) WHERE received_no = ?",
        peer.number_of(peer.ada.id, 61),
    )
    assert peer.named(Depth.CHAIN) == {}
    assert peer.named(Depth.FULL) == {peer.ada.id: 61}


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE messages SET key = randomblob(32) WHERE received_no = ?", "id"),
        ("UPDATE messages SET sequence = 1000 WHERE received_no = ?", "place"),
        ("UPDATE messages SET feed_no = 4, sequence = 9 WHERE received_no = ?", "place"),
    ],
)
def test_columns_that_contradict_the_text(peer: Peer, sql: str, words: str) -> None:
    peer.change(sql, peer.number_of(peer.ada.id, 33))
    assert any(words in damage.words for damage in peer.check(Depth.CHAIN).damages)


def test_text_that_is_none_is_damage_and_no_crash(peer: Peer) -> None:
    peer.change("UPDATE feeds SET feed = CAST(x'40ff' AS TEXT) WHERE feed = ?", peer.ada.id)
    for depth in Depth:
        assert "log" in {damage.place for damage in peer.check(depth).damages}
    with pytest.raises(Unreadable, match="damaged"):
        peer.open()
    assert peer.heal().messages == 181
    assert peer.open().log.received(peer.ada.id) == 60


def test_spoilt_proof_of_a_fork(peer: Peer) -> None:
    peer.change("UPDATE forks SET second_data = first_data, second_key = first_key")
    assert [damage.place for damage in peer.check(Depth.CHAIN).damages] == ["fork"]


def test_damaged_page_names_all_feeds_on_it(peer: Peer) -> None:
    page = peer.page_of(b"35 of 60")
    peer.overwrite_page(page)
    named = peer.named(Depth.CHAIN)
    assert set(named) <= {peer.ada.id, peer.bob.id, peer.me.id}
    assert len(named) >= 1
    assert "log" in {damage.place for damage in peer.check(Depth.CHAIN).damages}


@pytest.mark.parametrize("name", ["local.db", "views.db"])
def test_other_files_are_named(peer: Peer, name: str) -> None:
    path = peer.directory / name
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096))
    assert {damage.place for damage in peer.check().damages} == {name.removesuffix(".db")}


def test_blob_with_other_bytes(peer: Peer) -> None:
    [path] = [path for path in (peer.directory / "blobs/sha256").rglob("*") if path.is_file()]
    path.write_bytes(b"x" + path.read_bytes()[1:])
    [damage] = peer.check().damages
    assert (damage.place, damage.blob) == ("blob", peer.blob)


def test_full_check_settles_the_audit(peer: Peer) -> None:
    """Every signature was checked just now: nothing waits for it but what is damaged."""
    db = apsw.Connection(str(peer.log))
    if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'unaudited'").get is None:
        db.execute("CREATE TABLE unaudited(feed_no, first, last, source)")
    db.execute("INSERT INTO unaudited SELECT feed_no, 2, 59, NULL FROM feeds")
    peer.change(
        "UPDATE messages SET data = CAST(replace(data, ' of ', ' ov ') AS BLOB)"
        " WHERE received_no = ?",
        peer.number_of(peer.ada.id, 41),
    )
    settle_audit(peer.directory, peer.check(Depth.CHAIN))
    assert len(db.execute("SELECT * FROM unaudited").fetchall()) == 4
    settle_audit(peer.directory, peer.check(Depth.FULL))
    assert db.execute("SELECT feed FROM unaudited JOIN feeds USING (feed_no)").fetchall() == [
        (peer.ada.id,)
    ]
    db.close()


@pytest.mark.parametrize("seed", range(12))
def test_no_flipped_bit_in_a_text_escapes(peer: Peer, seed: int) -> None:
    rng = random.Random(seed)
    text = bytearray(rng.choice([*peer.ada.messages, *peer.bob.messages, *peer.me.messages]).data)
    flipped = text.copy()
    flipped[rng.randrange(len(text))] ^= 1 << rng.randrange(8)
    # Everywhere: SQLite leaves old copies where pages were split.
    content = peer.log.read_bytes()
    assert text in content
    peer.log.write_bytes(content.replace(text, flipped))
    assert len(peer.named()) == 1


def run_once(peer: Peer) -> None:
    """Open a folder as a peer does, and close it."""
    store = peer.open()
    try:
        store.bind_own(peer.me.id)
        store.wait_folded().result(10)
    finally:
        store.close()


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("local.db", "INSERT INTO settings VALUES('hops', '3}')"),
        ("local.db", "INSERT INTO pushes VALUES('&a', '{')"),
        ("local.db", "DELETE FROM guard"),
        ("local.db", "DELETE FROM run"),
        ("local.db", "ALTER TABLE drafts RENAME COLUMN text TO tex"),
        ("local.db", "PRAGMA user_version = 70000000"),
        ("log.db", "UPDATE messages SET feed_no = 65 WHERE feed_no = 1"),
        ("log.db", "UPDATE messages SET received_no = 1 << 40 WHERE received_no = 181"),
        ("log.db", "INSERT INTO meta VALUES('last_no', 1 << 40)"),
        ("log.db", "UPDATE feeds SET feed = '@' || feed WHERE feed_no = 1"),
        ("log.db", "ALTER TABLE messages RENAME COLUMN data TO dat"),
        ("log.db", "PRAGMA user_version = 1"),
        ("log.db", "PRAGMA user_version = -2"),
    ],
)
def test_what_a_peer_does_not_open_is_found_and_healed(peer: Peer, name: str, sql: str) -> None:
    db = apsw.Connection(str(peer.directory / name))
    db.execute(sql)
    db.close()
    with pytest.raises((Unreadable, StoreReadFailed)):
        run_once(peer)
    assert peer.check(Depth.QUICK).damages
    healed = peer.heal()
    assert (healed.aside, healed.unread) == (0, 0)
    assert peer.check().damages == []
    store = peer.open()
    assert store.log.last_no == 181
    assert store.local.guard().is_guarded or "feed_no = 65" in sql, "columns alone lose nothing"
    assert name == "log.db" or store.local.draft("new") is not None or "drafts" in sql


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE feeds SET format = 'clbssic' WHERE feed_no = 1",
        "UPDATE forks SET feed_no = 77",
        "UPDATE meta SET name = 'hmac_kez' WHERE name = 'hmac_key'",
        "INSERT INTO unaudited VALUES(77, 1, 2, NULL), (1, 3, 4611686018427387904, NULL)",
    ],
)
def test_what_the_log_says_of_feeds_that_are_not_there_stops_nobody(peer: Peer, sql: str) -> None:
    peer.change(sql)
    store = peer.open()
    store.wait_audited().result(10)
    store.close()
    peer.heal()
    assert peer.check().damages == []
    assert peer.open().log.last_no == 181


@pytest.mark.parametrize("own", ["CAST(replace(value, '=.', '+.') AS BLOB)", "x'40'"])
def test_log_that_forgot_whose_it_is(peer: Peer, own: str) -> None:
    (peer.directory / "secret").write_text(encode_secret_file(peer.me.identity))
    peer.change(f"UPDATE meta SET value = {own} WHERE name = 'own'")
    with pytest.raises(WrongIdentity):
        run_once(peer)
    assert peer.check(Depth.QUICK).damages
    assert peer.heal().unread == 0
    assert peer.check().damages == []
    run_once(peer)


@pytest.mark.parametrize("name", ["log.db", "local.db"])
def test_empty_file_is_as_good_as_none(peer: Peer, name: str) -> None:
    (peer.directory / name).write_bytes(b"")
    assert bool(peer.check(Depth.QUICK).damages) is (name == "log.db")
    assert peer.open().local.guard().is_guarded
