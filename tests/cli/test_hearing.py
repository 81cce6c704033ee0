"""What a running peer hears is told calmly, with names, and never blocks the peer."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest

from lichen.cli import rendering
from lichen.cli.commands.peer import hearing as hearing_module
from lichen.cli.commands.peer.hearing import Hearing
from lichen.cli.output import Output
from lichen.feed.refs import feed_id_from_bytes, msg_id_from_bytes
from lichen.node.hub import Hub, Notice
from lichen.store.errors import DISK_FULL, StoreWriteFailed
from lichen.words import N_, words_for

ANNA, BERT = feed_id_from_bytes(b"\1" * 32), feed_id_from_bytes(b"\2" * 32)
KEY = msg_id_from_bytes(b"\3" * 32)


def tell(client: Any, notices: Sequence[Notice], *, is_json: bool = False) -> None:
    async def main() -> None:
        hearing = Hearing(Output(is_json=is_json))
        for notice in notices:
            hearing.announce(notice)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await hearing.tell(client)

    asyncio.run(main())


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing_module, "SUM_S", 0.01)


def told(capfd: pytest.CaptureFixture[str]) -> list[str]:
    return [line.partition("  ")[2] for line in capfd.readouterr().out.splitlines()]


def test_a_text_is_told_by_its_first_words(client: Any, capfd: pytest.CaptureFixture[str]) -> None:
    client.answers["social.names"] = {ANNA: "anna"}
    text = "hello\x1b[2J\n" + "word " * 50
    tell(client, [Notice(0, "message", feed=ANNA, key=KEY, type="post", text=text)])
    (line,) = told(capfd)
    assert line.startswith("anna (@AQEBAQ…): hello word word")
    assert line.endswith("…")
    assert len(line) < 100
    tell(client, [Notice(0, "message", feed=ANNA, key=KEY, text="hello", audited=False)])
    assert told(capfd) == ["anna (@AQEBAQ…): hello  not checked yet"]


def test_other_messages_are_told_by_what_they_do(
    client: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    content = {"type": "contact", "contact": BERT, "blocking": True}
    client.answers["get"] = {"key": KEY, "value": {"author": ANNA, "content": content}}
    client.answers["social.names"] = {ANNA: "anna", BERT: "bert"}
    tell(client, [Notice(0, "message", feed=ANNA, key=KEY, type="contact")])
    assert told(capfd) == ["anna (@AQEBAQ…): blocks bert (@AgICAg…)"]


def test_a_flood_is_added_up(client: Any, capfd: pytest.CaptureFixture[str]) -> None:
    tell(client, [Notice(0, "messages", peer=ANNA, count=500) for _ in range(3)])
    (line,) = told(capfd)
    assert line.startswith("1,500 new messages through @AQEBAQ… (")


def test_peers_come_and_go(client: Any, capfd: pytest.CaptureFixture[str]) -> None:
    tell(
        client,
        [
            Notice(0, "connected", peer=ANNA),
            Notice(0, "disconnected", peer=ANNA, detail="idle"),
            Notice(0, "disconnected", peer=ANNA, detail="weird\x9b2J"),
            Notice(0, "refused", feed=BERT, sequence=4, detail="the signature does not fit"),
            Notice(0, "fork", feed=BERT, sequence=9),
            Notice(0, "taken-back", feed=BERT, detail="gone"),
            Notice(0, "taken-back", feed=BERT, peer=ANNA, detail="gone"),
            Notice(0, "store-failed", detail="disk full"),
            Notice(0, "something-new", peer=ANNA, detail="it is so"),
        ],
    )
    assert told(capfd) == [
        "connected to @AQEBAQ…",
        "disconnected from @AQEBAQ…: nothing was heard of it for a long time",
        "disconnected from @AQEBAQ…: weird",
        "refused message 4 of @AgICAg…: the signature does not fit",
        "the feed of @AgICAg… is forked at message 9; nothing is added to it",
        "taken back: messages of @AgICAg… that were not signed like this",
        "taken back: messages of @AgICAg… that were not signed like this; @AQEBAQ… sent them",
        "messages could not be written: disk full",
        "something-new  @AQEBAQ…  it is so",
    ]


def test_notices_are_lines_of_json(client: Any, capfd: pytest.CaptureFixture[str]) -> None:
    tell(client, [Notice(5, "connected", peer=ANNA)], is_json=True)
    assert '"topic":"connected"' in capfd.readouterr().out


def test_a_slow_terminal_loses_events_not_the_peer(
    client: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing_module, "WAITING_MAX", 2)
    tell(client, [Notice(0, "connected", peer=ANNA)] * 5)
    ended = capfd.readouterr()
    assert ended.out.count("connected to") == 2
    assert "3 events were not shown" in ended.err


def test_who_is_nearby_is_told_with_the_next_step(
    client: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    client.answers["social.names"] = {ANNA: "anna"}
    notices = [
        Notice(0, "nearby", peer=ANNA, detail="net:10.0.0.1:8008~shs:x\x1b[2J"),
        Notice(0, "nearby-gone", peer=ANNA),
        Notice(0, "lan-failed", detail="Peers nearby are not heard on UDP port 8008: taken."),
    ]
    tell(client, notices)
    assert told(capfd) == [
        "anna (@AQEBAQ…) is nearby. To connect: lichen connect net:10.0.0.1:8008~shs:x",
        "anna (@AQEBAQ…) is nearby no longer",
        "Peers nearby are not heard on UDP port 8008: taken.",
    ]


def test_what_is_heard_is_told_in_german(
    client: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    german = words_for("de")
    for module in (hearing_module, rendering):
        monkeypatch.setattr(module, "WORDS", german)
        monkeypatch.setattr(module, "_", german.gettext)
    hub, notices = Hub(), []
    hub.listen(notices.append)
    hub.tell("disconnected", peer=ANNA, detail="closed-by-peer")
    hub.tell("store-failed", detail=StoreWriteFailed(DISK_FULL).message)
    hub.tell("lan-failed", detail=N_("UDP port {port} was lost: {words}.", port="8008", words="x"))
    tell(client, notices)
    assert told(capfd) == [
        "getrennt von @AQEBAQ…: er hat aufgelegt",
        "Nachrichten ließen sich nicht schreiben: Nichts wurde geschrieben: die Platte ist voll.",
        "UDP-Port 8008 ging verloren: x.",
    ]
