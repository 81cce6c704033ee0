"""Signatures that wait: when they are checked, what is written down, and what a false one does."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from lichen.feed.identity import Identity
from lichen.feed.message import FeedId, RawMessage, Reason
from lichen.store.audit import auditor
from lichen.store.audit.auditor import Audited, AuditFailed
from lichen.store.errors import OwnFeedUnaudited, StoreWriteFailed
from lichen.store.log import LOG_SCHEMA, LogWriter
from lichen.store.schema import Schema, open_for_writing
from lichen.store.store import Store
from lichen.store.views.base import IndexView, base_views

MakeAuthor = Callable[[int], Any]
OpenStore = Callable[..., Store]
CROOK = FeedId("@" + "C" * 43 + "=.ed25519")
FRIEND = FeedId("@" + "F" * 43 + "=.ed25519")


class Liar(Identity, frozen=True):
    """Signs well, but for messages that say so."""

    def sign(self, data: bytes) -> bytes:
        return super().sign(data + b"!" if b"unsigned" in data else data)


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit does nothing until somebody waits for it: messages seem to pour in for ever."""
    monkeypatch.setattr(auditor, "CALM_S", 1e6)
    monkeypatch.setattr(auditor, "WAIT_S_MAX", 1e6)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditor, "RETRY_S", 0.0)


def chain_first(store: Store, batch: list[RawMessage], source: FeedId | None = FRIEND) -> Any:
    return store.ingest(batch, source=source, verifies_all=False).result(10)


def audit(store: Store) -> None:
    store.wait_audited().result(10)


def audited_clock(store: Store) -> dict[FeedId, int]:
    audited = {feed: store.log.audited(feed) for feed in store.log.clock()}
    return {feed: sequence for feed, sequence in audited.items() if sequence}


