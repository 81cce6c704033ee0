"""Live latency: from the moment somebody publishes until the other peer has added the message.

Two peers that follow each other and have nothing else to do; messages are published at uneven
pauses, whether or not the last one has arrived. Both times are taken outside of the peers, by the
program that asks the one to publish and hears from the other that its log has grown: through the
local socket for Lichen, through pipes for the JavaScript peers. So the way there and back counts.
"""

import queue
import statistics
import time
from pathlib import Path

from figures import Row, percentile
from peers import Peer, wait_until
from sync import make_peer

MESSAGES = 100
WARM_UP = 20
PAUSES_S = (0.031, 0.073, 0.047, 0.109, 0.061)
SEEN_S_MAX = 20
PAIRS = (
    ("lichen", "lichen"),
    ("legacy", "legacy"),
    ("modern", "modern"),
    ("lichen", "legacy"),
    ("legacy", "lichen"),
    ("lichen", "modern"),
    ("modern", "lichen"),
)


def measure(folder: Path, pairs: tuple[tuple[str, str], ...] = PAIRS) -> list[Row]:
    """Return median and p99 for each pair of a publisher and a reader."""
    return [_measure_pair(pair, folder / f"{pair[0]}-{pair[1]}") for pair in pairs]


def _measure_pair(pair: tuple[str, str], here: Path) -> Row:
    here.mkdir(parents=True)
    writer, reader = (
        make_peer(kind, here / f"{number}-{kind}") for number, kind in enumerate(pair)
    )
    try:
        writer.start()
        reader.start()
        writer.publish({"type": "contact", "contact": reader.feed, "following": True})
        reader.publish({"type": "contact", "contact": writer.feed, "following": True})
        reader.connect(writer.address)
        reader.wait_for({writer.feed: 1}, SEEN_S_MAX)
        wait_until(lambda: writer.received(reader.feed) == 1)
        reader.watch()
        measured = _time_messages(writer, reader)[WARM_UP:]
    finally:
        writer.kill()
        reader.kill()
    figures = {
        "median_ms": statistics.median(measured),
        "p99_ms": percentile(measured, 0.99),
        "max_ms": max(measured),
    }
    return Row(f"live latency, {MESSAGES} messages", f"{pair[0]} -> {pair[1]}", figures)


def _time_messages(writer: Peer, reader: Peer) -> list[float]:
    """Return how many milliseconds each message took."""
    began: list[int] = []
    for number in range(WARM_UP + MESSAGES):
        time.sleep(PAUSES_S[number % len(PAUSES_S)])
        content = {"type": "post", "text": f"message {number} in a quiet moment"}
        began.append(writer.publish(content))
    seen: list[int] = []
    while len(seen) < len(began):
        try:
            feed, _sequence, at = reader.seen.get(timeout=SEEN_S_MAX)
        except queue.Empty:
            raise TimeoutError(f"only {len(seen)} of {len(began)} messages were seen") from None
        if feed == writer.feed:
            seen.append(at)
    return [(at - start) / 1e6 for start, at in zip(began, seen, strict=True)]
