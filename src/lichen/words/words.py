"""One language: its texts, times, numbers and sizes.

Times are seconds of the wall clock and may be claims of strangers: what no clock can show is said
to be at no time. Babel knows how dates and numbers are written; it is imported with the first one,
because the command line must begin at once.
"""

import datetime as dt
from functools import cache, lru_cache
from pathlib import Path

from lichen.words.catalogue import Catalogue, read_catalogue
from lichen.words.languages import DEFAULT, LANGUAGES, PSEUDO, TAGS
from lichen.words.phrases import Phrase
from lichen.words.pseudo import disguise

LOCALE_DIRECTORY = Path(__file__).with_name("locale")

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
SSB_BEGAN_S = 1_356_998_400.0
"""2013 began: no message is older, so what claims to be was dated by a broken clock."""
CLOCK_DRIFT_S_MAX = 60.0
"""Two good clocks differ by less; what is further ahead is in the future."""
TEXTS_KEPT_MAX = 4096
"""Texts of one kind that are kept: a page asks for the same dates each time it is shown."""
_TIME_S_MAX = 253_402_214_400.0
_SIZE_UNITS = ("kB", "MB", "GB", "TB")


class Words:
    """One language: its texts, dates and numbers. Safe to share between threads."""

    __slots__ = ("_catalogue", "direction", "language", "tag")

    def __init__(self, language: str) -> None:
        if language not in LANGUAGES:
            raise ValueError("there is no such language")
        self.language = language
        self.tag = TAGS[language]
        """For the ``lang`` attribute of a page."""
        self.direction = "ltr"
        self._catalogue: Catalogue | None = None
        if language not in {DEFAULT, PSEUDO}:
            self._catalogue = read_catalogue(LOCALE_DIRECTORY / f"{language}.po")

    def gettext(self, text: str) -> str:
        """Return a text in this language; what has no translation stays English."""
        return self._form("", text, text, 1)

    def ngettext(self, one: str, many: str, n: int) -> str:
        """Return the form of a text that fits a number; the caller fills the number in."""
        return self._form("", one, many, n)

    def pgettext(self, context: str, text: str) -> str:
        """Return a text whose English has several meanings; the context says which is meant."""
        return self._form(context, text, text, 1)

    def npgettext(self, context: str, one: str, many: str, n: int) -> str:
        """Return the form that fits a number, of a text with a context."""
        return self._form(context, one, many, n)

    def tell(self, text: str) -> str:
        """Return a phrase in this language; a plain text has been told already and stays."""
        if not isinstance(text, Phrase):
            return text
        values = {
            name: self.tell(value) if isinstance(value, str) else self.number(value)
            for name, value in text.values.items()
        }
        return self._form("", text.template, text.many or text.template, text.n).format_map(values)

    def _form(self, context: str, one: str, many: str, n: int) -> str:
        if self._catalogue is not None:
            forms = self._catalogue.texts.get((context, one))
            if forms is not None:
                # A text that is only asked for in the singular has one form.
                return forms[self._catalogue.form_of(n) if len(forms) > 1 else 0]
        english = one if n == 1 else many
        return _disguised(english) if self.language == PSEUDO else english

    def ago(self, then_s: float, now_s: float) -> str:
        """Return how long ago something was, shortly; a date when that says more."""
        then = _local(then_s)
        if then is None:
            return self.gettext("at no time")
        elapsed_s = now_s - then_s
        now = _local(now_s)
        if now is None or elapsed_s < -CLOCK_DRIFT_S_MAX or then_s < SSB_BEGAN_S:
            return _date(self.tag, then.date(), has_year=True)
        if elapsed_s < MINUTE_S:
            return self.gettext("just now")
        if elapsed_s < HOUR_S:
            return self.gettext("{n} min").format(n=int(elapsed_s // MINUTE_S))
        if elapsed_s < DAY_S:
            return self.gettext("{n} h").format(n=int(elapsed_s // HOUR_S))
        if (now.date() - then.date()).days == 1:
            return self.gettext("yesterday")
        return _date(self.tag, then.date(), has_year=then.year != now.year)

    def moment(self, then_s: float) -> str:
        """Return date and time of day in the time zone of this machine."""
        then = _local(then_s)
        if then is None:
            return self.gettext("at no time")
        # Without its zone: two times of one instant are equal, whatever their clocks show.
        return _date_and_time(self.tag, then.replace(second=0, microsecond=0, tzinfo=None))

    def iso(self, then_s: float) -> str:
        """Return a time as programs read it, in UTC; an empty text for no time."""
        if not 0 <= then_s <= _TIME_S_MAX:
            return ""
        return dt.datetime.fromtimestamp(int(then_s), tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def number(self, n: float) -> str:
        """Return a number with the marks of this language."""
        return _decimal(self.tag, n)

    def size(self, n_bytes: int) -> str:
        """Return a number of bytes, rounded to two or three figures."""
        amount, unit = float(n_bytes), "B"
        for larger in _SIZE_UNITS:
            # What would be written as 1000 is 1 of the next unit.
            if round(amount) < 1000:
                break
            amount, unit = amount / 1000, larger
        shown = round(amount, 1) if unit != "B" and amount < 9.95 else round(amount)
        return f"{self.number(shown)} {unit}"

    def duration(self, s: float) -> str:
        """Return a time span in its largest fitting unit."""
        seconds = max(0, round(s))
        if seconds < MINUTE_S:
            return self.ngettext("{n} second", "{n} seconds", seconds).format(n=seconds)
        minutes = round(seconds / MINUTE_S)
        if minutes < HOUR_S // MINUTE_S:
            return self.ngettext("{n} minute", "{n} minutes", minutes).format(n=minutes)
        hours = round(seconds / HOUR_S)
        if hours < DAY_S // HOUR_S:
            return self.ngettext("{n} hour", "{n} hours", hours).format(n=hours)
        days = round(seconds / DAY_S)
        return self.ngettext("{n} day", "{n} days", days).format(n=self.number(days))


@cache
def words_for(language: str) -> Words:
    """Return the words of a language by its code; an unknown code raises ``ValueError``."""
    return Words(language)


@lru_cache(TEXTS_KEPT_MAX)
def _disguised(text: str) -> str:
    return disguise(text)


def _local(then_s: float) -> dt.datetime | None:
    """Return a time in the zone of this machine; None if no calendar has it."""
    if not 0 <= then_s <= _TIME_S_MAX:
        return None
    return dt.datetime.fromtimestamp(then_s, tz=dt.UTC).astimezone()


@lru_cache(TEXTS_KEPT_MAX)
def _date(tag: str, date: dt.date, *, has_year: bool) -> str:
    from babel.dates import format_date, format_skeleton  # noqa: PLC0415 (slow to import)

    if has_year:
        return format_date(date, "medium", _locale(tag))
    return format_skeleton("MMMd", dt.datetime.combine(date, dt.time()), locale=_locale(tag))


@lru_cache(TEXTS_KEPT_MAX)
def _date_and_time(tag: str, then: dt.datetime) -> str:
    from babel.dates import (  # noqa: PLC0415 (slow to import)
        format_date,
        format_time,
        get_datetime_format,
    )

    locale = _locale(tag)
    pattern = str(get_datetime_format("long", locale)).replace("'", "")
    date = format_date(then.date(), "long", locale)
    return pattern.replace("{1}", date).replace("{0}", format_time(then, "short", locale=locale))


def _decimal(tag: str, n: float) -> str:
    from babel.numbers import format_decimal  # noqa: PLC0415 (slow to import)

    return format_decimal(n, locale=_locale(tag))


def _locale(tag: str) -> str:
    return tag.partition("-")[0]
