"""A sweep: one experiment over seeds and parameters, kept line by line, resumed where it stopped.

A folder holds ``results.jsonl``, a line for each finished run. A run that is there is not made
again; a last line that was cut short by a power cut is dropped. When a sweep ends the lines are
put in order, so that the same sweep leaves the same bytes, however it was interrupted.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from lichen.lab.experiments.catalogue import EXPERIMENTS
from lichen.lab.experiments.experiment import (
    Experiment,
    Impossible,
    Run,
    Value,
    Values,
    perform,
    run_key,
)
from lichen.lab.parallel import perform_here, perform_on_cluster
from lichen.lab.seeds import RUNS_MAX

RESULTS = "results.jsonl"


class Task(msgspec.Struct, frozen=True):
    """One run that is to be made."""

    experiment: str
    seed: int
    values: dict[str, Value]

    @property
    def key(self) -> str:
        """Return the name of the run."""
        return run_key(self.experiment, self.seed, self.values)


class Failed(msgspec.Struct, frozen=True):
    """A run that cannot be, and why."""

    task: Task
    reason: str


def plan(
    experiment: Experiment, seeds: Sequence[int], grid: Mapping[str, Sequence[Value]]
) -> list[Task]:
    """Return every run of a sweep. Raises Impossible."""
    count = math.prod(map(len, grid.values())) * len(seeds)
    if count > RUNS_MAX:
        raise Impossible(f"that makes {count} runs; a sweep has at most {RUNS_MAX}")
    names = list(grid)
    tasks = [
        Task(experiment.name, seed, experiment.values(dict(zip(names, chosen, strict=True))))
        for chosen in itertools.product(*grid.values())
        for seed in seeds
    ]
    return list({task.key: task for task in tasks}.values())


def perform_task(task: Task) -> Run | Failed:
    """Make one run; what cannot be is a result too."""
    try:
        return perform(EXPERIMENTS[task.experiment], task.seed, task.values)
    except Impossible as error:
        return Failed(task, str(error))


class Results:
    """The runs that a folder holds."""

    __slots__ = ("_path", "runs")

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / RESULTS
        self.runs: dict[str, Run] = {}
        if self._path.exists():
            self._read()

    def missing(self, tasks: Sequence[Task]) -> list[Task]:
        """Return the runs of a plan that are not there yet."""
        return [task for task in tasks if task.key not in self.runs]

    def of(self, tasks: Sequence[Task]) -> list[Run]:
        """Return the runs of a plan that are there, in its order."""
        return [self.runs[task.key] for task in tasks if task.key in self.runs]

    def add(self, run: Run) -> None:
        """Keep a run: its line is on its way to the disk before anything else happens."""
        self.runs[run.key] = run
        with self._path.open("a", encoding="utf-8") as file:
            file.write(run.line() + "\n")

    def put_in_order(self) -> None:
        """Write all lines anew, by experiment, parameters and seed."""
        ordered = sorted(
            self.runs.values(),
            key=lambda run: (run.experiment, sorted(run.parameters.items()), run.seed, run.version),
        )
        self._write([run.line() for run in ordered])

    def _write(self, lines: Sequence[str]) -> None:
        scratch = self._path.with_suffix(".new")
        scratch.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        scratch.replace(self._path)

    def _read(self) -> None:
        text = self._path.read_text(encoding="utf-8", errors="replace")
        whole, _newline, torn = text.rpartition("\n")
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                run = msgspec.json.decode(line, type=Run)
            except msgspec.DecodeError as error:
                raise Impossible(
                    f"line {number} of {self._path} is not a result: {error}"
                ) from error
            self.runs[run.key] = run
        if torn:
            self._write(whole.splitlines())


def sweep(
    tasks: Sequence[Task], results: Results, workers: int, scheduler: str | None = None
) -> Iterator[Run | Failed]:
    """Make the runs that are missing and yield each as it is kept. Raises ClusterFault."""
    missing = results.missing(tasks)
    if not missing:
        return
    if scheduler is None:
        done = perform_here(perform_task, missing, min(workers, len(missing)))
    else:
        done = perform_on_cluster(perform_task, missing, scheduler)
    for _number, outcome in done:
        if isinstance(outcome, Run):
            results.add(outcome)
        yield outcome


def varying(runs: Sequence[Run]) -> list[str]:
    """Return the parameters that are not the same in all runs."""
    names = list(runs[0].parameters) if runs else []
    return [name for name in names if len({run.parameters.get(name) for run in runs}) > 1]


def label(values: Values, names: Sequence[str]) -> str:
    """Return parameters in a few words, as the title of a picture."""
    return ", ".join(f"{name} {values[name]}" for name in names)
