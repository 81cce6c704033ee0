"""Lichen as a process that is driven through its command line and its local socket."""

import json
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

import orjson
from peers import CALL_S_MAX, START_S_MAX, PeerError, Process, wait_until

from lichen.node.home import Home
from lichen.wire.connection import Connection
from lichen.wire.events import (
    AnswerReceived,
    CallEnded,
    CallKind,
    ItemsReceived,
    OpenCall,
    WireEvent,
)

POLL_S = 0.02
RECEIVE_BYTES = 1 << 18


class LocalSocket:
    """A program's connection to the running peer: one call at a time, bodies as they came."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(CALL_S_MAX)
        self._socket.connect(str(path))
        self._connection = Connection.plain()
        self._connection.receive_data(b"")
        self._call = 0

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def call(self, name: str, *args: object) -> bytes:
        """Call an async method and return its answer."""
        return next(self._open(name, CallKind.ASYNC, args))

    def source(self, name: str, *args: object) -> Iterator[bytes]:
        """Call a source and yield its items."""
        return self._open(name, CallKind.SOURCE, args)

    def endless(self) -> None:
        """Wait for items for as long as it takes."""
        self._socket.settimeout(None)

    def _open(self, name: str, kind: CallKind, args: Sequence[object]) -> Iterator[bytes]:
        self._call += 1
        text = json.dumps(args).encode()
        self._connection.perform(OpenCall(self._call, tuple(name.split(".")), text, kind))
        self._socket.sendall(self._connection.data_to_send())
        while True:
            for event in self._receive():
                if isinstance(event, CallEnded) and event.call == self._call:
                    if event.error is not None:
                        raise PeerError(event.error)
                    return
                if isinstance(event, AnswerReceived) and event.call == self._call:
                    yield event.body
                    return
                if isinstance(event, ItemsReceived) and event.call == self._call:
                    yield from event.items

    def _receive(self) -> list[WireEvent]:
        data = self._socket.recv(RECEIVE_BYTES)
        if not data:
            raise PeerError("the peer closed its local socket")
        events = self._connection.receive_data(data)
        if answer := self._connection.data_to_send():
            self._socket.sendall(answer)
        return events


class LichenPeer:
    """Lichen, started as a person would start it."""

    python = sys.executable
    """The Python that has the program."""

    def __init__(
        self,
        home: Path,
        *,
        hops: int = 2,
        network_key: str | None = None,
        hmac_key: str | None = None,
        within: Sequence[str] = (),
        serving: Sequence[str] = ("--host", "127.0.0.1", "--no-lan", "--no-web"),
    ) -> None:
        self.kind = "lichen"
        self.serving = serving
        """How it is started; on its own machine only, unless a test has made it a network."""
        self._within = within
        self.home = home
        self.feed = ""
        self.address = ""
        self.seen: queue.SimpleQueue[tuple[str, int, int]] = queue.SimpleQueue()
        self._settings = ["--home", str(home)]
        if network_key is not None:
            self._settings += ["--network-key", network_key]
        if hmac_key is not None:
            self._settings += ["--hmac-key", hmac_key]
        self._hops = hops
        self._process: Process | None = None
        self._api: LocalSocket | None = None
        self._watching: LocalSocket | None = None

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self._process is not None, "the peer is not running"
        return self._process.popen.pid

    @property
    def printed(self) -> str:
        """What it wrote to standard error so far."""
        file = self.home.parent / f"{self.home.name}.printed.txt"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> Self:
        """Start it, again after ``stop`` or ``kill``; return once it serves."""
        self._process = Process(
            self._start_command(), self.home.parent / f"{self.home.name}.printed.txt", {}
        )
        stdout = self._process.popen.stdout
        assert stdout is not None
        first = stdout.readline()
        if not first:
            self._process.close()
            raise PeerError(f"Lichen did not start: {self.printed}")
        started = orjson.loads(first)
        self._introduce(stdout)
        threading.Thread(target=_drain, args=(self._process,), daemon=True).start()
        self.feed = started["id"]
        self.address = next(a for a in started["addresses"] if a.startswith("net:127.0.0.1:"))
        self._api = LocalSocket(Home(self.home.absolute()).socket)
        return self

    def _start_command(self) -> list[str]:
        return [
            *(*self._within, self.python, "-m", "lichen", "start", *self._settings),
            *("--port", "0", "--hops", str(self._hops), "--json", "--verbose"),
            *self.serving,
        ]

    def _introduce(self, stdout: IO[bytes]) -> None:
        """Read what the peer says of itself after its first line."""

    def stop(self) -> None:
        """Stop it as Ctrl-C or a service manager does."""
        if self._process is None:
            return
        self._hang_up()
        self._process.popen.terminate()
        code = self._process.popen.wait(START_S_MAX)
        self._process.close()
        self._process = None
        if code != 0:
            raise PeerError(f"Lichen ended with exit code {code}: {self.printed}")

    def kill(self) -> None:
        """End it as a power cut would."""
        self._hang_up()
        if self._process is not None:
            self._process.kill()
            self._process = None

    def command(self, *arguments: str, input_text: str = "") -> list[Any]:
        """Run a ``lichen`` command beside the peer and return its lines of JSON."""
        finished = subprocess.run(
            [
                *(self.python, "-m", "lichen", arguments[0], *self._settings, "--json"),
                *arguments[1:],
            ],
            input=input_text.encode(),
            capture_output=True,
            timeout=CALL_S_MAX * 5,
            check=False,
        )
        if finished.returncode != 0:
            raise PeerError(finished.stderr.decode())
        return [orjson.loads(line) for line in finished.stdout.splitlines()]

    def call(self, name: str, *args: object) -> Any:
        """Call an async method of the local API."""
        return orjson.loads(self._local().call(name, *args))

    def source(self, name: str, *args: object) -> Iterator[bytes]:
        """Call a source of the local API and yield its items as they came."""
        return self._local().source(name, *args)

    def publish(self, content: object) -> int:
        """Publish; return the time right before."""
        began = time.monotonic_ns()
        self._local().call("publish", content)
        return began

    def publish_many(self, contents: Sequence[object]) -> int:
        """Publish in durable batches; return the last sequence."""
        last = 0
        for start in range(0, len(contents), 500):
            published = self.call("lichen.publishMany", list(contents[start : start + 500]))
            last = published[-1]["sequence"]
        return last

    def follow(self, feed: str) -> None:
        """Follow a feed."""
        self.publish({"type": "contact", "contact": feed, "following": True})

    def unfollow(self, feed: str) -> None:
        """Follow a feed no longer."""
        self.publish({"type": "contact", "contact": feed, "following": False})

    def block(self, feed: str) -> None:
        """Block a feed."""
        self.publish({"type": "contact", "contact": feed, "blocking": True})

    def connect(self, address: str) -> None:
        """Dial; raises ``PeerError`` with the text a person would see."""
        self.call("conn.connect", address)

    def connected(self) -> list[str]:
        """Return who is connected."""
        return [peer["peer"] for peer in self.call("conn.peers")]

    def wait_for(self, clock: Mapping[str, int], timeout_s: float = CALL_S_MAX) -> int:
        """Wait until each feed is held that far; return when it was seen to be."""
        deadline = time.monotonic() + timeout_s
        missing = dict(clock)
        while True:
            missing = {feed: last for feed, last in missing.items() if not self._has(feed, last)}
            now = time.monotonic()
            if not missing:
                return time.monotonic_ns()
            if now > deadline:
                held = {feed: self.received(feed) for feed in missing}
                raise TimeoutError(f"after {timeout_s} s it has {held} of {missing}")
            time.sleep(POLL_S)

    def received(self, feed: str) -> int:
        """Return the last sequence held of a feed."""
        asked = {"id": feed, "values": False}
        return sum(1 for _item in self.source("createHistoryStream", asked))

    def messages(self, feed: str) -> list[tuple[str, str]]:
        """Return key and exact text of each message of a feed, in order."""
        return [
            split_line(item.decode()) for item in self.source("createHistoryStream", {"id": feed})
        ]

    def count(self) -> int:
        """Return how many messages the log has."""
        return sum(1 for _item in self.source("createLogStream", {"values": False}))

    def held(self) -> int:
        """Return the number of the last message received, which is cheaper than ``count``."""
        return int(self.call("status")["messages"])

    def unaudited(self) -> int:
        """Return how many messages wait for the audit of their signatures."""
        return int(self.call("status")["unaudited"])

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until all that is here is checked, so that it is sent, and sorted in."""
        wait_until(lambda: not self.unaudited() and self.call("lichen.folding") is None, timeout_s)

    def load(self, file: Path) -> None:
        """Add the messages of a file of JSON lines."""
        *_, last = self.source("lichen.importFile", {"path": str(file)})
        told = orjson.loads(last)
        if not told["done"] or told["refused"]:
            raise PeerError(f"import of {file}: {told | {'rejected': told['rejected'][:3]}}")

    def open_web(self) -> str:
        """Return a link that lets a browser in to the web app, once."""
        deadline = time.monotonic() + START_S_MAX
        while True:
            try:
                return str(self.call("web.open")["url"])
            except PeerError:  # it is served a moment after the peer
                if time.monotonic() > deadline:
                    raise
            time.sleep(POLL_S)

    def watch(self) -> None:
        """Tell in ``seen`` of every message added from now on."""
        self._watching = LocalSocket(Home(self.home.absolute()).socket)
        self._watching.endless()
        threading.Thread(target=self._hear, args=(self._watching,), daemon=True).start()
        time.sleep(0.2)

    def add_blob(self, data: bytes) -> str:
        """Add a blob, which pushes it; return its id."""
        file = self.home.parent / f"{self.home.name}.blob"
        file.write_bytes(data)
        return self._local().call("blobs.addFile", {"path": str(file.absolute())}).decode()

    def push_blob(self, blob: str) -> None:
        """Have other peers fetch a blob."""
        self.call("blobs.push", blob)

    def want_blob(self, blob: str) -> None:
        """Ask peers for a blob."""
        self.call("blobs.want", blob, {"nowait": True})

    def has_blob(self, blob: str) -> bool:
        """Return whether a blob is here."""
        return bool(self.call("blobs.has", blob))

    def blob(self, blob: str) -> bytes:
        """Return the bytes of a blob that is here."""
        return b"".join(self.source("blobs.get", blob))

    def _hear(self, api: LocalSocket) -> None:
        try:
            for item in api.source("createLogStream", {"live": True, "old": False, "sync": False}):
                at = time.monotonic_ns()
                value = orjson.loads(item).get("value")
                if value is not None:
                    self.seen.put((value["author"], value["sequence"], at))
        except (OSError, PeerError):
            return

    def _has(self, feed: str, sequence: int) -> bool:
        if sequence == 0:
            return True
        asked = {"id": feed, "seq": sequence, "limit": 1, "keys": False}
        return any(True for _item in self.source("createHistoryStream", asked))

    def _hang_up(self) -> None:
        for api in (self._api, self._watching):
            if api is not None:
                api.close()
        self._api = self._watching = None

    def _local(self) -> LocalSocket:
        assert self._api is not None, "the peer is not running"
        return self._api


def split_line(line: str) -> tuple[str, str]:
    """Cut key and exact text of the value out of ``{"key":...,"value":...,"timestamp":...}``."""
    return line[8:60], line[70 : line.rindex(',"timestamp":')]


def _drain(process: Process) -> None:
    """Read what the peer says, so that its pipe never fills."""
    assert process.popen.stdout is not None
    try:
        for _line in process.popen.stdout:
            continue
    except ValueError:  # the pipe was closed under us
        return


class HeldPeer(LichenPeer):
    """Lichen whose audit of signatures stops after a while, until ``let_go``."""

    @property
    def _file(self) -> Path:
        return self.home.parent / f"{self.home.name}.go"

    def _start_command(self) -> list[str]:
        command = super()._start_command()
        script = Path(__file__).with_name("held_audit.py")
        place = command.index("-m")
        command[place : place + 2] = [str(script), str(self._file)]
        return command

    def let_go(self) -> None:
        """Let the audit go on."""
        self._file.touch()
