"""Runs of the command line in this process, for commands that need no peer."""

import io
import os
import sys
from collections.abc import Callable

import msgspec
import pytest

from lichen.cli.main import run
from lichen.lab.extras import one_thread_each

one_thread_each()


class Ended(msgspec.Struct):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture
def lichen(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    for name in list(os.environ):
        if name.startswith("LICHEN_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*arguments: str) -> Ended:
        out, err = io.BytesIO(), io.StringIO()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="utf-8"))
            patch.setattr(sys, "stderr", err)
            code = run(arguments)
            sys.stdout.flush()
            return Ended(code, out.getvalue().decode(), err.getvalue())

    return call
