"""A story: a peer that is killed again and again, and a partner who never is and remembers it all.

The partner is a real peer with everybody's messages. It is the judge of forks, too: once it holds a
message of the one who is killed, it takes no other one in its place.
"""

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from checks import claim
from forked import WAIT_S_MAX, Ended, Forked
from lichen_peer import LocalSocket
from peers import PeerError
from people import FOLLOWED, Person, crowd, lowered_text

from lichen.feed.message import FeedId, MsgId
from lichen.node.home import Home

CONTACT = "contact"


class Killed(Exception):  # noqa: N818 (says what is the case)
    """The peer was killed while something was asked of it."""


class Partner:
    """The peer that is not killed."""

    def __init__(self, home: Path) -> None:
        self.process = Forked(home, None)
        started = self.process.hear_started()
        self.feed = FeedId(started["id"])
        self.address: str = started["addresses"][0]
        self.api = LocalSocket(Home(home).socket)

    def holds(self, feed: FeedId, after: int) -> dict[int, MsgId]:
        """Return which messages of a feed it has."""
        return keys_of(self.api, feed, after)

    def stop(self) -> None:
        """Stop it in good order."""
        self.api.close()
        assert self.process.stop() == 0

    def end(self) -> None:
        """Make sure that nothing of it is left."""
        self.api.close()
        self.process.end()


class Story:
    """One folder, one partner, and what is known of both."""

    def __init__(
        self, folder: Path, seed: str, plant: Callable[[pytest.MonkeyPatch], None] | None
    ) -> None:
        self.rng = Random(seed)
        self.folder = folder
        self.home = folder / "peer"
        self.plant = plant
        self.partner = Partner(folder / "partner")
        self.own: FeedId | None = None
        self.told: dict[int, MsgId] = {}
        self.held: dict[int, MsgId] = {}
        """Own messages that the partner has."""
        self.blobs: set[str] = set()
        """Blobs that the peer said it has."""
        self.backups: dict[Path, int] = {}
        """Finished backups, and the last own message that was told of before."""
        self.ready_s = 0.3
        self.is_killed = False
        self.was_ready = False
        self._has_followed = False
        self._process: Forked | None = None

    @property
    def process(self) -> Forked:
        """The peer that runs now."""
        assert self._process is not None, "the peer was not started"
        return self._process

    def be_killed(self, act: Callable[["Story", LocalSocket], None]) -> None:
        """Start the peer, have it do something, and kill it at an instant drawn by chance."""
        is_early = self.rng.random() < 0.3
        self.is_killed = self.was_ready = False
        self._process = Forked(self.home, self.plant)
        with self._alarm():
            if is_early:
                signal.setitimer(signal.ITIMER_REAL, self.rng.uniform(0.001, self.ready_s * 1.3))
            try:
                with self._open() as api:
                    if not self.is_killed and not is_early:
                        wait_s = self.rng.choice((0.02, 0.1, 0.3)) * self.rng.random()
                        signal.setitimer(signal.ITIMER_REAL, 0.001 + wait_s)
                    self.befriend(api)
                    act(self, api)
            except (OSError, PeerError, Ended) as fault:
                self._expect_death(fault)
            while not self.is_killed:
                time.sleep(0.01)
        code = self.process.wait()
        assert code == -signal.SIGKILL, f"it ended with {code}: {self.printed()}"

    @contextlib.contextmanager
    def running(self) -> Iterator[LocalSocket]:
        """Run the peer and stop it in good order."""
        self.is_killed = False
        self._process = Forked(self.home, self.plant)
        try:
            with self._open() as api:
                yield api
        except Ended:
            raise AssertionError(f"the peer did not start again: {self.printed()}") from None
        code = self.process.stop()
        assert code == 0, f"it ended with {code}: {self.printed()}"

    def befriend(self, api: LocalSocket) -> None:
        """Follow whom there is to follow, once, and connect to the partner."""
        if not self._has_followed:
            followed = [self.partner.feed, *(person.id for person in crowd(*FOLLOWED))]
            self.publish(api, [follow(feed) for feed in followed])
            self._has_followed = True
        self.connect(api)

    def connect(self, api: LocalSocket) -> None:
        """Connect to the partner unless the peer has done so by itself."""
        if not json.loads(api.call("conn.peers")):
            with contextlib.suppress(PeerError):  # both may dial at once
                api.call("conn.connect", self.partner.address)

    def publish(self, api: LocalSocket, contents: list[Any]) -> None:
        """Publish, and remember what the peer said of it."""
        for each in json.loads(api.call("lichen.publishMany", contents)):
            sequence, key = each["sequence"], MsgId(each["key"])
            for other in (self.told.get(sequence), self.held.get(sequence)):
                claim(other in (None, key), f"own message {sequence} was written twice: a fork")
            self.told[sequence] = key

    def look_at_partner(self) -> None:
        """Remember which own messages the partner has."""
        if self.own is not None:
            self.held.update(self.partner.holds(self.own, max(self.held, default=0)))

    def end(self) -> None:
        """Make sure that neither peer is left."""
        if self._process is not None:
            self._process.end()
        self.partner.end()

    def printed(self) -> str:
        """Return what the peer last wrote to standard error."""
        printed = self.process.printed
        return printed.read_text(errors="replace")[-2000:] if printed.exists() else ""

    @contextlib.contextmanager
    def _open(self) -> Iterator[LocalSocket]:
        began = time.monotonic()
        started = self.process.hear_started()
        self.was_ready = True
        self.ready_s = 0.7 * self.ready_s + 0.3 * (time.monotonic() - began)
        if self.own is None:
            self.own = FeedId(started["id"])
            self.partner.api.call("publish", follow(self.own))
        assert self.own == started["id"], "it became somebody else"
        with contextlib.closing(LocalSocket(Home(self.home).socket)) as api:
            yield api

    @contextlib.contextmanager
    def _alarm(self) -> Iterator[None]:
        def kill(_number: int, _frame: object) -> None:
            self.is_killed = True
            self.process.kill()

        before = signal.signal(signal.SIGALRM, kill)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _expect_death(self, fault: Exception) -> None:
        """Make sure that a fault came of the kill."""
        deadline = time.monotonic() + 1
        while not self.is_killed and time.monotonic() < deadline:
            time.sleep(0.01)
        if not self.is_killed:
            raise AssertionError(f"not killed, yet: {fault!r}; {self.printed()}") from fault


