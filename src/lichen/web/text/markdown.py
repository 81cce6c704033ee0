"""The text of a post as safe HTML.

The dialect is the one of the JavaScript clients: CommonMark with tables, strikethrough and bare
links, where a line break is a line break and HTML is text. Headings begin at the third level, below
those of the page, and skip none. Images from elsewhere are never loaded: they become links. At the
end an exact list of tags and attributes decides what remains, whatever the parser did.

A text can be written to cost time. What is bounded: its length, how deep it nests, and the cells of
its tables; beyond that it is shown plainly.
"""

import html
import re
from collections.abc import Iterator, Sequence
from typing import cast

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore, linkify
from markdown_it.token import Token

from lichen.web.text.links import Links
from lichen.web.text.references import find_references, parse_target

TEXT_CHARACTERS_MAX = 8192
"""A message has no more; a longer text is something else and is shown plainly."""
NESTING_MAX = 20
"""Levels of quotes, lists and emphasis; people use three, and time grows with each."""
TABLE_CELLS_MAX = 4000
"""Empty cells are filled in, so that 8 kB of text can ask for 60,000; beyond, no tables."""

PICTURES_MAX = 16
"""Pictures of one post that are shown; further ones are links. To show one is to ask the people
near for it, and no stranger shall make me ask for hundreds by being displayed."""

TAGS = frozenset(
    {"a", "blockquote", "br", "code", "em", "hr", "img", "p", "pre", "s", "strong"}
    | {"h3", "h4", "h5", "h6", "li", "ol", "ul"}
    | {"table", "tbody", "td", "th", "thead", "tr"}
)
ATTRIBUTES = {"a": {"href"}, "img": {"src", "alt", "loading"}, "ol": {"start"}}
MENTION_CLASS = "at"

_cleaner = nh3.Cleaner(
    tags=set(TAGS),
    clean_content_tags=set(),
    attributes=ATTRIBUTES,
    allowed_classes={"a": {MENTION_CLASS}},
    # What may be wider than the page is scrolled, with the keyboard too.
    set_tag_attribute_values={"pre": {"tabindex": "0"}, "table": {"tabindex": "0"}},
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
)

