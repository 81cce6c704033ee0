"""Nothing that was typed is lost, and nothing is said twice."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect
from village import Village
from windows import MakeWebPeer, OpenWindow, WebPeer


@pytest.fixture(scope="module")
def peer(make_web_peer: MakeWebPeer) -> WebPeer:
    writer: WebPeer = make_web_peer()
    writer.publish({"type": "post", "text": "The first words here."})
    return writer


def own_posts(peer: WebPeer, text: str) -> int:
    """Return how often a text was published."""
    return sum(text in message for _key, message in peer.messages(peer.feed))


def type_words(page: Page, text: str) -> None:
    page.get_by_label("Your words").fill(text)


def say(page: Page) -> None:
    page.get_by_role("button", name="Say it").click()


def test_words_come_back_when_the_session_is_gone_and_can_be_sent(
    open_window: OpenWindow, peer: WebPeer
) -> None:
    window = open_window(peer)
    page = window.page
    window.go("/write")
    type_words(page, "Two hours of\nmy life, & <b>more</b>")
    page.get_by_role("textbox", name="Channel").fill("#late")
    window.context.clear_cookies()
    say(page)
    expect(page.get_by_role("heading", name="The door is closed")).to_be_visible()
    assert page.get_by_label("Your words").input_value() == "Two hours of\nmy life, & <b>more</b>"
    assert own_posts(peer, "Two hours of") == 0

    tab = window.context.new_page()
    tab.goto(peer.command("open")[0]["url"])
    tab.wait_for_url(f"{peer.origin}/")
    tab.close()
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_role("article")).to_contain_text("my life, & <b>more</b>")
    expect(page.get_by_role("link", name="#late")).to_be_visible()
    assert own_posts(peer, "Two hours of") == 1


def test_words_about_oneself_come_back_too(open_window: OpenWindow, peer: WebPeer) -> None:
    window = open_window(peer)
    page = window.page
    window.go("/settings")
    page.get_by_role("link", name="Name, picture and words about you").click()
    page.get_by_label("What you call yourself").fill("Somebody")
    page.get_by_label("A few words about you").fill("I was born in\nthe rain.")
    window.context.clear_cookies()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("What you wrote is here")).to_be_visible()
    tab = window.context.new_page()
    tab.goto(peer.link())
    tab.wait_for_url(f"{peer.origin}/")
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_role("heading", name="Somebody", exact=True)).to_be_visible()
    expect(page.get_by_text("the rain.")).to_be_visible()


def test_a_double_click_says_it_once(open_window: OpenWindow, peer: WebPeer) -> None:
    window = open_window(peer)
    window.go("/write")
    type_words(window.page, "Once is enough.")
    window.page.get_by_role("button", name="Say it").dblclick()
    expect(window.page.get_by_role("article")).to_contain_text("Once is enough.")
    assert own_posts(peer, "Once is enough.") == 1


def test_a_form_sent_twice_at_once_says_it_once(open_window: OpenWindow, peer: WebPeer) -> None:
    window = open_window(peer)
    window.go("/write")
    type_words(window.page, "Twice is too often.")
    places = window.page.evaluate(
        """() => {
          const body = new URLSearchParams(new FormData(document.querySelector("form.composer")));
          body.set("act", "publish");
          const send = () => fetch("/write", { method: "POST", body });
          return Promise.all([send(), send(), send()].map((sent) => sent.then(({ url }) => url)));
        }"""
    )
    assert len(set(places)) == 1, "all are led to the one post"
    assert own_posts(peer, "Twice is too often.") == 1


def test_going_back_says_nothing_again(open_window: OpenWindow, peer: WebPeer) -> None:
    window = open_window(peer)
    page = window.page
    window.go("/write")
    type_words(page, "No way back.")
    say(page)
    expect(page.get_by_role("article")).to_contain_text("No way back.")
    page.go_back()
    page.go_forward()
    window.reload()
    assert own_posts(peer, "No way back.") == 1
    page.go_back()
    expect(page.get_by_role("heading", name="Write")).to_be_visible()
    assert own_posts(peer, "No way back.") == 1


def test_a_draft_is_kept_by_itself_and_comes_back(open_window: OpenWindow, peer: WebPeer) -> None:
    window = open_window(peer)
    page = window.page
    window.go("/write")
    page.get_by_label("Your words").press_sequentially("half a thou")
    expect(page.get_by_text("Draft kept on this computer.")).to_be_visible()
    window.go("/")
    window.go("/write")
    assert page.get_by_label("Your words").input_value() == "half a thou"
    used = page.locator("[data-size-used]")
    before = int(used.inner_text())
    page.get_by_label("Your words").press_sequentially('"\n')
    expect(used).to_have_text(str(before + 4))
    window.forget_draft()


def test_a_post_too_long_comes_back_whole(open_window: OpenWindow, peer: WebPeer) -> None:
    window = open_window(peer)
    window.go("/write")
    text = "word " * 3000
    type_words(window.page, text)
    say(window.page)
    expect(window.page.get_by_role("alert")).to_be_visible()
    assert window.page.get_by_label("Your words").input_value() == text
    window.forget_draft()


def test_two_peers_in_one_browser_do_not_turn_each_other_out(
    open_window: OpenWindow, village: Village, peer: WebPeer
) -> None:
    other = village.neighbour
    window = open_window(peer)
    window.come_in(other)
    names = {cookie["name"] for cookie in window.context.cookies()}
    assert len(names) == 2
    for each in (peer, other, peer):
        window.page.goto(f"{each.origin}/settings")
        expect(window.page.get_by_text(each.feed).first).to_be_visible()
    window.page.get_by_role("button", name="Shut out this one").click()
    expect(window.page.get_by_role("heading", name="The door is closed")).to_be_visible()
    window.page.goto(f"{other.origin}/settings")
    expect(window.page.get_by_role("heading", name="Settings")).to_be_visible()


def test_links_that_were_used_let_nobody_in(open_window: OpenWindow, peer: WebPeer) -> None:
    window = open_window(peer, is_let_in=False)
    link = peer.link()
    window.page.goto(link)
    window.page.wait_for_url(f"{peer.origin}/")
    other = open_window(peer, is_let_in=False)
    response = other.go(urlsplit(link).path)
    assert response.status == 403
    assert other.context.cookies() == []
