"""Measure full-text search: words, phrases, a person's words, beside ssb-db2 with ssb-search2.

python bench/search.py                         100,000 messages beside ssb-search2, then 1,000,000
python bench/search.py --log DIR --lines FILE  a log that is there, and the file it came from
python bench/search.py --log DIR --large 0     one log, without the rival

Every question is asked as a page does it, from what was typed to excerpts with marks, titles of
threads and notes, the first 20 newest. "messages alone" ends with the messages read, which is what
ssb-search2 gives: the same 20, without the order of phrases or a wider count. "growth" is our
median at the larger log, for the same words, by that at the smaller.
"""

import argparse
import datetime as dt
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import apsw

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "js"))

import figures
import install
import queries

from lichen.apps.social.reading.circle import circle_of
from lichen.apps.social.search.asking import Asked, ask
from lichen.apps.social.search.people import people_meant
from lichen.apps.social.search.query import Query, parse_query
from lichen.apps.social.search.reading import Answer, Matched, find
from lichen.apps.social.search.view import SearchView
from lichen.apps.social.view import NamesView
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.message import FeedId
from lichen.store.schema import delete_database
from lichen.store.store import Store, read_binding
from lichen.store.views.base import ContactsView

MESSAGES = 100_000
LARGE = 1_000_000
RUNS = 100
RARE_MESSAGES = 10
"""In how many messages a rare word is, about."""

_Timed = tuple[list[float], float, int]


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description="Measure full-text search.")
    parser.add_argument("--messages", type=int, default=MESSAGES, help="to generate")
    parser.add_argument("--large", type=int, default=LARGE, help="of the larger log; 0 for none")
    parser.add_argument("--log", type=Path, help="a data directory; its views are made anew")
    parser.add_argument("--lines", type=Path, help="the same messages as JSON lines, for the rival")
    parser.add_argument("--large-log", type=Path, help="a data directory of the larger log")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--json", action="store_true", help="write a line of JSON for each row")
    chosen = parser.parse_args()
    tell = figures.print_json if chosen.json else figures.print_table
    tell([figures.machine()])
    with tempfile.TemporaryDirectory(prefix="lichen-bench-") as name:
        folder = Path(name)
        log, lines, large = chosen.log, chosen.lines, chosen.large_log
        if log is None:
            log, lines = queries.prepare(folder / "small", chosen.messages)
        if large is None and chosen.large:
            large, _ = queries.prepare(folder / "large", chosen.large)
        for rows in measure(folder, log, lines, large, chosen.runs):
            tell(rows)


def measure(
    folder: Path, log: Path, lines: Path | None, large: Path | None, runs: int
) -> list[list[figures.Row]]:
    """Return the rows of folding, and those of each question."""
    with closing(open_store(log)) as store:
        total = store.log.last_no
        folding = fold(store)
        questions, me = choose_questions(store)
        mine = ask_all(store, me, questions, runs)
    theirs: dict[str, Any] = {}
    if lines is not None:
        told = ask_rival(folder, lines, questions, runs)
        theirs = told["answers"]
        per_message = round(told["index_bytes"] / total, 1)
        seconds = {"seconds": told["index_s"], "bytes_per_message": per_message}
        folding.append(figures.Row(folding[0].bench, "ssb-search2", seconds, "after loading"))
    grown: dict[tuple[str, str], _Timed] = {}
    if large is not None:
        with closing(open_store(large)) as store:
            size = store.log.last_no
            folding += fold(store)
            grown = ask_all(store, me, questions, runs)
    tables = [folding]
    for name, text in questions.items():
        bench = f"search, {name}: {text if len(text) < 50 else '…'}"
        rows = []
        for kind in KINDS:
            rows.append(row_of(bench, f"lichen, {total:,}{kind}", *mine[name, kind]))
            if grown:
                row = row_of(bench, f"lichen, {size:,}{kind}", *grown[name, kind])
                row.figures["growth"] = row.figures["median_ms"] / rows[-1].figures["median_ms"]
                rows.append(row)
        if name in theirs:
            of = theirs[name]
            rows.append(
                row_of(bench, f"ssb-search2, {total:,}", of["taken"], of["cpu_ms"], of["found"])
            )
        tables.append(rows)
    return tables


def ask_all(
    store: Store, me: FeedId, questions: Mapping[str, str], runs: int
) -> dict[tuple[str, str], _Timed]:
    """Ask everything as a page does, and for the messages alone."""
    answers = {}
    for name, text in questions.items():
        for kind, work in KINDS.items():
            answers[name, kind] = timed(partial(work, store, me, text), runs)
    return answers


def open_store(log: Path) -> Store:
    """Open a data directory without what was folded from it."""
    delete_database(log / "views.db")
    binding = read_binding(log)
    assert binding is not None, "the log was made by an import"
    return Store.open(
        log,
        binding=binding,
        formats={"classic": ClassicFormat(binding.hmac_key)},
        views=[ContactsView(), NamesView(), SearchView()],
    )


