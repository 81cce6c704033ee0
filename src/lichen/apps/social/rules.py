"""What follows from messages: the order of a thread, its heads and gaps, which name counts.

Thread order and heads are those of ssb-sort: a message stands after everything of the thread that
it links to, directly or through others; where that says nothing, the time of receipt decides, then
the claimed time, then the key, descending. Names are chosen as in ssb-about: what I say, else what
the subject says, else what most people say. Texts of strangers are made fit for one line of a page.
Everything here is a pure function of its arguments.
"""

import heapq
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Container, Iterable, Sequence

import msgspec

from lichen.feed.message import FeedId, MsgId

NAME_CHARACTERS_MAX = 120
"""Characters of a name: the longest real ones are full names with a title."""
TITLE_CHARACTERS_MAX = 80
"""Characters of a text that stand for it as a title: one line of a page."""
TITLE_SOURCE_CHARACTERS = 2_000
"""Characters of a text that are looked through for its title."""
NETWORK_BEGAN_MS = 1_388_534_400_000.0
"""The year 2014: no message is older, so a claim of an earlier time is a clock that was not set."""

EXPRESSION_CHARACTERS_MAX = 32
"""Characters of a vote's expression that are kept: real ones are a word or an emoji."""

_find_id_values = re.compile(
    rb'"(%[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=\.sha256)"(?!:)(?<=[:,\[].{54})', re.DOTALL
).findall
_PLAIN_LIKES = frozenset({"like", "yup", "dig", "dug", "upvote"})
_IMAGE_OR_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
_MARKS = re.compile(r"^[\s#>*+_`~=-]+|[*`~]+|(?<!\w)_+|(?<!_)_++(?!\w)")
_JOINERS = "\u200c\u200d"
_NO_JOINERS = str.maketrans("", "", _JOINERS)
# Letters and digits that most typefaces draw nearly alike, each as the one it is compared by.
_LOOKS_LIKE = str.maketrans(
    {
        "0": "o", "1": "l", "i": "l", "|": "l", "5": "s", "\u0131": "l",
        "\u0430": "a", "\u0435": "e", "\u043e": "o", "\u0440": "p", "\u0441": "c",
        "\u0443": "y", "\u0445": "x", "\u0456": "l", "\u0458": "j", "\u0455": "s",
        "\u03bf": "o", "\u03b1": "a", "\u03b9": "l", "\u03bd": "v", "\u03c1": "p",
    }
)  # fmt: skip


class ThreadMessage(msgspec.Struct, frozen=True):
    """What the order of a thread depends on. ``links``: every message the value points at."""

    key: MsgId
    links: frozenset[MsgId]
    received_ms: float
    timestamp: float


class Claim(msgspec.Struct, frozen=True):
    """The latest value one author gave a field of a subject; None: taken back."""

    author: FeedId
    value: str | None


def message_links(data: bytes) -> frozenset[MsgId]:
    """Return every message id that is a value, anywhere in a message's canonical text.

    Nothing is parsed: an id has one spelling there, a quotation mark within a text stands behind a
    backslash, and one that opens a value behind a colon, a comma or a bracket.
    """
    return frozenset(MsgId(key.decode()) for key in _find_id_values(data))


def sort_thread(messages: Iterable[ThreadMessage]) -> list[ThreadMessage]:
    """Return the messages in reading order: causes first, then by time."""
    by_key = {message.key: message for message in messages}
    ranked = sorted(by_key.values(), key=lambda message: message.key, reverse=True)
    ranked.sort(key=lambda message: (message.received_ms, message.timestamp))
    if _has_causes_first(ranked, by_key):
        return ranked  # as nearly all threads were received
    rank = {message.key: place for place, message in enumerate(ranked)}
    waiting_for = {
        message.key: {link for link in message.links if link in rank and link != message.key}
        for message in ranked
    }
    waiters: dict[MsgId, list[MsgId]] = {}
    for key, causes in waiting_for.items():
        for cause in causes:
            waiters.setdefault(cause, []).append(key)
    ready = [rank[key] for key, causes in waiting_for.items() if not causes]
    heapq.heapify(ready)
    ordered: list[ThreadMessage] = []
    while ready:
        message = ranked[heapq.heappop(ready)]
        ordered.append(message)
        for waiter in waiters.get(message.key, ()):
            waiting_for[waiter].discard(message.key)
            if not waiting_for[waiter]:
                heapq.heappush(ready, rank[waiter])
    # A circle of hashes cannot be made; if one is given all the same, nothing may get lost.
    placed = {message.key for message in ordered}
    return ordered + [message for message in ranked if message.key not in placed]


