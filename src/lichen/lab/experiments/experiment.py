"""What an experiment is: a name, parameters with bounds, and a module that runs it.

Nothing here needs the libraries of the lab, so that a command can be explained without them. What
cannot be is refused in words before anything runs.
"""

import hashlib
import importlib
from collections.abc import Mapping, Sequence

import msgspec

from lichen import __version__
from lichen.feed.canonical import JsonValue, encode_compact

Value = int | float | str
Values = Mapping[str, Value]
Measured = bool | int | float | str | list[int] | None
ResultRow = dict[str, Measured]
"""What one line of a result holds."""


class Impossible(ValueError):  # noqa: N818 (it says what is the matter)
    """Parameters that no run can have, in words."""


class Parameter(msgspec.Struct, frozen=True):
    """One thing that can be set; whole numbers stay whole."""

    name: str
    default: Value
    words: str
    low: float = 0.0
    high: float = float("inf")
    choices: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """Return the option of the command line."""
        return "--" + self.name.replace("_", "-")

    def parse(self, text: str) -> Value:
        """Read a value as typed. Raises Impossible."""
        if self.choices:
            if text not in self.choices:
                known = ", ".join(self.choices)
                raise Impossible(f"{self.flag} is one of {known}, not {text}")
            return text
        try:
            value: Value = int(text) if isinstance(self.default, int) else float(text)
        except ValueError:
            kind = "a whole number" if isinstance(self.default, int) else "a number"
            raise Impossible(f"{self.flag} is {kind}, not {text}") from None
        if not self.low <= float(value) <= self.high:
            raise Impossible(f"{self.flag} lies between {self.low:g} and {self.high:g}, not {text}")
        return value


class Experiment(msgspec.Struct, frozen=True):
    """One experiment. Its module has ``run(seed, values) -> rows``."""

    name: str
    title: str
    module: str
    parameters: tuple[Parameter, ...]

    @property
    def size(self) -> Parameter:
        """Return the parameter that says how big a run is: the first."""
        return self.parameters[0]

    def values(self, given: Values) -> dict[str, Value]:
        """Return every parameter's value, defaults where nothing was given."""
        return {one.name: given.get(one.name, one.default) for one in self.parameters}


class Run(msgspec.Struct, frozen=True):
    """One run of an experiment: what was set, and what came out."""

    experiment: str
    version: str
    seed: int
    parameters: dict[str, Value]
    results: list[ResultRow]
    hash: str
    """Of all the rest; the same seed and parameters give the same hash on every machine."""

    @property
    def key(self) -> str:
        """Return what tells this run from every other one before it is made."""
        return run_key(self.experiment, self.seed, self.parameters)

    def line(self) -> str:
        """Return the run as one line of JSON."""
        return encode_compact(msgspec.to_builtins(self))


def run_key(experiment: str, seed: int, parameters: Values) -> str:
    """Return the name of a run: a finished one need not be made again."""
    named: JsonValue = dict(sorted(parameters.items()))
    return encode_compact([experiment, __version__, seed, named])


def perform(experiment: Experiment, seed: int, parameters: Values) -> Run:
    """Run an experiment once. Raises Impossible. Needs the libraries of the lab."""
    module = importlib.import_module(experiment.module)
    values = experiment.values(parameters)
    rows: Sequence[ResultRow] = module.run(seed, values)
    plain = msgspec.to_builtins([experiment.name, __version__, seed, values, list(rows)])
    digest = hashlib.blake2b(encode_compact(plain).encode(), digest_size=16).hexdigest()
    return Run(experiment.name, __version__, seed, values, list(rows), digest)
