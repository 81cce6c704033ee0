"""Data directories with messages of several people, and ways to damage them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from lichen.feed.formats.classic import ClassicFormat
from lichen.store.checking.signatures import SignatureThreads
from lichen.store.keeping.check import Check
from lichen.store.keeping.heal import Heal
from lichen.store.keeping.report import Depth, Healed, Report
from lichen.store.store import Store

FORMATS = {"classic": ClassicFormat()}
OpenStore = Callable[..., Store]


class Peer:
    """A closed data directory: the own feed, two others, a fork, a blob, a draft."""

    def __init__(
        self, directory: Path, open_store: OpenStore, author: Callable[[int], Any]
    ) -> None:
        self.directory = directory
        self._open_store = open_store
        self.me, self.ada, self.bob = author(1), author(2), author(3)
        store = self.open()
        store.bind_own(self.me.id)
        ada, bob = self.ada.posts(60), self.bob.posts(60)
        for start in range(0, 60, 10):
            # Turn by turn, so that every page of the log has messages of several feeds.
            mixed = [*ada[start : start + 10], *bob[start : start + 10], *self.me.posts(10)]
            store.ingest(mixed).result(30)
        other = author(4).again_from(0)
        store.ingest(other.write({"type": "post", "text": "one"})).result(10)
        store.ingest(author(4).again_from(0).write({"type": "post", "text": "two"})).result(10)
        self.blob = store.blobs.add(b"picture" * 1000, 1 << 20)
        store.local.save_draft("new", "begun", 1.0).result(10)
        store.wait_folded().result(30)
        store.local.begin_run()
        store.local.end_run().result(10)
        store.close()

    @property
    def log(self) -> Path:
        return self.directory / "log.db"

    def open(self) -> Store:
        return self._open_store(directory=self.directory)

    def change(self, sql: str, *bindings: Any, name: str = "log.db") -> None:
        """Change a file behind everybody's back."""
        db = apsw.Connection(str(self.directory / name))
        db.execute(sql, bindings)
        assert db.changes(), "the test changed nothing"
        db.close()

    def number_of(self, feed: str, sequence: int) -> int:
        db = apsw.Connection(str(self.log))
        found = db.execute(
            "SELECT received_no FROM messages JOIN feeds USING (feed_no)"
            " WHERE feed = ? AND sequence = ?",
            (feed, sequence),
        ).get
        db.close()
        assert isinstance(found, int)
        return found

    def overwrite_page(self, page: int, with_bytes: bytes = b"\xa5" * 64) -> None:
        """Damage the beginning of a page of the log; the first page is number 1."""
        with self.log.open("r+b") as file:
            file.seek((page - 1) * 8192)
            file.write(with_bytes)

    def page_of(self, text: bytes) -> int:
        """Return the page of the log that a text lies on."""
        return self.log.read_bytes().index(text) // 8192 + 1

    def check(self, depth: Depth = Depth.FULL) -> Report:
        threads = SignatureThreads(1)
        work = Check(self.directory, FORMATS, threads, depth, has_blobs=depth is Depth.FULL)
        steps = list(work.run())
        threads.close()
        assert all(0 <= step.count <= step.total for step in steps)
        return work.report

    def heal(self) -> Healed:
        threads = SignatureThreads(1)
        work = Heal(self.directory, FORMATS, threads)
        list(work.run(self.check().damages))
        threads.close()
        return work.result

    def named(self, depth: Depth = Depth.FULL) -> dict[str | None, int]:
        """Return the feeds that a check names, and from which sequence on."""
        return {d.feed: d.sequence for d in self.check(depth).damages if d.place == "feed"}


@pytest.fixture
def peer(tmp_path: Path, open_store: OpenStore, author: Callable[[int], Any]) -> Iterator[Peer]:
    return Peer(tmp_path / "peer", open_store, author)
