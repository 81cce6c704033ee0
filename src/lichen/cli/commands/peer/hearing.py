"""What a running peer hears, told calmly: a line for each event, a sum a second in a flood."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from lichen.cli.ids import Names
from lichen.cli.output import Output, json_line, text_line
from lichen.cli.rendering import failure_words, first_words, refs_shown, what_words
from lichen.cli.session import member, number_member, text_member
from lichen.cli.terminal import clean_line, short_id
from lichen.cli.words import WORDS, _, ngettext
from lichen.feed.canonical import JsonValue
from lichen.words import parse_phrase

if TYPE_CHECKING:
    from lichen.node.client import Client
    from lichen.node.hub import Notice

WAITING_MAX = 1000
SUM_S = 1.0

Words = Callable[[JsonValue, Names], str]


class Hearing:
    """Takes notices as they come and tells them at the speed of the terminal."""

    __slots__ = ("_dropped", "_flood", "_is_closed", "_out", "_waiting")

    def __init__(self, out: Output) -> None:
        self._out = out
        self._waiting: asyncio.Queue[JsonValue] = asyncio.Queue(WAITING_MAX)
        self._flood = _Flood()
        self._dropped = 0
        self._is_closed = False

    def announce(self, notice: "Notice") -> None:
        """Take a notice. Never waits: what a slow terminal cannot take is only counted."""
        if self._is_closed:
            return
        try:
            self._waiting.put_nowait(msgspec.to_builtins(notice))
        except asyncio.QueueFull:
            self._dropped += 1

    def close(self) -> None:
        """Take no more notices."""
        self._is_closed = True

    async def tell(self, client: "Client") -> None:
        """Tell everything, for ever."""
        names = Names(client)
        while True:
            try:
                async with asyncio.timeout(SUM_S if self._flood.count else None):
                    notice = await self._waiting.get()
            except TimeoutError:
                notice = None
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                self._out.words(
                    _("{count} events were not shown").format(count=WORDS.number(dropped))
                )
            if self._out.is_json:
                if notice is not None:
                    lines = [json_line(notice)]
                    while not self._waiting.empty():
                        lines.append(json_line(self._waiting.get_nowait()))
                    await self._out.pour(b"".join(lines))
                continue
            await self._tell_one(client, notice, names)

    async def _tell_one(self, client: "Client", notice: JsonValue, names: Names) -> None:
        if text_member(notice, "topic") == "messages":
            self._flood.add(notice, time.monotonic())
            notice = None
        said = self._flood.sum(time.monotonic())
        if said:
            await names.learn([said[0]] if said[0] else [])
            await self._line(_sum_words(*said, names))
        if notice is None:
            return
        if text_member(notice, "topic") == "message":
            words = await _message_words(client, notice, names)
            if member(notice, "audited") is False:
                words += "  " + self._out.style(_("not checked yet"), "dim")
            await self._line(words)
            return
        await names.learn(
            ref for ref in (text_member(notice, "peer"), text_member(notice, "feed")) if ref
        )
        await self._line(notice_words(notice, names))

    async def _line(self, words: str) -> None:
        if words:
            at = self._out.style(time.strftime("%H:%M:%S"), "dim")
            await self._out.pour(text_line(f"{at}  {words}"))


class _Flood:
    """Adds up messages that come too fast to be told one by one."""

    __slots__ = ("_began", "_last", "_peer", "count")

    def __init__(self) -> None:
        self.count = 0
        self._peer = ""
        self._began = 0.0
        self._last = 0.0

    def add(self, notice: JsonValue, now: float) -> None:
        """Count the messages of one batch."""
        if self.count == 0:
            self._began = now if now - self._last > SUM_S else self._last
        self.count += int(number_member(notice, "count"))
        self._peer = text_member(notice, "peer")

    def sum(self, now: float) -> tuple[str, int, float] | None:
        """Return peer, number and rate once a second has passed, and begin again."""
        elapsed_s = now - self._began
        if not self.count or elapsed_s < SUM_S:
            return None
        told = (self._peer, self.count, self.count / elapsed_s)
        self.count = 0
        self._last = now
        return told


def _sum_words(peer: str, count: int, rate: float, names: Names) -> str:
    words = ngettext("{count} new message", "{count} new messages", count)
    if peer:
        words += " " + _("through {name}")
    words += " " + _("({rate} a second)")
    return words.format(
        count=WORDS.number(count), name=names.name(peer), rate=WORDS.number(round(rate))
    )


def notice_words(notice: JsonValue, names: Names) -> str:
    """Return the line for one notice."""
    topic = text_member(notice, "topic")
    told = _TOPICS.get(topic)
    if told is not None:
        return told(notice, names)
    who = text_member(notice, "peer") or text_member(notice, "feed")
    parts = [topic, names.name(who) if who else "", clean_line(text_member(notice, "detail"), 100)]
    return "  ".join(part for part in parts if part)


async def _message_words(client: "Client", notice: JsonValue, names: Names) -> str:
    """Return who did what: the beginning of a text, else what kind of message it is."""
    feed, text = text_member(notice, "feed"), first_words(text_member(notice, "text"))
    if text:
        await names.learn([feed])
        return f"{names.name(feed)}: {text}"
    item = await client.call("get", {"id": text_member(notice, "key"), "meta": True})
    if text_member(notice, "type") == "about":
        names.forget(text_member(item, "value", "content", "about"))
    await names.learn(refs_shown(item))
    return f"{names.name(feed)}: {what_words(member(item, 'value', 'content'), feed, names)}"


def _connected(notice: JsonValue, names: Names) -> str:
    return _("connected to {name}").format(name=names.name(text_member(notice, "peer")))


def _disconnected(notice: JsonValue, names: Names) -> str:
    return _("disconnected from {name}: {reason}").format(
        name=names.name(text_member(notice, "peer")),
        reason=clean_line(failure_words(text_member(notice, "detail")), 120)
        or _("no reason given"),
    )


def _nearby(notice: JsonValue, names: Names) -> str:
    return _("{name} is nearby. To connect: lichen connect {address}").format(
        name=names.name(text_member(notice, "peer")),
        address=clean_line(text_member(notice, "detail"), 120),
    )


def _nearby_gone(notice: JsonValue, names: Names) -> str:
    return _("{name} is nearby no longer").format(name=names.name(text_member(notice, "peer")))


def _lan_failed(notice: JsonValue, _names: Names) -> str:
    return _detail(notice)


def _refused(notice: JsonValue, names: Names) -> str:
    return _("refused message {sequence} of {name}: {reason}").format(
        sequence=int(number_member(notice, "sequence")),
        name=names.name(text_member(notice, "feed")),
        reason=clean_line(_(text_member(notice, "detail")), 120),
    )


def _fork(notice: JsonValue, names: Names) -> str:
    return _("the feed of {name} is forked at message {sequence}; nothing is added to it").format(
        sequence=int(number_member(notice, "sequence")),
        name=names.name(text_member(notice, "feed")),
    )


def _taken_back(notice: JsonValue, names: Names) -> str:
    feed, peer = text_member(notice, "feed"), text_member(notice, "peer")
    if not peer:
        return _("taken back: messages of {name} that were not signed like this").format(
            name=names.name(feed)
        )
    return _(
        "taken back: messages of {name} that were not signed like this; {peer} sent them"
    ).format(name=names.name(feed), peer=names.name(peer))


def _store_failed(notice: JsonValue, _names: Names) -> str:
    return _("messages could not be written: {reason}").format(reason=_detail(notice))


def _store_works(_notice: JsonValue, _names: Names) -> str:
    return _("messages can be written again")


def _damaged(notice: JsonValue, _names: Names) -> str:
    return _("damaged: {reason}. Mend it with: lichen fsck --heal").format(reason=_detail(notice))


def _aside(_notice: JsonValue, _names: Names) -> str:
    return _("stepping aside while the data is healed; then this peer goes on")


def _blob(notice: JsonValue, _names: Names) -> str:
    return _("fetched {blob}").format(blob=short_id(text_member(notice, "detail")))


def _detail(notice: JsonValue) -> str:
    """Return the detail of a notice in the language of the terminal."""
    phrase = parse_phrase(member(notice, "phrase"))
    return clean_line(WORDS.tell(phrase or text_member(notice, "detail")), 200)


_TOPICS: dict[str, Words] = {
    "connected": _connected,
    "disconnected": _disconnected,
    "nearby": _nearby,
    "nearby-gone": _nearby_gone,
    "lan-failed": _lan_failed,
    "refused": _refused,
    "fork": _fork,
    "taken-back": _taken_back,
    "store-failed": _store_failed,
    "store-works": _store_works,
    "blob": _blob,
    "aside": _aside,
    "damaged": _damaged,
}
