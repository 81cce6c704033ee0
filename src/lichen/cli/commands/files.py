"""``import`` and ``export``: the log as lines of JSON in a file."""

import asyncio
import contextlib
import gzip
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import click

from lichen.cli import settings
from lichen.cli.command import OPENS_DATA, command, usage_error
from lichen.cli.exits import Exit
from lichen.cli.output import Output
from lichen.cli.session import Session, member, number_member, text_member
from lichen.cli.terminal import short_id
from lichen.cli.words import WORDS, _, ngettext
from lichen.feed.canonical import JsonValue, encode_compact
from lichen.node.errors import ApiError

if TYPE_CHECKING:
    from lichen.node.client import Client

PROGRESS_S_TERMINAL = 0.2
PROGRESS_S_PLAIN = 5.0
REFUSALS_SHOWN_MAX = 10


@command(
    "import",
    examples=(
        "lichen import messages.jsonl.gz",
        "lichen import --no-views --wait-audit backup-*.jsonl",
        "ssh pub lichen export | lichen import -",
    ),
    exits=(*OPENS_DATA, Exit.NOT_FOUND, Exit.PARTLY_DONE, Exit.INVALID),
    sets=(*settings.COMMON, settings.VERIFY),
)
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--no-views", is_flag=True, help=_("Leave sorting into views for later."))
@click.option("--wait-audit", is_flag=True, help=_("Wait until every signature is checked."))
async def import_command(
    session: Session, files: tuple[Path, ...], no_views: bool, wait_audit: bool
) -> int:
    """Read messages from files, check each one, and keep those that hold.

    One message a line, {key, value, timestamp} or the value alone; gzip is recognised, and - is
    standard input. Messages that are here already are counted as duplicates. With --json each line
    of output is a progress record; the last one of each file has "done": true.
    """
    found = [path if path == _STDIN else _whole_path(path) for path in files]
    request: dict[str, JsonValue] = {"noViews": no_views, "verify": session.settings.verify}
    total = _Total()
    async with session.client() as client:
        meter = _Meter(session.out)
        for number, path in enumerate(found, 1):
            waits = wait_audit and number == len(found)
            last: JsonValue = None
            with _spooled(path) as there:
                asked = request | {"path": str(there), "waitAudit": waits}
                async for record in client.source("lichen.importFile", asked):
                    meter.show(record, str(path), total.read)
                    last = record
            total.add(last, str(path) if len(found) > 1 else "")
    return _report_import(session.out, total, meter)


_STDIN = Path("-")


def _whole_path(file: Path) -> Path:
    """Return the whole path: the running peer works in another directory."""
    if not file.is_file():
        raise ApiError(Exit.NOT_FOUND.slug, _("There is no file {path}.").format(path=file))
    return file.absolute()


@contextlib.contextmanager
def _spooled(path: Path) -> Iterator[Path]:
    """Give standard input a name for as long as it is read: a running peer does the reading."""
    if path != _STDIN:
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="lichen-import-") as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool)
        spool.flush()
        yield Path(spool.name)


class _Total:
    """What several files came to."""

    def __init__(self) -> None:
        self.read = self.accepted = self.duplicates = self.refused = 0
        self.unaudited = self.cut = 0
        self.told: list[str] = []

    def add(self, last: JsonValue, file: str) -> None:
        """Add what one file came to; ``file`` names it where there are several."""
        self.read += int(number_member(last, "read"))
        self.accepted += int(number_member(last, "accepted"))
        self.duplicates += int(number_member(last, "duplicates"))
        self.refused += int(number_member(last, "refused"))
        self.unaudited = int(number_member(last, "unaudited"))
        self.cut += int(number_member(last, "cut"))
        place = f"{file}: " if file else ""
        self.told += [place + _refusal_words(each) for each in _list(last, "rejected")]


class _Meter:
    """Shows progress as often as a person can follow, as records with ``--json``."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._began = time.monotonic()
        self._next = self._began

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since the beginning, never 0."""
        return max(time.monotonic() - self._began, 1e-6)

    def show(self, record: JsonValue, file: str, before: int) -> None:
        """Show one progress record; ``before``: messages of the files before this one."""
        if self._out.is_json:
            assert isinstance(record, dict), "the method tells records"
            self._out.line_of_json(record | {"file": file})
            self._out.flush()
        elif time.monotonic() >= self._next:
            interval = PROGRESS_S_TERMINAL if self._out.is_error_tty else PROGRESS_S_PLAIN
            self._next = time.monotonic() + interval
            read = before + int(number_member(record, "read"))
            unaudited = int(number_member(record, "unaudited"))
            if unaudited:
                words = _("{count} signatures are still to be checked")
                self._out.progress(words.format(count=WORDS.number(unaudited)))
            else:
                words = _("{count} messages read, {rate}/s")
                rate = WORDS.number(round(read / self.elapsed_s))
                self._out.progress(words.format(count=WORDS.number(read), rate=rate))


