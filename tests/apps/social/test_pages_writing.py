"""Write, look, publish; what was begun is kept until it is said."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

from lichen.node.paths import segment_of

Visit = Callable[[Any], None]


def draft_of(house: Any, place: str = "new") -> str | None:
    draft = house.service.store.local.draft(place)
    return None if draft is None else str(draft.text)


def test_write_look_publish(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        page = (await house.get("/write?channel=garden")).text
        once = re.search(r'name="once" value="([^"]+)"', page)
        assert once is not None
        assert 'name="channel" value="garden"' in page
        text = "**bold** <b>&amp;</b> [x](javascript:alert(1))\r\n#two"
        fields = {"text": text, "channel": "#Gar den", "once": once[1]}
        look = await house.post("/write", {**fields, "act": "preview"})
        assert look.status_code == 200
        assert "<strong>bold</strong> &lt;b&gt;" in look.text
        assert "javascript:alert" in look.text
        assert 'href="javascript' not in look.text
        assert "As others will see it" in look.text
        assert 'value="#Gar den"' in look.text
        assert house.own_messages() == []
        assert draft_of(house) == text.replace("\r\n", "\n")
        assert "**bold**" in (await house.get("/write")).text, "the draft is there"
        answer = await house.post("/write", {**fields, "act": "publish"})
        (post,) = house.own_messages()
        assert post["text"] == text.replace("\r\n", "\n")
        assert post["channel"] == "garden"
        assert [each["link"] for each in post["mentions"]] == ["#two"]
        assert answer.headers["location"].startswith("/thread/")
        assert "<strong>bold</strong>" in (await house.get(answer.headers["location"])).text
        assert draft_of(house) is None

    visit(scene)


def test_drafts_are_kept_by_place_and_dropped_when_emptied(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        root = anna.write(type="post", text="root")
        await house.receive(anna)
        for fields in ({"text": "new one"}, {"text": "reply", "root": root}):
            answer = await house.post("/draft", fields)
            assert (answer.status_code, answer.content) == (200, b"")
        assert (draft_of(house), draft_of(house, root)) == ("new one", "reply")
        thread = (await house.get(f"/thread/{segment_of(root)}")).text
        assert ">\nreply</textarea>" in thread
        assert "new one" not in thread
        await house.post("/write", {"text": "reply!", "root": root, "act": "publish"})
        assert (draft_of(house), draft_of(house, root)) == ("new one", None)
        await house.post("/draft", {"text": " \n"})
        assert draft_of(house) is None
        assert (await house.post("/draft", {"text": "x" * 100_000})).status_code == 507
        assert (
            await house.post("/draft", {"text": "x", "root": "%" + "x" * 999})
        ).status_code == 200

    visit(scene)


def test_naming_somebody_is_said_before_it_is_said(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        anna.write(type="about", about=anna.id, name="Anna")
        await house.receive(anna)
        fields = {"text": f"hello [@Anna]({anna.id})", "act": "preview"}
        page = (await house.post("/write", fields)).text
        assert "You name <a" in page
        assert "does not make a message private" in page

    visit(scene)


def test_while_publishing_waits_nothing_is_lost(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        house.service.shell.is_guarded = True
        welcome = (await house.get("/welcome")).text
        assert "Been here before" in welcome
        answer = await house.post("/write", {"text": "hello", "act": "publish"})
        assert answer.status_code == 400
        assert "Nothing is published yet" in answer.text
        assert ">\nhello</textarea>" in answer.text
        for path, fields in (
            ("/welcome/name", {"name": "Anna"}),
            (f"/people/{segment_of(house.own)}/edit", {"name": "Anna"}),
        ):
            answer = await house.post(path, fields)
            assert answer.status_code == 400
            assert 'value="Anna"' in answer.text
        house.service.shell.is_guarded = False
        assert (await house.post("/write", {"text": "hello", "act": "publish"})).status_code == 303

    visit(scene)


def test_what_cannot_be_said_is_told_how_to_mend(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        for fields, words in (
            ({"text": " "}, "A post needs a text"),
            ({}, "A post needs a text"),
            ({"text": "x" * 9000}, "too long"),
            ({"text": '"' * 4100}, "too long"),
            ({"text": "a", "channel": "#."}, "not the name of a channel"),
            ({"text": "a", "root": "%" + "A" * 43 + "=.sha256"}, "is not here"),
        ):
            answer = await house.post("/write", {**fields, "act": "publish"})
            assert answer.status_code == 400, fields
            assert words in answer.text
            assert (
                f">\n{fields.get('text', '').replace(chr(34), '&#34;')}</textarea>" in answer.text
            )
        assert house.own_messages() == []

    visit(scene)


def test_the_size_shown_is_the_size_signed(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        page = (await house.post("/write", {"text": "ü\n😀" * 50, "act": "preview"})).text
        base = re.search(r'data-size-base="(\d+)" data-size-limit="(\d+)"', page)
        used = re.search(r"data-size-used>(\d+)<", page)
        assert base is not None
        assert used is not None
        assert int(used[1]) - int(base[1]) == 50 * len(r"ü\n") + 50 * 2
        room = int(base[2]) - int(base[1])
        fits = await house.post("/write", {"text": "x" * room, "act": "publish"})
        assert fits.status_code == 303
        longer = await house.post("/write", {"text": "x" * (room + 20), "act": "publish"})
        assert longer.status_code == 400

    visit(scene)


def test_the_first_steps_tick_themselves_off(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        versions = set()

        async def look() -> str:
            await asyncio.wrap_future(house.service.store.wait_folded())
            page = str((await house.get("/welcome")).text)
            versions.update(re.findall(r'data-version="([^"]+)"', page))
            return page

        await look()
        await house.post("/welcome/name", {"name": "Me", "once": "a"})
        assert 'value="Me"' in await look()
        await house.call("social.follow", {"id": anna.id})
        assert "You follow 1 person." in await look()
        await house.post("/write", {"text": "hello", "act": "publish"})
        await look()
        await house.post("/network/lan", {"lan": "announce", "back": "/welcome"})
        assert "People on this Wi-Fi can see you." in await look()
        assert len(versions) == 5

    visit(scene)


def test_an_answer_to_nothing_is_no_new_post(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        await house.post("/draft", {"text": "another"})
        for act in ("publish", "preview"):
            for root in ("%nothing", " ", "@" + "A" * 43 + "=.ed25519"):
                fields = {"text": "only for them", "root": root, "act": act}
                answer = await house.post("/write", fields)
                assert answer.status_code == 400
                assert "not clear what this answers" in answer.text
                assert ">\nonly for them</textarea>" in answer.text
        assert house.own_messages() == []
        assert draft_of(house) == "another", "the draft of a new post is left alone"

    visit(scene)


def test_the_size_of_an_answer_counts_where_it_stands(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        root = anna.write(type="post", text="root")
        for _ in range(3):
            reply = anna.write(type="post", text="reply", root=root, branch=root)
        await house.receive(anna)
        for fields in (
            {"root": root},
            {"root": reply},
            {"channel": "#Garden"},
        ):
            page = (await house.post("/write", {**fields, "text": "x", "act": "preview"})).text
            base = re.search(r'data-size-base="(\d+)" data-size-limit="(\d+)"', page)
            assert base is not None
            room = int(base[2]) - int(base[1])
            longer = {**fields, "text": "x" * (room + 1), "act": "publish"}
            answer = await house.post("/write", longer)
            assert answer.status_code == 400, fields
            assert "about 1 character too long" in answer.text
            fits = await house.post("/write", {**fields, "text": "x" * room, "act": "publish"})
            assert fits.status_code == 303, fields

    visit(scene)


def test_a_first_empty_line_is_kept(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        page = (await house.post("/write", {"text": "\nx", "act": "preview"})).text
        assert ">\n\nx</textarea>" in page, "a browser drops the first"
        edit = f"/people/{segment_of(house.own)}/edit"
        page = (await house.post(edit, {"name": "\x07", "description": "\ny"})).text
        assert ">\n\ny</textarea>" in page

    visit(scene)
