"""Texts that are made in one place and told in another, in whatever language is spoken there.

A room that knows no reader (the store, the peer, an app's methods) marks its texts with ``N_``, as
gettext's programs do: ``make words`` finds them, and what comes out is a ``Phrase``. That is the
English text, for programs and logs, which remembers how it was made; ``Words.tell`` makes it anew
in the reader's language. It may cross to another process as JSON.
"""

from collections.abc import Mapping
from typing import Self, TypeGuard


class Phrase(str):
    """An English text with the template and the values it was made of."""

    __slots__ = ("many", "n", "template", "values")

    template: str
    values: Mapping[str, str | float]
    """What fills the template; phrases and numbers are told in the reader's language, too."""
    many: str
    """The form of the template for other numbers than one, empty if no number decides."""
    n: int

    def __new__(
        cls, template: str, values: Mapping[str, str | float], many: str = "", n: int = 1
    ) -> Self:
        """Fill in the template."""
        texts = {name: str(value) for name, value in values.items()}
        made = super().__new__(cls, (many if many and n != 1 else template).format_map(texts))
        made.template, made.values, made.many, made.n = template, values, many, n
        return made

    def to_json(self) -> dict[str, object]:
        """Return the phrase as ``parse_phrase`` reads it."""
        plain: dict[str, object] = {"template": self.template}
        if self.many:
            plain |= {"many": self.many, "n": self.n}
        if self.values:
            plain["values"] = {
                name: value.to_json() if isinstance(value, Phrase) else value
                for name, value in self.values.items()
            }
        return plain


def N_(template: str, /, **values: object) -> Phrase:  # noqa: N802 (gettext's name for it)
    """Mark a text for translation and fill it in: ``N_("There is no {kind}.", kind=kind)``.

    An amount is given as a number; what is none (a port, a year, a place in a feed) as a text.
    """
    return Phrase(template, _fillings(values))


def N_many(one: str, many: str, n: int, /, **values: object) -> Phrase:  # noqa: N802 (the same)
    """Mark the two forms of a text; ``n`` chooses and stands in the text as ``{n}``."""
    return Phrase(one, _fillings({"n": n, **values}), many, n)


def phrase_of(text: str) -> Phrase:
    """Return a text that another room made as it stands in the catalogues, without values."""
    return Phrase(text.replace("{", "{{").replace("}", "}}"), {})


def parse_phrase(plain: object) -> Phrase | None:
    """Read the JSON of a phrase; None if it is not one."""
    if not isinstance(plain, dict):
        return None
    template, many, n = plain.get("template"), plain.get("many", ""), plain.get("n", 1)
    values = plain.get("values", {})
    if not (isinstance(template, str) and isinstance(many, str) and isinstance(n, int)):
        return None
    if not isinstance(values, dict):
        return None
    read = {
        str(name): value if isinstance(value, str) or _is_number(value) else parse_phrase(value)
        for name, value in values.items()
    }
    known = {name: value for name, value in read.items() if value is not None}
    try:
        return Phrase(template, known, many, n)
    except (LookupError, ValueError, AttributeError):
        return None  # a template that these values do not fill


def _fillings(values: Mapping[str, object]) -> dict[str, str | float]:
    return {
        name: value if isinstance(value, str) or _is_number(value) else str(value)
        for name, value in values.items()
    }


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
