"""Programs of other users are cut off, whatever they bring; where the system tells."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lichen.web import neighbours
from lichen.web.neighbours import find_owner, is_own

PYTHON = shutil.which("python3", path="/usr/bin:/bin") or ""
CLIENT, SERVER = ("127.0.0.1", 40_000), ("127.0.0.1", 8990)
HEADER = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid"
    "  timeout inode"
)


def line(client: str, server: str, uid: int, inode: int = 4711, state: str = "01") -> str:
    """Return a line as the kernel writes it."""
    return (
        f"   3: {client} {server} {state} 00000000:00000000 00:00000000 00000000 {uid:5d}"
        f"        0 {inode} 1 00000000abd5237b 20 4 30 10 -1"
    )


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    if sys.byteorder != "little":
        pytest.skip("the lines are those of a little-endian machine")

    def write(*lines: str, name: str = "tcp") -> Path:
        (tmp_path / name).write_text("\n".join((HEADER, *lines)) + "\n")
        return tmp_path

    return write


ENDS = ("0100007F:9C40", "0100007F:231E")
MAPPED = tuple(f"0000000000000000FFFF0000{end}" for end in ENDS)


def test_the_owner_is_the_clients(table: Callable[..., Path]) -> None:
    other_way, elsewhere = line(ENDS[1], ENDS[0], 7), line("0100007F:9C41", ENDS[1], 8)
    tables = table(other_way, elsewhere, line(*ENDS, 1234))
    assert find_owner(CLIENT, SERVER, tables) == 1234


def test_an_address_of_ipv6_is_found_out(table: Callable[..., Path]) -> None:
    table(line(*MAPPED, 1234), name="tcp6")
    assert find_owner(CLIENT, SERVER, table()) == 1234


@pytest.mark.parametrize(
    ("uid", "inode", "is_let_in"),
    [
        (os.getuid(), 1, True),
        (0, 1, True),
        (os.getuid() + 1, 1, False),
        (0, 0, False),  # closed by its program already
    ],
)
def test_who_is_let_in(uid: int, inode: int, is_let_in: bool, table: Callable[..., Path]) -> None:
    assert is_own(CLIENT, SERVER, table(line(*ENDS, uid, inode))) is is_let_in


def test_whoever_is_not_in_the_table_is_not_let_in(table: Callable[..., Path]) -> None:
    assert is_own(CLIENT, SERVER, table()) is False


def test_a_line_missed_once_is_found(
    table: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = table(line(*ENDS, os.getuid()))
    answers: Iterator[list[str]] = iter([[], [line(*ENDS, os.getuid())]])
    monkeypatch.setattr(neighbours, "_read_lines", lambda _table: next(answers))
    assert is_own(CLIENT, SERVER, tables) is True


def test_where_the_system_does_not_tell_the_session_is_the_guard(tmp_path: Path) -> None:
    assert is_own(CLIENT, SERVER, tmp_path) is True
    (tmp_path / "tcp").write_text("something else\n1 2\n")
    assert is_own(CLIENT, SERVER, tmp_path) is False, "it is a table, without this connection"


ASK = """
import socket, sys
family, address = (socket.AF_INET6, "::ffff:127.0.0.1") if sys.argv[2] == "6" else (
    socket.AF_INET, "127.0.0.1")
connection = socket.socket(family)
connection.settimeout(10)
connection.connect((address, int(sys.argv[1])))
try:
    host = b"127.0.0.1:" + sys.argv[1].encode()
    connection.sendall(b"GET / HTTP/1.1\\r\\nHost: " + host + b"\\r\\n\\r\\n")
    sys.stdout.write(repr(connection.recv(100)[:12]))
except ConnectionError:
    sys.stdout.write("cut off")
"""


@pytest.mark.skipif(
    not Path("/proc/net/tcp").exists() or os.getuid() != 0 or not PYTHON,
    reason="needs Linux, two users, and a Python that both may run",
)
@pytest.mark.parametrize("version", ["4", "6"])
def test_another_user_is_cut_off(version: str, live_port: Callable[[], int]) -> None:
    port = live_port()

    def ask(user: int) -> str:
        return subprocess.run(
            [PYTHON, "-c", ASK, str(port), version],
            user=user, group=user, extra_groups=[],
            capture_output=True, check=True, text=True, cwd="/", timeout=30,
        ).stdout  # fmt: skip

    assert ask(0) == repr(b"HTTP/1.1 401")
    assert ask(65_534) in {"cut off", repr(b"")}
    assert ask(0) == repr(b"HTTP/1.1 401"), "it goes on for others"
