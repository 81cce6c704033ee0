"""Checking a data directory: structure, chain, signatures, proofs of forks, blobs.

Nothing is changed, and nothing but reading is needed: the check works on a folder that nobody uses
and beside a running peer. It is a generator of ``Progress``, so that whoever drives it can pause it
or give it up; what it finds stands in ``report``.
"""

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, suppress
from pathlib import Path

import apsw

from lichen.feed.formats import FeedFormat
from lichen.feed.identity import parse_secret_file
from lichen.feed.message import ChainedMessage, FeedId, Message, RawMessage, Reason, prove_fork
from lichen.feed.refs import blob_key_bytes, is_feed_id, msg_key_bytes
from lichen.store.binding import LOG_FILE, is_binding
from lichen.store.blobs import BLOBS_FOLDER, find_blobs
from lichen.store.checking.signatures import SignatureThreads
from lichen.store.errors import DAMAGED, StoreError, opening, reason_of
from lichen.store.keeping.files import (
    LOCAL_FILE,
    SCHEMAS,
    SECRET_FILE,
    open_for_looking,
    refuse_newer_files,
    structure_faults,
)
from lichen.store.keeping.judge import Judge, Judged
from lichen.store.keeping.report import Damage, Depth, Progress, Report
from lichen.store.keeping.walk import SLICE_ROWS, UNREADABLE, Unread, last_number, places, walk
from lichen.store.local import LOCAL_SCHEMA, Local, LogEnd
from lichen.store.log.writer import is_possible
from lichen.store.schema import Readers, is_absent
from lichen.store.writer import Job
from lichen.words import N_, phrase_of

DAMAGES_MAX = 1_000
"""Damages that are listed; what is found beyond is counted."""
BLOBS_PER_PROGRESS = 20
"""Blobs hashed between two signs of life: 100 MiB at most with the usual limit of a blob."""

_MISSING = N_("this message is missing")
_UNREADABLE = N_("this message cannot be read from the disk")
_OTHER_KEY = N_("the log keeps this message under the id of another one")
_OTHER_PLACE = N_("the log keeps this message in the place of another one")
_OTHER_TEXT = N_("the text is not written as messages are")


