"""Starting and idling: cold start, memory at rest, handshakes, and how quick the command is."""

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from figures import Row, memory_mib
from peers import Peer
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
    return [*(_measure_kind(kind, folder) for kind in KINDS), _measure_version()]


def _measure_kind(kind: str, folder: Path) -> Row:
    """Start a peer several times with the identity of the first time, then let it idle."""
    peer = make_peer(kind, folder / f"start-{kind}")
    times = list(_time_starts(peer))
    try:
        peer.start()
        time.sleep(IDLE_S)
        cpu_before = _cpu_s(peer.pid)
        time.sleep(IDLE_S)
        figures = {
            "cold_start_ms": statistics.median(times[1:]) * 1000,
            "idle_memory_mib": memory_mib(peer.pid),
            "idle_cpu_percent": (_cpu_s(peer.pid) - cpu_before) / IDLE_S * 100,
            "handshakes_per_s": _rate_of_handshakes(peer),
        }
    finally:
        peer.kill()
    return Row("start and idle", kind, figures)


def _time_starts(peer: Peer) -> Iterator[float]:
    """Yield the time from the start of the process to its first answer to a handshake."""
    for _ in range(STARTS + 1):
        began = time.monotonic()
        peer.start()
        shake_hands(peer.address)
        yield time.monotonic() - began
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
        subprocess.run(
            [sys.executable, "-m", "lichen", "--version"], stdout=subprocess.DEVNULL, check=True
        )
        times.append((time.monotonic() - began) * 1000)
    figures = {"median_ms": statistics.median(times), "max_ms": max(times)}
    return Row("start and idle", "lichen --version", figures)


def _cpu_s(pid: int) -> float:
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)
