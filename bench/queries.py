"""Folding and questions: fold time, warm questions at two sizes of log, cold start on the larger.

python bench/queries.py                             100,000 messages beside ssb-db2, then 1,000,000
python bench/queries.py --messages 20000 --large 0  smaller, and no second log
python bench/queries.py --log DIR --lines FILE      a log that is there, and the file it came from

Lichen answers with what a page needs, ready to be shown; ssb-db2 with messages. How long it takes
to make its indexes folding.py says. At the larger size it is not asked: loading a million messages
takes it many minutes.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "js"))

import figures
import install
from lichen_peer import LichenPeer
from shaking import shake_hands

from lichen.apps import all_apps
from lichen.apps.social.content import parse_vote
from lichen.apps.social.reading import profiles, threads, timeline
from lichen.apps.social.reading.circle import circle_of
from lichen.apps.social.reading.entries import read_entry
from lichen.apps.social.reading.faces import reactions
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import parse_secret_file
from lichen.feed.message import FeedId, MsgId
from lichen.lab.corpus import generate_corpus
from lichen.store.binding import read_binding
from lichen.store.schema import delete_database
from lichen.store.store import Store
from lichen.store.views import base_views
from lichen.store.views.queries import Page

MESSAGES = 100_000
LARGE = 1_000_000
AUTHORS = 1_000
SEED = 2020
RUNS = 200
STARTS = 5
GROWTH_MAX = 1.5
"""How much slower a question may be on the larger log."""


class Subjects(msgspec.Struct, frozen=True):
    """Whom and what is asked about."""

    own: FeedId
    author: FeedId
    root: MsgId
    liked: MsgId


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description="Measure folding and questions.")
    parser.add_argument("--messages", type=int, default=MESSAGES, help="of the log beside ssb-db2")
    parser.add_argument("--large", type=int, default=LARGE, help="of the larger log; 0 for none")
    parser.add_argument("--log", type=Path, help="a data directory; its views are made anew")
    parser.add_argument("--lines", type=Path, help="the same messages as JSON lines, for the rival")
    parser.add_argument("--large-log", type=Path, help="a data directory of the larger log")
    parser.add_argument("--json", action="store_true", help="write a line of JSON for each row")
    chosen = parser.parse_args()
    tell = figures.print_json if chosen.json else figures.print_table
    install.main()
    tell([figures.machine()])
    with tempfile.TemporaryDirectory(prefix="lichen-bench-") as name:
        folder = Path(name)
        log, lines = chosen.log, chosen.lines
        if log is None:
            log, lines = prepare(folder / "small", chosen.messages)
        large = chosen.large_log
        if large is None and chosen.large:
            large, _ = prepare(folder / "large", chosen.large)
        for rows in tables(folder, log, lines, large):
            tell(rows)


def measure(folder: Path, messages: int, large: int) -> list[figures.Row]:
    """Return all rows, for ``make bench``."""
    log, lines = prepare(folder / "small", messages)
    larger = prepare(folder / "large", large)[0] if large else None
    return [row for rows in tables(folder, log, lines, larger) for row in rows]


def prepare(folder: Path, messages: int) -> tuple[Path, Path]:
    """Make a peer's data directory from a corpus, with nothing folded; return its lines as well."""
    home, corpus = folder / "home", folder / "corpus"
    generate_corpus(messages, AUTHORS, SEED, corpus)
    home.mkdir(mode=0o700)
    shutil.copy(corpus / "secret", home / "secret")
    lines = corpus / "corpus.jsonl.gz"
    command = [sys.executable, "-m", "lichen", "import", "--home", str(home), "--no-views"]
    subprocess.run([*command, str(lines)], check=True, capture_output=True)
    return home, lines


def tables(
    folder: Path, log: Path, lines: Path | None, large: Path | None
) -> Iterator[list[figures.Row]]:
    """Yield the rows of folding, of each question, and of starting."""
    mine, folding, subjects = measure_lichen(log)
    total = int(folding.pop("messages"))
    rows = [figures.Row(f"full views of {total:,} messages", "lichen", folding)]
    theirs: dict[str, Any] = {}
    if lines is not None:
        theirs = ask_rival(folder, lines, subjects)["answers"]
    larger: Mapping[str, list[float]] = {}
    if large is not None:
        larger, folded, _ = measure_lichen(large)
        size = int(folded.pop("messages"))
        rows.append(figures.Row(rows[0].bench, f"lichen, {size:,} messages", folded))
    yield rows
    for name, taken in mine.items():
        of_name = [row_of(name, f"lichen, {total:,}", taken)]
        if name in theirs:
            of_name.append(row_of(name, f"ssb-db2, {total:,}", theirs[name]["taken"]))
        if name in larger:
            row = row_of(name, f"lichen, {size:,}", larger[name])
            row.figures["growth"] = row.figures["median_ms"] / of_name[0].figures["median_ms"]
            of_name.append(row)
        yield of_name
    if large is not None:
        yield [measure_start(large, size)]


