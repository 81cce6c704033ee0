"""Initial sync: a peer that has nothing gets the log of another, two processes on loopback.

The sender has a corpus of ASCII messages and follows all its authors; the receiver follows them and
the sender, and dials. Measured until the receiver has every message, chain first; until every
signature is checked (``audited``; what it folds meanwhile counts too); and until questions are
answered at once (``ready``): Lichen has sorted in everything, and ssb-db2, which makes most of its
indexes when it is first asked, has answered each question of questions.js. CPU seconds are those of
both peers. The pairs take turns, so that a busy moment does not fall on one of them alone.
"""

import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import corpora
import orjson
from figures import Row, Usage, cpu_s, medians
from lichen_peer import LichenPeer
from peers import JsPeer, Peer

RUNS = 3
SYNC_S_MAX = 600
LOOK_EVERY_S = 0.1
NEARLY = 0.9
LOOK_AT_THE_END_EVERY_S = 0.01
CALM_S = 1.5
"""Pause before dialling: the JavaScript peers let the follow graph settle for a while."""
QUESTIONS = Path(__file__).with_name("questions.js")
PAIRS = (
    ("modern", "modern"),
    ("modern", "lichen"),
    ("lichen", "lichen"),
    ("lichen", "modern"),
)


def measure(folder: Path, messages: int, pairs: tuple[tuple[str, str], ...] = PAIRS) -> list[Row]:
    """Return the medians of each pair, and the ratio to the JavaScript pair."""
    corpus = corpora.write_ascii(messages, folder)
    clock = _read_clock(corpus)
    subjects = _subjects(corpus)
    kinds = {sender for sender, _receiver in pairs}
    senders = {kind: _prepare_sender(kind, folder, corpus, clock) for kind in sorted(kinds)}
    runs: dict[tuple[str, str], list[dict[str, float]]] = {pair: [] for pair in pairs}
    for turn in range(RUNS):
        for pair in pairs:
            here = folder / f"{turn}-{pair[0]}-{pair[1]}"
            runs[pair].append(_run(pair, senders[pair[0]], here, clock, subjects))
    return list(_rows(messages, runs))


def _rows(messages: int, runs: dict[tuple[str, str], list[dict[str, float]]]) -> Iterator[Row]:
    rival = medians(runs[PAIRS[0]])
    for (sender, receiver), measured in runs.items():
        figures = medians(measured)
        figures["ratio"] = figures["messages_per_s"] / rival["messages_per_s"]
        for cpu in ("both_cpu_s", "audited_cpu_s", "ready_cpu_s"):
            figures[cpu.replace("_s", "_ratio")] = rival[cpu] / figures[cpu]
        yield Row(f"initial sync of {messages:,} messages", f"{sender} -> {receiver}", figures)


def make_peer(kind: str, home: Path) -> Peer:
    """Return a peer that is not started yet."""
    return LichenPeer(home) if kind == "lichen" else JsPeer(kind, home)


def _read_clock(file: Path) -> dict[str, int]:
    clock: dict[str, int] = {}
    for line in file.read_bytes().splitlines():
        author = orjson.loads(line)["value"]["author"]
        clock[author] = clock.get(author, 0) + 1
    return clock


def _subjects(file: Path) -> dict[str, str]:
    """Return whom and what to ask about; any will do, for indexes are made of all messages."""
    with file.open("rb") as lines:
        first = orjson.loads(next(lines))
    author, key = first["value"]["author"], first["key"]
    return {"own": author, "author": author, "root": key, "liked": key}


def _prepare_sender(kind: str, folder: Path, corpus: Path, clock: dict[str, int]) -> Path:
    """Return the home of a stopped peer that has the corpus and follows its authors."""
    home = folder / f"sender-{kind}"
    peer = make_peer(kind, home).start()
    try:
        peer.publish_many([_follow(author) for author in clock])
        peer.load(corpus)
        peer.wait_for(clock, SYNC_S_MAX)
        if isinstance(peer, LichenPeer):
            peer.wait_until_ready(SYNC_S_MAX)
        time.sleep(CALM_S)
        peer.stop()
    finally:
        peer.kill()
    return home


def _run(
    pair: tuple[str, str],
    prepared: Path,
    here: Path,
    clock: dict[str, int],
    subjects: Mapping[str, str],
) -> dict[str, float]:
    shutil.copytree(prepared, here / "sender", ignore=shutil.ignore_patterns("*.socket"))
    sender = make_peer(pair[0], here / "sender").start()
    receiver = make_peer(pair[1], here / "receiver")
    try:
        receiver.start()
        wanted = clock | {sender.feed: len(clock)}
        receiver.publish_many([_follow(feed) for feed in wanted])
        time.sleep(CALM_S)
        with Usage(sender.pid) as sending, Usage(receiver.pid) as receiving:
            began = time.monotonic_ns()
            receiver.connect(sender.address)
            ended = _wait_for(receiver, wanted)
        seconds = (ended - began) / 1e9
        cpu_before = sending.cpu_s + receiving.cpu_s - receiving.cpu_at_end_s
        _wait_audited(receiver)
        audited = {
            "audited_s": (time.monotonic_ns() - began) / 1e9,
            "audited_cpu_s": cpu_before + cpu_s(receiver.pid),
        }
        _wait_ready(receiver, subjects)
        ready = {
            "ready_s": (time.monotonic_ns() - began) / 1e9,
            "ready_cpu_s": cpu_before + cpu_s(receiver.pid),
        }
    finally:
        sender.kill()
        receiver.kill()
        shutil.rmtree(here)
    return {
        "seconds": seconds,
        "messages_per_s": sum(wanted.values()) / seconds,
        "sender_cpu_s": sending.cpu_s,
        "receiver_cpu_s": receiving.cpu_s,
        "both_cpu_s": sending.cpu_s + receiving.cpu_s,
        "sender_mib": sending.memory_mib,
        "receiver_mib": receiving.memory_mib,
        **audited,
        **ready,
    }


def _wait_audited(peer: Peer) -> None:
    while isinstance(peer, LichenPeer) and peer.unaudited():
        time.sleep(LOOK_EVERY_S)


def _wait_ready(peer: Peer, subjects: Mapping[str, str]) -> None:
    """Wait until questions are answered at once. ``subjects``: whom and what they are about."""
    if isinstance(peer, LichenPeer):
        peer.wait_until_ready(SYNC_S_MAX)
    elif isinstance(peer, JsPeer):
        peer.call("askAll", str(QUESTIONS), subjects, timeout_s=SYNC_S_MAX)


def _wait_for(receiver: Peer, wanted: dict[str, int]) -> int:
    """Return when the receiver had everything, without keeping it busy with questions."""
    if not isinstance(receiver, LichenPeer):
        return receiver.wait_for(wanted, SYNC_S_MAX)
    total = sum(wanted.values()) + len(wanted)
    deadline = time.monotonic() + SYNC_S_MAX
    while (held := receiver.held()) < total:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{receiver.held()} of {total} messages after {SYNC_S_MAX} s")
        # The JavaScript peers tell the moment by themselves.
        time.sleep(LOOK_EVERY_S if held < total * NEARLY else LOOK_AT_THE_END_EVERY_S)
    ended = time.monotonic_ns()
    receiver.wait_for(wanted, 1)
    return ended


def _follow(feed: str) -> dict[str, object]:
    return {"type": "contact", "contact": feed, "following": True}
