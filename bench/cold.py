"""Starting a peer with a long log: until it answers a handshake; and what lies on disk.

The log is one corpus written down again and again under other authors' names: at a start nobody
checks signatures again, and a million real ones take half an hour to sign and check. The views are
folded before, as they are after a first sync.
"""

import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import corpora
import orjson
from figures import Row, memory_mib
from lichen_peer import LichenPeer
from shaking import shake_hands

from lichen.feed.identity import generate_identity
from lichen.feed.message import FeedId, Message
from lichen.feed.refs import msg_id_from_bytes
from lichen.store.log import LOG_SCHEMA, Log, LogWriter
from lichen.store.schema import open_for_writing

CORPUS_MESSAGES = 20_000
BATCH_MESSAGES = 5_000
STARTS = 5
LOOK_EVERY_S = 2.0


def measure(folder: Path, messages: int) -> list[Row]:
    """Return how long a start takes, and the bytes of log and views for each message."""
    home = folder / "cold"
    home.mkdir(parents=True)
    peer = LichenPeer(home).start()
    peer.stop()
    corpus = corpora.write_ascii(min(messages, CORPUS_MESSAGES), folder)
    _fill(home / "log.db", corpus, messages)
    peer.start()
    while not _is_folded(peer):
        time.sleep(LOOK_EVERY_S)
    peer.stop()
    times, memory = [], 0.0
    for _ in range(STARTS):
        began = time.monotonic()
        peer.start()
        shake_hands(peer.address)
        times.append((time.monotonic() - began) * 1000)
        memory = memory_mib(peer.pid)
        peer.stop()
    figures = {
        "cold_start_ms": statistics.median(times),
        "max_ms": max(times),
        "memory_mib": memory,
        "log_bytes": (home / "log.db").stat().st_size / messages,
        "views_bytes": (home / "views.db").stat().st_size / messages,
    }
    return [Row(f"cold start with {messages:,} messages", "lichen", figures)]


def _is_folded(peer: LichenPeer) -> bool:
    return peer.call("lichen.folding") is None


def _fill(path: Path, corpus: Path, count: int) -> None:
    db = open_for_writing(path, LOG_SCHEMA)
    log = Log(path)
    writer = LogWriter(db, log)
    messages = _make_messages(corpus, count)
    while batch := [message for _, message in zip(range(BATCH_MESSAGES), messages, strict=False)]:
        writer.append(batch, now_ms=time.time() * 1000)
    log.close()
    db.close()


def _make_messages(corpus: Path, count: int) -> Iterator[Message]:
    rng = random.Random(corpora.SEED)
    values = [orjson.loads(line)["value"] for line in corpus.read_bytes().splitlines()]
    texts = [orjson.dumps(value) for value in values]
    for number in range(count):
        place = number % len(values)
        if place == 0:
            names: dict[str, FeedId] = {}
        value = values[place]
        author = value["author"]
        if author not in names:
            names[author] = generate_identity(rng.randbytes(32)).id
        yield Message(
            msg_id_from_bytes(rng.randbytes(32)), None, names[author], value["sequence"], 0.0,
            b"{}", texts[place],
        )  # fmt: skip
