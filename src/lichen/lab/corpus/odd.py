"""The awkward part of life: contents that are valid, and that careless JSON code breaks.

Each maker returns the JSON text of a content. Lone surrogates and members called ``__proto__`` are
left out, though valid: ssb-db2 cannot keep them in its own storage without changing them. So is
null in a list, at which the link index of ssb-db fails for good.
"""

# ruff: noqa: SIM905 (numbers and keys read best as a line)

from collections.abc import Callable
from typing import Final

from lichen.lab.corpus.dice import Dice

FLOATS: Final = (
    "0.1 1e-7 0.000001 123456.789 1.7976931348623157e308 5e-324 2.2250738585072014e-308 -0.5 "
    "1e21 1e20 123e-20 -0 1.0 100 1E2 0.30000000000000004 3.141592653589793 1e-6"
).split()
INTEGERS: Final = (
    "9007199254740991 9007199254740992 9007199254740993 -9007199254740993 2147483647 2147483648 "
    "-2147483649 4294967296 18446744073709551616 123456789012345678901234567890"
).split()
INDEX_KEYS: Final = (
    "10 9 b 4294967294 4294967295 0 01 -1 1.5 a 00 1e3 4294967296 2 constructor length toString"
).split()
ESCAPES: Final = (
    r"\u0000\u0001\u001f\u007f",
    r"\"\\\/\b\f\n\r\t",
    r"\u00e9\u20ac\ud83c\udf31",
    r"\u2028\u2029\ufeff",
    r"</script><!-- \u003c &amp;",
    "\u0080\u009f\ufffe\uffff",
    r"\\u0041 \\n",
)


def write_odd_content(dice: Dice) -> str:
    """Return the JSON text of an odd content."""
    return dice.pick(MAKERS)(dice)


def _floats(dice: Dice) -> str:
    numbers = [dice.pick(FLOATS) for _ in range(dice.between(1, 8))]
    nested = f"{dice.fraction() * 360 - 180!r}"
    return (
        f'{{"type":"odd-floats","numbers":[{",".join(numbers)}],"place":{{"longitude":{nested}}}}}'
    )


def _integers(dice: Dice) -> str:
    numbers = ",".join(dice.pick(INTEGERS) for _ in range(dice.between(1, 6)))
    return f'{{"type":"odd-integers","numbers":[{numbers}],"size":{dice.between(0, 1 << 40)}}}'


def _index_keys(dice: Dice) -> str:
    start = dice.below(len(INDEX_KEYS))
    keys = INDEX_KEYS[start:] + INDEX_KEYS[:start]
    inner = ",".join(f'"{key}":{number}' for number, key in enumerate(keys[:9]))
    members = ",".join(f'"{key}":{{{inner}}}' for key in keys[:5])
    return f'{{"7":"before the type","type":"odd-keys","map":{{{members}}}}}'


def _escapes(dice: Dice) -> str:
    text = "".join(dice.pick(ESCAPES) for _ in range(dice.between(1, 5)))
    key = dice.pick(ESCAPES)
    return f'{{"type":"odd-escapes","text":"{text}","{key} key":"{key}","":"empty key"}}'


def _nesting(dice: Dice) -> str:
    depth = dice.between(5, 20)
    return f'{{"type":"odd-nesting","down":{"[" * depth}{{}}{"]" * depth},"empty":[{{}},[],""]}}'


def _layout(dice: Dice) -> str:
    """White space, escapes and number forms that canonical text does not keep."""
    return (
        '{ "\\u0074ype" :\t"odd-layout" ,\n "list": [ 1.50 , 2E3, true,false , -0.0e1 ],"no" :null,'
        f' "text":"caf\\u00e9 \\/ {dice.below(100)}" }}'
    )


def _types(dice: Dice) -> str:
    kind = dice.pick(("😀a", "日本語", "abc", "x" * 52, "type with spaces", "é" * 52, "a/b:c#d"))
    return f'{{"type":"{kind}","none":null,"value":[true,false,[],{{}}]}}'


MAKERS: Final[tuple[Callable[[Dice], str], ...]] = (
    _floats,
    _floats,
    _integers,
    _index_keys,
    _index_keys,
    _escapes,
    _escapes,
    _nesting,
    _layout,
    _types,
)
