"""``lichen`` as a process that counts what comes over its links, and writes it down at the end.

    python counted_peer.py FILE start --home ...

Only counting is added: a peer's sockets and what its brain hears are looked at in passing.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from lichen.cli.main import run
from lichen.node.net.links import Link
from lichen.node.shell import Shell
from lichen.wire.events import BodyType, ItemsReceived


def count(counts: Counter[str]) -> None:
    """Look at what is received from peers; programs of the same user are none."""
    received, data_received = Shell.received, Link.data_received

    def receive(shell: Shell, link: Link, event: Any) -> None:
        if isinstance(event, ItemsReceived) and event.body_type is BodyType.JSON:
            for item in event.items:
                is_message = item.startswith((b'{"previous"', b'{"author"'))
                counts["messages" if is_message else "notes"] += 1
        received(shell, link, event)

    def read(link: Link, data: bytes) -> None:
        if isinstance(link.owner, Shell):
            counts["bytes"] += len(data)
        data_received(link, data)

    Shell.received = receive  # type: ignore[method-assign, assignment]
    Link.data_received = read  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    found: Counter[str] = Counter(messages=0, notes=0, bytes=0)
    count(found)
    code = run(sys.argv[2:])
    Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")
    sys.exit(code)
