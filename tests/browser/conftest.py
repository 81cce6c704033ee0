"""One browser, and peers with a web app: each scene says which ones it needs."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "browser"), str(TESTS / "js")]

from village import Village, settle_village  # noqa: E402 (found by the line above)
from windows import PATIENCE_MS, MakeWebPeer, OpenWindow, WebPeer, Window, open_browser  # noqa: E402


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return the browser that all windows are of."""
    expect.set_options(timeout=PATIENCE_MS)
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def make_web_peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeWebPeer]:
    """Return a function that starts a peer with a web app; all of them end with the tests."""
    folder = tmp_path_factory.mktemp("peers")
    started: list[WebPeer] = []

    def make(kind: type[WebPeer] = WebPeer, **settings: Any) -> WebPeer:
        peer = kind(folder / f"peer-{len(started)}", **settings)
        started.append(peer)
        return peer.start()

    try:
        yield make
    finally:
        for peer in started:
            peer.kill()


@pytest.fixture(scope="session")
def village(make_web_peer: MakeWebPeer, tmp_path_factory: pytest.TempPathFactory) -> Village:
    """Return a peer among many people, near another peer: pages that have something to show."""
    return settle_village(make_web_peer, tmp_path_factory.mktemp("village"))


@pytest.fixture
def open_window(browser: Browser) -> Iterator[OpenWindow]:
    """Return a function that opens a window at a peer; all of them close with the test."""
    opened: list[Window] = []

    def open_one(peer: WebPeer, *, is_let_in: bool = True, **settings: Any) -> Window:
        window = Window(browser, peer, **settings)
        opened.append(window)
        return window.come_in() if is_let_in else window

    yield open_one
    for window in opened:
        window.close()
