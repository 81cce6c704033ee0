"""``fsck``, ``rebuild``, ``backup`` and ``restore``: the data directory is looked after."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import click

from lichen.cli.command import OPENS_DATA, command, usage_error
from lichen.cli.exits import Exit
from lichen.cli.output import Output
from lichen.cli.session import Session, member, number_member, text_member
from lichen.cli.words import WORDS, _, ngettext
from lichen.feed.canonical import JsonValue
from lichen.words import parse_phrase

PROGRESS_S_TERMINAL = 0.2
PROGRESS_S_PLAIN = 5.0
ASIDE = "aside"
"""The stage in which a running peer lets go of its folder."""
RATE_S_MIN = 1.0
"""A rate is told once it was measured over so long."""
SHOWN_MAX = 20
"""Damages told in a terminal; all of them with --json."""

_STAGES = {
    "structure": _("files"),
    "messages": _("messages"),
    "forks": _("forks"),
    "blobs": _("pictures"),
    "rescue": _("messages into a new log"),
    "local.db": _("settings and drafts"),
    "log.db": _("log"),
    "check": _("files of the backup"),
    "restore": _("files"),
}
_PLACES = {
    "log": _("log.db"),
    "local": _("local.db"),
    "views": _("views.db"),
    "feed": _("feed"),
    "fork": _("fork"),
    "blob": _("picture"),
}


class Meter:
    """Shows how far a long work is, with rate and time left; records with ``--json``."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._interval = PROGRESS_S_TERMINAL if out.is_error_tty else PROGRESS_S_PLAIN
        self._next = time.monotonic() + self._interval
        self._stage = ""
        self._began = 0.0

    async def watch(self, records: AsyncIterator[JsonValue]) -> JsonValue:
        """Show every record as it comes; return the last one."""
        last: JsonValue = None
        async for record in records:
            last = record
            if self._out.is_json:
                self._out.line_of_json(record)
                self._out.flush()
            elif text_member(record, "stage") == ASIDE:
                self._out.words(_("Something is damaged. The peer steps aside while it is healed."))
            elif not member(record, "done"):
                self._show(record)
        self._out.end_progress()
        return last

    def _show(self, record: JsonValue) -> None:
        now = time.monotonic()
        stage = text_member(record, "stage")
        if stage != self._stage:
            self._stage, self._began = stage, now
        if now < self._next or not stage:
            return
        self._next = now + self._interval
        done, total = int(number_member(record, "count")), int(number_member(record, "total"))
        self._out.progress(progress_words(stage, done, total, now - self._began))


def progress_words(stage: str, done: int, total: int, elapsed_s: float) -> str:
    """Return how far a stage is: count, rate, time left."""
    said = _("{what}: {done} of {total}").format(
        what=_STAGES.get(stage, stage), done=WORDS.number(done), total=WORDS.number(total)
    )
    if elapsed_s < RATE_S_MIN or done == 0:
        return said
    rate = done / elapsed_s
    return _("{progress}, {rate} a second, {left} left").format(
        progress=said, rate=WORDS.number(round(rate)), left=WORDS.duration((total - done) / rate)
    )


