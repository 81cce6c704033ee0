"""``open``: let a browser in to the web app of the running peer."""

import asyncio
from pathlib import Path

import click

from lichen.cli.command import OPENS_DATA, command
from lichen.cli.commands.peer.browser import open_file
from lichen.cli.exits import Exit
from lichen.cli.session import Session, text_member
from lichen.cli.words import _
from lichen.node.errors import ApiError


@command(
    "open",
    examples=("lichen open", "lichen open --print       # show the link instead"),
    exits=(*OPENS_DATA, Exit.UNREACHABLE),
)
@click.option("--print", "is_printed", is_flag=True, help=_("Print the link; open nothing."))
async def open_command(session: Session, is_printed: bool) -> None:
    """Open the web app in the browser.

    The link works once and for a minute; after that the browser is known. Give it to nobody: who
    has it first is let in as you.
    """
    async with session.client() as client:
        if not client.is_live:
            raise ApiError(
                Exit.UNREACHABLE.slug,
                _("No peer is running here, so there is no page to open."),
                _("Start it: lichen start --open"),
            )
        manifest = await client.call("manifest")
        if not isinstance(manifest, dict) or "web" not in manifest:
            raise ApiError(
                Exit.UNREACHABLE.slug,
                _("The running peer has no web app."),
                _("Start it again without --no-web."),
            )
        answer = await client.call("web.open")
        url = text_member(answer, "url")
        if is_printed or session.out.is_json:
            session.out.value(answer, url)
            return
        if await asyncio.to_thread(open_file, Path(text_member(answer, "file"))):
            session.out.words(_("Opened in your browser."))
            return
    raise ApiError(
        Exit.UNREACHABLE.slug,
        _("No browser could be opened here."),
        _("Print the link and open it yourself: lichen open --print"),
    )
