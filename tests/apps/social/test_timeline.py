"""Cards stand where somebody followed posted last, each thread on one page, and nothing is lost."""

import random
from typing import Any

import pytest

from lichen.apps.social.reading import cards, entries, timeline
from lichen.apps.social.reading.circle import Circle
from lichen.apps.social.reading.entries import Entry, Gap
from lichen.apps.social.reading.timeline import channel_page, count_fresh, home_page, profile_page
from lichen.feed.refs import msg_id_from_bytes, msg_key_bytes

NOWHERE = msg_id_from_bytes(b"\x11" * 32)


def post(person: Any, text: str = "text", **members: Any) -> Any:
    return person.write(type="post", text=text, **members)


def reply(person: Any, root: Any, text: str = "reply", **members: Any) -> Any:
    return person.write(type="post", text=text, root=root, branch=root, **members)


def threads_on(page: Any) -> list[Any]:
    return [card.thread for card in page.cards]


def test_home_has_what_i_and_those_i_follow_wrote(desk: Any, anna: Any, bert: Any) -> None:
    desk.relate("follow", anna)
    followed, stranger, own = post(anna), post(bert), post(desk.me)
    desk.receive(anna, bert, desk.me)
    page = home_page(desk.store, desk.id)
    assert threads_on(page) == [own, followed]
    assert stranger not in threads_on(page)
    assert page.older_before is None
    assert page.newest_no == desk.number(own)
    assert page.cards[0].reason == cards.Reason("wrote", (desk.id,))


def test_empty_home(desk: Any, anna: Any) -> None:
    post(anna)
    desk.receive(anna)
    assert home_page(desk.store, desk.id) == cards.Timeline((), None, 0)
    assert count_fresh(desk.store, desk.id, 0) == 0


def test_reply_of_a_stranger_lifts_nothing_but_one_of_a_followed_does(
    desk: Any, anna: Any, bert: Any, carl: Any
) -> None:
    desk.relate("follow", anna, carl)
    old, new = post(anna, "old"), post(anna, "new")
    desk.receive(anna)
    reply(bert, old)
    desk.receive(bert)
    assert threads_on(home_page(desk.store, desk.id)) == [new, old]
    answer = reply(carl, old)
    desk.receive(carl)
    page = home_page(desk.store, desk.id)
    assert threads_on(page) == [old, new]
    assert page.cards[0].newest_no == desk.number(answer)
    assert page.cards[0].reason == cards.Reason("replied", (carl.id,))
    assert page.cards[0].reply_count == 2


def test_thread_of_a_stranger_is_there_when_somebody_followed_replied(
    desk: Any, anna: Any, bert: Any
) -> None:
    desk.relate("follow", anna)
    root = post(bert)
    reply(anna, root)
    desk.receive(bert, anna)
    (card,) = home_page(desk.store, desk.id).cards
    assert card.thread == root
    assert card.root.feed == bert.id


def test_a_blocked_feed_neither_begins_nor_lifts_nor_shows(
    desk: Any, anna: Any, bert: Any, carl: Any
) -> None:
    desk.relate("follow", anna, carl)
    desk.relate("block", bert)
    hidden, shown = post(bert, "spite"), post(anna, "shown")
    reply(carl, hidden)
    reply(bert, shown, "spite")
    last = reply(carl, shown, "kind")
    desk.receive(anna, bert, carl)
    (card,) = home_page(desk.store, desk.id).cards
    assert card.thread == shown
    assert [entry.key for entry in card.replies] == [last]
    assert (card.reply_count, card.hidden_count) == (1, 1)
    assert count_fresh(desk.store, desk.id, 0) == 1


def test_missing_root_is_a_gap(desk: Any, anna: Any) -> None:
    desk.relate("follow", anna)
    answer = reply(anna, NOWHERE)
    desk.receive(anna)
    (card,) = home_page(desk.store, desk.id).cards
    assert card.root == Gap(NOWHERE)
    assert [entry.key for entry in card.replies] == [answer]
    assert card.reply_count == 1


def test_root_that_only_begins_like_another_means_that_one(desk: Any, anna: Any, bert: Any) -> None:
    desk.relate("follow", anna)
    root = post(anna)
    alike = msg_id_from_bytes(msg_key_bytes(root)[:-1] + b"x")
    answer, missing = reply(bert, alike), reply(anna, NOWHERE)
    desk.receive(anna, bert)
    unknown, known = home_page(desk.store, desk.id).cards
    assert (unknown.root, unknown.thread) == (Gap(NOWHERE), NOWHERE)
    assert [entry.key for entry in unknown.replies] == [missing]
    assert known.thread == root
    assert [entry.key for entry in known.replies] == [answer]


