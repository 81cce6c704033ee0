"""Seeds as a person writes them: ``7``, ``1-20``, ``1,2,5-9``."""

from lichen.lab.experiments.experiment import Impossible

RUNS_MAX = 100_000
"""More runs than this are a slip of the keyboard: they would take days."""


def parse_seeds(text: str) -> list[int]:
    """Read seeds such as ``7``, ``1-20`` or ``1,2,5-9``. Raises Impossible."""
    seeds: list[int] = []
    for part in text.split(","):
        first, _dash, last = part.partition("-")
        if not first.isdecimal() or (_dash and not last.isdecimal()):
            raise Impossible(f"seeds are whole numbers such as 7, 1-20 or 1,2,5-9, not {text}")
        end = int(last) if _dash else int(first)
        if not 0 <= end - int(first) < RUNS_MAX:
            raise Impossible(f"{part} is not a range of at most {RUNS_MAX} seeds")
        seeds += range(int(first), end + 1)
    return list(dict.fromkeys(seeds))
