"""``lab list``, ``lab run``, ``lab sweep``, ``lab reproduce``: experiments and published tables."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from lichen.cli.command import LichenCommand, command, section, usage_error
from lichen.cli.exits import Exit
from lichen.cli.output import Output
from lichen.cli.session import Session
from lichen.cli.words import _, ngettext
from lichen.lab.experiments.catalogue import EXPERIMENTS
from lichen.lab.experiments.experiment import Experiment, Impossible, Parameter, Value
from lichen.lab.extras import missing, one_thread_each
from lichen.lab.reproduce.catalogue import NAMES, PAGES, named
from lichen.node.errors import ApiError

if TYPE_CHECKING:
    from lichen.lab.experiments.experiment import ResultRow, Run
    from lichen.lab.reproduce.table import Row, Table
    from lichen.lab.sweeps import Failed, Results, Task

BAR_CELLS = 24
QUIET_S = 5.0
"""How often progress is told where no terminal can draw a bar."""
MARKS = _(
    "Marks: S read in the source; M remembered only, not checked; R computed before by another "
    "program of ours."
)


def need_libraries() -> None:
    """Refuse in words to compute without the libraries of the lab."""
    gone = missing()
    if gone:
        raise ApiError(
            Exit.NOT_INSTALLED.slug,
            _("The lab needs {names}, which this installation does not have.").format(
                names=", ".join(gone)
            ),
            _('Install them with: pip install "lichen[lab]"'),
        )
    one_thread_each()


@command("list", examples=("lichen lab list", "lichen lab list --json"), exits=(), sets=())
def list_command(session: Session) -> None:
    """List the experiments with their parameters, and the published tables."""
    out = session.out
    if out.is_json:
        for experiment in EXPERIMENTS.values():
            out.line_of_json({"kind": "experiment", **msgspec.to_builtins(experiment)})
        for name in NAMES:
            out.line_of_json({"kind": "table", "name": name})
        return
    out.text(out.style(_("Experiments"), "bold") + _(" (lichen lab run NAME --help)"))
    for experiment in EXPERIMENTS.values():
        out.text(f"  {experiment.name:<12} {_(experiment.title)}")
    out.text("\n" + out.style(_("Tables"), "bold") + _(" (lichen lab reproduce NAME)"))
    for page, tables in PAGES.items():
        out.text(f"  {page:<12} {', '.join(f'{page}/{table}' for table in tables)}")


# Runs


def _seed_option() -> click.Option:
    return click.Option(
        ["--seed"],
        type=click.IntRange(min=0),
        default=1,
        show_default=True,
        help=_("The same seed gives the same bytes."),
    )


def _run_command(experiment: Experiment) -> LichenCommand:
    """Return ``lab run NAME`` with an option for each parameter."""

    def run(session: Session, seed: int, report: Path | None, **given: str) -> None:
        need_libraries()
        from lichen.lab.experiments.experiment import perform  # noqa: PLC0415 (see above)

        values = {}
        with _words_for_impossible():
            for one in experiment.parameters:
                if given[one.name] is not None:
                    values[one.name] = one.parse(given[one.name])
            made = perform(experiment, seed, values)
        _show_run(session.out, made)
        if report is not None:
            _write_report(session.out, report, [made])

    run.__doc__ = _(experiment.title) + "."
    flags = [_parameter_option(one, "") for one in experiment.parameters]
    made = command(
        experiment.name,
        examples=(
            f"lichen lab run {experiment.name} --seed 7",
            f"lichen lab run {experiment.name} --peers 500 --report report.html",
        ),
        exits=(Exit.NOT_INSTALLED,),
        sets=(),
    )(run)
    made.params = [*flags, _seed_option(), _report_option(), *made.params]
    return made


def _report_option() -> click.Option:
    return click.Option(
        ["--report"],
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help=_("Also write a page with pictures."),
    )


def _parameter_option(one: Parameter, more: str) -> click.Option:
    choices = _(" One of: {choices}.").format(choices=", ".join(one.choices)) if one.choices else ""
    words = _(one.words)
    return click.Option(
        [one.flag],
        metavar="VALUE" if not more else "VALUE[,VALUE...]",
        help=f"{words[:1].upper()}{words[1:]}.{choices} [{_('default')}: {one.default}]{more}",
    )


def _show_run(out: Output, run: "Run") -> None:
    if out.is_json:
        out.line_of_json(msgspec.to_builtins(run))
        return
    from lichen.lab.report.page import figure  # noqa: PLC0415 (slow, and not for --help)

    columns = [name for name in run.results[0] if name != "reached_at"]
    rows: Sequence[ResultRow] = run.results
    out.table(columns, [[figure(row[name]) for name in columns] for row in rows])
    for row in rows:
        if isinstance(row.get("reached_at"), list):
            counts = row["reached_at"]
            assert isinstance(counts, list), "just looked"
            hops = "  ".join(f"{hop}: {count}" for hop, count in enumerate(counts))
            out.text(_("Reached at hop  {hops}").format(hops=hops))
    out.text(_("hash {hash}").format(hash=run.hash))


def _write_report(out: Output, path: Path, runs: "Sequence[Run]") -> None:
    from lichen.lab.report.page import write_report  # noqa: PLC0415 (slow, and not for --help)

    try:
        write_report(path, runs)
    except OSError as error:
        raise _cannot_write(path, error) from error
    out.words(_("Pictures: {path}").format(path=path))


def _cannot_write(path: Path, error: OSError) -> ApiError:
    return ApiError(
        Exit.FAILED.slug,
        _("{path} cannot be written: {words}.").format(path=path, words=error.strerror),
        _("Choose another place, or make room."),
    )


class _words_for_impossible:  # noqa: N801 (used as a statement)
    """Turns parameters that cannot be into a fault of usage."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Impossible):
            raise usage_error(
                _("That cannot be: {words}.").format(words=error),
                _("lichen lab list names the parameters."),
            ) from error


