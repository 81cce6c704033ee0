"""How fast it could be at best: hash, signature and SQLite insert of each message, nothing else.

python bench/floor.py FILE: microseconds of CPU for each message of a file of JSON lines, done by
the very functions that Lichen uses, one after the other in one thread.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
from figures import Row, print_table

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.message import ChainedMessage, RawMessage
from lichen.feed.refs import msg_key_bytes
from lichen.store.log import LOG_SCHEMA
from lichen.store.schema import immediate, open_for_writing

BATCH_MESSAGES = 8000
SAMPLE = 40_000
CHECKED_SAMPLE = 4_000
INSERT = "INSERT INTO messages VALUES(?,?,?,?,?,?)"


class _Line(msgspec.Struct):
    value: msgspec.Raw


def measure(file: Path, messages: int) -> Row:
    """Return the CPU time of each step for a sample of a file, in microseconds a message."""
    form = ClassicFormat()
    decode = msgspec.json.Decoder(_Line).decode
    chained: list[ChainedMessage] = []
    with file.open("rb") as lines:
        for _, line in zip(range(min(messages, SAMPLE)), lines, strict=False):
            raw = form.parse(bytes(decode(line).value))
            message = form.chain_alone(raw) if isinstance(raw, RawMessage) else raw
            assert isinstance(message, ChainedMessage), message
            chained.append(message)
    few = chained[:: max(1, len(chained) // CHECKED_SAMPLE)]
    texts = [msgspec.json.format(each.data, indent=2) for each in chained]
    figures = {
        "hash_us": _time(len(texts), lambda: [sha256(text).digest() for text in texts]),
        "signature_us": _time(len(few), lambda: [form.verify(each) for each in few]),
        "insert_us": _insert(chained),
    }
    figures["all_us"] = sum(figures.values())
    return Row("the floor: CPU of each step alone", file.stem, figures)


def _time(count: int, work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) / count * 1e6


def _insert(messages: list[ChainedMessage]) -> float:
    feeds: dict[str, int] = {}
    rows = [
        (
            number, feeds.setdefault(each.author, len(feeds) + 1), each.sequence,
            msg_key_bytes(each.key), 1.6e12 + number / 1000, each.data,
        )
        for number, each in enumerate(messages, 1)
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        db = open_for_writing(Path(folder) / "log.db", LOG_SCHEMA)

        def insert() -> None:
            for at in range(0, len(rows), BATCH_MESSAGES):
                with immediate(db):
                    db.executemany(INSERT, rows[at : at + BATCH_MESSAGES])

        used = _time(len(rows), insert)
        db.close()
    return used


if __name__ == "__main__":
    print_table([measure(Path(sys.argv[1]), SAMPLE)])
