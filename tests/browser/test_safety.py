"""Whatever strangers write, the reader's browser runs none of it and asks nobody for anything.

The payloads are those of ``tests/web``, in every field that a page shows, signed by strangers and
by ourselves. Each page is opened in the browser (``Window`` sees scripts, dialogs, refusals of the
policy and requests elsewhere); what needs a page for each payload is mostly read there as a
document, which is quicker and sees the same elements.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page
from village import Person, bring
from windows import MakeWebPeer, Window

from lichen.node.paths import segment_of

PAYLOADS = [
    re.sub(r"\\u\{([0-9A-F]+)\}", lambda code: chr(int(code.group(1), 16)), line)
    for line in (Path(__file__).parent.parent / "web" / "xss_payloads.txt")
    .read_text("utf-8")
    .splitlines()
]
TEXTS = [payload.encode("utf-8", "replace").decode().replace("\0", "") for payload in PAYLOADS]
"""The payloads as a person can type them."""
OPENED_EVERY = 20
PACKED = 6
POST_CHARACTERS_MAX = 5000
FAULTS_IN = r"""
const faultsIn = (page) => {
  const found = [];
  for (const element of page.querySelectorAll("*")) {
    const tag = element.localName;
    if (["iframe", "object", "embed", "base", "style", "applet", "frame"].includes(tag))
      found.push(`<${tag}>`);
    if (tag === "script" && !element.getAttribute("src")?.startsWith("/static/"))
      found.push(element.outerHTML);
    if (tag === "meta" && element.httpEquiv) found.push(element.outerHTML);
    for (const { name, value } of element.attributes) {
      if (name.startsWith("on") || name === "style" || name === "srcdoc")
        found.push(`${tag} ${name}=${value}`);
      if (["href", "src", "action", "formaction", "xlink:href", "poster"].includes(name)) {
        const url = URL.canParse(value, location.href) ? new URL(value, location.href) : {};
        const isLink = tag === "a" && ["http:", "https:", "mailto:"].includes(url.protocol);
        if (url.origin !== location.origin && !isLink) found.push(`${tag} ${name}=${value}`);
      }
    }
  }
  return found;
};
"""
CHECK_PAGE = f"() => {{ {FAULTS_IN} return faultsIn(document); }}"
CHECK_PATHS = f"""async (paths) => {{
  {FAULTS_IN}
  const read = async (path) => {{
    const response = await fetch(path);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const isOurs = page.querySelector("main#page") !== null;
    return [...faultsIn(page), ...(isOurs ? [] : ["not a page"])]
      .map((each) => `${{path}}: ${{each}}`);
  }};
  const found = [];
  for (let start = 0; start < paths.length; start += 12)
    found.push(...(await Promise.all(paths.slice(start, start + 12).map(read))).flat());
  return found;
}}"""


class Scene:
    """A window at a peer that holds every payload in every field."""

    def __init__(self, window: Window, author: Person, root: str, raw: list[str]) -> None:
        self.window = window
        self.author = author
        self.root = root
        self.raw = raw

    @property
    def page(self) -> Page:
        return self.window.page

    def open(self, path: str) -> None:
        """Open a page and look through it."""
        self.window.go(path)
        assert self.page.evaluate(CHECK_PAGE) == []

    def open_all(self, path: str) -> int:
        """Open a page and those that follow it; return how many."""
        opened: list[str] = []
        while path not in opened:
            self.open(path)
            opened.append(path)
            more = self.page.locator("[rel=next], .fold a[href*='after=']").last
            path = more.get_attribute("href") or path if more.count() else path
        return len(opened)

    def read(self, paths: list[str]) -> None:
        """Read pages as documents, and open some of them."""
        assert self.page.evaluate(CHECK_PATHS, paths) == []
        for path in paths[::OPENED_EVERY]:
            self.open(path)


def packs(texts: list[str], count: int) -> list[list[str]]:
    """Return texts some at a time."""
    return [texts[start : start + count] for start in range(0, len(texts), count)]


def sign_payloads(author: Person) -> tuple[str, list[str]]:
    """Sign a thread with every payload in every field; return its root and what to view raw."""
    root = author.post(1000, "\n\n".join(PAYLOADS[:60])[:POST_CHARACTERS_MAX])
    for payload in PAYLOADS:
        author.post(
            900,
            f"{payload}\n\n[x]({payload}) ![x]({payload})",
            root=root,
            branch=root,
            channel=payload,
            contentWarning=payload,
            mentions=[{"link": author.id, "name": payload}],
        )
        members: dict[str, Any] = {"title": payload, "link": payload}
        author.say(type=f"x{payload[:40]}", root=root, branch=root, **members)
        author.say(type="contact", contact=payload, following=payload, **members)
        author.say(type="vote", vote={"link": root, "value": 1, "expression": payload[:30]})
        author.say(type="about", about=author.id, description=payload, image=payload)
    raw = [
        author.say(type="packed", members=dict(zip(packed, packed, strict=True)))
        for packed in packs(PAYLOADS, PACKED * PACKED)
    ]
    return root, raw


@pytest.fixture(scope="module")
def scene(
    browser: Browser, make_web_peer: MakeWebPeer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    peer = make_web_peer()
    author = Person(60)
    root, raw = sign_payloads(author)
    named = [Person(number + 100, payload) for number, payload in enumerate(PAYLOADS)]
    for person, payload in zip(named, reversed(PAYLOADS), strict=True):
        person.say(type="about", about=author.id, name=payload)
        person.say(type="about", about=person.id, description=payload)
    bring(peer, tmp_path_factory.mktemp("payloads") / "all.jsonl", author, *named)
    peer.publish_many(
        [
            *({"type": "contact", "contact": p.id, "following": True} for p in (author, *named)),
            *({"type": "post", "text": text, "channel": text} for text in PAYLOADS[:40]),
            {"type": "about", "about": peer.feed, "name": PAYLOADS[0]},
            {"type": "about", "about": peer.feed, "description": "\n\n".join(PAYLOADS[200:280])},
        ]
    )
    window = Window(browser, peer).come_in()
    yield Scene(window, author, root, raw)
    window.close()


def test_posts_of_a_thread(scene: Scene) -> None:
    path = f"/thread/{segment_of(scene.root)}?after=0"
    assert scene.open_all(path) >= len(PAYLOADS) * 2 // 100
    assert scene.page.get_by_text("which has no page yet").count() > 10


def test_home_and_its_cards(scene: Scene) -> None:
    assert scene.open_all("/") > 1
    scene.open("/channel/x")


def test_names_of_people(scene: Scene) -> None:
    assert scene.open_all("/people") > 1
    scene.open("/welcome")
    scene.open(f"/people/{segment_of(scene.author.id)}")
    scene.open(f"/people/{segment_of(scene.window.peer.feed)}")
    people = [segment_of(Person(number + 100).id) for number in range(len(PAYLOADS))]
    scene.read([f"/people/{feed}" for feed in people])
    scene.read([f"/people/{feed}/edit" for feed in people[::10]])


def test_raw_messages(scene: Scene) -> None:
    for key in scene.raw:
        scene.open(f"/message/{segment_of(key)}")
        assert '"members"' in scene.page.locator("pre").inner_text()


def test_search_and_channels(scene: Scene) -> None:
    packed = [quote(" ".join(texts)[:500]) for texts in packs(TEXTS, PACKED)]
    scene.read([f"/search?q={text}" for text in packed])
    asked = ("script OR img OR alert", "svg OR onerror OR style", "type:post", "javascript OR data")
    scene.read([f"/search?q={quote(question)}" for question in asked])
    scene.read([f"/write?channel={text}" for text in packed])
    scene.read([f"/channel/{quote(text, safe='')}" for text in TEXTS if text.strip("./")])


def test_what_one_types_oneself(scene: Scene) -> None:
    def type_and_look(text: str, channel: str) -> None:
        scene.page.get_by_label("Your words").fill(text)
        scene.page.get_by_role("textbox", name="Channel").fill(channel)
        scene.page.get_by_role("button", name="Preview").click()

    scene.open("/write")
    for texts in packs(TEXTS, 60):
        type_and_look("\n\n".join(texts), texts[0])
        scene.page.wait_for_selector("section[aria-label=Preview]")
        assert scene.page.evaluate(CHECK_PAGE) == []
        scene.open("/write")  # the draft
    scene.window.forget_draft()


def test_the_check_sees_what_it_should(scene: Scene) -> None:
    scene.open("/status")
    scene.page.evaluate(
        """document.body.append(new DOMParser().parseFromString(
          `<a href="javascript:x">x</a><p style="color:red" onclick="x">x</p>`, "text/html"
        ).body)"""
    )
    assert len(scene.page.evaluate(CHECK_PAGE)) == 3
    scene.page.evaluate("fetch('http://127.0.0.2:1/').catch(() => 0)")
    assert any("127.0.0.2" in fault for fault in scene.window.faults)
    scene.window.faults.clear()


def test_the_policy_stands_behind_all_that(scene: Scene) -> None:
    scene.open("/status")
    scene.page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          const picture = document.createElement("img");
          picture.setAttribute("onerror", "window.ran = true");
          picture.src = "/no-picture";
          document.body.append(script, picture);
          document.body.setAttribute("style", "color: red");
        }"""
    )
    scene.page.wait_for_timeout(200)
    assert scene.page.evaluate("window.ran") is None
    refused = [fault for fault in scene.window.faults if "Content Security Policy" in fault]
    assert len(refused) >= 3, scene.window.faults
    scene.window.faults.clear()
