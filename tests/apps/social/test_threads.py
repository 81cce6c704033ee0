"""A thread as a page shows it: in order, in windows, with gaps and what is hidden told."""

from typing import Any

import msgspec
import pytest

from lichen.apps.social.content import Place
from lichen.apps.social.reading import threads
from lichen.apps.social.reading.entries import Entry, Gap, Hidden, read_entry
from lichen.apps.social.reading.threads import Participant, count_replies_after, open_thread
from lichen.feed.refs import msg_id_from_bytes
from lichen.store.log import Stored

NOWHERE = msg_id_from_bytes(b"\x11" * 32)
ELSEWHERE = msg_id_from_bytes(b"\x12" * 32)


def post(person: Any, text: str, **members: Any) -> Any:
    return person.write(type="post", text=text, **members)


def shown(page: Any) -> list[Any]:
    """What a page has after the root: texts, missing ids and how many are hidden."""
    return [
        item.text if isinstance(item, Entry) else item.key if isinstance(item, Gap) else item.count
        for item in page.items
    ]


def test_thread_is_in_causal_order_with_gaps(desk: Any, anna: Any, bert: Any) -> None:
    root = post(anna, "# Three *swift* boxes\nmore")
    one = post(bert, "one", root=root, branch=root)
    post(anna, "two", root=root, branch=[one, NOWHERE])
    desk.receive(bert, anna)
    page = open_thread(desk.store, desk.id, root)
    assert page.root.key == root
    assert shown(page) == ["one", NOWHERE, "two"]
    assert page.title == "Three swift boxes"
    assert (page.total, page.length, page.first) == (3, 3, 0)
    assert (page.earlier_after, page.later_after) == (None, None)
    assert page.participants == (Participant(anna.id, 2), Participant(bert.id, 1))
    assert page.newest_no == desk.store.log.last_no
    assert (page.outer, page.side_threads, page.is_cut) == (None, {}, False)


def test_replies_of_blocked_feeds_are_counted_where_they_stand(
    desk: Any, anna: Any, bert: Any, carl: Any
) -> None:
    root = post(anna, "root")
    one = post(anna, "one", root=root, branch=root)
    spite = post(bert, "spite", root=root, branch=one)
    more = post(carl, "spam", root=root, branch=[spite, NOWHERE])
    last = post(anna, "two", root=root, branch=more)
    post(bert, "again", root=root, branch=last)
    desk.receive(anna, bert, carl)
    desk.relate("block", bert, carl)
    page = open_thread(desk.store, desk.id, root)
    assert shown(page) == ["one", 2, "two", 1]
    assert page.items[1] == Hidden(2, (bert.id, carl.id))
    assert (page.total, page.hidden_count) == (3, 3)
    assert page.participants == (Participant(anna.id, 3),)
    everything = open_thread(desk.store, desk.id, root, shows_hidden=True)
    assert shown(everything) == ["one", "spite", NOWHERE, "spam", "two", "again"]
    assert everything.hidden_count == 0


def test_root_of_a_blocked_feed_is_hidden(desk: Any, anna: Any, bert: Any) -> None:
    root = post(bert, "spite")
    post(anna, "answer", root=root, branch=root)
    desk.receive(anna, bert)
    desk.relate("block", bert)
    page = open_thread(desk.store, desk.id, root)
    assert page.root == Hidden(1, (bert.id,))
    assert page.title == ""
    assert (page.total, page.hidden_count) == (1, 1)


def test_missing_root_and_nothing_at_all(desk: Any, anna: Any) -> None:
    answer = post(anna, "answer", root=NOWHERE, branch=NOWHERE)
    desk.receive(anna)
    for key in (answer, NOWHERE):
        page = open_thread(desk.store, desk.id, key)
        assert page.root == Gap(NOWHERE)
        assert shown(page) == ["answer"]
        assert (page.title, page.total) == ("", 1)
    nothing = open_thread(desk.store, desk.id, ELSEWHERE)
    assert nothing.root == Gap(ELSEWHERE)
    assert (nothing.items, nothing.total, nothing.newest_no) == ((), 0, 0)


