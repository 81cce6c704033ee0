"""The commands about finding peers and letting go of them, against a client that answers."""

from collections.abc import Callable
from typing import Any

import pytest

from lichen.cli.exits import Exit
from lichen.node.errors import ApiError

Lichen = Callable[..., Any]
ANNA = "@izoMgEFmjBZ0VJkaRQ3nSBYYUv5wdBpuUFdVPTgRDaI=.ed25519"
ADDRESS = f"net:192.168.1.7:8008~shs:{ANNA[1:45]}"
SEEN = {"peer": ANNA, "address": ADDRESS, "is_verified": True, "seen_s_ago": 1.4}
KNOWN = {
    "address": ADDRESS,
    "peer": ANNA,
    "source": "lan",
    "autoconnect": True,
    "failures": 3,
    "next_in_s": 12.5,
    "is_dialling": False,
    "last_error": "no-answer",
    "last_error_words": "it did not answer in time",
}


def test_nearby_lists_who_is_seen(lichen: Lichen, client: Any) -> None:
    client.answers["lichen.nearby"] = [SEEN, {**SEEN, "is_verified": False}]
    client.answers["social.names"] = {ANNA: "anna\x1b[31m"}
    ended = lichen("nearby")
    assert ended.code == Exit.DONE
    header, first, second = ended.out.splitlines()
    assert header.split() == ["PEER", "SIGNED", "SEEN", "ADDRESS"]
    assert first.split()[-5:] == ["yes", "1", "second", "ago", ADDRESS]
    assert second.split()[-5] == "no"
    assert "anna" in first
    assert "\x1b" not in ended.out
    assert lichen("nearby", "--json").lines == [SEEN, {**SEEN, "is_verified": False}]


@pytest.mark.parametrize(("is_live", "hint"), [(True, "lichen lan"), (False, "lichen start")])
def test_nobody_nearby_is_said_with_the_next_step(
    lichen: Lichen, client: Any, is_live: bool, hint: str
) -> None:
    client.answers["lichen.nearby"] = []
    client.is_live = is_live
    ended = lichen("nearby")
    assert ended.out == ""
    assert hint in ended.err
    assert lichen("nearby", "--json").out == ""


@pytest.mark.parametrize(
    ("word", "mode", "words"),
    [
        ("on", "announce", "can see you"),
        ("quiet", "listen", "cannot see you"),
        ("off", "off", "alone"),
    ],
)
def test_lan_sets_what_is_done(
    lichen: Lichen, client: Any, word: str, mode: str, words: str
) -> None:
    told = {"mode": mode, "is_chosen": True, "is_open": True, "problems": ["Port 8008 is taken."]}
    client.answers["lichen.lan"] = told
    ended = lichen("lan", word)
    assert client.asked("lichen.lan") == [(mode,)]
    assert words in ended.out
    assert "Port 8008 is taken." in ended.err
    assert lichen("lan", "--json").lines == [told]
    assert client.asked("lichen.lan")[-1] == ()
    assert lichen("lan", "loud").code == Exit.USAGE
    client.is_live = False
    assert "from the next start" in lichen("lan").err


def test_addresses_say_how_they_do(lichen: Lichen, client: Any) -> None:
    quiet = {**KNOWN, "next_in_s": None, "last_error": None, "last_error_words": None}
    client.answers["conn.addresses"] = [KNOWN, {**quiet, "is_dialling": True}, quiet]
    lines = lichen("addresses").out.splitlines()[1:]
    assert "dialled in 12 s: it did not answer in time" in lines[0]
    assert "being dialled" in lines[1]
    assert "good" in lines[2]
    assert all("lan" in line and line.endswith(ADDRESS) for line in lines)
    assert lichen("addresses", "--json").lines[0] == KNOWN
    client.answers["conn.addresses"] = []
    assert "lichen connect" in lichen("addresses").err


def test_disconnect_and_forget_pass_on_what_is_meant(lichen: Lichen, client: Any) -> None:
    client.answers["lichen.resolve"] = [ANNA]
    client.answers["conn.disconnect"] = {"peer": ANNA}
    assert lichen("disconnect", "@izoMg").out.strip() == ANNA
    assert client.asked("conn.disconnect") == [(ANNA,)]
    client.answers["conn.forget"] = {"address": ADDRESS}
    assert lichen("forget", ADDRESS).out.strip() == ADDRESS
    assert client.asked("conn.forget") == [(ADDRESS,)]
    client.answers["conn.forget"] = ApiError("not-found", "It is not in the address book.")
    assert lichen("forget", "nowhere").code == Exit.NOT_FOUND


def test_trust_passes_on_who_is_meant(lichen: Lichen, client: Any) -> None:
    client.answers["lichen.resolve"] = [ANNA]
    client.answers["lichen.trust"] = {"peer": ANNA}
    assert lichen("trust", "@izoMg").out.strip() == ANNA
    assert client.asked("lichen.trust") == [(ANNA,)]
    client.answers["lichen.trust"] = ApiError("not-found", "It is not doubted.")
    assert lichen("trust", "@izoMg").code == Exit.NOT_FOUND


def test_start_passes_on_what_was_said_about_the_local_network(
    lichen: Lichen, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    from lichen.node import service  # noqa: PLC0415

    seen: list[tuple[bool, str | None]] = []

    def run_service(home: Any, chosen: Any, apps: Any, **how: Any) -> int:
        seen.append((chosen.has_lan, chosen.lan))
        return 0

    monkeypatch.setattr(service, "run_service", run_service)
    for flags in ((), ("--lan",), ("--no-lan",)):
        assert lichen("--home", str(tmp_path), "start", *flags).code == Exit.DONE
    assert seen == [(True, None), (True, "announce"), (True, "off")]
