"""``search``: what people have written, found by its words."""

import click

from lichen.cli.command import OPENS_DATA, command, limit_option
from lichen.cli.exits import Exit
from lichen.cli.ids import Names
from lichen.cli.output import Output
from lichen.cli.rendering import INDENT, refs_shown, render_head
from lichen.cli.session import Session, member, number_member, text_member
from lichen.cli.terminal import clean_block, clean_line
from lichen.cli.words import WORDS, _
from lichen.feed.canonical import JsonValue
from lichen.words import parse_phrase

LIMIT_DEFAULT = 20


@command(
    "search",
    examples=(
        "lichen search bread",
        "lichen search 'bread -white' --limit 5",
        "lichen search '\"two bales\" straw OR hay channel:#allotment'",
        "lichen search author:@anna after:30d oven*",
        "lichen search bread --json | jq -r '.found[].message.key'",
    ),
    exits=(*OPENS_DATA, Exit.NOT_FOUND),
)
@click.argument("words", nargs=-1, required=True)
@limit_option(LIMIT_DEFAULT)
@click.option("--after", metavar="CURSOR", help=_("Go on where an answer ended."))
async def search_command(
    session: Session, words: tuple[str, ...], limit: int, after: str | None
) -> int:
    """Find public messages by their words, the newest first.

    All words must be there. "…" finds words together, gard* what begins so, -word leaves out, OR
    joins two. Operators: author: mentions: channel: type: is: has: after: before: sort:best. Put
    the question between quotes, or the shell reads it first.

    With --json the answer is one object, as social.search gives it. Code 4: nothing fits.
    """
    question = " ".join(words)
    options: dict[str, JsonValue] = {"query": question, "limit": limit}
    if after is not None:
        options["after"] = after
    async with session.client() as client:
        answer = await client.call("social.search", options)
        found = _list(answer, "found")
        if session.out.is_json:
            session.out.line_of_json(answer)
        else:
            names = Names(client)
            await names.learn(ref for one in found for ref in refs_shown(member(one, "message")))
            for one in found:
                session.out.text(_render(one, names, session.out))
            _say_what_else(session.out, answer)
    return Exit.DONE if found else Exit.NOT_FOUND


def _render(found: JsonValue, names: Names, out: Output) -> str:
    """Return one message that fits, the words looked for in bold."""
    head = render_head(member(found, "message"), names, out)
    care = text_member(found, "care")
    if care:
        line = _("They ask for care: {warning}").format(warning=clean_line(care, 200))
        return f"{head}\n{INDENT}{line}\n"
    text = text_member(found, "excerpt", "text")
    pieces = []
    end = 0
    for mark in _list(member(found, "excerpt"), "marks"):
        if isinstance(mark, list) and len(mark) == 2:
            first, last = (place if isinstance(place, int) else 0 for place in mark)
            pieces += [
                clean_block(text[end:first]),
                out.style(clean_block(text[first:last]), "bold"),
            ]
            end = last
    return f"{head}\n{INDENT}{''.join(pieces)}{clean_block(text[end:])}\n"


def _say_what_else(out: Output, answer: JsonValue) -> None:
    for plain in _list(answer, "notes"):
        phrase = parse_phrase(plain)
        if phrase is not None:
            out.words(WORDS.tell(phrase))
    folded, total = (int(number_member(answer, name)) for name in ("folded", "total"))
    if folded < total:
        words = _("Searched so far: {folded} of {total} messages. The rest is being sorted in.")
        out.words(words.format(folded=WORDS.number(folded), total=WORDS.number(total)))
    after = text_member(answer, "after")
    if after:
        out.words(_("There is more; add: --after {cursor}").format(cursor=after))
    elif not _list(answer, "found"):
        out.words(_("Nothing fits."))


def _list(value: JsonValue, key: str) -> list[JsonValue]:
    found = member(value, key)
    return found if isinstance(found, list) else []
