"""Open pages hear of what is new: server-sent events, by asking the page's questions again.

A page names its questions (``watch=NAME?ARGUMENTS``). They are asked when it opens the line and
again whenever the log has grown or something happened to the peer; an answer is sent when it is
another one than before. In a flood, and while views are being folded or signatures audited, that is
once a second. They
are asked once the views hold what came last: else an answer would be old, and nothing would be left
to say so.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from urllib.parse import parse_qsl

import msgspec
import structlog

from lichen.node.errors import ApiError
from lichen.node.hub import Notice
from lichen.node.page import Visit, Watch
from lichen.node.service import Service
from lichen.store.errors import StoreError
from lichen.web import limits

log = structlog.get_logger()

PING = b": so far\n\n"
FLOOD = "messages"
"""The topic of a notice that tells of more messages than one by one."""


class Live:
    """The open lines of one peer's pages."""

    def __init__(self, service: Service, watches: Mapping[str, Watch]) -> None:
        self._service = service
        self._watches = watches
        self._changed = asyncio.Event()
        self._is_flood = False
        self._is_closed = False
        self._open_count = 0
        service.hub.listen(self._hear)

    @property
    def is_full(self) -> bool:
        """Tell whether no further page can listen."""
        return self._open_count >= limits.PAGES_LIVE_MAX

    def close(self) -> None:
        """End every line."""
        self._is_closed = True
        self._change()

    def questions(self, asked: Sequence[str], visit: Visit) -> dict[str, tuple[Watch, Visit]]:
        """Return the questions of a page by the text that it asked with; unknown ones are left out.

        The text is ``NAME?ARGUMENTS``, as in a link.
        """
        found = {}
        for text in asked[: limits.WATCHES_PER_PAGE_MAX]:
            name, _, arguments = text.partition("?")
            watch = self._watches.get(name)
            if watch is not None:
                query = dict(parse_qsl(arguments))
                found[text] = (watch, msgspec.structs.replace(visit, query=query))
        return found

    async def events(
        self, questions: Mapping[str, tuple[Watch, Visit]], is_let_in: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        """Yield the events of one line until it is closed, or the page's session is over."""
        told: dict[str, bytes] = {}
        loop = asyncio.get_running_loop()
        self._open_count += 1
        try:
            while not self._is_closed:
                changed, asked_at = self._changed, loop.time()
                is_unsettled = self._is_unsettled()  # before it asks: what settles then is told
                await self._folded()
                for text, (watch, visit) in questions.items():
                    answer = await _ask(watch, visit)
                    if self._is_closed or not is_let_in():
                        return
                    if answer is not None and told.get(text) != answer:
                        told[text] = answer
                        yield encode_event(text, answer)
                while not await _is_set_soon(changed, _patience_s(is_unsettled)):
                    if not is_let_in():
                        return
                    if is_unsettled:
                        break  # also when it has just settled: that is the last thing to say
                    yield PING
                    is_unsettled = self._is_unsettled()
                # Counted from when it last asked: after a quiet moment an answer is not kept back.
                calm_s = asked_at + limits.LIVE_CALM_S_MIN - loop.time()
                await asyncio.sleep(limits.LIVE_FLOOD_S_MIN if self._is_flood else calm_s)
        finally:
            self._open_count -= 1

    def _is_unsettled(self) -> bool:
        """Tell whether answers change by themselves: views are folded, signatures audited."""
        store = self._service.store
        return store.views.behind() is not None or store.log.unaudited_count() > 0

    async def _folded(self) -> None:
        folded = asyncio.wrap_future(self._service.store.wait_newest())
        with suppress(TimeoutError):
            await asyncio.wait_for(folded, limits.LIVE_FOLD_S_MAX)

    def _hear(self, notice: Notice) -> None:
        self._is_flood = notice.topic == FLOOD
        self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def _ask(watch: Watch, visit: Visit) -> bytes | None:
    """Return the answer to a question; None where it cannot be answered now."""
    try:
        return msgspec.json.encode(await watch.function(visit))
    except (ApiError, StoreError) as error:
        log.warning("web-watch-failed", watch=watch.name, reason=type(error).__name__)
        return None


def _patience_s(is_unsettled: bool) -> float:
    """Return after how long something is said although nothing has happened."""
    return limits.LIVE_FLOOD_S_MIN if is_unsettled else limits.PING_S


async def _is_set_soon(event: asyncio.Event, patience_s: float) -> bool:
    """Wait for an event, but not for ever."""
    with suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            await event.wait()
    return event.is_set()


def encode_event(text: str, answer: bytes) -> bytes:
    """Return an event as it goes over the line (HTML standard, server-sent events)."""
    return b"data: %s\n\n" % msgspec.json.encode({"watch": text, "answer": msgspec.Raw(answer)})
