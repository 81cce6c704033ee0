"""``lab reproduce``: published tables, computed again."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
import msgspec

from lichen.cli.command import command, usage_error
from lichen.cli.commands.laboratory.running import need_libraries
from lichen.cli.exits import Exit
from lichen.cli.output import Output
from lichen.cli.session import Session
from lichen.cli.words import WORDS, _
from lichen.lab.reproduce.catalogue import NAMES, PAGES, named
from lichen.node.errors import ApiError

if TYPE_CHECKING:
    from lichen.lab.reproduce.table import Row, Table

MARKS = _(
    "Marks: S read in the source; M remembered only, not checked; R computed before by another "
    "program of ours."
)


@command(
    "reproduce",
    examples=(
        "lichen lab reproduce --all",
        "lichen lab reproduce gossip small_world/kleinberg",
        "lichen lab reproduce beeps --seed 7 --json",
    ),
    exits=(Exit.NOT_INSTALLED, Exit.NOT_FOUND),
    sets=(),
)
@click.option("--all", "is_all", is_flag=True, help=_("Every table."))
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--jobs",
    type=click.IntRange(1, 1024),
    default=os.cpu_count() or 1,
    show_default=_("all cores"),
    help=_("How many processes compute."),
)
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
def reproduce_command(
    session: Session, is_all: bool, seed: int, jobs: int, tables: tuple[str, ...]
) -> int:
    """Compute published tables again: paper, ours, tolerance, pass.

    A table is named as in lichen lab list; a word before the stroke means all of its tables. The
    exit code is 1 if any figure misses its gate.
    """
    names = list(NAMES) if is_all else _wanted(tables)
    need_libraries()
    from lichen.lab.parallel import WorkerLost  # noqa: PLC0415 (see above)
    from lichen.lab.reproduce.catalogue import load  # noqa: PLC0415 (see above)
    from lichen.lab.reproduce.table import Effort  # noqa: PLC0415
    from lichen.lab.reproduce.work import reproduce  # noqa: PLC0415

    found: dict[str, list[Row]] = {}
    shown = 0
    try:
        for name, rows in reproduce(names, Effort(seed), jobs):
            found[name] = rows
            # Tables come as they are done and are told in their order.
            while shown < len(names) and names[shown] in found:
                _show_table(session.out, load(names[shown]), found[names[shown]])
                session.out.flush()
                shown += 1
    except WorkerLost as error:
        raise ApiError(
            Exit.FAILED.slug,
            WORDS.tell(error.args[0]) + ".",
            _("Perhaps memory ran out: try fewer --jobs."),
        ) from error
    return _judge(session.out, [row for name in names for row in found[name]])


def _wanted(tables: Sequence[str]) -> list[str]:
    if not tables:
        raise usage_error(
            _("Name the tables, or say --all."),
            _("There are: {names}").format(names=", ".join(PAGES)),
        )
    names: list[str] = []
    for text in tables:
        meant = named(text)
        if not meant:
            raise ApiError(
                Exit.NOT_FOUND.slug,
                _("There is no table {name}.").format(name=text),
                _("There are: {names}").format(names=", ".join((*PAGES, *NAMES))),
            )
        names += [name for name in meant if name not in names]
    return names


def _show_table(out: Output, table: "Table", rows: "Sequence[Row]") -> None:
    if out.is_json:
        for row in rows:
            out.line_of_json(msgspec.to_builtins(row))
        return
    out.text(out.style(f"{table.name}: {_(table.title)}", "bold"))
    out.text(_("source: {words}").format(words=_(table.source)))
    out.text(_("how: {words}").format(words=_(table.parameters)))
    out.text(_("gate: {words}").format(words=_(table.gate)))
    if table.note:
        out.text(_("note: {words}").format(words=_(table.note)))
    header = [_("figure"), _("paper"), _("before"), _("ours"), _("tolerance"), _("pass")]
    out.table(header, [_cells(row) for row in rows])
    out.text("")


def _cells(row: "Row") -> list[str]:
    paper = "" if row.published is None else f"{row.published:g} [{row.mark}]"
    before = "" if row.before is None else f"{row.before:g} [R]"
    verdict = {True: _("pass"), False: _("FAIL"), None: "-"}[row.passes]
    return [row.label, paper, before, f"{row.ours:.4g}", row.tolerance or "-", verdict]


def _judge(out: Output, rows: "Sequence[Row]") -> int:
    gated = [row for row in rows if row.passes is not None]
    failed = [row for row in gated if not row.passes]
    out.words(MARKS)
    out.words(
        _("{passed} of {count} gates are met; {shown} figures have no gate.").format(
            passed=len(gated) - len(failed), count=len(gated), shown=len(rows) - len(gated)
        )
    )
    for row in failed:
        out.words(_("FAIL  {table}: {label}").format(table=row.table, label=row.label))
        if row.why:
            out.words(f"      {_(row.why)}")
    return Exit.FAILED if failed else Exit.DONE
