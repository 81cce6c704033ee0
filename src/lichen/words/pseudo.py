"""English in disguise: a language that shows which texts can be translated, and where they break.

Letters wear accents, texts are about a third longer, and brackets show where each begins and ends.
Text without accents has bypassed gettext; a bracket that cannot be seen was cut off. What programs
read stays as it is: ``{placeholders}``, ``%(placeholders)s``, HTML tags, entities, web addresses.
"""

import re

_LETTERS = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "ȦƁƇḒḖƑƓĦĪĴĶĿḾȠǾƤɊŘŞŦŬṼẆẊẎẐȧƀƈḓḗƒɠħīĵķŀḿƞǿƥɋřşŧŭṽẇẋẏẑ",
)
_KEPT = re.compile(
    r"(\{[^{}]*\}|%(?:\([^()]*\))?[-+#0-9.]*[a-zA-Z]|%%|</?[a-zA-Z][^<>]*>|&#?\w+;|\w+://\S+)"
)
_VOWELS = re.compile("[aeiou]")
GROWTH = 0.35
"""How much longer than English a text becomes; German and Finnish are about that."""


def disguise(text: str) -> str:
    """Return an English text with accents, longer, in brackets; an empty one stays empty."""
    if not text.strip():
        return text
    pieces = _KEPT.split(text)
    wanted = round(GROWTH * sum(len(piece) for piece in pieces[::2]))
    for place in range(0, len(pieces), 2):
        grown, wanted = _grow(pieces[place], wanted)
        pieces[place] = grown.translate(_LETTERS)
    return f"[{''.join(pieces)}{'~' * wanted}]"


def _grow(piece: str, wanted: int) -> tuple[str, int]:
    """Double so many vowels; return the longer text and how many are still wanted."""
    grown, count = _VOWELS.subn(lambda vowel: vowel.group() * 2, piece, count=wanted or -1)
    return (grown, wanted - count) if wanted else (piece, 0)
