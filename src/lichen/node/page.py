"""What an app shows in a browser: a page is a function from a visit to an answer.

An app knows no HTTP. The web room turns requests into visits and answers into responses; whoever a
visit reaches has been let in by it: right host, right origin, a session of this peer's own person.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from lichen.feed.canonical import JsonValue

if TYPE_CHECKING:
    from lichen.node.service import Service
    from lichen.words import Words


class Upload(msgspec.Struct, frozen=True):
    """A file that a person sent with a form."""

    name: str
    data: bytes


class Visit(msgspec.Struct, frozen=True):
    """One request. ``path`` holds what stands in the braces of a page's path."""

    service: "Service"
    words: "Words"
    now: float
    """Seconds of the wall clock."""
    path: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    form: Mapping[str, str] = {}
    uploads: Mapping[str, Upload] = {}


class Shown(msgspec.Struct, frozen=True):
    """A template with its data. ``template`` is ``APP/FILE``, e.g. ``social/thread.html``."""

    template: str
    data: Mapping[str, object] = {}
    status: int = 200


class Moved(msgspec.Struct, frozen=True):
    """Go on at another path of this peer; what a form that was accepted answers."""

    to: str


class Sent(msgspec.Struct, frozen=True):
    """Bytes as they are."""

    body: bytes
    media_type: str
    headers: Mapping[str, str] = {}
    is_immutable: bool = False
    """The same path never gives other bytes."""


Answer = Shown | Moved | Sent


class Page(msgspec.Struct, frozen=True):
    """A path and what answers it. ``GET`` changes nothing that others see; ``POST`` is a form."""

    path: str
    function: Callable[[Visit], Awaitable[Answer]]
    method: str = "GET"


class Watch(msgspec.Struct, frozen=True):
    """A question that an open page asks again whenever the log has grown, by name."""

    name: str
    function: Callable[[Visit], Awaitable[JsonValue]]
