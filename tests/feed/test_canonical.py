"""The exact text: against V8's own answers, and the quick way against the exact one."""

import json
import struct
from binascii import b2a_base64
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lichen.feed.canonical import (
    NESTING_MAX,
    CanonicalText,
    JsonError,
    canonicalize,
    canonicalize_exactly,
    encode_compact,
    encode_indented,
    encode_number,
    has_index_keys,
    parse_json,
)
from lichen.feed.formats.classic_rules import measure

Vectors = Callable[[str], list[dict[str, Any]]]

# JSON as others might write it: odd spellings of numbers and strings, space, repeated keys.
space = st.text(" \t\n\r", max_size=2)
numbers = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"\A-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?\Z"),
    st.sampled_from(["-0", "-0.0", "1.0", "1e2", "9007199254740991", "9007199254740993", "1e400"]),
)
characters = st.one_of(
    st.characters(exclude_categories=["Cs"]).map(lambda c: json.dumps(c, ensure_ascii=False)[1:-1]),
    st.integers(0, 0xFFFF).map("\\u{:04x}".format),
    st.integers(0, 0xFFFF).map("\\u{:04X}".format),
    st.sampled_from(["\\/", "\\b", "\\f", '\\"', "\\\\", "\x7f", "\u2028", "\\ud83d\\ude00", "é"]),
)
strings = st.lists(characters, max_size=6).map(lambda pieces: f'"{"".join(pieces)}"')
keys = st.one_of(
    st.sampled_from(
        ['"a"', '"b"', '"type"', '"__proto__"', '"0"', '"10"', '"9"', '"01"', '"\\u0031"']
    ),
    st.integers(0, 2**33).map('"{}"'.format),
    strings,
)


def containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.lists(st.tuples(space, inner).map("".join), max_size=4)
    members = st.tuples(space, keys, space, st.just(":"), space, inner).map("".join)
    return st.one_of(
        lists.map(lambda items: f"[{','.join(items)}]"),
        st.lists(members, max_size=5).map(lambda items: f"{{{','.join(items)}}}"),
    )


json_texts = st.recursive(
    st.one_of(numbers, strings, st.sampled_from(["null", "true", "false"])),
    containers,
    max_leaves=12,
)


def outcome(way: object, data: bytes) -> tuple[bytes, bytes] | None:
    assert callable(way)
    try:
        text: CanonicalText = way(data)
    except JsonError:
        return None
    return text.compact, text.indented


def test_the_text_is_the_one_v8_writes(vectors: Vectors) -> None:
    for case in vectors("classic/canonical-json.json"):
        # A few texts hold a lone surrogate, which has no UTF-8: V8 was given it as text.
        data = case["text"].encode("utf-8", "surrogatepass")
        if "error" in case:
            assert outcome(canonicalize, data) is None, case["name"]
            continue
        expected = case["ok"]
        for way in (canonicalize, canonicalize_exactly):
            indented = way(data).indented
            assert indented.decode() == expected["pretty"], case["name"]
            assert indented.hex() == expected["pretty_utf8_hex"], case["name"]
            units, digest = measure(indented)
            assert units == expected["utf16_length"], case["name"]
            digest_text = b2a_base64(digest, newline=False).decode()
            assert digest_text == expected["latin1_sha256_b64"], case["name"]


def test_doubles_are_written_with_v8s_digits(vectors: Vectors) -> None:
    for case in vectors("classic/doubles.json"):
        (number,) = struct.unpack(">d", bytes.fromhex(case["ieee754_be"]))
        assert encode_number(number) == case["text"]
        assert canonicalize(b"[%b]" % repr(number).encode()).compact.decode() == f"[{case['text']}]"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (float("nan"), "null"),
        (float("-inf"), "null"),
        (10**400, "null"),
        (2**53 + 1, "9007199254740992"),
        (-0.0, "0"),
        (1e21, "1e+21"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e-7, "1e-7"),
        (1.5e-7, "1.5e-7"),
        (0.000001, "0.000001"),
        (5e-324, "5e-324"),
    ],
)
def test_numbers_at_the_borders(number: float, text: str) -> None:
    assert encode_number(number) == text


@given(st.floats())
def test_a_written_number_reads_back(number: float) -> None:
    text = encode_number(number)
    if text == "null":
        assert number - number != 0
    else:
        assert float(text) == number