def fold(store: Store) -> list[figures.Row]:
    """Fold the search alone, in this process; tell what it cost and takes."""
    store.hold_folding()
    cpu, began = time.process_time(), time.perf_counter()
    store.wait_folded(SearchView.name).result()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - began
    total = store.log.last_no
    with apsw.Connection(str(store.directory / "views.db"), flags=apsw.SQLITE_OPEN_READONLY) as db:
        taken = db.execute(
            "SELECT sum(length(block)) + (SELECT sum(8 + length(sz)) FROM search_docsize)"
            " + (SELECT 16 * count(*) FROM search_times)"
            " + (SELECT sum(length(block)) FROM search_names_data) FROM search_data"
        ).get
    store.wait_folded().result()
    per_message = {
        "seconds": round(wall, 2),
        "cpu_us_per_message": round(1e6 * cpu / total, 1),
        "bytes_per_message": round(taken / total, 1),
    }
    return [figures.Row(f"folding the search of {total:,} messages", "lichen", per_message)]


def choose_questions(store: Store) -> tuple[dict[str, str], FeedId]:
    """Choose words by how frequent they are, of letters only: the rival parts words otherwise."""
    with apsw.Connection(str(store.directory / "views.db"), flags=apsw.SQLITE_OPEN_READONLY) as db:
        db.execute("CREATE VIRTUAL TABLE temp.frequency USING fts5vocab('main', 'search', 'row')")
        found = [
            (str(term), int(str(count)))
            for term, count in db.execute(
                "SELECT term, doc FROM temp.frequency WHERE length(term) BETWEEN 5 AND 12"
                " AND term NOT GLOB '*[^a-z]*' ORDER BY doc DESC"
            )
        ]
        early_s = db.execute(
            "SELECT written_s FROM search_times ORDER BY 1 LIMIT 1"
            " OFFSET (SELECT count(*) / 20 FROM search_times)"
        ).get
    assert isinstance(early_s, int | float), "messages have times"
    long_ago = time.strftime("%Y-%m-%d", time.gmtime(early_s))
    common, second = (term for term, _ in found[:2])
    rare = min(found, key=lambda one: abs(one[1] - RARE_MESSAGES))[0]
    longest = max(store.log.clock().items(), key=lambda one: one[1])[0]
    excerpt = ask_once(store, longest, common).found[0].excerpt.text.split()
    pair = next(
        (f"{a} {b}" for a, b in pairwise(excerpt) if (a + b).isalpha()),
        f"{common} {second}",
    )
    return {
        "a common word": common,
        "two words": f"{common} {second}",
        "a rare word": rare,
        "a phrase": f'"{pair}"',
        "the beginning of words": f"{common[:3]}*",
        "a person's words": f"author:{longest} {common}",
        "the best": f"{common} {second} sort:best",
        "a common word of long ago": f"{common} before:{long_ago}",
    }, longest


def ask_once(store: Store, me: FeedId, text: str) -> Answer:
    """Ask as a page does."""
    asked = ask(store, me, text, time.time())
    assert isinstance(asked, Asked), asked
    return asked.answer


def find_once(store: Store, me: FeedId, text: str) -> Matched:
    """Ask for the messages alone."""
    query = parse_query(text, dt.datetime.now())  # noqa: DTZ005 (as a page)
    assert isinstance(query, Query), query
    people = {typed: people_meant(store, me, typed) for typed in query.people()}
    return find(store, query, people, circle_of(store, me))


KINDS: dict[str, Callable[[Store, FeedId, str], Answer | Matched]] = {
    "": ask_once,
    ", messages alone": find_once,
}


def timed(work: Callable[[], Answer | Matched], runs: int) -> _Timed:
    """Return the milliseconds of each run, the CPU time of one, and how many were found."""
    taken = []
    cpu = time.process_time()
    for _ in range(runs):
        began = time.perf_counter()
        answer = work()
        taken.append(1000 * (time.perf_counter() - began))
    return taken, 1000 * (time.process_time() - cpu) / runs, answer.count or 0


def row_of(
    bench: str, subject: str, taken: Sequence[float], cpu_ms: float, found: int
) -> figures.Row:
    told = {
        "median_ms": round(statistics.median(taken), 2),
        "p99_ms": round(figures.percentile(taken, 0.99), 2),
        "cpu_ms": round(cpu_ms, 2),
        "first_ms": round(taken[0], 2),
        "found": float(found),
    }
    return figures.Row(bench, subject, told)


def ask_rival(folder: Path, lines: Path, questions: dict[str, str], runs: int) -> dict[str, Any]:
    """Ask ssb-search2 what it can be asked."""
    install.install("modern")
    plain: dict[str, dict[str, str]] = {
        name: {"words": text.strip('"').removesuffix("*")}
        for name, text in questions.items()
        if ":" not in text
    }
    author, words = questions["a person's words"].removeprefix("author:").split()
    plain["a person's words"] = {"words": words, "author": author}
    asked = {
        "path": str(folder / "rival"),
        "lines": str(lines),
        "questions": plain,
        "runs": runs,
    }
    script = Path(__file__).with_suffix(".js")
    environment = os.environ | {"NODE_PATH": str(install.modules("modern"))}
    command = [str(install.NODE), str(script), json.dumps(asked)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


if __name__ == "__main__":
    main()
