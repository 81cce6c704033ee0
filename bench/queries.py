"""Questions: warm, at two sizes of log, with ssb-db2 asked the same; then a start on the larger.

python bench/queries.py                             100,000 messages, then 1,000,000
python bench/queries.py --messages 20000 --large 0  smaller, and no second log
python bench/queries.py --log DIR --lines FILE      a log that is there, and the file it came from

Both logs are of the generator, with the same people: what one person has grows with the log.
Questions for messages give the same messages on both sides, each read; ssb-db2 alone is asked. A
page is asked of ssb-threads with ssb-friends and ssb-about-self, as Manyverse does it, and ours
gives more: which threads are lifted by whom, what is unread and hidden, gaps and side threads, and
of a profile names by others, whom one has in common, and look-alikes. "growth" is our median at the
larger log by that at the smaller, "of theirs" ours at either by theirs at the smaller.

The one thing kept between two questions is whom the viewer follows and blocks, as long as no
contact came in; "with the circle read anew" is without that. Theirs keep the bitmaps of each
question. How long it takes to make views and indexes folding.py says. ssb-db2 is asked at the
smaller log only, and ours at the larger held against that, too: with a million messages it runs out
of 4 GB of memory before it answers, and with these plugins mostly of 10 GB.
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
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
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
from lichen.apps.social.reading import people, profiles, threads, timeline
from lichen.apps.social.reading.circle import circle_of, read_circle
from lichen.apps.social.reading.entries import read_entry
from lichen.apps.social.reading.faces import reactions
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import parse_secret_file
from lichen.feed.message import FeedId, MsgId
from lichen.lab.corpus import generate_corpus
from lichen.store.binding import read_binding
from lichen.store.log import Stored
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
REPLIES, LIKES = 5, 5
"""Of the thread and the message that is asked about."""


class Subjects(msgspec.Struct, frozen=True):
    """Whom and what is asked about."""

    own: FeedId
    author: FeedId
    root: MsgId
    liked: MsgId


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description="Measure folding and questions.")
    parser.add_argument("--messages", type=int, default=MESSAGES, help="of the smaller log")
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
        logs = [(chosen.log, chosen.lines)]
        if chosen.log is None:
            logs = [prepare(folder / "small", chosen.messages)]
        if chosen.large_log is not None:
            logs.append((chosen.large_log, None))
        elif chosen.large:
            logs.append((prepare(folder / "large", chosen.large)[0], None))
        for rows in tables(folder, logs):
            tell(rows)


def measure(folder: Path, messages: int, large: int) -> list[figures.Row]:
    """Return all rows, for ``make bench``."""
    logs = [prepare(folder / "small", messages)]
    if large:
        logs.append((prepare(folder / "large", large)[0], None))
    return [row for rows in tables(folder, logs) for row in rows]


def prepare(folder: Path, messages: int) -> tuple[Path, Path | None]:
    """Make a peer's data directory from a corpus, with nothing folded; return its lines as well."""
    home, corpus = folder / "home", folder / "corpus"
    generate_corpus(messages, AUTHORS, SEED, corpus)
    home.mkdir(mode=0o700)
    shutil.copy(corpus / "secret", home / "secret")
    lines = corpus / "corpus.jsonl.gz"
    command = [sys.executable, "-m", "lichen", "import", "--home", str(home)]
    wanted = ["--no-views", "--wait-audit", str(lines)]
    subprocess.run([*command, *wanted], check=True, capture_output=True)
    return home, lines


