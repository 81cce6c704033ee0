"""What a picture says, in two sentences made of its figures: nothing is known beforehand."""

from collections.abc import Callable, Sequence

from lichen.lab.experiments.experiment import ResultRow, Run
from lichen.lab.experiments.topology import NETS, best_of_both

Read = Callable[[Sequence[Run]], str]


def reading(runs: Sequence[Run]) -> str:
    """Return two sentences about runs with the same parameters; none for some experiments."""
    read = READINGS.get(runs[0].experiment)
    return read(runs) if read else ""


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


def _topology(runs: Sequence[Run]) -> str:
    found = means(runs, "net", "rounds_p90", "robustness", "length_each", "reach_attack")
    came = {name: row for name, row in found.items() if row[0] == row[0]}
    late = [name for name in found if name not in came]
    front = _front(came)
    costs = {
        "length": f"At {runs[0].parameters['length']:g} steps of links a peer",
        "equal": "At an equal number of links",
        "free": "Where sending costs nothing",
    }
    said = [f"{name} ({_rounds(row[0])}, robustness {row[1]:.3f})" for name, row in front.items()]
    noise = f"{_percent(number(runs[0].parameters['loss']))} of copies lost"
    first = f"{costs[str(runs[0].parameters['cost'])]} and with {noise}, "
    first += f"no net beats {_list(said)} in both" if said else "no net tells 90 %"
    if late:
        first += f"; {_list(late)} never tell{'s' if len(late) == 1 else ''} 90 %"
    missing = [name for name in NETS if name not in found]
    if missing:
        first += f"; {_list(missing)} would be too long to be paid for"
    return f"{first}. {_small_world(came)}"


def _small_world(came: dict[str, list[float]]) -> str:
    if "small-world" not in came:
        return "The small world is not among those that do."
    own = came["small-world"]
    if "regular" not in came:
        return (
            f"The small world needs {own[2]:.3g} steps of links a peer, and after an attack "
            f"{_percent(own[3])} of those left are reached."
        )
    other = came["regular"]
    verdict = {
        (True, True): "beats the random regular net in both",
        (True, False): "is faster than the random regular net and less robust",
        (False, True): "is slower than the random regular net and more robust",
        (False, False): "is beaten by the random regular net in both",
    }[own[0] <= other[0], own[1] >= other[1]]
    return (
        f"The small world {verdict}: {_rounds(own[0])} against {other[0]:.3g}, robustness "
        f"{own[1]:.3f} against {other[1]:.3f}, with {own[2]:.3g} against {other[2]:.3g} steps of "
        "links a peer."
    )


def _front(came: dict[str, list[float]]) -> dict[str, list[float]]:
    rows: list[ResultRow] = [{"rounds_p90": row[0], "robustness": row[1]} for row in came.values()]
    chosen = dict(zip(came, best_of_both(rows), strict=True))
    return {name: came[name] for name in sorted(came, key=lambda n: came[n][0]) if chosen[name]}


def _election(runs: Sequence[Run]) -> str:
    names = ("messages_each", "bits_each", "rounds", "conflicts", "undecided", "without_leader")
    found = means(runs, "way", *names)
    least = min(found, key=lambda way: found[way][1])
    most = max(found, key=lambda way: found[way][1])
    values = runs[0].parameters
    first = (
        f"{least.capitalize()}: {found[least][0]:.3g} messages, {found[least][1]:.3g} bits a peer, "
        f"{_rounds(found[least][2])}; {most}: {found[most][0]:.3g} messages, "
        f"{found[most][1]:.3g} bits, {_rounds(found[most][2])}"
    )
    faults = [
        f"{way}: {row[3]:.3g} pairs of adjacent leaders, {row[4]:.3g} peers undecided, "
        f"{row[5]:.3g} without a leader"
        for way, row in found.items()
        if any(row[3:])
    ]
    world = f"With {_percent(number(values['loss']))} of messages lost and "
    world += f"{_percent(number(values['silent']))} of peers silent"
    return f"{first}. {world}, {'; '.join(faults) or 'every way ends without a fault'}."


def _broadcast(runs: Sequence[Run]) -> str:
    found = means(runs, "way", "messages_each", "bits_each", "rounds_all", "reach")
    costs = [
        f"{way} {row[0]:.3g} messages, {row[1]:.4g} bits a peer, {_rounds(row[2])}"
        for way, row in found.items()
    ]
    values = runs[0].parameters
    reach = [f"{way} reaches {100 * row[3]:.1f} %" for way, row in found.items()]
    return (
        f"Cost: {'; '.join(costs)}. With {_percent(number(values['loss']))} of messages lost and "
        f"{_percent(number(values['gone']))} of peers gone, {_list(reach)} of those left."
    )


def _rounds(rounds: float) -> str:
    return f"{rounds:.3g} rounds"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _list(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


READINGS: dict[str, Read] = {
    "topology": _topology,
    "election": _election,
    "broadcast": _broadcast,
}