run_section = section(
    "run", _("Run an experiment once."), *(_run_command(one) for one in EXPERIMENTS.values())
)


# Sweeps


def _sweep_command(experiment: Experiment) -> LichenCommand:
    """Return ``lab sweep NAME``: every parameter takes a list."""

    def run(
        session: Session,
        seeds: str,
        out: Path,
        jobs: int,
        scheduler: str | None,
        **given: str | None,
    ) -> int:
        need_libraries()
        from lichen.lab.sweeps import Results, parse_seeds, plan  # noqa: PLC0415 (see above)

        with _words_for_impossible():
            grid: dict[str, list[Value]] = {
                one.name: [one.parse(text) for text in str(given[one.name]).split(",")]
                for one in experiment.parameters
                if given[one.name] is not None
            }
            tasks = plan(experiment, parse_seeds(seeds), grid)
            try:
                results = Results(out)
            except OSError as error:
                raise _cannot_write(out, error) from error
        return _sweep(session.out, tasks, results, out, jobs, scheduler)

    run.__doc__ = (
        _(experiment.title)
        + ", "
        + _(
            "over seeds and parameters. Finished runs are kept; a sweep that was interrupted goes on."
        )
    )
    made = command(
        experiment.name,
        examples=(
            f"lichen lab sweep {experiment.name} --seeds 1-20 --peers 200,500 --out results",
            f"lichen lab sweep {experiment.name} --scheduler tcp://127.0.0.1:8786",
        ),
        exits=(Exit.NOT_INSTALLED, Exit.PARTLY_DONE, Exit.UNREACHABLE),
        sets=(),
    )(run)
    more = " " + _("Several, with commas.")
    made.params = [
        *(_parameter_option(one, more) for one in experiment.parameters),
        *_sweep_options(),
        *made.params,
    ]
    return made


def _sweep_options() -> list[click.Option]:
    return [
        click.Option(
            ["--seeds"],
            default="1-10",
            show_default=True,
            help=_("Seeds, such as 7, 1-20 or 1,2,5-9."),
        ),
        click.Option(
            ["--out"],
            type=click.Path(path_type=Path, file_okay=False),
            default="lab-results",
            show_default=True,
            metavar="FOLDER",
            help=_("Keep results and the page with pictures here."),
        ),
        _jobs_option(),
        click.Option(
            ["--scheduler"],
            metavar="ADDRESS",
            help=_("Compute on the workers of this Dask scheduler."),
        ),
    ]


