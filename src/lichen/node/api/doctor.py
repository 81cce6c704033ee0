"""The doctor: examines the data directory and the running peer, and names a remedy for each fault.

Nothing private is in a finding, so that a whole report may be pasted for somebody who helps.
"""

import asyncio
import shlex
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import apsw
import msgspec

from lichen import __version__
from lichen.feed.message import FeedId
from lichen.node.net.lan import ANNOUNCE, LISTEN, OFF
from lichen.store.errors import DAMAGED, DAMAGES, HEAL, StoreReadFailed
from lichen.words import N_, N_many, phrase_of

if TYPE_CHECKING:
    from lichen.node.service import Service

FREE_BYTES_LOW = 1 << 30
CLOCK_YEAR_MIN = 2026


class Finding(msgspec.Struct, frozen=True):
    """One thing examined, in phrases, and whom it is about.

    ``verdict``: ``ok``, ``warn`` or ``fail``.
    """

    check: str
    verdict: str
    words: str
    remedy: str = ""
    feeds: tuple[FeedId, ...] = ()


async def examine(service: "Service", *, is_thorough: bool = True) -> list[Finding]:
    """Examine everything. What takes long is done in a thread; the brain is asked in the loop.

    ``is_thorough``: read the whole log, which takes some seconds for each million messages.
    """
    findings: list[Finding] = []
    for check in CHECKS:
        if check is _log:
            findings += await asyncio.to_thread(
                lambda: list(_log(service, is_thorough=is_thorough))
            )
        else:
            findings += check(service)
    return findings


def _versions(service: "Service") -> Iterator[Finding]:
    words = f"Lichen {__version__}, SQLite {apsw.sqlite_lib_version()}, {service.home.directory}"
    yield Finding("version", "ok", words)


def _secret(service: "Service") -> Iterator[Finding]:
    path = service.home.secret
    if not path.exists():
        gone = N_("Your secret file {path} is gone; this peer runs until it stops.", path=path)
        yield Finding("secret", "fail", gone, N_("Put a copy of it back."))
        return
    quoted, mode = shlex.quote(str(path)), stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Finding("secret", "fail", N_("Others can read your secret."), f"chmod 600 {quoted}")
    else:
        words = N_("You are {id}; only you can read the key.", id=service.keyring.id)
        yield Finding("secret", "ok", words)


def _clock(_service: "Service") -> Iterator[Finding]:
    year = time.gmtime().tm_year
    if year < CLOCK_YEAR_MIN:
        yield Finding(
            "clock",
            "warn",
            N_(
                "This machine believes it is the year {year}; your messages will be dated so.",
                year=str(year),
            ),
            N_("Set its date and time."),
        )
    else:
        now = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
        yield Finding("clock", "ok", N_("It is {time} UTC.", time=now))


def free_bytes(service: "Service") -> int:
    """Return how much room is left where the data lies; 0 if that cannot be told."""
    try:
        return shutil.disk_usage(service.home.directory).free
    except OSError:
        return 0


def _disk(service: "Service") -> Iterator[Finding]:
    free, trouble = free_bytes(service), service.store.trouble
    words = N_("{size} MiB are free where the data lies.", size=free >> 20)
    remedy = N_("Make room; without it nothing new can be kept.")
    if trouble is not None:
        failing = N_("Nothing can be written: {reason}.", reason=phrase_of(trouble.reason))
        yield Finding("disk", "fail", failing, HEAL if trouble.reason in DAMAGES else remedy)
    elif free < FREE_BYTES_LOW:
        yield Finding("disk", "warn", words, remedy)
    else:
        yield Finding("disk", "ok", words)


def _log(service: "Service", *, is_thorough: bool = True) -> Iterator[Finding]:
    store = service.store
    forked = store.log.forked()
    words = N_(
        "Messages {messages}, feeds {feeds}.",
        messages=store.log.count(),
        feeds=len(store.log.clock()),
    )
    damage = store.log.damage() if is_thorough else ""
    if damage:
        store.faults.note_fault(StoreReadFailed(DAMAGED))
    damage = damage or phrase_of(store.faults.damage)
    if damage:
        words = N_("Something on the disk is damaged: {words}.", words=damage)
        yield Finding("log", "fail", words, HEAL)
    elif forked:
        yield Finding(
            "log",
            "warn",
            N_(
                "{count} Proved to be forked and not extended: {feeds}.",
                count=words,
                feeds=", ".join(sorted(forked)),
            ),
            N_("Ask the person in another way; usually one key was used on two machines."),
        )
    else:
        yield Finding("log", "ok", words)


