"""The helpers of other folders, found by name."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "js"), str(TESTS / "namespaces")]

from lichen_peer import LichenPeer  # noqa: E402 (found by the line above)


@pytest.fixture
def make_lichen(tmp_path: Path) -> Iterator[Callable[..., LichenPeer]]:
    """Return a function that starts a peer on a machine; all of them end with the test."""
    started: list[LichenPeer] = []

    def make(name: str, **settings: Any) -> LichenPeer:
        started.append(LichenPeer(tmp_path / name, **settings))
        return started[-1].start()

    yield make
    for peer in started:
        peer.kill()
        print(f"--- {peer.feed} printed:\n{peer.printed[-4000:]}")