def test_messages_of_any_type_are_there_with_their_type(desk: Any, anna: Any) -> None:
    root = post(anna, "root")
    for kind in ("contact", "git-update", "chess_move", "vote"):
        anna.write(type=kind, root=root, branch=root)
    desk.receive(anna)
    page = open_thread(desk.store, desk.id, root)
    kinds = [item.type for item in page.items if isinstance(item, Entry)]
    assert sorted(kinds) == ["chess_move", "contact", "git-update"]
    vote = open_thread(desk.store, desk.id, anna.messages[-1].key)
    assert vote.thread == root


def test_title_tells_nothing_of_what_care_is_asked_for(desk: Any, anna: Any) -> None:
    root = anna.write(type="post", text="They kept me two nights.", contentWarning="hospital")
    desk.receive(anna)
    assert open_thread(desk.store, desk.id, root).title == "hospital"


def test_thread_of_another_type_has_its_own_title(desk: Any, anna: Any) -> None:
    root = anna.write(type="gathering", title="Swift *walk*")
    post(anna, "yes", root=root, branch=root)
    desk.receive(anna)
    assert open_thread(desk.store, desk.id, root).title == "Swift walk"


def test_side_thread_knows_the_outer_one_and_the_outer_its_side_threads(
    desk: Any, anna: Any
) -> None:
    root = post(anna, "root")
    answer = post(anna, "answer", root=root, branch=root)
    aside = post(anna, "aside", root=answer, fork=root, branch=answer)
    post(anna, "further", root=answer, branch=aside)
    desk.receive(anna)
    outer = open_thread(desk.store, desk.id, root)
    assert shown(outer) == ["answer", "aside"]
    assert outer.side_threads == {answer: 2}
    inner = open_thread(desk.store, desk.id, aside)
    assert (inner.thread, inner.outer) == (answer, root)
    assert shown(inner) == ["aside", "further"]


@pytest.fixture
def long_thread(desk: Any, anna: Any) -> list[Any]:
    keys = [post(anna, "root")]
    for number in range(50):
        keys.append(post(anna, str(number), root=keys[0], branch=keys[-1]))
    desk.receive(anna)
    return keys


def test_first_window_is_the_end_and_windows_join_without_overlap(
    desk: Any, long_thread: list[Any]
) -> None:
    page = open_thread(desk.store, desk.id, long_thread[0], limit=20)
    assert shown(page) == [str(number) for number in range(30, 50)]
    assert (page.first, page.length, page.total) == (30, 50, 51)
    assert (page.earlier_after, page.later_after) == (10, None)
    seen: list[str] = []
    after: int | None = 0
    while after is not None:
        page = open_thread(desk.store, desk.id, long_thread[0], limit=20, after=after)
        assert page.root.key == long_thread[0]
        seen += shown(page)
        after = page.later_after
    assert seen == [str(number) for number in range(50)]


def test_window_lies_around_the_reply_asked_for(desk: Any, long_thread: list[Any]) -> None:
    page = open_thread(desk.store, desk.id, long_thread[6], limit=4)
    assert shown(page) == ["3", "4", "5", "6"]
    assert page.asked == long_thread[6]
    assert shown(open_thread(desk.store, desk.id, long_thread[1], limit=4)) == ["0", "1", "2", "3"]
    last = open_thread(desk.store, desk.id, long_thread[-1], limit=4)
    assert shown(last) == ["46", "47", "48", "49"]


@pytest.mark.parametrize(("limit", "after"), [(0, 0), (-1, -5), (10**9, 10**9), (1, 50)])
def test_odd_windows_do_no_harm(desk: Any, long_thread: list[Any], limit: int, after: int) -> None:
    page = open_thread(desk.store, desk.id, long_thread[0], limit=limit, after=after)
    assert len(page.items) <= 1
    assert page.total == 51


def test_3000_replies_are_in_order_and_only_a_window_is_given(
    desk: Any, anna: Any, bert: Any
) -> None:
    root = post(anna, "root")
    for number in range(3000):
        post(bert, str(number), root=root, branch=root)
    desk.receive(anna, bert)
    page = open_thread(desk.store, desk.id, root)
    assert (page.total, page.length, len(page.items)) == (3001, 3000, threads.WINDOW_DEFAULT)
    assert shown(page)[-1] == "2999"
    assert count_replies_after(desk.store, desk.id, root, 0) == threads.FRESH_MAX


