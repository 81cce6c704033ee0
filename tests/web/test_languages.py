"""Every page in every language; in the pseudo-locale no English text bypasses the catalogue."""

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest

from lichen.feed.refs import msg_id_from_bytes
from lichen.node.paths import segment_of
from lichen.web.rendering import ngettext
from lichen.words import LANGUAGES, words_for
from lichen.words.pseudo import disguise

Visit = Callable[[Any], None]
KEPT = re.compile(
    r"Lichen|SQLite|GiB|Markdown|announce, listen, off"
    r"|https?://\S+|net:\S+|[@%&]\S+|#\S*|lichen \S.*|127\.0\.0\.1\S*"
    r"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* \d.*"
)
"""Names of programs, addresses, ids, commands; dates are Babel's."""
NOT_OURS = {"code", "pre", "script", "style", "option", "bdi"}
SAID = {"title", "alt", "placeholder", "aria-label", "data-show", "data-hide", "data-kept",
        "data-lost"}  # fmt: skip


class Texts(HTMLParser):
    """Collects what a person reads or hears of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in {"meta", "link", "input", "img", "br", "use"}:
            self.open.append((tag, f"{given.get('class')} {given.get('role')}"))
        self.texts += [value for name, value in given.items() if name in SAID and value]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Leave what is closed at once alone: it is a piece of an icon."""

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        is_ours = all(
            tag not in NOT_OURS and not {"voice", "id", "facts"} & set(kind.split())
            for tag, kind in self.open
        )
        if is_ours and data.strip():
            self.texts.append(data.strip())


def english_in(html: str) -> Iterator[str]:
    """Yield texts in which a word stands in plain letters."""
    parser = Texts()
    parser.feed(html)
    for text in parser.texts:
        if re.search(r"[A-Za-z]{2}", KEPT.sub("", text)):
            yield text


async def furnish(house: Any, writer: Any) -> list[str]:
    """Fill a house with a bit of everything; return the paths of its pages.

    People write no letters that English has.
    """
    anna, bert, carl = writer(1), writer(2), writer(3)
    missing = msg_id_from_bytes(b"\x11" * 32)
    anna.write(type="about", about=anna.id, name="Ж1", description="Ж2")
    bert.write(type="about", about=bert.id, name="Ж1")
    anna.write(type="contact", contact=house.own, following=True)
    anna.write(type="contact", contact=bert.id, blocking=True)
    anna.write(type="contact", contact=carl.id, following=True)
    bert.write(type="about", about=anna.id, name="Ж3")
    root = anna.write(type="post", text="Ж2", channel="ʒ")
    reply = bert.write(type="post", text="Ж2", root=root, branch=[root, missing])
    side = carl.write(type="post", text="Ж3", root=reply, fork=root, branch=reply)
    carl.write(type="vote", vote={"link": root, "value": 1, "expression": "Ж"})
    strange = carl.write(type="ʒʒʒ", root=root)
    sealed = carl.write("AAAA" * 40 + ".box")
    careful = anna.write(type="post", text="Ж2", contentWarning="Ж3")
    empty = anna.write(type="post", text="")
    lost = anna.write(type="post", text="Ж2", root=missing, branch=missing)
    for _ in range(4):
        carl.write(type="post", text="Ж3", root=root, branch=reply)
    await house.receive(anna, bert, carl)
    await house.call("social.follow", {"id": anna.id})
    await house.call("social.follow", {"id": carl.id})
    await house.call("social.block", {"id": bert.id})
    await house.call("social.setName", {"id": carl.id, "name": "Ж2"})
    await house.call("social.post", {"text": "Ж1"})
    house.service.store.local.save_draft("new", "Ж1 [Ж2](" + anna.id + ")", 1.7e12)
    threads = [root, reply, side, strange, sealed, careful, empty, lost, missing]
    people = [house.own, anna.id, bert.id, carl.id, writer(9).id]
    return [
        "/", "/?before=3", "/welcome", "/write", "/network", "/settings", "/settings?saved",
        "/status", "/search", "/search?q=zz", "/search?q=" + quote(anna.id[:6]), "/nowhere",
        "/people/x", "/blob/x", "/thread/x", f"/channel/{quote('ʒ')}", "/channel/zz", "/channel/.",
        "/people?name=zz", "/people?before=1", "/?before=1", "/channel/zz?before=1",
        "/search?q=%3F",
        *(f"/people?kind={kind}" for kind in ("follows", "followers", "nearby", "blocked")),
        *(f"/people/{segment_of(feed)}" for feed in people),
        *(f"/people/{segment_of(feed)}/edit" for feed in people),
        *(f"/thread/{segment_of(key)}" for key in threads),
        *(f"/thread/{segment_of(key)}?hidden&side&after=1" for key in threads),
        *(f"/message/{segment_of(key)}" for key in threads),
    ]  # fmt: skip


