"""What a picture says, in a few sentences made of its figures: nothing is known beforehand."""

from collections.abc import Callable, Sequence

from lichen.lab.experiments.experiment import ResultRow, Run
from lichen.lab.experiments.topology import NETS, best_of_both
from lichen.words import Words

Read = Callable[[Sequence[Run], Words], str]


def reading(runs: Sequence[Run], words: Words) -> str:
    """Return sentences about runs with the same parameters; none for some experiments."""
    read = READINGS.get(runs[0].experiment)
    return read(runs, words) if read else ""


def means(runs: Sequence[Run], key: str, *columns: str) -> dict[str, list[float]]:
    """Return the means of columns over runs, for each value of the column ``key``.

    A value that is not there (a round that never came) makes the mean not a number.
    """
    rows: dict[str, list[ResultRow]] = {}
    for run in runs:
        for row in run.results:
            rows.setdefault(str(row[key]), []).append(row)
    return {
        name: [sum(number(row[column]) for row in own) / len(own) for column in columns]
        for name, own in rows.items()
    }


def number(value: object) -> float:
    """Return a figure as a number, what never came as not a number."""
    return float(value) if isinstance(value, int | float) else float("nan")


def _topology(runs: Sequence[Run], words: Words) -> str:
    found = means(runs, "net", "rounds_p90", "robustness", "length_each", "reach_attack")
    came = {name: row for name, row in found.items() if row[0] == row[0]}
    late = [name for name in found if name not in came]
    missing = [name for name in NETS if name not in found]
    said = [_best(runs, _front(came), words)]
    if late:
        said.append(
            words.ngettext("{nets} never tells 90 %.", "{nets} never tell 90 %.", len(late)).format(
                nets=_list(late, words)
            )
        )
    if missing:
        said.append(
            words.gettext("{nets} would be too long to be paid for.").format(
                nets=_list(missing, words)
            )
        )
    return " ".join([*said, _small_world(came, words)])


def _best(runs: Sequence[Run], front: dict[str, list[float]], words: Words) -> str:
    """Return the sentence about the nets that none beats in both."""
    _ = words.gettext
    values = runs[0].parameters
    known = {
        "length": _(
            "At {length} steps of links a peer and with {share} of copies lost, no net beats "
            "{nets} in both."
        ),
        "equal": _(
            "At an equal number of links and with {share} of copies lost, no net beats {nets} in "
            "both."
        ),
        "free": _(
            "Where sending costs nothing and with {share} of copies lost, no net beats {nets} in "
            "both."
        ),
    }
    none = {
        "length": _(
            "At {length} steps of links a peer and with {share} of copies lost, no net tells 90 %."
        ),
        "equal": _(
            "At an equal number of links and with {share} of copies lost, no net tells 90 %."
        ),
        "free": _(
            "Where sending costs nothing and with {share} of copies lost, no net tells 90 %."
        ),
    }
    nets = [
        _("{net} ({rounds} rounds, robustness {robustness})").format(
            net=name, rounds=f"{row[0]:.3g}", robustness=f"{row[1]:.3f}"
        )
        for name, row in front.items()
    ]
    return (known if nets else none)[str(values["cost"])].format(
        length=f"{number(values['length']):g}",
        share=_percent(number(values["loss"])),
        nets=_list(nets, words) if nets else "",
    )


