"""``lichen lab``: lists, runs, tables; what is wrong is said in a sentence."""

import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.cli.commands.laboratory import running, tables
from lichen.lab.experiments.catalogue import EXPERIMENTS
from lichen.lab.reproduce.catalogue import NAMES
from lichen.lab.reproduce.table import Row

Lichen = Callable[..., Any]


def test_list_names_everything(lichen: Lichen) -> None:
    ended = lichen("lab", "list")
    assert ended.code == 0
    assert all(name in ended.out for name in (*EXPERIMENTS, *NAMES))
    values = [
        msgspec.json.decode(line) for line in lichen("lab", "list", "--json").out.splitlines()
    ]
    assert [value["name"] for value in values] == [*EXPERIMENTS, *NAMES]
    assert all(value["parameters"] for value in values if value["kind"] == "experiment")


def test_every_experiment_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs" / "lab.md").read_text("utf-8")
    for name, experiment in EXPERIMENTS.items():
        assert f"\n## {name}: " in page
        start = page.index(f"\n## {name}: ")
        section = page[start : page.find("\n## ", start + 1)]
        assert "**The picture.**" in section
        assert f"lichen lab run {name}" in section or f"lichen lab sweep {name}" in section
        known = {one.flag for one in experiment.parameters}
        used = set(re.findall(r"--[a-z-]+", section)) - {"--out", "--seeds", "--report"}
        assert used <= known, name


def test_run_says_the_same_as_table_and_as_json(lichen: Lichen) -> None:
    command = ("lab", "run", "flood", "--peers", "500", "--seed", "7")
    ended = lichen(*command)
    told = msgspec.json.decode(lichen(*command, "--json").out)
    assert ended.code == 0
    assert told["parameters"]["peers"] == 500
    assert told["seed"] == 7
    assert f"hash {told['hash']}" in ended.out
    assert str(told["results"][0]["sends"]) in ended.out


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "xlink:href"} and value and not value.startswith("#"):
                self.found.append(value)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_report_needs_nothing_else_and_has_a_picture(
    name: str, lichen: Lichen, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    ended = lichen("lab", "run", name, EXPERIMENTS[name].size.flag, "200", "--report", str(file))
    assert ended.code == 0
    text = file.read_text("utf-8")
    parser = _Links()
    parser.feed(text)
    assert parser.found == []
    assert {"svg", "table", "h1"} <= set(parser.tags)
    assert not {"script", "link", "img", "iframe"} & set(parser.tags)
    assert not re.search(r"@import|url\((?!#)", text)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "weather"), 2, "There are: broadcast, degree"),
        (("sweep", "weather"), 2, "There are: broadcast, degree"),
        (("reproduce", "weather"), 4, "There is no table weather"),
        (("reproduce",), 2, "--all"),
        (("run", "flood", "--peers", "many"), 2, "--peers is a whole number, not many"),
        (("run", "flood", "--loss", "-0.1"), 2, "--loss lies between 0 and 0.99"),
        (("run", "flood", "--graph", "cube"), 2, "--graph is one of regular"),
        (("run", "flood", "--peers", "100", "--degree", "100"), 2, "fewer links than peers"),
        (("run", "flood", "--colour", "red"), 2, "--colour"),
        (("sweep", "flood", "--seeds", "x"), 2, "seeds are whole numbers"),
        (("sweep", "flood", "--peers", "100,-5"), 2, "--peers lies between"),
        (("run", "flood", "--peers", "50", "--report", "/no/such/place.html"), 1, "/no/such/place"),
        (("sweep", "flood", "--peers", "50", "--out", "/dev/null/x"), 1, "/dev/null/x"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_a_code(
    arguments: tuple[str, ...], code: int, words: str, lichen: Lichen
) -> None:
    ended = lichen("lab", *arguments)
    assert ended.code == code
    assert words in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "arguments", [("run", "flood"), ("sweep", "flood"), ("reproduce", "--all")]
)
def test_without_its_libraries_the_lab_says_what_to_install(
    arguments: tuple[str, ...], lichen: Lichen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "missing", lambda: ["numpy", "scipy"])
    ended = lichen("lab", *arguments)
    assert ended.code == 13
    assert ended.err.splitlines() == [
        "Error: The lab needs numpy, scipy, which this installation does not have.",
        'Install them with: pip install "lichen[lab]"',
    ]
    assert ended.out == ""


