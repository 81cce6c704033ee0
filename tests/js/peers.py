"""Peers as processes that a test or a benchmark drives: JavaScript ones and Lichen, alike.

Both kinds have the same methods (``Peer``), so that a scenario is written once and run with any
pair. Peers listen on 127.0.0.1 and look for nobody by themselves, unless a test has made them a
network of their own. Times are nanoseconds of the
machine's monotonic clock, which all its processes share.
"""

import base64
import itertools
import json
import os
import queue
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol, Self

import install

START_S_MAX = 60
CALL_S_MAX = 60


class PeerError(Exception):
    """A peer answered a request with an error; its text."""


class Peer(Protocol):
    """What a scenario asks of a peer, whoever wrote it."""

    kind: str
    home: Path
    feed: str
    address: str
    seen: "queue.SimpleQueue[tuple[str, int, int]]"
    """(feed, sequence, time) of each message added since ``watch``."""

    @property
    def pid(self) -> int: ...
    def start(self) -> Self: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def publish(self, content: object) -> int: ...
    def publish_many(self, contents: Sequence[object]) -> int: ...
    def follow(self, feed: str) -> None: ...
    def unfollow(self, feed: str) -> None: ...
    def block(self, feed: str) -> None: ...
    def connect(self, address: str) -> None: ...
    def connected(self) -> list[str]: ...
    def wait_for(self, clock: Mapping[str, int], timeout_s: float) -> int: ...
    def received(self, feed: str) -> int: ...
    def messages(self, feed: str) -> list[tuple[str, str]]: ...
    def count(self) -> int: ...
    def load(self, file: Path) -> None: ...
    def watch(self) -> None: ...
    def add_blob(self, data: bytes) -> str: ...
    def push_blob(self, blob: str) -> None: ...
    def want_blob(self, blob: str) -> None: ...
    def has_blob(self, blob: str) -> bool: ...
    def blob(self, blob: str) -> bytes: ...


class Process:
    """A child process whose standard error goes to a file, killed with everything it started."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        with log.open("ab") as stderr:
            self.popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=os.environ | dict(environment),
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it as a power cut would, and wait."""
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        """Wait for its end and let go of its pipes."""
        self.popen.wait(CALL_S_MAX)
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue


