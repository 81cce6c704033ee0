"""Messages in a line: who, when, what."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lichen.feed.refs import feed_id_from_bytes, msg_id_from_bytes

ANNA, BERT = feed_id_from_bytes(b"\1" * 32), feed_id_from_bytes(b"\2" * 32)
KEY = msg_id_from_bytes(b"\3" * 32)
DAY_MS = 86_400_000.0
NOON_2020_MS = 1_577_880_000_000.0


@pytest.fixture
def utc() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def shown(lichen: Callable[..., Any], client: Any) -> Callable[..., str]:
    client.answers["social.names"] = {BERT: "bert"}

    def shown(content: Any, claimed_ms: float = NOON_2020_MS, **more: Any) -> str:
        value = {"author": ANNA, "timestamp": claimed_ms, "content": content}
        client.answers["createLogStream"] = [
            {"key": KEY, "value": value, "timestamp": NOON_2020_MS + DAY_MS, **more}
        ]
        text: str = lichen("log").out
        return text

    return shown


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"type": "post", "text": "x", "channel": "#Garden"}, "post #garden"),
        ({"type": "post", "text": "x", "root": KEY}, "reply in %AwMDAw…"),
        ({"type": "contact", "contact": BERT, "following": True}, "follows bert (@AgICAg…)"),
        ({"type": "contact", "contact": BERT, "blocking": True}, "blocks bert (@AgICAg…)"),
        ({"type": "contact", "contact": BERT}, "no longer follows or blocks bert"),
        ({"type": "about", "about": ANNA, "name": "an\x1bna"}, "is now called a"),
        ({"type": "about", "about": ANNA, "description": "x"}, "describes themselves"),
        ({"type": "about", "about": BERT, "name": "bertie"}, "names bert (@AgICAg…): bertie"),
        ({"type": "vote", "vote": {"link": KEY, "value": 1}}, "likes %AwMDAw…"),
        ({"type": "vote", "vote": {"link": KEY, "value": 0}}, "likes %AwMDAw… no longer"),
        ("c2VjcmV0.box", "private"),
        ({"type": "chess_\u202emove"}, "chess_move"),
        ({"type": "contact", "contact": "nobody"}, "contact"),
        (None, "message"),
    ],
)
def test_what_a_message_does(content: Any, words: str, shown: Callable[..., str]) -> None:
    head = shown(content).splitlines()[0]
    assert f"@AQEBAQ…  {words}" in head
    assert "\x1b" not in head


@pytest.mark.parametrize(
    ("claimed_ms", "day"),
    [
        (NOON_2020_MS - 3 * DAY_MS, "2019-12-29"),
        (NOON_2020_MS + 9 * DAY_MS, "2020-01-02"),
        (-5.0, "2020-01-02"),
    ],
    ids=["as claimed", "not later than received", "nonsense"],
)
def test_time_is_the_claimed_one_while_it_can_be_true(
    claimed_ms: float, day: str, shown: Callable[..., str], utc: None
) -> None:
    assert shown({"type": "x"}, claimed_ms).startswith(day)


@pytest.mark.usefixtures("utc")
def test_a_signature_that_is_not_checked_yet_is_told_beside_the_time(
    shown: Callable[..., str],
) -> None:
    post = {"type": "post", "text": "hello"}
    assert "2020-01-01 12:00  not checked yet  @" in shown(post, audited=False)
    assert "checked" not in shown(post)
