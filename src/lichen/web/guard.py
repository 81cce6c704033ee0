"""What every request has to pass before anybody looks at it: the right host, the right origin.

A page elsewhere may point its own name at 127.0.0.1 (DNS rebinding): the ``Host`` gives it away. It
may send forms and load things from here: ``Origin`` and ``Sec-Fetch-Site`` give it away. What goes
out carries a policy that lets no script, style, picture or frame come from anywhere else.
"""

from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD"})
OWN_SITES = frozenset({"same-origin", "none"})
"""``Sec-Fetch-Site`` of what this peer's own pages, or the person, asked for."""

HEADERS = {
    "content-security-policy": "default-src 'self'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not "no-referrer": with it a browser sends forms with the origin "null".
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "private, no-cache",
}


class Guard:
    """ASGI middleware: turns away whatever does not come from this peer's own pages."""

    __slots__ = ("_app", "_hosts")

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with the reason why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        method = str(scope.get("method", ""))
        reason = "Only HTTP is spoken here."
        if scope["type"] == "http":
            reason = find_objection(method, headers, self._hosts)
        if reason:
            refusal = PlainTextResponse(f"{reason}\n", 403, headers=HEADERS)
            await refusal(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    sent.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def find_objection(method: str, headers: Headers, hosts: Iterable[str]) -> str:
    """Return why a request is turned away, nothing if it is not."""
    host = headers.get("host", "")
    if host not in hosts:
        return "This peer's pages are served under its own address only."
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return "A page of another origin asked for this."
    site = headers.get("sec-fetch-site")
    if method not in SAFE_METHODS:
        if origin is None and site != "same-origin":
            return "This form does not say which page it was on."
        return "" if site in {None, "same-origin"} else "A page elsewhere sent this form."
    if site is None or site in OWN_SITES:
        return ""
    # From elsewhere a person may come here by a link, in a window of its own; nothing else may.
    is_link = (
        headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
        and method == "GET"
    )
    return "" if is_link else "A page elsewhere wanted a part of this one."
