"""``lichen people``, against a client that answers."""

from collections.abc import Callable
from typing import Any

from lichen.cli.exits import Exit
from lichen.feed.refs import feed_id_from_bytes

Lichen = Callable[..., Any]
ANNA, BERT, CARL = (feed_id_from_bytes(bytes([number]) * 32) for number in (1, 2, 3))


def person(feed: str, theirs: str = "none", *introduced_by: str) -> dict[str, Any]:
    return {
        "id": feed,
        "name": None,
        "mine": "follows",
        "theirs": theirs,
        "introducedBy": list(introduced_by),
    }


def test_people_are_lines_and_the_next_page_is_told(lichen: Lichen, client: Any) -> None:
    people = [person(ANNA, "follows"), person(BERT, "none", CARL), person(CARL)]
    client.answers["social.people"] = {"people": people, "before": 7}
    client.answers["social.names"] = {ANNA: "anna", BERT: "b\x1b[31mert", CARL: "carl"}
    ended = lichen("people", "nearby", "--limit", "3", "--before", "99")
    assert ended.code == Exit.DONE
    assert client.asked("social.people") == [({"kind": "nearby", "limit": 3, "before": 99},)]
    first, second, third = ended.out.splitlines()
    assert "anna" in first
    assert first.endswith("follows you")
    assert "bert" in second
    assert "introduced by carl" in second
    assert "carl" in third
    assert "--before 7" in ended.err


def test_a_name_is_asked_for_and_what_is_not_in_yet_is_told(lichen: Lichen, client: Any) -> None:
    client.answers["social.people"] = {"people": [person(ANNA)], "before": None}
    client.answers["lichen.folding"] = {"messages": 1000, "total": 5000, "rate": 0, "left_s": None}
    ended = lichen("people", "--name", "ann")
    assert client.asked("social.people") == [({"kind": "follows", "limit": 50, "name": "ann"},)]
    assert "Not all is sorted in yet: 4,000 of 5,000 messages" in ended.err


def test_json_is_the_answer_as_it_is(lichen: Lichen, client: Any) -> None:
    client.answers["social.people"] = {"people": [person(ANNA)], "before": None}
    assert lichen("people", "--json").lines == [client.answers["social.people"]]
    assert client.asked("social.people") == [({"kind": "follows", "limit": 50},)]


def test_nobody(lichen: Lichen, client: Any) -> None:
    client.answers["social.people"] = {"people": [], "before": None}
    ended = lichen("people", "blocked")
    assert (ended.code, ended.out, ended.err) == (Exit.NOT_FOUND, "", "Nobody.\n")