def test_flood_of_one_pushes_out_the_oldest_until_its_author_is_blocked(
    desk: Any, anna: Any, bert: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "THREAD_MESSAGES_MAX", 10)
    monkeypatch.setattr(threads, "HIDDEN_MESSAGES_MAX", 3)
    root = post(anna, "root")
    post(anna, "kind", root=root, branch=root)
    desk.receive(anna)
    for number in range(20):
        post(bert, str(number), root=root, branch=root)
    desk.receive(bert)
    page = open_thread(desk.store, desk.id, root)
    assert shown(page) == [str(number) for number in range(10, 20)]
    assert (page.is_cut, page.total) == (True, 22)
    desk.relate("block", bert)
    page = open_thread(desk.store, desk.id, root)
    assert shown(page) == ["kind", 3]
    assert (page.hidden_count, page.total) == (20, 2)


def test_reply_that_names_endless_missing_messages_shows_a_few(desk: Any, anna: Any) -> None:
    root = post(anna, "root")
    never = [msg_id_from_bytes(bytes([number]) * 32) for number in range(100, 200)]
    post(anna, "odd", root=root, branch=never)
    desk.receive(anna)
    page = open_thread(desk.store, desk.id, root)
    assert len(page.items) == threads.GAPS_OF_REPLY_MAX + 1


@pytest.mark.parametrize(
    "members",
    [
        {"text": {"a": 1}, "mentions": 7, "channel": []},
        {"text": "x" * 7000},
        {"text": "\ud800 half", "mentions": [{"link": "@x"}, None]},
        {"text": "t", "branch": {"link": 3}, "fork": "nothing"},
        {"text": "[" * 3000},
    ],
)
def test_hostile_contents_are_shown_as_far_as_they_go(desk: Any, anna: Any, members: Any) -> None:
    root = post(anna, "root")
    anna.write(type="post", root=root, **members)
    desk.receive(anna)
    (entry,) = open_thread(desk.store, desk.id, root).items
    assert isinstance(entry, Entry)
    entry.text.encode()
    assert isinstance(entry.text, str)
    assert entry.mentions == ()
    open_thread(desk.store, desk.id, entry.key)


def test_fresh_replies_are_those_of_others_that_are_shown(
    desk: Any, anna: Any, bert: Any, carl: Any
) -> None:
    desk.relate("block", carl)
    root = post(anna, "root")
    desk.receive(anna)
    after = desk.store.log.last_no
    for person in (bert, bert, carl, desk.me):
        post(person, "x", root=root, branch=root)
    bert.write(type="vote", vote={"link": root, "value": 1}, root=root)
    desk.receive(bert, carl, desk.me)
    assert count_replies_after(desk.store, desk.id, root, after) == 2
    assert count_replies_after(desk.store, desk.id, root, desk.store.log.last_no) == 0


def test_read_mark_of_a_thread_is_told(desk: Any, anna: Any) -> None:
    root = post(anna, "root")
    desk.receive(anna)
    desk.store.local.mark_read(root, 1)
    assert open_thread(desk.store, desk.id, root).read_to_no == 1


def stored(content: Any, timestamp: float = 5.0, received_ms: float = 9.0) -> Stored:
    value = {"previous": NOWHERE, "timestamp": timestamp, "content": content}
    return Stored(3, ELSEWHERE, "@a", 2, received_ms, msgspec.json.encode(value))


def test_entry_of_a_box_says_only_that_it_is_private() -> None:
    entry = read_entry(stored("abc.box"))
    assert entry.is_private
    assert (entry.type, entry.text, entry.content, entry.place) == (None, "", {}, Place())


def test_entry_keeps_both_times_and_shows_the_believable_one() -> None:
    now = 1.7e12
    for claimed, shown_ms in ((now - 5, now - 5), (now + 1e12, now), (0.0, now), (-1e300, now)):
        entry = read_entry(stored({"type": "post"}, claimed, now))
        assert (entry.claimed_ms, entry.received_ms, entry.shown_ms) == (claimed, now, shown_ms)


def test_circles_and_self_references_lose_nothing() -> None:
    itself = stored({"type": "post", "root": ELSEWHERE, "branch": ELSEWHERE})
    own = read_entry(itself)
    other = read_entry(msgspec.structs.replace(itself, key=NOWHERE))
    ordered = threads._in_order([own, other])
    assert {entry.key for entry in ordered} == {NOWHERE, ELSEWHERE}
    assert threads._outer(own) is None
