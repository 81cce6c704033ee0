"""The report: one HTML file that needs nothing else, with pictures, figures, parameters."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from lichen.lab.experiments.catalogue import EXPERIMENTS
from lichen.lab.experiments.experiment import Measured, Run
from lichen.lab.report.plots import draw
from lichen.lab.report.readings import reading
from lichen.lab.sweeps import label, varying

PICTURES_MAX = 24
"""A page with more pictures is not looked at; the results hold the rest."""
ROWS_MAX = 500
"""Rows of figures on the page, for the same reason."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: 13px }
td, th { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #8884 }
td:first-child, th:first-child { text-align: left }
svg { max-width: 100%; height: auto; background: #fff }
code { background: #8882; padding: .1rem .3rem }
"""


def report(runs: Sequence[Run]) -> str:
    """Return the page for runs of one experiment."""
    experiment = EXPERIMENTS[runs[0].experiment]
    names = varying(runs)
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(label(run.parameters, names), []).append(run)
    parts = [_head(experiment.title, runs)]
    for number, (title, own) in enumerate(groups.items()):
        if number == PICTURES_MAX:
            parts.append(f"<p>{len(groups) - number} more pictures are left out.</p>")
            break
        heading = f"<h2>{escape(title)}</h2>" if title else ""
        said = reading(own)
        words = f"<p>{escape(said)}</p>" if said else ""
        parts.append(f"<section>{heading}{draw(own)}{words}</section>")
    parts.append(_figures(runs, names))
    return "\n".join(parts) + "\n</body></html>\n"


def write_report(path: Path, runs: Sequence[Run]) -> None:
    """Write the page for runs of one experiment."""
    path.write_text(report(runs), encoding="utf-8")


def _head(title: str, runs: Sequence[Run]) -> str:
    first = runs[0]
    fixed = {name: value for name, value in first.parameters.items() if name not in varying(runs)}
    said = label(fixed, list(fixed))
    words = escape(title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{words}</title><style>{_STYLE}</style></head><body>\n<h1>{words}</h1>\n"
        f"<p>Runs: {len(runs)}, of <code>{escape(first.experiment)}</code>, Lichen "
        f"{escape(first.version)}. Parameters: {escape(said)}.</p>"
    )


def _figures(runs: Sequence[Run], names: Sequence[str]) -> str:
    first = runs[0].results[0]
    columns = [column for column, value in first.items() if not isinstance(value, list)]
    head = "".join(f"<th>{escape(name)}</th>" for name in ("seed", *names, *columns))
    lines = []
    for run in runs:
        start: list[Measured] = [run.seed, *(run.parameters[name] for name in names)]
        for row in run.results:
            cells = [*start, *(row.get(column) for column in columns)]
            lines.append("".join(f"<td>{escape(figure(cell))}</td>" for cell in cells))
    left_out = f"<p>{len(lines) - ROWS_MAX} more rows.</p>" if len(lines) > ROWS_MAX else ""
    body = "".join(f"<tr>{line}</tr>\n" for line in lines[:ROWS_MAX])
    return f"<h2>Figures</h2>\n<table><tr>{head}</tr>\n{body}</table>{left_out}"


def figure(value: Measured) -> str:
    """Return a value as short as it can be read."""
    if value is None:
        return "never"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
