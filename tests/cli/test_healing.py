"""A running peer steps aside while its folder is healed, and comes back whatever happens."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest

from lichen.cli.exits import Exit
from lichen.node.service import LOCK_POLL_S
from lichen.store.keeping.heal import DAMAGED_FOLDER
from lichen.store.lock import HEALER_FILE, DirectoryLock, is_locked

Lichen = Callable[..., Any]
WAIT_S_MAX = 60.0
POSTS = 30
PAGE_BYTES = 8192


class Peer:
    """A peer with a web app, as a process that somebody listens to."""

    process: subprocess.Popen[str]

    def __init__(self, home: Path) -> None:
        self.home = home
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lichen", "start", "--home", str(self.home), "--json",
             "--port", "0", "--host", "127.0.0.1", "--no-lan", "--web-port", "0", "--hops", "1"],
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def hear(self, topic: str) -> Any:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            notice = json.loads(line)
            if notice["topic"] == topic:
                return notice
        raise AssertionError(f"it ended without {topic}")

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=WAIT_S_MAX)
        return self.process.returncode

    def spoil(self, sequence: int) -> None:
        """Change a message on the disk, behind the peer's back."""
        db = apsw.Connection(str(self.home / "log.db"))
        db.execute(
            "UPDATE messages SET data = CAST(replace(data, 'number', 'NUMBER') AS BLOB)"
            " WHERE sequence = ?",
            (sequence,),
        )
        assert db.changes() == 1
        db.close()


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    running = Peer(tmp_path / "peer")
    yield running
    running.process.kill()
    running.process.communicate()


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S_MAX
    while not is_so():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.02)


def begin(peer: Peer, lichen: Lichen) -> tuple[Any, Any]:
    """Write something; return how the peer introduced itself."""
    said = peer.hear("started"), peer.hear("web")
    lines = b"".join(b'{"type":"post","text":"number %d"}\n' % n for n in range(POSTS))
    assert lichen("publish", "--home", str(peer.home), stdin=lines).code == Exit.DONE
    return said


def test_a_healthy_peer_is_left_in_peace(peer: Peer, lichen: Lichen) -> None:
    begin(peer, lichen)
    home = ("--home", str(peer.home))
    before = lichen("status", *home, "--json").lines[0]["startedAt"]
    ended = lichen("fsck", "--heal", *home, "--json")
    assert ended.code == Exit.DONE
    assert ended.lines[-1]["healed"] is None
    assert ended.lines[-1]["report"]["signatures"] == POSTS
    assert lichen("status", *home, "--json").lines[0]["startedAt"] == before


def test_a_damaged_peer_is_healed_and_comes_back_where_it_was(peer: Peer, lichen: Lichen) -> None:
    started, web = begin(peer, lichen)
    peer.spoil(11)
    home = ("--home", str(peer.home))
    assert lichen("hops", "3", *home).code == Exit.DONE
    ended = lichen("fsck", "--heal", *home)
    assert ended.code == Exit.PARTLY_DONE, ended
    assert "The peer steps aside" in ended.err
    assert f"10 messages kept, {POSTS - 10} laid aside" in ended.out
    assert "The peer is back." in ended.err
    peer.hear("aside")
    assert (peer.hear("started")["addresses"], peer.hear("web")) == (started["addresses"], web)
    status = lichen("status", *home, "--json").lines[0]
    assert (status["ownSequence"], status["isGuarded"], status["isRunning"]) == (10, True, True)
    assert status["hops"] == 3, "what was set since it started counts"
    assert lichen("post", "too soon", *home).code == Exit.REFUSED
    assert lichen("fsck", "--full", *home).code == Exit.DONE
    assert peer.end() == Exit.DONE


