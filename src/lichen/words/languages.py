"""Which languages there are, and which of them a browser or a terminal asks for.

A browser says it in ``Accept-Language`` (RFC 9110, 12.5.4), a terminal in the variables of GNU
gettext. A language that is not here is passed over; when none is left it is English.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

DEFAULT = "en"
PSEUDO = "pseudo"

LANGUAGES: Mapping[str, str] = MappingProxyType(
    {DEFAULT: "English", "de": "Deutsch", PSEUDO: "[Ƥşḗŭḓǿ]"}
)
"""The code of each language, and what those who speak it call it."""

TAGS: Mapping[str, str] = MappingProxyType({DEFAULT: "en", "de": "de", PSEUDO: "en-XA"})
"""The language tags (BCP 47); ``XA`` is what others use for English in disguise, too."""

HEADER_CHARACTERS_MAX = 1000
"""Browsers send less than 100; what stands behind is not read."""

_VARIABLES = ("LICHEN_LANGUAGE", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


def choose_language(accept_language_header: str) -> str:
    """Return the code of the language that a browser likes best, of those that there are."""
    best, best_weight = DEFAULT, 0.0
    for part in accept_language_header[:HEADER_CHARACTERS_MAX].split(","):
        tag, _, parameters = part.partition(";")
        found = _code_of(tag)
        weight = _weight_of(parameters)
        # The first of equals wins, as browsers write the dearest first.
        if found is not None and weight > best_weight:
            best, best_weight = found, weight
    return best


def language_of_environment(environment: Mapping[str, str]) -> str:
    """Return the code of the language that the variables of a terminal ask for."""
    for wanted in _wanted(environment):
        found = _code_of(wanted)
        if found is not None:
            return found
    return DEFAULT


def _wanted(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield locale names, the dearest first. As in gettext, the first variable set decides."""
    yield environment.get(_VARIABLES[0], "")
    for variable in _VARIABLES[1:]:
        if environment.get(variable):
            yield from environment[variable].split(":")
            return


def _code_of(name: str) -> str | None:
    """Return the code for ``de``, ``de-AT``, ``de_DE.UTF-8`` or ``en-XA``; None if unknown."""
    name = name.strip().partition(".")[0].partition("@")[0].replace("_", "-").lower()
    if name in {PSEUDO, TAGS[PSEUDO].lower()}:
        return PSEUDO
    main = name.partition("-")[0]
    return main if main in LANGUAGES else None


def _weight_of(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                weight = float(value)
            except ValueError:
                return 0.0
            return weight if 0 <= weight <= 1 else 0.0
    return 1.0