def _small_world(came: dict[str, list[float]], words: Words) -> str:
    _ = words.gettext
    if "small-world" not in came:
        return _("The small world is not among those that do.")
    own = came["small-world"]
    if "regular" not in came:
        return _(
            "The small world needs {length} steps of links a peer, and after an attack {share} of "
            "those left are reached."
        ).format(length=f"{own[2]:.3g}", share=_percent(own[3]))
    other = came["regular"]
    verdict = {
        (True, True): _("The small world beats the random regular net in both: {figures}."),
        (True, False): _(
            "The small world is faster than the random regular net and less robust: {figures}."
        ),
        (False, True): _(
            "The small world is slower than the random regular net and more robust: {figures}."
        ),
        (False, False): _(
            "The small world is beaten by the random regular net in both: {figures}."
        ),
    }[own[0] <= other[0], own[1] >= other[1]]
    figures = _(
        "{rounds} rounds against {rounds_other}, robustness {robustness} against "
        "{robustness_other}, with {length} against {length_other} steps of links a peer"
    ).format(
        rounds=f"{own[0]:.3g}",
        rounds_other=f"{other[0]:.3g}",
        robustness=f"{own[1]:.3f}",
        robustness_other=f"{other[1]:.3f}",
        length=f"{own[2]:.3g}",
        length_other=f"{other[2]:.3g}",
    )
    return verdict.format(figures=figures)


def _front(came: dict[str, list[float]]) -> dict[str, list[float]]:
    rows: list[ResultRow] = [{"rounds_p90": row[0], "robustness": row[1]} for row in came.values()]
    chosen = dict(zip(came, best_of_both(rows), strict=True))
    return {name: came[name] for name in sorted(came, key=lambda n: came[n][0]) if chosen[name]}


def _election(runs: Sequence[Run], words: Words) -> str:
    _ = words.gettext
    names = ("messages_each", "bits_each", "rounds", "conflicts", "undecided", "without_leader")
    found = means(runs, "way", *names)
    least = min(found, key=lambda way: found[way][1])
    most = max(found, key=lambda way: found[way][1])
    costs = [
        _("{way}: {messages} messages, {bits} bits a peer, {rounds} rounds").format(
            way=way, **_figures(found[way], "messages", "bits", "rounds")
        )
        for way in (least, most)
    ]
    faults = [
        _(
            "{way}: {conflicts} pairs of adjacent leaders, {undecided} peers undecided, {without} "
            "without a leader"
        ).format(way=way, **_figures(row[3:], "conflicts", "undecided", "without"))
        for way, row in found.items()
        if any(row[3:])
    ]
    values = runs[0].parameters
    world = (
        _("With {lost} of messages lost and {silent} of peers silent, {faults}.")
        if faults
        else _(
            "With {lost} of messages lost and {silent} of peers silent, every way ends without a "
            "fault."
        )
    ).format(
        lost=_percent(number(values["loss"])),
        silent=_percent(number(values["silent"])),
        faults="; ".join(faults),
    )
    return " ".join([_("Cost: {ways}.").format(ways="; ".join(costs)), world])


def _broadcast(runs: Sequence[Run], words: Words) -> str:
    _ = words.gettext
    found = means(runs, "way", "messages_each", "bits_each", "rounds_all", "reach")
    costs = [
        _("{way}: {messages} messages, {bits} bits a peer, {rounds} rounds").format(
            way=way, **_figures(row, "messages", "bits", "rounds")
        )
        for way, row in found.items()
    ]
    reach = [
        _("{way} reaches {share} %").format(way=way, share=f"{100 * row[3]:.1f}")
        for way, row in found.items()
    ]
    values = runs[0].parameters
    world = _("With {lost} of messages lost and {gone} of peers gone: {reach} of those left.")
    said = world.format(
        lost=_percent(number(values["loss"])),
        gone=_percent(number(values["gone"])),
        reach=_list(reach, words),
    )
    return " ".join([_("Cost: {ways}.").format(ways="; ".join(costs)), said])


def _figures(row: Sequence[float], *names: str) -> dict[str, str]:
    return {name: f"{value:.4g}" for name, value in zip(names, row, strict=False)}


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _list(names: Sequence[str], words: Words) -> str:
    if len(names) == 1:
        return names[0]
    return words.gettext("{names} and {last}").format(names=", ".join(names[:-1]), last=names[-1])


READINGS: dict[str, Read] = {
    "topology": _topology,
    "election": _election,
    "broadcast": _broadcast,
}
