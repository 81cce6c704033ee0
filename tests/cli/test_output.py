"""Streams, colour, settings and the way a program ends."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from lichen import __version__
from lichen.cli import settings
from lichen.cli.exits import Exit
from lichen.cli.output import Output, wants_colour
from lichen.node import service

KEY = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="


def test_version_says_nothing_else(lichen: Callable[..., Any]) -> None:
    assert lichen("--version").out == f"lichen {__version__}\n"
    assert lichen("--version", "--json").out == f"lichen {__version__}\n"


def test_version_imports_no_peer() -> None:
    code = (
        "import sys; from lichen.cli.main import run; run(['--version']);"
        "heavy = {'apsw', 'nacl', 'asyncio', 'structlog', 'msgspec', 'lichen.node.service'};"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert ended.stderr == b""
    assert ended.returncode == 0


def test_module_form_is_the_command() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "lichen", "--version"], capture_output=True, check=True
    )
    assert ended.stdout.decode() == f"lichen {__version__}\n"


def test_broken_pipe_is_silent() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as stdout:
        ended = subprocess.run(
            [sys.executable, "-m", "lichen", "help", "exit-codes"],
            stdout=stdout,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert ended.stderr == b""
    assert ended.returncode == Exit.DONE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_output_to_a_full_disk_is_told_in_words() -> None:
    with Path("/dev/full").open("wb") as stdout:
        ended = subprocess.run(
            [sys.executable, "-m", "lichen", "help", "exit-codes"],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == Exit.LIMIT
    assert "disk full" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Lichen" not in ended.stderr, "it is no mistake of ours"


@pytest.mark.parametrize(
    ("choice", "variables", "is_tty", "wants"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"CLICOLOR_FORCE": "1"}, False, True),
        ("auto", {"CLICOLOR_FORCE": "0"}, False, False),
        ("auto", {"CLICOLOR": "0"}, True, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"CLICOLOR_FORCE": "1"}, True, False),
    ],
)
def test_colour(
    choice: str,
    variables: dict[str, str],
    is_tty: bool,
    wants: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert wants_colour(choice, is_tty=is_tty) is wants


def test_table_aligns_by_columns(capfd: pytest.CaptureFixture[str]) -> None:
    out = Output(is_json=False)
    out.table(["A", "B"], [["漢", "x"], ["abc", "y\x1b[1m"]])
    out.flush()
    assert capfd.readouterr().out == "A    B\n漢   x\nabc  y\n"


def test_flag_counts_before_group_before_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LICHEN_PORT", "1")
    none: dict[str, object] = {}
    assert settings.chosen(settings.ALL, none, none)["port"] == 1
    assert settings.chosen(settings.ALL, none, {"port": 2})["port"] == 2
    assert settings.chosen(settings.ALL, {"port": 3}, {"port": 2})["port"] == 3
    monkeypatch.setenv("LICHEN_PORT", "")
    assert settings.chosen(settings.ALL, none, none)["port"] is None


def test_wrong_variable_is_named(
    lichen: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LICHEN_PORT", "harbour")
    ended = lichen("whoami")
    assert ended.code == Exit.USAGE
    assert "LICHEN_PORT" in ended.err


@pytest.mark.parametrize("text", ["", "abc", "MTIz", KEY[:-1], "-" * 44])
def test_wrong_key_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="32 bytes"):
        settings.parse_key(text)


def test_key_is_read() -> None:
    assert settings.parse_key(KEY) == b"12345678901234567890123456789012"


def test_start_is_the_command_without_a_name(
    lichen: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[Any] = []

    def run_service(home: Any, chosen: Any, apps: Any, **how: Any) -> int:
        seen.append((home.directory, chosen.port, chosen.hops))
        return 0

    monkeypatch.setattr(service, "run_service", run_service)
    assert lichen("--home", str(tmp_path), "--port", "0").code == Exit.DONE
    assert lichen("--home", str(tmp_path), "start", "--port", "7", "--hops", "1").code == Exit.DONE
    assert seen == [(tmp_path, 0, None), (tmp_path, 7, 1)]
