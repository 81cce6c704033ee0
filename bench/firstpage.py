"""A first sync as a person lives it: how long until the home page can be read.

python bench/firstpage.py                     100,000 messages, two processes on loopback

The sender has a corpus. The receiver is new and follows its main author, as after an invitation,
and dials. From there on its home page is opened again and again, until it shows a whole page of
threads (``readable_s``), while messages pour in; then it is waited for the last message
(``synced_s``) and for everything to be sorted in (``folded_s``).
"""

import argparse
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "js"))

import figures
from lichen_peer import LichenPeer
from peers import wait_until
from visitor import Visitor

from lichen.lab.corpus import generate_corpus

MESSAGES = 100_000
AUTHORS = 50
SEED = 2020
RUNS = 3
LOOK_EVERY_S = 0.25
CALM_S = 5.0
HOPS = 8  # everybody of the corpus is that near
THREADS = 12
SYNC_S_MAX = 600
WITH_WEB = ("--host", "127.0.0.1", "--no-lan", "--web-port", "0")
_THREAD = b'<section class="thread">'


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description="Measure when a first sync can be read.")
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--json", action="store_true", help="write a line of JSON for each row")
    chosen = parser.parse_args()
    tell = figures.print_json if chosen.json else figures.print_table
    tell([figures.machine()])
    with tempfile.TemporaryDirectory(prefix="lichen-bench-") as folder:
        tell(measure(Path(folder), chosen.messages, chosen.runs))


def measure(folder: Path, messages: int, runs: int = RUNS) -> list[figures.Row]:
    """Return the medians of some runs."""
    corpus = folder / "corpus"
    generate_corpus(messages, AUTHORS, SEED, corpus)
    main_author = next(iter(orjson.loads((corpus / "follow-graph.json").read_bytes())))
    sender = LichenPeer(folder / "sender", hops=HOPS).start()
    try:
        sender.publish({"type": "contact", "contact": main_author, "following": True})
        sender.load(corpus / "corpus.jsonl.gz")
        sender.wait_until_ready(SYNC_S_MAX)
        found = [_run(sender, main_author, folder / f"run-{turn}") for turn in range(runs)]
    finally:
        sender.kill()
    note = "target: readable_s <= 10"
    bench = f"first sync of {messages:,} messages, as a person lives it"
    return [figures.Row(bench, "lichen -> lichen", figures.medians(found), note)]


def _run(sender: LichenPeer, main_author: str, home: Path) -> dict[str, float]:
    receiver = LichenPeer(home, hops=HOPS, serving=WITH_WEB).start()
    try:
        receiver.follow(main_author)
        receiver.follow(sender.feed)
        with Visitor(receiver.open_web()) as visitor:
            began = time.monotonic()
            receiver.connect(sender.address)
            first_s = math.nan
            looks = []
            while True:
                page = visitor.get("/")
                looks.append(page.ms)
                shown = page.body.count(_THREAD)
                if shown and math.isnan(first_s):
                    first_s = time.monotonic() - began
                if shown >= THREADS:
                    break
                if time.monotonic() - began > SYNC_S_MAX:
                    raise TimeoutError(f"{shown} threads are shown after {SYNC_S_MAX} s")
                time.sleep(LOOK_EVERY_S)
            readable_s, held = time.monotonic() - began, receiver.held()
            synced_s, received = _wait_for_calm(receiver, began)
            wait_until(lambda: receiver.call("lichen.folding") is None, SYNC_S_MAX)
            folded_s = time.monotonic() - began
    finally:
        receiver.kill()
    return {
        "first_thread_s": first_s,
        "readable_s": readable_s,
        "messages_then": float(held),
        "home_ms": statistics.median(looks),
        "synced_s": synced_s,
        "messages": float(received),
        "folded_s": folded_s,
    }


def _wait_for_calm(receiver: LichenPeer, began: float) -> tuple[float, int]:
    """Wait until nothing more comes; return when the last came, and how many there are.

    Feeds that somebody near blocks do not come, so their number is not known before.
    """
    held, grown_at = receiver.held(), time.monotonic()
    while time.monotonic() - grown_at < CALM_S:
        time.sleep(LOOK_EVERY_S)
        if (now := receiver.held()) != held:
            held, grown_at = now, time.monotonic()
    return grown_at - began, held


if __name__ == "__main__":
    main()
