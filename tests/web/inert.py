"""What HTML of a post may hold, judged by another parser than the one that made it."""

import html.parser
import re
from urllib.parse import urlsplit

TAGS = (
    {"a", "blockquote", "br", "code", "em", "hr", "img", "p", "pre", "s", "strong"}
    | {"h3", "h4", "h5", "h6", "li", "ol", "ul"}
    | {"table", "tbody", "td", "th", "thead", "tr"}
)
VOID = {"br", "hr", "img"}
ATTRIBUTES = {
    "a": {"href", "class", "rel"},
    "img": {"src", "alt", "loading"},
    "ol": {"start"},
    "pre": {"tabindex"},
    "table": {"tabindex"},
}
LOCAL = re.compile(r"/(?:(?:people|thread|blob)/[A-Za-z0-9_-]{43}|channel/[A-Za-z0-9_.~%-]+)")
BLOB = re.compile(r"/blob/[A-Za-z0-9_-]{43}")


class Inspector(html.parser.HTMLParser):
    """Raises ``AssertionError`` at whatever a post must not hold."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        names = [name for name, _value in attrs]
        assert len(set(names)) == len(names), names
        assert set(names) <= ATTRIBUTES.get(tag, set()), (tag, names)
        values = {name: value or "" for name, value in attrs}
        if "href" in values:
            self.check_link(values["href"])
        if tag == "a":
            assert set(values.get("rel", "").split()) == {"noopener", "noreferrer", "nofollow"}
            assert values.get("class", "at") == "at"
        if tag == "img":
            assert BLOB.fullmatch(values["src"]), values
            assert values["loading"] == "lazy"
        if tag in {"pre", "table"}:
            assert values == {"tabindex": "0"}
        if tag == "ol":
            assert values.get("start", "1").isdigit()
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def check_link(self, href: str) -> None:
        if LOCAL.fullmatch(href) is None:
            assert urlsplit(href).scheme.lower() in {"http", "https", "mailto"}, href

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def inspect(markup: str) -> str:
    """Return the text that a reader sees, or raise ``AssertionError``."""
    markup.encode()
    inspector = Inspector()
    inspector.feed(markup)
    inspector.close()
    assert not inspector.open, inspector.open
    return inspector.text
