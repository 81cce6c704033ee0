"""What people type and paste for an id: all of it, its beginning, a name, an ``ssb:`` URI, a link.

A name and the beginning of an id are looked up together, and what fits both a person's name and
another one's key is ambiguous: nobody can take over an id by naming themselves like it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lichen.cli.exits import Exit
from lichen.cli.output import AmbiguousId
from lichen.cli.session import text_member
from lichen.cli.terminal import clean_line, short_id, short_name
from lichen.cli.words import WORDS, _
from lichen.feed.canonical import JsonValue
from lichen.feed.refs import RefError, extract_ref, is_feed_id, is_msg_id
from lichen.node.errors import ApiError

if TYPE_CHECKING:
    from lichen.node.client import Client

CANDIDATES_SHOWN_MAX = 10
NAMES_AT_ONCE = 500
"""Names asked for in one call, which gives up to a thousand."""
FEED = "feed"
MESSAGE = "msg"
ANY = "any"

_KIND_WORDS = {FEED: _("feed"), MESSAGE: _("message"), ANY: _("message or feed")}


async def resolve(client: "Client", text: str, kind: str) -> str:
    """Return the one id of this kind that a text means. Raises ApiError: none, or several."""
    typed = text.strip()
    whole = typed if _is_id(typed) else _id_in(typed)
    if whole is not None:
        if not _is_kind(whole, kind):
            raise ApiError(
                Exit.USAGE.slug,
                _("{id} is not the id of a {kind}.").format(id=whole, kind=_KIND_WORDS[kind]),
            )
        return whole
    named = await _named(client, typed) if kind != MESSAGE and not typed.startswith("%") else {}
    found = list(dict.fromkeys([*named, *await _beginning_with(client, typed, kind)]))
    if len(found) == 1:
        return found[0]
    if not found:
        raise ApiError(
            Exit.NOT_FOUND.slug,
            _("No {kind} is known by {text}.").format(
                kind=_KIND_WORDS[kind], text=clean_line(typed, 60)
            ),
            _("Give the whole id, its beginning or a name; lichen log shows what there is."),
        )
    shown = found[:CANDIDATES_SHOWN_MAX]
    descriptions = [
        f"{ref}  {clean_line(named[ref], 40)}" if ref in named else ref for ref in shown
    ]
    if len(found) > len(shown):
        descriptions.append(
            _("and {count} more").format(count=WORDS.number(len(found) - len(shown)))
        )
    raise AmbiguousId(clean_line(typed, 60), shown, descriptions)


class Names:
    """Names of feeds, asked for once each."""

    __slots__ = ("_client", "_known")

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._known: dict[str, str | None] = {}

    async def learn(self, refs: Iterable[str]) -> None:
        """Ask for the names that are not known yet, many in one call."""
        missing = [ref for ref in dict.fromkeys(refs) if ref not in self._known]
        for first in range(0, len(missing), NAMES_AT_ONCE):
            ids = missing[first : first + NAMES_AT_ONCE]
            answer = await self._client.call("social.names", {"ids": [*ids]})
            self._known |= {ref: text_member(answer, ref) or None for ref in ids}

    def forget(self, ref: str) -> None:
        """Ask again next time: somebody may have been named anew."""
        self._known.pop(ref, None)

    def name(self, ref: str) -> str:
        """Return a name with a fragment of the key; the fragment alone where there is no name."""
        if not _is_id(ref):
            return short_id(ref)
        return short_name(ref, self._known.get(ref))


def _is_id(text: str) -> bool:
    return is_feed_id(text) or is_msg_id(text)


def _is_kind(ref: str, kind: str) -> bool:
    return kind == ANY or (is_feed_id(ref) if kind == FEED else is_msg_id(ref))


def _id_in(text: str) -> str | None:
    """Return the id inside an ``ssb:`` URI or a pasted link."""
    if text.startswith("ssb:"):
        from lichen.feed.uris import from_uri  # noqa: PLC0415 (rarely needed)

        try:
            return from_uri(text)
        except RefError as error:
            raise ApiError(Exit.USAGE.slug, str(error)) from error
    found = extract_ref(text)
    return found if found is not None and _is_id(found) else None


async def _named(client: "Client", text: str) -> dict[str, str]:
    answer = await client.call("social.byName", text.removeprefix("@"))
    found = answer if isinstance(answer, list) else []
    return {text_member(item, "id"): text_member(item, "name") for item in found}


async def _beginning_with(client: "Client", text: str, kind: str) -> list[str]:
    answer: JsonValue = await client.call("lichen.resolve", text, kind)
    return [ref for ref in answer if isinstance(ref, str)] if isinstance(answer, list) else []
