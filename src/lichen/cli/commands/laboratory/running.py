"""``lab list`` and ``lab run``: experiments, once and by name.

An experiment's options come from its parameters: a new one in the catalogue is a new command.
"""

import math
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
from lichen.cli.words import WORDS, _
from lichen.feed.canonical import JsonValue
from lichen.lab.experiments.catalogue import EXPERIMENTS
from lichen.lab.experiments.experiment import Experiment, Impossible, Parameter
from lichen.lab.extras import missing, one_thread_each
from lichen.lab.reproduce.catalogue import NAMES, PAGES
from lichen.node.errors import ApiError

if TYPE_CHECKING:
    from lichen.lab.experiments.experiment import ResultRow, Run


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
            out.line_of_json({"kind": "experiment", **_described(experiment)})
        for name in NAMES:
            out.line_of_json({"kind": "table", "name": name})
        return
    out.text(out.style(_("Experiments"), "bold") + _(" (lichen lab run NAME --help)"))
    for experiment in EXPERIMENTS.values():
        out.text(f"  {experiment.name:<12} {_(experiment.title)}")
    out.text("\n" + out.style(_("Tables"), "bold") + _(" (lichen lab reproduce NAME)"))
    for page, tables in PAGES.items():
        out.text(f"  {page:<12} {', '.join(f'{page}/{table}' for table in tables)}")


def _described(experiment: Experiment) -> dict[str, JsonValue]:
    """Return an experiment as JSON, which has no infinity: a bound that is none is left out."""
    parameters: list[JsonValue] = []
    for one in experiment.parameters:
        value = msgspec.to_builtins(one)
        bounds = {name: value[name] for name in ("low", "high") if math.isfinite(value[name])}
        plain = {name: value[name] for name in ("name", "default", "words")}
        parameters.append({**plain, **({"choices": list(one.choices)} if one.choices else bounds)})
    return {"name": experiment.name, "title": experiment.title, "parameters": parameters}


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
        with words_for_impossible():
            for one in experiment.parameters:
                if given[one.name] is not None:
                    values[one.name] = one.parse(given[one.name])
            began = time.process_time()
            made = perform(experiment, seed, values)
            lasted_s = time.process_time() - began
        _show_run(session.out, made)
        _show_pace(session.out, made, lasted_s)
        if report is not None:
            write_report_of(session.out, report, [made])

    run.__doc__ = _(experiment.title) + "."
    flags = [parameter_option(one, "") for one in experiment.parameters]
    made = command(
        experiment.name,
        examples=(
            f"lichen lab run {experiment.name} --seed 7",
            f"lichen lab run {experiment.name} {experiment.size.flag} 500 --report report.html",
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


def parameter_option(one: Parameter, more: str) -> click.Option:
    """Return the option of a parameter; ``more`` is said at the end of its help."""
    words = _(one.words)
    value = f"[{'|'.join(one.choices)}]" if one.choices else "VALUE"
    return click.Option(
        [one.flag],
        metavar=f"{value}[,...]" if more else value,
        help=f"{words[:1].upper()}{words[1:]}. [{_('default')}: {one.default}]{more}",
    )


def _show_run(out: Output, run: "Run") -> None:
    if out.is_json:
        out.line_of_json(msgspec.to_builtins(run))
        return
    from lichen.lab.report.page import figure  # noqa: PLC0415 (slow, and not for --help)

    columns = [name for name, value in run.results[0].items() if not isinstance(value, list)]
    rows: Sequence[ResultRow] = run.results
    out.table(columns, [[figure(row[name], WORDS) for name in columns] for row in rows])
    for row in rows:
        if isinstance(row.get("reached_at"), list):
            counts = row["reached_at"]
            assert isinstance(counts, list), "just looked"
            hops = "  ".join(f"{hop}: {count}" for hop, count in enumerate(counts))
            out.text(_("Reached at hop  {hops}").format(hops=hops))
    out.text(_("hash {hash}").format(hash=run.hash))


def _show_pace(out: Output, run: "Run", lasted_s: float) -> None:
    """Say how fast brains were, where a run has any; it is no result, for it never is the same."""
    told = [row.get("events") for row in run.results]
    count = sum(events for events in told if isinstance(events, int))
    if count:
        out.words(
            _("{count} events of brains in {seconds} s of one core: {pace} a second").format(
                count=WORDS.number(count),
                seconds=WORDS.number(round(lasted_s, 1)),
                pace=WORDS.number(round(count / lasted_s)),
            )
        )


def write_report_of(out: Output, path: Path, runs: "Sequence[Run]") -> None:
    """Write the page with pictures and say where. Raises ApiError."""
    from lichen.lab.report.page import write_report  # noqa: PLC0415 (slow, and not for --help)

    try:
        write_report(path, runs, WORDS)
    except OSError as error:
        raise cannot_write(path, error) from error
    out.words(_("Pictures: {path}").format(path=path))


def cannot_write(path: Path, error: OSError) -> ApiError:
    """Return the fault of a place that takes no files."""
    return ApiError(
        Exit.FAILED.slug,
        _("{path} cannot be written: {words}.").format(path=path, words=error.strerror),
        _("Choose another place, or make room."),
    )


class words_for_impossible:  # noqa: N801 (used as a statement)
    """Turns parameters that cannot be into a fault of usage."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Impossible):
            raise usage_error(
                _("That cannot be: {words}.").format(words=error),
                _("lichen lab run NAME --help names the parameters and their defaults."),
            ) from error


run_section = section(
    "run", _("Run an experiment once."), *(_run_command(one) for one in EXPERIMENTS.values())
)
