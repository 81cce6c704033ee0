"""What a running command holds: its output, its settings, its way to the peer.

The running peer is called over its local socket; when none runs, the data directory is opened
without a network. Either way the same methods answer.
"""

import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from lichen.cli.output import Output
from lichen.feed.canonical import JsonValue

if TYPE_CHECKING:
    from lichen.node.api.keeper import Keeper
    from lichen.node.client import Client
    from lichen.node.home import Home, Settings


class Session:
    """One run of one command."""

    __slots__ = ("_values", "out")

    def __init__(self, out: Output, values: Mapping[str, object]) -> None:
        self.out = out
        self._values = values

    @property
    def home(self) -> "Home":
        """Return the data directory."""
        from lichen.node.home import find_home  # noqa: PLC0415 (slow, and not for --help)

        home = self._values["home"]
        return find_home(os.fspath(home) if isinstance(home, str | os.PathLike) else None)

    @property
    def named_home(self) -> list[str]:
        """Return the words that choose the same data directory again, none for the usual one."""
        home = self._values["home"]
        return [] if home is None else ["--home", os.fspath(str(home))]

    @property
    def settings(self) -> "Settings":
        """Return what is set for this run; what is not set is left to the peer."""
        import msgspec  # noqa: PLC0415 (slow, and not for --help)

        from lichen.node.home import Settings  # noqa: PLC0415

        known = set(Settings.__struct_fields__)
        given = {key: value for key, value in self._values.items() if value is not None}
        return msgspec.convert({key: given[key] for key in given.keys() & known}, Settings)

    def client(self) -> AbstractAsyncContextManager["Client"]:
        """Connect to the peer, or open its data directory."""
        return connect(self.home, self.settings)

    def keeper(self, *, heals: bool = False) -> AbstractAsyncContextManager["Keeper"]:
        """Connect to the peer, or keep its data directory without opening it as a peer does."""
        from lichen.node.api.keeper import open_keeper  # noqa: PLC0415 (slow, and not for --help)

        log_to_stderr("warning")
        return open_keeper(self.home, self.settings, heals=heals)


@asynccontextmanager
async def connect(home: "Home", settings: "Settings") -> AsyncIterator["Client"]:
    """Yield a client of the peer that lives in ``home``. Raises ApiError."""
    from lichen.apps import all_apps  # noqa: PLC0415 (slow, and not for --help)
    from lichen.node.client import open_client  # noqa: PLC0415

    log_to_stderr("warning")
    async with open_client(home, settings, all_apps()) as client:
        yield client


def log_to_stderr(level: str, *, is_json: bool = False) -> None:
    """Send the peer's own log to standard error: standard output is for data."""
    import structlog  # noqa: PLC0415 (slow, and not for --help)

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer()
            if is_json
            else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def member(value: JsonValue, *path: str) -> JsonValue:
    """Return a member of nested objects, None where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def text_member(value: JsonValue, *path: str) -> str:
    """Return a member that is a text, else an empty one."""
    found = member(value, *path)
    return found if isinstance(found, str) else ""


def number_member(value: JsonValue, *path: str) -> float:
    """Return a member that is a number, else 0."""
    found = member(value, *path)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else 0
