"""A peer whose pages are really served, in a thread of its own."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lichen.apps import all_apps
from lichen.node.home import Home, Settings
from lichen.node.service import Service
from lichen.web.server import open_web


@pytest.fixture
def live_port(tmp_path: Path) -> Iterator[Callable[[], int]]:
    """Return what serves a peer's pages and returns the port; nothing may go wrong in its loop."""
    umask = os.umask(0o077)
    ready, threads, faults = threading.Event(), [], []
    told: dict[str, Any] = {}

    async def serve() -> None:
        told["stop"], told["loop"] = asyncio.Event(), asyncio.get_running_loop()
        told["loop"].set_exception_handler(lambda _loop, context: faults.append(context))
        service = Service(Home(tmp_path / "live"), Settings(port=0, host="127.0.0.1"), all_apps())
        await service.open()
        try:
            service.home.socket.parent.mkdir(parents=True, exist_ok=True)
            async with open_web(service, 0) as server:
                told["port"] = server.port
                ready.set()
                await told["stop"].wait()
        finally:
            await service.close()

    def start() -> Any:
        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        threads.append(thread)
        thread.start()
        assert ready.wait(30)
        return told["port"]

    yield start
    for thread in threads:
        told["loop"].call_soon_threadsafe(told["stop"].set)
        thread.join(30)
        assert not thread.is_alive()
    os.umask(umask)
    assert not faults