def test_what_a_peer_cannot_read_is_told_with_the_command_that_mends_it(
    peer: Peer, lichen: Lichen
) -> None:
    begin(peer, lichen)
    home = ("--home", str(peer.home))
    lichen("publish", *home, stdin=b'{"type":"post","text":"%d filler"}\n' % 7 * 300)
    own = lichen("whoami", *home).out.strip()
    wait_until(lambda: lichen("status", *home, "--json").lines[0]["folding"] is None)
    assert peer.end() == Exit.DONE
    log = peer.home / "log.db"
    with log.open("r+b") as file:
        # A page of messages that no start reads.
        file.seek(log.read_bytes().index(b"number 20") // PAGE_BYTES * PAGE_BYTES)
        file.write(b"\xa5" * 64)
    peer.start()
    peer.hear("web")
    assert "damage" not in lichen("status", *home).out
    ended = lichen("log", "--author", own, "--limit", "400", *home, "--json")
    assert ended.code == Exit.DAMAGED
    fault = ended.fault
    assert "lichen fsck --heal" in fault["hint"]
    assert peer.hear("damaged")["detail"] == "the database is damaged"
    assert lichen("status", *home, "--json").lines[0]["damage"] == "the database is damaged"
    assert "Mend it with: lichen fsck --heal" in lichen("status", *home).out
    (found,) = (each for each in lichen("doctor", *home, "--json").lines if each["check"] == "log")
    assert (found["verdict"], "lichen fsck --heal" in found["remedy"]) == ("fail", True)
    ended = lichen("fsck", "--heal", *home, "--json")
    assert ended.code == Exit.PARTLY_DONE, ended
    assert ended.lines[0] == {"stage": "aside"}, "it is known to be damaged: nobody looks first"
    assert ended.lines[-1]["isPeerBack"] is True
    status = lichen("status", *home, "--json").lines[0]
    assert status["damage"] is None
    assert status["isGuarded"] is True, "some of the own messages are gone"
    assert peer.end() == Exit.DONE


def step_aside(peer: Peer, lichen: Lichen) -> subprocess.Popen[bytes]:
    """Let the peer step aside for a program that then does nothing; return that."""
    script = (
        "import asyncio, sys, time; from pathlib import Path;"
        "from lichen.node.client import running_peer; from lichen.node.home import Home;"
        "from lichen.store.lock import HEALER_FILE, DirectoryLock\n"
        "async def ask():\n"
        "    async with running_peer(Home(Path(sys.argv[1]))) as peer:\n"
        "        await peer.call('lichen.stepAside')\n"
        "lock = DirectoryLock(Path(sys.argv[1]), HEALER_FILE)\n"
        "asyncio.run(ask())\n"
        "time.sleep(1000)"
    )
    begin(peer, lichen)
    healer = subprocess.Popen([sys.executable, "-c", script, str(peer.home)])
    wait_until(lambda: not is_locked(peer.home))
    return healer


def test_a_peer_comes_back_when_its_healer_dies(peer: Peer, lichen: Lichen) -> None:
    healer = step_aside(peer, lichen)
    try:
        with pytest.raises(Exception, match="in use"):
            DirectoryLock(peer.home, HEALER_FILE)
        time.sleep(10 * LOCK_POLL_S)
        assert not is_locked(peer.home), "it stays away although the folder is free"
        assert peer.process.poll() is None
    finally:
        os.kill(healer.pid, signal.SIGKILL)
        healer.wait()
    peer.hear("started")
    assert lichen("post", "on we go", "--home", str(peer.home)).code == Exit.DONE
    assert peer.end() == Exit.DONE


def test_a_peer_that_stands_aside_can_be_stopped(peer: Peer, lichen: Lichen) -> None:
    healer = step_aside(peer, lichen)
    try:
        assert peer.end() == Exit.DONE
    finally:
        healer.kill()
        healer.wait()


def test_what_dies_instead_of_coming_back_is_told(
    peer: Peer, lichen: Lichen, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lichen.node.api import keeper  # noqa: PLC0415 (not in other tests' imports)

    begin(peer, lichen)
    peer.spoil(11)
    monkeypatch.setattr(keeper, "PEER_S_MAX", 2.0)
    source = keeper.LoneKeeper.source

    async def and_kill(self: Any, name: str, *args: Any) -> Any:
        peer.process.kill()
        async for record in source(self, name, *args):
            yield record

    monkeypatch.setattr(keeper.LoneKeeper, "source", and_kill)
    ended = lichen("fsck", "--heal", "--home", str(peer.home))
    assert ended.code == Exit.PARTLY_DONE
    assert "The peer did not come back. Start it: lichen start" in ended.err
    aside = next((peer.home / DAMAGED_FOLDER).glob("*/messages.jsonl")).read_bytes()
    assert len([orjson.loads(line) for line in aside.splitlines()]) == POSTS - 10
