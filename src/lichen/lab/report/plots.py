"""Pictures of results, as SVG text: the same results give the same bytes.

Ids are salted with a fixed word, no date is written, and letters stay letters.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lichen.lab.experiments.experiment import Run
from lichen.lab.experiments.topology import NETS
from lichen.lab.report.readings import means, number
from lichen.words import Words

_STYLE: Any = {
    "svg.hashsalt": "lichen",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "font.size": 9,
}
FRAMES_MAX = 12
"""More frames of one broadcast than these are too small to see."""

Draw = Callable[[Sequence[Run], Figure, Words], None]


def draw(runs: Sequence[Run], words: Words) -> str:
    """Return the picture of runs of one experiment with the same parameters."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8.5, 3.8), layout="constrained")
        PICTURES[runs[0].experiment](runs, figure, words)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def _scatter(axes: Axes, points: dict[str, list[float]]) -> None:
    for place, (name, (across, up)) in enumerate(points.items()):
        axes.scatter([across], [up], color=f"C{place}", s=36, zorder=3)
        axes.annotate(name, (across, up), xytext=(5, 4), textcoords="offset points")
    axes.margins(0.15, 0.1)


def _topology(runs: Sequence[Run], figure: Figure, words: Words) -> None:
    _ = words.gettext
    left, right = figure.subplots(1, 2)
    found = means(runs, "net", "rounds_p90", "rounds_p90_quiet", "robustness", "length_each")
    for name, (noisy, quiet, robustness, length) in found.items():
        color = f"C{list(NETS).index(name)}"
        left.plot([quiet, noisy], [robustness] * 2, color=color, lw=1)
        hollow = {"facecolors": "none", "edgecolors": color, "s": 36, "zorder": 3}
        left.scatter([quiet], [robustness], **hollow)
        left.scatter([noisy], [robustness], color=color, s=36, zorder=3)
        right.scatter([length], [quiet], **hollow)
        right.scatter([length], [noisy], color=color, s=36, zorder=3, label=name)
    reached = [(row[0], row[2]) for row in found.values() if row[0] == row[0]]
    front = sorted(
        own
        for own in reached
        if not any(other != own and other[0] <= own[0] and other[1] >= own[1] for other in reached)
    )
    left.plot([x for x, _y in front], [y for _x, y in front], color="0.4", lw=1, zorder=2)
    left.set(
        xscale="log", xlabel=_("rounds until 90 % know (left is fast)"), ylabel=_("robustness")
    )
    left.set_title(_("Hollow: quiet; full: with loss; on the line: best"))
    right.set(
        xscale="log", yscale="log", xlabel=_("length of links for each peer"), ylabel=_("rounds")
    )
    right.set_title(_("Time to tell against the length of links"))
    figure.legend(loc="outside lower center", ncols=len(NETS))


def _degree(runs: Sequence[Run], figure: Figure, words: Words) -> None:
    _ = words.gettext
    left, right = figure.subplots(1, 2)
    found = means(runs, "degree", "rounds_p99", "score", "infected", "reach_accident")
    degrees = [int(degree) for degree in found]
    columns = list(zip(*found.values(), strict=True))
    left.plot(degrees, columns[0], "o-", label=_("rounds until 99 % know"))
    left.plot(degrees, columns[1], "s--", label=_("with the harm of bad messages"))
    left.set(xlabel=_("links of each peer"), ylabel=_("rounds"))
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xticks(degrees, [str(degree) for degree in degrees])
        axes.minorticks_off()
    left.set_title(_("Dense or sparse"))
    left.legend()
    right.plot(degrees, columns[3], "o-", label=_("reached after accidents"))
    right.plot(degrees, columns[2], "s--", label=_("infected by a bad message"))
    right.set(xlabel=_("links of each peer"), ylabel=_("share of peers"))
    right.set_title(_("Degree against fault tolerance"))
    right.legend()


