"""Bringing a log in from a file: checked like what peers send, in batches, with progress.

Signatures that a later one binds may wait for their audit, as with messages from peers: the file
may have been altered on its way here, and so it is audited like everything else.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lichen.feed.canonical import JsonValue
from lichen.feed.message import FeedId, Rejected
from lichen.node import limits
from lichen.node.api.lines import READ_FAULTS, Batch, open_lines, read_blocks
from lichen.node.app import Call, Send, finish, to_json
from lichen.node.errors import ApiError
from lichen.store.checking.work import Chained, chain_block
from lichen.store.ingest import IngestResult
from lichen.words import N_

if TYPE_CHECKING:
    from lichen.node.service import Service

REJECTED_TOLD_MAX = 100
AUDIT_TOLD_EVERY_S = 0.5
VERIFY = ("chain", "all")
OTHER_ID = N_("the file gives it another id than its text has")


class Tally(msgspec.Struct):
    """How far an import is, as it is told to the caller.

    ``unaudited``: messages in the log whose signatures are still to be checked. ``cut``: how often
    since the beginning the audit had to end a feed before a wrong signature.
    """

    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    forks: int = 0
    refused: int = 0
    rejected: list[dict[str, JsonValue]] = []
    unaudited: int = 0
    cut: int = 0
    done: bool = False

    def refuse(self, rejected: Rejected, line: int = 0) -> None:
        """Count a refusal, and tell the first ones."""
        told: dict[str, JsonValue] = {"reason": rejected.reason.value}
        if rejected.author is not None:
            told |= {"author": rejected.author, "sequence": rejected.sequence}
        self.tell(told, line)

    def tell(self, told: dict[str, JsonValue], line: int = 0) -> None:
        """Count a refusal in the words given."""
        self.refused += 1
        if len(self.rejected) < REJECTED_TOLD_MAX:
            self.rejected.append(told | {"line": line} if line else told)


class _Block(msgspec.Struct):
    """A block of lines that is being chained."""

    lines: bytes
    chained: asyncio.Future[Chained]


class _Sent(msgspec.Struct):
    """A batch that is being decided; ``last_no`` is where the log ended before it."""

    task: asyncio.Task[IngestResult]
    batch: Batch
    last_no: int


async def import_file(call: Call, inbound: AsyncIterator[JsonValue], send: Send) -> None:
    """Import a file of JSON lines, also gzip. Streams its progress.

    ``{path, noViews, verify: "chain" | "all", waitAudit}``
    """
    options = call.options()
    path, verify = options.get("path"), options.get("verify") or "chain"
    if not isinstance(path, str) or verify not in VERIFY:
        raise ApiError("usage", N_("{method} takes the path of a file.", method="importFile"))
    service = call.service
    tally = Tally()
    cuts = service.store.log.cuts
    if options.get("noViews"):
        service.store.hold_folding(is_held=True)
    service.store.chainer.start()
    try:
        fault = await _read_and_ingest(service, Path(path), tally, send, verify == "all")
        if options.get("waitAudit"):
            await _await_audit(service, tally, cuts, send)
    finally:
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
    _look_at_audit(service, tally, cuts)
    await send(to_json(tally))


async def _read_and_ingest(
    service: "Service", path: Path, tally: Tally, send: Send, verifies_all: bool
) -> Exception | None:
    """Read a file to its end, or to a fault, and have all of it decided."""
    loop = asyncio.get_running_loop()
    waiting: list[_Sent] = []
    fault: Exception | None = None
    with open_lines(path) as file:
        batches = _chain(service, file, tally)
        while True:
            try:
                batch = await anext(batches, None)
            except READ_FAULTS as error:
                batch, fault = None, error
            while waiting and (batch is None or len(waiting) > 1):
                await _settle(service, waiting.pop(0), tally)
                await send(to_json(tally))
            if batch is None:
                return fault
            tally.read += batch.read
            work = finish(_ingest(service, batch, verifies_all))
            waiting.append(_Sent(loop.create_task(work), batch, service.store.log.last_no))


async def _chain(service: "Service", file: BufferedIOBase, tally: Tally) -> AsyncIterator[Batch]:
    """Read a file and yield what stands in it, chained, in batches.

    What was read before a fault (``READ_FAULTS``) is yielded before it is raised.
    """
    loop = asyncio.get_running_loop()
    blocks = read_blocks(file)
    under_way: deque[_Block] = deque()
    batch, line = Batch(), 0
    fault: Exception | None = None
    is_more = True
    while is_more or under_way:
        if is_more and len(under_way) < limits.IMPORT_BLOCKS_AHEAD:
            try:
                lines = await loop.run_in_executor(None, next, blocks, None)
            except READ_FAULTS as error:
                lines, fault = None, error
            is_more = lines is not None
            if lines is not None:
                under_way.append(_Block(lines, _chain_block(service, lines)))
            continue
        block = under_way.popleft()
        chained = await block.chained
        line += batch.add(block.lines, chained, line, service.format.parse, tally.refuse)
        if len(batch.messages) >= min(
            max(line // 2, limits.IMPORT_BATCH_FIRST), limits.IMPORT_BATCH
        ):
            yield batch
            batch = Batch()
    if batch.read:
        yield batch
    if fault is not None:
        raise fault


def _chain_block(service: "Service", lines: bytes) -> asyncio.Future[Chained]:
    future = service.store.chainer.chain_lines(lines)
    if future is not None:
        return asyncio.wrap_future(future)
    return asyncio.get_running_loop().run_in_executor(None, chain_block, lines, service.format)


async def _await_audit(service: "Service", tally: Tally, cuts: int, send: Send) -> None:
    """Wait until every signature is checked, and tell how many are left."""
    audited = asyncio.wrap_future(service.store.wait_audited())
    while not audited.done():
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(audited), AUDIT_TOLD_EVERY_S)
        _look_at_audit(service, tally, cuts)
        await send(to_json(tally))
    audited.result()


def _look_at_audit(service: "Service", tally: Tally, cuts: int) -> None:
    tally.unaudited = service.store.log.unaudited_count()
    tally.cut = service.store.log.cuts - cuts


async def _ingest(service: "Service", batch: Batch, verifies_all: bool) -> IngestResult:
    """Have a batch decided and the brain told of it."""
    future = service.store.ingest(batch.messages, verifies_all=verifies_all)
    result = await asyncio.wrap_future(future)
    service.shell.ingested(result, None)
    return result


async def _settle(service: "Service", sent: _Sent, tally: Tally) -> None:
    result = await sent.task
    batch = sent.batch
    tally.accepted += sum(grown.last - grown.first + 1 for grown in result.progress)
    tally.duplicates += len(result.duplicates)
    tally.forks += len(result.forks)
    claimed = batch.claimed
    if result.rejected or result.forks:
        lines = {
            (raw.author, raw.sequence): n
            for raw, n in zip(batch.messages, batch.lines, strict=True)
        }
        for rejected in result.rejected:
            named = (rejected.author or FeedId(""), rejected.sequence)
            tally.refuse(rejected, lines.get(named, 0))
        refused = {(rejected.author, rejected.sequence) for rejected in result.rejected}
        forked = {fork.first.author for fork in result.forks}
        claimed = {
            place: key
            for place, key in claimed.items()
            if batch.messages[place].author not in forked
            and (batch.messages[place].author, batch.messages[place].sequence) not in refused
        }
    missing = set(service.store.log.missing(list(claimed.values()), after=sent.last_no))
    for place, key in claimed.items():
        if key in missing:
            tally.tell({"key": key, "reason": str(OTHER_ID)}, batch.lines[place])
