"""Canonical text compared with V8 itself: generated JSON, odd in every way, and broken JSON."""

import json
import os
import random
import struct
from base64 import b64decode, b64encode
from collections.abc import Callable

from lichen.feed.canonical import JsonError, canonicalize, canonicalize_exactly

RunNode = Callable[..., list[bytes]]

COUNT = int(os.environ.get("LICHEN_CANONICAL_COUNT", "20000"))
ROUND = 20_000

WORDS = [
    "type",
    "post",
    "text",
    "a",
    "é",
    "日本",
    "\U0001f600",
    "",
    "x" * 70,
    "\x7f",
    "\u2028",
    "/",
]
KEYS = ["0", "1", "2", "10", "01", "4294967294", "4294967295", "-1", "1.5", "__proto__", "length"]
ESCAPES = ["\\b", "\\f", "\\n", "\\r", "\\t", '\\"', "\\\\", "\\/", "\\u0000", "\\u001F", "\\u00e9"]
NUMBERS = ["-0", "0", "1.0", "1e2", "1E400", "9007199254740993", "1e21", "1e-7", "0.1", "123456.5"]


def write_number(rng: random.Random) -> str:
    kind = rng.randrange(6)
    if kind == 0:
        return rng.choice(NUMBERS)
    if kind == 1:
        return str(rng.getrandbits(rng.randrange(1, 90)))
    if kind == 2:
        (number,) = struct.unpack(">d", rng.randbytes(8))
        return repr(number) if number - number == 0 else "-1"
    if kind == 3:
        return f"{rng.randrange(-10, 10)}.{rng.getrandbits(40)}E{rng.randrange(-330, 310)}"
    if kind == 4:
        return repr(rng.uniform(0, 10) * 10 ** rng.randrange(-12, 24))
    return repr(1.5e12 + rng.random())


def write_string(rng: random.Random) -> str:
    pieces = [""]
    for _ in range(rng.randrange(4)):
        kind = rng.randrange(5)
        if kind == 0:
            pieces.append(rng.choice(ESCAPES))
        elif kind == 1:
            pieces.append(f"\\u{rng.getrandbits(16):04x}")
        elif kind == 2:
            pieces.append(json.dumps(chr(rng.randrange(32, 0xD800)), ensure_ascii=False)[1:-1])
        elif kind == 3:
            pieces.append(f"\\uD8{rng.getrandbits(8):02X}\\uDC{rng.getrandbits(8):02x}")
        else:
            pieces.append(rng.choice(WORDS))
    return f'"{"".join(pieces)}"'


def write_space(rng: random.Random) -> str:
    return rng.choice(["", "", "", "", " ", "\n", "\t\r "])


def write_json(rng: random.Random, depth: int) -> str:
    kind = rng.randrange(8) if depth else rng.randrange(5)
    if kind < 2:
        return write_number(rng)
    if kind < 4:
        return write_string(rng)
    if kind == 4:
        return rng.choice(["null", "true", "false", "{}", "[]", "[ ]"])
    if kind == 5:
        items = (write_json(rng, depth - 1) for _ in range(rng.randrange(4)))
        return f"[{','.join(write_space(rng) + item for item in items)}]"
    members = []
    for _ in range(rng.randrange(6)):
        key = f'"{rng.choice(KEYS)}"' if rng.random() < 0.4 else write_string(rng)
        space = write_space(rng)
        members.append(f"{key}{space}:{space}{write_json(rng, depth - 1)}")
    return f"{{{','.join(members)}}}"


def write_text(rng: random.Random) -> bytes:
    text = write_json(rng, rng.randrange(5))
    if rng.random() < 0.1:
        nesting = rng.randrange(1, 60)
        text = "[" * nesting + text + "]" * nesting
    if rng.random() < 0.05:
        place = rng.randrange(len(text) + 1)
        text = text[:place] + rng.choice(',:{}[]"\\0.e-+ \n\x0b\xa0\ufeffN') + text[place + 1 :]
    return text.encode()


def outcome(way: object, data: bytes) -> tuple[bytes, bytes] | None:
    assert callable(way)
    try:
        text = way(data)
    except JsonError:
        return None
    return text.compact, text.indented


def test_generated_json_is_written_as_v8_writes_it(run_node: RunNode) -> None:
    broken = 0
    for start in range(0, COUNT, ROUND):
        rng = random.Random(start)
        texts = [write_text(rng) for _ in range(min(ROUND, COUNT - start))]
        answers = run_node("canonical.js", [b64encode(text) for text in texts])
        for text, answer in zip(texts, answers, strict=True):
            expected = None
            if answer != b"E":
                compact, indented = answer.split(b" ")
                expected = b64decode(compact), b64decode(indented)
            assert outcome(canonicalize, text) == expected, text
            assert outcome(canonicalize_exactly, text) == expected, text
            broken += expected is None
    # Both kinds must have been there, or the generator is at fault.
    assert 0 < broken < COUNT / 5
