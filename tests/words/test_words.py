"""Texts, times and numbers of a language."""

import math
import subprocess
import sys

import pytest

from lichen.words import LANGUAGES, Words, words_for

NOON_S = 1_700_000_000.0  # Tuesday, 14 November 2023, 23:13:20 in Berlin
MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86_400.0


def test_every_language_has_words() -> None:
    for language in LANGUAGES:
        words = words_for(language)
        assert words.language == language
        assert words.direction == "ltr"
        assert words_for(language) is words
    assert [words_for(language).tag for language in LANGUAGES] == ["en", "de", "en-XA"]
    with pytest.raises(ValueError, match="no such language"):
        Words("../de")


def test_texts_are_translated_or_stay_english() -> None:
    german = words_for("de")
    assert german.gettext("yesterday") == "gestern"
    assert german.gettext("no such text") == "no such text"
    assert german.gettext("") == ""
    assert german.ngettext("{n} minute", "{n} minutes", 1) == "{n} Minute"
    assert german.ngettext("{n} minute", "{n} minutes", 0) == "{n} Minuten"
    assert german.ngettext("one thing", "{n} things", 2) == "{n} things"
    assert german.pgettext("another context", "yesterday") == "yesterday"
    assert words_for("en").ngettext("one thing", "{n} things", 1) == "one thing"
    assert words_for("pseudo").gettext("yesterday") != "yesterday"


@pytest.mark.parametrize(
    ("elapsed_s", "english", "german"),
    [
        (0.0, "just now", "gerade eben"),
        (59.9, "just now", "gerade eben"),
        (-30.0, "just now", "gerade eben"),
        (MINUTE_S, "1 min", "1 Min."),
        (HOUR_S - 1, "59 min", "59 Min."),
        (5 * HOUR_S, "5 h", "5 Std."),
        (DAY_S, "yesterday", "gestern"),
        (2 * DAY_S, "Nov 12", "12. Nov."),
        (400 * DAY_S, "Oct 11, 2022", "11.10.2022"),
        (-2 * MINUTE_S, "Nov 14, 2023", "14.11.2023"),
        (NOON_S - 1_000_000_000, "Sep 9, 2001", "09.09.2001"),
        (NOON_S + 1, "at no time", "zu keiner Zeit"),
        (-1e300, "at no time", "zu keiner Zeit"),
        (math.nan, "at no time", "zu keiner Zeit"),
        (math.inf, "at no time", "zu keiner Zeit"),
    ],
)
def test_how_long_ago(elapsed_s: float, english: str, german: str, berlin: None) -> None:
    assert words_for("en").ago(NOON_S - elapsed_s, NOON_S) == english
    assert words_for("de").ago(NOON_S - elapsed_s, NOON_S) == german


def test_the_day_before_yesterday_may_be_less_than_two_days_ago(berlin: None) -> None:
    morning_s = NOON_S - 15 * HOUR_S
    assert words_for("en").ago(morning_s - 30 * HOUR_S, morning_s) == "yesterday"
    assert words_for("en").ago(morning_s - 33 * HOUR_S, morning_s) == "Nov 12"


def test_moments_are_local_and_iso_is_utc(berlin: None) -> None:
    assert words_for("de").moment(NOON_S) == "14. November 2023, 23:13"
    english = words_for("en").moment(NOON_S).replace("\u202f", " ")
    assert english == "November 14, 2023, 11:13 PM"
    assert words_for("de").iso(NOON_S + 0.9) == "2023-11-14T22:13:20Z"
    for nonsense in (-1.0, math.nan, math.inf, 1e12):
        assert words_for("en").moment(nonsense) == "at no time"
        assert words_for("en").iso(nonsense) == ""
    assert words_for("en").iso(253_402_214_400.0)
    assert words_for("en").moment(253_402_214_400.0)


def test_numbers() -> None:
    assert words_for("en").number(1_234_567) == "1,234,567"
    assert words_for("de").number(1_234_567.5) == "1.234.567,5"


@pytest.mark.parametrize(
    ("n_bytes", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1450, "1,4 kB"),
        (9_949, "9,9 kB"),
        (9_950, "10 kB"),
        (999_400, "999 kB"),
        (999_500, "1 MB"),
        (41_000_000, "41 MB"),
        (5 * 10**15, "5.000 TB"),
    ],
)
def test_sizes(n_bytes: int, shown: str) -> None:
    assert words_for("de").size(n_bytes) == shown


@pytest.mark.parametrize(
    ("s", "shown"),
    [
        (0.0, "0 Sekunden"),
        (-3.0, "0 Sekunden"),
        (1.2, "1 Sekunde"),
        (59.6, "1 Minute"),
        (120.0, "2 Minuten"),
        (3_599.0, "1 Stunde"),
        (86_399.0, "1 Tag"),
        (1_000.0 * DAY_S, "1.000 Tage"),
    ],
)
def test_durations(s: float, shown: str) -> None:
    assert words_for("de").duration(s) == shown


def test_babel_waits_until_it_is_needed() -> None:
    program = (
        "import sys; from lichen.words import words_for; w = words_for('de');"
        "w.gettext('yesterday'); w.ago(2e9, 2e9); w.duration(3); assert 'babel' not in sys.modules;"
        "w.number(3); assert 'babel' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
