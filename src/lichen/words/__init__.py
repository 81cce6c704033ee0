"""The languages of Lichen: every text that a person reads passes through here."""

from lichen.words.languages import (
    LANGUAGES,
    PSEUDO,
    choose_language,
    language_of_environment,
)
from lichen.words.phrases import N_, N_many, Phrase, parse_phrase, phrase_of
from lichen.words.words import Words, words_for

__all__ = [
    "LANGUAGES",
    "N_",
    "PSEUDO",
    "N_many",
    "Phrase",
    "Words",
    "choose_language",
    "language_of_environment",
    "parse_phrase",
    "phrase_of",
    "words_for",
]
