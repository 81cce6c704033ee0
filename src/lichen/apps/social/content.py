"""The messages people write to each other: post, about, contact, vote.

The shapes are those of ssb-typescript and of what JavaScript clients publish. Reading is tolerant:
other people's programs wrote these messages, so a member of the wrong kind counts as absent and an
unknown member as none of our business. None means: this content is not of that type. A link is a
reference, or an object whose ``link`` is one.
"""

import re
from collections.abc import Callable, Mapping

import msgspec

from lichen.feed.canonical import JsonValue, encode_compact
from lichen.feed.formats.classic import draft_units
from lichen.feed.formats.classic_rules import TEXT_UNITS_MAX
from lichen.feed.message import FeedId, MsgId
from lichen.feed.refs import is_blob_id, is_feed_id, is_msg_id, normalize_channel

ABOUT_FIELDS = ("name", "description", "image")

_REFERENCE = r"[@%&][A-Za-z0-9+/]{43}=\.(?:ed25519|sha256)"
_MARKDOWN_LINK = re.compile(rf"\[([^\[\]]*)\]\(({_REFERENCE})\)")
_BARE_REFERENCE = re.compile(rf"(?<![\w+/=(]){_REFERENCE}")
_HASHTAG = re.compile(r"(?:^|(?<=[\s(]))#(\w[\w-]{0,29})")
_IS_REF: dict[str, Callable[[object], bool]] = {"%": is_msg_id, "@": is_feed_id, "&": is_blob_id}
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


class Mention(msgspec.Struct, frozen=True):
    """Something a text points at: a feed, a message, a blob or a ``#channel``."""

    link: str
    name: str = ""


class Post(msgspec.Struct, frozen=True):
    """A text somebody wrote. ``root``, ``branch`` and ``fork`` place it in a thread."""

    text: str
    root: MsgId | None = None
    branch: tuple[MsgId, ...] = ()
    fork: MsgId | None = None
    channel: str | None = None
    mentions: tuple[Mention, ...] = ()


class About(msgspec.Struct, frozen=True):
    """What an author says about a subject, field by field; None takes an earlier value back."""

    subject: str
    fields: tuple[tuple[str, str | None], ...]


class Vote(msgspec.Struct, frozen=True):
    """An author's opinion of a message: above 0 likes it, anything else takes the like back."""

    link: str
    value: int
    expression: str = ""


class Place(msgspec.Struct, frozen=True):
    """Where in which thread a message of any type says it belongs."""

    root: MsgId | None = None
    fork: MsgId | None = None
    branch: tuple[MsgId, ...] = ()


NOWHERE = Place()
"""The place of what belongs to no thread but its own."""


def parse_place(content: Mapping[str, JsonValue]) -> Place:
    """Read root, fork and branch of a content of any type."""
    if not ("root" in content or "fork" in content or "branch" in content):
        return NOWHERE
    return Place(
        root=_message_link(content.get("root")),
        fork=_message_link(content.get("fork")),
        branch=_message_links(content.get("branch")),
    )


def parse_post(content: JsonValue) -> Post | None:
    """Read a post."""
    if not isinstance(content, dict) or content.get("type") != "post":
        return None
    text = content.get("text")
    place = parse_place(content)
    channel = content.get("channel")
    return Post(
        text=text if isinstance(text, str) else "",
        root=place.root,
        branch=place.branch,
        fork=place.fork,
        channel=normalize_channel(channel) if isinstance(channel, str) else None,
        mentions=parse_mentions(content.get("mentions")),
    )


def encode_post(post: Post) -> dict[str, JsonValue]:
    """Return the content of a post, leaving out what it does not say."""
    content: dict[str, JsonValue] = {"type": "post", "text": post.text}
    if post.channel:
        content["channel"] = post.channel
    if post.root:
        content["root"] = post.root
    if len(post.branch) == 1:
        content["branch"] = post.branch[0]
    elif post.branch:
        content["branch"] = list(post.branch)
    if post.fork:
        content["fork"] = post.fork
    if post.mentions:
        content["mentions"] = [
            {"link": mention.link, "name": mention.name} if mention.name else {"link": mention.link}
            for mention in post.mentions
        ]
    return content


def mentions_in(text: str) -> tuple[Mention, ...]:
    """Return what a Markdown text points at, each once, in order; code is not looked at."""
    prose = _CODE.sub(" ", text)
    found: list[tuple[int, Mention]] = [
        (match.start(2), Mention(link=match[2], name=match[1].removeprefix("@")))
        for match in _MARKDOWN_LINK.finditer(prose)
    ]
    found += [(match.start(), Mention(match[0])) for match in _BARE_REFERENCE.finditer(prose)]
    for match in _HASHTAG.finditer(prose):
        channel = normalize_channel(match[1])
        if channel:
            found.append((match.start(), Mention(f"#{channel}")))
    mentions: dict[str, Mention] = {}
    for _, mention in sorted(found, key=lambda entry: entry[0]):
        if mention.link.startswith("#") or _is_link(mention.link):
            mentions.setdefault(mention.link, mention)
    return tuple(mentions.values())


