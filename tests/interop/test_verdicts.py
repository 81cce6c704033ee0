"""Verdicts and ids compared with both JavaScript validators: ssb-validate and ssb-classic.

Messages are generated valid, then changed before signing (so that only the rule itself can refuse
them), after signing, or in their spelling. Where the two validators differ, what either refuses is
refused, but for the suffix of private text, where ssb-validate (and the published dataset) counts.
Two kinds of message both take and Lichen does not: see ``is_refused_here_alone``.
"""

import json
import math
import os
import random
from binascii import b2a_base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lichen.feed.canonical import JsonValue, canonicalize_exactly, encode_compact
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import bytes_to_sign, generate_identity
from lichen.feed.message import FeedState, Message, MsgId, RawMessage, Rejected
from lichen.feed.refs import is_msg_id

RunNode = Callable[..., list[bytes]]

COUNT = int(os.environ.get("LICHEN_CANONICAL_COUNT", "20000"))
ROUND = 20_000

AUTHORS = [generate_identity(bytes([n]) * 32) for n in range(3)]
HMAC_KEYS = [None, None, bytes(range(32)), b"\xff" * 32]
MEMBERS = ["previous", "sequence", "author", "timestamp", "hash", "content", "signature"]
ODD_VALUES: list[JsonValue] = [
    None, True, False, 0, 1, -1, 1.5, 2**31, 2**53, 1e300, "", "x", "1",
    [], [1], {}, {"type": "post"},
]  # fmt: skip
TEXTS = ["x", "é", "€", "\U0001f600", "\n", '"', "\x00", "\x7f", "\u2028"]
BOXES = [
    ".box", "YQ==.box", "YR==.box", "YWI=.box2", "YWJ=.box", "YWJj.boxs", "YWJj.box\n",
    "YWJj.box9 x", "YWJj.bo", "YWJj", "YWJjZ.box", "YW Jj.box", "YWJj=.box", "a.box", "====.box",
    "YWJj..box", "YWJj.box\u2028", "YWJj.box.box", "-_-_.box", "éééé.box",
]  # fmt: skip
TYPES = [
    "ab",
    "abc",
    "a" * 52,
    "a" * 53,
    "😀",
    "😀😀",
    "😀" * 26,
    "😀" * 26 + "a",
    "é" * 52,
    "\ud800ab",
    "",
]


