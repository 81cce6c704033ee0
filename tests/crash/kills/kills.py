"""Sudden death: the real peer, killed at instants drawn by chance, again and again.

``python tests/crash/kills/kills.py --kills 2000 --seed 1`` makes a campaign and prints the seed of
each story that fails; ``--story`` tells one of them again: with the same acts and the same
instants, as far as a machine with other work keeps to them.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TESTS / place) for place in ("crash", "crash/power", "crash/kills", "js")]

import apsw  # noqa: E402
import forked  # noqa: E402 (found by the line above)
import msgspec  # noqa: E402
from acts import SCENES  # noqa: E402
from checks import (  # noqa: E402
    Expected,
    LostError,
    audit,
    check_audit,
    check_chains,
    check_files,
    claim,
    rows_of,
)
from lives import all_views, by_turns  # noqa: E402
from people import FOLLOWED, FORMAT, IMPORTED, crowd  # noqa: E402
from planted_bugs import BUGS  # noqa: E402
from stories import (  # noqa: E402
    Story,
    keys_of,
    make_partner,
    wait_until,
    write_file,
)
from turns import Turns  # noqa: E402

from lichen.feed.message import FeedState, RawMessage  # noqa: E402
from lichen.node.home import network_key_default  # noqa: E402
from lichen.store.log import Stored  # noqa: E402
from lichen.store.store import Binding, Store  # noqa: E402

KILLS_PER_STORY = 12
LOWERED_SHARE = 0.03
"""How many messages of the imported file a relay has changed: the audit cuts their feeds."""
VIEWS_SHARE = 0.3
"""After how many kills views are compared with a rebuild, which takes longest."""
KNOWN_FILES = {
    "blobs", "local.db", "local.db-shm", "local.db-wal", "lock", "log.db", "log.db-shm",
    "log.db-wal", "run", "secret", "views.db", "views.db-shm", "views.db-wal",
}  # fmt: skip


class Tally(msgspec.Struct):
    """How much was done."""

    kills: int = 0
    early: int = 0
    """Kills before the peer served."""
    stories: int = 0


def tell(story: Story, tally: Tally, kills: int) -> None:
    """Kill a peer some times, look at what is left each time, and see it go on in the end."""
    weights = [scene.weight for scene in SCENES]
    for _ in range(kills):
        scene = story.rng.choices(SCENES, weights)[0]
        scene.before(story)
        story.be_killed(scene.act)
        tally.kills += 1
        tally.early += not story.was_ready
        story.look_at_partner()
        check_folder(story, has_views=story.rng.random() < VIEWS_SHARE)
    go_on(story)
    check_folder(story, has_views=True, is_stopped=True)
    story.partner.stop()
    strange = {path.name for path in story.home.iterdir()} - KNOWN_FILES
    claim(not strange, f"left behind: {strange}")
    tally.stories += 1


def go_on(story: Story) -> None:
    """Run on until both have everything of each other."""
    with story.running() as api:
        story.befriend(api)
        story.publish(api, [{"type": "post", "text": "well again"}])
        assert story.own is not None, "a running peer has said who it is"
        own, last = story.own, max(story.told)
        written = keys_of(api, own)
        for sequence, key in story.partner.holds(own, 0).items():
            claim(written.get(sequence) == key, f"own message {sequence} is a fork")
        wanted = {person.id: len(person.messages) for person in crowd(*FOLLOWED)}
        wanted[story.partner.feed] = max(story.partner.holds(story.partner.feed, 0))

        def has_all() -> bool:
            asked = [{"id": feed, "seq": last, "limit": 1} for feed, last in wanted.items()]
            return all(list(api.source("createHistoryStream", each)) for each in asked)

        wait_until(has_all, "it does not receive the rest")
        wait_until(
            lambda: bool(story.partner.holds(own, last - 1)), "the partner does not get the rest"
        )
        story.held = story.partner.holds(own, 0)
        findings = json.loads(api.call("lichen.doctor"))
        faults = [finding for finding in findings if finding["verdict"] == "fail"]
        claim(not faults, faults)


def check_folder(story: Story, *, has_views: bool, is_stopped: bool = False) -> None:
    """Look at a copy of what was left: the peer shall find it untouched."""
    if not (story.home / "log.db").exists():
        claim(not story.told, "the log is gone")
        return
    copy = story.folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(story.home, copy, ignore=shutil.ignore_patterns("*.socket"))
    notices: list[str] = []
    with by_turns():
        store = Store.open(
            copy,
            binding=Binding(network_key_default()),
            formats={"classic": FORMAT},
            views=all_views(),
            on_notice=notices.append,
            signature_threads=0,
        )
        try:
            claim(not notices, notices)
            check_files(copy)
            _check_messages(story, store)
            claim(not store.local.guard().is_guarded, "publishing waits for no reason")
            if story.was_ready:
                claim(store.local.begin_run() == is_stopped, "the mark of the run")
            _check_blobs(story, store)
            _check_backups(story)
            if has_views:
                _check_views(store, copy)
        finally:
            store.close()


def _check_messages(story: Story, store: Store) -> None:
    found = store.log.since(0, 10**6)
    check_chains(found, store)
    check_audit(found, store)
    own = [stored for stored in found if stored.feed == story.own]
    _check_own(own)
    keys = {stored.sequence: stored.key for stored in own}
    for words, promised in (("the publisher was told of", story.told), ("has", story.held)):
        for sequence, key in promised.items():
            claim(keys.get(sequence) == key, f"{words} own message {sequence}, which is not here")


def _check_own(own: list[Stored]) -> None:
    """Check the own feed from its bytes."""
    state: FeedState | None = None
    for stored in own:
        raw = FORMAT.parse(stored.data)
        assert isinstance(raw, RawMessage), raw
        chained = FORMAT.chain(raw, state)
        claim(getattr(chained, "key", None) == stored.key, f"own message {stored.sequence}")
        state = FeedState(stored.sequence, stored.key)


def _check_blobs(story: Story, store: Store) -> None:
    held = store.blobs.sizes()
    for blob in story.blobs:
        claim(blob in held, "a blob is lost")
    for blob in held:
        store.blobs.read(blob)


def _check_backups(story: Story) -> None:
    """A finished backup has all that was told before it began."""
    for path, last in story.backups.items():
        claim((path / "manifest.json").exists(), "a backup without its manifest")
        db = apsw.Connection(
            f"file:{path / 'log.db'}?immutable=1",
            flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI,
        )
        claim(db.pragma("integrity_check") == "ok", "a damaged backup")
        found = db.execute(
            "SELECT max(sequence) FROM messages JOIN feeds USING(feed_no) WHERE feed = ?",
            (story.own,),
        ).get
        db.close()
        claim(found is not None and found >= last, "a backup without the newest own messages")
        shutil.rmtree(path)
    story.backups.clear()


def _check_views(store: Store, directory: Path) -> None:
    audit(store)
    assert isinstance(store._writer, Turns)
    store._writer.fold()
    db = apsw.Connection(str(directory / "views.db"), flags=apsw.SQLITE_OPEN_READONLY)
    found = rows_of(db)
    db.close()
    wanted = Expected((), all_views()).rows(store.log.since(0, 10**6))
    for name, rows in wanted.items():
        claim(found.get(name) == rows, f"table {name} is not what a rebuild makes of the log")


@contextmanager
def template() -> Iterator[Path]:
    """Make a folder with what each story begins with."""
    forked.prepare()
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "template"
        made.mkdir()
        make_partner(made)
        write_file(made / "imported.jsonl", crowd(*IMPORTED), LOWERED_SHARE)
        yield made


def tell_story(made: Path, seed: str, tally: Tally, kills: int, bug: str | None = None) -> None:
    """Tell one story; what is wrong names its seed."""
    folder = made.parent / "story"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    story = Story(folder, seed, None if bug is None else BUGS[bug])
    try:
        tell(story, tally, kills)
    except Exception as fault:
        raise LostError(f"story {seed}, after {tally.kills} kills: {fault!r}") from fault
    finally:
        story.end()


def main() -> int:
    """Make a campaign, or tell one story again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", default=str(time.time_ns()))
    parser.add_argument("--story")
    parser.add_argument("--bug", choices=sorted(BUGS), help="plant a bug, to see it found")
    chosen = parser.parse_args()
    tally = Tally()
    began = time.monotonic()
    with template() as made:
        if chosen.story is not None:
            tell_story(made, chosen.story, tally, KILLS_PER_STORY, chosen.bug)
        else:
            print(f"seed {chosen.seed}", flush=True)
            while tally.kills < chosen.kills:
                kills = min(KILLS_PER_STORY, chosen.kills - tally.kills)
                tell_story(made, f"{chosen.seed}.{tally.stories}", tally, kills, chosen.bug)
    spent = time.monotonic() - began
    print(
        f"{tally.kills} kills in {tally.stories} stories ({tally.early} before it served),"
        f" nothing lost, {spent:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
