"""Who somebody is: names and whose words they are, relations both ways, pages of people."""

import random
from typing import Any, get_args

import pytest

from lichen.apps.social.content import encode_block, encode_follow, encode_unfollow
from lichen.apps.social.reading import profiles
from lichen.apps.social.reading.circle import Circle, Relation, circle_of
from lichen.apps.social.reading.faces import Reaction, own_vote, reactions
from lichen.apps.social.reading.people import PeopleKind, people
from lichen.apps.social.reading.profiles import (
    Face,
    Lookalike,
    OtherName,
    Some,
    faces,
    lookalikes,
    open_profile,
)
from lichen.feed.refs import blob_id_from_bytes

BLOB, OTHER_BLOB = blob_id_from_bytes(b"\4" * 32), blob_id_from_bytes(b"\5" * 32)


def about(person: Any, subject: Any, **fields: Any) -> None:
    person.write(type="about", about=subject.id, **fields)


def follow(person: Any, *others: Any) -> None:
    for other in others:
        person.write(**encode_follow(other.id))


def crowd(anna: Any, count: int, first: int = 40) -> list[Any]:
    return [type(anna)(number) for number in range(first, first + count)]


def test_face_is_my_word_then_theirs_then_the_others(
    desk: Any, anna: Any, bert: Any, carl: Any
) -> None:
    about(bert, anna, name="annie", image=BLOB)
    about(carl, anna, name="annie")
    desk.receive(bert, carl)
    desk.relate("follow", carl)
    circle = circle_of(desk.store, desk.id)

    def face() -> Face:
        return faces(desk.store, desk.id, [anna.id], circle=circle)[anna.id]

    assert face() == Face("annie", BLOB, False, namers=(carl.id, bert.id), namer_count=2)
    about(anna, anna, name="Anna", image={"link": OTHER_BLOB, "size": 1})
    desk.receive(anna)
    assert face() == Face("Anna", OTHER_BLOB, True, own_name="Anna")
    about(desk.me, anna, name="sister")
    desk.receive(desk.me)
    assert face() == Face("sister", OTHER_BLOB, False, is_petname=True, own_name="Anna")


def test_face_of_nobody(desk: Any, anna: Any) -> None:
    assert faces(desk.store, desk.id, [anna.id]) == {anna.id: Face(None, None, False)}
    assert faces(desk.store, desk.id, []) == {}


