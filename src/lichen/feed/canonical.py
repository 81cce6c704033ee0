r"""The exact JSON text that is signed and hashed: what V8 writes for what V8 reads.

A classic message is signed over ``JSON.stringify(JSON.parse(text), null, 2)`` (Scuttlebutt Protocol
Guide, Message format; ECMAScript, Number::toString and OrdinaryOwnPropertyKeys). Python's own
``json`` writes numbers, key order and surrogates differently, so the writer here is our own:

* keys that are array indexes come first, ascending, in every object; else the order received;
* of duplicate keys the last value counts, at the first one's place;
* numbers are IEEE doubles in their shortest digits, in V8's layout; what overflows is ``null``;
* only ``"``, ``\`` and U+0000..U+001F are escaped, and lone surrogates as ``\udxxx``.

``parse_json`` refuses what ``JSON.parse`` refuses, bytes that are not UTF-8, and nesting deeper
than ``NESTING_MAX``. Canonical text of 8192 characters cannot nest half as deep.
"""

import json
import math
import re
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Annotated

import msgspec

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]
"""A value as ``parse_json`` returns it; integers are those that a double holds exactly."""

NESTING_MAX = 128
"""Levels of nesting; indented text of 8192 characters has at most 64."""
_INTEGER_MAX = 2**53 - 1
_ARRAY_INDEX_MAX = 2**32 - 2

_BRACKETS_OR_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_match_array_index = re.compile(r"(?:0|[1-9][0-9]{0,9})", re.ASCII).fullmatch


class JsonError(ValueError):
    """Bytes that are not JSON, or nest too deeply."""


class CanonicalText(msgspec.Struct, frozen=True):
    """A JSON text read and written again: the value, and its two exact spellings in UTF-8."""

    value: JsonValue
    compact: bytes
    indented: bytes


def canonicalize(data: bytes) -> CanonicalText:
    """Read JSON and write it as V8 would; raises ``JsonError``."""
    plain = _canonicalize_plain(data)
    return plain if plain is not None else canonicalize_exactly(data)


def canonicalize_exactly(data: bytes) -> CanonicalText:
    """Do the same by the exact reader and writer alone: they judge the quick way."""
    value = parse_json(data)
    return CanonicalText(value, encode_compact(value).encode(), encode_indented(value).encode())


def parse_json(data: bytes) -> JsonValue:
    """Read JSON as strictly as ``JSON.parse``; raises ``JsonError`` and nothing else."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise JsonError("the text is not UTF-8") from None
    if text.count("[") + text.count("{") > NESTING_MAX:
        _check_nesting(text)
    try:
        value: JsonValue = _DECODER.decode(text)
    except JsonError:
        raise
    except (ValueError, RecursionError) as error:
        raise JsonError(f"the text is not JSON: {error}") from None
    return value


def encode_compact(value: JsonValue) -> str:
    """Write a value as ``JSON.stringify(value)`` does."""
    pieces: list[str] = []
    _write(value, pieces.append, None)
    return "".join(pieces)


def encode_indented(value: JsonValue) -> str:
    """Write a value as ``JSON.stringify(value, null, 2)`` does: the text that is signed."""
    pieces: list[str] = []
    _write(value, pieces.append, "\n")
    return "".join(pieces)


def encode_number(number: float) -> str:
    """Write a number as V8 does: shortest digits that read back, ``null`` if not finite."""
    if isinstance(number, int):
        if -_INTEGER_MAX <= number <= _INTEGER_MAX:
            return str(number)
        try:
            number = float(number)
        except OverflowError:
            return "null"
    if not math.isfinite(number):
        return "null"
    if number.is_integer() and -_INTEGER_MAX <= number <= _INTEGER_MAX:
        return str(int(number))
    sign, digits, point = _shortest_digits(number)
    if 0 < point <= 21:
        if len(digits) <= point:
            return sign + digits.ljust(point, "0")
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1:+d}"


def encode_string(text: str) -> str:
    """Write a string with its quotes; a lone surrogate is escaped, nothing else above U+001F."""
    written = encode_basestring(text)
    if written.isascii():
        return written
    return _SURROGATE.sub(lambda lone: f"\\u{ord(lone.group()):04x}", written)


def _parse_integer(digits: str) -> int | float:
    # Fifteen digits always fit a double; a longer number becomes the double nearest to it.
    return int(digits) if len(digits) <= 15 else float(digits)


def _refuse_constant(name: str) -> float:
    raise JsonError(f"the text is not JSON: {name} is not a number")


_DECODER = json.JSONDecoder(parse_int=_parse_integer, parse_constant=_refuse_constant)


def _check_nesting(text: str) -> None:
    depth = 0
    for token in _BRACKETS_OR_STRING.finditer(text):
        mark = token.group()
        if mark in ("[", "{"):
            depth += 1
            if depth > NESTING_MAX:
                raise JsonError(f"the text nests deeper than {NESTING_MAX} levels")
        elif mark in ("]", "}"):
            depth -= 1


def _shortest_digits(number: float) -> tuple[str, str, int]:
    """Split into sign, shortest digits and the place of the point: 0.digits times 10**point."""
    mantissa, _, exponent = repr(number).partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.removeprefix("-").partition(".")
    digits = whole + fraction
    point = len(whole) + int(exponent or 0)
    leading = len(digits) - len(digits.lstrip("0"))
    return sign, digits.strip("0"), point - leading


def _is_array_index(key: str) -> bool:
    return _match_array_index(key) is not None and int(key) <= _ARRAY_INDEX_MAX


def _in_order(members: dict[str, JsonValue]) -> list[tuple[str, JsonValue]]:
    """List an object's members as V8 does: array indexes first, ascending."""
    indexes = sorted((key for key in members if _is_array_index(key)), key=int)
    if not indexes:
        return list(members.items())
    first = [(key, members[key]) for key in indexes]
    return first + [member for member in members.items() if not _is_array_index(member[0])]


