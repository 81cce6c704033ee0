"""People: profiles, names, follow and block, edit with pictures; whoever they are."""

import asyncio
import html
import re
from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image

from lichen.feed.refs import blob_id_from_bytes
from lichen.node.paths import segment_of
from lichen.node.service import Service

Visit = Callable[[Any], None]


def path_of(feed: str, rest: str = "") -> str:
    return f"/people/{segment_of(feed)}{rest}"


class Blobs:
    """Keeps files in memory."""

    def __init__(self) -> None:
        self.added: list[bytes] = []

    async def add(self, data: bytes) -> str:
        self.added.append(data)
        return blob_id_from_bytes(len(self.added).to_bytes(32, "big"))

    async def read(self, _blob: str) -> bytes | None:
        return self.added[-1] if self.added else None

    def want(self, blob: str) -> None:
        """Ask nobody."""

    def size(self, _blob: str) -> int | None:
        return len(self.added[-1]) if self.added else None


@pytest.fixture
def blobs(monkeypatch: pytest.MonkeyPatch) -> Blobs:
    kept = Blobs()
    monkeypatch.setattr(Service, "blobs", kept, raising=False)
    return kept


def picture(kind: str = "PNG") -> bytes:
    out = BytesIO()
    Image.new("RGB", (40, 30), "green").save(out, kind)
    return out.getvalue()


