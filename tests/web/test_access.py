"""One-time links and sessions: who comes in, how long, and what of it lies on the disk."""

import stat
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from lichen.feed.identity import generate_identity
from lichen.web import limits
from lichen.web.access import DAY_S, SESSIONS_SETTING, Access

Visit = Callable[[Any], None]
OWN = generate_identity(b"\1" * 32).id
ORIGIN = "http://127.0.0.1:8990"


class Settings:
    """Keeps settings as the store does."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def setting(self, name: str) -> Any:
        return self.kept.get(name)

    def set_setting(self, name: str, value: Any) -> Future[None]:
        self.kept[name] = value
        return Future()


class Clock:
    def __init__(self) -> None:
        self.now = 1.7e9

    def __call__(self) -> float:
        return self.now


class Door:
    """The access of a peer, by a clock that a test sets."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.clock, self.settings = directory, Clock(), Settings()
        self.access: Any
        self.restart()

    def restart(self) -> None:
        self.access = Access(OWN, self.settings, self.directory, self.clock)  # type: ignore[arg-type]

    def files(self) -> list[Path]:
        return sorted(self.directory.glob("*"))

    def token(self) -> str:
        return str(self.access.make_link(ORIGIN).url.rpartition("/")[2])

    def let_in(self) -> str:
        value = self.access.use_link(self.token())
        assert isinstance(value, str)
        return value


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


def test_a_link_works_once(door: Door) -> None:
    token = door.token()
    value = door.access.use_link(token)
    assert door.access.is_session(value)
    assert door.access.use_link(token) is None
    assert door.access.use_link("") is None
    assert not door.access.is_session(token)


def test_a_link_works_for_a_minute(door: Door) -> None:
    early, late = door.token(), door.token()
    door.clock.now += limits.LINK_S_MAX - 0.1
    assert door.access.use_link(early) is not None
    door.clock.now += 0.1
    assert door.access.use_link(late) is None
    assert door.files() == []


def test_a_file_leads_the_browser_on_and_nobody_else(door: Door) -> None:
    link = door.access.make_link(ORIGIN)
    assert door.files() == [link.file]
    assert stat.S_IMODE(link.file.stat().st_mode) == 0o600
    assert f'content="0;url={link.url}"' in link.file.read_text()
    assert link.url.rpartition("/")[2] not in str(link.file)
    door.access.use_link(link.url.rpartition("/")[2])
    assert door.files() == []


@pytest.mark.parametrize("end", ["close", "restart"])
def test_no_link_outlives_the_run(end: str, door: Door) -> None:
    token = door.token()
    if end == "close":
        door.access.close()
    else:
        door.restart()
    assert door.files() == []
    assert door.access.use_link(token) is None


def test_links_are_few(door: Door) -> None:
    tokens = [door.token() for _ in range(limits.LINKS_MAX + 3)]
    assert len(door.files()) == limits.LINKS_MAX
    assert [door.access.use_link(token) is None for token in tokens] == (
        [True] * 3 + [False] * limits.LINKS_MAX
    )


def test_sessions_survive_a_restart_and_only_their_digest_is_kept(door: Door) -> None:
    value = door.let_in()
    assert value not in repr(door.settings.kept)
    door.restart()
    assert door.access.is_session(value)
    assert not door.access.is_session(next(iter(door.settings.kept[SESSIONS_SETTING])))


def test_a_session_lasts_while_it_is_used(door: Door) -> None:
    value, other = door.let_in(), door.let_in()
    for _ in range(3):
        door.clock.now += limits.SESSION_DAYS * DAY_S
        assert door.access.is_session(value)
    door.restart()
    assert not door.access.is_session(other)
    assert door.access.session_count() == 1
    door.clock.now += (limits.SESSION_DAYS + 1) * DAY_S
    assert not door.access.is_session(value)


def test_sessions_are_few_and_the_one_used_longest_ago_gives_way(door: Door) -> None:
    values = []
    for _ in range(limits.SESSIONS_MAX):
        values.append(door.let_in())
        door.clock.now += DAY_S / 10
    door.clock.now += DAY_S
    assert door.access.is_session(values[0])
    newest = door.let_in()
    assert [door.access.is_session(each) for each in (values[0], values[1], newest)] == [
        True,
        False,
        True,
    ]
    assert door.access.session_count() == limits.SESSIONS_MAX


def test_a_session_ends_at_once(door: Door) -> None:
    one, two, three = door.let_in(), door.let_in(), door.let_in()
    door.access.end_session(one)
    assert [door.access.is_session(each) for each in (one, two, three)] == [False, True, True]
    assert door.access.end_others(two) == 1
    door.restart()
    assert [door.access.is_session(each) for each in (one, two, three)] == [False, True, False]


@pytest.mark.parametrize("kept", [7, [], {"x": "y"}, {"x": None}, "all", {"x": True, "y": 1.5}])
def test_damaged_settings_let_nobody_in(kept: Any, door: Door) -> None:
    door.settings.kept[SESSIONS_SETTING] = kept
    door.restart()
    assert not door.access.is_session("x")
    assert door.access.is_session(door.let_in())


@pytest.mark.parametrize("value", [None, "", "x", "\ud800", "x" * 100_000])
def test_rubbish_is_no_session(value: str | None, door: Door) -> None:
    assert not door.access.is_session(value)
    door.access.end_session(value)


def test_the_cookie_is_the_peers_own_and_out_of_reach(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        link = house.server.access.make_link(house.server.origin)
        house.browser.cookies.clear()
        assert (await house.browser.head(link.url)).status_code == 200, "looking ahead"
        answer = await house.browser.get(link.url)
        name, _, rest = answer.headers["set-cookie"].partition("=")
        assert name == f"lichen-{house.own[1:9].replace('+', '-').replace('/', '_')}"
        attributes = {part.strip().lower() for part in rest.split(";")[1:]}
        assert attributes == {"httponly", "samesite=strict", "path=/", "max-age=2592000"}
        assert house.own not in answer.text
        assert (await house.get("/people")).status_code == 200
        assert not link.file.exists()
        assert (await house.get(link.url)).status_code == 200, "a reload leads home"
        house.browser.cookies.clear()
        stale = await house.get(link.url)
        assert stale.status_code == 403
        assert "This link has been used" in stale.text

    visit(scene)


def test_leaving_and_letting_no_other_in(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        name = house.server.access.cookie
        mine = house.browser.cookies[name]
        await house.browser.get(house.server.access.make_link(house.server.origin).url)
        other = house.browser.cookies[name]
        assert mine != other
        answer = await house.post("/leave", {"others": "1"})
        assert answer.headers["location"] == "/settings"
        assert (await house.get("/people")).status_code == 200
        house.browser.cookies.set(name, mine, domain="127.0.0.1", path="/")
        house.browser.cookies.clear()
        house.browser.cookies.set(name, mine)
        assert (await house.get("/people")).status_code == 401
        house.browser.cookies.clear()
        house.browser.cookies.set(name, other)
        answer = await house.post("/leave", {})
        assert answer.headers["location"] == "/"
        assert f'{name}=""; ' in answer.headers["set-cookie"]
        house.browser.cookies.set(name, other)
        assert (await house.get("/people")).status_code == 401

    visit(scene)
