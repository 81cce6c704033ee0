"""Runs of the command line in this process, against a client that answers what a test says."""

import io
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import structlog

from lichen.cli import session
from lichen.cli.main import run
from lichen.feed.canonical import JsonValue
from lichen.node.errors import ApiError


class Ended(msgspec.Struct):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        return [msgspec.json.decode(line) for line in self.out.splitlines()]

    @property
    def fault(self) -> Any:
        return msgspec.json.decode(self.err.splitlines()[-1])


class FakeClient:
    """Answers from a table: a value, a fault to raise, or a function of the arguments."""

    def __init__(self) -> None:
        self.is_live = True
        self.answers: dict[str, Any] = {
            "social.names": {},
            "social.byName": [],
            "lichen.resolve": [],
            "lichen.folding": None,
        }
        self.calls: list[tuple[str, tuple[JsonValue, ...]]] = []

    def _answer(self, name: str, args: tuple[JsonValue, ...]) -> Any:
        self.calls.append((name, args))
        answer = self.answers[name]
        if callable(answer):
            answer = answer(*args)
        if isinstance(answer, ApiError):
            raise answer
        return answer

    async def call(self, name: str, *args: JsonValue) -> JsonValue:
        answer: JsonValue = self._answer(name, args)
        return answer

    async def source(self, name: str, *args: JsonValue) -> AsyncIterator[JsonValue]:
        for item in self._answer(name, args):
            if isinstance(item, BaseException):
                raise item
            yield item

    def asked(self, name: str) -> list[tuple[JsonValue, ...]]:
        return [args for called, args in self.calls if called == name]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = FakeClient()

    @asynccontextmanager
    async def connect(home: object, settings: object) -> AsyncIterator[FakeClient]:
        yield fake

    monkeypatch.setattr(session, "connect", connect)
    return fake


@pytest.fixture
def lichen(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Iterator[Callable[..., Ended]]:
    for name in [name for name in os.environ if name.startswith("LICHEN_")]:
        monkeypatch.delenv(name)
    umask = os.umask(0o077)

    def lichen(*arguments: str, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfdbinary.readouterr()
        code = run(arguments)
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        return Ended(code, captured.out.decode(), captured.err.decode())

    yield lichen
    os.umask(umask)
    structlog.reset_defaults()  # commands that log were given a standard error that is gone now