def test_somebody_unknown_has_a_page(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        page = await house.get(path_of(writer(7).id))
        assert page.status_code == 200
        assert "Nothing of theirs has reached you." in page.text
        assert "Nobody you follow follows them." in page.text

    visit(scene)


def test_lists_of_people(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        empty = {
            "follows": "You follow nobody yet",
            "followers": "Nobody whom you keep follows you yet.",
            "nearby": "The people you follow have not told whom they follow.",
            "blocked": "You block nobody.",
            "nonsense": "You follow nobody yet",
        }
        for kind, words in empty.items():
            assert words in (await house.get(f"/people?kind={kind}")).text
        anna = writer(1)
        others = [writer(number) for number in range(2, 64)]
        anna.write(type="contact", contact=house.own, following=True)
        for other in others:
            anna.write(type="contact", contact=other.id, following=True)
        await house.receive(anna)
        await house.call("social.follow", {"id": anna.id})
        await house.call("social.block", {"id": others[0].id})
        names = {}
        for kind in ("follows", "followers", "nearby", "blocked"):
            page = (await house.get(f"/people?kind={kind}")).text
            names[kind] = set(re.findall(r'class="name" href="/people/([^"]+)"', page))
        assert names["follows"] == names["followers"] == {segment_of(anna.id)}
        assert names["blocked"] - {segment_of(anna.id)} == {segment_of(others[0].id)}
        assert len(names["nearby"] - {segment_of(anna.id)}) == 50
        page = (await house.get("/people?kind=nearby")).text
        more = re.search(r'href="([^"]+)" rel="next"', page)
        assert more is not None
        rest = (await house.get(more[1].replace("&amp;", "&"))).text
        rest_names = set(re.findall(r'class="name" href="/people/([^"]+)"', rest))
        assert len((names["nearby"] | rest_names) - {segment_of(anna.id)}) == 61

    visit(scene)


def test_somebody_is_found_in_a_list_by_name(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        people = [writer(number) for number in range(1, 70)]
        for number, person in enumerate(people):
            person.write(type="about", about=person.id, name=f"Örn <b> & Kim/{number:02}")
        await house.receive(*people)
        for person in people:
            await house.call("social.follow", {"id": person.id})
        page = (await house.get("/people?name=orn%20%3Cb%3E%20%26")).text
        names = re.findall(r'class="name" href="/people/([^"]+)"', page)
        assert names[0] == segment_of(people[-1].id)
        more = re.search(r'href="([^"]+)" rel="next"', page)
        assert more is not None
        second = (await house.get(html.unescape(more[1]))).text
        names += re.findall(r'class="name" href="/people/([^"]+)"', second)
        assert len(names) == len(set(names)) == len(people)
        # Whoever presses a button on the second page comes back to it.
        (back, *_) = re.findall(r'name="back" value="([^"]+)"', second)
        answer = await house.post(
            path_of(people[0].id, "/relate"), {"act": "follow", "back": html.unescape(back)}
        )
        assert answer.headers["location"] == html.unescape(more[1])
        (one,) = re.findall(
            r'class="name" href="/people/([^"]+)"', (await house.get("/people?name=07")).text
        )
        assert one == segment_of(people[7].id)
        nobody = (await house.get("/people?name=%3Cscript%3E")).text
        assert "Nobody in this list is called so" in nobody
        assert 'href="/search?q=%3Cscript%3E"' in nobody
        assert "<script>" not in nobody
        assert (await house.get("/people?name=%00%ff&before=x")).status_code == 200

    visit(scene)


def test_beyond_the_last_page_nothing_is_said_to_be_missing(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        anna.write(type="post", text="hello", channel="bread")
        await house.receive(anna)
        await house.call("social.follow", {"id": anna.id})
        for path in ("/", "/people", path_of(anna.id), "/channel/bread"):
            page = (await house.get(f"{path}?before=1")).text
            assert "Nothing further" in page, path
            assert 'href="/welcome"' not in page
            for words in ("You follow nobody", "No threads of theirs", "Nobody you keep has used"):
                assert words not in page

    visit(scene)


def test_following_and_blocking_go_back_where_they_were_asked(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        relate = path_of(anna.id, "/relate")
        for back, to in (
            ("/people?kind=followers", "/people?kind=followers"),
            ("/people?kind=nearby&name=%C3%B6+x&before=12", None),
            ("/people?kind=nearby&before=12\r\nset-cookie: a=b", path_of(anna.id)),
            ("/people?kind=//evil.example", path_of(anna.id)),
            ("/welcome", "/welcome"),
            ("https://evil.example/", path_of(anna.id)),
            ("//evil.example/", path_of(anna.id)),
            ("/\\evil.example", path_of(anna.id)),
            ("/people\r\nset-cookie: a=b", path_of(anna.id)),
            ("", path_of(anna.id)),
        ):
            for act in ("follow", "unfollow"):
                answer = await house.post(relate, {"act": act, "back": back})
                assert answer.headers["location"] == (to or back)
                assert "set-cookie" not in answer.headers
        count = len(house.own_messages())
        for act in ("", "eat", "social.follow"):
            assert (await house.post(relate, {"act": act})).status_code == 400
        for act in ("follow", "unfollow", "block"):
            answer = await house.post(path_of(house.own, "/relate"), {"act": act})
            assert answer.status_code == 400
            assert "yourself" in answer.text
        assert (await house.post("/people/x/relate", {"act": "follow"})).status_code == 404
        assert len(house.own_messages()) == count

    visit(scene)


def test_forms_of_the_network_lead_nowhere_else(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        for back in ("https://evil.example/", "//evil.example", "/settings", "/welcome\n"):
            answer = await house.post("/network/lan", {"lan": "off", "back": back})
            assert answer.headers["location"] == "/network"
        answer = await house.post("/network/lan", {"lan": "off", "back": "/welcome"})
        assert answer.headers["location"] == "/welcome"
        answer = await house.post("/network/connect", {"address": "net:nonsense<b>"})
        assert answer.status_code == 400
        assert "net:nonsense&lt;b&gt;" in answer.text, "what was typed is still there"

    visit(scene)


def test_blocked_people_are_shown_as_such(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna, bert = writer(1), writer(2)
        bert.write(type="about", about=bert.id, name="Bert", description="spiteful words")
        bert.write(type="post", text="spite")
        anna.write(type="contact", contact=bert.id, blocking=True)
        await house.receive(anna, bert)
        await house.call("social.follow", {"id": anna.id})
        before = (await house.get(path_of(bert.id))).text
        assert "spite" in before
        assert "whom you follow." in before, "a friend blocks them"
        await house.post(path_of(bert.id, "/relate"), {"act": "block"})
        page = (await house.get(path_of(bert.id))).text
        assert "spite" not in page
        assert "What they wrote is not shown while you block them." in page
        assert "Unblock" in page
        await house.post(path_of(bert.id, "/relate"), {"act": "unfollow"})
        assert "spite" in (await house.get(path_of(bert.id))).text

    visit(scene)


def test_hostile_people(visit: Visit, writer: Any) -> None:
    evil = "\u202e<b>&quot;" + "".join(map(chr, range(1, 32))) + "\u2028\x7f\ud83d"

    async def scene(house: Any) -> None:
        anna, bert = writer(1), writer(2)
        for person, subject in ((anna, anna), (bert, anna), (bert, bert)):
            person.write(type="about", about=subject.id, name=evil * 9, description=evil * 15)
            person.write(type="about", about=subject.id, image={"link": "&" + "x" * 5000})
            person.write(type="about", about=subject.id, image={"link": 7, "name": evil})
        person.write(type="about", about=anna.id, name="x" * 6000, description="> " * 300)
        anna.write(type="contact", contact=anna.id, following=True)
        anna.write(type="contact", contact=anna.id, blocking=True)
        anna.write(type="contact", contact="@x", following=True)
        await house.receive(anna, bert)
        await house.call("social.follow", {"id": anna.id})
        for path in ("/people", path_of(anna.id), path_of(bert.id), path_of(anna.id, "/edit")):
            page = await house.get(path)
            assert page.status_code == 200
            for name in re.findall(r"<bdi>(.*?)</bdi>", page.text):
                assert "\u202e" not in name
                assert len(name) < 600
            assert "<b>&quot;" not in page.text

    visit(scene)


def test_a_name_alone_can_be_saved(visit: Visit, blobs: Blobs) -> None:
    async def scene(house: Any) -> None:
        edit = path_of(house.own, "/edit")
        answer = await house.post(edit, {"name": "Anna", "description": ""})
        assert answer.status_code == 303, answer.text
        assert house.own_messages() == [{"type": "about", "about": house.own, "name": "Anna"}]
        assert 'value="Anna"' in (await house.get(edit)).text
        await house.post(edit, {"name": "Anna", "description": "a\r\nb"})
        assert house.own_messages()[1:] == [
            {"type": "about", "about": house.own, "description": "a\nb"}
        ]
        await house.post(edit, {"name": "Anna", "description": "a\nb"})
        assert len(house.own_messages()) == 2, "nothing has changed"
        await house.post(edit, {"name": "Anna", "description": " "})
        assert house.own_messages()[2]["description"] == {"remove": True}

    visit(scene)


def test_ones_own_name_for_others_is_given_and_taken_back(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        anna.write(type="about", about=anna.id, name="Anna")
        await house.receive(anna)
        edit = path_of(anna.id, "/edit")
        form = (await house.get(edit)).text
        assert 'name="name" value=""' in form, "their own name is not yours for them"
        assert 'name="picture"' not in form
        await house.post(edit, {"name": ""})
        assert house.own_messages() == []
        await house.post(edit, {"name": "sister", "description": "sly", "back": "//evil.example"})
        assert house.own_messages() == [{"type": "about", "about": anna.id, "name": "sister"}]
        assert 'name="name" value="sister"' in (await house.get(edit)).text
        assert "your name for them" in (await house.get(path_of(anna.id))).text
        await house.post(edit, {"name": ""})
        assert house.own_messages()[1]["name"] == {"remove": True}
        assert "<bdi>Anna</bdi>" in (await house.get(path_of(anna.id))).text

    visit(scene)


@pytest.mark.parametrize("name", ["\u202e", "x" * 500, "a\x07b"])
def test_a_name_that_cannot_be_is_typed_still(name: str, visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        fields = {"name": name, "description": "my words"}
        answer = await house.post(path_of(house.own, "/edit"), fields)
        assert answer.status_code == 400
        assert f'value="{name}"' in answer.text
        assert ">\nmy words</textarea>" in answer.text
        answer = await house.post("/welcome/name", {"name": name})
        assert answer.status_code == 400
        assert f'value="{name}"' in answer.text
        assert house.own_messages() == []

    visit(scene)


def test_a_picture_is_published_small_and_hostile_ones_are_not(visit: Visit, blobs: Blobs) -> None:
    async def scene(house: Any) -> None:
        edit = path_of(house.own, "/edit")
        svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
        for data in (svg, b"MZ", b"\x89PNG\r\n\x1a\n", picture()[:60], b"<html>"):
            files = {"picture": ("a.png", data)}
            fields = {"name": "Anna", "description": "words"}
            answer = await house.post(edit, fields, files=files)
            assert answer.status_code == 400
            assert "not a picture that can be read" in answer.text
            assert 'value="Anna"' in answer.text
        assert blobs.added == []
        assert house.own_messages() == []
        answer = await house.post(edit, {}, files={"picture": ("a.png", picture())})
        assert answer.status_code == 303
        (about,) = house.own_messages()
        assert about["image"] == blob_id_from_bytes((1).to_bytes(32, "big"))
        shown = await house.get(path_of(house.own))
        assert f'src="/blob/{segment_of(about["image"])}"' in shown.text
        sent = await house.get(f"/blob/{segment_of(about['image'])}")
        assert sent.headers["content-type"] == "image/jpeg"
        assert sent.content == blobs.added[0]

    visit(scene)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (picture("PNG"), "image/png"),
        (picture("JPEG"), "image/jpeg"),
        (picture("GIF"), "image/gif"),
        (picture("WEBP"), "image/webp"),
        (b"\0\0\0\x1cftypavif", "image/avif"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', None),
        (b"<!doctype html><script>alert(1)</script>", None),
        (b"%PDF-1.7", None),
        (b"", None),
    ],
)
def test_a_file_is_a_picture_or_only_bytes(
    data: bytes, kind: str | None, visit: Visit, blobs: Blobs
) -> None:
    async def scene(house: Any) -> None:
        blobs.added.append(data)
        sent = await house.get(f"/blob/{'A' * 43}")
        assert sent.headers["content-type"] == kind or "application/octet-stream"
        assert sent.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert sent.headers["x-content-type-options"] == "nosniff"
        assert ("content-disposition" in sent.headers) is (kind is None)
        assert sent.headers["cache-control"].startswith("private, ")

    visit(scene)


# Finding


def test_search_finds_or_says_that_nothing_fits(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        anna.write(type="about", about=anna.id, name="Anna")
        post = anna.write(type="post", text="hello")
        await house.receive(anna)
        key = anna.id[1:44].replace("+", "-").replace("/", "_")
        moved = {
            anna.id: path_of(anna.id),
            post: f"/thread/{segment_of(post)}",
            f"ssb:feed/ed25519/{key}=": path_of(anna.id),
            f"https://viewer.example/{quote(post, safe='')}": f"/thread/{segment_of(post)}",
            "&" + "A" * 43 + "=.sha256": "/blob/" + "A" * 43,
            "#Garden": "/channel/garden",
            "#a/b%?": "/channel/a%2Fb%25",
            f"  {anna.id}  ": path_of(anna.id),
        }
        for query, to in moved.items():
            answer = await house.get(f"/search?q={quote(query, safe='')}")
            assert (answer.status_code, answer.headers["location"]) == (303, to), query
        for query in ("anna", "@ANNA", anna.id[:8], anna.id[1:8]):
            assert anna.id.replace("+", "&#43;") in (
                await house.get(f"/search?q={quote(query, safe='')}")
            ).text.replace("+", "&#43;"), query
        for query in (post[:9], post[1:9]):
            found = (await house.get(f"/search?q={quote(query, safe='')}")).text
            assert segment_of(post) in found, query
        rubbish = [
            *("zzz", "ssb:", "ssb:rubbish", "ssb:message/classic/x", "#", "#.", "%", "&", "&x"),
            *("%%", "%s", "_", "*", "'", '"; DROP', "\x00", "\u202e", "x" * 5000, "@" + "x" * 60),
            *("<script>", "%ff", "ssb://feed/ed25519/" + "A" * 43),
        ]
        for query in rubbish:
            answer = await house.get(f"/search?q={quote(query, safe='')}")
            assert answer.status_code in {200, 303}, query
            assert "<script>" not in answer.text
        for query in ("zzz", "ssb:rubbish", "<script>"):
            assert "Nothing fits" in (await house.get(f"/search?q={quote(query)}")).text
        for path in ("/search", "/search?q=", "/search?q=%20", "/search?q=%ff", "/search?x=1"):
            assert (await house.get(path)).status_code == 200

    visit(scene)


def test_a_picture_beside_a_name_that_cannot_be_is_not_kept(visit: Visit, blobs: Blobs) -> None:
    async def scene(house: Any) -> None:
        path, files = path_of(house.own, "/edit"), {"picture": ("a.png", picture())}
        for fields in ({"name": "\x07"}, {"name": "me", "description": "x" * 9000}):
            assert (await house.post(path, fields, files=files)).status_code == 400
            assert blobs.added == []
        assert (await house.post(path, {"name": "me"}, files=files)).status_code == 303
        assert len(blobs.added) == 1

    visit(scene)


def test_only_faces_of_people_who_are_kept_are_asked_for(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        asked: list[str] = []
        house.service.shell.blobs.want = asked.append
        anna, bert = writer(1), writer(2)
        pictures = {
            each.id: blob_id_from_bytes(bytes([number]) * 32)
            for number, each in enumerate((anna, bert))
        }
        for feed, image in pictures.items():
            anna.write(type="about", about=feed, image=image)
        await house.call("social.follow", {"id": anna.id})
        await house.receive(anna)
        await until_kept(house, anna.id, is_kept=True)
        for feed in pictures:
            await house.get(path_of(feed))
        assert set(asked) == {pictures[anna.id]}
        asked.clear()
        await house.call("social.block", {"id": anna.id})
        await until_kept(house, anna.id, is_kept=False)
        await house.get(path_of(anna.id))
        assert asked == []

    visit(scene)


async def until_kept(house: Any, feed: str, *, is_kept: bool) -> None:
    """Wait for the brain, which takes in follows a little later."""
    for _ in range(1000):
        if (house.service.shell.brain.hops().get(feed, -1) >= 0) is is_kept:
            return
        await asyncio.sleep(0.02)
    pytest.fail("in vain")
