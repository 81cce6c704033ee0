"""A thread that a JavaScript peer began: shown in the browser, answered there, and read back."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers import JsPeer, wait_until
from playwright.sync_api import expect
from scenes import befriend
from windows import MakeWebPeer, OpenWindow

from lichen.node.paths import segment_of


@pytest.fixture
def js_peer(tmp_path: Path) -> Iterator[JsPeer]:
    peer = JsPeer("modern", tmp_path / "js").start()
    yield peer
    peer.kill()


def test_thread_of_a_javascript_peer_is_shown_and_answered(
    open_window: OpenWindow, make_web_peer: MakeWebPeer, js_peer: JsPeer
) -> None:
    lichen = make_web_peer()
    befriend(lichen, js_peer)
    js_peer.publish({"type": "about", "about": js_peer.feed, "name": "Node Peer"})
    js_peer.publish({"type": "post", "text": "# Written in JavaScript\n\nDoes it *arrive*? 🌱"})
    lichen.connect(js_peer.address)
    lichen.wait_for({js_peer.feed: js_peer.received(js_peer.feed)})
    window = open_window(lichen)
    page = window.page
    window.go("/")
    post = page.get_by_role("article").filter(has_text="Does it arrive? 🌱")
    expect(post.get_by_role("link", name="Node Peer")).to_be_visible()
    expect(post.get_by_role("heading", name="Written in JavaScript")).to_be_visible()
    post.get_by_role("link", name="Reply").click()
    page.get_by_label("Your words").fill("It does, **whole**.")
    page.get_by_role("button", name="Say it").click()
    expect(page.get_by_role("article").filter(has_text="It does, whole.")).to_be_visible()
    page.get_by_role("article").first.get_by_role("button", name="Like").click()
    expect(page.locator(".react.mine")).to_be_visible()

    js_peer.wait_for({lichen.feed: lichen.received(lichen.feed)})
    contents = [json.loads(text)["content"] for _key, text in js_peer.messages(lichen.feed)]
    root = js_peer.messages(js_peer.feed)[-1][0]
    reply, like = contents[-2:]
    assert (reply["text"], reply["root"], reply["branch"]) == ("It does, **whole**.", root, root)
    assert (like["type"], like["vote"]["link"], like["vote"]["value"]) == ("vote", root, 1)

    js_peer.publish(
        {"type": "post", "text": "Read back in JavaScript.", "root": root, "branch": root}
    )
    replies = page.locator("[data-watch^='social.replies']")
    expect(replies).to_have_text("1 new")
    replies.click()
    expect(page.get_by_text("Read back in JavaScript.")).to_be_visible()
    window.go(f"/people/{segment_of(js_peer.feed)}")
    expect(page.get_by_text("You follow each other.")).to_be_visible()
    wait_until(lambda: lichen.feed in js_peer.connected())
