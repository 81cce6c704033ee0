"""Rendered texts, kept for a while: a message never changes, so neither does its HTML."""

import threading
from collections import OrderedDict
from collections.abc import Callable

ENTRIES_MAX = 4000
"""A few hundred pages."""
CHARACTERS_MAX = 8_000_000
"""Some 16 MB at most; a typical page of 30 messages needs 40,000."""


class RenderCache:
    """The HTML of messages by their key; the least recently shown are forgotten first."""

    __slots__ = ("_characters", "_characters_max", "_entries_max", "_kept", "_lock", "_render")

    def __init__(
        self,
        render: Callable[[str], str],
        entries_max: int = ENTRIES_MAX,
        characters_max: int = CHARACTERS_MAX,
    ) -> None:
        self._render = render
        self._entries_max = entries_max
        self._characters_max = characters_max
        self._characters = 0
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def html(self, key: str, text: str) -> str:
        """Return the HTML of a message's text, rendered now or before."""
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                return known
        # Not under the lock: two threads may render the same text, and neither waits.
        made = self._render(text)
        with self._lock:
            self._keep(key, made)
        return made

    def _keep(self, key: str, made: str) -> None:
        self._characters += len(made) - len(self._kept.pop(key, ""))
        self._kept[key] = made
        while len(self._kept) > self._entries_max or self._characters > self._characters_max:
            _key, dropped = self._kept.popitem(last=False)
            self._characters -= len(dropped)
