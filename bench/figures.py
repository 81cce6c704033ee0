"""What a benchmark says: rows of figures, as a table for people or as lines of JSON."""

import json
import platform
import statistics
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec
import psutil

SAMPLE_EVERY_S = 0.05


class Row(msgspec.Struct, frozen=True):
    """One measured thing: what was measured, on whom, and its figures with units in their names."""

    bench: str
    subject: str
    figures: dict[str, float]
    note: str = ""


class PeakMemory:
    """The greatest memory that a process and those it has started occupy while a block runs."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.mib = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join()
        self._look()

    def _sample(self) -> None:
        while not self._done.wait(SAMPLE_EVERY_S):
            self._look()

    def _look(self) -> None:
        with suppress(psutil.NoSuchProcess):  # it may have ended
            self.mib = max(self.mib, memory_mib(self._pid))


class Usage:
    """CPU time and greatest memory of a process while a block runs."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = PeakMemory(pid)
        self.cpu_s = self.cpu_at_end_s = 0.0

    @property
    def memory_mib(self) -> float:
        """Return the greatest memory so far."""
        return self._peak.mib

    def __enter__(self) -> Self:
        self._before = cpu_s(self._pid)
        self._peak.__enter__()
        return self

    def __exit__(self, *_error: object) -> None:
        self._peak.__exit__()
        self.cpu_at_end_s = cpu_s(self._pid)
        self.cpu_s = self.cpu_at_end_s - self._before


def memory_mib(pid: int) -> float:
    """Return the memory that a process and those it has started occupy at this moment."""
    process = psutil.Process(pid)
    occupied = float(process.memory_info().rss)
    for child in _started_by(pid):
        with suppress(psutil.NoSuchProcess):
            occupied += float(psutil.Process(child).memory_info().rss)
    return occupied / (1 << 20)


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process and those it has started have used so far."""
    process = psutil.Process(pid)
    own = process.cpu_times()
    used = float(own.user + own.system + own.children_user + own.children_system)
    for child in _started_by(pid):
        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(child).cpu_times()
            used += float(times.user + times.system)
    return used


def _started_by(pid: int) -> list[int]:
    """Return the processes that one has started: asking psutil would look at the whole machine."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, thread.read_text().split())
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure over several runs."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def machine() -> Row:
    """Return what the figures were measured on."""
    figures = {
        "cores": float(psutil.cpu_count() or 0),
        "memory_gib": round(psutil.virtual_memory().total / (1 << 30), 1),
    }
    return Row("machine", f"{platform.machine()}, Python {platform.python_version()}", figures)


def print_table(rows: Iterable[Row]) -> None:
    """Print the rows of one benchmark below one another."""
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row.figures))
    cells = [["", *names]]
    cells += [
        [row.subject, *(_write(row.figures.get(name)) for name in names), row.note] for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names) + 1)]
    print(f"\n{rows[0].bench}")
    for line in cells:
        padded = [line[0].ljust(widths[0])]
        padded += [line[column].rjust(widths[column]) for column in range(1, len(names) + 1)]
        print("  " + "  ".join([*padded, *line[len(names) + 1 :]]).rstrip(), flush=True)


def print_json(rows: Iterable[Row]) -> None:
    """Print each row as a line of JSON."""
    for row in rows:
        print(json.dumps(msgspec.to_builtins(row)), flush=True)


def _write(figure: float | None) -> str:
    if figure is None:
        return "-"
    if figure >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.3g}" if figure < 10 else f"{figure:.1f}"
