"""Measure the web app: ``make bench-web``, or some of it by name.

python bench/web.py                     everything, as tables
python bench/web.py pages --json        one benchmark, a line of JSON for each row
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "js"))

import browsers
import figures
import install
import pages
import start
from lichen_peer import LichenPeer
from peers import Peer
from sync import make_peer
from visitor import Visitor

MESSAGES = 20_000
WITHOUT_WEB = ("--host", "127.0.0.1", "--no-lan", "--no-web")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description="Measure the web app.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="pages, seen, open, start")
    parser.add_argument("--json", action="store_true", help="write a line of JSON for each row")
    parser.add_argument("--messages", type=int, default=MESSAGES, help="in the peer's log")
    chosen = parser.parse_args()
    benches: dict[str, Callable[[pages.Village, Path], list[figures.Row]]] = {
        "pages": pages.measure,
        "seen": lambda village, folder: browsers.measure_seen(village.peer, folder),
        "open": lambda village, _folder: browsers.measure_open_pages(village.peer),
        "start": lambda _village, folder: measure_start(folder),
    }
    unknown = set(chosen.names) - set(benches)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    tell = figures.print_json if chosen.json else figures.print_table
    install.main()
    tell([figures.machine()])
    with tempfile.TemporaryDirectory(prefix="lichen-bench-") as folder:
        village = pages.settle(Path(folder) / "village", chosen.messages)
        try:
            for name in chosen.names or benches:
                tell(benches[name](village, Path(folder) / name))
        finally:
            village.peer.kill()


def measure_start(folder: Path) -> list[figures.Row]:
    """Return starting and idling with and without the web app, beside the JavaScript peers."""
    folder.mkdir(parents=True, exist_ok=True)
    lichen = LichenPeer(folder / "web", serving=pages.WITH_WEB)
    peers: dict[str, Peer] = {
        "lichen": lichen,
        "lichen --no-web": LichenPeer(folder / "no-web", serving=WITHOUT_WEB),
        "ssb-server": make_peer("legacy", folder / "legacy"),
    }
    rows = [start.measure_peer(subject, peer) for subject, peer in peers.items()]
    rows[0].figures["first_page_ms"] = statistics.median(_time_first_pages(lichen))
    return rows


def _time_first_pages(peer: LichenPeer) -> Iterator[float]:
    """Yield how long after its start a peer has shown a page."""
    for _ in range(start.STARTS):
        began = time.monotonic()
        peer.start()
        with Visitor(peer.open_web()) as visitor:
            visitor.get("/welcome")
        yield (time.monotonic() - began) * 1000
        peer.kill()


if __name__ == "__main__":
    main()
