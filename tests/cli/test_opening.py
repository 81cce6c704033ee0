"""``open``, and showing a file in the browser."""

import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lichen.cli.commands.peer import browser
from lichen.cli.exits import Exit
from lichen.node.errors import ApiError

ANSWER = {"url": "http://127.0.0.1:8990/enter/secret", "file": "/run/open-1.html", "seconds": 60}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the addresses that a browser was told to open; there is a screen."""
    opened: list[str] = []

    def open_it(address: str) -> bool:
        opened.append(address)
        return True

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "open", open_it)
    return opened


def test_the_browser_is_shown_the_file_and_never_the_link(
    lichen: Callable[..., Any], client: Any, shown: list[str]
) -> None:
    client.answers |= {"manifest": {"web": {"open": "async"}}, "web.open": ANSWER}
    ended = lichen("open")
    assert (ended.code, ended.out) == (0, "")
    assert shown == ["file:///run/open-1.html"]
    assert "secret" not in ended.err


@pytest.mark.parametrize("flag", ["--print", "--json"])
def test_a_link_that_is_printed_opens_nothing(
    flag: str, lichen: Callable[..., Any], client: Any, shown: list[str]
) -> None:
    client.answers |= {"manifest": {"web": {"open": "async"}}, "web.open": ANSWER}
    ended = lichen("open", flag)
    assert ended.code == 0
    assert shown == []
    if flag == "--json":
        assert ended.lines == [ANSWER]
    else:
        assert ended.out == f"{ANSWER['url']}\n"


def test_without_a_screen_it_says_what_to_do(
    lichen: Callable[..., Any], client: Any, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client.answers |= {"manifest": {"web": {"open": "async"}}, "web.open": ANSWER}
    monkeypatch.setattr(browser, "has_screen", lambda: False)
    ended = lichen("open")
    assert ended.code == Exit.UNREACHABLE
    assert shown == []
    assert "lichen open --print" in ended.err
    assert "secret" not in ended.err + ended.out


def test_a_stopped_peer_or_one_without_pages(lichen: Callable[..., Any], client: Any) -> None:
    client.answers["manifest"] = {"social": {"post": "async"}}
    ended = lichen("open", "--print")
    assert ended.code == 5
    assert "--no-web" in ended.err
    client.answers["manifest"] = {"web": {"open": "async"}}
    client.answers["web.open"] = ApiError("failed", "The file cannot be written.")
    ended = lichen("open", "--print")
    assert ended.code == 1
    assert "cannot be written" in ended.err
    client.is_live = False
    ended = lichen("open", "--print")
    assert ended.code == 5
    assert "lichen start --open" in ended.err


@pytest.mark.parametrize(
    ("platform", "variables", "has"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"DISPLAY": ""}, False),
        ("darwin", {}, True),
        ("win32", {}, True),
    ],
)
def test_where_there_is_a_screen(
    platform: str, variables: dict[str, str], has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(browser.sys, "platform", platform)
    assert browser.has_screen() is has


@pytest.mark.parametrize("fault", [webbrowser.Error("none"), OSError("none")])
def test_a_browser_that_fails_is_none(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_address: str) -> bool:
        raise fault

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "open", fail)
    assert browser.open_file(Path("/tmp/x.html")) is False