def _jobs_option() -> click.Option:
    return click.Option(
        ["--jobs"],
        type=click.IntRange(1, 1024),
        default=os.cpu_count() or 1,
        show_default=_("all cores"),
        help=_("How many processes compute."),
    )


def _sweep(
    out: Output,
    tasks: "Sequence[Task]",
    results: "Results",
    folder: Path,
    jobs: int,
    scheduler: str | None,
) -> int:
    from lichen.lab.parallel import ClusterFault, WorkerLost  # noqa: PLC0415 (see above)
    from lichen.lab.sweeps import Failed, sweep  # noqa: PLC0415

    bar = _Bar(out, len(tasks), len(tasks) - len(results.missing(tasks)))
    refused: list[Failed] = []
    try:
        for outcome in sweep(tasks, results, jobs, scheduler):
            if isinstance(outcome, Failed):
                refused.append(outcome)
            bar.step()
    except ClusterFault as error:
        raise ApiError(
            Exit.UNREACHABLE.slug,
            _("{words}; {count} runs are kept.").format(words=error, count=len(results.runs)),
            _("Start it, look at the address, or leave out --scheduler."),
        ) from error
    except WorkerLost as error:
        raise ApiError(
            Exit.FAILED.slug,
            _("{words}; {count} runs are kept.").format(words=error, count=len(results.runs)),
            _("Perhaps memory ran out: try fewer --jobs, then the same command again."),
        ) from error
    except OSError as error:
        raise _cannot_write(folder, error) from error
    except KeyboardInterrupt:
        out.words(_("Interrupted. What is done is kept; the same command goes on from there."))
        raise
    return _end_sweep(out, tasks, results, folder, refused)


def _end_sweep(
    out: Output,
    tasks: "Sequence[Task]",
    results: "Results",
    folder: Path,
    refused: "Sequence[Failed]",
) -> int:
    results.put_in_order()
    made = results.of(tasks)
    for run in made:
        if out.is_json:
            out.line_of_json(msgspec.to_builtins(run))
    if not out.is_json:
        words = ngettext("{count} run in {path}", "{count} runs in {path}", len(made))
        out.text(words.format(count=len(made), path=folder / "results.jsonl"))
    if made:
        _write_report(out, folder / "report.html", made)
    if refused:
        out.words(
            _("{count} runs cannot be: {words}.").format(
                count=len(refused), words=refused[0].reason
            )
        )
    return Exit.PARTLY_DONE if refused else Exit.DONE


class _Bar:
    """A progress bar on a terminal, a line now and then elsewhere."""

    __slots__ = ("_all", "_began", "_done", "_first", "_out", "_told")

    def __init__(self, out: Output, count: int, done: int) -> None:
        self._out = out
        self._all = count
        self._done = self._first = done
        self._began = self._told = time.monotonic()
        if done:
            out.words(_("{done} of {count} runs are there.").format(done=done, count=count))

    def step(self) -> None:
        """Count one more run, and say so."""
        self._done += 1
        now = time.monotonic()
        if not self._out.is_error_tty and now - self._told < QUIET_S and self._done < self._all:
            return
        self._told = now
        filled = BAR_CELLS * self._done // self._all
        left_s = (now - self._began) / (self._done - self._first) * (self._all - self._done)
        bar = "#" * filled + "." * (BAR_CELLS - filled)
        self._out.progress(
            _("[{bar}] {done}/{count}, {seconds} s left").format(
                bar=bar, done=self._done, count=self._all, seconds=round(left_s)
            )
        )


sweep_section = section(
    "sweep",
    _("Run an experiment over seeds and parameters."),
    *(_sweep_command(one) for one in EXPERIMENTS.values()),
)


# Tables


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
    from lichen.lab.reproduce.catalogue import load  # noqa: PLC0415 (see above)
    from lichen.lab.reproduce.table import Effort  # noqa: PLC0415
    from lichen.lab.reproduce.work import reproduce  # noqa: PLC0415

    found: dict[str, list[Row]] = {}
    shown = 0
    for name, rows in reproduce(names, Effort(seed), jobs):
        found[name] = rows
        # Tables come as they are done and are told in their order.
        while shown < len(names) and names[shown] in found:
            _show_table(session.out, load(names[shown]), found[names[shown]])
            session.out.flush()
            shown += 1
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
    return Exit.FAILED if failed else Exit.DONE
