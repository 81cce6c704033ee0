"""The language of search: any text becomes a question, or a sentence that says what to mend.

    straw OR hay -wet "two bales" stone* author:anna channel:#allotment after:2026-03 sort:best

Words stand beside each other and all of them must be there; ``OR`` joins its two neighbours more
closely than that; a minus sign excludes. Nothing here is FTS5's syntax, and nothing that is typed
reaches FTS5 as syntax: ``matching`` quotes what was read. Pure: what time it is, is an argument.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from lichen.apps.social.search import words
from lichen.feed.message import FeedId
from lichen.feed.refs import is_feed_id, normalize_channel
from lichen.words import N_, Phrase

QUERY_CHARACTERS_MAX = 500
"""Characters of a question: longer ones are something pasted by mistake."""
PARTS_MAX = 32
"""Words, phrases and operators of one question: each is looked up on its own."""
BEGINNING_LETTERS_MIN = 2
"""Letters before a ``*``: what begins with one letter is a good part of everything."""
DAYS_AGO_MAX = 36_500
"""How far back ``7d`` and the like may reach."""
YEAR_MIN, YEAR_MAX = 1970, 9998
"""Years that every clock of this program can tell."""

NEWEST, BEST = "newest", "best"
PEOPLE = ("author", "mentions")
ALIASES = {"from": "author", "by": "author", "in": "channel", "since": "after", "until": "before"}
OPERATORS = ("author", "channel", "mentions", "type", "is", "has", "after", "before", "sort")
ME = ("me", "mine")

_PART = re.compile(
    r"(?P<minus>-?)(?:(?P<operator>[A-Za-z]+):(?P<value>\"[^\"]*\"?|[^\s\"]*)"
    r"|\"(?P<phrase>[^\"]*)\"?(?P<star>\*?)|(?P<word>[^\s\"]+))"
)
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
_AGO = re.compile(r"(\d{1,5})([hdwmy])")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24, "m": 30 * 24, "y": 365 * 24}


class Said(msgspec.Struct, frozen=True):
    """A word or several in a row, folded; ``is_beginning``: the last is the beginning of a word."""

    text: str
    is_beginning: bool = False


class Facet(msgspec.Struct, frozen=True):
    """What an operator asks for. People are what was typed: a name, an id, a part of either."""

    kind: str
    value: str


Part = Said | Facet


class Query(msgspec.Struct, frozen=True):
    """A question: one of each group in ``all_of``, and nothing of ``none_of``.

    ``after`` (included) and ``before`` (not included) are times of day where the reader is.
    """

    all_of: tuple[tuple[Part, ...], ...] = ()
    none_of: tuple[Part, ...] = ()
    after: dt.datetime | None = None
    before: dt.datetime | None = None
    order: str = NEWEST
    is_private: bool = False

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is asked."""
        return self == Query(order=self.order)

    @property
    def said(self) -> tuple[Said, ...]:
        """Return the words that are looked for, for marking them."""
        return tuple(part for group in self.all_of for part in group if isinstance(part, Said))

    def people(self) -> Iterator[str]:
        """Yield what was typed for people, each once."""
        every = [*(part for group in self.all_of for part in group), *self.none_of]
        yield from dict.fromkeys(
            part.value for part in every if isinstance(part, Facet) and part.kind in PEOPLE
        )


class Complaint(msgspec.Struct, frozen=True):
    """What cannot be answered as it was typed, and what to do."""

    message: Phrase
    hint: Phrase


class _Unclear(Exception):  # noqa: N818 (it says what is the matter)
    def __init__(self, message: Phrase, hint: Phrase) -> None:
        super().__init__(message)
        self.complaint = Complaint(message, hint)


class _Reading:
    """What was read so far."""

    __slots__ = ("after", "before", "groups", "is_joined", "is_private", "none_of", "now", "order")

    def __init__(self, now: dt.datetime) -> None:
        self.now = now
        self.groups: list[list[Part]] = []
        self.none_of: list[Part] = []
        self.is_joined = False
        self.after: dt.datetime | None = None
        self.before: dt.datetime | None = None
        self.order = NEWEST
        self.is_private = False

    def add(self, part: Part, *, is_excluded: bool) -> None:
        if is_excluded:
            self.none_of.append(part)
        elif self.is_joined and self.groups:
            self.groups[-1].append(part)
        else:
            self.groups.append([part])
        self.is_joined = False

    def query(self) -> Query:
        return Query(
            all_of=tuple(_merged(self.groups)),
            none_of=tuple(dict.fromkeys(self.none_of)),
            after=self.after,
            before=self.before,
            order=self.order,
            is_private=self.is_private,
        )