# Marks that turn the direction of all that follows; the ones that isolate stay.
_TURNING = re.compile("[\u202a-\u202e]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"\s+")
_DELIMITER_ROW = re.compile(r"^[ \t>]*[|:-][|: \t-]*$", re.MULTILINE)


def render(text: str, links: Links) -> str:
    """Return a text as HTML that can stand in a page."""
    text = _readable(text)
    if len(text) > TEXT_CHARACTERS_MAX:
        return plain(text)
    parser = _PARSER if _cells_bound(text) <= TABLE_CELLS_MAX else _PARSER_WITHOUT_TABLES
    return _cleaner.clean(
        parser.render(text, {"links": links, "pictures": iter(range(PICTURES_MAX))})
    )


def plain(text: str) -> str:
    """Return a text as one paragraph of HTML, with nothing in it interpreted."""
    lines = html.escape(_readable(text).replace("\0", "\ufffd"), quote=False).split("\n")
    return f"<p>{'<br>'.join(lines)}</p>"


def first_words(text: str, characters: int) -> str:
    """Return the beginning of a text, without its Markdown, on one line. Tables stay as typed."""
    # What stands far behind the part that is shown need not be parsed.
    tokens = _WORDS_PARSER.parse(_readable(text)[: 4 * characters + 400])
    words = _SPACES.sub(" ", " ".join(_plain_words(tokens))).strip()
    if len(words) <= characters:
        return words
    cut = words[: characters - 1]
    at_space = cut.rfind(" ")
    return (cut[:at_space] if at_space > characters // 2 else cut).rstrip() + "…"


def _readable(text: str) -> str:
    """Return a text that UTF-8 can write, and that cannot turn around what stands beside it."""
    return _SURROGATE.sub("\ufffd", _TURNING.sub("", text))


def _cells_bound(text: str) -> int:
    """Return a number of cells that the tables of a text cannot exceed."""
    rows = [row.count("|") + 1 for row in _DELIMITER_ROW.findall(text)]
    return max(rows, default=0) * (text.count("\n") + 1)


def _plain_words(tokens: Sequence[Token]) -> list[str]:
    words = []
    for token in tokens:
        if token.type == "inline":
            words.append("".join(_inline_words(token.children or ())))
        elif token.type in {"fence", "code_block"}:
            words.append(token.content)
    return words


def _inline_words(tokens: Sequence[Token]) -> list[str]:
    words = []
    for token in tokens:
        if token.type in {"softbreak", "hardbreak"}:
            words.append(" ")
        elif token.type == "image":
            words.append(token.content)
        else:
            words += [
                piece if target is None else target.short()
                for piece, target in find_references(token.content)
            ]
    return words


def _find_addresses(state: StateCore) -> None:
    """Make bare addresses links. Most texts have none, and the library looks long for them."""
    if "//" in state.src or "mailto:" in state.src.casefold():
        linkify(state)


def _lower_headings(state: StateCore) -> None:
    """Put headings below those of the page; who listens to a page goes from level to level."""
    level = 2
    for token in state.tokens:
        if token.type == "heading_open":
            level = min(int(token.tag[1:]) + 2, level + 1, 6)
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{level}"


def _lead_links(state: StateCore) -> None:
    """Make every link and image lead where it may, and bare references links."""
    links = cast("Links", state.env["links"])
    for token in state.tokens:
        if token.type == "inline":
            token.children = _led(token.children or [], links, state.env["pictures"])


def _led(tokens: Sequence[Token], links: Links, pictures: Iterator[int]) -> list[Token]:
    led: list[Token] = []
    depth = 0
    for token in tokens:
        if token.type == "link_open":
            depth += 1
            led.append(_link_open(str(token.attrGet("href") or ""), links))
        elif token.type == "link_close":
            depth -= 1
            led.append(token)
        elif token.type == "image":
            led += _image(token, links, pictures, is_in_link=depth > 0)
        elif token.type == "text" and depth == 0:
            led += _linked_text(token.content, links)
        else:
            led.append(token)
    return led


def _link_open(href: str, links: Links) -> Token:
    target = parse_target(href)
    token = Token("link_open", "a", 1)
    if target is not None:
        token.attrSet("href", target.path(links))
        if target.kind == "feed":
            token.attrSet("class", MENTION_CLASS)
    return token


def _image(token: Token, links: Links, pictures: Iterator[int], *, is_in_link: bool) -> list[Token]:
    source = str(token.attrGet("src") or "")
    target = parse_target(source)
    is_picture = target is not None and target.kind == "blob"
    if is_picture and next(pictures, None) is not None:
        assert target is not None, "just looked"
        token.attrs = {"src": target.path(links), "alt": "", "loading": "lazy"}
        return [token]
    words = token.content.strip() or (target.short() if target is not None else source)
    if is_in_link:
        return [_text(words)]
    return [_link_open(source, links), _text(words), Token("link_close", "a", -1)]


def _linked_text(text: str, links: Links) -> list[Token]:
    tokens: list[Token] = []
    for piece, target in find_references(text):
        if target is None:
            tokens.append(_text(piece))
        else:
            # A channel keeps the letters that the author gave it; of an id, a part is enough.
            words = piece if target.kind == "channel" else target.short()
            tokens += [_link_open(piece, links), _text(words), Token("link_close", "a", -1)]
    return tokens


def _text(content: str) -> Token:
    token = Token("text", "", 0)
    token.content = content
    return token


class _Parser(MarkdownIt):
    """CommonMark as posts use it; ids and channels are addresses as they stand."""

    def __init__(self, *, has_tables: bool, has_links: bool) -> None:
        super().__init__(
            "commonmark",
            {"html": False, "linkify": has_links, "breaks": True, "maxNesting": NESTING_MAX},
        )
        self.enable(["strikethrough", *(["table"] if has_tables else [])])
        if has_links:
            self.enable("linkify")
            assert self.linkify is not None, "linkify-it-py is installed"
            # Not every word with a dot is an address: notes.md would lead to Moldova.
            self.linkify.set({"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
            self.core.ruler.at("linkify", _find_addresses)
            self.core.ruler.push("lower_headings", _lower_headings)
            self.core.ruler.push("lead_links", _lead_links)

    def validateLink(self, url: str) -> bool:  # noqa: N802 (the parser's name)
        """Tell whether this may be a link at all."""
        return parse_target(url) is not None

    def normalizeLink(self, url: str) -> str:  # noqa: N802 (the parser's name)
        """Escape an address of the web; what is none stays as it is."""
        target = parse_target(url)
        is_foreign = target is not None and target.kind == "foreign"
        return super().normalizeLink(url) if is_foreign else url


_PARSER = _Parser(has_tables=True, has_links=True)
_PARSER_WITHOUT_TABLES = _Parser(has_tables=False, has_links=True)
_WORDS_PARSER = _Parser(has_tables=False, has_links=False)
