"""``start``: be a peer, and show in the terminal what it hears."""

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    nullcontext,
    redirect_stderr,
    suppress,
)
from functools import partial
from typing import TYPE_CHECKING

import click

from lichen.cli import settings
from lichen.cli.command import OPENS_DATA, command
from lichen.cli.commands.peer.browser import open_file
from lichen.cli.commands.peer.hearing import Hearing
from lichen.cli.commands.peer.patience import Unhurried
from lichen.cli.output import Output, OutputClosed, json_line, text_line
from lichen.cli.session import Session, log_to_stderr
from lichen.cli.words import _
from lichen.feed.canonical import JsonValue

if TYPE_CHECKING:
    from lichen.node.service import Service


@command(
    "start",
    examples=(
        "lichen start",
        "lichen start --home /tmp/second --port 8010",
        "lichen start --port 0 --json        # any free port; the first line says which",
        "lichen start --lan                  # let peers on the local network see you",
    ),
    exits=OPENS_DATA,
    sets=settings.ALL,
)
@click.option(
    "--lan/--no-lan",
    default=None,
    help=_(
        "Announce yourself on the local network, or leave it alone; remembered. Until either is"
        " said, peers there are heard and cannot see you."
    ),
)
@click.option(
    "--web-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help=_("Port of the web app on this computer; default: 8990, or a free one."),
)
@click.option("--no-web", is_flag=True, help=_("Run without the web app."))
@click.option("--open", "is_opened", is_flag=True, help=_("Open the web app in the browser."))
@click.option("--verbose", "-v", is_flag=True, help=_("Write the peer's own log, too."))
def start_command(
    session: Session,
    lan: bool | None,
    web_port: int | None,
    no_web: bool,
    is_opened: bool,
    verbose: bool,
) -> int:
    """Be a peer: answer others, keep connections, exchange messages, until Ctrl-C.

    A data directory and an identity are made if there are none. Other lichen commands talk to the
    running peer. Ctrl-C or SIGTERM stops it in good order (exit code 0).
    """
    import msgspec  # noqa: PLC0415 (slow, and not for --help)

    from lichen.apps import all_apps  # noqa: PLC0415 (slow, and not for --help)
    from lichen.node.service import run_service  # noqa: PLC0415

    run = _Run(session.out, web_port, is_opened=is_opened)
    chosen = msgspec.structs.replace(session.settings, has_lan=True, lan=_LAN_MODES[lan])
    with redirect_stderr(Unhurried(sys.stderr)):
        log_to_stderr("info" if verbose else "warning", is_json=session.out.is_json)
        return run_service(
            session.home,
            chosen,
            all_apps(),
            announce=run.hearing.announce,
            on_ready=run.ready,
            face=_no_face if no_web else run.face,
        )


_LAN_MODES: Mapping[bool | None, str | None] = {None: None, True: "announce", False: "off"}


class _Run:
    """One run of the command; its peer may step aside in between, and be another one afterwards."""

    def __init__(self, out: Output, web_port: int | None, *, is_opened: bool) -> None:
        self.hearing = Hearing(out)
        self._out = out
        self._web_port = web_port
        self._is_opened = is_opened
        self._telling: list[asyncio.Task[None]] = []

    def ready(self, service: "Service") -> None:
        """Begin to tell what the peer hears."""
        for task in self._telling:
            task.cancel()
        self._telling = [asyncio.get_running_loop().create_task(self._tell(service))]

    async def _tell(self, service: "Service") -> None:
        from lichen.node.client import OfflineClient  # noqa: PLC0415 (slow, and not for --help)

        try:
            await _introduce(self._out, service)
            await self.hearing.tell(OfflineClient(service))
        except OutputClosed:
            # Nobody reads any more; the peer itself goes on being one.
            self.hearing.close()

    @asynccontextmanager
    async def face(self, service: "Service") -> AsyncIterator[None]:
        """Run the web app beside the peer, and say where it is."""
        loop, out = asyncio.get_running_loop(), self._out
        # Imported in a thread: the peer is serving already, and others shall not wait for us.
        web = await loop.run_in_executor(
            None, partial(importlib.import_module, "lichen.web.server")
        )
        async with web.open_web(service, self._web_port) as server:
            self._web_port = server.port  # pages find it there again
            told = {"topic": "web", "origin": server.origin}
            text = f"{_('Web app'):<14} {server.origin}"
            line = json_line(told) if out.is_json else text_line(text)
            self._telling.append(loop.create_task(_pour(out, line)))
            if not self._is_opened:
                out.words(_("Your browser comes in with: lichen open"))
            else:
                self._is_opened = False
                link = server.open_link()
                if not await asyncio.to_thread(open_file, link.file):
                    out.words(_("No browser could be opened. This link works once, for a minute:"))
                    out.words(link.url)
            yield


def _no_face(_service: "Service") -> AbstractAsyncContextManager[object]:
    return nullcontext()


async def _pour(out: Output, line: bytes) -> None:
    with suppress(OutputClosed):
        await out.pour(line)


async def _introduce(out: Output, service: "Service") -> None:
    addresses = service.doors.addresses() if service.doors is not None else []
    if out.is_json:
        started: dict[str, JsonValue] = {
            "topic": "started",
            "id": service.keyring.id,
            "addresses": list(addresses),
            "directory": str(service.home.directory),
            "isNewIdentity": service.is_new_identity,
            "lan": service.lan.mode,
        }
        await out.pour(json_line(started))
        return
    if service.is_new_identity:
        out.words(_("A new identity was made in {path}").format(path=service.home.secret))
    rows: list[tuple[str, str]] = [(_("You are"), service.keyring.id)]
    rows += [(_("Reachable at"), address) for address in addresses[:1]]
    rows += [(_("or at"), address) for address in addresses[1:]]
    rows.append((_("Data in"), str(service.home.directory)))
    for name, value in rows:
        await out.pour(text_line(f"{name:<14} {value}"))
    if not service.is_clean_start:
        out.words(_("The last run ended without goodbye; everything was checked."))
    if not service.lan.is_chosen:
        out.words(_("Peers nearby are heard; you are not seen. To be seen: lichen lan on"))
    out.words(_("Ctrl-C stops. In another terminal: lichen post, lichen connect, lichen follow"))
