"""Killed in the middle of writing, again and again: nothing that was promised is lost."""

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.message import ChainedMessage, FeedState, Message, RawMessage
from lichen.store.store import Binding, Store
from lichen.store.views import base_views

ROUNDS = 4

WRITER = """
import pickle, sys
from pathlib import Path
from lichen.feed.formats.classic import ClassicFormat
from lichen.store.store import Binding, Store
from lichen.store.views import base_views

folder, material = Path(sys.argv[1]), Path(sys.argv[2])
identity, messages = pickle.loads(material.read_bytes())
store = Store.open(folder, binding=Binding(b"n" * 32), formats={"classic": ClassicFormat()},
                   views=base_views(), signature_threads=1)
print("clean" if store.local.begin_run() else "unclean", flush=True)
done = store.log.last_no - store.log.received(identity.id)
while done < len(messages):
    waiting = store.ingest(messages[done:done + 7])
    published = store.publish([b'{"type":"post","text":"mine"}'] * 3, identity, 1.6e12)
    done += waiting.result().count
    print("own", published.result()[-1].sequence, flush=True)
    print("others", done, flush=True)
print("end", flush=True)
"""


def check(directory: Path) -> tuple[Store, dict[str, int]]:
    """Open what was left, and verify every message from its bytes."""
    form = ClassicFormat()
    store = Store.open(
        directory,
        binding=Binding(b"n" * 32),
        formats={"classic": form},
        views=base_views(),
        signature_threads=1,
    )
    states: dict[str, FeedState] = {}
    for stored in store.log.since(0, 10**6):
        raw = form.parse(stored.data)
        assert isinstance(raw, RawMessage)
        chained = form.chain(raw, states.get(raw.author))
        assert isinstance(chained, ChainedMessage)
        assert isinstance(form.verify(chained), Message)
        assert chained.key == stored.key
        states[raw.author] = FeedState(chained.sequence, chained.key)
    assert {feed: state.sequence for feed, state in states.items()} == dict(store.log.clock())
    return store, {feed: state.sequence for feed, state in states.items()}


def test_kill_in_the_middle_of_writing(tmp_path: Path, author: Callable[[int], Any]) -> None:
    me, ada, bob = author(1), author(2), author(3)
    mixed = [m for pair in zip(ada.posts(500), bob.posts(500), strict=True) for m in pair]
    material, directory = tmp_path / "material", tmp_path / "peer"
    material.write_bytes(pickle.dumps((me.identity, mixed)))
    own = others = 0
    for round_no in range(ROUNDS):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(directory), str(material)],
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == ("unclean\n" if round_no else "clean\n")
            for number, line in enumerate(writer.stdout):
                word, _, count = line.strip().partition(" ")
                assert word != "end", "the writer was not killed in time"
                own = int(count) if word == "own" else own
                others = int(count) if word == "others" else others
                if number == 9 + round_no:
                    writer.send_signal(signal.SIGKILL)
                    break
        store, clock = check(directory)
        assert clock[me.id] >= own
        assert clock[ada.id] + clock[bob.id] >= others
        assert store.log.damage() == ""
        store.wait_folded().result(30)
        assert store.views.read("SELECT count(*) FROM messages") == [(store.log.last_no,)]
        # Looking must not make the end of the run look clean.
        store.close()
