"""The report: one HTML file that needs nothing else, with pictures, figures, parameters."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from lichen.lab.experiments.catalogue import EXPERIMENTS
from lichen.lab.experiments.experiment import Measured, Run
from lichen.lab.report.plots import draw
from lichen.lab.report.readings import reading
from lichen.lab.sweeps import label, varying
from lichen.words import Words

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


def report(runs: Sequence[Run], words: Words) -> str:
    """Return the page for runs of one experiment, in the language of ``words``."""
    experiment = EXPERIMENTS[runs[0].experiment]
    names = varying(runs)
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(label(run.parameters, names), []).append(run)
    parts = [_head(experiment.title, runs, words)]
    for number, (title, own) in enumerate(groups.items()):
        if number == PICTURES_MAX:
            more = len(groups) - number
            left_out = words.ngettext(
                "{n} more picture is left out.", "{n} more pictures are left out.", more
            )
            parts.append(f"<p>{escape(left_out.format(n=more))}</p>")
            break
        heading = f"<h2>{escape(title)}</h2>" if title else ""
        said = reading(own, words)
        paragraph = f"<p>{escape(said)}</p>" if said else ""
        parts.append(f"<section>{heading}{draw(own, words)}{paragraph}</section>")
    parts.append(_figures(runs, names, words))
    return "\n".join(parts) + "\n</body></html>\n"


def write_report(path: Path, runs: Sequence[Run], words: Words) -> None:
    """Write the page for runs of one experiment."""
    path.write_text(report(runs, words), encoding="utf-8")


def _head(title: str, runs: Sequence[Run], words: Words) -> str:
    first = runs[0]
    fixed = {name: value for name, value in first.parameters.items() if name not in varying(runs)}
    told = escape(words.gettext(title))
    # Translators: {count} is a number, {experiment} a name, {version} that of Lichen.
    line = words.gettext(
        "Runs: {count}, of {experiment}, Lichen {version}. Parameters: {parameters}."
    ).format(
        count=len(runs),
        experiment=first.experiment,
        version=first.version,
        parameters=label(fixed, list(fixed)),
    )
    return (
        f'<!doctype html>\n<html lang="{words.tag}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{told}</title><style>{_STYLE}</style></head><body>\n<h1>{told}</h1>\n"
        f"<p>{escape(line)}</p>"
    )


def _figures(runs: Sequence[Run], names: Sequence[str], words: Words) -> str:
    first = runs[0].results[0]
    columns = [column for column, value in first.items() if not isinstance(value, list)]
    head = "".join(f"<th>{escape(name)}</th>" for name in ("seed", *names, *columns))
    lines = []
    for run in runs:
        start: list[Measured] = [run.seed, *(run.parameters[name] for name in names)]
        for row in run.results:
            cells = [*start, *(row.get(column) for column in columns)]
            lines.append("".join(f"<td>{escape(figure(cell, words))}</td>" for cell in cells))
    more = len(lines) - ROWS_MAX
    said = words.ngettext("{n} more row.", "{n} more rows.", more).format(n=more)
    left_out = f"<p>{escape(said)}</p>" if more > 0 else ""
    body = "".join(f"<tr>{line}</tr>\n" for line in lines[:ROWS_MAX])
    heading = escape(words.gettext("Figures"))
    return f"<h2>{heading}</h2>\n<table><tr>{head}</tr>\n{body}</table>{left_out}"


def figure(value: Measured, words: Words) -> str:
    """Return a value as short as it can be read."""
    if value is None:
        return words.gettext("never")
    if isinstance(value, bool):
        return words.gettext("yes") if value else words.gettext("no")
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