def test_card_shows_the_last_two_replies_in_reading_order(
    desk: Any, anna: Any, bert: Any, carl: Any
) -> None:
    desk.relate("follow", anna)
    root = post(anna)
    one = reply(bert, root, "one")
    two = carl.write(type="post", text="two", root=root, branch=one)
    three = anna.write(type="post", text="three", root=root, branch=two)
    desk.receive(anna, carl, bert)  # received in the wrong order
    (card,) = home_page(desk.store, desk.id).cards
    assert [entry.key for entry in card.replies] == [two, three]


def test_repliers_are_named_newest_first_and_at_most_three(desk: Any, anna: Any) -> None:
    people = [type(anna)(number) for number in range(20, 25)]
    desk.relate("follow", *people)
    root = post(anna)
    desk.receive(anna)
    for person in people:
        reply(person, root)
        desk.receive(person)
    (card,) = home_page(desk.store, desk.id).cards
    assert card.reason.feeds == tuple(person.id for person in people[:1:-1])


def test_unread_counts_others_posts_after_the_mark(desk: Any, anna: Any, bert: Any) -> None:
    desk.relate("follow", anna)
    root = post(anna)
    one = reply(bert, root)
    desk.receive(anna, bert)
    (card,) = home_page(desk.store, desk.id).cards
    assert (card.unread_count, card.read_to_no) == (2, 0)
    desk.store.local.mark_read(root, desk.number(one))
    reply(bert, root)
    reply(desk.me, root)
    desk.receive(bert, desk.me)
    (card,) = home_page(desk.store, desk.id).cards
    assert (card.unread_count, card.read_to_no) == (1, desk.number(one))
    assert card.thread_no == desk.store.log.last_no


def test_a_side_thread_is_a_thread_of_its_own_and_lifts_no_other(desk: Any, anna: Any) -> None:
    desk.relate("follow", anna)
    root = post(anna)
    answer = reply(anna, root)
    newer = post(anna)
    anna.write(type="post", text="aside", root=answer, fork=root, branch=answer)
    desk.receive(anna)
    page = home_page(desk.store, desk.id)
    assert threads_on(page) == [answer, newer, root]
    assert page.cards[0].root.place.root == root


def test_only_posts_lift(desk: Any, anna: Any) -> None:
    desk.relate("follow", anna)
    root, newer = post(anna), post(anna)
    anna.write(type="vote", vote={"link": root, "value": 1}, root=root, branch=root)
    anna.write(type="chess_move", root=root, branch=root)
    desk.receive(anna)
    page = home_page(desk.store, desk.id)
    assert threads_on(page) == [newer, root]
    assert page.cards[1].reply_count == 0


@pytest.mark.parametrize("seed", range(6))
def test_pages_hold_each_thread_once_in_order(desk: Any, anna: Any, seed: int) -> None:
    rng = random.Random(seed)
    people = [type(anna)(number) for number in range(30, 36)]
    followed, blocked = people[:3], people[3]
    desk.relate("follow", *followed)
    desk.relate("block", blocked)
    roots: list[Any] = []
    for _ in range(120):
        person = rng.choice(people)
        if roots and rng.random() < 0.6:
            reply(person, rng.choice(roots))
        else:
            roots.append(post(person))
        desk.receive(person)
    newest: dict[Any, int] = {}
    authors = {}
    for stored in desk.store.log.since(0, 1000):
        entry = entries.read_entry(stored)
        if entry.type == "post":
            authors[entry.key] = entry.feed
            if entry.feed in {person.id for person in followed}:
                newest[entry.place.root or entry.key] = entry.received_no
    expected = [
        thread
        for thread in sorted(newest, key=lambda thread: -newest[thread])
        if authors[thread] != blocked.id
    ]
    for limit in (1, 3, 50):
        seen: list[Any] = []
        before = None
        while True:
            page = home_page(desk.store, desk.id, before=before, limit=limit)
            assert len(page.cards) <= limit
            seen += threads_on(page)
            before = page.older_before
            if before is None:
                break
        assert seen == expected


def test_what_arrives_between_pages_shifts_nothing(desk: Any, anna: Any) -> None:
    desk.relate("follow", anna)
    roots = [post(anna, str(number)) for number in range(6)]
    desk.receive(anna)
    first = home_page(desk.store, desk.id, limit=2)
    assert threads_on(first) == [roots[5], roots[4]]
    post(anna, "fresh")
    reply(anna, roots[0])
    desk.receive(anna)
    second = home_page(desk.store, desk.id, before=first.older_before, limit=10)
    assert threads_on(second) == [roots[3], roots[2], roots[1]]  # roots[0] is on top now
    assert count_fresh(desk.store, desk.id, first.newest_no) == 2


def test_silent_people_are_found_however_long_ago_they_wrote(
    desk: Any, anna: Any, bert: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "ROWS_FIRST", 2)
    desk.relate("follow", anna)
    old = post(anna)
    desk.receive(anna)
    for number in range(60):
        post(bert, str(number))
    desk.receive(bert)
    page = home_page(desk.store, desk.id, limit=1)
    assert threads_on(page) == [old]
    assert page.older_before is None


