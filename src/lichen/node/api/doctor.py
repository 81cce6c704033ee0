"""The doctor: examines the data directory and the running peer, and names a remedy for each fault.

Nothing private is in a finding, so that a whole report may be pasted for somebody who helps.
"""

import shlex
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import apsw
import msgspec

from lichen import __version__
from lichen.node.lan import ANNOUNCE, LISTEN, OFF

if TYPE_CHECKING:
    from lichen.node.service import Service

FREE_BYTES_LOW = 1 << 30
CLOCK_YEAR_MIN = 2026


class Finding(msgspec.Struct, frozen=True):
    """One thing examined. ``verdict``: ``ok``, ``warn`` or ``fail``."""

    check: str
    verdict: str
    words: str
    remedy: str = ""


def examine(service: "Service") -> list[Finding]:
    """Examine everything."""
    return [finding for check in CHECKS for finding in check(service)]


def _versions(service: "Service") -> Iterator[Finding]:
    words = f"Lichen {__version__}, SQLite {apsw.sqlite_lib_version()}, {service.home.directory}"
    yield Finding("version", "ok", words)


def _secret(service: "Service") -> Iterator[Finding]:
    path = service.home.secret
    quoted, mode = shlex.quote(str(path)), stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Finding("secret", "fail", "Others can read your secret.", f"chmod 600 {quoted}")
    else:
        yield Finding("secret", "ok", f"You are {service.keyring.id}; only you can read the key.")


def _clock(_service: "Service") -> Iterator[Finding]:
    year = time.gmtime().tm_year
    if year < CLOCK_YEAR_MIN:
        yield Finding(
            "clock",
            "warn",
            f"This machine believes it is the year {year}; your messages will be dated so.",
            "Set its date and time.",
        )
    else:
        yield Finding("clock", "ok", time.strftime("It is %Y-%m-%d %H:%M UTC.", time.gmtime()))


def _disk(service: "Service") -> Iterator[Finding]:
    free = shutil.disk_usage(service.home.directory).free
    words = f"{free / (1 << 30):.1f} GiB are free where the data lies."
    if free < FREE_BYTES_LOW:
        yield Finding("disk", "warn", words, "Make room; without it nothing new can be kept.")
    else:
        yield Finding("disk", "ok", words)


def _log(service: "Service") -> Iterator[Finding]:
    store = service.store
    forked = store.log.forked()
    words = f"{store.log.last_no} messages of {len(store.log.clock())} feeds."
    damage = store.quick_check()
    if damage:
        yield Finding(
            "log",
            "fail",
            f"The log is damaged: {damage}",
            "Restore a backup; or move log.db away, and messages come again from peers.",
        )
    elif forked:
        yield Finding(
            "log",
            "warn",
            f"{words} Proved to be forked and not extended: {', '.join(sorted(forked))}.",
            "Ask the person in another way; usually one key was used on two machines.",
        )
    else:
        yield Finding("log", "ok", words)


def _views(service: "Service") -> Iterator[Finding]:
    for progress in service.store.views.progress():
        behind = progress.total - progress.folded
        if behind:
            yield Finding(
                "views",
                "warn",
                f"{progress.name}: {behind} messages not folded in yet.",
                "Wait: a running peer does it by itself.",
            )
            return
    yield Finding("views", "ok", "All views show the whole log.")


def _blobs(service: "Service") -> Iterator[Finding]:
    blobs = service.store.blobs
    words = f"{blobs.count} pictures and other blobs, {blobs.total_bytes / (1 << 20):.1f} MiB."
    yield Finding("blobs", "ok", words)


def _guard(service: "Service") -> Iterator[Finding]:
    if service.shell.is_guarded:
        yield Finding(
            "publishing",
            "warn",
            "Publishing waits until two peers were asked for newer messages of yours.",
            "Connect to peers that know you, or: lichen allow-publishing",
        )
    else:
        yield Finding("publishing", "ok", "You can publish.")


def _network(service: "Service") -> Iterator[Finding]:
    if service.doors is None:
        yield Finding("network", "warn", "No peer is running.", "Start it: lichen start")
        return
    count = len(service.shell.brain.snapshot().peers)
    addresses = ", ".join(service.doors.addresses())
    if count:
        near = "1 peer is" if count == 1 else f"{count} peers are"
        yield Finding("network", "ok", f"{near} connected. Reachable at {addresses}")
    else:
        yield Finding(
            "network",
            "warn",
            f"Nobody is connected. Reachable at {addresses}",
            "Connect to somebody: lichen connect ADDRESS",
        )


def _lan(service: "Service") -> Iterator[Finding]:
    status = service.lan
    for words in status.problems:
        yield Finding("lan", "warn", words, "Mend that, or leave the network alone: lichen lan off")
    if not status.problems:
        yield Finding("lan", "ok", _LAN_WORDS[status.mode])


_LAN_WORDS = {
    ANNOUNCE: "Peers on the local network can see this one.",
    LISTEN: "Peers on the local network are heard, and cannot see this one.",
    OFF: "The local network is left alone.",
}

CHECKS: tuple[Callable[["Service"], Iterator[Finding]], ...] = (
    _versions,
    _secret,
    _clock,
    _disk,
    _log,
    _views,
    _blobs,
    _guard,
    _network,
    _lan,
)
