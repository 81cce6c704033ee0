"""The follow graph: order does not matter, and what is carried on equals what is computed anew."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.feed.content import Contact
from lichen.feed.message import FeedId
from lichen.gossip.exchange.replication import FollowGraph, Replication

NAMES = [FeedId(name) for name in "ABCDEFGH"]

contacts = st.lists(
    st.builds(
        Contact,
        source=st.sampled_from(NAMES),
        target=st.sampled_from(NAMES),
        value=st.sampled_from([1, 1, 1, -1, -2]),
        sequence=st.integers(1, 6),
    ),
    max_size=40,
    unique_by=lambda each: (each.source, each.sequence),
)


@given(contacts, st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_the_same_graph(
    edges: list[Contact], rng: random.Random
) -> None:
    first, second = FollowGraph(), FollowGraph()
    for each in edges:
        first.add(each)
    shuffled = edges + rng.choices(edges, k=5) if edges else []
    rng.shuffle(shuffled)
    for each in shuffled:
        second.add(each)
    assert [first.edges(name) for name in NAMES] == [second.edges(name) for name in NAMES]
    assert first.distances(NAMES[0], 3) == second.distances(NAMES[0], 3)


@settings(max_examples=400)
@given(contacts, st.integers(1, 4), st.integers(1, 5))
def test_step_by_step_equals_all_at_once(edges: list[Contact], hops_max: int, pace: int) -> None:
    stepwise = Replication(NAMES[0])
    stepwise.set_hops_max(hops_max)
    stepwise.update()
    carried: dict[FeedId, None] = {NAMES[0]: None}
    blocked: set[tuple[FeedId, FeedId]] = set()
    for number, each in enumerate(edges):
        stepwise.add(each)
        if number % pace == 0 or number == len(edges) - 1:
            changes = stepwise.update()
            for feed in changes.removed:
                del carried[feed]
            carried |= dict.fromkeys(changes.added)
            blocked |= set(changes.refused)
            blocked -= set(changes.allowed)
    whole = Replication(NAMES[0])
    whole.set_hops_max(hops_max)
    for each in edges:
        whole.add(each)
    whole.update()
    assert stepwise.hops == whole.hops
    assert set(stepwise.wanted) == set(whole.wanted) == set(carried)
    assert blocked == {(a, b) for b, authors in whole.blocked_by.items() for a in authors}
    for author in NAMES:
        for peer in NAMES:
            assert stepwise.is_shared(author, peer) == whole.is_shared(author, peer)


def test_who_comes_nearer_may_push_others_out() -> None:
    replication = Replication(FeedId("A"))
    replication.set_hops_max(6)
    for number, (source, target) in enumerate(["AP", "PQ", "QT", "AR", "RS", "SY", "YZ"]):
        replication.add(Contact(FeedId(source), FeedId(target), 1, number))
    replication.add(Contact(FeedId("T"), FeedId("Y"), -1, 9))
    replication.update()
    assert (replication.hops[FeedId("Y")], replication.hops[FeedId("Z")]) == (3, 4)
    replication.add(Contact(FeedId("A"), FeedId("T"), 1, 10))
    assert set(replication.update().removed) == {"Y", "Z"}
    assert replication.hops[FeedId("Y")] == -2
    assert FeedId("Z") not in replication.hops


def test_the_own_feed_is_always_wanted() -> None:
    replication = Replication(NAMES[0])
    replication.add(Contact(NAMES[0], NAMES[0], -1, 1))
    replication.update()
    assert list(replication.wanted) == [NAMES[0]]


def test_nearest_feeds_come_first(make_probe: Any) -> None:
    replication = Replication(NAMES[0])
    replication.set_hops_max(3)
    for source, target in ("HG", "AH", "GB"):
        replication.add(Contact(FeedId(source), FeedId(target), 1, 1))
    replication.update()
    assert list(replication.wanted) == list("AHGB")


def test_the_setting_takes_effect_at_once_and_is_bounded() -> None:
    replication = Replication(NAMES[0])
    replication.set_hops_max(1)
    for source, target in ("AB", "BC"):
        replication.add(Contact(FeedId(source), FeedId(target), 1, 1))
    assert list(replication.update().added) == ["B"]
    replication.set_hops_max(2)
    assert list(replication.update().added) == ["C"]
    replication.set_hops_max(-5)
    assert set(replication.update().removed) == {"B", "C"}
    replication.set_hops_max(10**9)
    assert replication.hops_max == 10


def test_many_follows_are_carried_on_without_a_new_search() -> None:
    searches = 0

    class Counting(FollowGraph):
        def distances(self, start: FeedId, hops_max: int) -> dict[FeedId, float]:
            nonlocal searches
            searches += 1
            return super().distances(start, hops_max)

    replication = Replication(FeedId("me"))
    replication.graph = Counting()
    replication.set_hops_max(2)
    replication.add(Contact(FeedId("me"), FeedId("f0"), 1, 1))
    replication.update()
    for number in range(2000):
        replication.add(Contact(FeedId("f0"), FeedId(f"g{number}"), 1, number))
        if number % 100 == 0:
            replication.update()
    replication.update()
    assert len(replication.wanted) == 2002
    assert searches == 1