@settings(max_examples=600)
@given(json_texts.map(str.encode))
@example(b'{"b":1,"2":2,"a":3}')
@example(b'{"\\u0032":1,"a":{"b":1,"10":[],"9":{}}}')
@example(b'{"a":1,"a":"x","0":1.0}')
@example(b'{"a":"\\ud800"}')
@example(b'{"a":9007199254740992,"b":-9007199254740993}')
@example(b'{"a":[[[[[[[[[[1]]]]]]]]]]}')
@example(b'{"a":"\\u007f\\u2028\\/"}')
@example(b'"\x7f"')
def test_the_quick_way_writes_what_the_exact_way_writes(data: bytes) -> None:
    assert outcome(canonicalize, data) == outcome(canonicalize_exactly, data)


@settings(max_examples=300)
@given(st.binary(max_size=40) | st.text(max_size=40).map(lambda t: t.encode("utf-8", "replace")))
@example(b'"\xff"')
@example(b'"\xed\xa0\x80"')
@example(b'\xef\xbb\xbf"a"')
@example(b'"\t"')
@example(b'{"a":1,}')
@example(b'{"a":NaN}')
@example(b'{"a":-Infinity}')
@example(b'"a" "b"')
@example(b"\xa0{}")
@example(b"9" * 5000)
def test_any_bytes_are_json_or_a_json_error(data: bytes) -> None:
    assert outcome(canonicalize, data) == outcome(canonicalize_exactly, data)


@given(json_texts.map(str.encode))
def test_canonical_text_is_its_own_canonical_text(data: bytes) -> None:
    text = canonicalize(data)
    assert outcome(canonicalize, text.compact) == (text.compact, text.indented)
    assert outcome(canonicalize, text.indented) == (text.compact, text.indented)
    assert outcome(canonicalize_exactly, text.indented) == (text.compact, text.indented)


def test_every_character_is_written_alike_on_both_ways() -> None:
    for start in range(0, 0x11000, 256):
        block = [chr(c) for c in range(start, start + 256) if not 0xD800 <= c < 0xE000]
        for spelt in (json.dumps(block), json.dumps(block, ensure_ascii=False)):
            data = b'{"a":%b}' % spelt.encode()
            assert outcome(canonicalize, data) == outcome(canonicalize_exactly, data)
    for lone in range(0xD800, 0xE000):
        data = b'{"a":"\\u%04X."}' % lone
        assert canonicalize(data).compact == b'{"a":"\\u%04x."}' % lone


def test_keys_in_order_of_v8() -> None:
    data = b'{"b":1,"4294967294":2,"4294967295":3,"01":4,"10":{"z":0,"1":0},"9":5,"-1":6,"b":7}'
    expected = b'{"9":5,"10":{"1":0,"z":0},"4294967294":2,"b":7,"4294967295":3,"01":4,"-1":6}'
    assert canonicalize(data).compact == expected


@pytest.mark.parametrize(
    ("data", "may_have"),
    [
        (b'{"0":1}', True),
        (b'{"a":{"12":1}}', True),
        (b'{"01":1}', True),
        (b'{"a1":1,"1.5":2}', False),
        (b'{"a":"1","b":"2:"}', False),
        (b'{"a":"\\"1\\":"}', False),
    ],
)
def test_index_keys_are_seen(data: bytes, may_have: bool) -> None:
    assert has_index_keys(data) is may_have


def test_deep_nesting_is_a_json_error_on_both_ways() -> None:
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        deepest = opening * NESTING_MAX + b"0" + closing * NESTING_MAX
        assert canonicalize(deepest) == canonicalize_exactly(deepest)
        for depth in (NESTING_MAX + 1, 5_000, 200_000):
            with pytest.raises(JsonError):
                canonicalize(opening * depth + b"0" + closing * depth)
            with pytest.raises(JsonError):
                canonicalize(opening * depth)
    brackets_in_text = b'{"a":"' + b'[{\\"' * 5_000 + b'"}'
    assert canonicalize(brackets_in_text).compact == brackets_in_text


def test_values_are_plain_python_values() -> None:
    value = parse_json(b'{"a":[1,1.5,"x",null,true],"a2":{"__proto__":{}},"a":2}')
    assert value == {"a": 2, "a2": {"__proto__": {}}}
    assert encode_compact(value) == '{"a":2,"a2":{"__proto__":{}}}'
    assert encode_indented([1, [], {}]) == "[\n  1,\n  [],\n  {}\n]"
