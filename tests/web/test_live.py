"""Open pages hear of what is new and concerns them, no more often than anybody can read."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from lichen.node.errors import ApiError
from lichen.node.page import Visit, Watch
from lichen.web import limits, live
from lichen.web.live import PING, Live
from lichen.words import words_for

Play = Callable[[Any], None]
Ask = Callable[[Visit], Awaitable[Any]]
SOON_S = 20.0
CALM_S = 0.3
"""A line that would say something says it within this; what it says is compared, not when."""


class Line:
    """One open line of a page."""

    def __init__(self, lines: Live, house: Any, *asked: str) -> None:
        visit = Visit(house.service, words_for("en"), 0.0)
        self.is_let_in = True
        self.questions = lines.questions(asked, visit)
        self.events: AsyncIterator[bytes] = lines.events(self.questions, lambda: self.is_let_in)
        self._next: asyncio.Task[bytes] | None = None

    async def hear(self) -> tuple[str, Any]:
        """Return the next event; wait for it."""
        event = msgspec.json.decode((await self._wait(SOON_S)).removeprefix(b"data: "))
        return event["watch"], event["answer"]

    async def hears_nothing(self) -> bool:
        try:
            await self._wait(CALM_S)
        except TimeoutError:
            return True
        return False

    async def is_over(self) -> bool:
        try:
            await self._wait(SOON_S)
        except StopAsyncIteration:
            return True
        return False

    async def _wait(self, time_s: float) -> bytes:
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self.events))
        heard = await asyncio.wait_for(asyncio.shield(self._next), time_s)
        self._next = None
        return heard

    async def hang_up(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait([self._next])
        await self.events.aclose()  # type: ignore[attr-defined]


class Counter:
    """A watch that answers how often it was asked."""

    def __init__(self, answer: Any = None) -> None:
        self.count, self.answer = 0, answer

    async def __call__(self, _visit: Visit) -> Any:
        self.count += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.count if self.answer is None else self.answer


def lines_of(house: Any, **watches: Ask) -> Live:
    return Live(house.service, {name: Watch(name, watch) for name, watch in watches.items()})


def test_what_followed_people_write_is_heard_and_what_others_do_is_not(
    visit: Play, writer: Any
) -> None:
    async def scene(house: Any) -> None:
        anna, bert = writer(1), writer(2)
        root = anna.write(type="post", text="first")
        await house.receive(anna)
        await house.call("social.follow", {"id": anna.id})
        after = house.service.store.log.last_no
        fresh = f"social.fresh?after={after}"
        replies = f"social.replies?thread={quote(root)}&after={after}"
        line = Line(house.server._live, house, fresh, replies, "social.nothing", "web.state")
        assert list(line.questions) == [fresh, replies, "web.state"]
        heard = dict([await line.hear() for _ in range(3)])
        assert heard[fresh] is heard[replies] is None
        assert heard["web.state"] == {"text": "Nobody near", "mood": "off"}
        bert.write(type="post", text="noise")
        await house.receive(bert)
        assert await line.hears_nothing()
        anna.write(type="post", text="second")
        await house.receive(anna)
        assert await line.hear() == (fresh, {"text": "1 new"})
        bert.write(type="post", text="reply", root=root, branch=root)
        await house.receive(bert)
        assert await line.hear() == (replies, {"text": "1 new"})
        await house.call("social.post", {"text": "my own"})
        assert await line.hears_nothing()
        await line.hang_up()

    visit(scene)


def test_nothing_is_asked_of_views_that_are_behind(
    visit: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(house: Any) -> None:
        folded: Future[None] = Future()
        monkeypatch.setattr(house.service.store.__class__, "wait_newest", lambda _store: folded)
        counter = Counter()
        line = Line(lines_of(house, count=counter), house, "count")
        assert await line.hears_nothing()
        assert counter.count == 0
        folded.set_result(None)
        assert await line.hear() == ("count", 1)
        await line.hang_up()

    visit(scene)


def test_views_that_do_not_come_after_are_not_waited_for_for_ever(
    visit: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(house: Any) -> None:
        monkeypatch.setattr(limits, "LIVE_FOLD_S_MAX", 0.01)
        monkeypatch.setattr(house.service.store.__class__, "wait_newest", lambda _store: Future())
        line = Line(lines_of(house, count=Counter()), house, "count")
        assert await line.hear() == ("count", 1)
        await line.hang_up()

    visit(scene)


def test_a_flood_is_heard_of_in_big_steps(visit: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(house: Any) -> None:
        pauses: list[float] = []
        go_on = asyncio.Event()

        async def sleep(time_s: float) -> None:
            pauses.append(time_s)
            await go_on.wait()

        counter = Counter()
        line = Line(lines_of(house, count=counter), house, "count")
        assert await line.hear() == ("count", 1)
        waiting = asyncio.ensure_future(line.hear())
        await asyncio.sleep(0.01)
        monkeypatch.setattr(live.asyncio, "sleep", sleep)  # type: ignore[attr-defined]
        house.service.hub.tell("message")
        house.service.hub.tell("messages", count=300)
        for _ in range(50):
            house.service.hub.tell("messages", count=300)
        while not pauses:
            await asyncio.wait([waiting], timeout=0.001)
        assert counter.count == 1
        go_on.set()
        assert await waiting == ("count", 2), "what came meanwhile is one answer"
        assert pauses[0] == limits.LIVE_FLOOD_S_MIN > limits.LIVE_CALM_S_MIN > 0
        await line.hang_up()

    visit(scene)


def test_only_another_answer_is_told(visit: Play) -> None:
    async def scene(house: Any) -> None:
        counter, same = Counter(), Counter({"text": "same"})
        line = Line(lines_of(house, count=counter, same=same), house, "same", "count")
        assert [await line.hear(), await line.hear()] == [("same", {"text": "same"}), ("count", 1)]
        house.service.hub.tell("connected")
        assert await line.hear() == ("count", 2)
        assert same.count == 2
        await line.hang_up()

    visit(scene)


def test_what_the_audit_settles_is_told_although_nothing_happens(
    visit: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(house: Any) -> None:
        monkeypatch.setattr(limits, "LIVE_FLOOD_S_MIN", 0.05)
        log, waiting = house.service.store.log, [2]
        monkeypatch.setattr(log.__class__, "unaudited_count", lambda _log: waiting[0])

        async def ask(_visit: Visit) -> Any:
            return log.unaudited_count()

        line = Line(lines_of(house, waiting=ask), house, "waiting")
        assert await line.hear() == ("waiting", 2)
        assert await line.hears_nothing()
        for count in (1, 0):
            waiting[0] = count
            assert await line.hear() == ("waiting", count)
        await line.hang_up()

    visit(scene)


def test_a_question_that_fails_is_left_out(visit: Play) -> None:
    async def scene(house: Any) -> None:
        bad, good = Counter(ApiError("failed", "No.")), Counter()
        line = Line(lines_of(house, bad=bad, good=good), house, "bad", "good")
        assert await line.hear() == ("good", 1)
        bad.answer = "mended"
        house.service.hub.tell("connected")
        assert [await line.hear(), await line.hear()] == [("bad", "mended"), ("good", 2)]
        await line.hang_up()

    visit(scene)


def test_a_line_ends_with_its_session(visit: Play) -> None:
    async def scene(house: Any) -> None:
        counter = Counter()
        line = Line(lines_of(house, count=counter), house, "count")
        assert await line.hear() == ("count", 1)
        line.is_let_in = False
        house.service.hub.tell("connected")
        assert await line.is_over()

    visit(scene)


def test_a_silent_line_is_shown_to_be_alive(visit: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(house: Any) -> None:
        monkeypatch.setattr(limits, "PING_S", 0.01)
        line = Line(lines_of(house, count=Counter()), house, "count")
        await line.hear()
        assert await line._wait(SOON_S) == await line._wait(SOON_S) == PING
        line.is_let_in = False
        assert await line.is_over()

    visit(scene)


def test_all_lines_end_at_the_stop(visit: Play) -> None:
    async def scene(house: Any) -> None:
        lines = lines_of(house, count=Counter())
        opened = [Line(lines, house, "count") for _ in range(5)]
        for line in opened:
            await line.hear()
        lines.close()
        assert all([await line.is_over() for line in opened])
        assert lines._open_count == 0
        assert await Line(lines, house, "count").is_over()

    visit(scene)


def test_lines_are_few(visit: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(house: Any) -> None:
        monkeypatch.setattr(limits, "PAGES_LIVE_MAX", 1)
        line = Line(house.server._live, house, "web.state")
        await line.hear()
        answer = await house.get("/live?watch=web.state")
        assert answer.status_code == 503
        await line.hang_up()
        assert not house.server._live.is_full
        assert (await house.browser.head("/live")).status_code == 200

    visit(scene)


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "?",
        "nothing",
        "http://web.state/",
        "//[",
        "web.state\0",
        "x" * 10_000,
        "[]?[=]",
        "\ud800",
    ],
)
def test_unknown_questions_are_left_out(asked: str, visit: Play) -> None:
    async def scene(house: Any) -> None:
        line = Line(house.server._live, house, asked, "web.state")
        assert list(line.questions) == ["web.state"]

    visit(scene)


def test_questions_are_few(visit: Play) -> None:
    async def scene(house: Any) -> None:
        asked = [f"web.state?{number}" for number in range(50)]
        line = Line(house.server._live, house, *asked)
        assert list(line.questions) == asked[: limits.WATCHES_PER_PAGE_MAX]

    visit(scene)


@pytest.mark.parametrize(
    "arguments",
    ["", "after=x", "after=-1", "after=" + "9" * 18, "after=" + "9" * 400, "thread=%", "kind=%ff"],
)
def test_every_watch_takes_any_arguments(arguments: str, visit: Play) -> None:
    async def scene(house: Any) -> None:
        names = list(house.server._live._watches)
        assert len(names) > 5
        for name in names:
            line = Line(house.server._live, house, f"{name}?{arguments}")
            assert (await line.hear())[0] == f"{name}?{arguments}"
            await line.hang_up()

    visit(scene)
