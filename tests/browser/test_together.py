"""Two people, each with a peer and a browser: from the welcome page to a block, live and by forms.

The same way is gone twice: with scripts, where the other's page says what is new by itself, and
without, where it says so when it is opened again.
"""

import re

import pytest
from playwright.sync_api import Page, expect
from windows import MakeWebPeer, OpenWindow, Window

from lichen.node.paths import segment_of


def settle(window: Window, name: str) -> None:
    """Say on the welcome page who one is."""
    window.page.get_by_label("Name", exact=True).fill(name)
    window.page.get_by_role("button", name="That is me").click()
    expect(window.page.get_by_role("button", name="Change it")).to_be_visible()


def connect(window: Window, address: str) -> None:
    """Connect on the welcome page."""
    field = window.page.get_by_label("Their address")
    field.fill(address)
    window.page.get_by_role("button", name="Connect").click()
    # The answer is there once the field is empty: a reload before would break the way to it.
    expect(field).to_have_value("")


def follow_near(window: Window) -> None:
    """Follow who is connected, as the welcome page offers it; with scripts, without a reload."""
    page = window.page
    if not window.has_scripts:
        window.reload()
    near = page.get_by_role("listitem").filter(has_text="connected").last
    near.get_by_role("button", name=re.compile("Follow")).click()
    expect(page.get_by_text("You follow 1 person.")).to_be_visible()


def say(page: Page, text: str) -> None:
    """Write what the form on a page is for."""
    page.get_by_label("Your words").fill(text)
    page.get_by_role("button", name="Say it").click()
    expect(page.get_by_role("article").filter(has_text=text)).to_be_visible()


def until_there(window: Window, text: str) -> None:
    """Open the page again until a text is on it."""
    for _attempt in range(100):
        if window.page.get_by_text(text).count():
            return
        window.page.wait_for_timeout(100)
        window.reload()
    raise AssertionError(f"{text!r} never came")


@pytest.mark.parametrize("has_scripts", [True, False], ids=["live", "by-forms"])
def test_two_people_meet_talk_and_part(
    make_web_peer: MakeWebPeer, open_window: OpenWindow, has_scripts: bool
) -> None:
    ada = open_window(make_web_peer(), java_script_enabled=has_scripts)
    bo = open_window(make_web_peer(), java_script_enabled=has_scripts)
    ada_id, bo_id = segment_of(ada.peer.feed), segment_of(bo.peer.feed)

    for window, name in ((ada, "Ada"), (bo, "Bo")):
        expect(window.page).to_have_url(f"{window.peer.origin}/welcome")
        settle(window, name)
    connect(ada, bo.peer.address)
    follow_near(ada)
    follow_near(bo)
    bo.go(f"/people/{ada_id}")
    until_there(bo, "You follow each other.")
    expect(bo.page.get_by_role("heading", name="Ada")).to_be_visible()

    ada.go("/write")
    for number in range(12):
        ada.peer.publish({"type": "post", "text": f"Earlier words, number {number}. " * 20})
    bo.peer.wait_for({ada.peer.feed: ada.peer.call("status")["ownSequence"]})
    bo.go("/")
    until_there(bo, "number 11")
    reading = bo.page.get_by_role("article").nth(5)
    reading.scroll_into_view_if_needed()
    place, scrolled = reading.bounding_box(), bo.page.evaluate("scrollY")
    assert scrolled > 0
    say(ada.page, "The swifts are back.")

    fresh = bo.page.locator("[data-watch^='social.fresh']")
    if has_scripts:
        expect(fresh).to_have_text("1 new")
        expect(fresh).to_be_in_viewport()
        assert (reading.bounding_box(), bo.page.evaluate("scrollY")) == (place, scrolled)
        fresh.click()
        expect(fresh).to_be_hidden()
    until_there(bo, "The swifts are back.")
    post = bo.page.get_by_role("article").filter(has_text="The swifts are back.")
    post.get_by_role("link", name="Reply").click()
    say(bo.page, "Seven of them, over the mill.")

    replies = ada.page.locator("[data-watch^='social.replies']")
    if has_scripts:
        expect(replies).to_have_text("1 new")
        expect(replies).to_be_in_viewport()
        assert ada.page.get_by_text("Seven of them").count() == 0, "nothing moved by itself"
        replies.click()
        expect(ada.page.get_by_text("Seven of them, over the mill.")).to_be_visible()
        expect(ada.page.get_by_text("You read to here")).to_be_visible()
    until_there(ada, "Seven of them, over the mill.")
    reply = ada.page.get_by_role("article").filter(has_text="Seven of them")
    reply.get_by_role("button", name="Like").click()
    expect(ada.page.get_by_role("article").locator(".react.mine")).to_have_text("Like1")
    until_liked(bo)

    ada.go(f"/people/{bo_id}")
    ada.page.get_by_text("Block", exact=True).click()
    ada.page.get_by_role("button", name="Block them").click()
    expect(ada.page.get_by_role("button", name="Unblock")).to_be_visible()
    ada.go("/")
    expect(ada.page.get_by_text("1 is hidden: you block who wrote it")).to_be_visible()
    assert ada.page.get_by_text("Seven of them").count() == 0
    ada.go("/network")
    expect(ada.page.get_by_role("heading", name="Nobody is near")).to_be_visible()


def until_liked(window: Window) -> None:
    """Open the thread again until the other's like is there."""
    for _attempt in range(100):
        window.reload()
        if window.page.locator(".react", has_text="1").count():
            return
        window.page.wait_for_timeout(100)
    raise AssertionError("the like never came")
