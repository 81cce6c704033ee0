"""What a view is, and what it is given: messages decoded once for all views.

A view is a handful of tables and a fold that brings messages into them. Folds are commutative and
idempotent: any order, and any message twice, give the same rows. That lets the engine fold the
newest first, start again after a crash, and change a view without asking anyone.
"""

import re
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import apsw
import msgspec
import orjson

from lichen.feed.canonical import JsonError, JsonValue, parse_json
from lichen.feed.message import FeedId, MsgId
from lichen.store.errors import DAMAGED, StoreReadFailed
from lichen.store.log import Stored

# In canonical text the only escapes with these digits are surrogates that stand alone.
_LONE_SURROGATE = re.compile(rb"(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}")


class FoldRow(msgspec.Struct, frozen=True, gc=False):
    """One message as views see it. ``content``: an object, or the text of a private message.

    ``type`` is None for private messages. Surrogates that stand alone, which SQLite cannot keep,
    are replaced by U+FFFD.
    """

    received_no: int
    key: MsgId
    feed: FeedId
    sequence: int
    timestamp: float
    received_ms: float
    content: dict[str, JsonValue] | str
    type: str | None


class View(Protocol):
    """Tables folded from the log. A new ``version`` drops them and folds the log again."""

    @property
    def name(self) -> str:
        """The view's name; no two views of a store share one."""
        ...

    @property
    def version(self) -> int:
        """Counts up whenever the schema or the fold changes."""
        ...

    @property
    def schema(self) -> str:
        """The SQL that creates the view's tables and indexes; no other view has such tables."""
        ...

    def fold(self, db: apsw.Connection, rows: Sequence[FoldRow]) -> None:
        """Bring rows into the tables. The engine has opened a transaction and will end it."""
        ...


@runtime_checkable
class TypedView(View, Protocol):
    """A view that looks only at some types of message, and is given no others."""

    @property
    def types(self) -> frozenset[str]:
        """The content types that the view looks at."""
        ...


@runtime_checkable
class TitledView(View, Protocol):
    """A view that people are told of by more than its technical name."""

    @property
    def title(self) -> str:
        """What it holds, in a few plain words: a phrase."""
        ...


@runtime_checkable
class UnfoldingView(View, Protocol):
    """A view that can take messages out of its tables again; others are made anew for that."""

    def unfold(self, db: apsw.Connection, numbers: Sequence[int]) -> None:
        """Take out what messages with these ``received_no`` brought, as if they had never been."""
        ...


@runtime_checkable
class EarlyView(TypedView, Protocol):
    """A typed view that is brought up to date before the others, for every page needs it."""

    @property
    def is_early(self) -> bool:
        """Tell whether the whole log is looked through for it first."""
        ...


def decode_row(stored: Stored) -> FoldRow:
    """Read a message of the log for the views. Raises ``StoreReadFailed``: it is none any more."""
    value: dict[str, Any] = decode_value(stored.data)
    try:
        content = value["content"]
        return FoldRow(
            stored.received_no,
            stored.key,
            stored.feed,
            stored.sequence,
            float(value["timestamp"]),
            stored.received_ms,
            content,
            content["type"] if isinstance(content, dict) else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreReadFailed(DAMAGED) from error


def decode_value(data: bytes) -> dict[str, JsonValue]:
    """Read a message of the log whole, with the same care for surrogates.

    Raises ``StoreReadFailed``: only valid messages come into the log, so the disk has changed it.
    """
    try:
        value: dict[str, JsonValue] = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = _decode_odd(data)
    return value


def _decode_odd(data: bytes) -> dict[str, JsonValue]:
    text = _LONE_SURROGATE.sub(rb"\1\\ufffd", data)
    try:
        value: JsonValue = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            value = parse_json(text)
        except JsonError as error:
            raise StoreReadFailed(DAMAGED) from error
    if not isinstance(value, dict):
        raise StoreReadFailed(DAMAGED)
    return value
