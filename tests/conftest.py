"""What tests of all rooms share: people who write, a peer whose pages are asked in this process.

They read English, whatever the machine speaks: the command line chooses when it is imported.
"""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from lichen.apps import all_apps
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import generate_identity
from lichen.feed.message import FeedState, RawMessage
from lichen.node.client import OfflineClient
from lichen.node.home import Home, Settings
from lichen.node.hub import content_of
from lichen.node.service import Service
from lichen.store.audit import auditor
from lichen.web import server as web

os.environ["LICHEN_LANGUAGE"] = "en"
# A job in a shell's background ignores interrupts, and its children with it; tests send them.
signal.signal(signal.SIGINT, signal.default_int_handler)

IS_CI = os.environ.get("CI", "").lower() in {"1", "true"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let no test be skipped where all that tests need must be there."""
    report = yield
    if IS_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"CI must be able to run this: {report.longrepr}"
    return report


class Writer:
    """Somebody with a key who writes messages, also ones that no program of ours would write."""

    def __init__(self, number: int) -> None:
        self.identity = generate_identity(bytes([number]) * 32)
        self.id = self.identity.id
        self.messages: list[Any] = []
        self._sent = 0

    def write(self, content: Any = None, /, **members: Any) -> Any:
        """Write a message; return its id."""
        last = self.messages[-1] if self.messages else None
        state = None if last is None else FeedState(last.sequence, last.key)
        data = json.dumps(members if content is None else content).encode()
        written = ClassicFormat().create(
            data, self.identity, state, 1.7e12 + 1000 * len(self.messages)
        )
        self.messages.append(written)
        return written.key

    def unsent(self) -> list[Any]:
        """Return what was written since the last time."""
        fresh, self._sent = self.messages[self._sent :], len(self.messages)
        return fresh


class House:
    """A peer without a network, its pages asked in this process, and a browser that was let in."""

    def __init__(self, service: Any, server: Any, browser: Any) -> None:
        self.service = service
        self.server = server
        self.browser = browser
        self.own = service.keyring.id

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Any:
        """Open a page."""
        return await self.browser.get(path, headers=headers)

    async def post(self, path: str, fields: Mapping[str, str], **more: Any) -> Any:
        """Send a form from a page of this peer."""
        headers = {"origin": self.server.origin, "sec-fetch-site": "same-origin"}
        return await self.browser.post(path, data=dict(fields), headers=headers, **more)

    async def receive(self, *writers: Writer) -> None:
        """Take in what people wrote, and wait until it can be shown."""
        await self.receive_unfolded(*writers)
        await asyncio.wrap_future(self.service.store.wait_folded())

    async def receive_unfolded(self, *writers: Writer, verifies_all: bool = True) -> None:
        """Take in what people wrote; without ``verifies_all`` signatures wait for the audit."""
        fresh = [message for writer in writers for message in writer.unsent()]
        raw = [RawMessage(each.author, each.sequence, each.data) for each in fresh]
        for start in range(0, len(raw), 500):
            batch = raw[start : start + 500]
            future = self.service.store.ingest(batch, verifies_all=verifies_all)
            result = await asyncio.wrap_future(future)
            assert not result.rejected, result.rejected
            self.service.shell.ingested(result, None)

    async def call(self, name: str, *args: Any) -> Any:
        """Call a method as a local program does."""
        return await OfflineClient(self.service).call(name, *args)

    def own_messages(self) -> list[Any]:
        """Return the contents that this peer published."""
        log = self.service.store.log
        return [
            content_of(log.at(self.own, number)) for number in range(1, log.received(self.own) + 1)
        ]


Scene = Callable[[House], Awaitable[None]]


@asynccontextmanager
async def open_house(directory: Path) -> AsyncIterator[House]:
    service = Service(Home(directory), Settings(port=0, host="127.0.0.1"), all_apps())
    await service.open()
    try:
        service.home.socket.parent.mkdir(parents=True, exist_ok=True)
        listener = web._bind(0)
        try:
            server = web.WebServer(service, listener)
            transport = httpx.ASGITransport(server.application.asgi, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=server.origin) as browser:
                came_in = await browser.get(server.access.make_link(server.origin).url)
                assert came_in.status_code == 200
                yield House(service, server, browser)
            server.close()
        finally:
            listener.close()
    finally:
        await service.close()


@pytest.fixture
def visit(tmp_path: Path) -> Iterator[Callable[[Scene], None]]:
    """Return what plays a scene in a house of its own."""

    async def play(scene: Scene) -> None:
        async with open_house(tmp_path / "house") as house:
            await scene(house)

    umask = os.umask(0o077)
    yield lambda scene: asyncio.run(play(scene))
    os.umask(umask)


@pytest.fixture
def paused_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit does nothing until somebody waits for it: messages seem to pour in for ever."""
    monkeypatch.setattr(auditor, "CALM_S", 1e6)
    monkeypatch.setattr(auditor, "WAIT_S_MAX", 1e6)


@pytest.fixture
def writer() -> Callable[[int], Writer]:
    """Make somebody from a number."""
    return Writer
