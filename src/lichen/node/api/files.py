"""Bringing a log in from a file: verified like what peers send, in batches, with progress."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lichen.feed.canonical import JsonValue, encode_compact, parse_json
from lichen.feed.message import MsgId, RawMessage, Rejected
from lichen.node import limits
from lichen.node.app import Call, Send, finish, to_json
from lichen.node.errors import ApiError
from lichen.store.ingest import IngestResult
from lichen.words import N_

if TYPE_CHECKING:
    from lichen.node.service import Service

GZIP_MAGIC = b"\x1f\x8b"
LINE_BYTES_MAX = 64 * 1024
REJECTED_TOLD_MAX = 100
OTHER_ID = N_("the file gives it another id than its text has")


class _Line(msgspec.Struct):
    """A line of a log file: either ``{key, value, timestamp}`` or a bare message value."""

    key: str | None = None
    value: msgspec.Raw = msgspec.Raw()


class _Tally(msgspec.Struct):
    """How far an import is, as it is told to the caller."""

    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    forks: int = 0
    refused: int = 0
    rejected: list[dict[str, JsonValue]] = []
    done: bool = False


_Batch = list[tuple[RawMessage, MsgId | None]]
"""Messages, each with the id that the file gives it."""

_READ_FAULTS = (OSError, EOFError, zlib.error)
_decode_line = msgspec.json.Decoder(_Line).decode


async def import_file(call: Call, inbound: AsyncIterator[JsonValue], send: Send) -> None:
    """Import a file of JSON lines, also gzip: ``{path, noViews}``. Streams its progress."""
    path = call.options().get("path")
    if not isinstance(path, str):
        raise ApiError("usage", N_("{method} takes the path of a file.", method="importFile"))
    service = call.service
    loop = asyncio.get_running_loop()
    tally = _Tally()
    if call.options().get("noViews"):
        service.store.hold_folding(is_held=True)
    file = _open(Path(path))
    waiting: list[tuple[asyncio.Task[IngestResult], _Batch]] = []
    fault: Exception | None = None
    try:
        batches = _batches(file, call, tally)
        while True:
            try:
                batch = await loop.run_in_executor(None, next, batches, None)
            except _READ_FAULTS as error:
                batch, fault = None, error
            while waiting and (batch is None or len(waiting) > 1):
                await _settle(call, waiting.pop(0), tally)
                await send(to_json(tally))
            if batch is None:
                break
            waiting.append((loop.create_task(finish(_ingest(service, batch))), batch))
    finally:
        file.close()
        if service.doors is not None:
            # A running peer goes on folding; without one, the next run does.
            service.store.hold_folding(is_held=False)
    if fault is not None:
        raise ApiError(
            "partly-done" if tally.accepted else "failed",
            N_("{path} cannot be read to its end: {reason}.", path=path, reason=fault),
            N_("What was read before is kept; import it again once the file is whole."),
        ) from fault
    tally.done = True
    await send(to_json(tally))


async def _ingest(service: "Service", batch: _Batch) -> IngestResult:
    """Have a batch decided and the brain told of it."""
    raws = [raw for raw, _ in batch]
    result = await asyncio.wrap_future(service.store.ingest(raws, verifies_all=False))
    service.shell.ingested(result, None)
    return result


async def _settle(
    call: Call, waiting: tuple[asyncio.Task[IngestResult], _Batch], tally: _Tally
) -> None:
    task, batch = waiting
    result = await task
    tally.accepted += sum(grown.last - grown.first + 1 for grown in result.progress)
    tally.duplicates += len(result.duplicates)
    tally.forks += len(result.forks)
    for rejected in result.rejected:
        _refuse(tally, rejected)
    refused = {(rejected.author, rejected.sequence) for rejected in result.rejected}
    forked = {fork.first.author for fork in result.forks}
    claimed = [
        key
        for raw, key in batch
        if key is not None
        and (raw.author, raw.sequence) not in refused
        and raw.author not in forked
    ]
    for key in call.service.store.log.missing(claimed):
        tally.refused += 1
        _tell(tally, {"key": key, "reason": str(OTHER_ID)})


def _refuse(tally: _Tally, rejected: Rejected, line: int = 0) -> None:
    tally.refused += 1
    told: dict[str, JsonValue] = {"reason": rejected.reason.value}
    if rejected.author is not None:
        told |= {"author": rejected.author, "sequence": rejected.sequence}
    if line:
        told["line"] = line
    _tell(tally, told)


def _tell(tally: _Tally, told: dict[str, JsonValue]) -> None:
    if len(tally.rejected) < REJECTED_TOLD_MAX:
        tally.rejected.append(told)


def _open(path: Path) -> BufferedIOBase:
    try:
        with path.open("rb") as file:
            is_gzip = file.read(2) == GZIP_MAGIC
        return gzip.open(path, "rb") if is_gzip else path.open("rb")
    except OSError as error:
        raise ApiError(
            "not-found" if isinstance(error, FileNotFoundError) else "failed",
            N_("{path} cannot be read: {words}.", path=path, words=error.strerror),
        ) from error


def _lines(file: BufferedIOBase) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, with their numbers; of a longer one than any, a part."""
    number = 0
    while line := file.readline(LINE_BYTES_MAX):
        number += 1
        rest = line
        while not rest.endswith(b"\n") and (rest := file.readline(LINE_BYTES_MAX)):
            pass
        if line.strip():
            yield number, line


def _open_line(line: bytes) -> tuple[bytes, MsgId | None]:
    """Return the text of a line's message, and the id that the line gives it."""
    try:
        decoded = _decode_line(line)
        return bytes(decoded.value) or line.strip(), MsgId(decoded.key) if decoded.key else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _open_odd_line(line)


def _open_odd_line(line: bytes) -> tuple[bytes, MsgId | None]:
    """Open a line with a surrogate that stands alone: msgspec reads none."""
    try:
        members = parse_json(line)
    except ValueError:
        return line, None
    if not isinstance(members, dict) or not isinstance(members.get("value"), dict):
        return line, None
    key = members.get("key")
    text = encode_compact(members["value"])
    return text.encode(), MsgId(key) if isinstance(key, str) else None


def _batches(file: BufferedIOBase, call: Call, tally: _Tally) -> Iterator[_Batch]:
    """Read the file in batches; lines that are no messages are counted as refused."""
    parse = call.service.format.parse
    batch: _Batch = []
    try:
        for number, line in _lines(file):
            tally.read += 1
            data, key = _open_line(line)
            raw = parse(data)
            if isinstance(raw, Rejected):
                _refuse(tally, raw, number)
                continue
            batch.append((raw, key))
            if len(batch) == limits.IMPORT_BATCH:
                yield batch
                batch = []
    except _READ_FAULTS:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