class Case:
    """A message to judge: the text, what it follows, and the network's key."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.author = rng.choice(AUTHORS)
        self.hmac_key = rng.choice(HMAC_KEYS)
        self.state: FeedState | None = None
        if rng.random() < 0.8:
            key = b2a_base64(rng.randbytes(32), newline=False).decode()
            sequence = rng.choice([1, 2, 77, 2**31 - 3])
            self.state = FeedState(sequence, MsgId(f"%{key}.sha256"))
        self.value: dict[str, Any] = {
            "previous": self.state and self.state.key,
            "sequence": 1 if self.state is None else self.state.sequence + 1,
            "author": self.author.id,
            "timestamp": rng.choice([1500000000000, 1.5e12 + rng.random(), 0, -5, 1e-7, 2**60]),
            "hash": "sha256",
            "content": self.write_content(),
        }
        if rng.random() < 0.3:
            self.move("author", "sequence")

    def write_content(self) -> JsonValue:
        rng = self.rng
        if rng.random() < 0.1:
            return b2a_base64(rng.randbytes(rng.randrange(90)), newline=False).decode() + ".box"
        content: dict[str, JsonValue] = {"type": "post"}
        for _ in range(rng.randrange(4)):
            name = rng.choice(["text", "root", "é", "7", "10", "__proto__", "mentions", "01"])
            content[name] = rng.choice(
                [rng.choice(TEXTS) * 3, rng.random(), 1e21, 2**60, {"b": [], "2": {}}, [None, -0.0]]
            )
        return content

    def sign(self) -> None:
        signed = canonicalize_exactly(encode_compact(self.value).encode()).indented
        signature = self.author.sign(bytes_to_sign(signed, self.hmac_key))
        self.value["signature"] = b2a_base64(signature, newline=False).decode() + ".sig.ed25519"

    def move(self, name: str, before: str) -> None:
        """Put a member before another one."""
        moved = self.value.pop(name)
        order = list(self.value)
        order.insert(order.index(before), name)
        self.value = {key: self.value.get(key, moved) for key in order}

    def change_before_signing(self) -> None:
        rng, value = self.rng, self.value
        kind = rng.randrange(12)
        name = rng.choice(MEMBERS[:-1])
        if kind == 0:
            value[name] = rng.choice(ODD_VALUES)
        elif kind == 1:
            del value[name]
        elif kind == 2:
            value[rng.choice(["extra", "signatur", "0", "__proto__", "key"])] = rng.choice(
                ODD_VALUES
            )
        elif kind == 3:
            other = rng.choice([other for other in MEMBERS[:-1] if other != name])
            self.move(name, other)
        elif kind == 4:
            value["content"] = rng.choice(BOXES)
        elif kind == 5:
            value["content"] = {"type": rng.choice([*TYPES, *ODD_VALUES]), "text": "x"}
        elif kind == 6:
            value["sequence"] = value["sequence"] + rng.choice([-1, 1, 0.5, 2**31, 2**32])
        elif kind == 7:
            value["previous"] = rng.choice([None, AUTHORS[0].id, "%x", f"{value['previous']} "])
        elif kind == 8:
            value["author"] = self.change_author()
        elif kind == 9:
            value["hash"] = rng.choice(["sha512", "SHA256", "sha256 ", ""])
        elif kind == 10:
            value["timestamp"] = rng.choice(["1500000000000", "", None, True, [1], {}, math.inf])
        else:
            value["content"] = rng.choice(ODD_VALUES)

    def change_author(self) -> str:
        author = self.author.id
        changed = [
            author.replace(".ed25519", ".sha256"), author.replace(".", "x"), author[1:],
            author + " ", author.upper(), author.replace("=", ""),
            author.replace(".ed25519", ".ed25519.x"), f"ssb:feed/classic/{author[1:45]}",
            "%" + author[1:], author[:43] + "/" + author[44:],
        ]  # fmt: skip
        return self.rng.choice(changed)

    def resize(self) -> None:
        """Fill the text up to just around the limit, with characters of all sizes."""
        rng = self.rng
        self.value["content"] = {"type": "post", "text": ""}
        self.sign()
        empty = canonicalize_exactly(encode_compact(self.value).encode()).indented
        del self.value["signature"]
        room = rng.choice([8190, 8191, 8192, 8192, 8193, 8194]) - len(empty)
        character = rng.choice(TEXTS)
        units = len(encode_compact(character).encode("utf-16-le")) // 2 - 2
        text = character * (room // units) + "x" * (room % units)
        self.value["content"]["text"] = text

    def change_after_signing(self) -> None:
        rng, value = self.rng, self.value
        signature = value["signature"]
        kind = rng.randrange(10)
        if kind == 0:
            other = rng.choice(AUTHORS)
            value["signature"] = (
                b2a_base64(other.sign(b"x"), newline=False).decode() + ".sig.ed25519"
            )
        elif kind == 1:
            value["signature"] = rng.choice(ODD_VALUES)
        elif kind == 2:
            # The last character before the padding has four unused bits.
            value["signature"] = signature[:85] + rng.choice("AQgwBRhx/+") + signature[86:]
        elif kind == 3:
            value["signature"] = signature + rng.choice(
                [" ", "\n", ".sig.ed25519", "x", "=", "\x00"]
            )
        elif kind == 4:
            tail = rng.choice(
                [".sig.ed25518", ".sig.sha256", ".ed25519", "", ".sig.", "xsig.ed25519"]
            )
            value["signature"] = signature[:88] + tail
        elif kind == 5:
            value["signature"] = rng.choice([" ", "=", "A"]) + signature
        elif kind == 6:
            place = rng.randrange(86)
            value["signature"] = signature[:place] + rng.choice("AB+-_ é") + signature[place + 1 :]
        elif kind == 7:
            value["signature"] = signature.replace("==", rng.choice(["", "=", "===", "A="]))
        elif kind == 8:
            self.hmac_key = rng.choice(HMAC_KEYS)
        elif isinstance(value.get("content"), dict):
            value["content"]["text"] = rng.choice([*TEXTS, *ODD_VALUES])

    def write(self) -> bytes:
        """Write the text: as a JavaScript peer would, or spelt in another way."""
        rng = self.rng
        data = encode_compact(self.value).encode()
        kind = rng.randrange(8)
        if self.value.get("timestamp") == math.inf:
            return data.replace(b'"timestamp":null', b'"timestamp":1e400')
        if kind == 0:
            return json.dumps(json.loads(data), indent=rng.choice([None, 1])).encode()
        if kind == 1 and b'"hash":"sha256",' in data:
            return data.replace(b'"hash":"sha256",', b'"hash":0,"hash":"sha256",', 1)
        if kind == 2 and b'"sequence":2,' in data:
            return data.replace(
                b'"sequence":2,', rng.choice([b'"sequence":2.0,', b'"sequence":2e0,'])
            )
        if kind == 3 and b'"post"' in data:
            return data.replace(b'"post"', b'"\\u0070ost"')
        if kind == 4 and rng.random() < 0.2:
            place = rng.randrange(len(data))
            return data[:place] + rng.choice([b"", b'"', b"}", b",", b"\\"]) + data[place + 1 :]
        return data


def make_case(rng: random.Random) -> tuple[Case, bytes]:
    case = Case(rng)
    kind = rng.randrange(10)
    if kind < 3:
        case.change_before_signing()
    elif kind == 3:
        case.resize()
    case.sign()
    if kind in (4, 5, 6):
        case.change_after_signing()
    return case, case.write()


def question(case: Case, data: bytes) -> bytes:
    hmac_key = case.hmac_key and b2a_base64(case.hmac_key, newline=False).decode()
    state = case.state and {"id": case.state.key, "sequence": case.state.sequence}
    # As their peers do: what is not UTF-8 becomes replacement characters.
    text = data.decode("utf-8", "replace")
    return json.dumps({"text": text, "state": state, "hmacKey": hmac_key}).encode()


def is_expected(answer: dict[str, Any], validate: str, classic: str) -> bool:
    """Join two verdicts: the strict one counts, but for the suffix of private text."""
    complaint = answer[classic]
    is_about_suffix = complaint is not None and "must end with .box or .box2" in complaint
    return answer[validate] is None and (complaint is None or is_about_suffix)


def is_refused_here_alone(case: Case, data: bytes) -> bool:
    """Tell what both validators take, though they say otherwise themselves.

    A signature of 65 bytes, when it is written in as many characters as one of 64; a timestamp that
    overflows, whose text is ``null``, which they would refuse when it is read again.
    """
    return case.value.get("timestamp") == math.inf or b"A=.sig.ed25519" in data


def judge(message_format: ClassicFormat, case: Case, data: bytes) -> tuple[str | None, str | None]:
    """Return the ids under which the message is taken: in its feed, and alone."""
    raw = message_format.parse(data)
    if isinstance(raw, Rejected):
        return None, None
    # The state is that of the author's feed; other authors have none here.
    state = case.state if raw.author == case.author.id else None
    keys = []
    for chained in (message_format.chain(raw, state), message_format.chain_alone(raw)):
        verdict = chained if isinstance(chained, Rejected) else message_format.verify(chained)
        keys.append(verdict.key if isinstance(verdict, Message) else None)
    return keys[0], keys[1]


def has_possible_place(raw: RawMessage | Rejected, data: bytes) -> bool:
    """Tell what the validators do not ask of a lone message: could it stand in a feed?"""
    previous = json.loads(data)["previous"]
    return isinstance(raw, RawMessage) and (
        previous is None if raw.sequence == 1 else is_msg_id(previous)
    )


def test_verdicts_and_ids_are_those_of_both_validators(
    run_node: RunNode, modern_modules: Path
) -> None:
    taken = taken_alone = refused_here = 0
    for start in range(0, COUNT, ROUND):
        rng = random.Random(start)
        cases = [make_case(rng) for _ in range(min(ROUND, COUNT - start))]
        lines = [question(case, data) for case, data in cases]
        answers = run_node("verdicts.js", lines, str(modern_modules))
        for (case, data), line in zip(cases, answers, strict=True):
            answer = json.loads(line)
            message_format = ClassicFormat(case.hmac_key)
            key, key_alone = judge(message_format, case, data)
            is_taken = is_expected(answer, "validate", "classic")
            is_taken_alone = is_expected(answer, "validateAlone", "classicAlone")
            if is_refused_here_alone(case, data):
                assert (key, key_alone) == (None, None), data
                refused_here += is_taken
                continue
            assert key == (answer["key"] if is_taken else None), (answer, data)
            if is_taken_alone:
                is_taken_alone = has_possible_place(message_format.parse(data), data)
            assert key_alone == (answer["key"] if is_taken_alone else None), (answer, data)
            taken += key is not None
            taken_alone += key_alone is not None
    # A good part of either kind, or the generator is at fault.
    assert COUNT / 4 < taken < taken_alone < COUNT * 3 / 4
    assert 0 < refused_here < COUNT / 50
