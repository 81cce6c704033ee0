"""The logs that benchmarks read: one of ASCII texts only, and one like the network's own.

``LICHEN_BENCH_CORPUS`` names a file of JSON lines to use instead of the first, if it is all ASCII.
"""

import gzip
import json
import os
import random
import shutil
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import generate_identity
from lichen.feed.message import FeedState
from lichen.lab.corpus import generate_corpus

GIVEN = "LICHEN_BENCH_CORPUS"
AUTHORS = 100
SEED = 2020
TEXT = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor. "
SHARES = ((0.43, "vote"), (0.68, "post"), (0.80, "private"), (0.89, "contact"), (1.0, "post"))
"""What is written how often, added up: about as the npm package ssb-fixtures does it."""


def write_ascii(messages: int, folder: Path) -> Path:
    """Return a file of messages that are all ASCII."""
    file = folder / "ascii.jsonl"
    given = os.environ.get(GIVEN)
    if given is None:
        _write(file, _make_lines(messages))
    else:
        with gzip.open(given) if given.endswith(".gz") else Path(given).open("rb") as lines:
            _write(file, (line for _, line in zip(range(messages), lines, strict=False)))
    assert file.read_bytes().isascii(), f"{GIVEN} names a file that is not all ASCII"
    return file


def write_mixed(messages: int, folder: Path) -> Path:
    """Return a file of messages in many scripts, with odd ones among them."""
    generate_corpus(messages, AUTHORS, SEED, folder / "mixed")
    file = folder / "mixed.jsonl"
    with gzip.open(folder / "mixed" / "corpus.jsonl.gz") as lines, file.open("wb") as written:
        shutil.copyfileobj(lines, written)
    return file


def _write(file: Path, lines: Iterator[bytes]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as written:
        written.writelines(lines)


def _make_lines(count: int) -> Iterator[bytes]:
    rng = random.Random(SEED)
    form = ClassicFormat()
    identities = [generate_identity(rng.randbytes(32)) for _ in range(AUTHORS)]
    states: list[FeedState | None] = [None] * AUTHORS
    keys: list[str] = []
    for number in range(count):
        author = min(int(rng.expovariate(6 / AUTHORS)), AUTHORS - 1)
        content = _make_content(rng, keys, identities[rng.randrange(AUTHORS)].id)
        made = form.create(
            json.dumps(content).encode(), identities[author], states[author], 1.6e12 + number
        )
        states[author] = FeedState(made.sequence, made.key)
        keys.append(made.key)
        yield b'{"key":"%b","value":%b,"timestamp":%d}\n' % (
            made.key.encode(), made.data, 1_600_000_000_000 + number,
        )  # fmt: skip


def _make_content(rng: random.Random, keys: list[str], feed: str) -> object:
    roll = rng.random()
    kind = next(name for share, name in SHARES if roll < share)
    if kind == "vote" and keys:
        vote = {"link": rng.choice(keys), "value": 1, "expression": "Like"}
        return {"type": "vote", "vote": vote}
    if kind == "private":
        return b64encode(rng.randbytes(rng.randrange(300, 900))).decode() + ".box"
    if kind == "contact":
        return {"type": "contact", "contact": feed, "following": True}
    post: dict[str, object] = {"type": "post", "text": TEXT * rng.randrange(1, 8)}
    if keys and rng.random() < 0.6:
        post |= {"root": rng.choice(keys), "branch": rng.choice(keys)}
    return post
