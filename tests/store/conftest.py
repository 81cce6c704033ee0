"""Authors who write real messages, and stores that are closed again."""

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import generate_identity
from lichen.feed.message import FeedState, Message, RawMessage
from lichen.store.checking import chainer
from lichen.store.store import Binding, Store
from lichen.store.views import View, base_views

FORMAT = ClassicFormat()
BINDING = Binding(b"n" * 32)


class Author:
    """Somebody with a key; remembers what was written."""

    def __init__(self, seed: int) -> None:
        self.identity = generate_identity(random.Random(seed).randbytes(32))
        self.id = self.identity.id
        self.messages: list[Message] = []

    @property
    def state(self) -> FeedState | None:
        if not self.messages:
            return None
        return FeedState(len(self.messages), self.messages[-1].key)

    def write(self, *contents: dict[str, object]) -> list[RawMessage]:
        """Write further messages of the feed."""
        first = len(self.messages)
        for content in contents:
            data = json.dumps(content).encode()
            stamp = 1.5e12 + len(self.messages)
            self.messages.append(FORMAT.create(data, self.identity, self.state, stamp))
        return self.sent[first:]

    def write_private(self, text: str) -> list[RawMessage]:
        """Write a private message, whose content is a text."""
        made = FORMAT.create(json.dumps(text).encode(), self.identity, self.state, 1.5e12)
        self.messages.append(made)
        return self.sent[-1:]

    def posts(self, count: int) -> list[RawMessage]:
        return self.write(*({"type": "post", "text": f"{n} of {count}"} for n in range(count)))

    @property
    def sent(self) -> list[RawMessage]:
        """Everything written, as a peer would give it."""
        return [RawMessage(m.author, m.sequence, m.data) for m in self.messages]

    @staticmethod
    def spoil(message: RawMessage) -> RawMessage:
        """The same message with a well-formed signature that does not fit."""
        value = json.loads(message.data)
        value["signature"] = "A" * 86 + "==.sig.ed25519"
        data = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        return RawMessage(message.author, message.sequence, data)

    def again_from(self, sequence: int) -> "Author":
        """The same key on another machine, where nothing after ``sequence`` is known."""
        other = Author(0)
        other.identity = self.identity
        other.id = self.id
        other.messages = self.messages[:sequence]
        return other


OpenStore = Callable[..., Store]


@pytest.fixture(scope="session")
def author() -> Callable[[int], Author]:
    """Make somebody from a seed."""
    return Author


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[OpenStore]:
    """Open the store of this test, again and again if it was closed meanwhile."""
    opened: list[Store] = []

    def open_it(
        *,
        directory: Path = tmp_path / "peer",
        views: Sequence[View] | None = None,
        binding: Binding = BINDING,
        **options: object,
    ) -> Store:
        store = Store.open(
            directory,
            binding=binding,
            formats={"classic": ClassicFormat(binding.hmac_key)},
            views=base_views() if views is None else views,
            signature_threads=1,
            **options,
        )
        opened.append(store)
        return store

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def chain_elsewhere(monkeypatch: pytest.MonkeyPatch) -> Callable[[Store], None]:
    """Have a store give every batch to the process that chains, however small it is."""

    def begin(store: Store) -> None:
        monkeypatch.setattr(chainer, "WORTH_MESSAGES", 1)
        store.chainer.start()
        give_up = time.monotonic() + 30
        while not store.chainer.is_ready:
            assert time.monotonic() < give_up, "the process does not start"
            time.sleep(0.002)

    return begin


@pytest.fixture
def store(open_store: OpenStore) -> Store:
    return open_store()


@pytest.fixture(scope="session")
def open_store_in(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[], AbstractContextManager[Store]]:
    """Open new stores in a row, for properties."""

    @contextmanager
    def open_new() -> Iterator[Store]:
        store = Store.open(
            tmp_path_factory.mktemp("peer"),
            binding=BINDING,
            formats={"classic": FORMAT},
            views=base_views(),
            signature_threads=1,
        )
        try:
            yield store
        finally:
            store.close()

    return open_new