def test_own_posts_are_not_fresh(desk: Any, anna: Any) -> None:
    desk.relate("follow", anna)
    root = post(anna)
    desk.receive(anna)
    after = desk.store.log.last_no
    reply(desk.me, root)
    desk.receive(desk.me)
    assert count_fresh(desk.store, desk.id, after) == 0


def test_fresh_threads_are_counted_once_and_not_endlessly(desk: Any, anna: Any) -> None:
    desk.relate("follow", anna)
    root = post(anna)
    reply(anna, root)
    desk.receive(anna)
    assert count_fresh(desk.store, desk.id, 0) == 1
    for number in range(timeline.FRESH_MAX + 5):
        post(anna, str(number))
    desk.receive(anna)
    assert count_fresh(desk.store, desk.id, 0) == timeline.FRESH_MAX


def test_channel_has_named_and_tagged_posts(desk: Any, anna: Any, bert: Any, carl: Any) -> None:
    desk.relate("block", carl)
    named = post(anna, "a", channel="Gar Den")
    other = post(anna, "b")
    tagged = reply(bert, other, "c", mentions=[{"link": "#garden"}])
    post(carl, "spite", channel="garden")
    reply(carl, named, "spite", channel="garden")
    desk.receive(anna, bert, carl)
    page = channel_page(desk.store, desk.id, "#Garden")
    assert threads_on(page) == [other, named]
    assert page.cards[0].newest_no == desk.number(tagged)
    assert page.cards[0].reason == cards.Reason("channel", ())
    assert channel_page(desk.store, desk.id, "#").cards == ()


def test_channel_pages_hold_each_thread_once(
    desk: Any, anna: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "CHUNK_ROWS", 3)
    rng = random.Random(4)
    roots: list[Any] = []
    last: dict[Any, int] = {}
    for number in range(40):
        if roots and rng.random() < 0.6:
            root = rng.choice(roots)
            reply(anna, root, channel="x")
        else:
            root = post(anna, channel="x")
            roots.append(root)
        last[root] = number
    desk.receive(anna)
    seen: list[Any] = []
    before = None
    while True:
        page = channel_page(desk.store, desk.id, "x", before=before, limit=4)
        seen += threads_on(page)
        before = page.older_before
        if before is None:
            break
    assert seen == sorted(roots, key=lambda root: -last[root])


def test_profile_has_the_threads_somebody_began(desk: Any, anna: Any, bert: Any) -> None:
    roots = [post(anna, str(number)) for number in range(5)]
    reply(anna, post(bert))
    desk.receive(anna, bert)
    first = profile_page(desk.store, desk.id, anna.id, limit=3)
    assert threads_on(first) == roots[:1:-1]
    second = profile_page(desk.store, desk.id, anna.id, before=first.older_before, limit=3)
    assert threads_on(second) == roots[1::-1]
    assert second.older_before is None


def test_profile_of_a_blocked_feed_can_be_looked_at(desk: Any, anna: Any) -> None:
    root = post(anna)
    desk.receive(anna)
    desk.relate("block", anna)
    assert threads_on(profile_page(desk.store, desk.id, anna.id)) == [root]


def test_people_of_a_page_are_authors_repliers_and_mentioned(
    desk: Any, anna: Any, bert: Any, carl: Any
) -> None:
    desk.relate("follow", anna)
    root = post(bert, mentions=[{"link": carl.id, "name": "c"}, {"link": "#x"}])
    reply(anna, root)
    desk.receive(bert, anna)
    assert cards.people_of(home_page(desk.store, desk.id)) == {anna.id, bert.id, carl.id}


def test_a_circle_can_be_handed_in(desk: Any, anna: Any) -> None:
    root = post(anna)
    desk.receive(anna)
    circle = Circle(desk.id, frozenset({anna.id}))
    assert threads_on(home_page(desk.store, desk.id, circle=circle)) == [root]


def test_flooded_thread_has_a_card_with_all_replies_counted(
    desk: Any, anna: Any, bert: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "CARD_ROWS_MAX", 20)
    desk.relate("follow", anna)
    root = post(anna)
    for number in range(50):
        reply(bert, root, str(number))
    desk.receive(anna, bert)
    (card,) = home_page(desk.store, desk.id).cards
    assert card.reply_count == 50
    assert [entry.text for entry in card.replies if isinstance(entry, Entry)] == ["48", "49"]


@pytest.mark.parametrize("limit", [-3, 0, 10**9])
def test_odd_limits_do_no_harm(desk: Any, limit: int) -> None:
    for number in range(3):
        post(desk.me, str(number))
    desk.receive(desk.me)
    page = home_page(desk.store, desk.id, limit=limit)
    assert len(page.cards) == (1 if limit < 1 else 3)
