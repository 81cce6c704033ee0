"""A peer with its web app as a process, and a browser window that somebody looks at it through."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import orjson
from chromium import find_browser
from lichen_peer import LichenPeer
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright
from playwright.sync_api import Error as BrowserError

PATIENCE_MS = 20_000
"""A busy machine is slow; what never comes is told after so long."""
RELOADS_MAX = 50
"""How often a page is asked for again while the browser is on its way to another one."""
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NARROW = {"width": 360, "height": 740}
WIDE = {"width": 1280, "height": 900}


class WebPeer(LichenPeer):
    """A Lichen peer that a person visits with a browser. It keeps its web port when restarted."""

    program: tuple[str, ...] = ("-m", "lichen")

    def __init__(self, home: Path, **settings: Any) -> None:
        super().__init__(home, **{"serving": ("--host", "127.0.0.1", "--no-lan")} | settings)
        self.origin = ""

    def _start_command(self) -> list[str]:
        port = urlsplit(self.origin).port or 0
        return [
            *(sys.executable, *self.program, "start", *self._settings),
            *("--port", "0", "--hops", str(self._hops), "--json", "--verbose"),
            *("--web-port", str(port), *self.serving),
        ]

    def _introduce(self, stdout: IO[bytes]) -> None:
        for line in stdout:
            told = orjson.loads(line)
            if told.get("topic") == "web":
                self.origin = told["origin"]
                return
        raise AssertionError(f"the web app did not start: {self.printed}")

    def link(self) -> str:
        """Return a link that lets one browser in."""
        return str(self.call("web.open")["url"])


class Window:
    """A browser of one's own, with one page, let in at a peer.

    ``faults`` collects what must never happen whatever a page shows: an error of a script, a
    refusal by the page's own policy, a dialog, a request to somewhere else.
    """

    def __init__(self, browser: Browser, peer: WebPeer, **settings: Any) -> None:
        self.peer = peer
        self.faults: list[str] = []
        self.has_scripts = settings.get("java_script_enabled", True)
        self.context = browser.new_context(viewport=WIDE, locale="en-GB", **settings)
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.on("request", self._see_request)
        self.context.on("page", self._watch)
        self.page: Page = self.context.new_page()

    def come_in(self, peer: WebPeer | None = None) -> "Window":
        """Follow a one-time link, as ``lichen open`` does."""
        peer = peer or self.peer
        self.page.goto(peer.link())
        self.page.wait_for_url(lambda url: url.startswith(peer.origin) and "/enter/" not in url)
        return self

    def go(self, path: str) -> Response:
        """Open a page of the peer."""
        response = self.page.goto(self.peer.origin + path)
        assert response is not None
        return response

    def reload(self) -> None:
        """Open the page again; if the browser is just on its way to another one, once it is there.

        Chromium cannot reload a page that is about to be replaced.
        """
        for _attempt in range(RELOADS_MAX):
            try:
                self.page.reload()
            except BrowserError as error:
                if "Not attached to an active page" not in error.message:
                    raise
                self.page.wait_for_timeout(100)
            else:
                return
        raise AssertionError("the browser is on its way to another page for ever")

    def forget_draft(self) -> None:
        """Let no draft of a new post be kept, as if nobody had typed."""
        self.go("/status")
        self.page.evaluate(
            "fetch('/draft', { method: 'POST', body: new URLSearchParams({ text: '' }) })"
        )

    def close(self) -> None:
        """Close it; whatever must not happen has not happened."""
        self.context.close()
        assert self.faults == []

    def _watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        page.on("console", self._see_console)
        page.on("dialog", lambda dialog: self.faults.append(f"dialog: {dialog.message}"))

    def _see_console(self, message: ConsoleMessage) -> None:
        # A page that answers 404 or 401 is told of here too; tests look at that themselves.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.faults.append(f"console: {message.text}")

    def _see_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme != "data" and parts.hostname != "127.0.0.1":
            self.faults.append(f"request: {request.url}")


MakeWebPeer = Callable[..., WebPeer]
"""``make_web_peer(kind, **settings)`` starts a peer with a web app."""
OpenWindow = Callable[..., Window]
"""``open_window(peer, is_let_in=True, **settings)`` opens a browser of its own at a peer."""


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the machine's Chromium, without a screen."""
    program = find_browser()
    assert program, "there is no Chromium; run: make browser"
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        try:
            yield browser
        finally:
            browser.close()
