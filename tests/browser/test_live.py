"""What open pages say by themselves: who is near, what is coming in, and that the line holds."""

import os
import re
import signal
import socket
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import lichen_peer
import orjson
import pytest
from looking import look_through
from peers import wait_until
from playwright.sync_api import Route, expect
from village import Person, Village, bring
from windows import MakeWebPeer, OpenWindow, WebPeer

from lichen.feed.addresses import NetAddress, encode_address
from lichen.wire.discovery import encode_plain

IMPORTED = 2000
ENTRY = "A long diary, of which every day says the same. " * 120
"""Together more than the buffers of a connection hold."""


def test_a_neighbour_comes_and_goes_without_a_reload(
    open_window: OpenWindow, make_web_peer: MakeWebPeer
) -> None:
    here, there = make_web_peer(), make_web_peer()
    there.publish({"type": "about", "about": there.feed, "name": "Tove"})
    here.follow(there.feed)
    network, home = open_window(here), open_window(here)
    network.go("/network")
    home.go("/")
    for window in (network, home):
        expect(window.page.locator(".bar-state")).to_have_text("Nobody near")
    expect(network.page.get_by_role("heading", name="Nobody is near")).to_be_visible()

    there.connect(here.address)
    for window in (network, home):
        expect(window.page.locator(".bar-state")).to_have_text("1 neighbour near, up to date")
    expect(network.page.get_by_role("heading", name="One neighbour is near")).to_be_visible()
    expect(network.page.get_by_role("table")).to_contain_text("called here")
    expect(home.page.locator("#near")).to_contain_text("connected")

    network.page.get_by_label("Their address").fill("net:typed-so-far")
    there.stop()
    expect(home.page.locator("#near")).to_contain_text("Nobody right now")
    expect(home.page.locator(".bar-state")).to_have_text("Nobody near")
    assert network.page.get_by_label("Their address").input_value() == "net:typed-so-far"


def test_a_page_finds_its_peer_again_after_a_restart(
    open_window: OpenWindow, make_web_peer: MakeWebPeer
) -> None:
    peer, author = make_web_peer(), Person(90, "Runa")
    folder = peer.home.parent
    peer.follow(author.id)
    author.post(1000, "Before the pause.")
    bring(peer, folder / "before.jsonl", author)
    window = open_window(peer)
    window.go("/")
    expect(window.page.get_by_text("Before the pause.")).to_be_visible()
    origin = peer.origin
    peer.stop()
    peer.start()
    assert peer.origin == origin
    author.post(500, "After the pause.")
    bring(peer, folder / "after.jsonl", author)
    fresh = window.page.locator("[data-watch^='social.fresh']")
    expect(fresh).to_have_text("1 new")
    fresh.click()
    expect(window.page.get_by_text("After the pause.")).to_be_visible()


def test_catching_up_says_how_far_it_is(
    open_window: OpenWindow, make_web_peer: MakeWebPeer
) -> None:
    reader, keeper, author = make_web_peer(), make_web_peer(), Person(91, "Sixten")
    for number in range(IMPORTED):
        author.post(1000 + number, f"{number}. {ENTRY}")
    bring(keeper, keeper.home.parent / "diary.jsonl", author)
    keeper.publish({"type": "contact", "contact": author.id, "following": True})
    wait_until(lambda: keeper.unaudited() == 0)  # before that it would offer less
    reader.follow(author.id)
    window = open_window(reader)
    window.go("/")
    reader.connect(keeper.address)
    wait_until(lambda: reader.held() > 100, every_s=0.001)
    # Half-way, as slow as can be: what the page says does not depend on who is quicker.
    os.kill(keeper.pid, signal.SIGSTOP)
    told = window.page.locator("[data-watch='web.sync'] [data-text]")
    expect(told).to_have_text(re.compile(r"^[\d,]{3,} of about 2,0\d\d messages\."))
    expect(window.page.locator(".bar-state")).to_have_text("1 neighbour near, catching up")
    os.kill(keeper.pid, signal.SIGCONT)
    reader.wait_for({author.id: IMPORTED + 1})
    expect(window.page.locator("[data-watch='web.sync']")).to_be_hidden()
    expect(window.page.locator(".bar-state")).to_have_text("1 neighbour near, up to date")
    expect(window.page.locator("[data-watch^='social.fresh']")).to_have_text("99 new and more")


class HeldWebPeer(WebPeer):
    """A peer whose audit stops after a thousand messages until it is let go."""

    @property
    def program(self) -> tuple[str, ...]:  # type: ignore[override]
        return (str(Path(lichen_peer.__file__).parent / "held_audit.py"), str(self.home / "let-go"))