def _signatures(service: "Service") -> Iterator[Finding]:
    waiting = service.store.log.unaudited_count()
    if not waiting:
        words = N_("Every signature is checked.")
    else:
        pace = service.auditing()
        words = N_many(
            "{n} message waits for the check of its signature and is not passed on before it;"
            " {rate} are checked a second.",
            "{n} messages wait for the check of their signatures and are not passed on before it;"
            " {rate} are checked a second.",
            waiting,
            rate=0 if pace is None else round(pace.rate),
        )
    yield Finding("signatures", "ok", words)


def _trust(service: "Service") -> Iterator[Finding]:
    doubted = distrusted_peers(service)
    if doubted:
        words = N_many(
            "{n} peer once passed on what its author had not signed."
            " All that it sends is checked whole since then, so that nothing false gets in.",
            "{n} peers once passed on what its author had not signed."
            " All that they send is checked whole since then, so that nothing false gets in.",
            len(doubted),
        )
        remedy = N_(
            "A disk or a program may be broken there: tell the person, and once it is mended, trust"
            " them again: lichen trust ID. If you think it was meant to deceive, block them."
        )
        yield Finding("trust", "warn", words, remedy, doubted)


def distrusted_peers(service: "Service") -> tuple[FeedId, ...]:
    """Return the peers that once passed on what was not signed, but for those blocked since."""
    brain = service.shell.brain
    said = brain.graph.edges(service.keyring.id)
    return tuple(peer for peer in brain.snapshot().distrusted if said.get(peer) != -1)


def _views(service: "Service") -> Iterator[Finding]:
    for progress in service.store.views.progress():
        behind = progress.total - progress.folded
        if behind:
            yield Finding(
                "views",
                "warn",
                N_(
                    "{view}: {count} messages are not sorted in yet.",
                    view=progress.title,
                    count=behind,
                ),
                N_("Wait: a running peer does it by itself."),
            )
            return
    yield Finding("views", "ok", N_("All views show the whole log."))


def _blobs(service: "Service") -> Iterator[Finding]:
    blobs = service.store.blobs
    words = N_(
        "{count} pictures and other blobs, {size} MiB.",
        count=blobs.count,
        size=round(blobs.total_bytes / (1 << 20), 1),
    )
    yield Finding("blobs", "ok", words)


def _guard(service: "Service") -> Iterator[Finding]:
    if service.shell.is_guarded:
        yield Finding(
            "publishing",
            "warn",
            N_("Publishing waits until two peers were asked for newer messages of yours."),
            N_("Connect to peers that know you, or: lichen allow-publishing"),
        )
    else:
        yield Finding("publishing", "ok", N_("You can publish."))


def _network(service: "Service") -> Iterator[Finding]:
    if service.doors is None:
        yield Finding("network", "warn", N_("No peer is running."), N_("Start it: lichen start"))
        return
    count = len(service.shell.brain.snapshot().peers)
    addresses = ", ".join(service.doors.addresses())
    if count:
        words = N_many(
            "{n} peer is connected. Reachable at {addresses}",
            "{n} peers are connected. Reachable at {addresses}",
            count,
            addresses=addresses,
        )
        yield Finding("network", "ok", words)
    else:
        yield Finding(
            "network",
            "warn",
            N_("Nobody is connected. Reachable at {addresses}", addresses=addresses),
            N_("Connect to somebody: lichen connect ADDRESS"),
        )


def _lan(service: "Service") -> Iterator[Finding]:
    status = service.lan
    for words in status.problems:
        remedy = N_("Mend that, or leave the network alone: lichen lan off")
        yield Finding("lan", "warn", words, remedy)
    if not status.problems:
        yield Finding("lan", "ok", _LAN_WORDS[status.mode])


_LAN_WORDS = {
    ANNOUNCE: N_("Peers on the local network can see this one."),
    LISTEN: N_("Peers on the local network are heard, and cannot see this one."),
    OFF: N_("The local network is left alone."),
}

TITLES = {
    "version": N_("Version"),
    "secret": N_("Key"),
    "clock": N_("Clock"),
    "disk": N_("Disk"),
    "log": N_("Log"),
    "signatures": N_("Signatures"),
    "trust": N_("Trust"),
    "views": N_("Tables"),
    "blobs": N_("Pictures"),
    "publishing": N_("Writing"),
    "network": N_("Network"),
    "lan": N_("On this Wi-Fi"),
}
"""What each check is called for people."""

CHECKS: tuple[Callable[["Service"], Iterator[Finding]], ...] = (
    _versions,
    _secret,
    _clock,
    _disk,
    _log,
    _signatures,
    _trust,
    _views,
    _blobs,
    _guard,
    _network,
    _lan,
)
