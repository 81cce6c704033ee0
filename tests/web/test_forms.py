"""A form counts once however often it is sent, and what was typed is never lost."""

import asyncio
import functools
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from lichen.node.errors import ApiError
from lichen.node.page import Answer, Moved, Shown, Upload
from lichen.store.errors import DISK_FULL, StoreWriteFailed
from lichen.web import limits
from lichen.web.forms import Sending

Visit = Callable[[Any], None]
FORM = {"text": "hello", "act": "publish", "once": "a-word"}


class Handler:
    """Counts, and answers as told."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.count = 0
        self.may_go_on = asyncio.Event()

    async def __call__(self) -> Answer:
        self.count += 1
        answer = self.answers.pop(0)
        await self.may_go_on.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer


Test = TypeVar("Test", bound=Callable[..., Any])


def in_loop(test: Test) -> Test:
    @functools.wraps(test)
    def run(*arguments: Any, **more: Any) -> None:
        asyncio.run(test(*arguments, **more))

    return run  # type: ignore[return-value]


def send(
    sending: Sending, handle: Handler, path: str = "/write", **fields: str
) -> asyncio.Task[Answer]:
    return asyncio.create_task(sending.answer(path, fields, {}, handle))


@in_loop
async def test_the_same_at_the_same_time_is_done_once() -> None:
    sending, handle = Sending(), Handler(Moved("/a"), Moved("/b"))
    sent = [send(sending, handle, text="x") for _ in range(5)]
    await asyncio.sleep(0)
    handle.may_go_on.set()
    assert {(await each).to for each in sent} == {"/a"}  # type: ignore[union-attr]
    assert handle.count == 1
    assert await send(sending, handle, text="x") == Moved("/b"), "without a word it is done again"


@in_loop
async def test_a_form_with_a_word_is_remembered_with_all_that_is_in_it() -> None:
    sending, handle = Sending(), Handler(*(Moved(f"/{number}") for number in range(4)))
    handle.may_go_on.set()
    assert await send(sending, handle, text="x", once="w") == Moved("/0")
    assert await send(sending, handle, text="x", once="w") == Moved("/0")
    assert await send(sending, handle, text="y", once="w") == Moved("/1"), "gone back and rewritten"
    assert await send(sending, handle, "/draft", text="y", once="w") == Moved("/2")
    upload = {"picture": Upload("a.png", b"1")}
    fields = {"text": "y", "once": "w"}
    assert await sending.answer("/draft", fields, upload, handle) == Moved("/3")


@pytest.mark.parametrize("failure", [ApiError("refused", "No."), Shown("web/fault.html")])
@in_loop
async def test_what_failed_may_be_sent_again(failure: Any) -> None:
    sending, handle = Sending(), Handler(failure, Moved("/a"))
    sent = [send(sending, handle, once="w") for _ in range(2)]
    await asyncio.sleep(0)
    handle.may_go_on.set()
    for each in await asyncio.gather(*sent, return_exceptions=True):
        assert each is failure
    assert await send(sending, handle, once="w") == Moved("/a")
    assert handle.count == 2


@in_loop
async def test_a_bounded_number_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ONCE_MAX", 2)
    sending, handle = Sending(), Handler(*(Moved("/a") for _ in range(9)))
    slow = Handler(ApiError("refused", "No."))
    waiting = send(sending, slow, once="slow")
    await asyncio.sleep(0)
    handle.may_go_on.set()
    for word in "abc":
        await send(sending, handle, once=word)
    assert len(sending._answers) == 2
    slow.may_go_on.set()
    with pytest.raises(ApiError, match=r"No\."):
        await waiting


def test_a_post_sent_five_times_is_published_once(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        answers = await asyncio.gather(*(house.post("/write", FORM) for _ in range(5)))
        again = await house.post("/write", FORM)
        assert {each.headers["location"] for each in (*answers, again)} == {
            answers[0].headers["location"]
        }
        assert [each["text"] for each in house.own_messages()] == ["hello"]
        await house.post("/write", {**FORM, "text": "something else"})
        assert len(house.own_messages()) == 2

    visit(scene)


def test_followed_by_a_double_click_is_followed_once(visit: Visit, writer: Any) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        segment = anna.id[1:44].replace("+", "-").replace("/", "_")
        path = f"/people/{segment}/relate"
        await asyncio.gather(*(house.post(path, {"act": "follow"}) for _ in range(3)))
        assert [each["type"] for each in house.own_messages()] == ["contact"]

    visit(scene)


def test_what_was_written_while_the_door_closed_comes_back(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        text = 'dear <all> &\n"friends"'
        await house.post("/leave", {})
        house.browser.cookies.clear()
        answer = await house.post("/write", {**FORM, "text": text, "channel": "garden"})
        assert answer.status_code == 401
        assert "dear &lt;all&gt; &amp;\n&#34;friends&#34;</textarea>" in answer.text
        assert 'name="channel" value="garden"' in answer.text
        assert 'method="post" action="/write"' in answer.text
        assert house.own not in answer.text
        assert house.own_messages() == []
        await house.browser.get(house.server.access.make_link(house.server.origin).url)
        sent = await house.post("/write", {**FORM, "text": text, "channel": "garden"})
        assert sent.status_code == 303
        assert [each["text"] for each in house.own_messages()] == [text]

    visit(scene)


@pytest.mark.parametrize(
    "fault",
    [
        StoreWriteFailed(DISK_FULL),
        ApiError("refused", "Nothing is published yet."),
    ],
)
def test_what_cannot_be_published_is_still_there(
    fault: Exception, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(house: Any) -> None:
        async def publish(_contents: Any) -> Any:
            raise fault

        with monkeypatch.context() as patched:
            patched.setattr(house.service, "publish", publish)
            answer = await house.post("/write", FORM)
        assert answer.status_code == 400
        assert ">\nhello</textarea>" in answer.text
        assert 'role="alert"' in answer.text
        assert house.service.store.local.draft("new").text == "hello"
        assert (await house.post("/write", FORM)).status_code == 303
        assert house.service.store.local.draft("new") is None

    visit(scene)


def test_a_full_disk_loses_no_word_of_a_draft(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(house: Any) -> None:
        def save_draft(*_arguments: Any) -> Any:
            raise StoreWriteFailed(DISK_FULL)

        monkeypatch.setattr(house.service.store.local.__class__, "save_draft", save_draft)
        answer = await house.post("/write", {**FORM, "act": "preview"})
        assert ">\nhello</textarea>" in answer.text
        assert (await house.post("/write", FORM)).status_code == 303, "publishing needs no draft"

    visit(scene)


def test_a_text_too_long_comes_back_whole(visit: Visit) -> None:
    async def scene(house: Any) -> None:
        for length in (9_000, 70_000, 300_000):
            text = "x" * length
            answer = await house.post("/write", {**FORM, "text": text})
            assert answer.status_code == 400, length
            assert f">\n{text}</textarea>" in answer.text
            assert "too long" in answer.text
        assert house.own_messages() == []

    visit(scene)


@pytest.mark.parametrize("size", [limits.FORM_BYTES_MAX + 10, limits.UPLOAD_BYTES_MAX * 2])
@pytest.mark.parametrize("is_upload", [False, True])
def test_more_than_a_form_can_carry_is_said_in_words(
    size: int, is_upload: bool, visit: Visit
) -> None:
    async def scene(house: Any) -> None:
        if is_upload:
            data = b"x" * (limits.UPLOAD_BYTES_MAX + size)
            path = f"/people/{house.own[1:44].replace('+', '-').replace('/', '_')}/edit"
            answer = await house.post(path, {"name": "a"}, files={"picture": ("a.png", data)})
        else:
            answer = await house.post("/write", {**FORM, "text": "x" * size})
        assert answer.status_code == 413
        assert "more than a form can carry" in answer.text
        assert answer.headers["content-type"].startswith("text/html")
        assert house.own_messages() == []

    visit(scene)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"------", "multipart/form-data; boundary=x"),
        (b"a=1", "multipart/form-data"),
        (
            b"&".join(b"a%d=1" % number for number in range(200)),
            "application/x-www-form-urlencoded",
        ),
        (b"\xff\xfe=%ff&=&&;", "application/x-www-form-urlencoded"),
        (b'{"text": "x"}', "application/json"),
        (b"", ""),
    ],
)
def test_what_is_no_form_is_no_mistake_of_ours(body: bytes, kind: str, visit: Visit) -> None:
    async def scene(house: Any) -> None:
        headers = {"origin": house.server.origin, "content-type": kind}
        for path in ("/write", "/draft", "/welcome/name", "/network/connect", "/settings"):
            answer = await house.browser.post(path, content=body, headers=headers)
            assert answer.status_code in {200, 303, 400}, path
        assert house.own_messages() == []

    visit(scene)


@pytest.mark.parametrize("is_let_in", [True, False])
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_who_hangs_up_in_the_middle_of_a_form_leaves_no_trace(
    is_let_in: bool, kind: str, visit: Visit
) -> None:
    async def scene(house: Any) -> None:
        cookie = "; ".join(f"{name}={value}" for name, value in house.browser.cookies.items())
        headers = {
            "host": house.server.origin.removeprefix("http://"),
            "origin": house.server.origin,
            "content-type": f"{kind}; boundary=x",
            "cookie": cookie if is_let_in else "",
        }
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/write",
            "raw_path": b"/write",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        messages = [
            {
                "type": "http.request",
                "body": b"text=hel" if "urlencoded" in kind else b"--x\r\n",
                "more_body": True,
            },
            {"type": "http.disconnect"},
        ]
        sent: list[Any] = []

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        # What is raised here, uvicorn writes to the terminal as a traceback.
        await house.server.application.asgi(scope, receive, send)
        assert sent[0]["status"] == 400
        assert house.own_messages() == []

    visit(scene)