@pytest.mark.parametrize("has_scripts", [True, False])
def test_a_signature_is_not_checked_yet_until_it_is(
    open_window: OpenWindow, make_web_peer: MakeWebPeer, has_scripts: bool
) -> None:
    peer, author = make_web_peer(HeldWebPeer), Person(92, "Solveig")
    peer.follow(author.id)
    for number in range(IMPORTED):
        author.post(1000 * (IMPORTED - number), f"Number {number}.")
    bring(peer, peer.home.parent / "many.jsonl", author)
    assert peer.unaudited() > 0
    window = open_window(peer, java_script_enabled=has_scripts)
    window.go("/")
    marks = window.page.locator(".unchecked")
    expect(marks.first).to_have_text("not checked yet")
    expect(window.page.get_by_text(f"Number {IMPORTED - 1}.")).to_be_visible()
    if has_scripts:
        look_through(window.page)
        message = open_window(peer)
        message.page.goto(peer.origin + str(marks.first.get_attribute("href")))
        told = message.page.locator("dt:has-text('Signature') + dd")
        expect(told).to_contain_text("not checked yet.")
        look_through(message.page)
    (peer.home / "let-go").touch()
    wait_until(lambda: peer.unaudited() == 0)
    if has_scripts:
        expect(told).to_have_text("checked, and right")
    else:
        window.reload()
    expect(marks).to_have_count(0)


class LanPeer(WebPeer):
    """A peer whose local network is this machine's loopback address, and nothing else."""

    program = (str(Path(__file__).parent / "lan_peer.py"),)


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("page", ["/welcome", "/network"])
def test_somebody_at_the_door_is_let_in_only_when_asked(
    open_window: OpenWindow,
    make_web_peer: MakeWebPeer,
    monkeypatch: pytest.MonkeyPatch,
    village: Village,
    page: str,
) -> None:
    ports = (free_udp_port(), free_udp_port())
    monkeypatch.setenv("LICHEN_TEST_LAN_PORTS", " ".join(map(str, ports)))
    here, there = make_web_peer(LanPeer, serving=("--host", "127.0.0.1")), village.neighbour
    window = open_window(here)
    window.go(page)
    expect(window.page.get_by_text("Nobody can see you.")).to_be_visible()
    expect(window.page.get_by_text("Nobody is heard on this Wi-Fi right now")).to_be_visible()
    port = int(there.address.split(":")[2].split("~")[0])
    announced = encode_plain(encode_address(NetAddress("127.0.0.1", port, there.feed)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as shouting:
        shouting.sendto(announced, ("127.0.0.1", ports[0]))
    door = window.page.get_by_role("listitem").filter(has_text=there.feed[:8]).last
    expect(door).to_be_visible()
    assert here.connected() == []
    look_through(window.page)
    door.get_by_role("button", name="Connect").click()
    expect(window.page.locator(".bar-state")).to_contain_text("1 neighbour near")
    assert here.connected() == [there.feed]
    assert urlsplit(window.page.url).path == page

    window.page.get_by_role("button", name="Be seen on this Wi-Fi").click()
    expect(window.page.get_by_text("People on this Wi-Fi can see you.")).to_be_visible()
    look_through(window.page)
    window.page.get_by_role("link", name="Change it").click()
    window.page.get_by_label("Neither").check()
    window.page.get_by_role("button", name="Save", exact=True).click()
    expect(window.page.get_by_text("Saved.")).to_be_visible()
    window.go(page)
    expect(window.page.get_by_text("The local network is not listened to.")).to_be_visible()


def test_what_was_not_sorted_in_stays_in_its_place_when_it_is(
    open_window: OpenWindow, village: Village
) -> None:
    window = open_window(village.peer)
    behind = {"text": "12 of 900 messages are sorted in.", "value": 12, "max": 900}
    answers: list[object] = [None, behind, None]

    def answer(route: Route) -> None:
        told = b"".join(
            b"data: %s\n\n" % orjson.dumps({"watch": watch, "answer": each})
            for each in answers
            for watch in parse_qs(urlsplit(route.request.url).query)["watch"]
            if watch.startswith("web.folding")
        )
        route.fulfill(content_type="text/event-stream", body=told)

    for path in ("/", "/search?q=bread"):
        for shown in (1, 2, 3):
            window.page.unroute_all()
            window.page.route("**/live?*", answer)
            del answers[shown:]
            window.go(path)
            notice = window.page.locator("[data-watch^='web.folding']")
            if shown == 1:
                window.page.wait_for_timeout(300)
                expect(notice).to_be_hidden()
            elif shown == 2:
                expect(notice.locator("[data-during]")).to_contain_text("12 of 900 messages")
                expect(notice.locator("[data-done]")).to_be_hidden()
                height = notice.bounding_box()["height"]
            else:
                expect(notice.locator("[data-done]")).to_contain_text("sorted in now. Show it")
                expect(notice.locator("[data-during]")).to_be_hidden()
                assert notice.bounding_box()["height"] == height, "nothing below has moved"
                look_through(window.page)
                notice.get_by_role("link", name="Show it").click()
                expect(notice).to_be_visible()
            answers[:] = [None, behind, None]
        assert urlsplit(window.page.url).path == path.partition("?")[0]
