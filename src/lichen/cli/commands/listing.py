"""``people``: whom one follows, one's followers, friends of friends, the blocked, page by page."""

import click

from lichen.cli.command import OPENS_DATA, command, limit_option
from lichen.cli.exits import Exit
from lichen.cli.folding import tell_missing
from lichen.cli.ids import Names
from lichen.cli.session import Session, member, text_member
from lichen.cli.words import _
from lichen.feed.canonical import JsonValue

LIMIT_DEFAULT = 50
KINDS = ("follows", "followers", "nearby", "blocked")


@command(
    "people",
    examples=(
        "lichen people",
        "lichen people --name ann                 # Anna, Mary Ann",
        "lichen people followers --limit 10",
        "lichen people nearby --json | jq -r '.people[].id'",
    ),
    exits=(*OPENS_DATA, Exit.NOT_FOUND),
)
@click.argument("kind", type=click.Choice(KINDS), default=KINDS[0])
@click.option("--name", metavar="TEXT", help=_("Only those in whose name a word begins so."))
@limit_option(LIMIT_DEFAULT)
@click.option("--before", type=int, metavar="NUMBER", help=_("Go on where a list ended."))
async def people_command(
    session: Session, kind: str, name: str | None, limit: int, before: int | None
) -> int:
    """List people, those first of whom something was said last.

    follows: whom you follow. followers: who follows you. nearby: whom those follow whom you follow.
    blocked: whom you block.

    With --json the answer is one object, as social.people gives it. Code 4: there is nobody.
    """
    options: dict[str, JsonValue] = {"kind": kind, "limit": limit}
    if name is not None:
        options["name"] = name
    if before is not None:
        options["before"] = before
    async with session.client() as client:
        answer = await client.call("social.people", options)
        people = member(answer, "people")
        found = people if isinstance(people, list) else []
        if session.out.is_json:
            session.out.line_of_json(answer)
        else:
            names = Names(client)
            await names.learn(ref for person in found for ref in _refs(person))
            for person in found:
                session.out.text(_render(person, names))
            _say_what_else(session, answer, has_people=bool(found))
            await tell_missing(session.out, client)
    return Exit.DONE if found else Exit.NOT_FOUND


def _refs(person: JsonValue) -> list[str]:
    by = member(person, "introducedBy")
    introducers = [each for each in by if isinstance(each, str)] if isinstance(by, list) else []
    return [text_member(person, "id"), *introducers]


def _render(person: JsonValue, names: Names) -> str:
    feed, *introducers = _refs(person)
    line = names.name(feed)
    if text_member(person, "theirs") == "follows":
        return _("{name}, follows you").format(name=line)
    if introducers:
        who = ", ".join(map(names.name, introducers))
        return _("{name}, introduced by {people}").format(name=line, people=who)
    return line


def _say_what_else(session: Session, answer: JsonValue, *, has_people: bool) -> None:
    before = member(answer, "before")
    if isinstance(before, int):
        session.out.words(_("There is more; add: --before {number}").format(number=before))
    elif not has_people:
        session.out.words(_("Nobody."))
