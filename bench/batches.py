"""How fast messages are checked and kept: ``python bench/batches.py [--messages N] ...``.

Makes feeds of typical messages (about 700 bytes), then ingests them into a new data directory in
batches of mixed authors, every signature verified or chain first. Prints one JSON object.
"""

import argparse
import gzip
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import generate_identity
from lichen.feed.message import FeedState, RawMessage, Rejected
from lichen.store.store import Binding, Store
from lichen.store.views import base_views

TEXT = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor. "


def make_messages(count: int, authors: int, seed: int) -> list[RawMessage]:
    rng = random.Random(seed)
    form = ClassicFormat()
    identities = [generate_identity(rng.randbytes(32)) for _ in range(authors)]
    states: list[FeedState | None] = [None] * authors
    keys: list[str] = []
    made = []
    for number in range(count):
        author = min(int(rng.expovariate(6 / authors)), authors - 1)
        content = {"type": "post", "text": TEXT * rng.randrange(1, 4)}
        if keys:
            content["root"] = rng.choice(keys)
            content["branch"] = rng.choice(keys)
        message = form.create(
            json.dumps(content).encode(), identities[author], states[author], 1.6e12 + number
        )
        states[author] = FeedState(message.sequence, message.key)
        keys.append(message.key)
        made.append(RawMessage(message.author, message.sequence, message.data))
    return made


class Line(msgspec.Struct):
    value: msgspec.Raw


def read_messages(path: Path) -> list[RawMessage]:
    form = ClassicFormat()
    decode = msgspec.json.Decoder(Line).decode
    with gzip.open(path) as file:
        found = [form.parse(bytes(decode(line).value)) for line in file]
    return [raw for raw in found if isinstance(raw, RawMessage)]


def measure_audit(store: Store) -> dict[str, float]:
    """Wait for what was left to the audit; return how much that was and what it took."""
    left = store.log.unaudited_count()
    cpu, began = time.process_time(), time.perf_counter()
    store.wait_audited().result()
    return {
        "left_to_audit": left,
        "audit_seconds": round(time.perf_counter() - began, 3),
        "audit_cpu_seconds": round(time.process_time() - cpu, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--authors", type=int, default=50)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--threads", type=int, default=None, help="signature threads")
    parser.add_argument("--switch-ms", type=float, default=None, help="GIL switch interval")
    parser.add_argument("--busy", action="store_true", help="another thread computes meanwhile")
    parser.add_argument("--lines", type=Path, help="messages from a file, .jsonl.gz")
    parser.add_argument("--chain-first", action="store_true", help="leave signatures to the audit")
    parser.add_argument("--views", action="store_true", help="fold the base views meanwhile")
    args = parser.parse_args()
    if args.switch_ms is not None:
        sys.setswitchinterval(args.switch_ms / 1000)
    form = ClassicFormat()
    if args.lines is not None:
        raws = read_messages(args.lines)
    else:
        raws = make_messages(args.messages, args.authors, 1)
    batches = [raws[at : at + args.batch] for at in range(0, len(raws), args.batch)]
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(
            Path(folder),
            binding=Binding(bytes(32)),
            formats={"classic": form},
            views=base_views(),
            signature_threads=args.threads,
        )
        if not args.views:
            store.hold_folding()
        done = []
        turns = 0
        cpu = time.process_time()
        began = time.perf_counter()
        waiting = []
        for batch in batches:
            if args.busy:
                # What the network does meanwhile: take each message apart in this thread.
                for raw in batch:
                    assert not isinstance(form.parse(raw.data), Rejected)
                    turns += sum(range(300))
            waiting.append(store.ingest(batch, verifies_all=not args.chain_first))
            if len(waiting) > 4:
                done.append(waiting.pop(0).result())
        done += [future.result() for future in waiting]
        wall = time.perf_counter() - began
        cpu = time.process_time() - cpu
        grown = sum(g.last - g.first + 1 for result in done for g in result.progress)
        assert grown == len(raws), done[0].rejected[:3]
        audit = measure_audit(store)
        began = time.perf_counter()
        store.wait_folded().result()
        folding = time.perf_counter() - began
        store.close()
        size = {path.name: path.stat().st_size for path in Path(folder).glob("*.db")}
    print(
        json.dumps(
            {
                "messages": len(raws),
                "bytes": sum(len(raw.data) for raw in raws),
                "seconds": round(wall, 3),
                "cpu_seconds": round(cpu, 3),
                "messages_per_s": round(len(raws) / wall),
                **audit,
                "fold_seconds": round(folding, 3),
                "files": size,
                "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
