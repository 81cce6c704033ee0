"""How messages look in a terminal: one line of who, when and what, the text below it."""

import datetime as dt
from collections.abc import Iterator

from lichen.apps.social import content as social
from lichen.apps.social.rules import believable_ms
from lichen.cli.ids import Names
from lichen.cli.output import Output
from lichen.cli.session import member, number_member, text_member
from lichen.cli.terminal import clean_block, clean_line, short_id
from lichen.cli.words import WORDS, _
from lichen.feed.canonical import JsonValue
from lichen.feed.refs import is_feed_id

INDENT = "    "
FIRST_WORDS_CELLS = 60
_MS_MAX = 253_402_300_799_000.0


def local_time(ms: float) -> str:
    """Return a time of day in the zone of this machine; claimed times may be nonsense."""
    if not 0 <= ms <= _MS_MAX:
        return _("at no time")
    moment = dt.datetime.fromtimestamp(ms / 1000, tz=dt.UTC).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M")


def failure_words(reason: str) -> str:
    """Return in words why a connection did not come about or ended; an unknown one stays."""
    from lichen.node.api.people import FAILURES  # noqa: PLC0415 (slow, and not for --help)

    return WORDS.tell(FAILURES.get(reason, reason))


def refs_shown(item: JsonValue) -> Iterator[str]:
    """Yield the feeds whose names a rendered message needs."""
    yield text_member(item, "value", "author")
    content = member(item, "value", "content")
    for key in ("contact", "about"):
        ref = social.link_of(member(content, key))
        if ref is not None and is_feed_id(ref):
            yield ref


def render_message(item: JsonValue, names: Names, out: Output) -> str:
    """Return the text of one ``{key, value, timestamp}``."""
    head = render_head(item, names, out)
    post = social.parse_post(member(item, "value", "content"))
    if post is None:
        return head
    return head + "\n" + indented(clean_block(post.text).strip("\n")) + "\n"


def render_head(item: JsonValue, names: Names, out: Output) -> str:
    """Return the line above a message: when, who, what, and its id."""
    author = text_member(item, "value", "author")
    written_ms = believable_ms(
        number_member(item, "value", "timestamp"), number_member(item, "timestamp")
    )
    unchecked = [out.style(_("not checked yet"), "dim")] if member(item, "audited") is False else []
    return "  ".join(
        [
            out.style(local_time(written_ms), "dim"),
            *unchecked,
            out.style(names.name(author), "bold"),
            what_words(member(item, "value", "content"), author, names),
            out.style(short_id(text_member(item, "key")), "dim"),
        ]
    )


def indented(text: str) -> str:
    """Return a block set in from the left, so that no text can pass for a headline."""
    return "\n".join(INDENT + line for line in text.split("\n"))


def first_words(text: str) -> str:
    """Return the beginning of a text on one line."""
    return clean_line(text, FIRST_WORDS_CELLS)


def what_words(content: JsonValue, author: str, names: Names) -> str:
    """Return what an author does with a content, in a few words."""
    if isinstance(content, str):
        return _("private")
    if isinstance(content, dict):
        for words in (_post_words, _contact_words, _about_words, _vote_words):
            said = words(content, author, names)
            if said:
                return said
    return clean_line(text_member(content, "type"), 40) or _("message")


def _post_words(content: dict[str, JsonValue], _author: str, _names: Names) -> str:
    post = social.parse_post(content)
    if post is None:
        return ""
    words = _("post")
    if post.root:
        words = _("reply in {thread}").format(thread=short_id(post.root))
    if post.channel:
        words += " #" + clean_line(post.channel, 30)
    return words


def _contact_words(content: dict[str, JsonValue], _author: str, names: Names) -> str:
    target = social.link_of(content.get("contact"))
    if content.get("type") != "contact" or target is None:
        return ""
    if content.get("blocking") or content.get("flagged"):
        words = _("blocks {name}")
    elif content.get("following") is True:
        words = _("follows {name}")
    else:
        words = _("no longer follows or blocks {name}")
    return words.format(name=names.name(target))


def _about_words(content: dict[str, JsonValue], author: str, names: Names) -> str:
    about = social.parse_about(content)
    if about is None:
        return ""
    name = dict(about.fields).get("name")
    if about.subject == author:
        words = _("is now called {name}") if name else _("describes themselves")
    else:
        words = _("names {subject}: {name}") if name else _("describes {subject}")
    return words.format(subject=names.name(about.subject), name=clean_line(name or "", 40))


def _vote_words(content: dict[str, JsonValue], _author: str, _names: Names) -> str:
    vote = social.parse_vote(content)
    if vote is None:
        return ""
    words = _("likes {message}") if vote.value > 0 else _("likes {message} no longer")
    return words.format(message=short_id(vote.link))