def _election(runs: Sequence[Run], figure: Figure, words: Words) -> None:
    _ = words.gettext
    left, right = figure.subplots(1, 2)
    _scatter(left, means(runs, "way", "bits_each", "rounds"))
    left.set(xscale="log", yscale="log", xlabel=_("bits for each peer"), ylabel=_("rounds"))
    left.set_title(_("Cost: simple against complex"))
    faults = means(runs, "way", "conflicts", "undecided")
    places = range(len(faults))
    for part, name in enumerate((_("pairs of adjacent leaders"), _("peers that never decide"))):
        sizes = [row[part] for row in faults.values()]
        right.barh([place + 0.4 * part for place in places], sizes, 0.4, label=name)
    right.set_yticks([place + 0.2 for place in places], list(faults))
    right.set_xlim(left=0, right=max(1.0, *(max(row) for row in faults.values())))
    right.set_title(_("Behaviour under loss and silence"))
    right.legend()


def _broadcast(runs: Sequence[Run], figure: Figure, words: Words) -> None:
    _ = words.gettext
    left, right = figure.subplots(1, 2)
    _scatter(left, means(runs, "way", "copies_each", "rounds_all"))
    left.set(xlabel=_("copies for each peer"), ylabel=_("rounds until the last delivery"))
    left.set_title(_("Time to all against redundancy"))
    _scatter(right, means(runs, "way", "bits_each", "reach"))
    right.set(xlabel=_("bits for each peer"), ylabel=_("share of living peers reached"))
    right.set_title(_("Cost against reach"))


def _flood(runs: Sequence[Run], figure: Figure, words: Words) -> None:
    _ = words.gettext
    left, right = figure.subplots(1, 2)
    row = runs[0].results[0]
    reached_at = row["reached_at"]
    assert isinstance(reached_at, list), "the hops of a flood"
    counts = [number(count) for count in reached_at]
    known = [sum(counts[: hop + 1]) / sum(counts) for hop in range(len(counts))]
    step = max(1, -(-len(counts) // FRAMES_MAX))
    hops = list(range(0, len(counts), step))
    left.bar([str(hop) for hop in hops], [known[hop] for hop in hops], color="C0")
    left.set(xlabel=_("hop"), ylabel=_("share that knows"))
    left.set_title(_("Frames of one broadcast (seed {seed})").format(seed=runs[0].seed))
    for place, run in enumerate(runs):
        told = run.results[0]
        last, redundancy = number(told["hops_last"]), number(told["redundancy"])
        right.scatter([redundancy], [last], color=f"C{place % 10}", s=30)
    right.set(xlabel=_("redundancy (copies too many)"), ylabel=_("hops until all know"))
    right.set_title(_("Time to all against redundancy"))


def _gossip(runs: Sequence[Run], figure: Figure, words: Words) -> None:
    _ = words.gettext
    left, right = figure.subplots(1, 2)
    for place, run in enumerate(runs):
        row = run.results[0]
        curve = row["delay_curve_ms"]
        assert isinstance(curve, list), "the delays of a run"
        shares = [100 * step / (len(curve) - 1) for step in range(len(curve))]
        color = f"C{place % 10}"
        left.plot([number(delay) / 1000 for delay in curve], shares, color=color)
        redundancy, last = number(row["redundancy"]), number(row["latency_p99_s"])
        right.scatter([redundancy], [last], color=color, s=30)
    left.set(xlabel=_("seconds since writing"), ylabel=_("share of deliveries, %"))
    left.set_title(_("How fast messages come"))
    right.set(
        xlabel=_("redundancy (copies too many)"), ylabel=_("seconds until 99 % are delivered")
    )
    right.set_title(_("Time to all against redundancy"))


def _joining(runs: Sequence[Run], figure: Figure, words: Words) -> None:
    _ = words.gettext
    plot = figure.subplots()
    columns = {
        "first_s": _("first of the nearest"),
        "near_s": _("all the nearest"),
        "least_s": _("their bytes alone"),
        "all_s": _("everybody"),
    }
    for place, run in enumerate(runs):
        row = run.results[0]
        seconds = [number(row[column]) for column in columns]
        plot.scatter(seconds, list(columns.values()), color=f"C{place % 10}", s=40)
    plot.set(xlabel=_("seconds since connecting"), xscale="log")
    plot.set_title(_("When feeds are whole"))


PICTURES: dict[str, Draw] = {
    "topology": _topology,
    "degree": _degree,
    "election": _election,
    "broadcast": _broadcast,
    "flood": _flood,
    "gossip": _gossip,
    "joining": _joining,
}