def test_a_peer_and_every_help_need_no_library_of_the_lab() -> None:
    script = (
        "import sys\n"
        "for name in ('numpy', 'scipy', 'matplotlib', 'numba', 'distributed', 'networkx'):\n"
        "    sys.modules[name] = None\n"
        "import lichen.node.shell, lichen.apps, lichen.web\n"
        "from lichen.cli.main import run\n"
        "assert run(['start', '--help']) == 0\n"
        "assert run(['lab', 'list']) == 0\n"
        "assert run(['lab', 'run', 'topology', '--help']) == 0\n"
        "sys.exit(run(['lab', 'reproduce', '--help']))\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_reproduce_tells_paper_ours_tolerance_and_pass(lichen: Lichen) -> None:
    command = ("lab", "reproduce", "stigmergy/traces", "beeps/threshold", "--jobs", "1")
    ended = lichen(*command)
    assert ended.code == 0
    for word in ("figure", "paper", "ours", "tolerance", "pass", "4.33 [R]", "source:", "gate:"):
        assert word in ended.out
    assert "M remembered only" in ended.err
    assert "12 of 12 gates are met" in ended.err
    rows = [
        msgspec.json.decode(line, type=Row) for line in lichen(*command, "--json").out.splitlines()
    ]
    assert len(rows) == 12
    assert all(row.passes for row in rows)


def test_a_gate_that_is_missed_is_said_and_fails_the_command(
    lichen: Lichen, monkeypatch: pytest.MonkeyPatch
) -> None:
    missed = Row("stigmergy/traces", "made up", 1.0, "S", None, 2.0, "± 0", False, "known why")
    monkeypatch.setattr(
        "lichen.lab.reproduce.work.reproduce",
        lambda names, effort, jobs: iter([(names[0], [missed])]),
    )
    ended = lichen("lab", "reproduce", "stigmergy/traces")
    assert ended.code == 1
    assert "FAIL" in ended.out
    assert "FAIL  stigmergy/traces: made up\n      known why\n" in ended.err
    assert tables.MARKS in ended.err


def test_a_life_is_lived_again_from_its_seed(lichen: Lichen) -> None:
    first, again, other = (lichen("lab", "replay", seed) for seed in ("7", "7", "8"))
    assert first.code == 0
    assert first.out == again.out != other.out
    assert "all checks hold" in first.out
    assert "Looked at: " in first.err
    told, looks = map(msgspec.json.decode, lichen("lab", "replay", "7", "--json").out.splitlines())
    assert sum(looks["looks"].values()) > 100
    assert told["trace_hash"] in first.out
    assert told["plan"]["seed"] == told["seed"] == 7


def test_lives_in_which_a_checker_never_fired_prove_nothing(lichen: Lichen) -> None:
    ended = lichen("lab", "replay", "1,2")
    assert ended.code == 3
    assert "Never anything to check: " in ended.err
    assert len(ended.out.splitlines()) == 2
    told = msgspec.json.decode(lichen("lab", "replay", "1,2", "--json").out.splitlines()[-1])
    assert all(name in ended.err for name in told["idle"])


def test_a_checker_that_objects_is_said_and_its_life_made_small(
    lichen: Lichen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def forget(_brain: Any, _event: Any, _now: float) -> list[Any]:
        raise RuntimeError("planted")

    monkeypatch.setattr("lichen.gossip.node.Node._on_messages_sent", forget)
    ended = lichen("lab", "replay", "7", "--shrink")
    assert ended.code == 1
    assert "exception: RuntimeError: planted" in ended.out
    assert "In 1 of 1 lives a checker objects" in ended.err
    small = tmp_path / "small.json"
    small.write_text(ended.out[ended.out.index("{") :], encoding="utf-8")
    assert lichen("lab", "replay", "--plan", str(small)).code == 1
    monkeypatch.undo()
    assert lichen("lab", "replay", "--plan", str(small)).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "Name a seed"),
        (("x",), 2, "seeds are whole numbers"),
        (("7", "--plan", "life.json"), 2, "Name a seed, or a file"),
        (("--plan", "no such file"), 4, "There is no file no such file"),
        (("--plan", __file__), 1, "is not a plan of a life"),
    ],
)
def test_what_cannot_be_replayed(
    arguments: tuple[str, ...], code: int, words: str, lichen: Lichen
) -> None:
    ended = lichen("lab", "replay", *arguments)
    assert ended.code == code
    assert words in ended.err