def test_faces_of_a_page_are_one_question(
    desk: Any, anna: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = crowd(anna, 30)
    for other in others:
        about(other, other, name="x", image=BLOB)
    desk.receive(*others)
    asked: list[str] = []
    read = type(desk.store.views).read
    monkeypatch.setattr(
        type(desk.store.views),
        "read",
        lambda self, sql, b=(): asked.append(sql) or read(self, sql, b),
    )
    found = faces(desk.store, desk.id, [other.id for other in others])
    assert {face.name for face in found.values()} == {"x"}
    assert len(asked) == 1
    about(anna, anna, name="anna")
    anna.write(type="about", about=others[0].id, name={"remove": True})
    others[1].write(type="about", about=others[1].id, name={"remove": True})
    about(anna, others[1], name="one")
    desk.receive(anna, others[1])
    asked.clear()
    found = faces(desk.store, desk.id, [anna.id, others[0].id, others[1].id])
    assert [face.name for face in found.values()] == ["anna", "x", "one"]
    assert found[others[1].id].namers == (anna.id,)
    # What others say is asked where it counts: one name and one picture.
    assert len(asked) == 3


def test_names_that_would_break_a_line_are_made_fit(desk: Any, anna: Any) -> None:
    about(anna, anna, name="a\u202eb\n\x00c  d" + "x" * 500)
    desk.receive(anna)
    name = faces(desk.store, desk.id, [anna.id])[anna.id].name
    assert name is not None
    assert name.startswith("ab c dxxx")
    assert len(name) == 120
    about(anna, anna, name="\u202e\u200b")
    desk.receive(anna)
    assert faces(desk.store, desk.id, [anna.id])[anna.id].name is None


def test_profile_says_who_calls_them_what_nearest_first(
    desk: Any, anna: Any, bert: Any, carl: Any
) -> None:
    far, further = crowd(anna, 2)
    desk.relate("follow", carl)
    follow(carl, bert)
    about(far, anna, name="Pilot")
    about(further, anna, name="Pilot")
    about(bert, anna, name="Aurelio")
    about(carl, anna, name="Grandpa")
    about(anna, anna, name="harbour", description="I answer slowly.", image=BLOB)
    about(desk.me, anna, name="Grandad")
    desk.receive(anna, bert, carl, far, further, desk.me)
    profile = open_profile(desk.store, desk.id, anna.id)
    assert profile.face.name == profile.petname == "Grandad"
    assert (profile.own_name, profile.image) == ("harbour", BLOB)
    assert profile.description == "I answer slowly."
    both = tuple(sorted([far.id, further.id]))
    assert profile.other_names == (
        OtherName("Grandpa", (carl.id,), 1),
        OtherName("Aurelio", (bert.id,), 1),
        OtherName("Pilot", both, 2),
    )


def test_what_blocked_people_call_somebody_is_not_listed(desk: Any, anna: Any, bert: Any) -> None:
    about(bert, anna, name="annoying")
    desk.receive(bert)
    desk.relate("block", bert)
    assert open_profile(desk.store, desk.id, anna.id).other_names == ()


def test_other_names_are_bounded(desk: Any, anna: Any) -> None:
    others = crowd(anna, profiles.OTHER_NAMES_MAX + 5)
    for number, other in enumerate(others):
        about(other, anna, name=f"name {number}")
    desk.receive(*others)
    profile = open_profile(desk.store, desk.id, anna.id)
    assert len(profile.other_names) == profiles.OTHER_NAMES_MAX


def test_relations_go_both_ways_and_are_counted(desk: Any, anna: Any, bert: Any, carl: Any) -> None:
    desk.relate("follow", anna, bert, carl)
    follow(anna, desk.me, bert, carl)
    follow(bert, desk.me, anna)
    follow(carl, anna)
    anna.write(**encode_follow(anna.id))  # following oneself says nothing
    desk.receive(anna, bert, carl)
    profile = open_profile(desk.store, desk.id, anna.id)
    assert profile.relation == Relation("follows", "follows")
    assert (profile.follows, profile.followers) == (3, 3)
    assert profile.in_common == Some(1, (bert.id,))
    assert profile.followed_by == Some(2, tuple(sorted([bert.id, carl.id])))
    carl.write(**encode_block(bert.id))
    bert.write(**encode_unfollow(desk.id))
    bert.write(**encode_block(desk.id))
    desk.receive(bert, carl)
    profile = open_profile(desk.store, desk.id, bert.id)
    assert profile.relation == Relation("follows", "blocks")
    assert profile.blocked_by == Some(1, (carl.id,))


def test_friends_in_common_follow_each_other_on_both_sides(desk: Any, anna: Any) -> None:
    common, fan, idol, acquaintance = crowd(anna, 4)
    desk.relate("follow", common, fan, idol, acquaintance)
    follow(anna, common, idol, acquaintance)
    follow(common, desk.me, anna)
    follow(fan, desk.me, anna)  # whom anna does not follow
    follow(idol, desk.me)  # who does not follow anna
    follow(acquaintance, anna)  # who does not follow me
    desk.receive(anna, common, fan, idol, acquaintance)
    assert open_profile(desk.store, desk.id, anna.id).in_common == Some(1, (common.id,))


def test_profile_of_a_stranger_is_empty_and_of_oneself_has_no_petname(desk: Any, anna: Any) -> None:
    profile = open_profile(desk.store, desk.id, anna.id)
    assert profile.relation == Relation("none", "none")
    assert (profile.last_heard_ms, profile.message_count) == (None, 0)
    assert (profile.description, profile.other_names, profile.is_forked) == (None, (), False)
    about(desk.me, desk.me, name="me")
    desk.receive(desk.me)
    own = open_profile(desk.store, desk.id, desk.id)
    assert (own.petname, own.own_name) == (None, "me")
    assert (own.face.is_own_name, own.face.is_petname) == (True, False)
    assert own.message_count == 1
    assert own.last_heard_ms == desk.store.log.since(0, 1)[0].received_ms


def test_people_i_follow_are_paged_the_last_followed_first(desk: Any, anna: Any) -> None:
    others = crowd(anna, 5)
    about(others[1], others[1], name="Zoe")
    follow(others[1], desk.me)
    desk.receive(*others)
    desk.relate("follow", *others)
    desk.relate("unfollow", others[2])
    desk.relate("follow", others[2])
    first = people(desk.store, desk.id, limit=3)
    assert [each.feed for each in first.people] == [others[n].id for n in (2, 4, 3)]
    assert first.people[0].relation == Relation("follows", "none")
    rest = people(desk.store, desk.id, before=first.older_before, limit=3)
    assert [each.feed for each in rest.people] == [others[1].id, others[0].id]
    assert rest.people[0].relation == Relation("follows", "follows")
    assert rest.people[0].face.name == "Zoe"
    assert rest.older_before is None


def test_people_nearby_are_introduced_by_those_i_follow(
    desk: Any, anna: Any, bert: Any, carl: Any
) -> None:
    once, twice, blocked = crowd(anna, 3)
    follow(anna, twice, once, blocked, bert, desk.me)
    follow(bert, twice)
    follow(carl, crowd(anna, 1, first=90)[0])
    desk.receive(anna, bert, carl)
    desk.relate("follow", anna, bert)
    desk.relate("block", blocked)
    page = people(desk.store, desk.id, "nearby")
    assert [(person.feed, person.introduced_by) for person in page.people] == [
        (twice.id, (bert.id, anna.id)),
        (once.id, (anna.id,)),
    ]


def test_followers_and_blocked(desk: Any, anna: Any, bert: Any, carl: Any) -> None:
    follow(anna, desk.me)
    follow(carl, bert)
    desk.receive(anna, carl)
    desk.relate("follow", carl)
    desk.relate("block", bert)
    (follower,) = people(desk.store, desk.id, "followers").people
    assert (follower.feed, follower.relation) == (anna.id, Relation("none", "follows"))
    (blocked,) = people(desk.store, desk.id, "blocked").people
    assert (blocked.feed, blocked.relation.mine) == (bert.id, "blocks")
    assert blocked.introduced_by == (carl.id,)


@pytest.mark.parametrize("kind", get_args(PeopleKind))
@pytest.mark.parametrize("seed", range(6))
def test_pages_of_people_hold_everybody_once_whatever_is_said_in_between(
    desk: Any, seed: int, kind: Any
) -> None:
    rng = random.Random(seed)
    crew = crowd(desk.me, 8)
    friends = crew[:3]

    def speak(count: int) -> set[Any]:
        named = set()
        for _ in range(count):
            source = rng.choice([desk.me, *friends])
            target = rng.choice([one for one in [desk.me, *crew] if one is not source])
            encode = rng.choice([encode_follow, encode_follow, encode_unfollow, encode_block])
            source.write(**encode(target.id))
            named |= {source.id, target.id}
        desk.receive(desk.me, *friends, one_by_one=True)
        return named

    desk.relate("follow", *friends)
    speak(30)
    whole = [each.feed for each in people(desk.store, desk.id, kind).people]
    assert sorted(whole) == sorted(_expected(desk, kind))
    seen: list[Any] = []
    named: set[Any] = set()
    before = None
    while True:
        page = people(desk.store, desk.id, kind, before=before, limit=2)
        seen += [each.feed for each in page.people]
        before = page.older_before
        if before is None:
            break
        if seed % 2:
            named |= speak(1)
    assert len(seen) == len(set(seen))
    if kind == "nearby" and desk.id in named:
        return  # whoever is followed or left meanwhile changes who introduces whom
    assert [feed for feed in seen if feed not in named] == [f for f in whole if f not in named]


def _expected(desk: Any, kind: str) -> set[Any]:
    """Return who belongs on all pages, from the whole graph."""
    edges = {(each.source, each.target): each.value for each in desk.store.contacts()}
    mine = {target for (source, target), value in edges.items() if source == desk.id and value == 1}
    blocked = {t for (s, t), value in edges.items() if s == desk.id and value == -1}
    if kind == "follows":
        return mine
    if kind == "blocked":
        return blocked
    if kind == "followers":
        return {s for (s, t), value in edges.items() if t == desk.id and value == 1}
    near = {t for (s, t), value in edges.items() if s in mine and value == 1}
    return near - mine - blocked - {desk.id}


@pytest.mark.parametrize(
    "other", ["harbour_pi1ot", "Harbour Pilot", "hárbour_p\u0456lot", "HARBOURPILOT"]
)
def test_names_that_look_alike_are_told(desk: Any, anna: Any, bert: Any, other: str) -> None:
    about(anna, anna, name="harbour_pilot")
    about(bert, bert, name=other)
    desk.receive(anna, bert)
    assert lookalikes(desk.store, desk.id, anna.id) == [Lookalike(bert.id, other)]
    assert lookalikes(desk.store, desk.id, bert.id) == [Lookalike(anna.id, "harbour_pilot")]


def test_names_that_differ_or_do_not_count_are_no_lookalikes(
    desk: Any, anna: Any, bert: Any, carl: Any
) -> None:
    about(anna, anna, name="Anna")
    about(bert, bert, name="Hannah")
    about(bert, carl, name="anna")
    about(carl, carl, name="Carl")
    desk.receive(anna, bert, carl)
    assert lookalikes(desk.store, desk.id, anna.id) == []
    assert lookalikes(desk.store, desk.id, desk.id) == []


def test_reactions_are_counted_by_expression_without_blocked_and_withdrawn(
    desk: Any, anna: Any, bert: Any, carl: Any
) -> None:
    root = anna.write(type="post", text="x")

    def like(person: Any, value: int = 1, expression: str = "") -> None:
        person.write(type="vote", vote={"link": root, "value": value, "expression": expression})

    like(anna, 1, "Like")
    like(bert, 1, "Yup")
    like(carl, 1, "\U0001f33f")
    like(desk.me, 1, "\U0001f33f")
    liar, fickle = crowd(anna, 2)
    like(liar, 1, "spam")
    like(fickle)
    like(fickle, 0)
    desk.receive(anna, bert, carl, desk.me, liar, fickle)
    desk.relate("block", liar)
    found = reactions(desk.store, desk.id, [root])
    assert found == {
        root: (
            Reaction("", 2, tuple(sorted([anna.id, bert.id])), is_mine=False),
            Reaction("\U0001f33f", 2, (desk.id, carl.id), is_mine=True),
        )
    }
    assert own_vote(desk.store, desk.id, root) == (1, "\U0001f33f")
    assert own_vote(desk.store, bert.id, anna.messages[-1].key) is None


def test_circle_is_read_from_the_contacts(desk: Any, anna: Any, bert: Any, carl: Any) -> None:
    desk.relate("follow", anna, carl)
    desk.relate("block", bert)
    desk.relate("unfollow", carl)
    assert circle_of(desk.store, desk.id) == Circle(
        desk.id, frozenset({anna.id}), frozenset({bert.id})
    )
