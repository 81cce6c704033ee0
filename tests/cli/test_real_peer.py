"""The commands on real data directories: without a running peer, and with two that talk."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lichen.cli.exits import Exit
from lichen.feed.identity import encode_secret_file, generate_identity

Lichen = Callable[..., Any]
WAIT_S_MAX = 20.0
POSTS = 20
"""Posts whose notices fill a pipe of 4 KiB."""
KEY = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="


class Running:
    """A started peer: its process, and the lines of JSON it has written."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lichen", "start", "--home", str(home), "--json",
             "--port", "0", "--host", "127.0.0.1", "--no-lan"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        self.started = self.hear("started")

    def hear(self, topic: str, **members: Any) -> Any:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            notice = json.loads(line)
            if notice["topic"] == topic and members.items() <= notice.items():
                return notice
        assert self.process.stderr is not None
        raise AssertionError(self.process.stderr.read().decode())

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, bytes]:
        self.process.send_signal(number)
        _out, err = self.process.communicate(timeout=WAIT_S_MAX)
        return self.process.returncode, err


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Running]]:
    with contextlib.ExitStack() as stack:

        def start(name: str) -> Running:
            running = Running(tmp_path / name)
            stack.callback(running.process.communicate)
            stack.callback(running.process.kill)
            return running

        yield start


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S_MAX
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_first_day_without_a_network(lichen: Lichen, tmp_path: Path) -> None:
    home = ("--home", str(tmp_path / "home"))
    own = lichen(*home, "whoami").out.strip()
    assert own.endswith(".ed25519")
    assert (tmp_path / "home" / "secret").stat().st_mode & 0o077 == 0
    key = lichen(*home, "post", "first light").out.strip()
    (reply,) = lichen(*home, "post", "--root", key[:8], "an answer", "--json").lines
    assert reply["message"]["value"]["content"]["root"] == key
    lines = b'{"type":"abc","n":1e21,"2":0,"1":0}\n{"type":"def","t":"\\ud800"}\n'
    assert len(lichen(*home, "publish", stdin=lines).out.splitlines()) == 2
    assert lichen(*home, "name", own, "me").code == Exit.DONE
    assert "already" in lichen(*home, "name", "@me", "me", "--json").lines[0]
    shown = lichen(*home, "log").out
    assert "me (" + own[:7] in shown
    assert "first light" in shown
    assert [item["key"] for item in lichen(*home, "thread", key, "--json").lines] == [
        key,
        reply["message"]["key"],
    ]
    assert lichen(*home, "log", "--type", "abc", "--json").lines[0]["value"]["sequence"] == 3
    assert lichen(*home, "status", "--json").lines[0]["messages"] == 5
    assert lichen(*home, "doctor").code == Exit.DONE
    assert lichen(*home, "follow", own).code == Exit.USAGE


def test_what_is_exported_can_be_imported_elsewhere(lichen: Lichen, tmp_path: Path) -> None:
    old, new = ("--home", str(tmp_path / "old")), ("--home", str(tmp_path / "new"))
    lines = b"".join(b'{"type":"post","text":"%d","f":0.1,"2":1e-9,"1":[]}\n' % n for n in range(9))
    lichen(*old, "publish", stdin=lines)
    file = tmp_path / "log.jsonl.gz"
    assert lichen(*old, "export", str(file)).code == Exit.DONE
    assert lichen(*new, "import", str(file)).out.startswith("9 read, 9 new")
    assert lichen(*new, "import", str(file)).out.startswith("9 read, 0 new, 9 here already")
    values = [[line["value"] for line in lichen(*home, "export").lines] for home in (old, new)]
    assert values[0] == values[1]
    data = tmp_path / "bad.jsonl"
    data.write_text("nonsense\n")
    assert lichen(*new, "import", str(data)).code == Exit.INVALID


def test_a_corpus_can_be_imported(lichen: Lichen, tmp_path: Path) -> None:
    corpus = ("lab", "corpus", "--messages", "60", "--authors", "4", "--seed", "7")
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        assert lichen(*corpus, str(folder), "--json").lines[0]["folder"] == str(folder)
    first, second = (folder / "corpus.jsonl.gz" for folder in folders)
    assert first.read_bytes() == second.read_bytes()
    home = ("--home", str(tmp_path / "home"))
    assert lichen(*home, "import", str(first)).out.startswith("60 read, 60 new")
    assert lichen(*home, "log", "--limit", "60").code == Exit.DONE
    other = ("lab", "corpus", "--messages", "9", "--authors", "2", "--seed", "8")
    assert lichen(*other, str(folders[0])).code == Exit.REFUSED


