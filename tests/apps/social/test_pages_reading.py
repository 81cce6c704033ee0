"""Pages to read: home, threads, channels, messages; of friendly, empty and hostile worlds."""

import asyncio
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from lichen.apps.social.pages.reading import watch_unchecked
from lichen.feed.message import RawMessage
from lichen.feed.refs import msg_id_from_bytes
from lichen.node.page import Visit as Visiting
from lichen.node.paths import segment_of
from lichen.store.views.cursors import ViewProgress
from lichen.words import words_for

Visit = Callable[[Any], None]
NOWHERE = msg_id_from_bytes(b"\x11" * 32)
RTL, CONTROL = "\u202e", "".join(map(chr, [*range(1, 32), 127, 0x85, 0x2028, 0xFEFF]))


def texts_of(page: str) -> list[str]:
    """Return what posts on a page say, in order."""
    return re.findall(r'<div class="voice" dir="auto"><p>(.*?)</p>', page)


async def be_at_home(house: Any, *friends: Any) -> None:
    await house.post("/welcome", {})
    for friend in friends:
        await house.call("social.follow", {"id": friend.id})


def test_a_new_peer_is_welcomed_once(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        assert (await house.get("/")).headers["location"] == "/welcome"
        assert (await house.get("/welcome")).status_code == 200
        assert (await house.post("/welcome", {})).headers["location"] == "/"
        home = await house.get("/")
        assert "Nothing here yet" in home.text

    visit(scene)


def test_home_goes_on_where_it_ended_and_nothing_is_shown_twice(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna, stranger = writer(1), writer(2)
        for number in range(30):
            anna.write(type="post", text=f"post {number}")
            stranger.write(type="post", text="noise")
        await house.receive(anna, stranger)
        await be_at_home(house, anna)
        path, seen = "/", []
        while path:
            page = (await house.get(path)).text
            seen += texts_of(page)
            older = re.search(r'href="(/\?before=\d+)" rel="next"', page)
            path = older[1] if older else ""
        assert seen == [f"post {number}" for number in reversed(range(30))]

    visit(scene)


UNCHECKED = re.compile(r'data-each="social.unchecked" data-id="(\d+:[\w-]+)"')


@pytest.mark.usefixtures("paused_audit")
def test_a_message_whose_signature_is_not_checked_yet_says_so(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        root = anna.write(type="post", text="bread, the first")
        reply = anna.write(type="post", text="bread, the second", root=root, branch=root)
        anna.write(type="post", text="more bréad", root=root, branch=reply)
        anna.write(type="vote", vote={"link": root, "value": 1})
        await house.receive_unfolded(anna, verifies_all=False)
        await be_at_home(house, anna)
        waiting = {f"{number}:{segment_of(key)}" for number, key in enumerate((root, reply), 1)}
        places = {
            "/": waiting,
            f"/thread/{segment_of(root)}": waiting,
            f"/people/{segment_of(anna.id)}": waiting,
            "/search?q=bread": waiting,
            f"/message/{segment_of(root)}": {f"1:{segment_of(root)}"},
        }
        for path, marked in places.items():
            page = (await house.get(path)).text
            assert set(UNCHECKED.findall(page)) == marked, path
            assert page.count("not checked yet") == len(marked), path
        await asyncio.wrap_future(house.service.store.wait_audited())
        for path in places:
            assert "not checked yet" not in (await house.get(path)).text, path
        assert "checked, and right" in (await house.get(f"/message/{segment_of(root)}")).text

    visit(scene)


@pytest.mark.usefixtures("paused_audit")
def test_open_pages_are_told_what_became_of_a_signature(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        keys = [anna.write(type="post", text=f"{number}") for number in range(3)]
        await house.receive_unfolded(anna, verifies_all=False)
        first, second, newest = (f"{n}:{segment_of(key)}" for n, key in enumerate(keys, 1))
        nowhere = f"7:{segment_of(NOWHERE)}"
        query = {"of": ",".join((first, newest, nowhere, segment_of(keys[0])[:9], "1:", ""))}
        visit = Visiting(house.service, words_for("en"), 0.0, query=query)
        told = await watch_unchecked(visit)
        assert set(told) == {newest, nowhere}, "what still waits is left out"
        assert told[newest] is None
        assert told[nowhere]["text"] == "taken back"
        await asyncio.wrap_future(house.service.store.wait_audited())
        assert (await watch_unchecked(visit))[first] is None
        assert second not in await watch_unchecked(visit), "it was not asked for"

    visit(scene)


@pytest.mark.usefixtures("paused_audit")
def test_an_open_page_is_not_told_that_a_text_is_right_because_the_true_one_came(
    visit: Visit, writer: Any
) -> None:
    async def scene(house: Any) -> None:
        anna, store = writer(1), house.service.store
        key = anna.write({"type": "post", "text": "Łook"})
        anna.write(type="post", text="the end")
        true = [RawMessage(each.author, each.sequence, each.data) for each in anna.messages]
        lowered = RawMessage(anna.id, 1, true[0].data.replace("Ł".encode(), b"A"))
        future = store.ingest([lowered, true[1]], verifies_all=False)
        house.service.shell.ingested(await asyncio.wrap_future(future), None)
        page = (await house.get(f"/message/{segment_of(key)}")).text
        assert "Aook" in page
        (shown,) = UNCHECKED.findall(page)
        visit = Visiting(house.service, words_for("en"), 0.0, query={"of": shown})
        assert await watch_unchecked(visit) == {}
        await asyncio.wrap_future(store.wait_audited())
        assert (await watch_unchecked(visit))[shown]["text"] == "taken back"
        await house.receive(anna)
        assert store.log.get(key).data == true[0].data
        assert (await watch_unchecked(visit))[shown]["text"] == "taken back"

    visit(scene)


def test_any_place_to_go_on_from_is_a_page(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        root = anna.write(type="post", text="hello #garden")
        await house.receive(anna)
        await be_at_home(house, anna)
        for before in ("0", "-1", "x", "9" * 18, "9" * 5000, "1.5", "", "٣", "%00"):
            for path in (
                f"/?before={before}",
                f"/channel/garden?before={before}",
                f"/people/{segment_of(anna.id)}?before={before}",
                f"/people?after={before}",
                f"/thread/{segment_of(root)}?after={before}",
            ):
                assert (await house.get(path)).status_code == 200, path

    visit(scene)


def test_three_thousand_replies_are_shown_in_windows(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        root = branch = anna.write(type="post", text="root")
        for number in range(3000):
            branch = anna.write(type="post", text=f"{number}", root=root, branch=branch)
        await house.receive(anna)
        path = f"/thread/{segment_of(root)}"
        last = (await house.get(path)).text
        assert len(last) < 500_000
        assert texts_of(last) == ["root", *(str(number) for number in range(2900, 3000))]
        assert "2,900 earlier messages" in last or "2900 earlier messages" in last
        assert "Only" not in last
        earlier = re.search(rf'href="({path}\?after=\d+)"', last)
        assert earlier is not None
        before = (await house.get(earlier[1])).text
        assert texts_of(before) == ["root", *(str(number) for number in range(2800, 2900))]
        assert house.service.store.local.read_to(root) == house.service.store.log.last_no

    visit(scene)


def test_a_read_mark_only_moves_forward(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        root = anna.write(type="post", text="root")
        replies = [anna.write(type="post", text=f"{n}", root=root, branch=root) for n in range(250)]
        await house.receive(anna)
        path, local = f"/thread/{segment_of(root)}", house.service.store.local
        await house.get(f"{path}?after=0")
        assert local.read_to(root) == 0, "the end was not shown"
        await house.get(path)
        read_to = local.read_to(root)
        assert read_to == house.service.store.log.last_no
        for other in (f"{path}?after=0", f"/thread/{segment_of(replies[3])}"):
            await house.get(other)
            assert local.read_to(root) == read_to
        anna.write(type="post", text="newest", root=root, branch=root)
        await house.receive(anna)
        page = (await house.get(path)).text
        assert page.index("You read to here") < page.index("newest")
        assert "You read to here" not in (await house.get(path)).text

    visit(scene)


def test_a_side_thread_is_opened_and_answered(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        root = anna.write(type="post", text="outer")
        reply = anna.write(type="post", text="reply", root=root, branch=root)
        anna.write(type="post", text="later", root=root, branch=reply)
        side = anna.write(type="post", text="beside", root=reply, fork=root, branch=reply)
        await house.receive(anna)
        outer = (await house.get(f"/thread/{segment_of(root)}")).text
        assert f'href="/thread/{segment_of(reply)}?side"' in outer
        assert texts_of(outer)[:2] == ["outer", "reply"]
        for path in (f"/thread/{segment_of(reply)}?side", f"/thread/{segment_of(side)}"):
            page = (await house.get(path)).text
            assert texts_of(page) == ["reply", "beside"], path
            assert f'href="/thread/{segment_of(root)}">' in page
            assert f'name="root" value="{reply}"' in page
        answer = await house.post("/write", {"root": reply, "text": "mine", "act": "publish"})
        assert answer.status_code == 303
        assert house.own_messages()[-1] == {
            "type": "post",
            "text": "mine",
            "root": reply,
            "branch": side,
            "fork": root,
        }
        assert texts_of((await house.get(answer.headers["location"])).text) == [
            "reply",
            "beside",
            "mine",
        ]

    visit(scene)


def test_a_thread_without_its_root_can_be_read_and_answered(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        reply = anna.write(type="post", text="reply", root=NOWHERE, branch=NOWHERE)
        await house.receive(anna)
        for key in (NOWHERE, reply):
            page = await house.get(f"/thread/{segment_of(key)}")
            assert page.status_code == 200
            assert texts_of(page.text) == ["reply"]
            assert "has not reached you" in page.text
        answer = await house.post("/write", {"root": NOWHERE, "text": "mine", "act": "publish"})
        assert answer.status_code == 303, answer.text
        assert house.own_messages()[-1] == {
            "type": "post",
            "text": "mine",
            "root": NOWHERE,
            "branch": reply,
        }

    visit(scene)


def test_what_is_not_here_says_what_brings_it(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        for place in ("thread", "message"):
            page = await house.get(f"/{place}/{segment_of(NOWHERE)}")
            assert page.status_code == 404
            assert "Follow its author" in page.text
            assert NOWHERE in page.text.replace("&#43;", "+")
            cut = await house.get(f"/{place}/{segment_of(NOWHERE)[:-1]}")
            assert cut.status_code == 404
            assert "cut short or mistyped" in cut.text

    visit(scene)


def test_circles_and_other_impossible_threads(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna, bert = writer(1), writer(2)
        first = anna.write(type="post", text="first")
        second = bert.write(type="post", text="second", root=first, branch=first)
        keys = [first, second]
        keys += [
            anna.write(type="post", text="a", root=second, branch=[first, second]),
            bert.write(type="post", text="b", root=first, fork=first, branch=second),
            anna.write(type="post", text="c", root=second, fork=second, branch=[NOWHERE] * 30),
            bert.write(type="post", text="d", root=first, branch=[first, first, 7, None]),
            anna.write(type="post", text="e", root=7, branch={"a": 1}),
            bert.write(type="post", text=7, root=[first], channel=["x"], mentions={"link": 1}),
            anna.write(type="vote", vote={"link": first, "value": 1e300}, root=first),
            bert.write(type="about", about=first, name="x", root=first),
            anna.write(type="contact", contact=bert.id, root=first, branch=first),
            bert.write(type="post", text="f", root=bert.id, branch="%"),
        ]
        await house.receive(anna, bert)
        await be_at_home(house, anna, bert)
        for key in keys:
            for query in ("", "?side", "?hidden", "?after=1"):
                page = await house.get(f"/thread/{segment_of(key)}{query}")
                assert page.status_code == 200, page.text
        assert (await house.get("/")).status_code == 200

    visit(scene)


HOSTILE: tuple[dict[str, Any], ...] = (
    {"type": "post", "text": "x" * 7400},
    {"type": "post", "text": "<" * 3700},
    {"type": "post", "text": "[" * 7400},
    {"type": "post", "text": "`" * 7400},
    {"type": "post", "text": "> " * 3700},
    {"type": "post", "text": RTL + "evil " + CONTROL, "channel": RTL + CONTROL + "x"},
    {"type": "post", "text": "\ud83d half", "channel": "\ud83d", "contentWarning": "\ud83d"},
    {"type": "post", "text": "a", "contentWarning": RTL * 3000},
    {"type": "post", "text": "a", "contentWarning": {"a": 1}},
    {"type": "post", "text": "a", "channel": "a/b?c=d;e%f&g"},
    {"type": "post", "text": "#a/b #%2e #&amp; #ünï", "mentions": [{"link": "#a/b"}, "#%00"]},
    {"type": "post", "text": None},
    {"type": RTL + "abc", "text": "a"},
    {"type": "x" * 52, "title": "<b>", "text": {"a": 1}},
    {"type": "post", "text": "\0" * 1000},
    {"type": "post", "mentions": ["@x", {"link": "@x"}, {"link": 7}, None] * 20, "text": "x"},
    {"type": "about", "about": 7, "name": {"a": 1}},
    {"type": "constructor", "__proto__": {"x": 1}, "items": "x", "keys": "y", "get": "z"},
    {"type": "post", "text": "a", "items": "x", "get": "z", "feed": "x", "key": "%"},
)


def test_hostile_messages_are_only_messages(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        root = anna.write(type="post", text="root")
        keys = [root]
        for content in HOSTILE:
            keys += [anna.write(content), anna.write({**content, "root": root, "branch": root})]
        await house.receive(anna)
        await be_at_home(house, anna)
        home = f"/people/{segment_of(anna.id)}"
        paths = ["/", "/?before=30", "/?before=15", home, f"{home}?before=20"]
        paths += [f"/{place}/{segment_of(key)}" for key in keys for place in ("thread", "message")]
        for path in paths:
            page = await house.get(path)
            assert page.status_code == 200, page.text
            assert "\x00" not in page.text
            for channel in re.findall(r'href="(/channel/[^"]*)"', page.text):
                assert (await house.get(channel)).status_code == 200, channel

    visit(scene)


def test_deep_messages_are_shown_as_they_were_signed(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        deep: Any = 1
        for _ in range(40):
            deep = [deep]
        key = anna.write(type="deep", deep=deep, small=1e-7, large=1e21, half=0.5, one=1.0)
        await house.receive(anna)
        page = await house.get(f"/message/{segment_of(key)}")
        assert page.status_code == 200
        for text in ("1e-7", "1e+21", "0.5", "&#34;one&#34;: 1\n"):
            assert text in page.text, text
        assert (await house.get(f"/thread/{segment_of(key)}")).status_code == 200

    visit(scene)


def test_sealed_and_strange_messages_are_said_to_be_so(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        sealed = anna.write("AAAA" * 30 + ".box")
        strange = anna.write(type="gathering", title="Party")
        silent = anna.write(type="post", text=" \n ")
        careful = anna.write(type="post", text="boo", contentWarning="ghosts")
        await house.receive(anna)
        said = {
            sealed: "A sealed message",
            strange: "A message of the type “gathering”",
            silent: "A post without words",
            careful: "They ask for care:",
        }
        for key, words in said.items():
            assert words in (await house.get(f"/thread/{segment_of(key)}")).text

    visit(scene)


def test_what_blocked_people_wrote_is_hidden_with_words(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna, bert = writer(1), writer(2)
        root = anna.write(type="post", text="root")
        for number in range(150):
            bert.write(type="post", text="spite", root=root, branch=root)
            anna.write(type="post", text=f"{number}", root=root, branch=root)
        theirs = bert.write(type="post", text="spiteful thread")
        bert.write(type="vote", vote={"link": root, "value": 1, "expression": "spite-like"})
        await house.receive(anna, bert)
        await be_at_home(house, anna)
        await house.call("social.block", {"id": bert.id})
        home = (await house.get("/")).text
        assert "spite" not in home
        assert "150 are hidden" in home
        path = f"/thread/{segment_of(root)}"
        page = (await house.get(path)).text
        assert "spite" not in page
        assert "hidden: you block who wrote" in page
        shown = (await house.get(f"{path}?hidden")).text
        assert "spite" in texts_of(shown)
        earlier = re.findall(rf'href="({path}\?[^"]*after=[^"]*)"', shown)
        assert earlier
        assert "spite" in texts_of((await house.get(earlier[0].replace("&amp;", "&"))).text)
        own = (await house.get(f"/thread/{segment_of(theirs)}")).text
        assert "spiteful" not in own
        assert "hidden" in own
        assert "spiteful" in (await house.get(f"/thread/{segment_of(theirs)}?hidden")).text

    visit(scene)


def test_reactions_are_counted_by_what_they_say(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        people = [writer(number) for number in range(1, 6)]
        root = people[0].write(type="post", text="root")
        for person, expression in zip(people, ("❤", "Like", "", "❤", "<b>" * 30), strict=True):
            person.write(type="vote", vote={"link": root, "value": 1, "expression": expression})
        await house.receive(*people)
        path = f"/thread/{segment_of(root)}"
        page = (await house.get(path)).text
        assert re.search(r"<span>❤</span><span>2</span>", page)
        assert re.search(r"Like</span><span>2</span>", page)
        assert "<b><b>" not in page
        react = f"/message/{segment_of(root)}/react"
        for _ in range(2):
            answer = await house.post(react, {"value": "1", "expression": "❤"})
            assert answer.headers["location"] == f"{path}#m-{segment_of(root)}"
        assert len(house.own_messages()) == 1
        mine = (await house.get(path)).text
        assert re.search(r'class="react mine" aria-pressed="true"><span>❤</span><span>3', mine)
        await house.post(react, {"value": "0", "expression": "❤"})
        assert re.search(r"<span>❤</span><span>2</span>", (await house.get(path)).text)
        for fields in ({"value": "1", "expression": "x" * 5000}, {"value": "1", "expression": RTL}):
            assert (await house.post(react, fields)).status_code == 400
        assert len(house.own_messages()) == 2

    visit(scene)


def test_any_channel_has_a_page(visit: Visit, writer: Any) -> None:
    names = ("a/b", "a%b", "a;b", "é", "a&b=c", "/", "%2f", "x" * 30, "\u200d")

    async def scene(house: Any) -> None:
        anna = writer(1)
        for name in names:
            for number in range(15):
                anna.write(type="post", text=f"in it {number}", channel=name)
        await house.receive(anna)
        for name in names:
            await look_at_channel(house, name)

    async def look_at_channel(house: Any, name: str) -> None:
        page = await house.get(f"/channel/{quote(name, safe='')}")
        assert page.status_code == 200
        assert len(texts_of(page.text)) == 12
        older = re.search(r'href="([^"]+)" rel="next"', page.text)
        assert older is not None
        assert len(texts_of((await house.get(older[1])).text)) == 3
        found = await house.get(f"/search?q={quote('#' + name, safe='')}")
        assert len(texts_of((await house.get(found.headers["location"])).text)) == 12

    visit(scene)


def test_a_channel_without_a_name_is_none(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        for path in ("/channel/%23", "/channel/...", "/channel/%20"):
            assert (await house.get(path)).status_code == 404
        empty = await house.get("/channel/garden")
        assert "Nothing in #garden" in empty.text

    visit(scene)


def test_pages_tell_what_is_not_sorted_in_yet(
    visit: Visit, writer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(house: Any) -> None:
        anna, told = writer(1), "Some of what came in is not shown here yet."
        await be_at_home(house, anna)
        root = anna.write(type="post", text="first", channel="garden")
        await house.receive(anna)
        paths = ("/", "/channel/garden", "/people", f"/people/{segment_of(anna.id)}")
        paths += (f"/thread/{segment_of(root)}", "/search?q=nowhere")
        # Nothing to tell: the place where it will be told is there, and hidden.
        for path in paths:
            page = await house.get(path)
            assert re.search(r'data-watch="web.folding[^"]*" hidden', page.text), path
        monkeypatch.setattr("lichen.web.limits.BEHIND_TOLD_MIN", 1)
        monkeypatch.setattr("lichen.store.store.NEWEST_ROWS", 1)
        house.service.store.hold_folding()
        for number in range(9):
            anna.write(type="post", text=f"post {number}", channel="garden")
        await house.receive_unfolded(anna)
        for path in paths[:-1]:
            page = await house.get(path)
            assert told in page.text, path
            assert 'data-watch="web.folding">' in page.text, path
        assert "3 of 11 messages are sorted in." in page.text
        # What came last is shown all the same.
        assert texts_of((await house.get("/")).text)[:2] == ["post 8", "first"]

    visit(scene)


def test_home_is_not_said_to_be_empty_while_much_is_not_sorted_in(
    visit: Visit, writer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(house: Any) -> None:
        await be_at_home(house)
        views = house.service.store.views.__class__
        behind = ViewProgress("social_threads", 7, 12_345)
        monkeypatch.setattr(views, "progress", lambda _views: [behind])
        assert "Nothing here yet" in (await house.get("/")).text, "nobody is followed"
        await house.call("social.follow", {"id": writer(1).id})
        page = (await house.get("/")).text
        assert "What came in is being sorted in." in page
        assert "Nothing here yet" not in page

    visit(scene)


def test_no_text_of_a_stranger_turns_a_sentence_around(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna, turned, long = writer(1), "so\u202e\u2066\x07", "w" * 4000
        anna.write(type="about", about=anna.id, name=turned + "anna")
        root = anna.write(type="post", text="so\u202e title\nx", channel=turned + "tree")
        anna.write(type=turned + "kind"[:2] + "x" * 30, root=root)
        anna.write(type="post", text="x", contentWarning=turned + long, root=root)
        vote = {"link": root, "value": 1, "expression": turned}
        anna.write(type="vote", vote=vote)
        await house.call("social.follow", {"id": anna.id})
        await house.receive(anna)
        for path in ("/", f"/thread/{segment_of(root)}", f"/people/{segment_of(anna.id)}"):
            page = (await house.get(path)).text
            assert "so" in page
            assert not set(page) & set("\u202e\u2066\x07"), path
            assert long not in page
        page = (await house.get("/channel/so%E2%80%AEtree")).text
        assert "#sotree" in page
        assert "\u202e" not in page

    visit(scene)
