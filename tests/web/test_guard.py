"""Every route of the real application turns away what does not come from this peer's own pages."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.routing import Route

from lichen.apps import all_apps
from lichen.store.errors import StoreReadFailed
from lichen.web.forms import Sending
from lichen.web.guard import HEADERS, find_objection
from lichen.web.live import Live
from lichen.web.pages import PAGES

Visit = Callable[[Any], None]
OPEN = {"/enter/{token}", "/static/{digest}/{file}"}
"""What needs no session: the way in, and files that are the same for everybody."""
SECRET_NAME, SECRET_TEXT = "Zephyrine", "cinnabar lighthouse"


def routes_of(house: Any) -> Iterator[tuple[str, str, str]]:
    """Yield method, path to ask for, and path as declared, of everything there is."""
    segment = "A" * 43
    for route in house.server.application.starlette.routes:
        assert isinstance(route, Route), "nothing but routes: the test would not see through it"
        path = re.sub(r"\{[^}]*\}", segment, route.path)
        for method in sorted(route.methods or ()):
            yield method, path, route.path


def foreign_headers(house: Any, method: str) -> Iterator[Mapping[str, str]]:
    origin, port = house.server.origin, house.server.port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", ""):
        yield {"host": host, "origin": origin}
    for other in ("http://evil.example", "null", f"http://127.0.0.1:{port + 1}", "file://", ""):
        yield {"origin": other}
        yield {"origin": other, "sec-fetch-site": "same-origin"}
    yield {"origin": f"https://127.0.0.1:{port}"}
    for site in ("cross-site", "same-site"):
        for destination in ("iframe", "image", "script", "empty", "object", "embed", "style"):
            yield {"sec-fetch-site": site, "sec-fetch-dest": destination}
            yield {
                "sec-fetch-site": site,
                "sec-fetch-dest": destination,
                "sec-fetch-mode": "navigate",
            }
        if method != "GET":
            yield {
                "sec-fetch-site": site,
                "sec-fetch-dest": "document",
                "sec-fetch-mode": "navigate",
            }
    if method not in {"GET", "HEAD"}:
        yield {}
        yield {"sec-fetch-site": "none"}
        yield {"sec-fetch-site": "cross-site", "origin": origin}


async def make_known(house: Any) -> None:
    """Give the peer a name and a post, which no stranger may see."""
    await house.call("social.setName", {"id": house.own, "name": SECRET_NAME})
    await house.call("social.post", {"text": SECRET_TEXT})


def assert_tells_nothing(house: Any, answer: Any) -> None:
    told = answer.text + repr(answer.headers)
    for secret in (house.own, house.own[1:10], SECRET_NAME, SECRET_TEXT):
        assert secret not in told, answer.url


def watch_handlers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows whenever a handler of a route is reached."""
    reached: list[str] = []
    handle = Route.handle

    async def noted(self: Route, scope: Any, receive: Any, send: Any) -> None:
        reached.append(self.path)
        await handle(self, scope, receive, send)

    monkeypatch.setattr(Route, "handle", noted)
    return reached