def _has_causes_first(ranked: Sequence[ThreadMessage], keys: Container[MsgId]) -> bool:
    placed: set[MsgId] = set()
    for message in ranked:
        placed.add(message.key)
        if any(link not in placed and link in keys for link in message.links):
            return False
    return True


def heads(messages: Collection[ThreadMessage]) -> list[MsgId]:
    """Return the messages that no other of the thread links to, sorted by key."""
    linked = {link for message in messages for link in message.links if link != message.key}
    return sorted({message.key for message in messages} - linked)


def roots(messages: Collection[ThreadMessage]) -> list[MsgId]:
    """Return the messages that link to no other of the thread, in reading order."""
    keys = {message.key for message in messages}
    return [
        message.key
        for message in sort_thread(messages)
        if not (message.links - {message.key}) & keys
    ]


def choose_value(claims: Sequence[Claim], viewer: FeedId, owner: FeedId | None) -> str | None:
    """Return the value that counts for ``viewer``: own word, the owner's, the most frequent one.

    Equally frequent values: the one first in code point order, so that the choice is stable.
    """
    by_author = {claim.author: claim.value for claim in claims if claim.value}
    for author in (viewer, owner):
        if author is not None and by_author.get(author):
            return by_author[author]
    counts = Counter(value for value in by_author.values() if value)
    return min(counts, key=lambda value: (-counts[value], value), default=None)


def believable_ms(claimed_ms: float, received_ms: float) -> float:
    """Return the time to show for a message: the claimed one, but never later than its receipt.

    A claim from before the network began is none, and the time of receipt stands in for it.
    """
    if NETWORK_BEGAN_MS <= claimed_ms < received_ms:
        return claimed_ms
    return received_ms


def clean_line(text: str, characters_max: int) -> str:
    """Return a text as one line that can do no harm: no controls, no turned writing, not too long.

    The two joiners stay, for Persian, Indic scripts and many emoji need them.
    """
    if len(text) <= characters_max and text.isprintable() and "  " not in text:
        return text.strip(" ")  # as nearly all are; a joiner is not printable
    line = " ".join(text[: 8 * characters_max].split())
    if not line.translate(_NO_JOINERS).isprintable() or line.strip(_JOINERS) != line:
        line = "".join(sign for sign in line if sign.isprintable() or sign in _JOINERS)
        line = " ".join(line.split()).strip(_JOINERS)
    return line if len(line) <= characters_max else f"{line[: characters_max - 1].rstrip()}…"


def first_words(text: str) -> str:
    """Return the first line of a Markdown text that says anything, without its marks, shortened."""
    for line in text[:TITLE_SOURCE_CHARACTERS].splitlines():
        said = _MARKS.sub("", _IMAGE_OR_LINK.sub(r"\1", line))
        words = clean_line(said, 8 * TITLE_CHARACTERS_MAX)
        if any(sign.isalnum() for sign in words):
            if len(words) <= TITLE_CHARACTERS_MAX:
                return words
            cut = words[:TITLE_CHARACTERS_MAX]
            return f"{cut.rpartition(' ')[0] or cut}…"
    return ""


def name_skeleton(name: str) -> str:
    """Return what names that look alike have in common; empty where nothing is left to compare.

    Compatibility forms, capitals, accents, spaces and the commonest twins of Latin letters do not
    count. It is no full table of confusable signs: it finds the easy tricks.
    """
    folded = unicodedata.normalize("NFKC", name[: 8 * NAME_CHARACTERS_MAX]).casefold()
    bare = unicodedata.normalize("NFKD", folded).translate(_LOOKS_LIKE)
    return "".join(
        sign for sign in bare if sign.isalnum() or unicodedata.category(sign)[0] in "SL"
    ).replace("rn", "m")[:NAME_CHARACTERS_MAX]


def plain_expression(expression: str) -> str:
    """Return a vote's expression, empty for the words by which clients mean a plain like."""
    cleaned = clean_line(expression, EXPRESSION_CHARACTERS_MAX)
    return "" if cleaned.casefold() in _PLAIN_LIKES else cleaned
