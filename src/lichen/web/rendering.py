"""From a template and its data to a page: Jinja2, always escaping, one environment a language.

Templates of an app lie in its own folder and are named ``APP/FILE``; those of this room
``web/FILE``. What every page has around its own matter is its ``Frame``.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import jinja2
import msgspec
from jinja2.runtime import Context
from markupsafe import Markup

from lichen.apps.social.reading.profiles import Face
from lichen.apps.social.rules import clean_line
from lichen.feed.canonical import JsonValue, encode_string
from lichen.feed.message import FeedId, MsgId
from lichen.node.app import App
from lichen.node.paths import segment_of
from lichen.store.log import Stored
from lichen.web.forms import draw_once
from lichen.web.map import label_of
from lichen.web.text.links import PATHS
from lichen.web.text.markdown import render
from lichen.web.text.rendered import RenderCache
from lichen.words import LANGUAGES, Words

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
SHORT_ID_CHARACTERS = 7


class Frame(msgspec.Struct, frozen=True):
    """What every page shows around its own matter.

    ``state`` is the line's, for the bar; ``folding`` tells what is not sorted into the views of
    these names yet, or into any, None if everything is. ``is_checked`` tells of a message in the
    log whether its signature was.
    """

    words: Words
    own: FeedId
    own_face: Face
    path: str
    now: float
    theme: str
    contrast: str
    text_size: str
    state: Mapping[str, JsonValue]
    is_checked: Callable[[Stored], bool]
    folding: Callable[..., JsonValue]


class Renderer:
    """Turns templates into HTML. From any thread."""

    def __init__(self, apps: Sequence[App]) -> None:
        folders = {"web": FOLDER / "templates"}
        for app in apps:
            folders[app.name] = FOLDER.parent / "apps" / app.name / "templates"
        self._loader = jinja2.PrefixLoader(
            {name: jinja2.FileSystemLoader(folder) for name, folder in folders.items()}
        )
        self._environments: dict[str, jinja2.Environment] = {}
        self._posts = RenderCache(render_post)

    def render(self, template: str, data: Mapping[str, object], frame: Frame) -> str:
        """Return the HTML of a page."""
        found = self._environment(frame.words).get_template(template)
        return found.render({"faces": {}, **data, "frame": frame, "now": frame.now})

    def _environment(self, words: Words) -> jinja2.Environment:
        made = self._environments.get(words.language)
        if made is None:
            made = self._make_environment(words)
            self._environments[words.language] = made
        return made

    def _make_environment(self, words: Words) -> jinja2.Environment:
        made = jinja2.Environment(
            loader=self._loader,
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            extensions=["jinja2.ext.i18n"],
        )
        made.policies["ext.i18n.trimmed"] = True
        made.install_gettext_callables(  # type: ignore[attr-defined]
            words.gettext, words.ngettext, newstyle=True, pgettext=words.pgettext
        )
        made.globals |= {
            "ngettext": partial(ngettext, words),
            "words": words,
            "languages": LANGUAGES,
            "icon": icon,
            "face": face,
            "face_path": face_path,
            "name": name,
            "static": static,
            "once": draw_once,
        }
        made.filters |= {
            # A text of a stranger that stands in a sentence or a title of ours.
            "line": clean_line,
            "segment": segment_of,
            "short_id": short_id,
            "label": label_of,
            "voice": self._voice,
            "voice_preview": lambda text: Markup(render_post(text)),  # noqa: S704 (made safe)
            "json_units": json_units,
        }
        return made

    def _voice(self, text: str, key: MsgId) -> Markup:
        """Render a post: Markdown, sanitised, kept for the next time."""
        return Markup(self._posts.html(key, text))  # noqa: S704 (made safe by the markdown module)


def render_post(text: str) -> str:
    """Return the HTML of a Markdown text whose references lead to this peer's pages."""
    return render(text, PATHS)


def json_units(text: str) -> int:
    """Return how much of a message's room a text takes: UTF-16 code units of its JSON string."""
    return len(encode_string(text).encode("utf-16-le", "surrogatepass")) // 2 - 2


def ngettext(words: Words, one: str, many: str, n: int, /, **values: object) -> Markup:
    """Return the form of a text that fits a number, which stands in it as ``%(num)s``."""
    text = Markup(words.ngettext(one, many, n))  # noqa: S704 (of a catalogue of ours)
    return text % {"num": words.number(n), **values}


@cache
def static_digest() -> str:
    """Return a text that changes when any static file does: they refer to each other."""
    digest = hashlib.sha256()
    for file in sorted(STATIC.iterdir()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def static(file: str) -> str:
    """Return the path of a static file; browsers may keep what they found there for ever."""
    return f"/static/{static_digest()}/{file}"


@cache
def icon(name: str, *, flip: bool = False) -> Markup:
    """Return an icon; the words beside it say what it means."""
    kind = "icon flip" if flip else "icon"
    return Markup('<svg class="{}" aria-hidden="true"><use href="{}#i-{}"/></svg>').format(
        kind, static("icons.svg"), name
    )


@jinja2.pass_context
def face(context: Context, feed: FeedId, size: str = "", *, is_bare: bool = False) -> Markup:
    """Return somebody's picture, or the face that grew from the key. Decorative: names label it.

    ``is_bare``: what is around it gives it its size.
    """
    kind = "" if is_bare else f"ava {size}".strip()
    path = face_path(context, feed)
    # Nothing of a stranger's: the size is a template's, the path is of URL-safe base64.
    return Markup(f'<img class="{kind}" src="{path}" alt="" loading="lazy">')  # noqa: S704


@jinja2.pass_context
def face_path(context: Context, feed: FeedId) -> str:
    """Return the path of somebody's picture, or of the face that grew from the key."""
    known = _known(context, feed)
    if known is not None and known.image is not None:
        return f"/blob/{segment_of(known.image)}"
    return f"/face/{segment_of(feed)}.svg"


@jinja2.pass_context
def name(context: Context, feed: FeedId) -> str:
    """Return what somebody is called here; the beginning of the key where nobody has said."""
    known = _known(context, feed)
    return short_id(feed) if known is None or known.name is None else known.name


def _known(context: Context, feed: FeedId) -> Face | None:
    frame: Frame = context["frame"]
    known: Face | None = context["faces"].get(feed)
    return frame.own_face if known is None and feed == frame.own else known


def short_id(ref: str) -> str:
    """Return the beginning of an id, enough to tell it from its neighbours."""
    return f"{ref[: SHORT_ID_CHARACTERS + 1]}…"