def channels_of(post: Post) -> tuple[str, ...]:
    """Return the channels a post is in, each once: its own, and those it mentions."""
    tags = (normalize_channel(m.link) for m in post.mentions if m.link.startswith("#"))
    named = (post.channel, *tags)
    return tuple(dict.fromkeys(channel for channel in named if channel))


def parse_about(content: JsonValue) -> About | None:
    """Read an about message: the fields of ``ABOUT_FIELDS`` it sets or takes back."""
    if not isinstance(content, dict) or content.get("type") != "about":
        return None
    subject = link_of(content.get("about"))
    if subject is None:
        return None
    fields: list[tuple[str, str | None]] = []
    for key in ABOUT_FIELDS:
        value = content.get(key)
        if isinstance(value, dict) and value.get("remove"):
            fields.append((key, None))
            continue
        text = link_of(value) if key == "image" else value
        if key == "image" and not is_blob_id(text):
            continue
        if isinstance(text, str) and text.strip():
            fields.append((key, text))
    return About(subject=subject, fields=tuple(fields))


def encode_name(subject: str, name: str) -> dict[str, JsonValue]:
    """Return the content that names a subject."""
    return {"type": "about", "about": subject, "name": name}


def encode_profile(subject: str, fields: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the content that sets fields of a subject; None takes one back."""
    return {
        "type": "about",
        "about": subject,
        **{key: {"remove": True} if value is None else value for key, value in fields.items()},
    }


def encode_follow(target: FeedId) -> dict[str, JsonValue]:
    """Return the content that follows a feed."""
    return {"type": "contact", "contact": target, "following": True, "blocking": False}


def encode_unfollow(target: FeedId) -> dict[str, JsonValue]:
    """Return the content that neither follows nor blocks a feed any longer."""
    return {"type": "contact", "contact": target, "following": False, "blocking": False}


def encode_block(target: FeedId) -> dict[str, JsonValue]:
    """Return the content that blocks a feed."""
    return {"type": "contact", "contact": target, "following": False, "blocking": True}


def parse_vote(content: JsonValue) -> Vote | None:
    """Read a vote."""
    if not isinstance(content, dict) or content.get("type") != "vote":
        return None
    vote = content.get("vote")
    if not isinstance(vote, dict):
        return None
    link = link_of(vote.get("link"))
    if link is None:
        return None
    value = vote.get("value")
    number = value if isinstance(value, int | float) else 0
    expression = vote.get("expression")
    return Vote(
        link=link,
        value=1 if number > 0 else -1 if number < 0 else 0,
        expression=expression if isinstance(expression, str) else "",
    )


def encode_vote(vote: Vote) -> dict[str, JsonValue]:
    """Return the content of a vote."""
    body: dict[str, JsonValue] = {"link": vote.link, "value": vote.value}
    if vote.expression:
        body["expression"] = vote.expression
    return {"type": "vote", "vote": body}


def link_of(value: JsonValue) -> str | None:
    """Return the reference of a link, be it written as a text or as an object."""
    text = value.get("link") if isinstance(value, dict) else value
    return text if isinstance(text, str) and _is_link(text) else None


def post_size(content: Mapping[str, JsonValue], sequence: int = 9_999_999) -> tuple[int, int]:
    """Return how long the message with this content will be, and how long it may be.

    Both count UTF-16 units of the text that is signed, which is what the classic format limits. It
    is exact for the sequence that the message gets, else some too much.
    """
    text = encode_compact(dict(content)).encode("utf-8", "surrogatepass")
    return draft_units(text, sequence), TEXT_UNITS_MAX


def _is_link(text: str) -> bool:
    is_ref = _IS_REF.get(text[:1])
    return is_ref is not None and is_ref(text)


def _message_link(value: JsonValue) -> MsgId | None:
    text = value.get("link") if isinstance(value, dict) else value
    return text if is_msg_id(text) else None


def _message_links(value: JsonValue) -> tuple[MsgId, ...]:
    if not isinstance(value, list):
        link = _message_link(value)
        return () if link is None else (link,)
    links = map(_message_link, value)
    return tuple(dict.fromkeys(link for link in links if link is not None))


def parse_mentions(value: JsonValue) -> tuple[Mention, ...]:
    """Read what a post says that it mentions; what is no link is left out."""
    if not isinstance(value, list):
        return ()
    mentions = []
    for item in value:
        link = item.get("link") if isinstance(item, dict) else item
        name = item.get("name") if isinstance(item, dict) else ""
        if isinstance(link, str) and (link.startswith("#") or _is_link(link)):
            mentions.append(Mention(link, name if isinstance(name, str) else ""))
    return tuple(mentions)