def _report_import(out: Output, total: _Total, meter: _Meter) -> int:
    read, refused = total.read, total.refused
    if not out.is_json:
        told = total.told[:REFUSALS_SHOWN_MAX]
        for refusal in told:
            out.words(refusal)
        if refused > len(told):
            out.words(_("and {count} more refused").format(count=WORDS.number(refused - len(told))))
        out.end_progress()
        out.text(
            _("{read} read, {accepted} new, {duplicates} here already, {refused} refused").format(
                read=WORDS.number(read),
                accepted=WORDS.number(total.accepted),
                duplicates=WORDS.number(total.duplicates),
                refused=WORDS.number(refused),
            )
        )
        out.words(
            _("{rate} messages a second").format(rate=WORDS.number(round(read / meter.elapsed_s)))
        )
        if total.cut:
            words = ngettext(
                "{count} feed was cut short before a wrong signature",
                "{count} feeds were cut short before a wrong signature",
                total.cut,
            )
            out.words(words.format(count=WORDS.number(total.cut)))
        elif total.unaudited:
            words = _("{count} signatures are still to be checked")
            out.words(words.format(count=WORDS.number(total.unaudited)))
    if not refused and not total.cut:
        return Exit.DONE
    return Exit.PARTLY_DONE if total.accepted or total.duplicates else Exit.INVALID


def _refusal_words(refusal: JsonValue) -> str:
    line = int(number_member(refusal, "line"))
    author = text_member(refusal, "author")
    key = text_member(refusal, "key")
    if line:
        place = _("line {line}").format(line=line)
    elif author:
        sequence = int(number_member(refusal, "sequence"))
        place = _("{author}, message {sequence}").format(author=short_id(author), sequence=sequence)
    else:
        place = short_id(key)
    return f"{place}: {_(text_member(refusal, 'reason'))}"


@command(
    "export",
    examples=(
        "lichen export backup.jsonl.gz",
        "lichen export | grep gathering",
    ),
    exits=OPENS_DATA,
)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--force", is_flag=True, help=_("Replace the file if it exists."))
async def export_command(session: Session, file: Path | None, force: bool) -> None:
    """Write every message, in the order it was received, one {key, value, timestamp} a line.

    Without FILE to standard output. A name that ends in .gz is compressed. The file appears when
    it is complete. What is written can be read by lichen import and by other programs.
    """
    if file is None:
        async with session.client() as client:
            async for item in _messages(client):
                session.out.line_of_json(item)
        return
    count = 0
    try:
        with _new_file(file, is_replacing=force) as lines:
            async with session.client() as client:
                async for item in _messages(client):
                    lines.write((encode_compact(item) + "\n").encode("utf-8", "replace"))
                    count += 1
                    if count % 1000 == 0:
                        await asyncio.sleep(0)
    except OSError as error:
        raise ApiError(
            Exit.FAILED.slug,
            _("{path} cannot be written: {words}.").format(path=file, words=error.strerror),
            _("Choose another place, or make room."),
        ) from error
    session.out.value(
        {"file": str(file), "written": count},
        ngettext(
            "{count} message written to {path}", "{count} messages written to {path}", count
        ).format(count=WORDS.number(count), path=file),
    )


async def _messages(client: "Client") -> AsyncIterator[JsonValue]:
    """Yield the whole log, without what is known of it on this machine only."""
    async for item in client.source("createLogStream", {"keys": True, "values": True}):
        if isinstance(item, dict):
            item.pop("audited", None)
        yield item


@contextlib.contextmanager
def _new_file(path: Path, *, is_replacing: bool) -> Iterator[BinaryIO]:
    """Open a file that takes its name only when everything is in it and on disk."""
    if path.exists() and not is_replacing:
        raise usage_error(
            _("There is a file {path} already.").format(path=path),
            _("Choose another name, or replace it with --force."),
        )
    scratch = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with scratch.open("xb") as file:
            if path.suffix == ".gz":
                with gzip.open(file, "wb") as packed:
                    yield cast("BinaryIO", packed)
            else:
                yield file
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _list(value: JsonValue, key: str) -> list[JsonValue]:
    found = member(value, key)
    return found if isinstance(found, list) else []
