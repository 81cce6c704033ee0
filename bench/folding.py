"""Folding a whole log: time, CPU seconds, greatest memory and bytes of all views, beside ssb-db2.

python bench/folding.py                         100,000 messages of the generator, both programs
python bench/folding.py --log DIR --lines FILE  a log that is there, and the file it came from
python bench/folding.py --log DIR --tables      what each table and index of the views takes, alone

Both programs begin with a log and no view or index of it, each time in a fresh process; both end
when the same questions were answered once, for ssb-db2 makes many an index when it is first asked.
They take turns. Full-text search is measured apart: Lichen with and without its view, ssb-db2 with
and without the index of ssb-search2; a ratio is theirs by ours, so above 1 we are the better.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "js"))

import figures
import queries

from lichen.apps.social.search.asking import ask
from lichen.apps.social.search.view import SearchView
from lichen.feed.identity import parse_secret_file
from lichen.store.schema import delete_database

MESSAGES = 100_000
RUNS = 3
WORDS = "dolor"
"""What is searched for: one question of both programs, for the index alone is nothing."""
KINDS = {"without search": False, "with search": True}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description="Measure folding a whole log.")
    parser.add_argument("--messages", type=int, default=MESSAGES, help="to generate")
    parser.add_argument("--log", type=Path, help="a data directory; its views are made anew")
    parser.add_argument("--lines", type=Path, help="the same messages as JSON lines, for the rival")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--tables", action="store_true", help="bytes of each table and index")
    parser.add_argument("--json", action="store_true", help="write a line of JSON for each row")
    chosen = parser.parse_args()
    tell = figures.print_json if chosen.json else figures.print_table
    tell([figures.machine()])
    with tempfile.TemporaryDirectory(prefix="lichen-bench-") as name:
        folder = Path(name)
        log, lines = chosen.log, chosen.lines
        if log is None:
            log, lines = queries.prepare(folder / "small", chosen.messages)
        for rows in tables(folder, log, None if chosen.tables else lines, chosen.runs):
            tell(rows)
        if chosen.tables:
            tell(table_rows(log))


def measure(folder: Path, messages: int) -> Iterator[list[figures.Row]]:
    """Yield the rows of both kinds, for ``make bench``."""
    log, lines = queries.prepare(folder / "small", messages)
    yield from tables(folder, log, lines, RUNS)


def tables(folder: Path, log: Path, lines: Path | None, runs: int) -> Iterator[list[figures.Row]]:
    """Yield the medians of Lichen and, if there are lines, of ssb-db2, and the ratios."""
    subjects = _subjects(log)
    rival = folder / "rival"
    if lines is not None:
        queries.run_rival("folding.js", {"path": str(rival), "lines": str(lines)})
    total = 0
    for kind, has_search in KINDS.items():
        mine: list[dict[str, float]] = []
        theirs: list[dict[str, float]] = []
        for _ in range(runs):
            told = _fold_apart(log, subjects, has_search=has_search)
            total = int(told.pop("messages"))
            mine.append(told)
            if lines is not None:
                theirs.append(_fold_rival(rival, subjects, total, has_search=has_search))
        bench = f"all views of {total:,} messages from the log, {kind}"
        found = figures.medians(mine)
        rows = [figures.Row(bench, "lichen", found)]
        if theirs:
            of_rival = figures.medians(theirs)
            rows.append(figures.Row(bench, "ssb-db2", of_rival))
            ratios = {name: of_rival[name] / found[name] for name in of_rival}
            rows.append(figures.Row(bench, "ratio", ratios))
        yield rows


def table_rows(log: Path) -> list[figures.Row]:
    """Return the bytes of each table and index for each message, the greatest first."""
    with apsw.Connection(str(log / "views.db"), flags=apsw.SQLITE_OPEN_READONLY) as db:
        found = db.execute(
            "SELECT name, sum(ncell), sum(pgsize), sum(unused) FROM dbstat GROUP BY name"
            " ORDER BY 3 DESC"
        ).fetchall()
    with queries.open_store(log) as store:
        total = store.log.last_no
    bench = f"bytes of the views of {total:,} messages, for each message"
    rows = []
    for name, *numbers in found:
        cells, taken, unused = (float(str(number)) for number in numbers)
        told = {"bytes": taken / total, "unused": unused / total, "rows": cells}
        rows.append(figures.Row(bench, str(name), told))
    whole = {"bytes": sum(row.figures["bytes"] for row in rows)}
    return [figures.Row(bench, "all", whole), *rows]


def fold_once(log: Path, subjects: queries.Subjects, *, has_search: bool) -> dict[str, float]:
    """Fold a log in this process and ask; return what it cost."""
    delete_database(log / "views.db")
    without = () if has_search else (SearchView.name,)
    with queries.open_store(log, without) as store:
        cpu, began = time.process_time(), time.perf_counter()
        store.hold_folding(False)
        store.wait_folded().result()
        for question in queries.questions_of(store, subjects).values():
            question()
        if has_search:
            ask(store, subjects.own, WORDS, time.time())
        told = {
            "seconds": time.perf_counter() - began,
            "cpu_s": time.process_time() - cpu,
            "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "messages": store.log.last_no,
        }
    return told | {"bytes_per_message": (log / "views.db").stat().st_size / told["messages"]}


def _subjects(log: Path) -> queries.Subjects:
    """Fold a log once, to choose whom and what to ask about."""
    delete_database(log / "views.db")
    own = parse_secret_file((log / "secret").read_text()).id
    with queries.open_store(log) as store:
        store.hold_folding(False)
        store.wait_folded().result()
        return queries.choose(store, own)


def _fold_apart(log: Path, subjects: queries.Subjects, *, has_search: bool) -> dict[str, float]:
    """Fold in a process of its own."""
    about = json.dumps(msgspec.to_builtins(subjects))
    command = [sys.executable, str(Path(__file__)), "--fold", str(log), about, str(has_search)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    told: dict[str, float] = json.loads(done.stdout)
    return told


def _fold_rival(
    path: Path, subjects: queries.Subjects, total: int, *, has_search: bool
) -> dict[str, float]:
    asked = {"path": str(path), "questions": msgspec.to_builtins(subjects)}
    told = queries.run_rival("folding.js", asked | ({"words": WORDS} if has_search else {}))
    assert told.pop("found") > 0, "the rival answered nothing"
    return told | {"bytes_per_message": told.pop("bytes") / total}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fold"]:
        about = msgspec.json.decode(sys.argv[3], type=queries.Subjects)
        print(json.dumps(fold_once(Path(sys.argv[2]), about, has_search=sys.argv[4] == "True")))
    else:
        main()