def rows(store: Store) -> list[tuple[Any, ...]]:
    db = apsw.Connection(str(store.directory / "log.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return db.execute("SELECT first, last, source FROM unaudited").fetchall()
    finally:
        db.close()


def liars_feed(author: MakeAuthor, place: int, count: int) -> list[RawMessage]:
    """A feed with an unbroken chain, in which one message was never signed by its author."""
    liar = author(7)
    liar.identity = Liar(liar.identity.id, liar.identity.secret)
    texts = ["unsigned" if number == place else f"text {number}" for number in range(1, count + 1)]
    sent: list[RawMessage] = liar.write(*({"type": "post", "text": text} for text in texts))
    return sent


# What waits


@pytest.mark.usefixtures("paused")
def test_all_but_the_newest_waits_and_is_one_row(store: Store, author: MakeAuthor) -> None:
    ada = author(1)
    for _ in range(3):
        chain_first(store, ada.posts(5))
    assert store.log.received(ada.id) == 15
    assert store.log.audited(ada.id) == 0
    assert audited_clock(store) == {}
    assert rows(store) == [(1, 14, FRIEND)]
    assert not store.log.is_audited(ada.id, 14)
    assert store.log.is_audited(ada.id, 15)
    assert store.log.unaudited_count() == 14
    audit(store)
    assert rows(store) == []
    assert store.log.audited(ada.id) == 15
    assert audited_clock(store) == store.log.clock() == {ada.id: 15}
    assert store.log.unaudited_count() == 0


@pytest.mark.usefixtures("paused")
@pytest.mark.parametrize("change", ["last = last + 1024", "last = 0", "first = -1"])
def test_a_stretch_that_the_disk_has_changed_still_waits(
    open_store: OpenStore, author: MakeAuthor, change: str
) -> None:
    store = open_store()
    ada = author(1)
    chain_first(store, ada.posts(15))
    store.close()
    db = apsw.Connection(str(store.directory / "log.db"))
    db.execute(f"UPDATE unaudited SET {change}")
    db.close()
    store = open_store()
    assert store.log.audited(ada.id) == 0
    assert not any(store.log.is_audited(ada.id, sequence) for sequence in range(1, 15))
    audit(store)
    assert store.log.audited(ada.id) == 15


@pytest.mark.usefixtures("paused")
def test_a_text_beyond_ascii_is_checked_in_the_midst_of_what_waits(
    store: Store, author: MakeAuthor
) -> None:
    ada = author(1)
    texts = ("a", "\u0141", "b", "c")
    chain_first(store, ada.write(*({"type": "post", "text": text} for text in texts)))
    waiting, beyond, _, newest = store.log.run(ada.id, 1, 4, 1 << 20)
    assert not store.log.is_audited(ada.id, 2)
    assert not store.log.is_checked(waiting)
    assert store.log.is_checked(beyond)
    assert store.log.is_checked(newest)
    audit(store)
    assert store.log.is_checked(waiting)


@pytest.mark.usefixtures("paused")
def test_each_source_answers_for_its_own(store: Store, author: MakeAuthor) -> None:
    ada = author(1)
    chain_first(store, ada.posts(5))
    chain_first(store, ada.posts(5), CROOK)
    chain_first(store, ada.posts(5), None)
    assert rows(store) == [(1, 4, FRIEND), (6, 9, CROOK), (11, 14, None)]
    assert store.log.audited(ada.id) == 0


@pytest.mark.usefixtures("paused")
def test_what_cannot_wait_does_not(store: Store, author: MakeAuthor) -> None:
    ada, bob = author(1), author(2)
    weighty = [
        "contact",
        "group/add-member",
        "metafeed/announce",
        "invite-reply",
        "peer-invite/accept",
    ]
    contents = [{"type": kind} for kind in weighty]
    contents += [{"deep": {"type": "post"}, "type": "contact"}, {"type": "post", "text": "\u00e9"}]
    chain_first(store, ada.write(*contents))
    assert store.log.audited(ada.id) == len(contents)
    chain_first(store, bob.write({"deep": {"type": "contact"}, "type": "post"}, {"type": "post"}))
    assert store.log.audited(bob.id) == 0


@pytest.mark.usefixtures("paused")
def test_whole_checks_leave_nothing(open_store: OpenStore, author: MakeAuthor) -> None:
    ada, bob = author(1), author(2)
    store = open_store()
    store.ingest(ada.posts(5)).result(10)
    store.bind_own(bob.id)
    chain_first(store, bob.posts(5))
    assert store.log.unaudited_count() == 0
    store.close()
    store = open_store(verify="all")
    chain_first(store, ada.posts(5))
    assert store.log.unaudited_count() == 0


@pytest.mark.usefixtures("paused")
def test_an_earlier_file_is_brought_forward(
    open_store: OpenStore, author: MakeAuthor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = author(1)
    earlier = Schema(LOG_SCHEMA.name, LOG_SCHEMA.application_id, LOG_SCHEMA.steps[:1], 8192)
    store = open_store()
    store.ingest(ada.posts(3)).result(10)
    store.close()
    db = apsw.Connection(str(store.directory / "log.db"))
    db.execute("DROP TABLE unaudited")
    db.pragma("user_version", 1)
    db.close()
    open_for_writing(store.directory / "log.db", earlier).close()

    store = open_store()
    assert audited_clock(store) == {ada.id: 3}
    chain_first(store, ada.posts(3))
    assert rows(store) == [(4, 5, FRIEND)]


# When it is checked


@pytest.mark.usefixtures("paused")
def test_the_audit_goes_on_after_a_restart(
    open_store: OpenStore, author: MakeAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = author(1), author(2)
    store = open_store()
    chain_first(store, ada.posts(600))
    chain_first(store, bob.posts(3))
    store.close()
    store = open_store()
    assert audited_clock(store) == {}
    assert store.log.unaudited_count() == 601
    store.close()

    monkeypatch.setattr(auditor, "CALM_S", 0.0)
    store = open_store()
    wait_for(lambda: store.log.unaudited_count() == 0)
    assert audited_clock(store) == {ada.id: 600, bob.id: 3}


def test_the_audit_does_not_starve(
    open_store: OpenStore, author: MakeAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages pour in without end, and still it takes a turn now and then, and writes it down."""
    news: list[Any] = []
    store = open_store(on_audit=news.append)
    monkeypatch.setattr(auditor, "CALM_S", 1e6)
    monkeypatch.setattr(auditor, "WAIT_S_MAX", 0.01)
    ada = author(1)
    chain_first(store, ada.posts(300))
    wait_for(lambda: len(news) == 2)
    assert [each.feeds for each in news] == [((ada.id, 256),), ((ada.id, 300),)]


def test_the_audit_makes_way_for_a_sync_and_not_for_a_message_now_and_then(
    open_store: OpenStore, author: MakeAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    ada = author(1)
    chain_first(store, ada.posts(3))
    audit(store)
    monkeypatch.setattr(auditor, "CALM_S", 20.0)
    monkeypatch.setattr(auditor, "WAIT_S_MAX", 1e6)
    for _ in range(3):
        chain_first(store, ada.posts(2))
        assert chain_first(store, author(2).posts(300)[1:]).rejected
    wait_for(lambda: store.log.audited(ada.id) == 9)


def wait_for(holds: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if holds():
            return
        time.sleep(0.005)
    raise AssertionError("it never came to be")


def test_news_come_after_the_writing(open_store: OpenStore, author: MakeAuthor) -> None:
    news: list[Any] = []
    store = open_store(on_audit=lambda each: news.append((each, rows(store))))
    ada = author(1)
    chain_first(store, ada.posts(5))
    audit(store)
    assert news == [(Audited(((ada.id, 5),)), [])]


def test_an_own_feed_from_elsewhere_is_not_built_on_before_its_audit(
    store: Store, author: MakeAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = author(1)
    with monkeypatch.context() as patch:
        patch.setattr(auditor, "CALM_S", 1e6)
        chain_first(store, ada.posts(5))
        with pytest.raises(OwnFeedUnaudited):
            store.publish([b'{"type":"post"}'], ada.identity, 1.6e12).result(10)
    audit(store)
    (made,) = store.publish([b'{"type":"post"}'], ada.identity, 1.6e12).result(10)
    assert made.sequence == 6


# A signature that does not hold


def folded(store: Store) -> list[list[tuple[Any, ...]]]:
    store.wait_folded().result(10)
    return [
        sorted(store.views.read(f"SELECT * FROM {table}"), key=repr)
        for table in ("messages", "links", "contacts")
    ]


@pytest.mark.parametrize(("place", "more"), [(1, 0), (3, 2), (258, 0), (598, 2)])
def test_a_false_signature_ends_the_feed_before_it(
    open_store: OpenStore, author: MakeAuthor, place: int, more: int
) -> None:
    """Whether or not others' messages came after it."""
    news: list[Any] = []
    notices: list[str] = []
    store = open_store(on_audit=news.append, on_notice=notices.append)
    ada, bad = author(1), liars_feed(author, place, 600)
    follow = {"type": "contact", "contact": bad[0].author, "following": True}
    chain_first(store, ada.write(follow, {"type": "post", "root": "%" + "r" * 43 + "=.sha256"}))
    chain_first(store, bad, CROOK)
    chain_first(store, ada.posts(more))
    folded(store)
    store.local.end_run().result(10)
    audit(store)
    assert [each for each in news if isinstance(each, AuditFailed)] == [
        AuditFailed(bad[0].author, place, CROOK)
    ]
    expected = {ada.id: 2 + more, **({bad[0].author: place - 1} if place > 1 else {})}
    assert store.log.clock() == audited_clock(store) == expected
    assert rows(store) == []
    held = store.log.run(bad[0].author, 1, 1000, 10**7)
    assert [m.data for m in held] == [m.data for m in bad[: place - 1]]

    shown = folded(store)
    assert len(shown[0]) == 1 + more + place
    again = store.ingest(bad[place - 1 :]).result(10)
    assert again.rejected[0].reason is Reason.SIGNATURE
    last_no = store.log.last_no
    store.close()

    store = open_store(on_notice=notices.append)
    assert store.log.last_no == last_no
    assert not store.local.guard().is_guarded
    assert folded(store) == shown
    store.ingest(ada.posts(1)).result(10)
    assert store.log.at(ada.id, 3 + more).received_no == last_no + 1
    assert len(folded(store)[0]) == 2 + more + place
    assert not [words for words in notices if "disagrees" in words or "not the one" in words]


@pytest.mark.usefixtures("paused", "hurried")
@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_cut_that_is_interrupted_is_made_later(
    open_store: OpenStore,
    author: MakeAuthor,
    monkeypatch: pytest.MonkeyPatch,
    is_restarted: bool,
) -> None:
    """The views have let go of messages that the log still holds when the disk fails."""
    notices: list[str] = []
    store = open_store(on_notice=notices.append)
    bad = liars_feed(author, 5, 9)
    chain_first(store, bad)
    folded(store)
    failed: list[int] = []

    def fail(*_args: Any) -> None:
        failed.append(len(store.views.read("SELECT 1 FROM messages")))
        raise apsw.FullError

    with monkeypatch.context() as patch:
        patch.setattr(LogWriter, "cut", fail)
        store.wait_audited()
        wait_for(lambda: len(failed) > 0)
        store.wait_audited()
        wait_for(lambda: len(failed) > 1)
        if is_restarted:
            store.close()
    assert set(failed) == {4}
    if is_restarted:
        store = open_store(on_notice=notices.append)
    audit(store)
    assert store.log.clock() == {bad[0].author: 4}
    assert len(folded(store)[0]) == 4
    assert not [words for words in notices if "disagrees" in words], "it holds what will be left"


@pytest.mark.usefixtures("paused", "hurried")
def test_who_sent_it_is_remembered_whenever_the_peer_dies(
    open_store: OpenStore, author: MakeAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is there to be told of it, and the log is not cut yet."""
    store = open_store()
    chain_first(store, liars_feed(author, 5, 9), CROOK)
    with monkeypatch.context() as patch:
        patch.setattr(LogWriter, "cut", fail_with(apsw.FullError))
        with pytest.raises(StoreWriteFailed):
            audit(store)
        store.close()
    local = open_store().local
    assert local.distrusted() == (CROOK,)


@pytest.mark.usefixtures("paused", "hurried")
@pytest.mark.parametrize("step", ["mark_audited", "cut"])
def test_an_audit_that_cannot_be_written_down_is_told(
    store: Store, author: MakeAuthor, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    chain_first(store, author(1).posts(5) if step == "mark_audited" else liars_feed(author, 5, 9))
    with monkeypatch.context() as patch:
        patch.setattr(LogWriter, step, fail_with(apsw.FullError))
        with pytest.raises(StoreWriteFailed):
            audit(store)
    assert store.trouble is not None
    audit(store)
    assert store.trouble is None


def fail_with(fault: type[Exception]) -> Callable[..., None]:
    def fail(*_args: Any, **_named: Any) -> None:
        raise fault

    return fail


@pytest.mark.usefixtures("paused")
def test_views_that_cannot_let_go_are_made_anew(
    open_store: OpenStore, author: MakeAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(IndexView, "unfold")
    store = open_store(views=base_views())
    chain_first(store, liars_feed(author, 5, 9))
    assert len(folded(store)[0]) == 9
    audit(store)
    assert len(folded(store)[0]) == 4


def test_what_was_read_before_a_cut_marks_nothing_after_it(
    open_store: OpenStore, author: MakeAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    with monkeypatch.context() as patch:
        patch.setattr(auditor, "CALM_S", 1e6)
        ada = author(1)
        chain_first(store, liars_feed(author, 5, 9))
        audit(store)
        chain_first(store, ada.posts(5))
        old = auditor.Piece(ada.id, 1, 5, None, store.log.cuts - 1)
        store._auditor._register.mark_audited([old]).result(10)
        assert store.log.audited(ada.id) == 0
        store._auditor._register.cut(old, 2).result(10)
        assert store.log.received(ada.id) == 5


# Two texts for one place


def lowered(message: RawMessage) -> RawMessage:
    data = message.data.decode().encode("utf-16-le")[::2].decode("latin-1").encode()
    return RawMessage(message.author, message.sequence, data)


@pytest.fixture
def lowered_feed(author: MakeAuthor) -> tuple[Any, list[RawMessage]]:
    ada = author(1)
    ada.write(*({"type": "post", "text": f"\u0141 {n}"} for n in range(5)))
    return ada, [*map(lowered, ada.sent[:4]), ada.sent[4]]


@pytest.mark.usefixtures("paused")
def test_the_true_text_reveals_a_lowered_one(
    open_store: OpenStore, lowered_feed: tuple[Any, list[RawMessage]]
) -> None:
    """The audit, which was put off, takes its turn at once."""
    news: list[Any] = []
    store = open_store(on_audit=news.append)
    ada, lies = lowered_feed
    chain_first(store, lies, CROOK)
    assert store.log.received(ada.id) == 5
    result = chain_first(store, [ada.sent[2]])
    assert result.duplicates == ((ada.id, 3),)
    wait_for(lambda: store.log.received(ada.id) == 0)
    assert news == [AuditFailed(ada.id, 1, CROOK)]
    chain_first(store, ada.sent)
    audit(store)
    assert [m.data for m in store.log.run(ada.id, 1, 9, 10**6)] == [m.data for m in ada.sent]


@pytest.mark.usefixtures("paused")
def test_an_unsigned_other_text_is_refused_and_reveals_nothing(
    store: Store, author: MakeAuthor
) -> None:
    ada = author(1)
    real = ada.posts(5)
    chain_first(store, real)
    other = real[1].data.replace(b"of 5", "\u016ff 5".encode())
    result = chain_first(store, [RawMessage(ada.id, 2, other)], CROOK)
    assert [(r.sequence, r.reason) for r in result.rejected] == [(2, Reason.SIGNATURE)]
    assert result.duplicates == ()
    assert store.log.audited(ada.id) == 0
    assert not store.log.forked()


@pytest.mark.usefixtures("paused")
@pytest.mark.parametrize("together", [False, True])
def test_a_lowered_text_proves_no_fork(
    store: Store,
    lowered_feed: tuple[Any, list[RawMessage]],
    author: MakeAuthor,
    together: bool,
) -> None:
    """Only two validly signed messages do; the false one goes, and then the fork is seen."""
    ada, lies = lowered_feed
    twin = ada.again_from(1)
    (other,) = twin.write({"type": "post", "text": "from another machine"})
    if together:
        result = chain_first(store, [*lies, other])
    else:
        chain_first(store, lies)
        result = chain_first(store, [other])
    assert result.forks == ()
    assert [(r.sequence, r.reason) for r in result.rejected] == [(2, Reason.DEPENDS)]
    wait_for(lambda: store.log.clock() == {})
    chain_first(store, ada.sent)
    (proof,) = chain_first(store, [other]).forks
    assert (proof.first, proof.second) == (ada.messages[1], twin.messages[1])


def test_a_fork_is_proved_with_a_message_that_waits(store: Store, author: MakeAuthor) -> None:
    ada = author(1)
    ada.posts(3)
    twin = ada.again_from(1)
    twin.posts(2)
    result = chain_first(store, [*ada.sent, twin.sent[1], *ada.posts(2)])
    (proof,) = result.forks
    assert (proof.first, proof.second) == (ada.messages[1], twin.messages[1])
    audit(store)
    assert audited_clock(store) == {ada.id: 3}


@pytest.mark.usefixtures("paused")
@pytest.mark.parametrize("place", [1, 4])
def test_a_feed_that_is_cut_before_its_fork_comes_again(
    open_store: OpenStore, author: MakeAuthor, place: int
) -> None:
    """Else whoever lowers a letter of a forked feed could keep all after it from here for good."""
    store = open_store()
    ada = author(1)
    ada.write(*({"type": "post", "text": f"\u0141 {n}"} for n in range(5)))
    lies = [*ada.sent]
    lies[place] = lowered(lies[place])
    twin = ada.again_from(3)
    twin.posts(2)
    more = ada.posts(2)
    (proof,) = chain_first(store, [*lies, *more, twin.sent[3]], CROOK).forks
    audit(store)
    assert store.log.received(ada.id) == place
    assert store.log.is_forked(ada.id) == (place >= proof.first.sequence)
    store.close()
    store = open_store()
    assert store.log.is_forked(ada.id) == (place >= proof.first.sequence)
    chain_first(store, [*ada.sent, twin.sent[3]])
    assert store.log.is_forked(ada.id)
    assert store.log.received(ada.id) == (place if place >= proof.first.sequence else 7)


def test_texts_are_what_their_authors_wrote() -> None:
    """The trick of these tests: both letters have one low byte."""
    assert json.loads(lowered(RawMessage(CROOK, 1, '["\u0141"]'.encode())).data) == ["A"]