def watch_pages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows whenever a visit begins to be answered by a page or a watch."""
    reached: list[str] = []

    async def answered(*_arguments: Any) -> Any:
        reached.append("form")
        raise AssertionError("a form was handled")

    def asked(*_arguments: Any) -> Any:
        reached.append("live")
        raise AssertionError("a watch was asked")

    monkeypatch.setattr(Sending, "answer", answered)
    monkeypatch.setattr(Live, "questions", asked)
    return reached


def test_nothing_foreign_reaches_a_route(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(house: Any) -> None:
        await make_known(house)
        count = len(house.own_messages())
        reached = watch_handlers(monkeypatch)
        link = house.server.access.make_link(house.server.origin).url
        tried = 0
        for method, path, _declared in routes_of(house):
            for headers in foreign_headers(house, method):
                answer = await house.browser.request(method, path, headers=headers)
                assert answer.status_code == 403, (method, path, headers)
                assert_tells_nothing(house, answer)
                assert HEADERS.items() <= dict(answer.headers).items()
                tried += 1
        assert tried > 1000
        assert reached == []
        assert (await house.browser.get(link, headers={"sec-fetch-site": "cross-site"})
                ).status_code == 403  # fmt: skip
        assert (await house.get(link)).status_code == 200, "and it is not used up by that"
        assert reached == ["/enter/{token}"]
        assert len(house.own_messages()) == count

    visit(scene)


@pytest.mark.parametrize("who", ["nobody", "another peer's", "ended", "invented", "empty", "long"])
def test_nobody_without_a_session_reaches_a_page(
    who: str, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(house: Any) -> None:
        await make_known(house)
        count = len(house.own_messages())
        name = house.server.access.cookie
        value = house.browser.cookies[name]
        cookies = {
            "nobody": {},
            "another peer's": {"lichen-AAAAAAAA": value},
            "ended": {name: value},
            "invented": {name: "x" * 43},
            "empty": {name: ""},
            "long": {name: "x" * 4000},
        }[who]
        if who == "ended":
            await house.post("/leave", {})
        house.browser.cookies.clear()
        house.browser.cookies.update(cookies)
        reached = watch_pages(monkeypatch)
        for method, path, declared in routes_of(house):
            headers = {} if method in {"GET", "HEAD"} else {"origin": house.server.origin}
            answer = await house.browser.request(method, path, headers=headers)
            status = {"GET": 403, "HEAD": 200}[method] if declared == "/enter/{token}" else 401
            assert answer.status_code == status, (method, path)
            assert_tells_nothing(house, answer)
            assert HEADERS.items() <= dict(answer.headers).items()
        for path in ("/nowhere", "/people/", "/channel", "/settings/"):
            assert (await house.get(path)).status_code == 401, "as if it were there, or not"
        assert reached == []
        assert len(house.own_messages()) == count
        assert not house.service.store.local.drafts()

    visit(scene)


def test_every_page_is_a_route(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        declared = {(path, method) for method, _asked, path in routes_of(house)}
        pages = [*PAGES, *(page for app in all_apps() for page in app.pages)]
        assert {(page.path, page.method) for page in pages} <= declared
        assert {path for path, _method in declared} >= OPEN

    visit(scene)


def test_headers_are_on_every_answer(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(house: Any) -> None:
        segment = house.own[1:44].replace("+", "-").replace("/", "_")
        expected = {
            "/": 200, "/nowhere": 404, "/people/x": 404, f"/thread/{segment}": 404,
            "/leave": 405, f"/face/{segment}.svg": 200, "/static/x/y": 404,
            "/face/x.svg": 404, f"/static/x/{'y' * 300}": 404, "/static/x/%00": 404,
            "/static/..%2f..%2fserver.py/x": 404, "/enter/": 404,
            "/%ff%fe": 404, "/enter/%00": 200,
        }  # fmt: skip
        await house.post("/welcome", {})
        answers = {path: await house.get(path) for path in expected}
        assert {path: answer.status_code for path, answer in answers.items()} == expected
        answers["POST"] = await house.post("/people", {})
        answers["PUT"] = await house.browser.put("/", headers={"origin": house.server.origin})
        answers["413"] = await house.post("/write", {"text": "x" * (8 << 20)})
        assert [answers[name].status_code for name in ("POST", "PUT", "413")] == [405, 405, 413]

        def fail(*_arguments: Any) -> Any:
            raise StoreReadFailed("bad page")

        monkeypatch.setattr(house.service.store.views.__class__, "read", fail)
        answers["500"] = await house.get("/")
        assert answers["500"].status_code == 500
        assert "cannot be read: bad page" in answers["500"].text
        for name, answer in answers.items():
            sent = dict(answer.headers)
            for header in HEADERS.keys() - {"cache-control", "content-security-policy"}:
                assert sent[header] == HEADERS[header], name
            assert "default-src" in sent["content-security-policy"], name
            assert "script-src" not in sent["content-security-policy"] or (
                "unsafe" not in sent["content-security-policy"]
            )
            assert "server" not in sent
            if answer.status_code != 200:
                assert sent["cache-control"] == "private, no-cache", name

    visit(scene)


def test_a_mistake_of_ours_is_no_window(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(house: Any) -> None:
        await make_known(house)

        def fail(*_arguments: Any) -> Any:
            raise ZeroDivisionError(SECRET_TEXT)

        monkeypatch.setattr("lichen.web.access.Access.use_link", fail)
        monkeypatch.setattr("lichen.web.live.Live.questions", fail)
        own = await house.get("/live")
        assert own.status_code == 500
        assert "mistake in Lichen" in own.text
        assert SECRET_TEXT not in own.text
        house.browser.cookies.clear()
        answer = await house.get("/enter/x")
        assert answer.status_code == 500
        assert_tells_nothing(house, answer)
        assert HEADERS.items() <= dict(answer.headers).items()

    visit(scene)


def test_what_may_be_kept_and_what_may_not(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        page = await house.get("/welcome")
        static = re.findall(r'"(/static/[^"#]+)"', page.text)
        assert len(static) >= 4
        for path in static:
            kept = await house.get(path)
            assert kept.status_code == 200
            assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
            stale = path.split("/")
            stale[2] = "0" * 12
            assert (await house.get("/".join(stale))).status_code == 404
        face = re.search(r'/face/[^"]+', page.text)
        assert face is not None
        kept = await house.get(face[0])
        assert kept.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert kept.headers["content-type"] == "image/svg+xml"
        assert page.headers["cache-control"] == "private, no-cache"

    visit(scene)


HOST = "127.0.0.1:8990"


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {}),
        ("GET", {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}),
        ("GET", {"sec-fetch-site": "same-origin", "sec-fetch-dest": "image"}),
        (
            "GET",
            {
                "sec-fetch-site": "cross-site",
                "sec-fetch-mode": "navigate",
                "sec-fetch-dest": "document",
            },
        ),
        ("POST", {"origin": f"http://{HOST}"}),
        ("POST", {"sec-fetch-site": "same-origin"}),
        ("POST", {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}),
    ],
)
def test_own_pages_links_and_forms_pass(method: str, headers: Mapping[str, str]) -> None:
    assert find_objection(method, Headers({"host": HOST, **headers}), {HOST}) == ""