FAULTY_FORMS = (
    ("/write", {"text": " ", "act": "publish"}),
    ("/write", {"text": "Ж" * 9000, "act": "publish"}),
    ("/write", {"text": "Ж", "act": "preview"}),
    ("/write", {"text": "Ж", "channel": "#", "act": "publish"}),
    ("/welcome/name", {"name": "\u202e"}),
    ("/network/connect", {"address": "ʒ"}),
    ("/network/disconnect", {"peer": "ʒ"}),
    ("/network/forget", {"address": "ʒ"}),
    ("/network/lan", {"lan": "ʒ"}),
    ("/settings", {"hops": "ʒ"}),
)


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_every_page_in_every_language(language: str, visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        paths = await furnish(house, writer)
        house.service.store.local.set_setting("language", language)
        answers = [await house.get(path) for path in paths]
        answers += [await house.post(path, fields) for path, fields in FAULTY_FORMS]
        for answer in answers:
            assert answer.status_code in {200, 303, 400, 404, 502}, (answer.url, answer.text)
            if language == "pseudo":
                ours = answer.text.replace(str(house.service.home.directory), "")
                assert list(english_in(ours)) == [], answer.url
        house.browser.cookies.clear()
        for path in ("/", "/enter/x", "/nowhere"):
            closed = await house.get(path)
            assert closed.status_code in {401, 403}
            if language == "pseudo":
                assert list(english_in(closed.text)) == []

    visit(scene)


@pytest.mark.parametrize(("language", "shown"), [("en", "20,008"), ("de", "20.008")])
def test_numbers_have_the_marks_of_the_language(
    language: str, shown: str, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = ngettext(words_for(language), "%(num)s b", "%(num)s <b>%(name)s", 20_008, name="<i>")
    assert counted == f"{shown} <b>&lt;i&gt;"

    async def scene(house: Any) -> None:
        monkeypatch.setattr(type(house.service.store.log), "count", lambda _log: 20_008)
        page = (await house.get("/status", {"accept-language": language})).text
        assert page.count(shown) == 2
        assert "20008" not in page

    visit(scene)


def test_english_is_found_out() -> None:
    assert list(english_in("<p>plain</p><img alt='words'>")) == ["plain", "words"]
    assert list(english_in(f"<p>{disguise('plain')}</p><code>lichen open</code>")) == []
    assert list(english_in("<p title='plain'>7</p><b>Lichen</b>")) == ["plain"]


def test_empty_pages_in_every_language(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        await house.post("/welcome", {})
        for language in LANGUAGES:
            house.service.store.local.set_setting("language", language)
            for path in ("/", "/welcome", "/people", "/network", "/write", "/search", "/status"):
                answer = await house.get(path)
                assert answer.status_code == 200, path
                if language == "pseudo":
                    ours = answer.text.replace(str(house.service.home.directory), "")
                    assert list(english_in(ours)) == [], path

    visit(scene)
