"""Every page, for every eye and hand: looked through by axe, gone through by keyboard."""

from collections.abc import Iterator
from typing import Any

import pytest
from looking import look_through
from places import CLOSED_PLACES, PLACES, path_of
from playwright.sync_api import Browser, expect
from village import Person, Village, bring, now_ms
from windows import MakeWebPeer, OpenWindow, Window

LONG = "Donaudampfschifffahrtsgesellschaftskapitänswitwenrentenauszahlungsstelle" * 2


@pytest.fixture(scope="module")
def window(browser: Browser, village: Village) -> Iterator[Window]:
    """Return a window at the village in which nothing is as short as it should be."""
    wordy = Person(80, LONG)
    wide = " | ".join(f"column{number}" for number in range(30))
    root = wordy.post(
        1000,
        f"{LONG * 5}\n\n```\n{'code without an end ' * 40}\n```\n\n| {wide} |\n|{'-|' * 30}\n\n"
        f"{village.peer.feed} https://example.org/{'path/' * 80} `{'x' * 300}`\n\n# {LONG}\n\n"
        f"> {LONG}\n\n1. {LONG}\n\n![{LONG}](&{'A' * 43}=.sha256)",
        contentWarning=LONG,
        channel="a-channel-of-thirty-letters-00",
    )
    wordy.post(
        900, f"{LONG * 5}\n\n```\n{'code ' * 200}\n```\n\n| {wide} |\n|{'-|' * 30}", root=root
    )
    wordy.say(now_ms(), type="x" * 52, root=root)
    wordy.say(type="vote", vote={"link": root, "value": 1, "expression": LONG[:60]})
    wordy.say(type="about", about=wordy.id, description=LONG * 3)
    wordy.follow(village.peer.feed)
    bring(village.peer, village.folder / "wordy.jsonl", wordy)
    village.peer.follow(wordy.id)
    village.messages["wordy-post"] = root
    village.people["wordy"] = wordy
    opened = Window(browser, village.peer).come_in()
    yield opened
    opened.close()


WORDY_PLACES = {
    "thread-wordy": "/thread/{wordy-post}",
    "profile-wordy": "/people/{wordy}",
    "search-wordy": f"/search?q={LONG[:60]}*%20OR%20code",
}


@pytest.mark.parametrize("name", [*PLACES, *WORDY_PLACES])
def test_page(window: Window, village: Village, name: str) -> None:
    window.go(path_of((PLACES | WORDY_PLACES)[name], village))
    for folded in window.page.locator("details > summary").all():
        folded.click()
    look_through(window.page)


def test_closed_door(open_window: OpenWindow, village: Village) -> None:
    window = open_window(village.peer, is_let_in=False)
    for path in CLOSED_PLACES.values():
        window.go(path)
        look_through(window.page)


def test_composer_with_a_preview_and_with_a_fault(window: Window) -> None:
    page = window.page
    window.go("/write")
    page.get_by_label("Your words").fill(f"**{LONG}**")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="As others will see it")).to_be_visible()
    look_through(page)
    page.get_by_label("Your words").fill("too long " * 1200)
    page.get_by_role("button", name="Say it").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.get_by_label("Your words").input_value() == "too long " * 1200
    look_through(page)
    window.forget_draft()


def test_search_by_keyboard(window: Window) -> None:
    page = window.page
    window.go("/")
    page.get_by_role("banner").get_by_role("searchbox").focus()
    page.keyboard.type("bread -zzz")
    page.keyboard.press("Enter")
    found = page.locator(".found mark")
    expect(found.first).to_have_text("bread", ignore_case=True)
    box = page.get_by_role("main").get_by_role("searchbox")
    expect(box).to_be_focused()
    expect(box).to_have_value("bread -zzz")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="with a picture")).to_be_focused()
    page.keyboard.press("Enter")
    expect(box).to_have_value("bread -zzz has:image")


def test_fault_of_a_form(window: Window) -> None:
    window.go("/network")
    window.page.get_by_label("Their address").fill("nobody is here")
    window.page.get_by_role("button", name="Connect").click()
    expect(window.page.get_by_role("alert")).to_be_visible()
    look_through(window.page)


def test_newcomer(open_window: OpenWindow, make_web_peer: MakeWebPeer) -> None:
    window = open_window(make_web_peer())
    look_through(window.page)
    window.page.get_by_label("Name", exact=True).fill("x" * 121 + "y")
    window.page.get_by_role("button", name="Go home").click()
    expect(window.page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    look_through(window.page)
    for path in ("/people", "/network"):
        window.go(path)
        look_through(window.page)


FOCUSED = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  return {
    what: element.outerHTML.slice(0, 120),
    number: element.dataset.number ?? "",
    isSeen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    isInside: box.bottom > 0 && box.top < innerHeight && box.width > 0,
  };
}"""
NUMBER_ALL = """() => {
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
    .filter((e) => e.tabIndex >= 0 && e.type !== "hidden" && e.checkVisibility());
  const radios = new Set();
  return all.filter((element, number) => {
    element.dataset.number = number;
    if (element.type !== "radio") return true;
    // Of a group of radio buttons, one is reached by Tab and the others by the arrows.
    const chosen = document.querySelector(`[name=${element.name}]:checked`) ?? element;
    return chosen === element;
  }).map((element) => element.dataset.number);
}"""


@pytest.mark.parametrize("name", ["home", "thread", "profile", "write", "settings", "network"])
def test_everything_is_reached_by_tab_and_seen(window: Window, village: Village, name: str) -> None:
    page = window.page
    window.go(path_of(PLACES[name], village))
    expected = page.evaluate(NUMBER_ALL)
    reached: list[str] = []
    for _press in range(len(expected) + 30):
        page.keyboard.press("Tab")
        focused: dict[str, Any] | None = page.evaluate(FOCUSED)
        if focused is None:
            break
        assert focused["isSeen"], focused["what"]
        assert focused["isInside"], focused["what"]
        if focused["number"]:
            reached.append(focused["number"])
    assert reached == expected, "in the order of the page, nothing left out"


def test_the_page_is_one_key_away(window: Window) -> None:
    page = window.page
    window.go("/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the page")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_nothing_moves_for_who_wants_no_motion(window: Window) -> None:
    page = window.page
    page.emulate_media(reduced_motion="reduce")
    for path in ("/", "/network"):
        window.go(path)
        slow = page.evaluate(
            """() => [...document.querySelectorAll("*")].filter((element) => {
              const style = getComputedStyle(element);
              return [style.transitionDuration, style.animationDuration].some(
                (text) => text.split(",").some((each) => parseFloat(each) > 0.001));
            }).map((element) => element.outerHTML.slice(0, 100))"""
        )
        assert slow == []
