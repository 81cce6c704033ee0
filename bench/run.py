"""Measure Lichen and its rivals in one run: ``make bench``, or some of it by name.

python bench/run.py                     everything, as tables
python bench/run.py sync --json         one benchmark, a line of JSON for each row
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "js"))

import cold
import figures
import firstpage
import folding
import ingest
import install
import latency
import publish
import queries
import start
import sync

MESSAGES = 100_000


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description="Measure Lichen beside the JavaScript peers.")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="start, latency, publish, cold, ingest, sync, firstpage, folding, queries",
    )
    parser.add_argument("--json", action="store_true", help="write a line of JSON for each row")
    parser.add_argument("--messages", type=int, default=MESSAGES, help="of ingest and sync")
    parser.add_argument("--cold-messages", type=int, default=1_000_000, help="of cold")
    parser.add_argument("--large", type=int, default=queries.LARGE, help="of queries; 0: none")
    chosen = parser.parse_args()
    benches: dict[str, Callable[[Path], Iterable[list[figures.Row]]]] = {
        "start": lambda folder: [start.measure(folder)],
        "latency": lambda folder: [latency.measure(folder)],
        "cold": lambda folder: [cold.measure(folder, chosen.cold_messages)],
        "ingest": lambda folder: ingest.measure(folder, chosen.messages),
        "publish": lambda folder: [publish.measure(folder)],
        "sync": lambda folder: [sync.measure(folder, chosen.messages)],
        "firstpage": lambda folder: [firstpage.measure(folder, firstpage.MESSAGES)],
        "folding": lambda folder: folding.measure(folder, folding.MESSAGES),
        "queries": lambda folder: _by_bench(
            queries.measure(folder, queries.MESSAGES, chosen.large)
        ),
    }
    unknown = set(chosen.names) - set(benches)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    tell = figures.print_json if chosen.json else figures.print_table
    install.main()
    tell([figures.machine()])
    for name in chosen.names or benches:
        with tempfile.TemporaryDirectory(prefix="lichen-bench-") as folder:
            for rows in benches[name](Path(folder) / name):
                tell(rows)


def _by_bench(rows: list[figures.Row]) -> Iterator[list[figures.Row]]:
    """Yield the rows of each bench: a table is of one."""
    for bench in dict.fromkeys(row.bench for row in rows):
        yield [row for row in rows if row.bench == bench]


if __name__ == "__main__":
    main()