class Check:
    """One check of one directory."""

    def __init__(
        self,
        directory: Path,
        formats: Mapping[str, FeedFormat],
        threads: SignatureThreads,
        depth: Depth,
        *,
        has_blobs: bool = False,
        rows_max: int = SLICE_ROWS,
    ) -> None:
        self.report = Report(depth)
        self._directory = directory
        self._formats = formats
        self._threads = threads
        self._has_blobs = has_blobs
        self._rows_max = rows_max
        self._named: set[FeedId] = set()

    def run(self) -> Iterator[Progress]:
        """Check everything; yields how far it is. Raises ``NewerFormat``."""
        refuse_newer_files(self._directory)
        yield from self._structure()
        path = self._directory / LOG_FILE
        if is_absent(path):
            self._found(Damage("log", N_("nothing is in it any more")))
        else:
            with closing(open_for_looking(path)) as db:
                try:
                    yield from self._log(db, path)
                except UNREADABLE as error:
                    self._found(Damage("log", phrase_of(reason_of(error))))
        if self._has_blobs:
            yield from self._blobs()

    def _structure(self) -> Iterator[Progress]:
        is_quick = self.report.depth is Depth.QUICK
        for number, (name, schema) in enumerate(SCHEMAS.items()):
            yield Progress("structure", number, len(SCHEMAS))
            path = self._directory / name
            faults = structure_faults(path, schema, is_quick=is_quick)
            if name == LOCAL_FILE and not faults:
                faults = _local_faults(path)
            for words in faults:
                self._found(Damage(schema.name, words))
        yield Progress("structure", len(SCHEMAS), len(SCHEMAS))

    def _log(self, db: apsw.Connection, path: Path) -> Iterator[Progress]:
        feeds = _read_feeds(db)
        self.report.feeds = len(feeds)
        with suppress(*UNREADABLE):  # the structure has said it
            self._facts(db, path, feeds)
        if self.report.depth is Depth.QUICK:
            self._gaps(db, feeds)
        else:
            yield from self._messages(db, path, feeds)
            yield from self._forks(db, feeds)

    def _facts(
        self, db: apsw.Connection, path: Path, feeds: Mapping[int, tuple[FeedId, str]]
    ) -> None:
        """See whether what the log says of itself can be true."""
        for feed, name in feeds.values():
            if not is_feed_id(feed) or name not in self._formats:
                self._found(Damage("log", N_("there are messages of a feed that has no id")))
        facts = dict(db.execute("SELECT name, value FROM meta"))
        keys = (facts.get("network_key"), facts.get("hmac_key"))
        if keys != (None, None) and not is_binding(*keys):
            self._found(Damage("log", N_("it does not say to which network it belongs")))
        if self._is_of_nobody(facts.get("own"), {feed for feed, _ in feeds.values()}):
            self._found(Damage("log", N_("it does not say whose it is")))
        count: int = db.execute("SELECT count(*) FROM messages INDEXED BY messages_by_feed").get
        last, given = last_number(db, path), facts.get("last_no", 0)
        if not isinstance(given, int) or not is_possible(max(last, given), count):
            self._found(Damage("log", N_("a message has a number that was never given")))

    def _is_of_nobody(self, own: object, feeds: set[FeedId]) -> bool:
        """Tell whether the log names an own feed that is none, although that of the key is here."""
        if own is None or (isinstance(own, bytes) and own.decode("utf-8", "replace") in feeds):
            return False
        try:
            secret = (self._directory / SECRET_FILE).read_text(encoding="utf-8")
            return parse_secret_file(secret).id in feeds
        except (OSError, ValueError):
            return False

    def _gaps(self, db: apsw.Connection, feeds: Mapping[int, tuple[FeedId, str]]) -> None:
        """See by the index alone whether a feed has a gap."""
        for feed_no, count, first, last in db.execute(
            "SELECT feed_no, count(*), min(sequence), max(sequence)"
            " FROM messages INDEXED BY messages_by_feed GROUP BY feed_no"
        ):
            self.report.messages += count
            if feed_no not in feeds:
                self._found(Damage("log", N_("there are messages of a feed that has no id")))
            elif first != 1 or count != last:
                missing = _first_missing(db, feed_no)
                self._feed_damage(feeds[feed_no][0], missing, _MISSING)

    def _messages(
        self, db: apsw.Connection, path: Path, feeds: Mapping[int, tuple[FeedId, str]]
    ) -> Iterator[Progress]:
        """Read every message and have it judged."""
        judge = Judge(self._formats, {no: name for no, (_, name) in feeds.items()}, self._threads)
        checks_signatures = self.report.depth is Depth.FULL
        last = last_number(db, path)
        unread: list[Unread] = []
        for rows in walk(db, last, self._rows_max):
            if isinstance(rows, Unread):
                unread.append(rows)
                continue
            for judged in judge.judge(rows, checks_signatures=checks_signatures):
                self._note(judged, feeds, judge)
            self.report.messages += len(rows)
            self.report.signatures = judge.signatures
            yield Progress("messages", rows[-1][0], last)
        if unread:
            self._note_unread(places(db, unread), feeds)
        self._note_shorter(db, feeds, judge, last)
        if not checks_signatures:
            for head in judge.bad_heads():
                self._feed_damage(head.author, head.sequence, phrase_of(Reason.SIGNATURE.value))
        self.report.signatures = judge.signatures
        yield Progress("messages", last, last)

    def _note(self, judged: Judged, feeds: Mapping[int, tuple[FeedId, str]], judge: Judge) -> None:
        """Note what is wrong with a message, and where the log contradicts it."""
        _, feed_no, sequence, key, _, data = judged.row
        feed = feeds[feed_no][0] if feed_no in feeds else judged.author
        message = judged.message
        if feed is None:
            self._found(Damage("log", N_("there are messages of a feed that has no id")))
        elif feed_no not in feeds:
            self._feed_damage(feed, sequence, _OTHER_PLACE)
        elif message is not None:
            if (message.author, message.sequence) != (feed, sequence):
                self._feed_damage(feed, sequence, _OTHER_PLACE)
            elif msg_key_bytes(message.key) != key:
                self._feed_damage(feed, sequence, _OTHER_KEY)
            elif message.data != data:
                self._feed_damage(feed, sequence, _OTHER_TEXT)
        elif judged.reason is Reason.SEQUENCE_GAP and judged.author == feed:
            self._feed_damage(feed, judge.ended.get(feed, sequence), _MISSING)
        elif judged.reason is not None and judged.reason is not Reason.DEPENDS:
            self._feed_damage(feed, sequence, phrase_of(judged.reason.value))

    def _note_unread(
        self, first_unread: Mapping[int, int], feeds: Mapping[int, tuple[FeedId, str]]
    ) -> None:
        if not first_unread:
            self._found(Damage("log", N_("messages cannot be read, and not be named either")))
        for feed_no, sequence in first_unread.items():
            if feed_no in feeds:
                self._named.discard(feeds[feed_no][0])  # what follows is missing because of this
                self._drop(feeds[feed_no][0])
                self._feed_damage(feeds[feed_no][0], sequence, _UNREADABLE)

    def _note_shorter(
        self,
        db: apsw.Connection,
        feeds: Mapping[int, tuple[FeedId, str]],
        judge: Judge,
        last: int,
    ) -> None:
        """Find feeds whose last messages are in the index alone."""
        for feed_no, (feed, _) in feeds.items():
            newest = db.execute(
                "SELECT max(sequence) FROM messages INDEXED BY messages_by_feed"
                " WHERE feed_no = ? AND received_no <= ?",
                (feed_no, last),
            ).get
            state = judge.state(feed)
            held = 0 if state is None else state.sequence
            if isinstance(newest, int) and newest > held and feed not in judge.ended:
                self._feed_damage(feed, held + 1, _MISSING)

    def _forks(
        self, db: apsw.Connection, feeds: Mapping[int, tuple[FeedId, str]]
    ) -> Iterator[Progress]:
        """Prove every fork again."""
        total: int = db.execute("SELECT count(*) FROM forks").get
        for feed_no, *halves in db.execute(
            "SELECT feed_no, first_key, first_data, second_key, second_data FROM forks"
        ):
            feed, name = feeds.get(feed_no, (None, ""))
            if not is_fork_proved(halves, self._formats.get(name), feed):
                self._found(Damage("fork", N_("the proof that it is forked does not hold"), feed))
            self.report.forks += 1
            if self.report.forks % SLICE_ROWS == 0:
                yield Progress("forks", self.report.forks, total)

    def _blobs(self) -> Iterator[Progress]:
        """Hash every blob."""
        folder = self._directory / BLOBS_FOLDER
        found = list(find_blobs(folder))
        for number, (blob, path, _) in enumerate(found):
            if number % BLOBS_PER_PROGRESS == 0:
                yield Progress("blobs", number, len(found))
            try:
                with path.open("rb") as file:
                    is_whole = hashlib.file_digest(file, "sha256").digest() == blob_key_bytes(blob)
            except FileNotFoundError:
                continue  # it was thrown away meanwhile
            except OSError:
                is_whole = False
            self.report.blobs += 1
            if not is_whole:
                words = N_("the file does not hold the bytes of this blob")
                self._found(Damage("blob", words, blob=blob))
        yield Progress("blobs", len(found), len(found))

    def _feed_damage(self, feed: FeedId, sequence: int, words: str) -> None:
        """Note the first damage of a feed; what follows it does not count."""
        if feed not in self._named:
            self._named.add(feed)
            self._found(Damage("feed", words, feed, sequence))

    def _drop(self, feed: FeedId) -> None:
        self.report.damages = [
            damage
            for damage in self.report.damages
            if damage.place != "feed" or damage.feed != feed
        ]

    def _found(self, damage: Damage) -> None:
        if len(self.report.damages) < DAMAGES_MAX:
            self.report.damages.append(damage)
        else:
            self.report.omitted += 1


