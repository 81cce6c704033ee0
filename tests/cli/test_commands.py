"""What each command asks of the peer, what it says, and how it ends."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lichen.cli.commands.identity import OVERRIDE_WORDS
from lichen.cli.exits import Exit
from lichen.feed.refs import feed_id_from_bytes, msg_id_from_bytes
from lichen.node.errors import ApiError

ANNA, BERT = feed_id_from_bytes(b"\1" * 32), feed_id_from_bytes(b"\2" * 32)
FIRST, SECOND = msg_id_from_bytes(b"\3" * 32), msg_id_from_bytes(b"\4" * 32)
Lichen = Callable[..., Any]


def item(key: str = FIRST, author: str = ANNA, **content: Any) -> dict[str, Any]:
    content = content or {"type": "post", "text": "hello"}
    value = {"author": author, "sequence": 7, "timestamp": 1000, "content": content}
    return {"key": key, "value": value, "timestamp": 1_700_000_000_000}


def test_whoami(lichen: Lichen, client: Any) -> None:
    client.answers["whoami"] = {"id": ANNA}
    assert lichen("whoami").out == ANNA + "\n"
    assert lichen("whoami", "--json").lines == [{"id": ANNA}]


def test_flags_may_stand_before_the_command(lichen: Lichen, client: Any) -> None:
    client.answers["whoami"] = {"id": ANNA}
    assert lichen("--json", "whoami").lines == [{"id": ANNA}]


def test_post_prints_the_id_and_words_apart(lichen: Lichen, client: Any) -> None:
    client.answers["social.post"] = {"message": item()}
    ended = lichen("post", "hello", "--channel", "garden")
    assert ended.out == FIRST + "\n"
    assert "message 7" in ended.err
    assert client.asked("social.post") == [
        ({"text": "hello", "dryRun": False, "channel": "garden"},)
    ]


def test_post_reads_standard_input(lichen: Lichen, client: Any) -> None:
    client.answers["social.post"] = {"message": item()}
    lichen("post", "-", "--root", FIRST, stdin="grüße\n".encode())
    assert client.asked("social.post") == [({"text": "grüße", "dryRun": False, "root": FIRST},)]


def test_empty_post_is_wrong_usage(lichen: Lichen, client: Any) -> None:
    assert lichen("post", "  ").code == Exit.USAGE
    assert not client.calls


def test_dry_run_shows_the_exact_content(lichen: Lichen, client: Any) -> None:
    client.answers["social.post"] = {"content": {"type": "post", "text": "hello"}}
    ended = lichen("post", "hello", "--dry-run")
    assert ended.out == '{"type":"post","text":"hello"}\n'
    assert "30 bytes" in ended.err


def test_publish_sends_all_lines_in_one_call(lichen: Lichen, client: Any) -> None:
    client.answers["lichen.publishMany"] = [{"key": FIRST}, {"key": SECOND}]
    ended = lichen("publish", stdin=b'{"type":"abc"}\n\n{"type":"post","2":1,"1":2}\n')
    assert ended.out == f"{FIRST}\n{SECOND}\n"
    ((contents,),) = client.asked("lichen.publishMany")
    assert contents == [{"type": "abc"}, {"type": "post", "2": 1, "1": 2}]


@pytest.mark.parametrize(
    ("line", "words"),
    [(b"{", "not JSON"), (b"[1]", "an object"), (b'{"a":1}', "type"), (b"\xff", "UTF-8")],
)
def test_publish_refuses_a_bad_line_before_anything_is_sent(
    line: bytes, words: str, lichen: Lichen, client: Any
) -> None:
    ended = lichen("publish", stdin=b'{"type":"post"}\n' + line + b"\n")
    assert ended.code == Exit.USAGE
    assert "Line 2" in ended.err
    assert words in ended.err
    assert not client.calls


def test_publish_of_nothing_is_wrong_usage(lichen: Lichen, client: Any) -> None:
    assert lichen("publish", stdin=b"\n").code == Exit.USAGE


def test_publish_of_too_much_reaches_a_limit(lichen: Lichen, client: Any) -> None:
    line = b'{"type":"post","text":"%s"}\n' % (b"x" * 8000)
    assert lichen("publish", stdin=line * 130).code == Exit.LIMIT


@pytest.mark.parametrize("verb", ["follow", "unfollow", "block"])
def test_relations_name_a_feed_and_may_be_so_already(
    verb: str, lichen: Lichen, client: Any
) -> None:
    client.answers[f"social.{verb}"] = {"already": True}
    ended = lichen(verb, ANNA)
    assert ended.code == Exit.DONE
    assert "Already so" in ended.out
    assert client.asked(f"social.{verb}") == [({"id": ANNA, "dryRun": False},)]


def test_name(lichen: Lichen, client: Any) -> None:
    client.answers["social.setName"] = {"message": item()}
    lichen("name", ANNA, "anna")
    assert client.asked("social.setName") == [({"id": ANNA, "name": "anna", "dryRun": False},)]


def test_log_shows_the_newest_last_with_names_and_no_escapes(lichen: Lichen, client: Any) -> None:
    client.answers["createLogStream"] = [
        item(SECOND, type="contact", contact=BERT, following=True),
        item(FIRST, type="post", text="one\x1b[2J\ntwo\u202e"),
    ]
    client.answers["social.names"] = {ANNA: "an\x1b[1mna", BERT: "bert"}
    out = lichen("log", "--limit", "2").out
    assert "\x1b" not in out
    assert "\u202e" not in out
    post, text_one, text_two, _empty, contact = out.splitlines()
    assert "anna (@AQEBAQ…)" in post
    assert (text_one, text_two) == ("    one", "    two")
    assert "follows bert (@AgICAg…)" in contact
    assert client.asked("createLogStream") == [({"reverse": True, "limit": 3},)]


def test_log_goes_on_where_it_ended(lichen: Lichen, client: Any) -> None:
    def stream(options: dict[str, Any]) -> list[Any]:
        old = [{**item(FIRST, type="x"), "timestamp": 1.7e12 + number / 8} for number in range(5)]
        found = [one for one in old if one["timestamp"] < options.get("lt", 2e12)]
        return found[::-1][: options["limit"]]

    client.answers["createLogStream"] = stream
    seen: list[Any] = []
    more: list[str] = []
    while True:
        ended = lichen("log", "--limit", "2", *more)
        seen = lichen("log", "--limit", "2", *more, "--json").lines + seen
        if "--before" not in ended.err:
            break
        more = ended.err.split()[-2:]
    assert [one["timestamp"] - 1.7e12 for one in seen] == [0, 0.125, 0.25, 0.375, 0.5]
    assert lichen("log", "--follow", "--before", "1").code == Exit.USAGE
    assert lichen("log", "--before", "x").code == Exit.USAGE


def test_log_asks_for_type_and_author(lichen: Lichen, client: Any) -> None:
    client.answers["createLogStream"] = []
    lichen("log", "--type", "vote", "--author", ANNA)
    ((options,),) = client.asked("createLogStream")
    assert options["type"] == "vote"
    assert options["author"] == ANNA


def test_log_with_json_passes_values_through(lichen: Lichen, client: Any) -> None:
    client.answers["createLogStream"] = [item(type="x", text="\ud800", n=1e21, b=0.1)]
    out = lichen("log", "--json").out
    assert '"text":"\\ud800","n":1e+21,"b":0.1' in out
    assert not client.asked("social.names")


def test_following_needs_a_running_peer(lichen: Lichen, client: Any) -> None:
    client.is_live = False
    ended = lichen("log", "--follow", "--json")
    assert ended.code == Exit.UNREACHABLE
    assert ended.fault["error"] == "unreachable"
    assert "lichen start" in ended.fault["hint"]


def test_following_shows_each_message_once(lichen: Lichen, client: Any) -> None:
    def stream(options: dict[str, Any]) -> list[Any]:
        if options.get("live"):
            return [item(FIRST), item(SECOND), ApiError("unreachable", "The peer has stopped.")]
        return [item(FIRST)]

    client.answers["createLogStream"] = stream
    ended = lichen("log", "--follow", "--json")
    assert [line["key"] for line in ended.lines] == [FIRST, SECOND]
    assert ended.code == Exit.UNREACHABLE


def test_ctrl_c_is_told_apart(lichen: Lichen, client: Any) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    client.answers["whoami"] = interrupt
    ended = lichen("whoami")
    assert (ended.code, ended.out, ended.err.strip()) == (Exit.INTERRUPTED, "", "")
    ended = lichen("whoami", "--json")
    assert ended.fault["code"] == 130
    assert ended.fault["error"] == "interrupted"


def test_thread_shows_gaps(lichen: Lichen, client: Any) -> None:
    client.answers["social.thread"] = [{"key": SECOND, "isMissing": True}, item()]
    ended = lichen("thread", FIRST)
    assert ended.out.startswith("    ··· %BAQEBA… is not here\n")
    assert "hello" in ended.out
    assert lichen("thread", FIRST, "--json").lines[0] == {"key": SECOND, "isMissing": True}


def test_status_in_words_and_json(lichen: Lichen, client: Any) -> None:
    client.answers["status"] = {
        "id": ANNA,
        "directory": "/home/anna",
        "isRunning": False,
        "addresses": ["net:192.0.2.1:8008~shs:x"],
        "hops": 2,
        "messages": 12345,
        "feeds": 3,
        "ownSequence": 7,
        "isGuarded": True,
        "forkedFeeds": [BERT],
        "distrustedPeers": [BERT],
        "damage": "the database is damaged",
    }
    ended = lichen("status")
    for words in (ANNA, "12,345", "192.0.2.1", "waits", "1 feed"):
        assert words in ended.out
    doubted = "1 peer once passed on what its author had not signed; all that it sends is checked"
    assert (
        f"doubted     {doubted} whole. What to do: lichen doctor\n            {BERT}\n" in ended.out
    )
    mend = "the database is damaged. Mend it with: lichen fsck --heal"
    assert f"disk        damaged: {mend}\n" in ended.out
    assert "lichen start" in ended.err
    assert lichen("status", "--json").lines == [client.answers["status"]]


def test_peers_as_a_table_and_one_a_line(lichen: Lichen, client: Any) -> None:
    client.answers["conn.peers"] = [
        {"peer": ANNA, "address": "net:192.0.2.1:8008", "is_client": True}
    ]
    client.answers["social.names"] = {ANNA: "anna"}
    header, row = lichen("peers").out.splitlines()
    assert header.split() == ["PEER", "CALLED", "RECEIVED", "SENT", "ADDRESS"]
    assert row.split()[:2] == ["anna", "(@AQEBAQ…)"]
    assert lichen("peers", "--json").lines == client.answers["conn.peers"]


def test_no_peers_is_no_failure(lichen: Lichen, client: Any) -> None:
    client.answers["conn.peers"] = []
    ended = lichen("peers")
    assert (ended.code, ended.out) == (Exit.DONE, "")
    assert "lichen connect" in ended.err


def test_connect_tells_the_next_step(lichen: Lichen, client: Any) -> None:
    client.answers["conn.connect"] = {"peer": ANNA, "address": "net:x"}
    ended = lichen("connect", "net:x")
    assert ended.out == ANNA + "\n"
    assert f"lichen follow {ANNA}" in ended.err


def test_fault_of_the_peer_decides_the_exit_code(lichen: Lichen, client: Any) -> None:
    client.answers["conn.connect"] = ApiError("unreachable", "No connection.", "Try later.")
    ended = lichen("connect", "net:x")
    assert ended.code == Exit.UNREACHABLE
    assert ended.err == "Error: No connection.\nTry later.\n"
    ended = lichen("connect", "net:x", "--json")
    assert ended.fault == {
        "message_type": "exit_error",
        "code": 5,
        "error": "unreachable",
        "message": "No connection.",
        "hint": "Try later.",
    }


def test_mistake_of_ours_is_said_as_one(lichen: Lichen, client: Any) -> None:
    ended = lichen("whoami", "--json")  # the fake has no answer
    assert ended.code == Exit.FAILED
    assert "mistake in Lichen" in ended.fault["message"]


def test_hops_are_shown_and_set(lichen: Lichen, client: Any) -> None:
    client.answers["lichen.setHops"] = 3
    assert lichen("hops").out == "3\n"
    assert lichen("hops", "3", "--json").lines == [{"hops": 3}]
    assert client.asked("lichen.setHops") == [(), (3,)]


def test_doctor_fails_if_a_check_does(lichen: Lichen, client: Any) -> None:
    good = {"check": "disk", "verdict": "ok", "words": "12 GiB", "remedy": ""}
    bad = {"check": "secret", "verdict": "fail", "words": "open", "remedy": "chmod 600 secret"}
    client.answers["lichen.doctor"] = [good]
    assert lichen("doctor").code == Exit.DONE
    client.answers["lichen.doctor"] = [good, bad]
    ended = lichen("doctor")
    assert ended.code == Exit.FAILED
    assert "fail  secret: open\n      chmod 600 secret\n" in ended.out
    assert lichen("doctor", "--json").lines == [good, bad]
    doubt = {"check": "trust", "verdict": "warn", "words": "one", "remedy": "ask", "feeds": [BERT]}
    client.answers["lichen.doctor"] = [doubt]
    assert lichen("doctor").out == f"warn  trust: one\n      ask\n      {BERT}\n"
    assert lichen("doctor", "--json").lines == [doubt]


def test_doctor_reports_a_data_directory_that_does_not_open(lichen: Lichen, client: Any) -> None:
    client.answers["lichen.doctor"] = ApiError("locked", "In use by 7.", "Stop it.")
    ended = lichen("doctor", "--json")
    assert ended.code == Exit.LOCKED
    assert ended.lines == [
        {"check": "open", "verdict": "fail", "words": "In use by 7.", "remedy": "Stop it."}
    ]


def record(**members: Any) -> dict[str, Any]:
    return {"read": 0, "accepted": 0, "duplicates": 0, "refused": 0, "rejected": [], **members}


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (record(read=3, accepted=3), Exit.DONE),
        (record(read=3, duplicates=3), Exit.DONE),
        (record(read=3, accepted=2, refused=1), Exit.PARTLY_DONE),
        (record(read=3, refused=3), Exit.INVALID),
    ],
)
def test_import_ends_as_its_messages_do(
    last: Any, code: Exit, lichen: Lichen, client: Any, tmp_path: Path
) -> None:
    file = tmp_path / "log.jsonl"
    file.touch()
    client.answers["lichen.importFile"] = [record(read=1), last]
    assert lichen("import", str(file), "--no-views").code == code
    asked = {"path": str(file), "noViews": True, "verify": "chain", "waitAudit": False}
    assert client.asked("lichen.importFile") == [(asked,)]
    named = [told | {"file": str(file)} for told in (record(read=1), last)]
    assert lichen("import", str(file), "--json").lines == named


def test_import_of_several_files_and_of_standard_input(
    lichen: Lichen, client: Any, tmp_path: Path
) -> None:
    file = tmp_path / "log.jsonl"
    file.touch()
    refused = [{"line": 2, "reason": "not JSON"}]
    client.answers["lichen.importFile"] = [
        record(read=3, accepted=2, refused=1, rejected=refused, unaudited=7)
    ]
    ended = lichen("import", str(file), "-", "--verify", "all", "--wait-audit", stdin=b"text\n")
    assert ended.code == Exit.PARTLY_DONE
    assert ended.out == "6 read, 4 new, 0 here already, 2 refused\n"
    assert f"{file}: line 2: not JSON" in ended.err
    assert "-: line 2: not JSON" in ended.err
    assert "7 signatures are still to be checked" in ended.err
    (first,), (second,) = client.asked("lichen.importFile")
    assert (first["path"], first["verify"], first["waitAudit"]) == (str(file), "all", False)
    assert second["waitAudit"]
    assert not Path(second["path"]).exists(), "standard input is kept no longer than needed"


def test_import_says_that_the_audit_cut_a_feed(lichen: Lichen, client: Any, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.touch()
    client.answers["lichen.importFile"] = [record(read=3, accepted=3, cut=1)]
    ended = lichen("import", str(file))
    assert ended.code == Exit.PARTLY_DONE
    assert "1 feed was cut short before a wrong signature" in ended.err


def test_import_says_what_was_refused_and_why(lichen: Lichen, client: Any, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.touch()
    refusals = [
        {"line": 2, "reason": "not JSON"},
        {"author": ANNA, "sequence": 4, "reason": "gap"},
        {"key": FIRST, "reason": "another id"},
    ]
    client.answers["lichen.importFile"] = [record(read=5, accepted=1, refused=4, rejected=refusals)]
    ended = lichen("import", str(file))
    assert ended.out == "5 read, 1 new, 0 here already, 4 refused\n"
    for words in (
        "line 2: not JSON",
        "@AQEBAQ…, message 4: gap",
        "%AwMDAw…: another id",
        "1 more refused",
    ):
        assert words in ended.err


def test_import_of_no_file(lichen: Lichen, client: Any, tmp_path: Path) -> None:
    assert lichen("import", str(tmp_path / "none")).code == Exit.NOT_FOUND


def test_export_to_standard_output(lichen: Lichen, client: Any) -> None:
    client.answers["createLogStream"] = [item(FIRST), item(SECOND)]
    assert lichen("export").lines == [item(FIRST), item(SECOND)]


def test_export_leaves_out_what_only_this_machine_knows(
    lichen: Lichen, client: Any, tmp_path: Path
) -> None:
    client.answers["createLogStream"] = lambda _options: [{**item(FIRST), "audited": False}]
    assert lichen("export").lines == [item(FIRST)]
    assert lichen("export", str(tmp_path / "log")).code == Exit.DONE
    assert "audited" not in (tmp_path / "log").read_text()


def test_export_to_a_file_and_packed(lichen: Lichen, client: Any, tmp_path: Path) -> None:
    client.answers["createLogStream"] = [item(FIRST), item(SECOND)]
    plain, packed = tmp_path / "log.jsonl", tmp_path / "log.jsonl.gz"
    assert lichen("export", str(plain), "--json").lines == [{"file": str(plain), "written": 2}]
    assert lichen("export", str(packed)).code == Exit.DONE
    lines = plain.read_bytes().splitlines()
    assert [json.loads(line)["key"] for line in lines] == [FIRST, SECOND]
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl", "log.jsonl.gz"]


def test_export_replaces_nothing_unasked(lichen: Lichen, client: Any, tmp_path: Path) -> None:
    client.answers["createLogStream"] = [item()]
    file = tmp_path / "precious"
    file.write_text("old")
    assert lichen("export", str(file)).code == Exit.USAGE
    assert file.read_text() == "old"
    assert lichen("export", str(file), "--force").code == Exit.DONE
    assert file.read_text() != "old"


def test_broken_export_leaves_no_file(lichen: Lichen, client: Any, tmp_path: Path) -> None:
    client.answers["createLogStream"] = [item(), ApiError("failed", "The peer has stopped.")]
    assert lichen("export", str(tmp_path / "log")).code == Exit.FAILED
    assert list(tmp_path.iterdir()) == []


def test_guard_is_lifted_only_by_the_whole_sentence(lichen: Lichen, client: Any) -> None:
    client.answers["lichen.liftGuard"] = True
    for words in ((), ("yes",)):
        ended = lichen("allow-publishing", *words)
        assert ended.code == Exit.USAGE
        assert OVERRIDE_WORDS in ended.err
    assert not client.calls
    assert lichen("allow-publishing", OVERRIDE_WORDS + ".").code == Exit.DONE
    assert client.asked("lichen.liftGuard")


def test_loose_secret_is_refused_with_the_command_that_helps(
    lichen: Lichen, client: Any, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("{}")
    secret.chmod(0o644)
    ended = lichen("--home", str(tmp_path / "home"), "identity", "import", str(secret), "--json")
    assert ended.code == Exit.REFUSED
    assert ended.fault["hint"] == f"Run: chmod 600 '{secret}'"


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\xfe", b"hello"])
def test_damaged_secret_is_refused(
    data: bytes, lichen: Lichen, client: Any, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(data)
    secret.chmod(0o600)
    ended = lichen("--home", str(tmp_path / "home"), "identity", "import", str(secret))
    assert ended.code == Exit.WRONG_KEY
    assert not (tmp_path / "home").exists()


def test_missing_secret(lichen: Lichen, client: Any, tmp_path: Path) -> None:
    ended = lichen("identity", "import", str(tmp_path / "none"))
    assert ended.code == Exit.NOT_FOUND


def test_a_terminal_does_not_need_to_be_utf_8(
    lichen: Lichen, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.answers["createLogStream"] = [item(type="post", text="漢")]
    with os.fdopen(os.dup(1), "w", encoding="ascii") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        assert "    ?" in lichen("log").out
        monkeypatch.undo()
