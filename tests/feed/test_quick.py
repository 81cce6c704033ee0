"""The quick way beside its judge, the exact one, on texts changed at random.

``LICHEN_QUICK_COUNT`` says how many texts; ``make campaign-canonical`` takes millions.
"""

import os
import random

import msgspec
import pytest

from lichen.feed.canonical import canonicalize_exactly
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.formats.classic_quick import chain_quickly
from lichen.feed.identity import generate_identity
from lichen.feed.message import ChainedMessage, FeedState, MsgId, RawMessage, Rejected

COUNT = int(os.environ.get("LICHEN_QUICK_COUNT", "20000"))
FORMAT = ClassicFormat()
ME = generate_identity(b"\x07" * 32).id
PREVIOUS = MsgId("%" + "A" * 43 + "=.sha256")
HEADS = [
    f'{{"previous":"{PREVIOUS}","sequence":2,"author":"{ME}",',
    f'{{"previous":"{PREVIOUS}","author":"{ME}","sequence":2,',
    f'{{"previous":null,"sequence":1,"author":"{ME}",',
]
TIMES = ["1500000000000", "1500000000000.5", "0", "1", "-1", "1e3", "123456789012345.7"]
CONTENTS = [
    '{"type":"post","text":"hello"}',
    '{"type":"post","text":"h\u00e9llo \u20ac \U0001f600 \\n\\t\\u0001 \\\\ \\" /"}',
    '{"type":"vote","vote":{"link":"%A","value":1,"expression":"y"}}',
    '{"type":"post","mentions":[{"link":"&A","size":366549},{"a":[null,true,false]}],"b":{},"c":[]}',
    '"YWJj.box"',
]
TAILS = [
    f',"signature":"{base64}.sig.ed25519"}}'
    for base64 in ("A" * 86 + "==", "A" * 85 + "B==", "A" * 87 + "=", "A" * 82 + " AAAA==")
]
PATCHES = [
    "", " ", "\n", '"', "\\", ",", ":", "{", "}", "[", "]", "0", "1", "9", "-", "+", ".", "e", "E",
    "\\u0041",
    "\\u00e9", "\\ud800", "\\udc00", "\\ud83d\\ude00", "\\/", "\\b", "\\u001F", "\\u001f",
    "\x7f", "\x00", "\u2028", "\ufeff", "\u0141", '"7":1,', '"07":1,', '"4294967294":[],', '"":0,',
    '"type":"post",', '"type":"x",', '"__proto__":{},', '"a":1.5,', '"a":1e21,', '"a":-0,',
    '"a":01,',
    '"a":9007199254740991,', '"a":9007199254740992,', '"a":NaN,', '"a":[[[[[[[1]]]]]]],',
    '"a":1E400,',
    '"a 7":1,', '"hash":"sha256",', '"content":', ',"signature":"', "sha256", "null", "true",
    ".box", "==", "B", "Q",
]  # fmt: skip


def write(rng: random.Random) -> bytes:
    """Write a good message, and change it in a few places, most of them between two tokens."""
    text = rng.choice(HEADS) + f'"timestamp":{rng.choice(TIMES)},"hash":"sha256","content":'
    text += rng.choice(CONTENTS) + rng.choice([*TAILS, *TAILS[:1] * 12])
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        places = [n + rng.randrange(2) for n, mark in enumerate(text) if mark in '{}[]",:\\']
        place = rng.choice(places) if places and rng.random() < 0.8 else rng.randrange(len(text))
        end = place + rng.choice((0, 0, 0, 1, 2, 5))
        text = text[:place] + rng.choice(PATCHES) + text[end:]
    data = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.05:
        place = rng.randrange(len(data))
        data = data[:place] + rng.randbytes(rng.randrange(3)) + data[place + rng.randrange(2) :]
    return data


def indent_as_bytes(data: bytes) -> bytes | None:
    try:
        return msgspec.json.format(data, indent=2)
    except msgspec.DecodeError:
        return None  # half of a surrogate pair


@pytest.mark.timeout(0)
def test_the_quick_way_never_says_otherwise_than_the_exact_one() -> None:
    rng = random.Random(20_201)
    quick_count = taken_count = 0
    for _ in range(COUNT):
        data = write(rng)
        raw = FORMAT.parse(data)
        if isinstance(raw, Rejected):
            raw = RawMessage(ME, 2, data)
        exact = FORMAT._chain_exactly(raw)
        quick = chain_quickly(raw.data)
        assert quick is None or quick == exact, data
        assert FORMAT.chain_alone(raw) == exact, data
        if isinstance(exact, ChainedMessage):
            taken_count += 1
            assert indent_as_bytes(exact.data) in (canonicalize_exactly(data).indented, None), data
            if exact.previous is not None:
                state = FeedState(exact.sequence - 1, exact.previous)
                assert FORMAT.chain(raw, state) == exact, data
        quick_count += quick is not None
    # The sample is worth something only if both ways are gone often.
    assert quick_count > COUNT / 20
    assert taken_count > quick_count + COUNT / 50


def test_plain_messages_go_the_quick_way() -> None:
    for head in HEADS:
        for time in TIMES[:2]:
            for content in CONTENTS:
                text = f'{head}"timestamp":{time},"hash":"sha256","content":{content}{TAILS[0]}'
                sequence = 1 if "null" in head else 2
                raw = RawMessage(ME, sequence, text.encode())
                assert chain_quickly(raw.data) is not None, text
