"""Forms: what a person sent, within limits, and each form counted once however often it is sent.

A form carries a word that was drawn for it (``once``). Sent twice (a double click, a reload, an
impatient person), the second time gets the answer of the first. That holds for what is the same:
going back and writing something else in the form is something else. One without a word counts once
while it is being answered.
"""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from lichen.node.page import Answer, Moved, Upload
from lichen.web import limits

ONCE_FIELD = "once"
TOO_LARGE = 413


def draw_once() -> str:
    """Return a word for a new form."""
    return secrets.token_urlsafe(12)


class Sending:
    """The forms that were sent in this run, by a digest of all that is in them."""

    __slots__ = ("_answers",)

    def __init__(self) -> None:
        self._answers: OrderedDict[bytes, asyncio.Future[Answer]] = OrderedDict()

    async def answer(
        self,
        path: str,
        fields: Mapping[str, str],
        uploads: Mapping[str, Upload],
        handle: Callable[[], Awaitable[Answer]],
    ) -> Answer:
        """Handle a form, or return what it came to when it was sent before.

        Only a form that was accepted is remembered; one that came back with a fault may be sent
        again.
        """
        form = hashlib.sha256(msgspec.msgpack.encode((path, fields, uploads))).digest()
        earlier = self._answers.get(form)
        if earlier is not None:
            return await asyncio.shield(earlier)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[form] = future
        try:
            answer = await handle()
        except BaseException as error:
            self._answers.pop(form, None)
            future.set_exception(error)
            future.exception()  # told to whoever waits; if nobody does, it is not an oversight
            raise
        future.set_result(answer)
        if not isinstance(answer, Moved) or not fields.get(ONCE_FIELD):
            self._answers.pop(form, None)
        while len(self._answers) > limits.ONCE_MAX:
            self._answers.popitem(last=False)
        return answer


async def read_form(request: Request) -> tuple[dict[str, str], dict[str, Upload]]:
    """Return the fields and the files of a form; of a field that comes twice, the last.

    Raises starlette's HTTPException when it is no form, or too large.
    """
    fields: dict[str, str] = {}
    uploads: dict[str, Upload] = {}
    body = Request(request.scope, _limited(request.receive))
    async with body.form(
        max_fields=limits.FORM_FIELDS_MAX,
        max_files=limits.FORM_FIELDS_MAX,
        max_part_size=limits.BODY_BYTES_MAX,
    ) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                data = await value.read(limits.UPLOAD_BYTES_MAX + 1)
                if len(data) > limits.UPLOAD_BYTES_MAX:
                    raise HTTPException(TOO_LARGE)
                if data:
                    uploads[name] = Upload(value.filename or "", data)
            else:
                # A browser sends line breaks as CR LF; messages have LF.
                fields[name] = value.replace("\r\n", "\n")
    if sum(map(len, fields.values())) > limits.FORM_BYTES_MAX:
        raise HTTPException(TOO_LARGE)
    return fields, uploads


def _limited(receive: Receive) -> Receive:
    """Return what receives a body, and raises HTTPException when it is too large."""
    size = 0

    async def receive_some() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limits.BODY_BYTES_MAX:
            # uvicorn lets the rest pass by, so that a browser gets to see the answer.
            raise HTTPException(TOO_LARGE)
        return message

    return receive_some