def parse_query(text: str, now: dt.datetime) -> Query | Complaint:
    """Read a question. ``now``: the time of day where the reader is, without a zone."""
    if len(text) > QUERY_CHARACTERS_MAX:
        return Complaint(
            N_("This is too long to search for."),
            N_("Leave a few words that tell it from other texts."),
        )
    reading = _Reading(now)
    text = text.encode("utf-8", "replace").decode()
    try:
        for found in _parts(text):
            _read_part(reading, found)
        query = reading.query()
        _check(query)
    except _Unclear as unclear:
        return unclear.complaint
    return query


def can_fit(query: Query, people: Mapping[str, Sequence[FeedId]]) -> bool:
    """Tell whether anything can fit: not where a group asks for nothing but people unknown here.

    ``people``: whom each of ``query.people()`` means. Whoever means nobody is found nowhere, and
    leaves nothing out.
    """
    return all(any(any(_quoted(part, people)) for part in group) for group in query.all_of)


def matching(query: Query, people: Mapping[str, Sequence[FeedId]]) -> str | None:
    """Return a question that ``can_fit`` in FTS5's language, None without words and facets."""
    groups = [
        "(" + " OR ".join(word for part in group for word in _quoted(part, people)) + ")"
        for group in query.all_of
    ]
    if not groups:
        return None
    wanted = " AND ".join(groups)
    unwanted = " OR ".join(word for part in query.none_of for word in _quoted(part, people))
    return f"({wanted}) NOT ({unwanted})" if unwanted else wanted


def _quoted(part: Part, people: Mapping[str, Sequence[FeedId]]) -> Iterator[str]:
    if isinstance(part, Said):
        yield f'"{part.text}"' + (" *" if part.is_beginning else "")
    elif part.kind in PEOPLE:
        facet = words.author_facet if part.kind == "author" else words.mention_facet
        yield from (f'"{facet(feed)}"' for feed in people.get(part.value, ()))
    elif part.kind == "channel":
        yield f'"{words.channel_facet(part.value)}"'
    elif part.kind == "type":
        yield f'"{words.type_facet(part.value)}"'
    else:
        yield f'"{_SIMPLE[part]}"'


_SIMPLE = {
    Facet("is", "reply"): words.REPLY,
    Facet("is", "post"): words.type_facet("post"),
    Facet("has", "image"): words.IMAGE,
}
_IS = {"reply": "reply", "replies": "reply", "post": "post", "posts": "post"}
_HAS = {"image": "image", "picture": "image", "images": "image", "pictures": "image"}


def _parts(text: str) -> Sequence[re.Match[str]]:
    parts = list(_PART.finditer(text))
    if len(parts) > PARTS_MAX:
        raise _Unclear(
            N_("A search has at most {most} words and operators.", most=PARTS_MAX),
            N_("Leave a few words that tell it from other texts."),
        )
    return parts


def _read_part(reading: _Reading, found: re.Match[str]) -> None:
    is_excluded = found["minus"] == "-"
    operator = ALIASES.get((found["operator"] or "").lower(), (found["operator"] or "").lower())
    if operator in OPERATORS:
        value = found["value"].strip('"').strip()
        if not value:
            raise _Unclear(
                N_("Something is missing after {operator}", operator=f"{operator}:"),
                EXAMPLES[operator],
            )
        _READERS[operator](reading, value, is_excluded)
        return
    if found["word"] in {"OR", "|"}:
        reading.is_joined = True
        return
    word = found["word"] or ""
    if word.startswith("#") and normalize_channel(word):
        _read_channel(reading, word, is_excluded)
    elif is_feed_id(word):
        reading.add(Facet("mentions", word), is_excluded=is_excluded)
    elif found["phrase"] is not None:
        _read_said(reading, found["phrase"], bool(found["star"]), is_excluded)
    else:
        said = word or f"{found['operator']} {found['value']}"
        _read_said(reading, said.rstrip("*"), said.endswith("*"), is_excluded)


def _read_said(reading: _Reading, text: str, is_beginning: bool, is_excluded: bool) -> None:
    said = words.searched_text(text)
    if not said:
        return
    letters = len(re.split(r"[\W_]+", said)[-1])
    if is_beginning and letters < BEGINNING_LETTERS_MIN and not words.is_dense(said):
        raise _Unclear(
            N_("{text}* would be the beginning of too many words.", text=text.strip()),
            N_("Give at least {least} letters before the star.", least=BEGINNING_LETTERS_MIN),
        )
    reading.add(Said(said, is_beginning), is_excluded=is_excluded)


def _read_person(kind: str) -> Callable[[_Reading, str, bool], None]:
    def read(reading: _Reading, value: str, is_excluded: bool) -> None:
        person = "me" if value.lower() in ME else value
        reading.add(Facet(kind, person), is_excluded=is_excluded)

    return read


def _read_channel(reading: _Reading, value: str, is_excluded: bool) -> None:
    channel = normalize_channel(value)
    if channel is None:
        raise _Unclear(N_("{name} is not the name of a channel.", name=value), EXAMPLES["channel"])
    reading.add(Facet("channel", channel), is_excluded=is_excluded)