class JsPeer:
    """A JavaScript peer: ``kind`` is ``modern``, ``legacy``, ``legacy-without-ebt`` or ``viewer``.

    A ``viewer`` is a ``legacy`` peer with web pages at ``web``.
    """

    def __init__(
        self,
        kind: str,
        home: Path,
        *,
        hops: int = 2,
        network_key: str | None = None,
        hmac_key: str | None = None,
        sympathy: int = 0,
        within: Sequence[str] = (),
        host: str | None = None,
        blobs: bool = True,
    ) -> None:
        """``host``: an address on a network that the test has made, to be announced there."""
        self.kind = kind
        self._within = within
        self.home = home
        self.feed = ""
        self.address = ""
        self.web = ""
        self.seen: queue.SimpleQueue[tuple[str, int, int]] = queue.SimpleQueue()
        self._settings: dict[str, object] = {
            "path": str(home),
            "hops": hops,
            "ebt": kind != "legacy-without-ebt",
            "sympathy": sympathy,
            "blobs": blobs,
            # The same one after a restart, so that others find the peer again.
            "port": free_port(),
        }
        if kind == "viewer":
            self._settings["viewer"] = free_port()
            self.web = f"http://127.0.0.1:{self._settings['viewer']}"
        if network_key is not None:
            self._settings["networkKey"] = network_key
        if hmac_key is not None:
            self._settings["hmacKey"] = hmac_key
        if host is not None:
            self._settings["host"] = host
        self._process: Process | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Any]] = {}
        self._ready: Future[dict[str, str]] = Future()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._running().popen.pid

    @property
    def printed(self) -> str:
        """What the packages printed so far."""
        file = self.home / "printed.txt"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> Self:
        """Start it, again after ``stop`` or ``kill``; return once it answers."""
        packages = self.kind if self.kind in {"modern", "viewer"} else "legacy"
        install.install(packages)
        self.home.mkdir(parents=True, exist_ok=True)
        self._ready = Future()
        script = install.SOURCE / f"peer-{'modern' if packages == 'modern' else 'legacy'}.js"
        self._process = Process(
            [*self._within, str(install.NODE), str(script), json.dumps(self._settings)],
            self.home / "printed.txt",
            {"NODE_PATH": str(install.modules(packages))},
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        ready = self._ready.result(START_S_MAX)
        self.feed, self.address = ready["feed"], ready["address"]
        return self

    def stop(self) -> None:
        """Close it in good order."""
        if self._process is None:
            return
        self.call("stop")
        self._process.close()
        self._process = None

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def call(self, method: str, *args: object, timeout_s: float = CALL_S_MAX) -> Any:
        """Ask for something and wait for the answer."""
        number = next(self._numbers)
        future: Future[Any] = Future()
        self._waiting[number] = future
        line = json.dumps({"id": number, "method": method, "args": args}) + "\n"
        pipe = self._running().popen.stdin
        assert pipe is not None
        pipe.write(line.encode())
        pipe.flush()
        return future.result(timeout_s)

    def publish(self, content: object) -> int:
        """Publish; return the time right before."""
        began = time.monotonic_ns()
        self.call("publish", content)
        return began

    def publish_many(self, contents: Sequence[object]) -> int:
        """Publish one after the other; return the last sequence."""
        return int(self.call("publishMany", contents))

    def follow(self, feed: str) -> None:
        """Follow a feed."""
        self.call("follow", feed)

    def unfollow(self, feed: str) -> None:
        """Follow a feed no longer."""
        self.call("unfollow", feed)

    def block(self, feed: str) -> None:
        """Block a feed."""
        self.call("block", feed)

    def connect(self, address: str) -> None:
        """Dial; raises ``PeerError`` with the text a person would see."""
        self.call("connect", address)

    def disconnect(self) -> None:
        """Close every connection."""
        self.call("disconnect")

    def connected(self) -> list[str]:
        """Return who is connected."""
        return list(self.call("peers"))

    def wait_for(self, clock: Mapping[str, int], timeout_s: float = CALL_S_MAX) -> int:
        """Wait until each feed is held that far; return when it was."""
        return int(self.call("reached", dict(clock), timeout_s=timeout_s))

    def received(self, feed: str) -> int:
        """Return the last sequence held of a feed."""
        return int(self.call("clock").get(feed, 0))

    def messages(self, feed: str) -> list[tuple[str, str]]:
        """Return key and exact text of each message of a feed, in order."""
        return [(key, text) for key, text in self.call("messages", feed)]

    def count(self) -> int:
        """Return how many messages the log has, doubles counted as often as they are there."""
        return int(self.call("count"))

    def load(self, file: Path) -> None:
        """Add the messages of a file of JSON lines."""
        self.call("load", str(file), timeout_s=300)

    def watch(self) -> None:
        """Tell in ``seen`` of every message added from now on."""
        self.call("watch", True)

    def add_blob(self, data: bytes) -> str:
        """Add a blob, without pushing it; return its id."""
        return str(self.call("addBlob", base64.b64encode(data).decode()))

    def push_blob(self, blob: str) -> None:
        """Have other peers fetch a blob."""
        self.call("pushBlob", blob)

    def want_blob(self, blob: str) -> None:
        """Ask peers for a blob."""
        self.call("wantBlob", blob)

    def has_blob(self, blob: str) -> bool:
        """Return whether a blob is here."""
        return bool(self.call("hasBlob", blob))

    def blob(self, blob: str) -> bytes:
        """Return the bytes of a blob that is here."""
        return base64.b64decode(self.call("blob", blob))

    def _running(self) -> Process:
        assert self._process is not None, "the peer is not running"
        return self._process

    def _read(self, process: Process) -> None:
        assert process.popen.stdout is not None
        try:
            for line in process.popen.stdout:
                self._take(json.loads(line))
        except ValueError:  # the pipe was closed under us, or the peer was killed within a line
            pass
        lost = PeerError(f"the {self.kind} peer has ended")
        for future in (self._ready, *self._waiting.values()):
            if not future.done():
                future.set_exception(lost)

    def _take(self, line: dict[str, Any]) -> None:
        if line.get("event") == "ready":
            self._ready.set_result(line)
        elif line.get("event") == "seen":
            self.seen.put((line["feed"], line["sequence"], time.monotonic_ns()))
        elif "error" in line:
            self._waiting.pop(line["id"]).set_exception(PeerError(line["error"]))
        else:
            self._waiting.pop(line["id"]).set_result(line["value"])


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(claim: Callable[[], object], timeout_s: float = 20, every_s: float = 0.05) -> None:
    """Wait until a claim holds; ``TimeoutError`` if it never does."""
    deadline = time.monotonic() + timeout_s
    while not claim():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {timeout_s} s")
        time.sleep(every_s)
