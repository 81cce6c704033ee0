"""Publishing: in batches, and one message after another, each on the disk before it is answered.

The disk's own flush, of one page in the same folder, is measured beside it. When ssb-db2 answers,
a message is in memory; it says nothing of the disk.
"""

import os
import statistics
import time
from pathlib import Path

from figures import Row, percentile
from peers import Peer
from sync import make_peer

KINDS = ("lichen", "modern")
BATCHED = 5_000
SINGLE = 300
PAGE = bytes(4096)


def measure(folder: Path) -> list[Row]:
    """Return the rate of batches and the times of single messages for each kind of peer."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [_measure(make_peer(kind, folder / f"publish-{kind}")) for kind in KINDS]
    return [*rows, Row("publishing", "the disk alone", _times(_flush(folder)))]


def _measure(peer: Peer) -> Row:
    contents = [{"type": "post", "text": f"message {number} of many"} for number in range(BATCHED)]
    try:
        peer.start()
        peer.publish_many(contents[:100])
        began = time.monotonic()
        peer.publish_many(contents)
        rate = BATCHED / (time.monotonic() - began)
        times = []
        for number in range(SINGLE):
            began_ns = peer.publish({"type": "post", "text": f"message {number} alone"})
            times.append((time.monotonic_ns() - began_ns) / 1e6)
    finally:
        peer.kill()
    return Row("publishing", peer.kind, {"batched_per_s": rate, **_times(times)})


def _times(times: list[float]) -> dict[str, float]:
    return {"median_ms": statistics.median(times), "p99_ms": percentile(times, 0.99)}


def _flush(folder: Path) -> list[float]:
    times = []
    with (folder / "page").open("wb", buffering=0) as file:
        for _ in range(SINGLE):
            file.write(PAGE)
            began = time.monotonic_ns()
            os.fsync(file.fileno())
            times.append((time.monotonic_ns() - began) / 1e6)
    return times
