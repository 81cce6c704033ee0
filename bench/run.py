"""Measure Lichen and its rivals in one run: ``make bench``, or some of it by name.

python bench/run.py                     everything, as tables
python bench/run.py sync --json         one benchmark, a line of JSON for each row
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "js"))

import figures
import firstpage
import install
import latency
import queries
import start
import sync

from lichen.lab.corpus import generate_corpus

MESSAGES = 20_000
INGEST_FIGURES = ("seconds", "messages_per_s", "cpu_seconds", "fold_seconds", "peak_memory_mib")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description="Measure Lichen beside the JavaScript peers.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="start, latency, ingest, sync, queries, firstpage"
    )
    parser.add_argument("--json", action="store_true", help="write a line of JSON for each row")
    parser.add_argument("--messages", type=int, default=MESSAGES, help="of ingest and sync")
    parser.add_argument("--large", type=int, default=queries.LARGE, help="of queries; 0: none")
    chosen = parser.parse_args()
    benches: dict[str, Callable[[Path], list[figures.Row]]] = {
        "start": start.measure,
        "latency": latency.measure,
        "ingest": lambda folder: measure_ingest(folder, chosen.messages),
        "sync": lambda folder: sync.measure(folder, chosen.messages),
        "queries": lambda folder: queries.measure(folder, queries.MESSAGES, chosen.large),
        "firstpage": lambda folder: firstpage.measure(folder, firstpage.MESSAGES),
    }
    unknown = set(chosen.names) - set(benches)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    tell = figures.print_json if chosen.json else figures.print_table
    install.main()
    tell([figures.machine()])
    for name in chosen.names or benches:
        with tempfile.TemporaryDirectory(prefix="lichen-bench-") as folder:
            rows = benches[name](Path(folder) / name)
            for bench in dict.fromkeys(row.bench for row in rows):
                tell([row for row in rows if row.bench == bench])


def measure_ingest(folder: Path, messages: int) -> list[figures.Row]:
    """Return how fast one process checks and keeps a corpus, without any network."""
    generate_corpus(messages, sync.AUTHORS, sync.SEED, folder)
    script = Path(__file__).with_name("ingest.py")
    command = [sys.executable, str(script), "--lines", str(folder / "corpus.jsonl.gz")]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    measured = {name: float(told[name]) for name in INGEST_FIGURES}
    return [figures.Row(f"ingest of {messages:,} messages, no network", "lichen", measured)]


if __name__ == "__main__":
    main()
