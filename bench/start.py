"""Starting and idling: cold start, memory at rest, handshakes, and how quick the command is."""

import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from figures import Row, cpu_s, memory_mib
from peers import Peer
from program import PYTHON
from shaking import shake_hands
from sync import make_peer

STARTS = 5
IDLE_S = 3.0
HANDSHAKES = 300
HANDSHAKES_AT_ONCE = 4
VERSIONS = 15
KINDS = ("lichen", "legacy", "modern")


def measure(folder: Path) -> list[Row]:
    """Return the figures of each kind of peer on an empty log, and of the command alone."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [measure_peer(kind, make_peer(kind, folder / f"start-{kind}")) for kind in KINDS]
    return [*rows, _measure_version()]


def measure_peer(subject: str, peer: Peer) -> Row:
    """Start a peer several times with the identity of the first time, then let it idle."""
    times, used = zip(*_time_starts(peer), strict=True)
    try:
        peer.start()
        time.sleep(IDLE_S)
        cpu_before = cpu_s(peer.pid)
        time.sleep(IDLE_S)
        figures = {
            "cold_start_ms": statistics.median(times[1:]) * 1000,
            "start_cpu_ms": statistics.median(used[1:]) * 1000,
            "idle_memory_mib": memory_mib(peer.pid),
            "idle_cpu_percent": (cpu_s(peer.pid) - cpu_before) / IDLE_S * 100,
            "handshakes_per_s": _rate_of_handshakes(peer),
        }
    finally:
        peer.kill()
    return Row("start and idle", subject, figures)


def _time_starts(peer: Peer) -> Iterator[tuple[float, float]]:
    """Yield the time and the CPU time from a process's start to its answer to a handshake."""
    for _ in range(STARTS + 1):
        began = time.monotonic()
        peer.start()
        shake_hands(peer.address)
        yield time.monotonic() - began, cpu_s(peer.pid)
        peer.kill()


def _rate_of_handshakes(peer: Peer) -> float:
    """Return how many whole handshakes of strangers a peer answers in a second."""
    share = HANDSHAKES // HANDSHAKES_AT_ONCE

    def shake() -> None:
        for _ in range(share):
            shake_hands(peer.address)

    threads = [threading.Thread(target=shake) for _ in range(HANDSHAKES_AT_ONCE)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return share * HANDSHAKES_AT_ONCE / (time.monotonic() - began)


def _measure_version() -> Row:
    times = []
    for _ in range(VERSIONS):
        began = time.monotonic()
        subprocess.run([PYTHON, "-m", "lichen", "--version"], stdout=subprocess.DEVNULL, check=True)
        times.append((time.monotonic() - began) * 1000)
    figures = {"median_ms": statistics.median(times), "max_ms": max(times)}
    return Row("start and idle", "lichen --version", figures)
