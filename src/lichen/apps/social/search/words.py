"""What of a text can be found, and how: the same folding for what is kept and what is asked.

The index is FTS5's with the tokenizer unicode61, which parts a text at whatever is no letter, mark
or digit. Before that, here, capitals, accents and forms of compatibility are made equal (``Straße``
is found by ``strasse``, ``Ìyábọ̀`` by ``iyabo``), and each sign of a script that puts no spaces
between words becomes a word of its own, so that a part of a Japanese sentence is found as a phrase.
Ids are no words: whoever has one goes straight to what it means.

Beside words a message has facets, which are kept as words that nobody can write: they begin with a
sign for private use, which is taken out of every text.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

from lichen.apps.social.content import link_of, parse_mentions
from lichen.feed.canonical import JsonValue
from lichen.feed.message import FeedId
from lichen.feed.refs import feed_key_bytes, is_feed_id, normalize_channel

TOKENIZER = "unicode61 remove_diacritics 0 categories 'L* M* N* Co'"
"""FTS5's part in it; what it calls a letter is what ``is_sayable`` looks for."""
TEXT_MEMBERS = ("title", "name", "summary", "text", "description", "contentWarning", "channel")
"""Members of a content whose words count, of whatever type it is."""
FACETS_OF_A_KIND_MAX = 20
"""Channels, and people mentioned, by which one message is found: more than anybody means."""
SIGNS_KEPT_MAX = 10_000
"""Signs of which it is remembered what they are folded to: those of all common scripts."""

_FACET = "\ue000"
_REFERENCE = re.compile(r"[@%&][A-Za-z0-9+/]{43}=\.\w+(?:\?[\w=%+/.&-]*)?")
_IMAGE = re.compile(r"!\[[^\[\]]*\]\(&")
_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
    "\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff"
    "\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)
_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7a3"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)
_APART = re.compile(f"({_WITHOUT_SPACES.pattern})")


def fold_text(text: str) -> str:
    """Return a text with everything made equal that a search shall not tell apart."""
    # Ascii is what most texts are; its capitals are the tokenizer's to fold.
    return text if text.isascii() else _fold(text)


def searched_text(text: str) -> str:
    """Return typed words as they are looked for; empty where none of them is in any text."""
    # A quotation mark would end FTS5's own, and NUL its text; they are no part of any word.
    folded = fold_text(without_references(text)).replace('"', " ").replace("\0", " ")
    return " ".join(folded.lower().split()) if is_sayable(folded) else ""


def without_references(text: str) -> str:
    """Return a text without the ids in it."""
    return _REFERENCE.sub(" ", text) if "=." in text else text


def indexed_text(content: Mapping[str, JsonValue]) -> str:
    """Return the words of a content as they are kept; empty where it says nothing."""
    said = [value for key in TEXT_MEMBERS if isinstance(value := content.get(key), str) and value]
    # A channel's name alone says nothing, most such messages only subscribe to it; and people are
    # found by their names in another way.
    if len(said) == 1 and (said[0] is content.get("channel") or content.get("type") == "about"):
        said = said if content.get("description") else []
    return fold_text(without_references("\n".join(said)))


def facets_of(feed: FeedId, content: Mapping[str, JsonValue]) -> list[str]:
    """Return the facets of a message, as words."""
    kind = content.get("type")
    facets = [author_facet(feed), type_facet(kind if isinstance(kind, str) else "")]
    if content.get("root") is not None and link_of(content["root"]) is not None:
        facets.append(REPLY)
    text = content.get("text")
    if isinstance(text, str) and _IMAGE.search(text):
        facets.append(IMAGE)
    channels, people = set(), set()
    if isinstance(channel := content.get("channel"), str):
        channels.add(normalize_channel(channel) or "")
    if mentions := content.get("mentions"):
        for mention in parse_mentions(mentions):
            if mention.link.startswith("#"):
                channels.add(normalize_channel(mention.link) or "")
            elif is_feed_id(mention.link):
                people.add(FeedId(mention.link))
    facets += [channel_facet(one) for one in sorted(channels - {""})[:FACETS_OF_A_KIND_MAX]]
    facets += [mention_facet(one) for one in sorted(people)[:FACETS_OF_A_KIND_MAX]]
    return facets


@lru_cache(maxsize=20_000)
def author_facet(feed: FeedId) -> str:
    """Return the word for everything that a feed wrote; half of the key is enough to tell it."""
    return f"{_FACET}a{feed_key_bytes(feed)[:16].hex()}"


@lru_cache(maxsize=20_000)
def mention_facet(feed: FeedId) -> str:
    """Return the word for everything that mentions a feed."""
    return f"{_FACET}m{feed_key_bytes(feed)[:16].hex()}"


@lru_cache(maxsize=5_000)
def channel_facet(channel: str) -> str:
    """Return the word for everything in a channel; its name is normalized."""
    return f"{_FACET}c{channel.encode('utf-8', 'surrogatepass').hex()}"


@lru_cache(maxsize=1_000)
def type_facet(kind: str) -> str:
    """Return the word for everything of a type."""
    return f"{_FACET}t{kind.encode('utf-8', 'surrogatepass').hex()}"


REPLY = f"{_FACET}r"
"""The word for whatever answers something."""
IMAGE = f"{_FACET}i"
"""The word for whatever shows a picture."""


def is_sayable(text: str) -> bool:
    """Tell whether a folded text holds anything that the tokenizer makes words of."""
    return any(unicodedata.category(sign)[0] in "LMN" for sign in text)


def is_dense(text: str) -> bool:
    """Tell whether a text is of a script where one sign says as much as a syllable or a word."""
    return _WITHOUT_SPACES.search(text) is not None


def named_text(content: Mapping[str, JsonValue]) -> str:
    """Return the name that a content gives somebody or something, as it is kept."""
    name = content.get("name") if content.get("type") == "about" else None
    return fold_text(name) if isinstance(name, str) else ""


def folded_with_places(text: str) -> tuple[str, Sequence[int]]:
    """Fold a text sign by sign; return it with the place in ``text`` of each folded sign."""
    if text.isascii():
        return text.lower(), range(len(text))
    signs = list(map(_folded_signs.__getitem__, text))
    folded = "".join(signs)
    if len(folded) == len(text) == sum(map(bool, signs)):
        return folded, range(len(text))
    return folded, [place for place, sign in enumerate(signs) for _ in sign]


def _fold(text: str) -> str:
    text = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    text = unicodedata.normalize("NFC", text).casefold().replace(_FACET, " ")
    # Parted with the signs kept and joined by spaces: half the time of putting spaces around each.
    return " ".join(_APART.split(text))


class _FoldedSigns(dict[str, str]):
    """A sign to what it is folded to, worked out when first asked."""

    def __missing__(self, sign: str) -> str:
        if len(self) >= SIGNS_KEPT_MAX:
            self.clear()
        folded = self[sign] = " " if sign.isspace() else _fold(sign).strip(" ")
        return folded


_folded_signs = _FoldedSigns()
