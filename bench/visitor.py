"""A browser's way to the web app, without a browser: one keep-alive connection, one session."""

import http.client
import time
from typing import Self
from urllib.parse import urlsplit

import msgspec

VISIT_S_MAX = 30


class Visited(msgspec.Struct, frozen=True):
    """What a page came to. ``ms``: from the request to the last byte of the answer."""

    body: bytes
    ms: float


class Visitor:
    """Asks for pages one after the other."""

    def __init__(self, url: str) -> None:
        """``url``: a link that lets in, or the root of pages that need none."""
        parts = urlsplit(url)
        assert parts.hostname is not None, "the link is whole"
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, VISIT_S_MAX)
        self._headers = {"accept-language": "en"}
        self._ask(parts.path or "/")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()

    def get(self, path: str) -> Visited:
        """Ask for a page that is there."""
        began = time.perf_counter()
        status, body = self._ask(path)
        ms = (time.perf_counter() - began) * 1000
        if status != 200:
            raise ValueError(f"{path} answered {status}")
        return Visited(body, ms)

    def listen(self, path: str) -> None:
        """Ask for an answer that has no end, and leave it open."""
        self._connection.request("GET", path, headers=self._headers)
        self._connection.getresponse().read(1)

    def _ask(self, path: str) -> tuple[int, bytes]:
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if cookie := answer.headers.get("set-cookie"):
            self._headers["cookie"] = cookie.partition(";")[0]
        return answer.status, body
