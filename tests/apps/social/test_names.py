"""Who is called so: by the whole name, by a beginning, in lists, nearest first."""

import sys
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from lichen.apps.social.reading.faces import faces
from lichen.apps.social.reading.names import _without_capitals, feeds_named, names_of
from lichen.apps.social.reading.people import PeopleKind, people
from lichen.apps.social.rules import name_skeleton
from lichen.apps.social.search import people as meant
from lichen.apps.social.search.people import people_called, people_meant
from lichen.node.errors import ApiError


def call(person: Any, subject: Any, name: str) -> None:
    person.write(type="about", about=subject.id, name=name)


def crowd(anna: Any, count: int, first: int = 40) -> list[Any]:
    return [type(anna)(number) for number in range(first, first + count)]


@pytest.mark.parametrize(
    "typed", ["Örjan Ä", "örjan ä", "ÖRJAN Ä", unicodedata.normalize("NFD", "örjan Ä")]
)
def test_capitals_do_not_count_in_any_alphabet(desk: Any, anna: Any, typed: str) -> None:
    call(anna, anna, "Örjan Ä")
    desk.receive(anna)
    assert feeds_named(desk.store, desk.id, typed) == {anna.id: "Örjan Ä"}


def test_names_that_only_look_alike_are_others(desk: Any, anna: Any, bert: Any, carl: Any) -> None:
    for person, name in ((anna, "Orjan"), (bert, "0rjan"), (carl, "Örjan")):
        call(person, person, name)
    desk.receive(anna, bert, carl)
    # Also where the first ones that are looked at are none of them.
    for limit in (1, 50):
        found = feeds_named(desk.store, desk.id, "orjan", limit=limit)
        assert found == {anna.id: "Orjan"}, limit


def test_who_is_called_so_by_me_counts_alone_on_every_page(desk: Any, anna: Any, bert: Any) -> None:
    low, high = sorted([anna, bert], key=lambda person: person.id)
    call(high, high, "Kim")
    call(desk.me, low, "Kim")
    desk.receive(high, desk.me)
    assert feeds_named(desk.store, desk.id, "kim") == {low.id: "Kim"}
    assert feeds_named(desk.store, desk.id, "kim", after=low.id) == {}


def test_a_name_that_cannot_be_seen_is_none_as_on_pages(desk: Any, anna: Any, bert: Any) -> None:
    call(anna, anna, "\u202e\u200b")
    call(bert, anna, "Anna\u202e  of the\tMill")
    desk.receive(anna, bert)
    assert names_of(desk.store, desk.id, [anna.id]) == {anna.id: "Anna of the Mill"}
    assert faces(desk.store, desk.id, [anna.id])[anna.id].name == "Anna of the Mill"
    for typed in ("anna of the mill", "Anna\u202e  of the\tMill"):
        assert feeds_named(desk.store, desk.id, typed) == {anna.id: "Anna of the Mill"}


def test_the_index_finds_whatever_differs_by_capitals_alone() -> None:
    for sign in map(chr, range(sys.maxunicode + 1)):
        for other in {sign.upper(), sign.lower(), sign.title(), sign.casefold()} - {sign}:
            if _without_capitals(other) == _without_capitals(sign):
                assert name_skeleton(other) == name_skeleton(sign), sign


def test_the_nearest_of_many_namesakes_comes_first(
    desk: Any, anna: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meant, "PEOPLE_MAX", 3)
    others = crowd(anna, 5)
    friend = max(others, key=lambda person: person.id)
    for person in others:
        call(person, person, "Kim")
    desk.receive(*others)
    desk.relate("follow", friend)
    for typed in ("kim", "ki"):
        assert people_meant(desk.store, desk.id, typed)[0] == friend.id, typed
    # Also where many were called so since.
    monkeypatch.setattr(meant, "CLAIMS_MAX", 2)
    oldest = others[0]
    desk.relate("follow", oldest)
    desk.relate("unfollow", friend)
    assert next(iter(people_called(desk.store, desk.id, "ki"))) == oldest.id


def test_nul_and_quotes_reach_no_syntax(desk: Any) -> None:
    for typed in ("a\0b", "\0", 'a"b', '"', "a\0"):
        assert people_called(desk.store, desk.id, typed) == {}


@pytest.mark.parametrize("kind", ["follows", "nearby", "followers", "blocked"])
def test_lists_by_name_are_paged_like_the_whole(
    desk: Any, anna: Any, bert: Any, kind: PeopleKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lichen.apps.social.reading.people.NAMES_AT_ONCE", 2)
    others = crowd(anna, 12)
    names = ["Ánna", "Mary Ann", "Hannah", "anno 🌱", "", "ann", "Bert", "🌱"] * 2
    for person, name in zip(others, names, strict=False):
        if name:
            call(person, person, name)
        bert.write(type="contact", contact=person.id, following=kind == "nearby")
        person.write(type="contact", contact=desk.id, following=True)
    call(desk.me, others[6], "Anna too")
    desk.receive(bert, *others, desk.me)
    desk.relate("follow", bert)
    if kind in {"follows", "blocked"}:
        desk.relate("follow" if kind == "follows" else "block", *others)

    def pages(name: str) -> list[Any]:
        seen: list[Any] = []
        before = None
        while True:
            page = people(desk.store, desk.id, kind, name=name, before=before, limit=2)
            assert len(page.people) == 2 or page.older_before is None
            seen += [each.feed for each in page.people]
            before = page.older_before
            if before is None:
                return seen

    fitting = {others[n].id for n in (0, 1, 3, 5, 6, 8, 9, 11)}
    found = pages("ANN")
    assert set(found) == fitting
    assert len(found) == len(fitting)
    whole = [each.feed for each in people(desk.store, desk.id, kind).people]
    assert found == [feed for feed in whole if feed in fitting]
    assert set(pages("🌱")) == {others[n].id for n in (3, 7, 11)}
    assert pages(" ") == whole
    assert pages("zzz") == pages('"') == pages("\0") == []


def test_the_method_takes_a_name_and_refuses_other_places(
    play: Callable[[Any], None], anna: Any
) -> None:
    async def scene(village: Any) -> None:
        call(anna, anna, "Anna")
        await village.receive(*anna.messages)
        await village.call("social.follow", {"id": anna.id})
        for name, count in (("an", 1), ("zz", 0)):
            answer = await village.call("social.people", {"name": name})
            assert len(answer["people"]) == count
        for bad in ({"name": 7}, {"before": 10**30}, {"before": -1}, {"before": "x"}):
            with pytest.raises(ApiError) as refused:
                await village.call("social.people", bad)
            assert refused.value.slug == "usage"

    play(scene)