def is_fork_proved(
    halves: list[bytes], feed_format: FeedFormat | None, feed: FeedId | None
) -> bool:
    """Tell whether key and text of two messages prove that a feed is forked."""
    if feed_format is None or not all(isinstance(half, bytes) for half in halves):
        return False
    messages: list[Message] = []
    for key, data in (halves[:2], halves[2:]):
        raw = feed_format.parse(data)
        chained = feed_format.chain_alone(raw) if isinstance(raw, RawMessage) else raw
        message = feed_format.verify(chained) if isinstance(chained, ChainedMessage) else chained
        if not isinstance(message, Message) or msg_key_bytes(message.key) != key:
            return False
        messages.append(message)
    return messages[0].author == feed and prove_fork(*messages) is not None


def _local_faults(path: Path) -> list[str]:
    """Return why local.db cannot be read as a peer does; an older one is brought forward first."""
    if not path.exists():
        return []
    with closing(open_for_looking(path)) as db:
        if db.pragma("user_version") != LOCAL_SCHEMA.version:
            return []
        try:
            with opening(path):
                Local(db, Readers(path), _do_nothing, lambda: LogEnd(0, ""))
        except StoreError:
            return [phrase_of(DAMAGED)]
    return []


def _do_nothing(_job: Job) -> Future[None]:
    """Nothing is written while a file is looked at."""
    return Future()


def _read_feeds(db: apsw.Connection) -> dict[int, tuple[FeedId, str]]:
    return {
        number: (FeedId(feed), name)
        for number, feed, name in db.execute("SELECT feed_no, feed, format FROM feeds")
    }


def _first_missing(db: apsw.Connection, feed_no: int) -> int:
    expected = 1
    for (sequence,) in db.execute(
        "SELECT sequence FROM messages INDEXED BY messages_by_feed"
        " WHERE feed_no = ? ORDER BY sequence",
        (feed_no,),
    ):
        if sequence != expected:
            break
        expected += 1
    return expected