def tables(folder: Path, logs: Sequence[tuple[Path, Path | None]]) -> Iterator[list[figures.Row]]:
    """Yield the rows of folding, of each question, and of starting on the last log."""
    folded: list[figures.Row] = []
    answers: list[tuple[int, dict[str, list[float]], dict[str, Any]]] = []
    for log, lines in logs:
        mine, folding, subjects = measure_lichen(log)
        size = int(folding.pop("messages"))
        folded.append(figures.Row("logs", f"lichen, {size:,}", folding))
        theirs = {}
        if lines is not None:
            told = ask_rival(folder / "rival", log, lines, subjects)
            theirs = told.pop("answers")
            folded.append(figures.Row("logs", f"ssb-db2, {size:,}", told, "asked each once"))
        answers.append((size, mine, theirs))
    yield folded
    for name in answers[0][1]:
        rows = [row_of(name, f"lichen, {size:,}", mine[name]) for size, mine, _ in answers]
        for row in rows[1:]:
            row.figures["growth"] = row.figures["median_ms"] / rows[0].figures["median_ms"]
        size, _, theirs = answers[0]
        if name in theirs:
            rival = row_of(name, f"ssb-db2, {size:,}", theirs[name]["taken"])
            for row in rows:
                row.figures["of_theirs"] = row.figures["median_ms"] / rival.figures["median_ms"]
            rows.insert(1, rival)
        yield rows
    yield [measure_start(logs[-1][0], size)]


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
        total = store.log.last_no
    # Once it is closed all is in the files themselves.
    folding["messages"] = total
    folding["view_bytes_per_message"] = (log / "views.db").stat().st_size / total
    folding["log_bytes_per_message"] = (log / "log.db").stat().st_size / total
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
    """Choose whom and what to ask about: of one size in every log, as far as there is such."""
    others = [one for one in store.log.clock().items() if one[0] != own]
    author = max(others, key=lambda one: one[1])[0]
    cards = timeline.home_page(store, own, limit=50).cards
    card = min(cards, key=lambda each: abs(each.reply_count - REPLIES))
    votes = map(read_entry, store.views.by_type("vote", Page(limit=200)))
    targets = [MsgId(vote.link) for vote in (parse_vote(each.content) for each in votes) if vote]
    likes = {
        key: sum(one.count for one in said) for key, said in reactions(store, own, targets).items()
    }
    liked = min(likes, key=lambda key: abs(likes[key] - LIKES))
    return Subjects(own, author, card.thread, liked)


def questions_of(store: Store, about: Subjects) -> dict[str, Callable[[], object]]:
    """Return what is asked, as pages and programs ask it."""
    views, own = store.views, about.own
    ten, fifty, thousand = Page(limit=10), Page(limit=50), Page(limit=1000)
    middle = store.log.last_no // 2

    def profile() -> object:
        circle = circle_of(store, own)
        return (
            profiles.open_profile(store, own, about.author, circle=circle),
            profiles.lookalikes(store, own, about.author, circle=circle),
            timeline.profile_page(store, own, about.author, circle=circle),
        )

    messages = {
        "the latest 10 posts": lambda: views.by_type("post", ten),
        "the roots of 12 threads": lambda: islice(threads.newest_roots(store), 12),
        "the replies of a thread": lambda: views.by_link(about.root, thousand, rel="root"),
        "the latest 50 of an author": lambda: views.by_author(about.author, fifty),
        "50 of an author long ago": lambda: views.by_author(
            about.author, Page(limit=50, before=middle)
        ),
        "the latest 50 posts of an author": lambda: views.by_author(
            about.author, fifty, kind="post"
        ),
        "the latest 50 of a type": lambda: views.by_type("contact", fifty),
        "the latest 50 mentions": lambda: views.by_link(own, fifty, rel="mentions.link"),
    }
    pages = {
        "a page of 12 threads": lambda: timeline.home_page(store, own),
        "a page of 12 threads, with the circle read anew": lambda: timeline.home_page(
            store, own, circle=read_circle(store, own)
        ),
        "a page of threads of long ago": lambda: timeline.home_page(store, own, before=middle),
        "a page of a thread": lambda: threads.open_thread(store, own, about.root),
        "a page of a profile": profile,
        "a page of a channel": lambda: timeline.channel_page(store, own, "gardening"),
        "who likes a message": lambda: reactions(store, own, [about.liked]),
        "a page of whom one follows": lambda: people.people(store, own),
        "a page of friends of friends": lambda: people.people(store, own, "nearby"),
    }
    return {name: reading(ask) for name, ask in messages.items()} | pages


def reading(ask: Callable[[], Iterable[Stored]]) -> Callable[[], object]:
    """Return what asks for messages and reads each."""
    return lambda: [read_entry(each) for each in ask()]


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


def ask_rival(path: Path, log: Path, lines: Path, about: Subjects) -> dict[str, Any]:
    """Ask ssb-db2 for messages, and its plugins for pages."""
    run_rival("folding.js", {"path": str(path), "lines": str(lines)})
    asked = {"path": str(path), "secret": str(log / "secret"), "runs": RUNS}
    return run_rival("queries.js", asked | msgspec.to_builtins(about))


def run_rival(script: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Run a script of ssb-db2, and return what it answers."""
    install.install("modern")
    environment = os.environ | {"NODE_PATH": str(install.modules("modern"))}
    command = [str(install.NODE), str(Path(__file__).with_name(script)), json.dumps(asked)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fold"]:
        fold_and_ask(Path(sys.argv[2]))
    else:
        main()