def measure_lichen(log: Path) -> tuple[dict[str, list[float]], dict[str, float], Subjects]:
    """Fold a log in a process of its own, then ask; return milliseconds, and what folding cost."""
    command = [sys.executable, str(Path(__file__)), "--fold", str(log)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    told = json.loads(done.stdout)
    return told["answers"], told["folding"], msgspec.convert(told["subjects"], Subjects)


def fold_and_ask(log: Path) -> None:
    """Do what ``measure_lichen`` wants, and print it."""
    delete_database(log / "views.db")
    own = parse_secret_file((log / "secret").read_text()).id
    with open_store(log) as store:
        cpu, began = time.process_time(), time.perf_counter()
        store.hold_folding(False)
        store.wait_folded().result()
        folding = {
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - cpu,
        }
        subjects = choose(store, own)
        questions = questions_of(store, subjects)
        for ask in questions.values():
            ask()
        answers = {name: timed(ask) for name, ask in questions.items()}
        folding["messages"] = store.log.last_no
        bytes_held = (log / "views.db").stat().st_size
        folding["view_bytes_per_message"] = bytes_held / store.log.last_no
        folding["log_bytes_per_message"] = (log / "log.db").stat().st_size / store.log.last_no
    folding["peak_memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"answers": answers, "folding": folding, "subjects": msgspec.to_builtins(subjects)}
    print(json.dumps(told))


class open_store:  # noqa: N801 (used as a function)
    """Open a data directory with all views of the peer but some, for a ``with``."""

    def __init__(self, log: Path, without: Collection[str] = ()) -> None:
        binding = read_binding(log)
        assert binding is not None, "the log was made by an import"
        every = [*base_views(), *(view for app in all_apps() for view in app.views)]
        views = [view for view in every if view.name not in without]
        formats = {"classic": ClassicFormat(binding.hmac_key)}
        self._store = Store.open(log, binding=binding, formats=formats, views=views)

    def __enter__(self) -> Store:
        return self._store

    def __exit__(self, *_error: object) -> None:
        self._store.close()


def choose(store: Store, own: FeedId) -> Subjects:
    """Choose whom and what to ask about: the longest feed, a thread and a message of the newest."""
    author = max(store.log.clock().items(), key=lambda one: one[1])[0]
    cards = timeline.home_page(store, own, limit=50).cards
    longest = max(cards, key=lambda card: card.reply_count)
    votes = map(read_entry, store.views.by_type("vote", Page(limit=50)))
    liked = next(vote.link for vote in (parse_vote(each.content) for each in votes) if vote)
    return Subjects(own, author, longest.thread, MsgId(liked))


def questions_of(store: Store, about: Subjects) -> dict[str, Callable[[], object]]:
    """Return what is asked, as pages and programs ask it."""
    views, own = store.views, about.own
    ten, fifty = Page(limit=10), Page(limit=50)
    middle = Page(limit=50, before=store.log.last_no // 2)

    def profile() -> object:
        circle = circle_of(store, own)
        return (
            profiles.open_profile(store, own, about.author, circle=circle),
            profiles.lookalikes(store, own, about.author, circle=circle),
            timeline.profile_page(store, own, about.author, circle=circle),
        )

    return {
        "the latest 10 posts": lambda: [read_entry(each) for each in views.by_type("post", ten)],
        "a page of 12 threads": lambda: timeline.home_page(store, own),
        "a page of threads of long ago": lambda: timeline.home_page(
            store, own, before=store.log.last_no // 2
        ),
        "a thread": lambda: threads.open_thread(store, own, about.root),
        "a profile": profile,
        "the latest 50 of an author": lambda: views.by_author(about.author, fifty),
        "50 of an author long ago": lambda: views.by_author(about.author, middle),
        "the latest 50 posts of an author": lambda: views.by_author(
            about.author, fifty, kind="post"
        ),
        "the latest 50 of a type": lambda: views.by_type("contact", fifty),
        "the latest 50 mentions": lambda: views.by_link(own, fifty, rel="mentions.link"),
        "who likes a message": lambda: reactions(store, own, [about.liked]),
        "a channel": lambda: timeline.channel_page(store, own, "gardening"),
        "people by name": lambda: profiles.people(store, own),
        "friends of friends": lambda: profiles.people(store, own, "nearby"),
    }


def timed(ask: Callable[[], object]) -> list[float]:
    """Return the milliseconds of each run."""
    taken = []
    for _ in range(RUNS):
        began = time.perf_counter()
        ask()
        taken.append(1000 * (time.perf_counter() - began))
    return taken


def row_of(name: str, subject: str, taken: list[float]) -> figures.Row:
    told = {
        "median_ms": round(statistics.median(taken), 3),
        "p99_ms": round(figures.percentile(taken, 0.99), 3),
    }
    return figures.Row(f"question: {name}", subject, told)


def measure_start(home: Path, messages: int) -> figures.Row:
    """Return how long it takes from a process's start to its answer to a handshake."""
    peer = LichenPeer(home)
    times, used = [], []
    for _ in range(STARTS):
        began = time.monotonic()
        peer.start()
        shake_hands(peer.address)
        times.append(time.monotonic() - began)
        used.append(figures.cpu_s(peer.pid))
        memory = figures.memory_mib(peer.pid)
        peer.stop()
    told = {
        "cold_start_ms": statistics.median(times) * 1000,
        "start_cpu_ms": statistics.median(used) * 1000,
        "memory_mib": memory,
    }
    return figures.Row(f"start with {messages:,} messages", "lichen", told, "target: <= 1,000 ms")


def ask_rival(folder: Path, lines: Path, about: Subjects) -> dict[str, Any]:
    """Ask ssb-db2 what it can be asked."""
    install.install("modern")
    asked = {"path": str(folder / "rival"), "lines": str(lines), "runs": RUNS}
    asked |= msgspec.to_builtins(about)
    environment = os.environ | {"NODE_PATH": str(install.modules("modern"))}
    command = [str(install.NODE), str(Path(__file__).with_suffix(".js")), json.dumps(asked)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fold"]:
        fold_and_ask(Path(sys.argv[2]))
    else:
        main()
