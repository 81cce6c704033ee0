"""The command line in other languages; each run is a process, as the language is chosen once."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from pathlib import Path
import click
from lichen.cli.main import build_group, run

def walk(group, path):
    for name in group.list_commands(click.Context(group)):
        inner = group.get_command(click.Context(group), name)
        yield [*path, name]
        if isinstance(inner, click.Group):
            yield from walk(inner, [*path, name])

for path in [[], *walk(build_group(), [])]:
    run([*path, "--help"])
    sys.stdout.write("\\0")
for topic in ("exit-codes", "ids", "settings"):
    run(["help", topic])
    sys.stdout.write("\\0")
"""

# What is typed or read by programs is the same in every language.
TYPED = re.compile(
    r"--?[a-z][a-z-]*|\[[^\[\]]*\|[^\[\]]*\]|\{[^{}]*\}|[@%&][A-Za-z0-9+/=]+(?:\.\w+)?|ssb:\S+"
    r"|\b\d\w+"
)
DEFAULTS = re.compile(r"\[\[[^\[\]a-z]+\]?:\s[^\[\]]*\]")
"""A default value is typed, too; it may be broken over two lines."""
SLUGS = re.compile(r"^ +\d+  [a-z-]+", re.MULTILINE)


def run_with(variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        env={**kept, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_help_bypasses_gettext() -> None:
    ended = run_with({"LICHEN_LANGUAGE": "pseudo"}, "-c", PROGRAM)
    assert ended.returncode == 0, ended.stderr
    pages = ended.stdout.split("\0")
    assert len(pages) > 20
    for page in pages:
        # Examples come first, up to the blank line; they are to be typed.
        text = page.split("\n\n", 1)[1] if "lichen " in page.partition("\n\n")[0] else page
        for line in DEFAULTS.sub("", SLUGS.sub("", text)).splitlines():
            known = re.sub(r"^  [a-z-]+(?=  )", "", line)  # names of commands in a list
            known = re.sub(r"lichen( [a-z-]+)*(?= \[OPT)", "", known)
            assert not re.search(r"(?<![\w-])[a-z]{3,}", TYPED.sub("", known)), line


@pytest.mark.parametrize(
    "variables", [{"LANG": "de_DE.UTF-8"}, {"LICHEN_LANGUAGE": "de", "LANG": "en_US.UTF-8"}]
)
def test_german(variables: dict[str, str]) -> None:
    text = run_with(variables, "-m", "lichen", "--help").stdout
    assert "Optionen:" in text
    assert "Einem Feed folgen." in text
    ended = run_with(variables, "-m", "lichen", "log", "--nothing")
    assert ended.returncode == 2
    assert ended.stderr == (
        "Fehler: Die Option '--nothing' gibt es nicht.\nHilfe gibt: lichen log --help\n"
    )


def test_what_stands_first_in_a_line_of_the_status_is_parted_from_the_rest(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    run_with({"LANG": "de_DE.UTF-8"}, "-m", "lichen", "post", "x", "--home", home)
    (tmp_path / "home" / "local.db").unlink()
    status = run_with({"LANG": "de_DE.UTF-8"}, "-m", "lichen", "status", "--home", home).stdout
    assert "Veröffentlichen  wartet" in status


def test_faults_of_the_peer_are_told_in_the_language_of_the_terminal(tmp_path: Path) -> None:
    done = run_with(
        {"LANG": "de_DE.UTF-8"}, "-m", "lichen", "disconnect", "x", "--home", str(tmp_path / "home")
    )
    assert done.returncode != 0
    assert done.stderr.startswith("Fehler: ")
    assert "is not" not in done.stderr
