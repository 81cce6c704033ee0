"""Ids are found by whatever people have of them, and never guessed."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from lichen.apps.social.service import NAMES_ASKED_MAX
from lichen.cli.exits import Exit
from lichen.cli.ids import Names
from lichen.feed.refs import feed_id_from_bytes, msg_id_from_bytes
from lichen.feed.uris import to_uri

ANNA, BERT = feed_id_from_bytes(b"\1" * 32), feed_id_from_bytes(b"\2" * 32)
MESSAGE = msg_id_from_bytes(b"\3" * 32)
Lichen = Callable[..., Any]


@pytest.fixture
def followed(lichen: Lichen, client: Any) -> Callable[[str], Any]:
    """Return what ``lichen follow`` follows when somebody types this."""
    client.answers["social.follow"] = {"already": True}

    def followed(typed: str) -> Any:
        ended = lichen("follow", typed, "--json")
        if ended.code:
            return ended
        return client.asked("social.follow")[-1][0]["id"]

    return followed


@pytest.mark.parametrize(
    "typed",
    [ANNA, f"  {ANNA}\n", to_uri(ANNA), f"https://viewer.example/{ANNA}".replace("@", "%40")],
)
def test_whole_ids_in_any_dress(typed: str, followed: Callable[[str], Any], client: Any) -> None:
    assert followed(typed) == ANNA
    assert not client.asked("lichen.resolve")


def test_beginning_of_an_id(followed: Callable[[str], Any], client: Any) -> None:
    client.answers["lichen.resolve"] = [ANNA]
    assert followed("@AQE") == ANNA
    assert client.asked("lichen.resolve") == [("@AQE", "feed")]


@pytest.mark.parametrize("typed", ["@anna", "anna"])
def test_name(typed: str, followed: Callable[[str], Any], client: Any) -> None:
    client.answers["social.byName"] = [{"id": ANNA, "name": "Anna"}]
    assert followed(typed) == ANNA
    assert client.asked("social.byName") == [("anna",)]


def test_names_are_asked_for_as_many_as_are_given_at_once(client: Any) -> None:
    feeds = [feed_id_from_bytes(n.to_bytes(32)) for n in range(2 * NAMES_ASKED_MAX)]

    def names(options: dict[str, Any]) -> dict[str, str]:
        assert len(options["ids"]) <= NAMES_ASKED_MAX
        return {feed: f"n{feeds.index(feed)}" for feed in options["ids"]}

    client.answers["social.names"] = names
    known = Names(client)
    asyncio.run(known.learn([*feeds, *feeds]))
    asyncio.run(known.learn(feeds))
    assert [known.name(feed).split()[0] for feed in feeds] == [f"n{n}" for n in range(len(feeds))]
    assert sum(len(args[0]["ids"]) for args in client.asked("social.names")) == len(feeds)


def test_nothing_found(followed: Callable[[str], Any]) -> None:
    ended = followed("@nobody")
    assert ended.code == Exit.NOT_FOUND
    assert "@nobody" in ended.fault["message"]


def test_two_of_one_name_are_listed(followed: Callable[[str], Any], client: Any) -> None:
    client.answers["social.byName"] = [{"id": ANNA, "name": "a"}, {"id": BERT, "name": "a"}]
    ended = followed("@a")
    assert ended.code == Exit.USAGE
    assert ended.fault["candidates"] == [ANNA, BERT]
    assert f"\n  {ANNA}  a" in ended.fault["message"]


def test_nobody_takes_over_an_id_by_being_named_like_it(
    followed: Callable[[str], Any], client: Any
) -> None:
    client.answers["social.byName"] = [{"id": BERT, "name": ANNA[1:7]}]
    client.answers["lichen.resolve"] = [ANNA]
    ended = followed(ANNA[:7])
    assert ended.code == Exit.USAGE
    assert set(ended.fault["candidates"]) == {ANNA, BERT}


def test_many_candidates_are_counted(followed: Callable[[str], Any], client: Any) -> None:
    feeds = [feed_id_from_bytes(bytes([n]) * 32) for n in range(13)]
    client.answers["lichen.resolve"] = feeds
    ended = followed("@")
    assert ended.fault["candidates"] == feeds[:10]
    assert "and 3 more" in ended.fault["message"]


def test_id_of_the_wrong_kind(followed: Callable[[str], Any], lichen: Lichen) -> None:
    assert followed(MESSAGE).code == Exit.USAGE
    assert lichen("thread", ANNA).code == Exit.USAGE


def test_uri_of_something_else(followed: Callable[[str], Any]) -> None:
    assert followed("ssb:nonsense").code == Exit.USAGE


def test_messages_have_no_names(lichen: Lichen, client: Any) -> None:
    client.answers["lichen.resolve"] = [MESSAGE]
    client.answers["social.thread"] = []
    assert lichen("thread", "%AwMD").code == Exit.DONE
    assert not client.asked("social.byName")
    assert client.asked("social.thread") == [(MESSAGE,)]
