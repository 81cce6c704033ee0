"""How fast the pages of a full peer are: time of the server over one keep-alive connection.

The viewer follows a hundred people of a made-up network. Home is walked from the newest page to the
300th: each is seen for the first time, so that every post has to be rendered. Then the newest
hundred are walked again and again, as their posts are kept rendered. ``cpu_ms`` is what a page
costs the process, whatever else the machine does.

The rival is ssb-viewer, the one web app for JavaScript peers that npm still installs and that makes
its pages on the server. Its page for a person lists messages, not threads, and has no second page.
"""

import gzip
import re
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import orjson
from figures import Row, cpu_s, percentile
from lichen_peer import LichenPeer
from peers import JsPeer, Peer, wait_until
from visitor import Visited, Visitor

from lichen.feed.message import FeedId
from lichen.lab.corpus import generate_corpus
from lichen.node.paths import segment_of

WITH_WEB = ("--host", "127.0.0.1", "--no-lan", "--web-port", "0")
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
TARGET = "target: p99_ms <= 30, max_kb <= 100"
HOME_FIRST = "home, posts rendered for the first time"
HOME = "home, posts kept rendered"
NEWEST = "home, newest page"
RIVAL_FIRST = "ssb-viewer, first visit"
RIVAL = "ssb-viewer"
RIVAL_NOTE = "the newest 150 messages of the followed, one below the other"
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
    corpus: Path
    followed: list[str]
    messages: int


def settle(home: Path, messages: int) -> Village:
    """Start a peer, fill it, and wait until everything can be shown."""
    folder = home.parent / "corpus"
    generate_corpus(messages, AUTHORS, SEED, folder)
    corpus = folder / "corpus.jsonl.gz"
    lines = gzip.decompress(corpus.read_bytes()).splitlines()
    authors = list(dict.fromkeys(orjson.loads(line)["value"]["author"] for line in lines))
    peer = LichenPeer(home, serving=WITH_WEB).start()
    village = Village(peer, corpus, authors[:FOLLOWED], messages)
    try:
        _fill(peer, village)
        wait_until(lambda: _is_folded(peer), FOLD_S_MAX)
    except BaseException:
        peer.kill()
        raise
    return village


def _fill(peer: Peer, village: Village) -> None:
    for author in village.followed:
        peer.follow(author)
    peer.load(village.corpus)


def _is_folded(peer: LichenPeer) -> bool:
    views = peer.call("status")["views"]
    return all(view["folded"] == view["total"] for view in views)


def measure(village: Village, folder: Path) -> list[Row]:
    """Return the figures of every kind of page, and of the home page of a JavaScript peer."""
    bench = f"pages of a peer with {village.messages:,} messages, {FOLLOWED} feeds followed"
    figures = _measure_rival(village, folder)
    rival_ms = figures[RIVAL]["p50_ms"]
    with Visitor(village.peer.open_web()) as visitor:
        figures = _measure_own(village, visitor) | figures
    figures[NEWEST]["ratio"] = rival_ms / figures[NEWEST]["p50_ms"]
    notes = {HOME_FIRST: TARGET, HOME: TARGET, NEWEST: TARGET, RIVAL: RIVAL_NOTE}
    return [Row(bench, name, found, notes.get(name, "")) for name, found in figures.items()]


def _measure_own(village: Village, visitor: Visitor) -> dict[str, dict[str, float]]:
    pid = village.peer.pid
    walked: dict[str, Visited] = {}
    figures = {HOME_FIRST: _figures(pid, _walk_home(visitor, walked))}
    newest = list(walked)[:HOME_PAGES_AGAIN]
    for path in newest:
        visitor.get(path)
    found = (path.decode() for page in walked.values() for path in _THREAD.findall(page.body))
    threads = list(dict.fromkeys(found))[:THREADS]
    profiles = [f"/people/{segment_of(FeedId(feed))}" for feed in village.followed]
    plans = {
        HOME: newest * ROUNDS,
        NEWEST: ["/"] * NEWEST_TIMES,
        "threads, for the first time": threads,
        "threads": threads,
        "profiles": profiles * ROUNDS,
    }
    plans |= {path: [path] * OTHERS_TIMES for path in OTHERS}
    for name, paths in plans.items():
        figures[name] = _figures(pid, map(visitor.get, paths))
    return figures


def _walk_home(visitor: Visitor, walked: dict[str, Visited]) -> Iterator[Visited]:
    """Yield the pages of home, from the newest on; each is put into ``walked`` by its path."""
    path = "/"
    for _ in range(HOME_PAGES):
        page = walked[path] = visitor.get(path)
        yield page
        older = _OLDER.search(page.body)
        if older is None:
            return
        path = older[1].decode()


def _measure_rival(village: Village, folder: Path) -> dict[str, dict[str, float]]:
    """Return the figures of ssb-viewer's page for somebody who follows the same people."""
    peer = JsPeer("viewer", folder).start()
    try:
        _fill(peer, village)
        with Visitor(peer.web) as visitor:
            path = f"/user-feed/{peer.feed}"
            return {
                RIVAL_FIRST: _figures(peer.pid, map(visitor.get, [path])),
                RIVAL: _figures(peer.pid, map(visitor.get, [path] * NEWEST_TIMES)),
            }
    finally:
        peer.kill()


def _figures(pid: int, visits: Iterable[Visited]) -> dict[str, float]:
    """Make visits, one after the other, and return what they cost."""
    before = cpu_s(pid)
    pages = list(visits)
    used_ms = (cpu_s(pid) - before) * 1000
    times = [page.ms for page in pages]
    sizes = [len(page.body) / 1000 for page in pages]
    return {
        "requests": len(pages),
        "p50_ms": statistics.median(times),
        "p99_ms": percentile(times, 0.99),
        "cpu_ms": used_ms / len(pages),
        "p50_kb": statistics.median(sizes),
        "max_kb": max(sizes),
    }