def test_an_imported_identity_waits_before_it_publishes(lichen: Lichen, tmp_path: Path) -> None:
    home = ("--home", str(tmp_path / "home"))
    identity = generate_identity(b"\5" * 32)
    secret = tmp_path / "secret"
    secret.write_text(encode_secret_file(identity))
    secret.chmod(0o600)
    (answer,) = lichen(*home, "identity", "import", str(secret), "--json").lines
    assert answer["id"] == identity.id
    assert answer["isGuarded"] is True
    assert lichen(*home, "whoami").out.strip() == identity.id
    refused = lichen(*home, "post", "too early", "--json")
    assert refused.code == Exit.REFUSED
    assert "lichen allow-publishing" in refused.fault["hint"]
    words = "this key publishes only here and I have its newest message"
    assert lichen(*home, "allow-publishing", words).code == Exit.DONE
    assert lichen(*home, "post", "now").code == Exit.DONE
    assert lichen(*home, "identity", "import", str(secret)).code == Exit.REFUSED


def test_an_identity_is_not_put_beside_the_log_of_another(lichen: Lichen, tmp_path: Path) -> None:
    home = tmp_path / "home"
    lichen("--home", str(home), "post", "mine")
    (home / "secret").unlink()
    secret = tmp_path / "secret"
    secret.write_text(encode_secret_file(generate_identity(b"\5" * 32)))
    secret.chmod(0o600)
    assert lichen("--home", str(home), "identity", "import", str(secret)).code != Exit.DONE
    assert not (home / "secret").exists()


def test_a_refused_content_publishes_nothing_of_its_batch(lichen: Lichen, tmp_path: Path) -> None:
    home = ("--home", str(tmp_path))
    lines = b'{"type":"post"}\n{"type":"x"}\n'
    ended = lichen(*home, "publish", "--json", stdin=lines)
    assert ended.code == Exit.INVALID
    assert ended.fault["error"] == "invalid"
    too_long = b'{"type":"post","text":"%s"}' % (b"x" * 9000)
    assert lichen(*home, "publish", stdin=too_long).code == Exit.INVALID
    assert lichen(*home, "status", "--json").lines[0]["messages"] == 0


def test_another_network_key_is_refused(lichen: Lichen, tmp_path: Path) -> None:
    home = ("--home", str(tmp_path))
    lichen(*home, "whoami")
    assert lichen(*home, "whoami", "--network-key", KEY).code == Exit.WRONG_KEY
    assert lichen("--hmac-key", KEY, *home, "whoami").code == Exit.WRONG_KEY
    assert lichen(*home, "whoami").code == Exit.DONE


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda home: (home / "secret").chmod(0o644), Exit.REFUSED),
        (lambda home: (home / "secret").unlink(), Exit.NO_IDENTITY),
        (lambda home: (home / "log.db").write_bytes(b"not a database" * 100), Exit.DAMAGED),
    ],
    ids=["loose secret", "lost secret", "damaged log"],
)
def test_spoilt_directory_is_one_sentence_with_a_next_step(
    spoil: Callable[[Path], object], code: Exit, lichen: Lichen, tmp_path: Path
) -> None:
    home = ("--home", str(tmp_path))
    lichen(*home, "post", "hello")
    secret = tmp_path / "secret"
    secret.chmod(0o600)
    spoil(tmp_path)
    ended = lichen(*home, "whoami", "--json")
    assert ended.code == code
    assert ended.fault["code"] == code
    assert ended.fault["hint"]
    assert lichen(*home, "doctor").code == code


def test_two_peers_follow_each_other_and_hear_what_is_written(
    start: Callable[[str], Running], lichen: Lichen, tmp_path: Path
) -> None:
    anna, bert = start("anna"), start("bert")
    a, b = ("--home", str(anna.home)), ("--home", str(bert.home))
    (address,) = anna.started["addresses"]
    assert lichen(*b, "connect", address).out.strip() == anna.started["id"]
    for home, other in ((a, bert), (b, anna)):
        assert lichen(*home, "follow", other.started["id"][:12]).code in {0, Exit.NOT_FOUND}
        assert lichen(*home, "follow", other.started["id"]).code == Exit.DONE
    key = lichen(*a, "post", "hello bert").out.strip()
    heard = bert.hear("message", type="post")
    assert (heard["key"], heard["text"]) == (key, "hello bert")
    assert heard["feed"] == anna.started["id"]
    answer = lichen(*b, "post", "--root", key[:9], "hello anna").out.strip()
    assert anna.hear("message", key=answer)["text"] == "hello anna"
    assert [item["key"] for item in lichen(*a, "thread", answer, "--json").lines] == [key, answer]
    (peer,) = lichen(*a, "peers", "--json").lines
    assert peer["peer"] == bert.started["id"]
    assert "connected   1 peer" in lichen(*a, "status").out
    assert lichen(*a, "doctor").code == Exit.DONE
    assert bert.stop() == (0, b"")
    assert anna.hear("disconnected")["peer"] == bert.started["id"]
    assert lichen(*b, "log", "--author", anna.started["id"], "--json").lines[-1]["key"] == key
    assert anna.stop(signal.SIGINT) == (0, b"")


