"""Lives of a store: what a peer asks of it, drawn from a seed, while its disk is recorded."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from disk import Image, Record
from memory import Asked, BlobDropped, BlobKept, Done, Noted, Published, Told
from people import FORMAT, identity_of, lowered, people, spoiled
from recorder import Recorder
from turns import AuditByTurns, Turns

from lichen.apps import all_apps
from lichen.feed.message import FeedId
from lichen.store import schema
from lichen.store import store as stores
from lichen.store.local import SavedAddress
from lichen.store.log import Stored
from lichen.store.store import Binding, Store
from lichen.store.views import View, base_views

BINDING = Binding(b"n" * 32)
BLOB_BYTES_MAX = 200_000
SETTING = "note"
PEERS = tuple(FeedId(f"@{letter * 43}=.ed25519") for letter in "PQR")
CHECKPOINTS = (32_768, 131_072, 16 * 1024 * 1024)
"""Sizes at which the write-ahead log is moved to the file: early, so that it happens in a life."""


def all_views() -> list[View]:
    """Return the views of a peer with all its apps."""
    return [*base_views(), *(view for app in all_apps() for view in app.views)]


@contextmanager
def by_turns(checkpoint_bytes: int = CHECKPOINTS[-1]) -> Iterator[None]:
    """Open stores without a thread of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores, "Writer", Turns)
        patch.setattr(stores, "Auditor", AuditByTurns)
        patch.setattr(schema, "CHECKPOINT_BYTES", checkpoint_bytes)
        yield


def open_store(
    directory: Path, views: Sequence[View], on_notice: Callable[[str], None], now_ms: float
) -> Store:
    """Open a store as the peer does."""
    return Store.open(
        directory,
        binding=BINDING,
        formats={"classic": FORMAT},
        views=views,
        on_notice=on_notice,
        clock_ms=lambda: now_ms,
        signature_threads=0,
    )


