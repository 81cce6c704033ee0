"""The web app of a peer that really runs: its port, its way in, its end."""

import asyncio
import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from lichen.apps import all_apps
from lichen.node.client import OfflineClient
from lichen.node.errors import ApiError
from lichen.node.home import Home, Settings
from lichen.node.service import Service
from lichen.web import server as web

WAIT_S_MAX = 20.0


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Return what runs a peer with its pages in this loop."""

    @asynccontextmanager
    async def run(port: int | None = 0) -> Any:
        service = Service(Home(tmp_path / "peer"), Settings(port=0, host="127.0.0.1"), all_apps())
        await service.open()
        try:
            service.home.socket.parent.mkdir(parents=True, exist_ok=True)
            async with web.open_web(service, port) as server:
                yield service, server
        finally:
            await service.close()

    umask = os.umask(0o077)
    yield run
    os.umask(umask)


def mode_of(file: str) -> int | None:
    path = Path(file)
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else None


def test_a_port_that_is_taken(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            monkeypatch.setattr(web, "PORT_DEFAULT", port)
            async with serve(None) as (_service, server):
                assert server.port not in {0, port}
            with pytest.raises(ApiError, match=f"port {port}") as caught:
                async with serve(port):
                    pass
            assert "--web-port" in caught.value.hint
        async with serve(None) as (_service, server):
            assert server.port == port

    asyncio.run(scene())


def test_the_port_is_had_before_anything_else_happens() -> None:
    first = web._listen(0)
    try:
        with pytest.raises(ApiError):
            web._listen(first.getsockname()[1])
    finally:
        first.close()


def test_another_fault_of_the_port_names_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_port: int) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(web, "_bind", refuse)
    with pytest.raises(ApiError, match="port 8990: Permission denied"):
        web._listen(None)


def test_the_way_in_is_for_local_programs_while_it_runs(serve: Any) -> None:
    async def scene() -> None:
        async with serve() as (service, server):
            answer: Any = await OfflineClient(service).call("web.open")
            assert answer["url"].startswith(f"{server.origin}/enter/")
            assert mode_of(answer["file"]) == 0o600
            async with httpx.AsyncClient(base_url=server.origin) as browser:
                assert (await browser.get("/people")).status_code == 401
                assert (await browser.get(answer["url"])).status_code == 200
                page = await browser.get("/people")
                assert page.status_code == 200
                assert "content-security-policy" in page.headers
                assert "server" not in page.headers
            unused: Any = await OfflineClient(service).call("web.open")
            assert "web.open" in service.methods
        assert "web.open" not in service.methods
        assert mode_of(unused["file"]) is None

    asyncio.run(scene())


def test_a_file_that_cannot_be_written_is_told(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with serve() as (service, server):
            monkeypatch.setattr(server.access.__class__, "make_link", fail)
            with pytest.raises(ApiError, match="No space left"):
                await OfflineClient(service).call("web.open")

    def fail(*_arguments: Any) -> Any:
        raise OSError(28, "No space left on device")

    asyncio.run(scene())


def test_only_this_machine_is_listened_to(serve: Any) -> None:
    async def scene() -> None:
        async with serve() as (_service, server):
            assert server._listener.getsockname()[0] == "127.0.0.1"

    asyncio.run(scene())


def test_a_stop_while_pages_are_open_leaves_nothing(serve: Any) -> None:
    async def scene() -> None:
        async with serve() as (service, server):
            answer: Any = await OfflineClient(service).call("web.open")
            limits = httpx.Limits(max_connections=20)
            async with httpx.AsyncClient(base_url=server.origin, limits=limits) as browser:
                await browser.get(answer["url"])
                ready: asyncio.Queue[bytes] = asyncio.Queue()

                async def listen() -> None:
                    async with browser.stream("GET", "/live?watch=web.state") as line:
                        async for chunk in line.aiter_bytes():
                            ready.put_nowait(chunk)

                lines = [asyncio.create_task(listen()) for _ in range(8)]
                for _ in lines:
                    await ready.get()
                server.close()
                await asyncio.wait_for(asyncio.gather(*lines, return_exceptions=True), WAIT_S_MAX)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", server.port)).close()

    asyncio.run(scene())


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT, evil\r\n\r\n",
        b"CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nUpgrade: websocket\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET //evil.example/ HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
    ],
)
def test_odd_requests_get_nowhere(request_text: bytes, live_port: Callable[[], int]) -> None:
    port = live_port()
    with socket.create_connection(("127.0.0.1", port), WAIT_S_MAX) as connection:
        connection.sendall(request_text.replace(b"PORT", b"%d" % port))
        answer = connection.recv(4096)
    assert answer.split(b" ")[1] in {b"400", b"401", b"403"}, answer
    assert b"//evil.example" not in answer


def test_a_form_of_many_megabytes_is_answered_in_words(live_port: Callable[[], int]) -> None:
    port = live_port()
    body = b"text=" + b"x" * (20 << 20)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S_MAX)
    headers = {
        "Origin": f"http://127.0.0.1:{port}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    connection.request("POST", "/write", body, headers)
    answer = connection.getresponse()
    assert answer.status == 401, "nobody is let in, and all was read"
    assert b"The door is closed" in answer.read()
    connection.close()


# Through the real command line


def start(home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "lichen", "start", "--home", str(home), "--json", "--port", "0",
         "--host", "127.0.0.1", "--no-lan", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip


def hear(process: subprocess.Popen[bytes], topic: str) -> Any:
    assert process.stdout is not None
    while line := process.stdout.readline():
        notice = json.loads(line)
        if notice["topic"] == topic:
            return notice
    assert process.stderr is not None
    raise AssertionError(process.stderr.read().decode())


def lichen(home: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "lichen", *arguments, "--home", str(home)],
        capture_output=True, check=False, timeout=60, env={**os.environ, "DISPLAY": ""},
    )  # fmt: skip


def stop(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    _out, err = process.communicate(timeout=WAIT_S_MAX)
    assert time.monotonic() - began < WAIT_S_MAX
    return process.returncode, err


def test_open_prints_a_way_in_that_works_once(tmp_path: Path) -> None:
    peer = start(tmp_path / "peer", "--web-port", "0")
    try:
        origin = hear(peer, "web")["origin"]
        printed = lichen(tmp_path / "peer", "open", "--print")
        assert printed.returncode == 0, printed.stderr
        url = printed.stdout.decode().strip()
        assert url.startswith(f"{origin}/enter/")
        as_json = json.loads(lichen(tmp_path / "peer", "open", "--json").stdout)
        assert as_json["url"] != url
        assert Path(as_json["file"]).exists()
        with httpx.Client() as browser:
            assert browser.get(url).status_code == 200
            assert browser.get(f"{origin}/people").status_code == 200
            with browser.stream("GET", f"{origin}/live?watch=web.state") as line:
                assert b"web.state" in next(line.iter_bytes())
                code, err = stop(peer)
        assert (code, err) == (0, b""), "a page is open and listens"
        assert not Path(as_json["file"]).exists()
        with httpx.Client() as stranger, pytest.raises(httpx.ConnectError):
            stranger.get(url)
    finally:
        peer.kill()
        peer.communicate()


def test_without_a_web_app_open_says_so(tmp_path: Path) -> None:
    stopped = lichen(tmp_path / "peer", "open", "--print")
    assert stopped.returncode == 5
    assert b"No peer is running" in stopped.stderr
    peer = start(tmp_path / "peer", "--no-web")
    try:
        hear(peer, "started")
        ended = lichen(tmp_path / "peer", "open", "--print")
        assert ended.returncode == 5
        assert b"has no web app" in ended.stderr
        assert stop(peer)[0] == 0
    finally:
        peer.kill()
        peer.communicate()


def test_start_with_a_port_that_is_taken_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        peer = start(tmp_path / "peer", "--web-port", str(port))
        _out, err = peer.communicate(timeout=WAIT_S_MAX)
        assert peer.returncode == 1
        assert f"port {port}" in err.decode()
