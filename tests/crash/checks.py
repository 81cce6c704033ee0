"""What must hold when the power is back, whatever the disk has kept of what was not synced."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import apsw
from lives import SETTING, by_turns, open_store
from memory import Memory
from people import FORMAT, everybody, lowered_text, people
from turns import AuditByTurns, Turns

from lichen.feed.identity import Identity
from lichen.feed.message import FeedId, FeedState, Message, MsgId, RawMessage
from lichen.store.errors import PublishGuarded
from lichen.store.log import Stored
from lichen.store.store import Store
from lichen.store.views import View
from lichen.store.views.rows import decode_row

Rows = dict[str, list[tuple[object, ...]]]
GOES_ON = 5
"""Messages of each feed received after a cut: to see that it goes on; signatures take most time."""
FILES = ("log.db", "local.db", "views.db")


class LostError(AssertionError):
    """A promise was broken, or something on the disk is not what it should be."""


def claim(is_so: bool, words: object) -> None:
    """Raise what is wrong unless it is so."""
    if not is_so:
        raise LostError(words)


class Expected:
    """The log as it grew, up to each cut, and what views show of it."""

    def __init__(self, logs: Sequence[list[Stored]], views: Sequence[View]) -> None:
        self.logs = logs
        self.views = views
        self._rows: dict[tuple[int, ...], Rows] = {}

    def rows(self, log: Sequence[Stored]) -> Rows:
        """Return the rows of all views, folded from a log at once."""
        numbers = tuple(stored.received_no for stored in log)
        if numbers not in self._rows:
            with apsw.Connection(":memory:") as db:
                for view in self.views:
                    db.execute(view.schema)
                    kinds = getattr(view, "types", None)
                    rows = [decode_row(stored) for stored in log]
                    view.fold(db, [row for row in rows if kinds is None or row.type in kinds])
                self._rows[numbers] = rows_of(db)
            db.close()
        return self._rows[numbers]


def rows_of(db: apsw.Connection) -> Rows:
    """Return all rows of the tables that views have made."""
    tables = [
        name
        for (name,) in db.execute(
            "SELECT name FROM pragma_table_list WHERE type IN ('table', 'virtual')"
            " AND schema = 'main' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'view\\_%'"
            " ESCAPE '\\'"
        )
    ]
    return {
        name: sorted(db.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)
        for name in sorted(tables)
    }


def check_image(directory: Path, memory: Memory, expected: Expected, identity: Identity) -> Memory:
    """Open what a power cut left and look at everything. Returns what may be remembered of it."""
    notices: list[str] = []
    with by_turns():
        store = open_store(directory, expected.views, notices.append, 1.8e12)
        try:
            _check_notices(notices)
            check_files(directory)
            _check_log(store, memory, expected)
            _check_states(store, memory, identity)
            _check_notes(store, memory)
            _check_blobs(store, memory)
            _check_views(store, directory, expected)
            after = _remembered(store, memory)
            _check_future(store, identity)
        finally:
            store.close()
    return after


def _check_notices(notices: Sequence[str]) -> None:
    bad = [words for words in notices if "disagrees with the log" not in words]
    claim(not bad, bad)


def check_files(directory: Path) -> None:
    for name in FILES:
        db = apsw.Connection(str(directory / name), flags=apsw.SQLITE_OPEN_READONLY)
        found = db.execute("PRAGMA integrity_check(3)").fetchall()
        db.close()
        claim(found == [("ok",)], f"{name}: {found}")


def _check_log(store: Store, memory: Memory, expected: Expected) -> None:
    found = store.log.since(0, 10**6)
    is_known = any(found == log[: len(found)] for log in expected.logs)
    claim(is_known, "the log is not the beginning of what it was")
    claim(store.log.last_no >= max((s.received_no for s in found), default=0), "the last number")
    check_chains(found, store)
    check_audit(found, store)
    for sequence, key in memory.own.items():
        _check_own(store, sequence, key)


def _check_own(store: Store, sequence: int, key: MsgId) -> None:
    held = store.log.get(key)
    claim(held is not None and held.sequence == sequence, f"own message {sequence} is lost")


def check_chains(found: Sequence[Stored], store: Store) -> None:
    """Each feed is a chain without gaps, each key that of its text, and the clock says so."""
    states: dict[FeedId, FeedState] = {}
    for stored in found:
        state = states.get(stored.feed)
        claim(stored.sequence == (1 if state is None else state.sequence + 1), "a gap in a feed")
        states[stored.feed] = FeedState(stored.sequence, stored.key)
    clock = {feed: state.sequence for feed, state in states.items()}
    claim(clock == dict(store.log.clock()), "the clock is not that of the messages")


def check_audit(found: Sequence[Stored], store: Store) -> None:
    """Only what its author wrote is audited; what waits for it may have lowered letters."""
    written = {message.key: message.data for person in everybody() for message in person.messages}
    for stored in found:
        text = written.get(stored.key)
        if text is None or text == stored.data:
            continue
        claim(stored.data == lowered_text(text), "another text")
        claim(not store.log.is_audited(stored.feed, stored.sequence), "audited, yet never checked")


def _check_states(store: Store, memory: Memory, identity: Identity) -> None:
    is_bound = store.own() is not None
    claim(is_bound in memory.states["bound"], "whose log it is was forgotten")
    claim(store.own() in (None, identity.id), "the log is somebody else's")
    is_guarded = store.local.guard().is_guarded
    claim(is_guarded in memory.states["guarded"], f"the guard: {is_guarded}")
    is_clean = store.local.begin_run()
    claim(is_clean in memory.states["clean"], f"the end of the run: {is_clean}")
    for peer, told in memory.told.items():
        lost = {feed for feed, last in told.items() if store.log.received(feed) < last}
        kept = store.local.load_clock(peer)
        claim(is_clean or not kept, "an old clock is used after an unclean end")
        claim(not (kept and lost), "a peer that was told of lost messages is met with its clock")


def _check_notes(store: Store, memory: Memory) -> None:
    number = _noted(store)
    claim(number <= memory.noted, "a note from the future")
    drafts = _drafted(store)
    whole = set(range(1, number)) - memory.halved
    claim(whole <= drafts <= set(range(1, number + 1)), "notes are out of order")
    failures = max((saved.failures for saved in store.local.addresses()), default=0)
    claim(failures in drafts | memory.halved | {0}, "addresses are out of order")
    claim(failures >= max(whole, default=0), "an address is lost before a later note")


def _noted(store: Store) -> int:
    number = store.local.setting(SETTING)
    return number if isinstance(number, int) else 0


def _drafted(store: Store) -> set[int]:
    return {int(place.removeprefix("draft ")) for place in store.local.drafts()}


def _check_blobs(store: Store, memory: Memory) -> None:
    for blob, data in memory.blobs.items():
        claim(store.blobs.size(blob) == len(data), "a blob is lost")
        claim(store.blobs.read(blob) == data, "a blob is damaged")
    for blob in store.blobs.sizes():
        digest = hashlib.sha256(store.blobs.read(blob)).digest()
        claim(len(digest) == 32, "a blob cannot be read")


def _check_views(store: Store, directory: Path, expected: Expected) -> None:
    # A cut that was not finished is found again by the audit.
    audit(store)
    _writer(store).fold()
    claim(store.wait_folded().done(), "views do not come to an end")
    db = apsw.Connection(str(directory / "views.db"), flags=apsw.SQLITE_OPEN_READONLY)
    found = rows_of(db)
    faults = db.execute("SELECT * FROM view_faults").fetchall()
    db.close()
    claim(not faults, faults)
    rows = expected.rows(store.log.since(0, 10**6))
    claim(found.keys() == rows.keys(), "other tables than a rebuild makes")
    for name in rows:
        claim(found[name] == rows[name], f"table {name} is not what a rebuild makes of the log")


def _check_future(store: Store, identity: Identity) -> None:
    """The next own message follows the last one, and what is missing can be received."""
    store.bind_own(identity.id)
    before = store.log.received(identity.id)
    newest = store.log.at(identity.id, before)
    if store.local.guard().is_guarded:
        refused = store.publish([b'{"type":"post","text":"early"}'], identity, 1.7e12)
        claim(isinstance(refused.exception(), PublishGuarded), "the guard does not hold")
        store.local.save_guard(is_guarded=False)
    (message,) = store.publish([b'{"type":"post","text":"back"}'], identity, 1.7e12).result()
    raw = FORMAT.parse(message.data)
    assert isinstance(raw, RawMessage)
    state = None if newest is None else FeedState(before, newest.key)
    chained = FORMAT.chain(raw, state)
    claim(not isinstance(chained, Message) and chained.sequence == before + 1, "the next message")
    for person in people():
        missing = person.after(store.log.received(person.id), GOES_ON)
        result = store.ingest(missing).result()
        claim(not store.log.unaudited_count(), "an audit that does not end")
        if missing and not store.log.is_forked(person.id):
            claim(not result.rejected, result.rejected)
            claim(store.log.received(person.id) == missing[-1].sequence, "a feed does not go on")


def _remembered(store: Store, memory: Memory) -> Memory:
    """Return what is promised from now on: all that was, and what was found is on the disk."""
    after = memory.copy()
    after.noted = _noted(store)
    after.halved = set(range(1, after.noted + 1)) - _drafted(store)
    failures = max((saved.failures for saved in store.local.addresses()), default=0)
    after.halved |= set(range(failures + 1, after.noted + 1))
    return after


def audit(store: Store) -> None:
    """Check all signatures that wait for it."""
    assert isinstance(store._auditor, AuditByTurns)
    store._auditor.check_all()


def _writer(store: Store) -> Turns:
    assert isinstance(store._writer, Turns)
    return store._writer