class Run(Recorder):
    """One run of a life: from a store's opening until the record ends."""

    def __init__(self, directory: Path, seed: str, own: str, noted: int) -> None:
        super().__init__(directory, seed)
        self.directory = directory
        self.rng = Random(seed)
        self.identity = identity_of(own)
        self.views = all_views() if Random(own).random() < 0.25 else base_views()
        self.noted = noted
        self.start: Image
        self.opened_at = 0
        """How long the record was when the store had opened."""
        self.logs: list[list[Stored]] = []
        """The log as it grew: before each message that was cut off, and at the end."""
        self.store: Store

    def live(self) -> list[Record]:
        """Live; return the record."""
        with by_turns(self.rng.choice(CHECKPOINTS)), self.recording() as start:
            self.start = start
            self._open()
            self.opened_at = len(self.records)
            for _ in range(self.rng.randint(8, 50)):
                act = self.rng.choices(ACTS, WEIGHTS)[0]
                act(self)
            self.logs.append(self.store.log.since(0, 10**6))
            self.store.close()
        return self.records

    @property
    def turns(self) -> Turns:
        """Return the writer."""
        assert isinstance(self.store._writer, Turns)
        return self.store._writer

    def _open(self) -> None:
        self.store = open_store(
            self.directory, self.views, _nothing, 1.7e12 + self.rng.randrange(10**9)
        )
        self.promise(Asked("bound", value=True))
        self.store.bind_own(self.identity.id)
        self.promise(Done("bound", value=True))
        self.promise(Asked("clean", value=False))
        self.store.local.begin_run()
        self.promise(Done("clean", value=False))
        contacts = self.store.wait_folded("contacts")
        while not contacts.done():
            self.turns.fold(1)

    def publish(self) -> None:
        """Publish one message, or a few at once."""
        if self.store.local.guard().is_guarded:
            return
        count = self.rng.choice((1, 1, 1, 4))
        text = "my " * self.rng.choice((1, 5, 400))
        contents = [b'{"type":"post","text":"%s"}' % text.encode()] * count
        future = self.store.publish(contents, self.identity, 1.7e12)

        def tell(_done: object) -> None:
            for message in future.result():
                self.promise(Published(message.sequence, message.key))

        future.add_done_callback(tell)

    def receive(self) -> None:
        """Receive what follows in somebody's feed."""
        person = self.rng.choice(people())
        held = self.store.log.received(person.id)
        batch = person.after(held, self.rng.choice((1, 1, 3, 20)))
        if batch:
            self.store.ingest(batch)

    def receive_chained(self) -> None:
        """Receive what is audited later, from a peer that may have lowered letters."""
        person = self.rng.choice(people())
        held = self.store.log.received(person.id)
        batch = person.after(held, self.rng.choice((3, 20)))
        for place in range(len(batch) - 1):
            if self.rng.random() < 0.15:
                batch[place] = lowered(batch[place])
        self.store.ingest(batch, source=PEERS[0], verifies_all=False)

    def audit(self) -> None:
        """Check the signatures of a stretch or two."""
        for _ in range(self.rng.randint(1, 4)):
            before, cuts = self.store.log.since(0, 10**6), self.store.log.cuts
            assert isinstance(self.store._auditor, AuditByTurns)
            self.store._auditor.check_some(1)
            if cuts != self.store.log.cuts:
                self.logs.append(before)

    def receive_badly(self) -> None:
        """Receive what is refused: forged, out of order, here already, a fork."""
        person = self.rng.choice(people())
        held = self.store.log.received(person.id)
        batch = person.after(max(0, held - 1), 6)
        batch[-1:] = [spoiled(message) for message in batch[-1:]]
        self.rng.shuffle(batch)
        if person.fork is not None and self.rng.random() < 0.3:
            batch.append(person.fork)
        self.store.ingest(batch)

    def much_at_once(self) -> None:
        """Let several things share a transaction."""
        with self.turns.held():
            for _ in range(self.rng.randint(2, 6)):
                self.rng.choice((Run.receive, Run.publish, Run.receive_chained, Run.note))(self)

    def fold(self) -> None:
        """Bring views forward."""
        self.turns.fold(self.rng.choice((1, 1, 10**6)))

    def note(self) -> None:
        """Note a number in several places; a number is nowhere before those below it."""
        self.noted += 1
        local = self.store.local
        self.promise(Noted(self.noted))
        local.set_setting(SETTING, self.noted)
        local.save_draft(f"draft {self.noted}", "x" * self.rng.randrange(1, 3000), 1.0)
        local.save_address(SavedAddress("net:127.0.0.1:1~shs:x", PEERS[0], failures=self.noted))

    def meet(self) -> None:
        """Have a session with a peer: it learns what is here, and what it has is kept."""
        peer = self.rng.choice(PEERS)
        self.promise(Told(peer, dict(self.store.log.clock())))
        for _ in range(self.rng.randint(0, 3)):
            self.rng.choice((Run.receive, Run.publish))(self)
            self.promise(Told(peer, dict(self.store.log.clock())))
        self.store.local.save_clock(peer, dict(self.store.log.clock()))

    def guard(self) -> None:
        """Close or open publishing."""
        is_guarded = not self.store.local.guard().is_guarded
        self.promise(Asked("guarded", value=is_guarded))
        self.store.local.save_guard(is_guarded, PEERS[:1]).result()
        self.promise(Done("guarded", value=is_guarded))

    def add_blob(self) -> None:
        """Keep a blob."""
        data = self.rng.randbytes(self.rng.choice((10, 600, 70_000)))
        self.promise(BlobKept(self.store.blobs.add(data, BLOB_BYTES_MAX), data))

    def fetch_blob(self) -> None:
        """Receive a blob piece by piece, perhaps not to its end; or throw one away."""
        held = sorted(self.store.blobs.sizes())
        if held and self.rng.random() < 0.3:
            blob = self.rng.choice(held)
            self.promise(BlobDropped(blob))
            self.store.blobs.remove(blob)
            return
        pieces = [self.rng.randbytes(self.rng.choice((1, 512, 9000))) for _ in range(3)]
        with self.store.blobs.begin(BLOB_BYTES_MAX) as draft:
            for piece in pieces:
                draft.write(piece)
                self.receive()
            if self.rng.random() < 0.7:
                self.promise(BlobKept(draft.finish(), b"".join(pieces)))

    def restart(self) -> None:
        """End the run well and begin another, or begin another as after a kill."""
        if self.rng.random() < 0.8:
            self.promise(Asked("clean", value=True))
            self.store.local.end_run().result()
            self.promise(Done("clean", value=True))
        self.store.close()
        self._open()


ACTS: tuple[Callable[[Run], None], ...] = (
    Run.receive, Run.receive_chained, Run.audit, Run.publish, Run.much_at_once, Run.fold,
    Run.note, Run.meet, Run.receive_badly, Run.guard, Run.add_blob, Run.fetch_blob, Run.restart,
)  # fmt: skip
WEIGHTS = (2, 6, 5, 4, 3, 5, 3, 3, 1, 0.5, 0.5, 0.5, 1)


def _nothing(_words: str) -> None:
    """Notices are looked at when the power is back."""
