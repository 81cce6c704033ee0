"""From a request to a visit, and from a visit to the frame around its page: language, look, state.

Language and look are settings of this machine; a browser's wish counts where nothing is set.
"""

import time
from collections.abc import Mapping
from functools import partial

import msgspec
from starlette.requests import Request

from lichen.apps.social.reading.faces import NOBODY, Face, faces
from lichen.feed.canonical import JsonValue
from lichen.node.page import Upload, Visit, Watch
from lichen.node.service import Service
from lichen.store.errors import StoreError
from lichen.web import limits
from lichen.web.rendering import Frame
from lichen.words import LANGUAGES, Words, choose_language, phrase_of, words_for

LANGUAGE_SETTING = "language"
THEME_SETTING = "theme"
CONTRAST_SETTING = "contrast"
TEXT_SIZE_SETTING = "text_size"
CHOICES: Mapping[str, tuple[str, ...]] = {
    THEME_SETTING: ("auto", "light", "dark"),
    CONTRAST_SETTING: ("auto", "more", "normal"),
    TEXT_SIZE_SETTING: ("normal", "large", "larger"),
}
"""What can be chosen of each look; the first is the default."""


class Framing:
    """Knows the peer's settings and state for every page."""

    __slots__ = ("_service",)

    def __init__(self, service: Service) -> None:
        self._service = service

    def visit(
        self,
        request: Request,
        form: Mapping[str, str] | None = None,
        uploads: Mapping[str, Upload] | None = None,
    ) -> Visit:
        """Return a request as pages see it."""
        return Visit(
            service=self._service,
            words=self._words(request.headers.get("accept-language", "")),
            now=time.time(),
            path={key: str(value) for key, value in request.path_params.items()},
            query=dict(request.query_params),
            form=form or {},
            uploads=uploads or {},
        )

    def frame(self, visit: Visit, path: str) -> Frame:
        """Return what stands around a page."""
        return Frame(
            words=visit.words,
            own=self._service.keyring.id,
            own_face=self._own_face(),
            path=path,
            now=visit.now,
            theme=self._choice(THEME_SETTING),
            contrast=self._choice(CONTRAST_SETTING),
            text_size=self._choice(TEXT_SIZE_SETTING),
            state=line_state(self._service, visit.words),
            is_checked=self._service.store.log.is_checked,
            folding=partial(folding_state, self._service, visit.words),
        )

    def _own_face(self) -> Face:
        own = self._service.keyring.id
        try:
            face = faces(self._service.store, own, [own])[own]
        except StoreError:
            return NOBODY  # a page that says what is wrong with the store can be shown all the same
        if face.image is not None and self._service.blobs.size(face.image) is None:
            return msgspec.structs.replace(face, image=None)
        return face

    def _words(self, accepted: str) -> Words:
        chosen = self._service.store.local.setting(LANGUAGE_SETTING)
        if isinstance(chosen, str) and chosen in LANGUAGES:
            return words_for(chosen)
        return words_for(choose_language(accepted))

    def _choice(self, name: str) -> str:
        chosen = self._service.store.local.setting(name)
        return chosen if isinstance(chosen, str) and chosen in CHOICES[name] else CHOICES[name][0]


def line_state(service: Service, words: Words) -> dict[str, JsonValue]:
    """Return in words, and as a mood for the eye, how this peer is connected.

    ``mood`` is ``on``, ``wait`` (catching up) or ``off`` (nobody near, or the disk is at fault).
    """
    trouble = service.store.trouble
    if trouble is not None:
        reason = words.tell(phrase_of(trouble.reason))
        text = words.gettext("Nothing can be written: {reason}").format(reason=reason)
        return {"text": text, "mood": "off", "place": "/status"}
    if service.store.faults.damage:
        text = words.gettext("Something on the disk is damaged")
        return {"text": text, "mood": "off", "place": "/status"}
    status = service.shell.brain.snapshot()
    count = len(status.peers)
    if count == 0:
        return {"text": words.gettext("Nobody near"), "mood": "off"}
    near = words.ngettext("{n} neighbour near", "{n} neighbours near", count).format(n=count)
    if status.feeds_behind:
        return {"text": words.gettext("{near}, catching up").format(near=near), "mood": "wait"}
    return {"text": words.gettext("{near}, up to date").format(near=near), "mood": "on"}


async def watch_state(visit: Visit) -> JsonValue:
    """Tell how this peer is connected."""
    return line_state(visit.service, visit.words)


def folding_state(service: Service, words: Words, *views: str) -> JsonValue:
    """Return in words, and as value and max, what pages do not show yet; None if all is in.

    ``views``: those that the page is read from; by default all.
    """
    behind = service.store.views.behind(*views)
    if behind is None or behind.messages < limits.BEHIND_TOLD_MIN:
        return None
    folded = behind.total - behind.messages
    text = words.gettext("{have} of {all} messages are sorted in.").format(
        have=words.number(folded), all=words.number(behind.total)
    )
    if behind.left_s is not None:
        left = words.duration(behind.left_s)
        text += " " + words.gettext("About {left} left.").format(left=left)
    return {"text": text, "value": folded, "max": behind.total}


async def watch_folding(visit: Visit) -> JsonValue:
    """Tell what pages do not show yet, by ``views`` if they are named; null if all is in."""
    views = filter(None, visit.query.get("views", "").split(","))
    return folding_state(visit.service, visit.words, *views)


FRAME_WATCHES = (Watch("web.state", watch_state), Watch("web.folding", watch_folding))
