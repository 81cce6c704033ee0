"""The languages of Lichen: every text that a person reads passes through here."""

from lichen.words.languages import (
    LANGUAGES,
    PSEUDO,
    choose_language,
    language_of_environment,
)
from lichen.words.words import Words, words_for

__all__ = [
    "LANGUAGES",
    "PSEUDO",
    "Words",
    "choose_language",
    "language_of_environment",
    "words_for",
]
