"""``fsck``, ``rebuild``, ``backup`` and ``restore`` on real folders: words, records, exit codes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from lichen.cli.commands.keeping import progress_words
from lichen.cli.exits import Exit

Lichen = Callable[..., Any]


@pytest.fixture
def home(lichen: Lichen, tmp_path: Path) -> str:
    """A data directory with a few own messages."""
    path = str(tmp_path / "home")
    lines = b"".join(b'{"type":"post","text":"number %d"}\n' % n for n in range(20))
    assert lichen("publish", "--home", path, stdin=lines).code == Exit.DONE
    return path


def spoil(home: str) -> None:
    db = apsw.Connection(str(Path(home) / "log.db"))
    db.execute(
        "UPDATE messages SET data = CAST(replace(data, 'number 9', 'number 8') AS BLOB)"
        " WHERE sequence = 10"
    )
    db.close()


def test_whole_folder(lichen: Lichen, home: str) -> None:
    ended = lichen("fsck", "--full", "--home", home)
    assert ended.code == Exit.DONE
    assert "messages 20, feeds 1, signatures 20" in ended.out
    assert "Nothing is damaged." in ended.err


def test_damage_is_named_healed_and_told(lichen: Lichen, home: str) -> None:
    spoil(home)
    ended = lichen("fsck", "--home", home)
    assert ended.code == Exit.DAMAGED
    assert ", from message 1" in ended.out
    assert "lichen fsck --heal" in ended.err
    [damage] = lichen("fsck", "--full", "--home", home, "--json").lines[-1]["report"]["damages"]
    assert (damage["place"], damage["sequence"]) == ("feed", 10)
    assert "signature" in damage["words"] or "previous" in damage["words"]
    ended = lichen("fsck", "--heal", "--home", home)
    assert ended.code == Exit.PARTLY_DONE
    assert "now ends before message 10" in ended.out
    assert "9 messages kept, 11 laid aside, 0 could not be read." in ended.out
    assert "Publishing waits" in ended.err
    assert str(Path(home) / "damaged") in ended.err
    assert lichen("fsck", "--full", "--home", home).code == Exit.DONE
    ended = lichen("post", "on", "--home", home)
    assert ended.code == Exit.REFUSED


def test_damaged_views_are_healed_without_loss(lichen: Lichen, home: str) -> None:
    (Path(home) / "views.db").write_bytes(b"nothing" * 1000)
    assert lichen("fsck", "--quick", "--home", home).code == Exit.DAMAGED
    assert lichen("fsck", "--heal", "--home", home).code == Exit.DONE
    assert lichen("fsck", "--quick", "--home", home).code == Exit.DONE


def test_healing_is_no_quick_thing(lichen: Lichen, home: str) -> None:
    assert lichen("fsck", "--quick", "--heal", "--home", home).code == Exit.USAGE


def test_nothing_there(lichen: Lichen, tmp_path: Path) -> None:
    for name in ("fsck", "backup"):
        arguments = [str(tmp_path / "copy")] if name == "backup" else []
        ended = lichen(name, *arguments, "--home", str(tmp_path / "none"), "--json")
        assert ended.code == Exit.NO_IDENTITY
        assert ended.fault["error"] == "no-identity"


def test_log_that_does_not_open_says_how_to_heal_it(lichen: Lichen, home: str) -> None:
    path = Path(home) / "log.db"
    path.write_bytes(b"\xa5" * 8192 + path.read_bytes()[8192:])
    ended = lichen("status", "--home", home)
    assert ended.code == Exit.DAMAGED
    assert "lichen fsck --heal" in ended.err
    ended = lichen("fsck", "--heal", "--home", home)
    assert "20 messages kept, 0 laid aside" in ended.out
    assert lichen("log", "--home", home).code == Exit.DONE


def test_views_are_made_anew(lichen: Lichen, home: str) -> None:
    assert lichen("rebuild", "--home", home).code == Exit.DONE
    last = lichen("rebuild", "contacts", "--home", home, "--json").lines[-1]
    (view,) = last["views"]
    assert (view["name"], view["folded"], view["total"]) == ("contacts", 20, 20)
    assert last["done"] is True
    ended = lichen("rebuild", "weather", "--home", home)
    assert ended.code == Exit.NOT_FOUND
    assert "contacts" in ended.err


def test_backup_says_where_the_key_is(lichen: Lichen, home: str, tmp_path: Path) -> None:
    ended = lichen("backup", str(tmp_path / "one"), "--home", home)
    assert ended.code == Exit.DONE
    assert "messages 20, feeds 1" in ended.out
    assert "Your key is not in it" in ended.err
    assert not (tmp_path / "one" / "secret").exists()
    ended = lichen("backup", str(tmp_path / "two"), "--with-secret", "--home", home)
    assert "can write as you" in ended.err
    assert (tmp_path / "two" / "secret").read_text() == (Path(home) / "secret").read_text()
    assert lichen("backup", str(tmp_path / "two"), "--home", home).code == Exit.REFUSED


def test_restored_it_reads_and_does_not_publish(lichen: Lichen, home: str, tmp_path: Path) -> None:
    lichen("backup", str(tmp_path / "copy"), "--with-secret", "--home", home)
    again = str(tmp_path / "again")
    ended = lichen("restore", str(tmp_path / "copy"), "--home", again)
    assert ended.code == Exit.DONE
    assert "messages 20, feeds 1" in ended.out
    assert "one identity on one machine" in ended.err
    assert len(lichen("log", "--home", again, "--json").lines) == 20
    assert lichen("post", "no", "--home", again).code == Exit.REFUSED
    assert lichen("restore", str(tmp_path / "copy"), "--home", again).code == Exit.REFUSED


def test_damaged_backup(lichen: Lichen, home: str, tmp_path: Path) -> None:
    lichen("backup", str(tmp_path / "copy"), "--home", home)
    path = tmp_path / "copy" / "log.db"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    ended = lichen("restore", str(tmp_path / "copy"), "--home", str(tmp_path / "again"))
    assert ended.code == Exit.DAMAGED
    assert "log.db" in ended.err
    assert lichen("restore", str(tmp_path), "--home", str(tmp_path / "x")).code == Exit.REFUSED


def test_progress_tells_rate_and_time_left() -> None:
    assert progress_words("messages", 0, 1000, 5.0) == "messages: 0 of 1,000"
    assert progress_words("messages", 250, 1000, 0.5) == "messages: 250 of 1,000"
    assert (
        progress_words("messages", 250, 1000, 5.0)
        == "messages: 250 of 1,000, 50 a second, 15 seconds left"
    )
