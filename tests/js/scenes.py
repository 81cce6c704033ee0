"""What the scenarios have in common: contents of all sorts, made-up authors, comparisons."""

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from peers import Peer, wait_until

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import Identity, generate_identity
from lichen.feed.message import FeedState

MakePeer = Callable[..., Any]
"""``make_peer(kind, **settings)`` starts a peer that ends with the test."""

START_MS = 1_600_000_000_000
SYNC_S_MAX = 40

SORTS: tuple[dict[str, object], ...] = (
    {"type": "post", "text": "plain words, as most are"},
    {"type": "post", "text": "Grüße, naïve señor, 你好, שלום, привет 👩‍👩‍👧‍👦 🌱", "mentions": []},
    {"type": "post", "text": 'quotes " and \\ and\ttabs\nlines \u2028 \x00\x1f\x7f / e\u0301'},
    {"type": "position", "at": [0.1, -1e-7, 1e21, 123456789.125, 5e-324, 1.7e308, 0, -1]},
    {"type": "counts", "n": [2**31, 2**53 - 1, 2**53, 10**21, -(2**40)], "none": None},
    {"type": "map", "10": 1, "9": {"b": 1, "2": [], "1": {}}, "": "empty key", "é": True},
    {"type": "vote", "vote": {"link": f"%{'A' * 43}=.sha256", "value": 1, "expression": "❤️"}},
    {"type": "post", "text": "long " * 700},
    {"type": "日本語", "text": ""},
)


def make_contents(count: int) -> list[dict[str, object]]:
    """Return contents of all sorts, each with a number of its own."""
    sorts = itertools.cycle(SORTS)
    return [{**next(sorts), "number": number} for number in range(count)]


class MadeFeed:
    """A feed written here, for authors that have no peer of their own."""

    def __init__(self, number: int) -> None:
        self.identity: Identity = generate_identity(number.to_bytes(32, "big"))
        self.id = self.identity.id
        self.lines: list[str] = []
        self._state: FeedState | None = None

    def write(self, *contents: dict[str, object]) -> "MadeFeed":
        """Sign contents."""
        for content in contents:
            message = ClassicFormat().create(
                json.dumps(content).encode(), self.identity, self._state, START_MS + len(self.lines)
            )
            self._state = FeedState(message.sequence, message.key)
            line = {"key": message.key, "value": json.loads(message.data), "timestamp": START_MS}
            self.lines.append(json.dumps(line))
        return self


def load(peer: Peer, feeds: Sequence[MadeFeed], file: Path) -> None:
    """Bring feeds into a peer as a file."""
    file.write_text("".join(f"{line}\n" for feed in feeds for line in feed.lines))
    peer.load(file)


def follow(target: str) -> dict[str, object]:
    """Return the content that follows somebody."""
    return {"type": "contact", "contact": target, "following": True}


def block(target: str) -> dict[str, object]:
    """Return the content that blocks somebody."""
    return {"type": "contact", "contact": target, "blocking": True}


def befriend(first: Peer, second: Peer) -> None:
    """Let two peers follow each other."""
    first.follow(second.feed)
    second.follow(first.feed)


def wait_for_connection(first: Peer, second: Peer) -> None:
    """Wait until both know that they are connected."""
    wait_until(lambda: second.feed in first.connected() and first.feed in second.connected())


def assert_same_feed(feed: str, first: Peer, second: Peer, length: int) -> None:
    """Compare a feed on two peers: keys and the exact text of every message."""
    held, other = first.messages(feed), second.messages(feed)
    assert len(held) == length
    assert [json.loads(text)["sequence"] for _key, text in held] == list(range(1, length + 1))
    assert held == other
