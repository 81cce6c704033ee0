"""``lichen blob``: on a data directory, and between two running peers."""

import hashlib
import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lichen.cli.exits import Exit

Lichen = Callable[..., Any]
PICTURE = b"lichen on a stone " * 9000
LACKING = f"&{'A' * 43}=.sha256"


def blob_of(data: bytes) -> str:
    return f"&{b64encode(hashlib.sha256(data).digest()).decode()}.sha256"


BLOB = blob_of(PICTURE)


@pytest.fixture
def home(tmp_path: Path) -> tuple[str, str]:
    return ("--home", str(tmp_path / "home"))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    file = tmp_path / "picture"
    file.write_bytes(PICTURE)
    return file


def test_a_file_is_added_found_and_got_back(
    lichen: Lichen, home: tuple[str, str], picture: Path, tmp_path: Path
) -> None:
    assert lichen(*home, "blob", "has", BLOB).code == Exit.NOT_FOUND
    assert lichen(*home, "blob", "add", str(picture)).out == BLOB + "\n"
    assert lichen(*home, "blob", "add", str(picture), "--json").lines == [
        {"id": BLOB, "size": len(PICTURE)}
    ]
    assert lichen(*home, "blob", "has", BLOB).code == Exit.DONE
    assert lichen(*home, "blob", "has", BLOB + "?unbox=x.boxs", "--json").lines == [
        {"id": BLOB, "isHere": True, "size": len(PICTURE)}
    ]
    assert lichen(*home, "blob", "get", BLOB).out.encode() == PICTURE
    output = tmp_path / "again"
    (answer,) = lichen(*home, "blob", "get", BLOB, "-o", str(output), "--json").lines
    assert answer == {"id": BLOB, "file": str(output), "size": len(PICTURE)}
    assert output.read_bytes() == PICTURE
    assert lichen(*home, "blob", "get", BLOB, "-o", str(output)).code == Exit.USAGE
    assert lichen(*home, "blob", "want", BLOB, "--json").lines == [{"id": BLOB, "isHere": True}]
    assert {path.name for path in tmp_path.iterdir()} == {"home", "picture", "again"}


def test_standard_input_is_added(lichen: Lichen, home: tuple[str, str]) -> None:
    assert lichen(*home, "blob", "add", "-", stdin=PICTURE).out == BLOB + "\n"
    assert lichen(*home, "blob", "add", "-", stdin=b"").out == blob_of(b"") + "\n"


def test_faults_have_their_codes(lichen: Lichen, home: tuple[str, str], tmp_path: Path) -> None:
    missing = lichen(*home, "blob", "get", LACKING, "-o", str(tmp_path / "x"), "--json")
    assert missing.code == Exit.NOT_FOUND
    assert "lichen blob want" in missing.fault["hint"]
    assert [path.name for path in tmp_path.iterdir()] == ["home"], "no empty file is left"
    assert lichen(*home, "blob", "add", str(tmp_path / "none")).code == Exit.NOT_FOUND
    assert lichen(*home, "blob", "has", "nonsense").code == Exit.USAGE
    assert lichen(*home, "blob", "get", LACKING, "--json").code == Exit.USAGE
    alone = lichen(*home, "blob", "want", LACKING, "--json")
    assert (alone.code, alone.fault["hint"]) == (Exit.UNREACHABLE, "Start one: lichen start")
    big = lichen(*home, "blob", "add", "-", "--json", stdin=bytes(6 << 20))
    assert (big.code, big.fault["error"]) == (Exit.LIMIT, "limit")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str) -> Any:
        process = subprocess.Popen(
            [sys.executable, "-m", "lichen", "start", "--home", str(tmp_path / name), "--json",
             "--port", "0", "--host", "127.0.0.1", "--no-lan"],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        assert process.stdout is not None
        return json.loads(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_picture_is_wanted_from_a_peer(
    lichen: Lichen, start: Callable[[str], Any], picture: Path, tmp_path: Path
) -> None:
    anna, bert = ("--home", str(tmp_path / "anna")), ("--home", str(tmp_path / "bert"))
    start("anna")
    address = start("bert")["addresses"][0]
    later = lichen(*anna, "blob", "want", BLOB, "--wait", "0", "--json")
    assert (later.code, later.lines[0]["isHere"]) == (Exit.DONE, False)
    late = lichen(*anna, "blob", "want", BLOB, "--wait", "0.1", "--json")
    assert (late.code, late.lines[0]["isHere"]) == (Exit.UNREACHABLE, False)
    assert lichen(*bert, "blob", "add", str(picture)).out == BLOB + "\n"
    assert lichen(*anna, "connect", address).code == Exit.DONE
    assert lichen(*anna, "blob", "want", BLOB).code == Exit.DONE
    assert lichen(*anna, "blob", "get", BLOB).out.encode() == PICTURE
