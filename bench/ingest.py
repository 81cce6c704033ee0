"""Taking in a log from a file: whole processes, durable, beside ssb-db2 and a validator in Rust.

The programs take turns, so that a busy moment of the machine does not fall on one of them alone.
``validate`` only checks and keeps nothing. ``floor``: see floor.py.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import corpora
import floor
import install
from figures import PeakMemory, Row, medians
from program import PYTHON

RUNS = 3
SCRIPT = Path(__file__).with_name("ingest.js")
PROGRAMS = (
    ("lichen, chain first", ("--verify", "chain")),
    ("lichen, audit finished", ("--verify", "chain", "--wait-audit")),
    ("lichen, all at once", ("--verify", "all")),
    ("ssb-db2 addBatch", "addBatch"),
    ("ssb-db2 addOOOBatch", "addOOOBatch"),
    ("ssb-validate2-rsjs", "validate"),
)
RIVALS = ("ssb-db2 addBatch", "ssb-db2 addOOOBatch")


def measure(folder: Path, messages: int, runs: int = RUNS) -> Iterator[list[Row]]:
    """Yield for both corpora the medians of each program, and the ratio to ssb-db2 at its best."""
    for name, write in (("ASCII", corpora.write_ascii), ("mixed", corpora.write_mixed)):
        file = write(messages, folder)
        count = file.read_bytes().count(b"\n")
        measured: dict[str, list[dict[str, float]]] = {program: [] for program, _ in PROGRAMS}
        for _ in range(runs):
            for program, how in PROGRAMS:
                with tempfile.TemporaryDirectory(dir=folder) as home:
                    measured[program].append(_run(how, file, Path(home), count))
        yield list(_rows(f"ingest of {count:,} messages from a file, {name}", measured))
        yield [floor.measure(file, count)]


def _rows(bench: str, measured: dict[str, list[dict[str, float]]]) -> Iterator[Row]:
    figures = {program: medians(runs) for program, runs in measured.items()}
    best = max(figures[rival]["messages_per_s"] for rival in RIVALS)
    least = min(figures[rival]["cpu_s"] for rival in RIVALS)
    for program, found in figures.items():
        ratios = {"ratio": found["messages_per_s"] / best, "cpu_ratio": least / found["cpu_s"]}
        yield Row(bench, program, found | ratios)


def _run(how: str | Sequence[str], file: Path, home: Path, count: int) -> dict[str, float]:
    environment = dict(os.environ)
    if isinstance(how, str):
        environment["NODE_PATH"] = str(install.modules("modern"))
        command = [str(install.NODE), str(SCRIPT), how, str(file), str(home)]
    else:
        command = [PYTHON, "-m", "lichen", "--home", str(home), "import", "--no-views"]
        command += ["--json", *how, str(file)]
    seconds, used, peak_mib, printed = run(command, environment)
    if not isinstance(how, str):
        last = json.loads(printed.splitlines()[-1])
        assert last["accepted"] == count, last
    return {
        "seconds": seconds,
        "messages_per_s": count / seconds,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mib": peak_mib,
        "log_bytes": _size(home) / count,
    }


def run(
    command: Sequence[str], environment: dict[str, str]
) -> tuple[float, resource.struct_rusage, float, bytes]:
    """Run a program to its end; return how long it took, what it used, MiB too, and what it said.

    The system's own count of memory would be that of this process, where it occupies more.
    """
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=sys.stderr, env=environment)
        with PeakMemory(process.pid) as peak:
            _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, command
        output.seek(0)
        return seconds, used, peak.mib, output.read()


def _size(home: Path) -> int:
    """Return the bytes of the log: that of Lichen holds its indexes too."""
    files = [home / "log.db", *home.glob("db2/log.bipf")]
    return sum(file.stat().st_size for file in files if file.exists())
