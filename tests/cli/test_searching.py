"""``lichen search``, against a client that answers."""

from collections.abc import Callable
from typing import Any

from lichen.cli.exits import Exit
from lichen.feed.refs import feed_id_from_bytes, msg_id_from_bytes
from lichen.node.errors import ApiError
from lichen.words import N_

Lichen = Callable[..., Any]
ANNA = feed_id_from_bytes(b"\1" * 32)
KEY = msg_id_from_bytes(b"\3" * 32)


def found(text: str, *marks: list[int], care: str = "") -> dict[str, Any]:
    content = {"type": "post", "text": text}
    value = {"author": ANNA, "sequence": 7, "timestamp": 1000, "content": content}
    return {
        "message": {"key": KEY, "value": value, "timestamp": 1_700_000_000_000},
        "excerpt": {"text": text, "marks": list(marks)},
        "care": care,
        "thread": KEY,
        "threadTitle": "",
    }


def answer(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"found": list(items), "after": None, "notes": [], **more}


def test_words_are_one_question(lichen: Lichen, client: Any) -> None:
    client.answers["social.search"] = answer(found("a stone", [2, 7]))
    client.answers["social.names"] = {ANNA: "anna"}
    ended = lichen("search", "stone", "author:anna", "--limit", "5", "--after", "n1-2-3")
    assert ended.code == Exit.DONE
    assert client.asked("social.search") == [
        ({"query": "stone author:anna", "limit": 5, "after": "n1-2-3"},)
    ]
    head, text, *_ = ended.out.splitlines()
    assert "anna" in head
    assert text == "    a stone"
    assert not ended.err


def test_what_is_looked_for_is_bold(lichen: Lichen, client: Any) -> None:
    client.answers["social.search"] = answer(found("a stone wall", [2, 7]))
    assert "a \x1b[1mstone\x1b[0m wall" in lichen("--color=always", "search", "stone").out


def test_json_is_the_answer_as_it_is(lichen: Lichen, client: Any) -> None:
    client.answers["social.search"] = answer(found("a stone", [2, 7]), after="n1-2-3")
    assert lichen("search", "stone", "--json").lines == [client.answers["social.search"]]


def test_what_else_there_is_to_say_is_no_data(lichen: Lichen, client: Any) -> None:
    notes = [N_("Nobody here is called {name}.", name="x\x1b[31m").to_json(), "rubbish"]
    client.answers["social.search"] = answer(found("stone"), after="n1-2-3", notes=notes)
    ended = lichen("search", "stone")
    assert "Nobody here is called x." in ended.err
    assert "--after n1-2-3" in ended.err
    assert "n1-2-3" not in ended.out


def test_nothing_fits(lichen: Lichen, client: Any) -> None:
    client.answers["social.search"] = answer()
    ended = lichen("search", "unheard")
    assert (ended.code, ended.out, ended.err) == (Exit.NOT_FOUND, "", "Nothing fits.\n")
    assert lichen("search", "unheard", "--json").code == Exit.NOT_FOUND


def test_care_is_asked_for_before_the_text(lichen: Lichen, client: Any) -> None:
    client.answers["social.search"] = answer(found("terrible", care="war\x1b[2J"))
    ended = lichen("search", "terrible")
    assert "They ask for care: war" in ended.out
    assert "terrible" not in ended.out
    assert "\x1b" not in ended.out


def test_found_text_is_harmless(lichen: Lichen, client: Any) -> None:
    client.answers["social.search"] = answer(found("a \x1b]0;x\x07stone\u202e", [2, 12]))
    out = lichen("search", "stone").out
    assert not {"\x1b", "\x07", "\u202e"} & set(out)
    assert "stone" in out


def test_a_question_that_cannot_be_answered_is_wrong_usage(lichen: Lichen, client: Any) -> None:
    client.answers["social.search"] = ApiError("usage", "This says nothing.", "Add a word.")
    ended = lichen("search", "--", "-x")
    assert ended.code == Exit.USAGE
    assert ended.err == "Error: This says nothing.\nAdd a word.\n"
    assert lichen("search").code == Exit.USAGE
    assert lichen("search", "x", "--limit", "0").code == Exit.USAGE


def test_what_is_not_searched_yet_is_told(lichen: Lichen, client: Any) -> None:
    client.answers["social.search"] = answer(found("stone"), folded=1200, total=34000)
    assert "Searched so far: 1,200 of 34,000 messages." in lichen("search", "stone").err
    client.answers["social.search"] = answer(found("stone"), folded=34000, total=34000)
    assert "Searched so far" not in lichen("search", "stone").err
