"""The pages of all apps and of this room as one ASGI application.

A request that the guard lets pass needs a session; without one a page answers with the closed door,
and a form comes back with everything that was typed in it, to be sent again once the door is open.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from lichen.node.errors import ApiError, store_fault
from lichen.node.page import Answer, Moved, Page, Sent, Shown, Upload, Visit
from lichen.store.errors import StoreError
from lichen.web import limits
from lichen.web.access import Access
from lichen.web.forms import Sending, read_form
from lichen.web.framing import Framing
from lichen.web.guard import Guard
from lichen.web.live import Live
from lichen.web.rendering import STATIC, Renderer, static_digest

COOKIE_AGE_S = limits.SESSION_DAYS * 86_400
STATIC_FILES = frozenset(file.name for file in STATIC.iterdir())
FOREVER = "max-age=31536000, immutable"
STATUSES = {"usage": 400, "not-found": 404, "refused": 403, "limit": 507, "unreachable": 502}
"""The HTTP status for each slug of a fault; others are 500."""

Handler = Callable[[Request], Awaitable[Response]]


class Application:
    """What answers requests. ``asgi`` is the whole of it, with the guard in front."""

    def __init__(
        self,
        pages: Sequence[Page],
        access: Access,
        framing: Framing,
        renderer: Renderer,
        live: Live,
        port: int,
    ) -> None:
        self._access = access
        self._framing = framing
        self._renderer = renderer
        self._live = live
        self._sending = Sending()
        routes: list[BaseRoute] = [
            Route("/enter/{token}", self._enter),
            Route("/static/{digest}/{file}", self._static),
            Route("/live", self._listen),
            Route("/leave", self._leave, methods=["POST"]),
        ]
        routes += [Route(page.path, self._endpoint(page), methods=[page.method]) for page in pages]
        self.starlette = Starlette(
            routes=routes,
            exception_handlers={
                HTTPException: self._show_http_fault,
                ClientDisconnect: _answer_nobody,
                Exception: self._show_own_fault,
            },
        )
        # No hint at which pages there are for whoever is not let in.
        self.starlette.router.redirect_slashes = False
        # Around everything: starlette answers its own faults outside of its middleware.
        self.asgi: ASGIApp = Guard(self.starlette, port)

    # Ways in and out

    async def _enter(self, request: Request) -> Response:
        """Take a one-time link and give a cookie for it."""
        visit = self._framing.visit(request)
        if request.method == "HEAD":
            return Response(media_type="text/html")  # whoever looks ahead does not come in
        value = self._access.use_link(request.path_params["token"])
        if value is None and self._is_let_in(request):
            return await self._show(Shown("web/enter.html"), visit)  # a reload of this page
        if value is None:
            return await self._show(Shown("web/closed.html", {"is_stale": True}, 403), visit)
        # Not a redirect: a browser would follow it on behalf of the page that the link was on,
        # and keep back the cookie that is for this site's own pages only.
        response = await self._show(Shown("web/enter.html"), visit)
        self._set_cookie(response, value)
        return response

    def _set_cookie(self, response: Response, value: str) -> None:
        response.set_cookie(
            self._access.cookie, value, max_age=COOKIE_AGE_S, httponly=True, samesite="strict"
        )

    async def _leave(self, request: Request) -> Response:
        """End a session: this browser's, or with ``others`` all but this one's."""
        if not self._is_let_in(request):
            return await self._closed(request)
        fields, _ = await read_form(request)
        cookie = request.cookies.get(self._access.cookie)
        if fields.get("others"):
            self._access.end_others(cookie)
            return RedirectResponse("/settings", HTTPStatus.SEE_OTHER)
        self._access.end_session(cookie)
        response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        response.delete_cookie(self._access.cookie)
        return response

    def _is_let_in(self, request: Request) -> bool:
        return self._access.is_session(request.cookies.get(self._access.cookie))

    async def _closed(self, request: Request) -> Response:
        """Show the closed door; a form keeps what was typed."""
        typed: Mapping[str, str] = {}
        if request.method == "POST":
            typed, _ = await read_form(request)
        data = {"is_stale": False, "typed": typed, "back_to": _path_of(request)}
        return await self._show(
            Shown("web/closed.html", data, HTTPStatus.UNAUTHORIZED), self._framing.visit(request)
        )

    # Pages

    def _endpoint(self, page: Page) -> Handler:
        async def endpoint(request: Request) -> Response:
            if not self._is_let_in(request):
                return await self._closed(request)
            fields: Mapping[str, str] = {}
            uploads: Mapping[str, Upload] = {}
            is_form = page.method == "POST"
            if is_form:
                fields, uploads = await read_form(request)
            visit = self._framing.visit(request, fields, uploads)
            try:
                answer = await (
                    self._sending.answer(
                        request.url.path, fields, uploads, lambda: page.function(visit)
                    )
                    if is_form
                    else page.function(visit)
                )
            except (ApiError, StoreError) as error:
                if isinstance(error, StoreError):
                    visit.service.store.faults.note_fault(error)
                answer = _fault_page(error, visit)
            return await self._show(answer, visit, request)

        return endpoint

    async def _show(self, answer: Answer, visit: Visit, request: Request | None = None) -> Response:
        if isinstance(answer, Moved):
            return RedirectResponse(answer.to, HTTPStatus.SEE_OTHER)
        if isinstance(answer, Sent):
            caching = {"cache-control": f"private, {FOREVER}"} if answer.is_immutable else {}
            return Response(
                answer.body, media_type=answer.media_type, headers={**answer.headers, **caching}
            )
        path = _path_of(request) if request is not None else ""
        frame = self._framing.frame(visit, path)
        html = await asyncio.to_thread(self._renderer.render, answer.template, answer.data, frame)
        return Response(html, answer.status, media_type="text/html")

    async def _show_http_fault(self, request: Request, error: Exception) -> Response:
        """Answer in words where the library has only a number."""
        assert isinstance(error, HTTPException), "it is registered for these"
        visit = self._framing.visit(request)
        words = visit.words
        told = {
            404: (words.gettext("There is no such page."), words.gettext("Go home from here.")),
            405: (words.gettext("This page takes no forms."), words.gettext("Go home from here.")),
            413: (
                words.gettext("That is more than a form can carry."),
                words.gettext("Go back: your browser still has what you typed. Make it shorter."),
            ),
        }.get(error.status_code)
        message, hint = told or (
            words.gettext("This form could not be read."),
            words.gettext("Go back and send it again."),
        )
        if not self._is_let_in(request):
            # Nothing is said about which pages there are.
            return await self._show(
                Shown("web/closed.html", {"is_stale": False}, HTTPStatus.UNAUTHORIZED), visit
            )
        data = {"message": message, "hint": hint}
        return await self._show(Shown("web/fault.html", data, error.status_code), visit, request)

    async def _show_own_fault(self, request: Request, error: Exception) -> Response:
        """Answer for a mistake of ours; the log of the process says which."""
        visit = self._framing.visit(request)
        if not self._is_let_in(request):
            return await self._show(Shown("web/closed.html", {"is_stale": False}, 500), visit)
        data = {
            "message": visit.words.gettext("This is a mistake in Lichen."),
            "hint": visit.words.gettext("Go back and try again; the terminal shows details."),
        }
        return await self._show(Shown("web/fault.html", data, 500), visit)

    # Files and lines

    async def _static(self, request: Request) -> Response:
        """Send a static file; its path holds its digest, so it may be kept for ever."""
        file = request.path_params["file"]
        if file not in STATIC_FILES or request.path_params["digest"] != static_digest():
            raise HTTPException(404)
        body = await asyncio.to_thread((STATIC / file).read_bytes)
        kind = MEDIA_TYPES.get(file.rpartition(".")[2], "application/octet-stream")
        return Response(body, media_type=kind, headers={"cache-control": f"public, {FOREVER}"})

    async def _listen(self, request: Request) -> Response:
        """Open a line over which an open page hears of what is new."""
        if not self._is_let_in(request):
            return Response("closed\n", HTTPStatus.UNAUTHORIZED, media_type="text/plain")
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        if self._live.is_full:
            return Response("later\n", HTTPStatus.SERVICE_UNAVAILABLE, media_type="text/plain")
        asked = request.query_params.getlist("watch")
        questions = self._live.questions(asked, self._framing.visit(request))
        return StreamingResponse(
            self._live.events(questions, lambda: self._is_let_in(request)),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )


MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def _fault_page(error: ApiError | StoreError, visit: Visit) -> Shown:
    fault = store_fault(error) if isinstance(error, StoreError) else error
    message, hint = fault.told(visit.words)
    data = {"message": message, "hint": hint, "typed": dict(visit.form)}
    return Shown("web/fault.html", data, STATUSES.get(fault.slug, 500))


async def _answer_nobody(_request: Request, _error: Exception) -> Response:
    """End a request whose sender hung up in the middle of a form: nobody reads what is answered."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


def _path_of(request: Request) -> str:
    """Return path and query as they were asked for: decoded, a ``?`` in a name would end it."""
    path: str = request.scope["raw_path"].decode("latin-1")
    query = request.url.query
    return f"{path}?{query}" if query else path