@command(
    "fsck",
    examples=(
        "lichen fsck",
        "lichen fsck --full                   # every signature and every picture, too",
        "lichen fsck --heal                   # a running peer steps aside for it",
        "lichen fsck --json | tail -n 1 | jq .report.damages",
    ),
    exits=(*OPENS_DATA, Exit.PARTLY_DONE, Exit.NO_IDENTITY),
)
@click.option("--quick", "depth", flag_value="quick", help=_("The files, and gaps; seconds."))
@click.option("--full", "depth", flag_value="full", help=_("Every signature and picture, too."))
@click.option(
    "--blobs/--no-blobs", default=None, help=_("Read every picture; the default with --full.")
)
@click.option("--heal", is_flag=True, help=_("Keep what holds, lay the rest aside; checks fully."))
async def fsck_command(session: Session, depth: str | None, blobs: bool | None, heal: bool) -> int:
    """Check the data on disk: files, every message's text, id and place, signatures, forks.

    Works beside a running peer, gently, and on the folder of a stopped one. With --heal a damaged
    feed ends before its first damaged message, and peers give the rest again; what is taken out
    stays in the folder "damaged", and the old log with it. If anything is damaged, a running peer
    serves nobody while it is healed, and comes back by itself.

    Exit code 0: all is whole, or was healed without loss; 14: something is damaged; 3: healed, and
    messages were laid aside.
    """
    if heal and depth == "quick":
        raise usage_error(_("Healing needs a full check."), "lichen fsck --heal")
    options: dict[str, JsonValue] = {"depth": depth or "chain", "heal": heal}
    if blobs is not None:
        options["blobs"] = blobs
    async with session.keeper(heals=heal) as keeper:
        last = await Meter(session.out).watch(keeper.source("lichen.fsck", options))
    report, healed = member(last, "report"), member(last, "healed")
    if not session.out.is_json:
        _show_report(session.out, report)
        if healed is not None:
            _show_healed(session.out, healed)
        if member(last, "isPeerBack") is True:
            session.out.words(_("The peer is back."))
        elif member(last, "isPeerBack") is False:
            session.out.words(_("The peer did not come back. Start it: lichen start"))
    if not _list(report, "damages"):
        return Exit.DONE
    if healed is None:
        session.out.words(_("To keep what holds: lichen fsck --heal"))
        return Exit.DAMAGED
    is_lossless = not number_member(healed, "aside") and not number_member(healed, "unread")
    return Exit.DONE if is_lossless else Exit.PARTLY_DONE


def _show_report(out: Output, report: JsonValue) -> None:
    damages = _list(report, "damages")
    for damage in damages[:SHOWN_MAX]:
        out.text(_damage_words(damage))
    hidden = len(damages) - SHOWN_MAX + int(number_member(report, "omitted"))
    if hidden > 0:
        out.text(_("and {count} more damages").format(count=WORDS.number(hidden)))
    out.text(
        _(
            "Checked: messages {messages}, feeds {feeds}, signatures {signatures}, forks {forks}, "
            "pictures {blobs}"
        ).format(
            **{
                name: WORDS.number(int(number_member(report, name)))
                for name in ("messages", "feeds", "signatures", "forks", "blobs")
            }
        )
    )
    if not damages:
        out.words(_("Nothing is damaged."))


def _damage_words(damage: JsonValue) -> str:
    words = WORDS.tell(parse_phrase(member(damage, "phrase")) or text_member(damage, "words"))
    place = _PLACES.get(text_member(damage, "place"), "")
    feed, blob = text_member(damage, "feed"), text_member(damage, "blob")
    if feed and number_member(damage, "sequence"):
        sequence = int(number_member(damage, "sequence"))
        return _("{place} {feed}, from message {sequence} on: {words}").format(
            place=place, feed=feed, sequence=sequence, words=words
        )
    return f"{place} {feed or blob}".strip() + f": {words}"


def _show_healed(out: Output, healed: JsonValue) -> None:
    for cut in _list(healed, "cuts")[:SHOWN_MAX]:
        out.text(
            _("{feed} now ends before message {sequence}; peers give the rest again.").format(
                feed=text_member(cut, "feed"), sequence=int(number_member(cut, "sequence"))
            )
        )
    if member(healed, "is_log_new"):
        out.text(
            _("{kept} messages kept, {aside} laid aside, {unread} could not be read.").format(
                kept=WORDS.number(int(number_member(healed, "messages"))),
                aside=WORDS.number(int(number_member(healed, "aside"))),
                unread=WORDS.number(int(number_member(healed, "unread"))),
            )
        )
    if member(healed, "are_views_dropped"):
        out.words(_("The views are made anew by the peer."))
    if text_member(healed, "kept"):
        out.words(_("What was taken out lies in {path}").format(path=text_member(healed, "kept")))
    if member(healed, "is_guarded"):
        out.words(_("Publishing waits until two peers were asked for newer messages of yours."))


@command(
    "rebuild",
    examples=("lichen rebuild", "lichen rebuild contacts"),
    exits=(*OPENS_DATA, Exit.NOT_FOUND),
)
@click.argument("views", nargs=-1, metavar="[VIEW]...")
async def rebuild_command(session: Session, views: tuple[str, ...]) -> None:
    """Make views anew from the log: the tables that pages and searches are read from.

    All of them if none is named. Nothing is lost by it, and a running peer goes on meanwhile.
    """
    async with session.client() as client:
        began = time.monotonic()
        next_s = began
        async for record in client.source("lichen.rebuild", {"views": [*views]}):
            if session.out.is_json:
                session.out.line_of_json(record)
                session.out.flush()
                continue
            now = time.monotonic()
            if now >= next_s and not member(record, "done"):
                next_s = now + (
                    PROGRESS_S_TERMINAL if session.out.is_error_tty else PROGRESS_S_PLAIN
                )
                done, total = _slowest(record)
                session.out.progress(progress_words("messages", done, total, now - began))
    session.out.words(_("The views show the whole log."))


