"""The page of the search, and the method behind it, on a real peer."""

import asyncio
import html
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote

import pytest

from lichen.apps.social.pages import finding
from lichen.apps.social.search.view import SearchView
from lichen.node.errors import ApiError
from lichen.node.paths import segment_of
from lichen.store.views.cursors import ViewProgress
from lichen.web.framing import folding_state
from lichen.words import words_for

Visit = Callable[[Any], None]
Play = Callable[[Any], None]
EVIL = [
    "<script>alert(1)</script> stone",
    '"><img src=x onerror=alert(1)> stone',
    "upon a stone <script>alert(2)</script>",
    "stone <mark>fake</mark> </mark></p>",
    "[stone](javascript:alert(1)) &lt;b&gt;",
    "stone \u202egnirts\x1b[31m {{ 7 * 7 }} {% raw %}",
]


async def page_of(house: Any, query: str, more: str = "") -> str:
    answer = await house.get(f"/search?q={quote(query, safe='')}{more}")
    assert answer.status_code == 200
    return str(answer.text)


def test_messages_are_found_by_their_words(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        anna.write(type="about", about=anna.id, name="Anna Ofen")
        root = anna.write(type="post", text="The wall\n\nEvery **stone** counts", channel="stones")
        anna.write(type="post", text="stone upon stone", root=root)
        await house.receive(anna)
        page = await page_of(house, "stone")
        assert page.count("<mark>stone</mark>") == 3
        assert "in “The wall”" in page
        assert f"/thread/{segment_of(root)}" in page
        assert '<a class="chip" href="/channel/stones">' in page
        people = await page_of(house, "ofen")
        assert "<h2>People</h2>" in people
        assert "Anna Ofen" in people
        assert "Nothing fits" in await page_of(house, "unheard")
        assert "Nothing fits" in await page_of(house, "author:anna unheard")

    visit(scene)


def test_nothing_is_said_to_be_all_while_much_is_not_sorted_in(
    visit: Visit, writer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        anna.write(type="post", text="stone")
        await house.receive(anna)
        assert "No message that you keep" in await page_of(house, "unheard")
        behind = ViewProgress(SearchView.name, 7, 12_345)
        views = house.service.store.views.__class__
        monkeypatch.setattr(views, "progress", lambda _views: [behind])
        page = await page_of(house, "unheard")
        assert "Nothing fits so far" in page
        assert "No message that you keep" not in page
        watched = re.search(r'data-watch="(web.folding[^"]*)">', page)
        assert watched is not None
        assert "7 of 12,345 messages are sorted in." in page
        views_asked = parse_qs(watched[1].partition("?")[2])["views"][0]
        monkeypatch.setattr(views, "progress", lambda _views: [ViewProgress("index", 7, 12_345)])
        assert folding_state(house.service, words_for("en"), *views_asked.split(",")) is None, (
            "what the search is not read from may be behind"
        )

    visit(scene)


def test_found_text_is_inert(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        anna.write(type="about", about=anna.id, name="<b onclick=x>stone")
        for text in EVIL:
            anna.write(type="post", text=text, channel='<i>"stone')
            anna.write(type="<u>stone", title=text, contentWarning=text)
        await house.receive(anna)
        for query in ("stone", '"stone script"', "stone <script>", "<i>", "author:<b", "OR <mark>"):
            page = await page_of(house, query)
            main = page[page.index("<main") :]
            assert not re.search(r"<(script|img (?!class)|b onclick|i>|u>)", main), query
            assert "javascript:" not in re.sub(r">[^<]*<", "><", main)
            assert main.count("<mark>") == main.count("</mark>")
        page = await page_of(house, "stone")
        assert html.escape("<script>alert(1)</script>") in page
        assert "{{ 7 * 7 }}" in page
        assert "\u202e" not in page
        assert "\x1b" not in page

    visit(scene)


def test_no_text_breaks_a_page(visit: Visit, writer: Any) -> None:
    half = "a" * 29 + "🌿"

    async def scene(house: Any) -> None:
        anna = writer(1)
        # Cut to thirty UTF-16 units, as channels are, its last character is half of one.
        key = anna.write(type="post", text="hello there", channel=half)
        await house.receive(anna)
        await house.call("social.follow", {"id": anna.id})
        thread = f"/thread/{segment_of(key)}"
        for path in ("/", thread, f"/channel/{quote(half)}", "/search?q=hello"):
            page = await house.get(path)
            assert page.status_code == 200, path
            assert "hello" in page.text
        for query in (half, f"channel:{half}", "a\0b", 'author:"a\0b"', "author:a\0b", "\0"):
            await page_of(house, query)
        moved = await house.get(f"/search?q={quote('#' + half)}")
        assert moved.headers["location"] == f"/channel/{'a' * 29}"

    visit(scene)


def test_a_short_word_is_no_beginning_of_an_id(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        keys = [anna.write(type="post", text=f"oh {n}") for n in range(3)]
        await house.receive(anna)
        for key in keys:
            assert "Ids that begin like this" not in await page_of(house, key[1:3])
            assert "Ids that begin like this" in await page_of(house, key[:3])
            assert "Ids that begin like this" in await page_of(house, key[1:5])
        assert "<h2>People</h2>" not in await page_of(house, anna.id[1:4])
        assert "<h2>People</h2>" in await page_of(house, anna.id[:4])

    visit(scene)


def test_the_nearest_stand_first_among_people(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        people = [writer(number) for number in range(1, 14)]
        for person in people:
            person.write(type="about", about=person.id, name="Kim")
        await house.receive(*people)
        friend = max(people, key=lambda person: person.id)
        await house.call("social.follow", {"id": friend.id})
        shown = re.findall(r'class="name" href="/people/([^"]+)"', await page_of(house, "kim"))
        assert shown[0] == segment_of(friend.id)

    visit(scene)


def test_what_is_added_stands_outside_of_an_open_phrase(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        anna.write(type="post", text="two bales")
        await house.receive(anna)
        closed = quote('"two bales" is:reply')
        assert f"/search?q={closed}" in await page_of(house, '"two bales')
        page = await page_of(house, "🌱")
        assert "Only words and numbers" in page
        assert "has all of this" not in page

    visit(scene)


def test_pages_are_links(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        keys = [anna.write(type="post", text=f"stone {n}") for n in range(45)]
        await house.receive(anna)
        seen: list[str] = []
        path = "/search?q=stone"
        while path:
            page = (await house.get(path)).text
            seen += re.findall(r'class="time" href="/thread/([^#"]+)#', page)
            more = re.search(r'href="([^"]+)" rel="next"', page)
            path = html.unescape(more[1]) if more else ""
        assert seen == [segment_of(key) for key in reversed(keys)]
        for after in ("x", "n1-0-0", "%00"):
            assert (await house.get(f"/search?q=stone&after={after}")).status_code == 200
        assert "Nothing more fits" in await page_of(house, "stone", "&after=n0-0-0")

    visit(scene)


def test_what_cannot_be_answered_is_said(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        page = await page_of(house, "-stone")
        assert "only what shall not be there" in page
        assert 'role="alert"' in page
        assert 'value="-stone"' in page
        assert "Nothing fits" not in page
        assert "Private messages" in await page_of(house, "stone is:private")
        for query in ("author:", "a*", '"', "OR", "*", "-", "x " * 90, "type:<b>", "after:2025-99"):
            await page_of(house, query)

    visit(scene)


def test_an_id_in_a_question_is_no_place_to_go(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        key = anna.write(type="post", text="stone")
        await house.receive(anna)
        assert segment_of(key) in await page_of(house, f"author:{anna.id} stone")
        assert "Nothing fits" in await page_of(house, "#bread stone")
        assert (await house.get(f"/search?q={quote('#bread')}")).status_code == 303

    visit(scene)


def test_nobody_waits_long_for_who_begins_so(
    visit: Visit, writer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_args: Any) -> list[str]:
        await asyncio.Event().wait()
        raise AssertionError

    async def scene(house: Any) -> None:
        anna = writer(1)
        anna.write(type="post", text="stone")
        await house.receive(anna)
        monkeypatch.setattr(finding, "SLOW_S_MAX", 0.5)
        monkeypatch.setattr(finding, "_beginning", never)
        assert "<mark>stone</mark>" in await page_of(house, "stone")

    visit(scene)


def test_what_takes_long_can_be_waited_for(
    visit: Visit, writer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = finding.answer

    async def slow(*args: Any, **options: Any) -> Any:
        await asyncio.sleep(0.2)
        return await real(*args, **options)

    async def scene(house: Any) -> None:
        anna = writer(1)
        anna.write(type="post", text="stone")
        await house.receive(anna)
        monkeypatch.setattr(finding, "answer", slow)
        monkeypatch.setattr(finding, "SLOW_S_MAX", 0.01)
        page = await page_of(house, "stone")
        assert "This takes long." in page
        (path,) = re.findall(r'href="([^"]+&amp;wait)"', page)
        assert "<mark>stone</mark>" in (await house.get(html.unescape(path))).text

    visit(scene)


# The method


def test_the_method_answers_with_messages_and_excerpts(play: Play, anna: Any) -> None:
    async def scene(village: Any) -> None:
        keys = [anna.write(type="post", text=f"A stone, number {n}") for n in range(3)]
        await village.receive(*anna.messages)
        answer = await village.call("social.search", {"query": "stone", "limit": 2})
        assert len(answer["found"]) == 2
        assert (answer["count"], answer["isCountWhole"], answer["notes"]) == (3, True, [])
        assert (answer["folded"], answer["total"]) == (3, 3)
        first = answer["found"][0]
        assert first["message"]["value"]["author"] == anna.id
        ((begin, end),) = first["excerpt"]["marks"]
        assert first["excerpt"]["text"][begin:end] == "stone"
        options = {"query": "stone", "after": answer["after"]}
        rest = await village.call("social.search", options)
        assert rest["after"] is None
        found = [one["message"]["key"] for one in answer["found"] + rest["found"]]
        assert sorted(found) == sorted(keys)
        assert json.dumps(answer)

    play(scene)


def test_the_method_refuses_with_what_to_mend(play: Play) -> None:
    async def scene(village: Any) -> None:
        for options, words in (
            ({}, "Say what to search for"),
            ({"query": " "}, "Say what to search for"),
            ({"query": "a*"}, "too many words"),
            ({"query": "x", "limit": 0}, "whole number"),
            ({"query": "x", "limit": True}, "whole number"),
            ({"query": "x", "after": "y"}, "no place in an answer"),
        ):
            with pytest.raises(ApiError, match=words) as refused:
                await village.call("social.search", options)
            assert refused.value.slug == "usage"
            assert refused.value.hint or "whole" in words

    play(scene)
