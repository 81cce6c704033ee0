"""``log`` and ``thread``: what people have written."""

import asyncio
from typing import TYPE_CHECKING

import click

from lichen.cli.command import OPENS_DATA, command, usage_error
from lichen.cli.exits import Exit
from lichen.cli.folding import tell_missing
from lichen.cli.ids import FEED, MESSAGE, Names, resolve
from lichen.cli.output import Output
from lichen.cli.rendering import INDENT, refs_shown, render_message
from lichen.cli.session import Session, member, text_member
from lichen.cli.terminal import short_id
from lichen.cli.words import _
from lichen.feed.canonical import JsonValue, encode_compact
from lichen.node.errors import ApiError

if TYPE_CHECKING:
    from lichen.node.client import Client

LIMIT_DEFAULT = 30
ARRIVALS_WAITING_MAX = 1000


@command(
    "log",
    examples=(
        "lichen log --limit 100",
        "lichen log --type post --before 1764136800000",
        "lichen log --follow --type post",
        "lichen log --author @anna --json | jq -r .value.content.text",
    ),
    exits=(*OPENS_DATA, Exit.NOT_FOUND, Exit.UNREACHABLE),
)
@click.option("--follow", "-f", "is_following", is_flag=True, help=_("Go on as messages arrive."))
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    default=LIMIT_DEFAULT,
    show_default=True,
    help=_("Show at most so many of the messages that are here."),
)
@click.option("--type", "type_name", metavar="TYPE", help=_("Only messages of this type."))
@click.option("--author", metavar="ID", help=_("Only messages of this feed."))
@click.option(
    "--before",
    "before_ms",
    type=click.FloatRange(min=0),
    metavar="TIME",
    help=_("Only what was received before: the timestamp of a message."),
)
async def log_command(
    session: Session,
    is_following: bool,
    limit: int,
    type_name: str | None,
    author: str | None,
    before_ms: float | None,
) -> None:
    """Show the newest messages in the order they were received, the newest last.

    With --json each line is {key, value, timestamp}; timestamp is the time of receipt. Of one type
    are shown those that are sorted in already; what is not yet is told on standard error.
    """
    if is_following and before_ms is not None:
        raise usage_error(_("What is to come was not received before."))
    async with session.client() as client:
        if is_following and not client.is_live:
            raise ApiError(
                Exit.UNREACHABLE.slug,
                _("No peer is running here, so nothing new can arrive."),
                _("Run in another terminal: lichen start"),
            )
        selection: dict[str, JsonValue] = {}
        if author is not None:
            selection["author"] = await resolve(client, author, FEED)
        if type_name is not None:
            selection["type"] = type_name
        names = Names(client)
        if is_following:
            await _follow(session.out, client, names, selection, limit)
        else:
            if before_ms is not None:
                selection["lt"] = before_ms
            # One more than is shown tells whether there are more.
            found = await _newest(client, selection, limit + 1)
            shown = found[1:] if len(found) > limit else found
            await _show(session.out, names, shown)
            if shown and len(found) > limit:
                oldest = encode_compact(member(shown[0], "timestamp"))
                words = _("There is more; add: --before {number}")
                session.out.words(words.format(number=oldest))
            if type_name is not None:
                await tell_missing(session.out, client)


async def _follow(
    out: Output, client: "Client", names: Names, selection: dict[str, JsonValue], limit: int
) -> None:
    # Listening begins before the log is read, so that nothing falls between the two.
    arrivals: asyncio.Queue[JsonValue] = asyncio.Queue(ARRIVALS_WAITING_MAX)
    listening = asyncio.create_task(_listen(client, selection, arrivals))
    try:
        await asyncio.sleep(0)
        old = await _newest(client, selection, limit)
        await _show(out, names, old)
        shown = {text_member(item, "key") for item in old}
        while not (listening.done() and arrivals.empty()):
            item = await _next(arrivals, listening)
            if item is not None and text_member(item, "key") not in shown:
                await _show(out, names, [item])
        await listening
    finally:
        listening.cancel()


async def _newest(client: "Client", selection: dict[str, JsonValue], limit: int) -> list[JsonValue]:
    """Return the newest messages, oldest first."""
    options = {**selection, "reverse": True, "limit": limit}
    return [item async for item in client.source("createLogStream", options)][::-1]


async def _listen(
    client: "Client", selection: dict[str, JsonValue], arrivals: asyncio.Queue[JsonValue]
) -> None:
    options = {**selection, "live": True, "old": False}
    async for item in client.source("createLogStream", options):
        if member(item, "key") is not None:
            await arrivals.put(item)


@command(
    "thread",
    examples=("lichen thread %Kwa6Ey", "lichen thread %Kwa6Ey --json | jq -r .key"),
    exits=(*OPENS_DATA, Exit.NOT_FOUND),
)
@click.argument("message", metavar="ID")
async def thread_command(session: Session, message: str) -> None:
    """Show the thread a message belongs to: each message after those it answers.

    Messages that are referred to but not here are shown as gaps.
    """
    async with session.client() as client:
        key = await resolve(client, message, MESSAGE)
        names = Names(client)
        async for item in client.source("social.thread", key):
            if member(item, "isMissing"):
                gap = _("··· {id} is not here").format(id=short_id(text_member(item, "key")))
                session.out.value(item, INDENT + gap + "\n")
            else:
                await _show(session.out, names, [item])
        await tell_missing(session.out, client)


async def _show(out: Output, names: Names, items: list[JsonValue]) -> None:
    if out.is_json:
        for item in items:
            out.line_of_json(item)
    else:
        for item in items:
            if text_member(item, "value", "content", "type") == "about":
                names.forget(text_member(item, "value", "content", "about"))
        await names.learn(ref for item in items for ref in refs_shown(item))
        for item in items:
            out.text(render_message(item, names, out))
    out.flush()


async def _next(arrivals: asyncio.Queue[JsonValue], listening: asyncio.Task[None]) -> JsonValue:
    """Return the next arrival; None when listening has ended."""
    getting = asyncio.create_task(arrivals.get())
    await asyncio.wait({getting, listening}, return_when=asyncio.FIRST_COMPLETED)
    if getting.done():
        return getting.result()
    getting.cancel()
    return None
