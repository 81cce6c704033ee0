"""``blob add``, ``get``, ``want``, ``has``: pictures and other files, named by their hash."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lichen.cli.command import OPENS_DATA, command, section, usage_error
from lichen.cli.exits import Exit
from lichen.cli.session import Session
from lichen.cli.words import WORDS, _
from lichen.feed.message import BlobId
from lichen.feed.refs import is_blob_id
from lichen.feed.uris import from_uri
from lichen.node.errors import ApiError

if TYPE_CHECKING:
    from lichen.node.client import Client

STDIN = "-"
STDIN_BYTES_MAX = 64 << 20
"""More is not read from standard input: no blob is nearly as big."""
WAIT_S_DEFAULT = 30.0


@command(
    "add",
    examples=(
        "lichen blob add lichen.jpg",
        "convert lichen.png -resize 800x jpg:- | lichen blob add -",
    ),
    exits=(*OPENS_DATA, Exit.NOT_FOUND),
)
@click.argument("file", type=click.Path(allow_dash=True))
async def add_command(session: Session, file: str) -> None:
    """Keep a file as a blob and print its id.

    Peers that follow you fetch it as soon as they are connected. FILE - is standard input. A blob
    has less than 5 MiB.
    """
    if file != STDIN:
        await _add(session, _existing(Path(file)))
        return
    with tempfile.TemporaryDirectory(prefix="lichen-") as folder:
        path = Path(folder) / "blob"
        path.write_bytes(sys.stdin.buffer.read(STDIN_BYTES_MAX))
        await _add(session, path)


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise ApiError(Exit.NOT_FOUND.slug, _("There is no file {path}.").format(path=file))
    return file.absolute()


async def _add(session: Session, path: Path) -> None:
    async with session.client() as client:
        blob = await client.call("blobs.addFile", {"path": str(path)})
        size = await client.call("blobs.size", blob)
    session.out.value({"id": blob, "size": size}, str(blob))


@command(
    "get",
    examples=(
        "lichen blob get '&47DE…=.sha256' -o lichen.jpg",
        "lichen blob get '&47DE…=.sha256' | file -",
    ),
    exits=(*OPENS_DATA, Exit.NOT_FOUND),
)
@click.argument("blob", metavar="ID")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help=_("Write to this file, which must not exist, instead of standard output."),
)
async def get_command(session: Session, blob: str, output: Path | None) -> None:
    """Write the bytes of a blob that is here to standard output or to a file.

    With --json the bytes go to the file given with --output, and its name and size are printed.
    """
    found = _parse_blob(blob)
    if output is None and session.out.is_json:
        raise usage_error(
            _("Bytes are no JSON."), _("Say with --output where to write the blob's bytes.")
        )
    _refuse_existing(output)
    async with session.client() as client:
        pieces = client.binary("blobs.get", found)
        if output is None:
            async for piece in pieces:
                session.out.raw(piece)
            return
        size = await _write(output, pieces)
    session.out.value(
        {"id": found, "file": str(output), "size": size},
        _("{size} bytes written to {path}").format(size=WORDS.number(size), path=output),
    )


def _refuse_existing(path: Path | None) -> None:
    if path is not None and path.exists():
        raise usage_error(
            _("There is a file {path} already.").format(path=path), _("Choose another name.")
        )


async def _write(path: Path, pieces: AsyncIterator[bytes]) -> int:
    """Write a file that appears when it is complete; return its size."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.new")
    size = 0
    try:
        with scratch.open("xb") as file:
            async for piece in pieces:
                size += file.write(piece)
        scratch.replace(path)
    except OSError as error:
        raise ApiError(
            Exit.FAILED.slug,
            _("{path} cannot be written: {words}.").format(path=path, words=error.strerror),
            _("Choose another place, or make room."),
        ) from error
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
    return size


@command(
    "want",
    examples=(
        "lichen blob want '&47DE…=.sha256'",
        "lichen blob want --wait 0 '&47DE…=.sha256'",
    ),
    exits=(*OPENS_DATA, Exit.UNREACHABLE),
)
@click.argument("blob", metavar="ID")
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    default=WAIT_S_DEFAULT,
    show_default=True,
    help=_("Seconds to wait for it; 0: only ask."),
)
async def want_command(session: Session, blob: str, wait_s: float) -> int:
    """Ask peers for a blob and wait until it is here.

    The running peer goes on asking after this command has ended, until it is stopped.
    """
    found = _parse_blob(blob)
    async with session.client() as client:
        is_here = bool(await client.call("blobs.want", found, {"nowait": True}))
        if not is_here and wait_s:
            is_here = await _wait(client, found, wait_s)
    words = _("It is here.") if is_here else _("Asked for; nobody has sent it yet.")
    session.out.value({"id": found, "isHere": is_here}, words)
    return Exit.DONE if is_here or not wait_s else Exit.UNREACHABLE


async def _wait(client: "Client", blob: BlobId, wait_s: float) -> bool:
    try:
        async with asyncio.timeout(wait_s):
            return bool(await client.call("blobs.want", blob))
    except TimeoutError:
        return False


@command(
    "has",
    examples=("lichen blob has '&47DE…=.sha256' && echo here",),
    exits=(*OPENS_DATA, Exit.NOT_FOUND),
)
@click.argument("blob", metavar="ID")
async def has_command(session: Session, blob: str) -> int:
    """Tell whether a blob is here, by the exit code too."""
    found = _parse_blob(blob)
    async with session.client() as client:
        size = await client.call("blobs.size", found)
    is_here = isinstance(size, int)
    words = _("It is not here.")
    if isinstance(size, int):
        words = _("{size} bytes").format(size=WORDS.number(size))
    session.out.value({"id": found, "isHere": is_here, "size": size}, words)
    return Exit.DONE if is_here else Exit.NOT_FOUND


def _parse_blob(text: str) -> BlobId:
    """Return the id that a text means: the id, a link with ``?unbox=``, an ``ssb:`` address."""
    typed = text.strip()
    if typed.startswith("ssb:"):
        with suppress(ValueError):
            typed = from_uri(typed)
    typed = typed.partition("?")[0]
    if not is_blob_id(typed):
        raise usage_error(
            _("{text} is not the id of a blob.").format(text=typed[:80]),
            _("It looks like &…=.sha256 and needs quotes in a shell."),
        )
    return typed


blob_command = section(
    "blob", _("Keep, fetch and read pictures."), add_command, get_command, want_command, has_command
)