def _slowest(record: JsonValue) -> tuple[int, int]:
    found = [
        (int(number_member(view, "folded")), int(number_member(view, "total")))
        for view in _list(record, "views")
    ]
    return min(found, default=(0, 0))


@command(
    "backup",
    examples=(
        "lichen backup /media/stick/lichen-2026-11-26",
        "lichen backup ~/safe/lichen --with-secret    # the copy can write as you",
    ),
    exits=(*OPENS_DATA, Exit.NO_IDENTITY),
)
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("--with-secret", is_flag=True, help=_("Copy your key, too. Keep it from others."))
async def backup_command(session: Session, dest: Path, with_secret: bool) -> None:
    """Copy log, drafts, settings and pictures to a new folder, also while the peer runs.

    The copy is of one moment, is checked, and has a manifest with counts and hashes. Views are left
    out: they are made anew. Your key is copied only with --with-secret.
    """
    options: dict[str, JsonValue] = {"path": _whole(dest), "withSecret": with_secret}
    async with session.keeper() as keeper:
        last = await Meter(session.out).watch(keeper.source("lichen.backup", options))
    out = session.out
    if out.is_json:
        return
    out.text(
        _("In {path}: messages {messages}, feeds {feeds}, pictures {blobs}").format(
            messages=WORDS.number(int(number_member(last, "manifest", "messages"))),
            feeds=WORDS.number(int(number_member(last, "manifest", "feeds"))),
            blobs=WORDS.number(int(number_member(last, "manifest", "blobs"))),
            path=dest,
        )
    )
    if with_secret:
        out.words(_("Your key is in it: whoever can read this backup can write as you."))
    else:
        out.words(
            _("Your key is not in it. Keep a copy elsewhere: {path}").format(
                path=session.home.secret
            )
        )


@command(
    "restore",
    examples=(
        "lichen restore /media/stick/lichen-2026-11-26",
        "lichen restore ~/safe/lichen --home ~/lichen-restored",
    ),
    exits=(*OPENS_DATA, Exit.PARTLY_DONE),
)
@click.argument("src", type=click.Path(path_type=Path))
async def restore_command(session: Session, src: Path) -> int:
    """Put a backup back into an empty data directory.

    It is refused if anything in it is damaged or newer than this version. Publishing waits until
    two peers were asked for what you wrote after the backup. One identity on one machine: never
    start the peer that the backup is of again, or your feed splits for good.

    Exit code 3: restored, but for pictures that were damaged in the backup.
    """
    from lichen.node.api.keeping import restore  # noqa: PLC0415 (slow, and not for --help)

    last = await Meter(session.out).watch(restore(Path(_whole(src)), session.home))
    out, damaged = session.out, int(number_member(last, "blobsDamaged"))
    if not out.is_json:
        out.text(
            _("Restored to {path}: messages {messages}, feeds {feeds}").format(
                messages=WORDS.number(int(number_member(last, "manifest", "messages"))),
                feeds=WORDS.number(int(number_member(last, "manifest", "feeds"))),
                path=text_member(last, "directory"),
            )
        )
        if damaged:
            out.words(
                ngettext(
                    "{n} damaged picture was left out; it is fetched again.",
                    "{n} damaged pictures were left out; they are fetched again.",
                    damaged,
                ).format(n=WORDS.number(damaged))
            )
        if not member(last, "manifest", "has_secret"):
            out.words(
                _("Your key was not in it. Put your copy here: {path}").format(
                    path=text_member(last, "secret")
                )
            )
        out.words(_("Publishing waits until two peers were asked for newer messages of yours."))
        out.words(_("Never start the old peer again: one identity on one machine."))
    return Exit.PARTLY_DONE if damaged else Exit.DONE


def _whole(path: Path) -> str:
    """Return the whole path: the running peer works in another directory."""
    return str(path.absolute())


def _list(value: JsonValue, key: str) -> list[JsonValue]:
    found = member(value, key)
    return found if isinstance(found, list) else []
