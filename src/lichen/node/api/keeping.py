"""Keeping a data directory: checked, healed, copied away, put back, its views made anew.

The same work is done by a running peer for its own directory (the methods below, with pauses) and
by ``keeper`` for a command on a folder that nobody uses. Each is a stream of records: how far it
is, and last what came of it, with ``done`` set.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from lichen import __version__
from lichen.feed.canonical import JsonValue
from lichen.feed.formats import FeedFormat
from lichen.feed.formats.classic import ClassicFormat
from lichen.node.app import Call, Method, Send, to_json
from lichen.node.errors import ApiError, store_fault
from lichen.node.home import Home, Settings
from lichen.store.binding import LOG_FILE, read_binding
from lichen.store.checking.signatures import SignatureThreads
from lichen.store.errors import DAMAGED, StoreError, StoreReadFailed
from lichen.store.keeping.backup import Backup
from lichen.store.keeping.check import Check
from lichen.store.keeping.heal import Heal, settle_audit
from lichen.store.keeping.report import Depth, Progress, Report
from lichen.store.keeping.restore import Restore
from lichen.store.lock import HEALER_FILE, is_locked
from lichen.words import N_, Phrase

GENTLE_ROWS = 100
"""Messages that a check beside a running peer reads at once: some 5 ms of work."""
REBUILD_TELL_S = 0.2
"""How often is told how far the views are."""

Records = AsyncGenerator[JsonValue, None]


async def fsck(call: Call, inbound: AsyncIterator[JsonValue], send: Send) -> None:
    """Check the data directory: ``{depth, blobs}``. Streams its progress, last its findings."""
    options = call.options()
    if options.get("heal"):
        raise ApiError(
            "refused",
            N_("A running peer does not heal itself: it is writing to what would be replaced."),
            N_("It steps aside for the command: lichen fsck --heal"),
        )
    service = call.service
    _refuse_without_log(service.home.directory)
    formats = {service.format.name: service.format}
    async for record in check(service.home.directory, formats, options, is_gentle=True):
        if needs_healing(record):
            service.store.faults.note_fault(StoreReadFailed(DAMAGED))
        await send(record)


def needs_healing(record: JsonValue) -> bool:
    """Tell whether a record is of a check that has found damage."""
    report = record.get("report") if isinstance(record, dict) else None
    return isinstance(report, dict) and bool(report.get("damages"))


async def step_aside(call: Call, inbound: AsyncIterator[JsonValue], send: Send) -> None:
    """Close the data directory for the program that calls, and open it again when that is done.

    The program holds the lock ``HEALER_FILE`` meanwhile; should it die, the system lets go of it.
    """
    if not is_locked(call.service.home.directory, HEALER_FILE):
        raise ApiError("refused", N_("Nobody is about to heal this directory."))
    _refuse_without_log(call.service.home.directory)
    await send(True)
    call.service.step_aside()


async def backup(call: Call, inbound: AsyncIterator[JsonValue], send: Send) -> None:
    """Make a backup: ``{path, withSecret}``. Streams its progress, last what is in it."""
    _refuse_without_log(call.service.home.directory)
    async for record in back_up(call.service.home.directory, call.options(), is_gentle=True):
        await send(record)


def _refuse_without_log(directory: Path) -> None:
    """Raise ApiError if the log was deleted under the peer, which has it until it ends."""
    if not (directory / LOG_FILE).exists():
        raise ApiError(
            "damaged",
            N_("The log was deleted: there is no log.db in {path} any more.", path=directory),
            N_(
                "The running peer still has it. Before you stop it, save every message: lichen"
                " export FILE"
            ),
        )


async def rebuild(call: Call, inbound: AsyncIterator[JsonValue], send: Send) -> None:
    """Make views anew from the log: ``{views}``, all if none is named. Streams their progress."""
    store = call.service.store
    known = [progress.name for progress in store.views.progress()]
    wanted = call.options().get("views") or known
    if not isinstance(wanted, list) or any(name not in known for name in wanted):
        raise ApiError(
            "not-found",
            N_("There is no such view."),
            N_("There are: {names}.", names=", ".join(sorted(known))),
        )
    names = [str(name) for name in wanted]
    await asyncio.wrap_future(store.rebuild(names))
    folded = asyncio.wrap_future(store.wait_folded(*names))
    while not folded.done():
        await send({"views": _progress(call, names)})
        await asyncio.wait({folded}, timeout=REBUILD_TELL_S)
    await folded
    await send({"views": _progress(call, names), "done": True})


def _progress(call: Call, names: list[str]) -> JsonValue:
    return [to_json(each) for each in call.service.store.views.progress() if each.name in names]


async def check(
    directory: Path,
    formats: Mapping[str, FeedFormat],
    options: Mapping[str, JsonValue],
    *,
    heals: bool = False,
    settles: bool = False,
    is_gentle: bool = False,
) -> Records:
    """Check a directory as ``{depth, blobs}`` says, and heal it if it is asked for.

    ``settles``: note in the log which signatures were checked; the caller holds its lock.
    """
    depth = Depth.FULL if heals else _depth(options.get("depth", "chain"))
    blobs = options.get("blobs")
    threads = await asyncio.to_thread(SignatureThreads, 1 if is_gentle else None)
    try:
        work = Check(
            directory,
            formats,
            threads,
            depth,
            has_blobs=blobs if isinstance(blobs, bool) else depth is Depth.FULL,
            **({"rows_max": GENTLE_ROWS} if is_gentle else {}),
        )
        async for record in _drive(work.run(), is_gentle=is_gentle):
            yield record
        if settles:
            await asyncio.to_thread(settle_audit, directory, work.report)
        healed: JsonValue = None
        if heals and not work.report.is_whole:
            heal = Heal(directory, formats, threads)
            async for record in _drive(heal.run(work.report.damages)):
                yield record
            healed = to_json(heal.result)
        yield {"done": True, "report": _report_json(work.report), "healed": healed}
    finally:
        await asyncio.to_thread(threads.close)


async def back_up(
    directory: Path, options: Mapping[str, JsonValue], *, is_gentle: bool = False
) -> Records:
    """Make a backup of a directory as ``{path, withSecret}`` says."""
    path = options.get("path")
    if not isinstance(path, str) or not Path(path).is_absolute():
        raise ApiError("usage", N_("A backup needs the whole path of its folder."))
    work = Backup(
        directory,
        Path(path),
        has_secret=bool(options.get("withSecret")),
        program=f"Lichen {__version__}",
        now_ms=time.time() * 1000,
    )
    async for record in _drive(work.run(), is_gentle=is_gentle):
        yield record
    yield {"done": True, "path": path, "manifest": to_json(work.manifest)}


async def restore(backup: Path, home: Home) -> Records:
    """Put a backup back into an empty data directory."""
    with store_faults():
        work = Restore(backup, home.directory)
        async for record in _drive(work.run()):
            yield record
        yield {
            "done": True,
            "directory": str(home.directory),
            "secret": str(home.secret),
            "manifest": to_json(work.manifest),
            "blobsDamaged": work.blobs_damaged,
        }


def formats_of(directory: Path, settings: Settings) -> dict[str, FeedFormat]:
    """Return the feed formats of the network that a directory belongs to."""
    bound = None
    with suppress(StoreError):  # a damaged log is what may have to be checked
        bound = read_binding(directory)
    hmac_key = settings.hmac_key or (bound.hmac_key if bound is not None else None)
    return {"classic": ClassicFormat(hmac_key)}


def phrase_json(text: str) -> JsonValue:
    """Return how a text was made, for a program that speaks another language; None: as it is."""
    return to_json(text.to_json()) if isinstance(text, Phrase) else None


def _depth(word: JsonValue) -> Depth:
    for depth in Depth:
        if word == depth.name.lower():
            return depth
    raise ApiError("usage", N_("A check is quick, chain or full."))


def _report_json(report: Report) -> JsonValue:
    return {
        "depth": report.depth.name.lower(),
        "messages": report.messages,
        "feeds": report.feeds,
        "signatures": report.signatures,
        "forks": report.forks,
        "blobs": report.blobs,
        "omitted": report.omitted,
        "damages": [
            {
                "place": damage.place,
                "feed": damage.feed,
                "sequence": damage.sequence or None,
                "blob": damage.blob,
                "words": str(damage.words),
                "phrase": phrase_json(damage.words),
            }
            for damage in report.damages
        ],
    }


async def _drive(work: Iterator[Progress], *, is_gentle: bool = False) -> Records:
    """Do a work in threads, step by step, and yield how far it is; gently: half of the time."""
    step: asyncio.Future[Progress | None] | None = None
    try:
        while True:
            began = time.monotonic()
            step = asyncio.ensure_future(asyncio.to_thread(next, work, None))
            progress = await asyncio.shield(step)
            if progress is None:
                return
            yield to_json(progress)
            if is_gentle:
                await asyncio.sleep(time.monotonic() - began)
    finally:
        if step is not None and not step.done():
            await asyncio.wait({step})
        close = getattr(work, "close", None)
        if close is not None:
            await asyncio.to_thread(close)


@contextmanager
def store_faults() -> Iterator[None]:
    """Turn faults of the store into those of a call."""
    try:
        yield
    except StoreError as error:
        raise store_fault(error) from error


METHODS: dict[str, Method] = {
    "lichen.fsck": Method("source", fsck),
    "lichen.stepAside": Method("async", step_aside),
    "lichen.backup": Method("source", backup),
    "lichen.rebuild": Method("source", rebuild),
}