def _write(value: JsonValue, put: Callable[[str], None], newline: str | None) -> None:
    """Write a value; ``newline`` is a line feed and the indentation here, None for compact."""
    if isinstance(value, str):
        put(encode_string(value))
    elif value is None:
        put("null")
    elif value is True:
        put("true")
    elif value is False:
        put("false")
    elif isinstance(value, int | float):
        put(encode_number(value))
    elif isinstance(value, list):
        if not value:
            put("[]")
            return
        deeper = None if newline is None else f"{newline}  "
        before = "[" + (deeper or "")
        for item in value:
            put(before)
            _write(item, put, deeper)
            before = "," + (deeper or "")
        put((newline or "") + "]")
    else:
        if not value:
            put("{}")
            return
        deeper = None if newline is None else f"{newline}  "
        colon = ":" if newline is None else ": "
        before = "{" + (deeper or "")
        for key, item in _in_order(value):
            put(f"{before}{encode_string(key)}{colon}")
            _write(item, put, deeper)
            before = "," + (deeper or "")
        put((newline or "") + "}")


# The quick way: msgspec reads and writes in C, and for most messages its compact text is V8's. What
# V8 would write otherwise is kept out of it, and goes the exact way: by the type, numbers that are
# no integers, integers that not every double holds, and deep nesting; by a search, keys that are
# array indexes; and lone surrogates and overflowing numbers msgspec itself refuses.
_PlainInteger = Annotated[int, msgspec.Meta(ge=-_INTEGER_MAX, le=_INTEGER_MAX)]
_Plain0 = None | bool | _PlainInteger | str
_Plain1 = _Plain0 | list[_Plain0] | dict[str, _Plain0]
_Plain2 = _Plain0 | list[_Plain1] | dict[str, _Plain1]
_Plain3 = _Plain0 | list[_Plain2] | dict[str, _Plain2]
_Plain4 = _Plain0 | list[_Plain3] | dict[str, _Plain3]
_Plain5 = _Plain0 | list[_Plain4] | dict[str, _Plain4]
PlainObject = dict[str, _Plain5]
"""An object whose text msgspec and V8 write alike, apart from ``has_index_keys``."""

_read_plain = msgspec.json.Decoder(PlainObject | str).decode
_write_plain = msgspec.json.Encoder().encode

# The regular expression engine looks for the two literal bytes first: three times as quick.
_search_digit_at_key_end = re.compile(rb'":(?<=[0-9]":)').search
_search_index_key = re.compile(rb'"[0-9]+":').search


def has_index_keys(compact: bytes) -> bool:
    """Tell whether compact JSON may have a key of digits only: V8 puts such keys first."""
    return _search_digit_at_key_end(compact) is not None and _search_index_key(compact) is not None


def _canonicalize_plain(data: bytes) -> CanonicalText | None:
    """Return the canonical text if it is certain that msgspec writes it as V8 does, else None."""
    try:
        value = _read_plain(data)
        compact = _write_plain(value)
    except (ValueError, RecursionError):
        return None
    if has_index_keys(compact):
        return None
    return CanonicalText(value, compact, msgspec.json.format(compact, indent=2))