def test_following_the_log_of_a_running_peer(
    start: Callable[[str], Running], lichen: Lichen, tmp_path: Path
) -> None:
    peer = start("peer")
    home = ("--home", str(peer.home))
    first = lichen(*home, "post", "first").out.strip()
    command = [sys.executable, "-m", "lichen", *home, "log", "--follow", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as following:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["key"] == first
        second = lichen(*home, "post", "second").out.strip()
        assert json.loads(following.stdout.readline())["key"] == second
        following.send_signal(signal.SIGINT)
        _out, err = following.communicate(timeout=WAIT_S_MAX)
    assert following.returncode == Exit.INTERRUPTED
    assert json.loads(err.splitlines()[-1])["error"] == "interrupted"


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="pipes are made small on Linux")
def test_a_peer_goes_on_when_nobody_reads_what_it_says(
    start: Callable[[str], Running], lichen: Lichen
) -> None:
    peer = start("peer")
    assert peer.process.stdout is not None
    fcntl.fcntl(peer.process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    home = ("--home", str(peer.home))
    for number in range(1, POSTS + 1):
        assert lichen(*home, "post", f"number {number}" + " and on" * 100).code == Exit.DONE
    assert lichen(*home, "status", "--json").lines[0]["messages"] == POSTS
    peer.hear("message", sequence=POSTS)
    assert peer.stop()[0] == Exit.DONE


def test_following_ends_in_silence_when_nobody_reads(
    start: Callable[[str], Running], lichen: Lichen
) -> None:
    peer = start("peer")
    home = ("--home", str(peer.home))
    lichen(*home, "post", "first")
    command = [sys.executable, "-m", "lichen", *home, "log", "--follow", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as following:
        assert following.stdout is not None
        following.stdout.readline()
        following.stdout.close()
        lichen(*home, "post", "second")
        assert following.wait(WAIT_S_MAX) == Exit.DONE
        assert following.stderr is not None
        assert following.stderr.read() == b""


def test_second_peer_on_a_directory_or_a_port_is_refused(
    start: Callable[[str], Running], lichen: Lichen, tmp_path: Path
) -> None:
    peer = start("peer")
    ended = lichen("start", "--home", str(peer.home), "--port", "0", "--no-lan", "--json")
    assert ended.code == Exit.LOCKED
    assert str(peer.process.pid) in ended.fault["message"]
    port = peer.started["addresses"][0].split(":")[2].split("~")[0]
    ended = lichen(
        "start",
        "--home",
        str(tmp_path / "other"),
        "--port",
        port,
        "--host",
        "127.0.0.1",
        "--no-lan",
    )
    assert ended.code == Exit.FAILED
    assert "--port" in ended.err


def test_an_address_where_nobody_answers_is_unreachable(
    start: Callable[[str], Running], lichen: Lichen
) -> None:
    peer = start("peer")
    nobody = generate_identity(b"\6" * 32).id
    ended = lichen("--home", str(peer.home), "connect", f"127.0.0.1:1:{nobody}")
    assert ended.code == Exit.UNREACHABLE
    assert lichen("--home", str(peer.home), "connect", "nonsense").code == Exit.USAGE


def test_killed_peer_starts_again(start: Callable[[str], Running], lichen: Lichen) -> None:
    peer = start("peer")
    key = lichen("--home", str(peer.home), "post", "kept").out.strip()
    peer.process.kill()
    peer.process.wait()
    assert os.path.lexists(peer.home / "run" / "lichen.socket")
    again = start("peer")
    assert lichen("--home", str(peer.home), "log", "--json").lines[-1]["key"] == key
    assert again.started["id"] == peer.started["id"]
    wait_until(lambda: again.process.poll() is None)