def keys_of(api: LocalSocket, feed: FeedId, after: int = 0) -> dict[int, MsgId]:
    """Return the messages of a feed that a peer has, by sequence."""
    asked = {"id": feed, "seq": after + 1, "keys": True, "values": True}
    items = (json.loads(item) for item in api.source("createHistoryStream", asked))
    return {item["value"]["sequence"]: MsgId(item["key"]) for item in items}


def follow(feed: FeedId) -> dict[str, Any]:
    """Return a message that follows somebody."""
    return {"type": CONTACT, "contact": feed, "following": True}


def write_file(path: Path, persons: tuple[Person, ...], lowered_share: float = 0.0) -> None:
    """Write messages as ``lichen import`` reads them, some with lowered letters."""
    rng = Random(1)
    with path.open("wb") as file:
        for person in persons:
            for message in person.messages:
                is_lowered = rng.random() < lowered_share
                data = lowered_text(message.data) if is_lowered else message.data
                file.write(b'{"key":"%s","value":%s}\n' % (message.key.encode(), data))


def make_partner(folder: Path) -> None:
    """Make the partner's folder: everybody's messages, and blobs."""
    file = folder / "followed.jsonl"
    write_file(file, crowd(*FOLLOWED))
    partner = Partner(folder / "partner")
    for line in partner.api.source("lichen.importFile", {"path": str(file)}):
        told = json.loads(line)
    assert told["done"], told
    for number, size in enumerate((10, 5_000, 200_000, 900_000)):
        blob = folder / "blob"
        blob.write_bytes(Random(number).randbytes(size))
        partner.api.call("blobs.addFile", {"path": str(blob)})
    contents = [follow(person.id) for person in crowd(*FOLLOWED)]
    partner.api.call("lichen.publishMany", contents)
    partner.stop()


def wait_until(is_so: Callable[[], bool], words: str) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + WAIT_S_MAX
    while not is_so():
        assert time.monotonic() < deadline, words
        time.sleep(0.02)
