"""How fast the pages of a full peer are: time of the server over one keep-alive connection.

The viewer follows a hundred people of a made-up network. Home is walked from the newest page to the
300th: each is seen for the first time, so that every post has to be rendered. Then the newest
hundred are walked again and again, as their posts are kept rendered.
"""

import gzip
import re
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import orjson
from figures import Row, percentile
from lichen_peer import LichenPeer
from peers import wait_until
from visitor import Visited, Visitor

from lichen.feed.message import FeedId
from lichen.lab.corpus import generate_corpus
from lichen.node.paths import segment_of

AUTHORS = 150
FOLLOWED = 100
SEED = 2020
HOME_PAGES = 300
HOME_PAGES_AGAIN = 100
ROUNDS = 3
NEWEST_TIMES = 300
THREADS = 300
OTHERS_TIMES = 100
FOLD_S_MAX = 120
HOME_TARGET = "target: p99_ms <= 30, max_kb <= 100"
OTHERS = (
    "/people",
    "/people?kind=nearby",
    "/write",
    "/search?q=a",
    "/welcome",
    "/network",
    "/settings",
    "/status",
)

_OLDER = re.compile(rb'href="(/\?before=[0-9]+)"')
_THREAD = re.compile(rb'<footer class="thread-foot"><a href="(/thread/[^"]+)"')


class Village(msgspec.Struct, frozen=True):
    """A running peer that holds a made-up network's log, and whom it follows."""

    peer: LichenPeer
    followed: list[str]
    messages: int


def settle(home: Path, messages: int) -> Village:
    """Start a peer, fill it, and wait until everything can be shown."""
    corpus = home.parent / "corpus"
    generate_corpus(messages, AUTHORS, SEED, corpus)
    file = corpus / "corpus.jsonl.gz"
    lines = gzip.decompress(file.read_bytes()).splitlines()
    authors = list(dict.fromkeys(orjson.loads(line)["value"]["author"] for line in lines))
    followed = authors[:FOLLOWED]
    peer = LichenPeer(home, options=("--web-port", "0")).start()
    try:
        for author in followed:
            peer.follow(author)
        peer.load(file)
        wait_until(lambda: _is_folded(peer), FOLD_S_MAX)
    except BaseException:
        peer.kill()
        raise
    return Village(peer, followed, messages)


def _is_folded(peer: LichenPeer) -> bool:
    views = peer.call("status")["views"]
    return all(view["folded"] == view["total"] for view in views)


def measure(village: Village) -> list[Row]:
    """Return the figures of every kind of page."""
    with Visitor(village.peer.open_web()) as visitor:
        first = list(_walk_home(visitor))
        newest = [path for path, _ in first[:HOME_PAGES_AGAIN]]
        _visit(visitor, newest)
        homes = {
            "home, posts rendered for the first time": [visited for _, visited in first],
            "home, posts kept rendered": _visit(visitor, newest * ROUNDS),
            "home, newest page": _visit(visitor, ["/"] * NEWEST_TIMES),
        }
        found = (path for _, page in first for path in _THREAD.findall(page.body))
        threads = [path.decode() for path in dict.fromkeys(found)][:THREADS]
        profiles = [f"/people/{segment_of(FeedId(feed))}" for feed in village.followed]
        others = {
            "threads, for the first time": _visit(visitor, threads),
            "threads": _visit(visitor, threads),
            "profiles": _visit(visitor, profiles * ROUNDS),
        }
        others |= {path: _visit(visitor, [path] * OTHERS_TIMES) for path in OTHERS}
    bench = f"pages of a peer with {village.messages:,} messages, {FOLLOWED} feeds followed"
    rows = [Row(bench, name, _figures(pages), HOME_TARGET) for name, pages in homes.items()]
    return rows + [Row(bench, name, _figures(pages)) for name, pages in others.items()]


def _walk_home(visitor: Visitor) -> Iterator[tuple[str, Visited]]:
    """Yield the pages of home with their paths, from the newest on."""
    path = "/"
    for _ in range(HOME_PAGES):
        page = visitor.get(path)
        yield path, page
        older = _OLDER.search(page.body)
        if older is None:
            return
        path = older[1].decode()


def _visit(visitor: Visitor, paths: Sequence[str]) -> list[Visited]:
    return [visitor.get(path) for path in paths]


def _figures(pages: Sequence[Visited]) -> dict[str, float]:
    times = [page.ms for page in pages]
    sizes = [len(page.body) / 1000 for page in pages]
    return {
        "requests": len(pages),
        "p50_ms": statistics.median(times),
        "p99_ms": percentile(times, 0.99),
        "p50_kb": statistics.median(sizes),
        "max_kb": max(sizes),
    }