def _read_type(reading: _Reading, value: str, is_excluded: bool) -> None:
    reading.add(Facet("type", value), is_excluded=is_excluded)


def _read_is(reading: _Reading, value: str, is_excluded: bool) -> None:
    value = value.lower()
    if value == "private" and not is_excluded:
        reading.is_private = True
    elif value in ME:
        reading.add(Facet("author", "me"), is_excluded=is_excluded)
    elif value in _IS:
        reading.add(Facet("is", _IS[value]), is_excluded=is_excluded)
    elif value != "private":
        raise _Unclear(
            N_("{operator} knows no {value}.", operator="is:", value=value), EXAMPLES["is"]
        )


def _read_has(reading: _Reading, value: str, is_excluded: bool) -> None:
    if value.lower() not in _HAS:
        raise _Unclear(
            N_("{operator} knows no {value}.", operator="has:", value=value), EXAMPLES["has"]
        )
    reading.add(Facet("has", _HAS[value.lower()]), is_excluded=is_excluded)


def _read_after(reading: _Reading, value: str, is_excluded: bool) -> None:
    if is_excluded:
        raise _not_excluding("after")
    moment = _moment(value, reading.now, "after")
    reading.after = moment if reading.after is None else max(moment, reading.after)


def _read_before(reading: _Reading, value: str, is_excluded: bool) -> None:
    if is_excluded:
        raise _not_excluding("before")
    moment = _moment(value, reading.now, "before")
    reading.before = moment if reading.before is None else min(moment, reading.before)


def _read_sort(reading: _Reading, value: str, is_excluded: bool) -> None:
    if value.lower() not in {NEWEST, BEST} or is_excluded:
        raise _Unclear(
            N_("{operator} knows no {value}.", operator="sort:", value=value), EXAMPLES["sort"]
        )
    reading.order = value.lower()


_READERS: dict[str, Callable[[_Reading, str, bool], None]] = {
    "author": _read_person("author"),
    "mentions": _read_person("mentions"),
    "channel": _read_channel,
    "type": _read_type,
    "is": _read_is,
    "has": _read_has,
    "after": _read_after,
    "before": _read_before,
    "sort": _read_sort,
}
EXAMPLES: dict[str, Phrase] = {
    "author": N_("A name, its beginning, an id, or me: author:anna"),
    "mentions": N_("A name, its beginning, an id, or me: mentions:me"),
    "channel": N_("The name of a channel: channel:#bread"),
    "type": N_("A type of message: type:gathering"),
    "is": N_("It can be: is:reply, is:post, is:mine, is:private"),
    "has": N_("It can be: has:image"),
    "after": N_("A year, month or day, or how long ago: after:2026-03, after:7d"),
    "before": N_("A year, month or day, or how long ago: before:2025, before:6m"),
    "sort": N_("It can be: sort:newest, sort:best"),
}


def _moment(value: str, now: dt.datetime, operator: str) -> dt.datetime:
    """Return where a date begins, or how long ago something is."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    value = value.lower()
    if value in {"today", "yesterday"}:
        return today - dt.timedelta(days=value == "yesterday")
    ago, date = _AGO.fullmatch(value), _DATE.fullmatch(value)
    try:
        if ago is not None and int(ago[1]) * _HOURS[ago[2]] <= 24 * DAYS_AGO_MAX:
            moment = now - dt.timedelta(hours=int(ago[1]) * _HOURS[ago[2]])
            return max(moment, today.replace(year=YEAR_MIN, month=1, day=2))
        if date is not None and YEAR_MIN <= int(date[1]) <= YEAR_MAX:
            year, month, day = (int(part or 1) for part in date.groups())
            return today.replace(year=year, month=month, day=day)
    except (ValueError, OverflowError):
        pass
    raise _Unclear(N_("{value} is no date.", value=value), EXAMPLES[operator])


def _not_excluding(operator: str) -> _Unclear:
    return _Unclear(
        N_("A date cannot be excluded."),
        N_("Say {other} instead.", other="before:" if operator == "after" else "after:"),
    )


def _merged(groups: Sequence[Sequence[Part]]) -> Iterator[tuple[Part, ...]]:
    """Yield the groups; a message has one author and one type, so several mean any of them."""
    alone: dict[str, dict[Part, None]] = {}
    for group in groups:
        (first, *others) = group
        if not others and isinstance(first, Facet) and first.kind in {"author", "type"}:
            alone.setdefault(first.kind, {})[first] = None
        else:
            yield tuple(dict.fromkeys(group))
    yield from (tuple(parts) for parts in alone.values())


def _check(query: Query) -> None:
    if query.none_of and not query.all_of:
        raise _Unclear(
            N_("This says only what shall not be there."),
            N_("Add a word or a person to look for."),
        )
