"""Nobody reads what a peer says on standard error: it goes on, and says later what was left out."""

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lichen.cli.commands.peer.patience import Unhurried
from lichen.cli.exits import Exit

pytestmark = pytest.mark.skipif(
    not hasattr(fcntl, "F_SETPIPE_SZ"), reason="pipes are made small on Linux"
)
WAIT_S_MAX = 30.0
PIPE_BYTES = 16_384
LINES = 500
"""A hundred times what the pipe holds."""
TALKATIVE = f"""
import sys, threading, time
from pathlib import Path
import structlog
from lichen.cli.main import run

def talk():
    while not (Path(sys.argv[1]) / "run" / "lichen.socket").exists():
        time.sleep(0.01)
    for number in range({LINES}):
        structlog.get_logger().warning("many-words", number=number, text="é" * 100)
    Path(sys.argv[1], "said").touch()

threading.Thread(target=talk, daemon=True).start()
sys.exit(run(["start", "--home", sys.argv[1], "--port", "0", "--host", "127.0.0.1",
              "--no-lan", "--web-port", "0"]))
"""


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S_MAX
    while not is_so():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.02)


def test_a_peer_goes_on_when_nobody_reads_its_standard_error(
    lichen: Callable[..., Any], tmp_path: Path
) -> None:
    home = tmp_path / "peer"
    peer = subprocess.Popen(
        [sys.executable, "-c", TALKATIVE, str(home)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert peer.stderr is not None
        fcntl.fcntl(peer.stderr, fcntl.F_SETPIPE_SZ, 4096)
        wait_until((home / "said").exists)
        assert lichen("post", "on we go", "--home", str(home)).code == Exit.DONE
        peer.terminate()
        err = peer.stderr.read()
        assert peer.wait(WAIT_S_MAX) == Exit.DONE
    finally:
        peer.kill()
        peer.communicate()
    assert err.count(b"many-words") < LINES


class Pipe:
    """A small pipe whose reader reads when a test says so."""

    def __init__(self) -> None:
        self.reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self.stream = os.fdopen(writing, "w", encoding="utf-8")
        self.error = Unhurried(self.stream)

    def read(self) -> str:
        return os.read(self.reading, 1 << 20).decode()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    with contextlib.suppress(OSError):
        os.close(made.reading)
    with contextlib.suppress(OSError):
        made.stream.close()


def test_what_has_no_room_is_left_out_and_counted(pipe: Pipe) -> None:
    print("first", file=pipe.error)
    print("ж" * 10_000, file=pipe.error)
    for _ in range(5):
        print("x" * 3_000, file=pipe.error)
    said = pipe.read()
    assert said.startswith("first\nж")
    print("later", file=pipe.error)
    assert pipe.read() == "\n6 texts were left out: nobody was reading.\nlater\n"
    print("on", file=pipe.error, flush=True)
    assert pipe.read() == "on\n"


def test_a_reader_that_has_gone_is_no_fault(pipe: Pipe) -> None:
    os.close(pipe.reading)
    for _ in range(3):
        print("x" * 10_000, file=pipe.error)


def test_a_file_takes_everything(tmp_path: Path) -> None:
    text = "é\n" * 10_000
    with (tmp_path / "err").open("w", encoding="utf-8") as file:
        error = Unhurried(file)
        assert error.write(text) == len(text)
        assert (error.encoding, error.isatty(), error.fileno()) == ("utf-8", False, file.fileno())
    assert (tmp_path / "err").read_text(encoding="utf-8") == text
