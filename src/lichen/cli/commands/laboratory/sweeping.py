"""``lab sweep``: an experiment over seeds and parameters, on all cores or on a Dask cluster."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from lichen.cli.command import LichenCommand, command, section
from lichen.cli.commands.laboratory.running import (
    cannot_write,
    need_libraries,
    parameter_option,
    words_for_impossible,
    write_report_of,
)
from lichen.cli.exits import Exit
from lichen.cli.output import Output
from lichen.cli.session import Session
from lichen.cli.words import WORDS, _, ngettext
from lichen.lab.experiments.catalogue import EXPERIMENTS
from lichen.lab.experiments.experiment import Experiment, Value
from lichen.node.errors import ApiError

if TYPE_CHECKING:
    from lichen.lab.sweeps import Failed, Results, Task

BAR_CELLS = 24
QUIET_S = 5.0
"""How often progress is told where no terminal can draw a bar."""


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
        from lichen.lab.seeds import parse_seeds  # noqa: PLC0415 (see above)
        from lichen.lab.sweeps import Results, plan  # noqa: PLC0415 (see above)

        with words_for_impossible():
            grid: dict[str, list[Value]] = {
                one.name: [one.parse(text) for text in str(given[one.name]).split(",")]
                for one in experiment.parameters
                if given[one.name] is not None
            }
            tasks = plan(experiment, parse_seeds(seeds), grid)
            try:
                results = Results(out)
            except OSError as error:
                raise cannot_write(out, error) from error
        return _sweep(session.out, tasks, results, out, jobs, scheduler=scheduler)

    run.__doc__ = (
        _(experiment.title)
        + ", "
        + _("over seeds and parameters. Finished runs are kept; an interrupted sweep goes on.")
    )
    size = experiment.size.flag
    made = command(
        experiment.name,
        examples=(
            f"lichen lab sweep {experiment.name} --seeds 1-20 {size} 200,500 --out results",
            f"lichen lab sweep {experiment.name} --scheduler tcp://127.0.0.1:8786",
        ),
        exits=(Exit.NOT_INSTALLED, Exit.PARTLY_DONE, Exit.UNREACHABLE),
        sets=(),
    )(run)
    more = " " + _("Several, with commas.")
    made.params = [
        *(parameter_option(one, more) for one in experiment.parameters),
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
    *,
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
            _("{words}; {count} runs are kept.").format(
                words=WORDS.tell(error.args[0]), count=WORDS.number(len(results.runs))
            ),
            _("Start it, look at the address, or leave out --scheduler."),
        ) from error
    except WorkerLost as error:
        raise ApiError(
            Exit.FAILED.slug,
            _("{words}; {count} runs are kept.").format(
                words=WORDS.tell(error.args[0]), count=WORDS.number(len(results.runs))
            ),
            _("Perhaps memory ran out: try fewer --jobs, then the same command again."),
        ) from error
    except OSError as error:
        raise cannot_write(folder, error) from error
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
        out.text(words.format(count=WORDS.number(len(made)), path=folder / "results.jsonl"))
    if made:
        write_report_of(out, folder / "report.html", made)
    if refused:
        out.words(
            _("{count} runs cannot be: {words}.").format(
                count=WORDS.number(len(refused)), words=refused[0].reason
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
            out.words(
                _("{done} of {count} runs are there.").format(
                    done=WORDS.number(done), count=WORDS.number(count)
                )
            )

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
            _("[{bar}] {done}/{count}, {left} left").format(
                bar=bar,
                done=WORDS.number(self._done),
                count=WORDS.number(self._all),
                left=WORDS.duration(left_s),
            )
        )


sweep_section = section(
    "sweep",
    _("Run an experiment over seeds and parameters."),
    *(_sweep_command(one) for one in EXPERIMENTS.values()),
)
