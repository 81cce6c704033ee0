"""Who may come in: one-time links become sessions, and sessions are cookies.

A link is made by a program of the same user (``lichen open``), works once and for a minute. It
stands in a file that only this user can read, which sends the browser on to it: the list of
processes shows the file's name and no secret. The browser gets a cookie; its name holds the peer's
short id, since cookies ignore ports and several peers may live on one machine. Of a cookie only the
digest is kept.
"""

import hashlib
import html
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from lichen.feed.canonical import JsonValue
from lichen.feed.message import FeedId
from lichen.store.local import Local
from lichen.web import limits

DAY_S = 86_400
SESSIONS_SETTING = "web_sessions"
LINK_FILES = "open-*.html"


class Link(msgspec.Struct, frozen=True):
    """A way in, once. ``file`` sends a browser there."""

    url: str
    file: Path


class Access:
    """The links and sessions of one peer."""

    __slots__ = ("_clock_s", "_directory", "_links", "_local", "_sessions", "cookie")

    def __init__(
        self, own: FeedId, local: Local, directory: Path, clock_s: Callable[[], float] = time.time
    ) -> None:
        self.cookie = f"lichen-{own[1:9].replace('+', '-').replace('/', '_')}"
        self._local = local
        self._directory = directory
        self._clock_s = clock_s
        self._links: dict[bytes, tuple[float, Path]] = {}
        self._sessions = _parse_sessions(local.setting(SESSIONS_SETTING))
        self._remove_files()

    def make_link(self, origin: str) -> Link:
        """Make a link to this peer's origin that works once."""
        self.drop_old_links()
        while len(self._links) >= limits.LINKS_MAX:
            self._drop_link(next(iter(self._links)))
        token = secrets.token_urlsafe(32)
        url = f"{origin}/enter/{token}"
        file = self._directory / f"open-{secrets.token_hex(8)}.html"
        self._links[_digest(token)] = (self._clock_s() + limits.LINK_S_MAX, file)
        _write_private(file, _redirect_page(url))
        return Link(url, file)

    def use_link(self, token: str) -> str | None:
        """Return the cookie for a link that is good; never twice. None: used, too old, unknown."""
        self.drop_old_links()
        if self._drop_link(_digest(token)) is None:
            return None
        value = secrets.token_urlsafe(32)
        while len(self._sessions) >= limits.SESSIONS_MAX:
            del self._sessions[min(self._sessions, key=lambda each: self._sessions[each])]
        self._sessions[_digest(value).hex()] = self._today()
        self._save()
        return value

    def is_session(self, value: str | None) -> bool:
        """Tell whether a cookie is of a session, and count it as used today."""
        if not value:
            return False
        session = _digest(value).hex()
        used = self._sessions.get(session)
        today = self._today()
        if used is None or today - used > limits.SESSION_DAYS:
            return False
        if used != today:
            self._sessions[session] = today
            self._save()
        return True

    def end_session(self, value: str | None) -> None:
        """Let a browser in no more."""
        if value and self._sessions.pop(_digest(value).hex(), None) is not None:
            self._save()

    def end_others(self, value: str | None) -> int:
        """Let no other browser in any more; return how many there were."""
        kept = _digest(value or "").hex()
        ended = [session for session in self._sessions if session != kept]
        for session in ended:
            del self._sessions[session]
        self._save()
        return len(ended)

    def session_count(self) -> int:
        """Return how many browsers are let in."""
        return len(self._sessions)

    def close(self) -> None:
        """Let no unused link lie about."""
        self._links.clear()
        self._remove_files()

    def drop_old_links(self) -> None:
        """Take away links, and their files, that nobody has used in time."""
        now = self._clock_s()
        for digest in [each for each, (until, _) in self._links.items() if until <= now]:
            self._drop_link(digest)

    def _today(self) -> int:
        return int(self._clock_s() // DAY_S)

    def _save(self) -> None:
        oldest = self._today() - limits.SESSION_DAYS
        self._sessions = {each: used for each, used in self._sessions.items() if used >= oldest}
        self._local.set_setting(SESSIONS_SETTING, dict(self._sessions))

    def _drop_link(self, digest: bytes) -> Path | None:
        link = self._links.pop(digest, None)
        if link is None:
            return None
        link[1].unlink(missing_ok=True)
        return link[1]

    def _remove_files(self) -> None:
        for file in self._directory.glob(LINK_FILES):
            file.unlink(missing_ok=True)


def _digest(secret: str) -> bytes:
    # Looked up by digest: the time a look-up takes tells nothing about the secret.
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _parse_sessions(value: JsonValue) -> dict[str, int]:
    if not isinstance(value, dict):
        return {}
    return {session: day for session, day in value.items() if isinstance(day, int)}


def _write_private(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)


def _redirect_page(url: str) -> str:
    quoted = html.escape(url)
    return (
        '<!doctype html><meta charset="utf-8"><title>Lichen</title>'
        f'<meta http-equiv="refresh" content="0;url={quoted}"><a href="{quoted}">Lichen</a>\n'
    )
