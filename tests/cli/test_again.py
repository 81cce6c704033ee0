"""What cannot be published is given back, and a shell that is given it publishes just that."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lichen.cli.exits import Exit
from lichen.feed.refs import msg_id_from_bytes
from lichen.node.errors import ApiError

Lichen = Callable[..., Any]
FULL = ApiError("limit", "Nothing was written: disk full.", "Make room on the disk.")
STOPPED = ApiError("unreachable", "The peer has stopped.", "Start it again.")
TOO_LONG = ApiError("invalid", "This is about 9 characters too long.", "Shorten it.")
ROOT = msg_id_from_bytes(b"\3" * 32)
TEXTS = [
    "hello",
    "it's  'quoted' \"twice\" $HOME `id` \\n !! \\",
    "two\n\nlines, and a\ttab",
    "grüße, 漢字, 🌿",
    "ends\nTEXT\nTEXT_\nnot here",
    "\x1b \\n \\x41 \\' \\",
    "\x1b[2Jgone \u202eturned\u202c \x07 it's \\ too\r\n",
]


def shell(text: str, directory: Path) -> tuple[list[str], str]:
    """Return the arguments and the input that bash gives to the command ``lichen``."""
    program = directory / "lichen"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.stdin.reconfigure(newline='')\n"
        "print(repr((sys.argv[1:], '' if sys.stdin.isatty() else sys.stdin.read())))\n"
    )
    program.chmod(0o755)
    bash = shutil.which("bash")
    assert bash is not None
    ended = subprocess.run(
        [bash, "-c", text],
        capture_output=True,
        check=True,
        stdin=subprocess.DEVNULL,
        env={"PATH": f"{directory}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"},
    )
    arguments, given = eval(ended.stdout)
    return arguments, given


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("is_piped", [True, False])
def test_a_text_is_given_back_whole(
    lichen: Lichen, client: Any, tmp_path: Path, text: str, is_piped: bool
) -> None:
    client.answers["social.post"] = FULL
    given = "-" if is_piped else text
    line = ["post", given, "--root", ROOT, "--channel", "a b"]
    fault = lichen(*line, "--json", stdin=text.encode()).fault
    assert (fault["error"], fault["code"]) == ("limit", Exit.LIMIT)
    words = lichen(*line, stdin=text.encode())
    assert words.code == Exit.LIMIT
    assert words.out == ""
    assert words.err.startswith("Error: Nothing was written: disk full.\nMake room")
    said, _, again = words.err.partition("this publishes it:\n\n")
    assert "Nothing was published." in said
    assert again == fault["again"] + "\n"
    assert not any(char in again for char in "\x1b\x07\r\u202e")
    arguments, piped = shell(again, tmp_path)
    assert arguments[:-1] == ["post", "--root", ROOT, "--channel", "a b"]
    assert (piped.strip() if is_piped else arguments[-1]) == (text.strip() if is_piped else text)


def test_a_text_that_looks_like_an_option_is_none(lichen: Lichen, client: Any) -> None:
    client.answers["social.post"] = FULL
    assert lichen("post", "--json", "--", "-x").fault["again"] == "lichen post -- -x"


def test_contents_are_given_back(lichen: Lichen, client: Any, tmp_path: Path) -> None:
    client.answers["lichen.publishMany"] = FULL
    lines = '{"type":"post","text":"it\'s"}\n{"type":"abc","2":1,"a":"grüße"}\n'
    ended = lichen("publish", stdin=lines.encode())
    assert ended.code == Exit.LIMIT
    arguments, piped = shell(ended.err.partition("publishes it:\n\n")[2], tmp_path)
    assert (arguments, piped) == (["publish"], lines)


@pytest.mark.parametrize(
    ("method", "line"),
    [
        ("social.follow", ["follow", ROOT.replace("%", "@").replace("sha256", "ed25519")]),
        ("social.unfollow", ["unfollow", ROOT.replace("%", "@").replace("sha256", "ed25519")]),
        ("social.block", ["block", ROOT.replace("%", "@").replace("sha256", "ed25519")]),
        ("social.setName", ["name", ROOT, "Anna of the mill"]),
    ],
)
def test_every_command_that_publishes_is_given_back(
    lichen: Lichen, client: Any, tmp_path: Path, method: str, line: list[str]
) -> None:
    client.answers[method] = FULL
    home = ["--home", str(tmp_path / "my peer")]
    fault = lichen(*line, *home, "--json").fault
    assert shlex.split(fault["again"]) == ["lichen", line[0], *home, *line[1:]]
    assert "again" not in lichen(*line, "--dry-run", "--json").fault


def test_what_may_have_been_published_is_not_said_to_be_lost(lichen: Lichen, client: Any) -> None:
    client.answers["social.post"] = STOPPED
    ended = lichen("post", "hello")
    assert ended.code == Exit.UNREACHABLE
    assert "Look with lichen log whether it was published" in ended.err
    assert "Nothing was published" not in ended.err


def test_a_text_at_fault_itself_comes_back_only_where_it_would_be_lost(
    lichen: Lichen, client: Any
) -> None:
    client.answers["social.post"] = TOO_LONG
    assert "again" not in lichen("post", "hello", "--json").fault
    assert lichen("post", "-", "--json", stdin=b"hello").fault["again"].startswith("lichen post -")
