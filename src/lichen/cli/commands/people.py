"""``follow``, ``unfollow``, ``block`` and ``name``: what one says about others."""

import click

from lichen.cli.again import giving_back
from lichen.cli.command import OPENS_DATA, command
from lichen.cli.commands.writing import dry_run_option, report_published
from lichen.cli.exits import Exit
from lichen.cli.ids import ANY, FEED, resolve
from lichen.cli.session import Session
from lichen.cli.words import _

EXITS = (*OPENS_DATA, Exit.NOT_FOUND, Exit.UNREACHABLE)


@command("follow", examples=("lichen follow @8UlX9W", "lichen follow @anna"), exits=EXITS)
@click.argument("who", metavar="ID")
@dry_run_option
async def follow_command(session: Session, who: str, is_dry_run: bool) -> None:
    """Follow a feed: its messages are fetched and kept from now on.

    Everybody can read whom you follow. Following twice publishes once.
    """
    await _relate(session, "social.follow", who, is_dry_run, _("Next: lichen peers, lichen log"))


@command("unfollow", examples=("lichen unfollow @anna",), exits=EXITS)
@click.argument("who", metavar="ID")
@dry_run_option
async def unfollow_command(session: Session, who: str, is_dry_run: bool) -> None:
    """Follow or block a feed no longer. What was fetched stays."""
    await _relate(session, "social.unfollow", who, is_dry_run, "")


@command("block", examples=("lichen block @8UlX9W",), exits=EXITS)
@click.argument("who", metavar="ID")
@dry_run_option
async def block_command(session: Session, who: str, is_dry_run: bool) -> None:
    """Block a feed: its peer is not spoken to, its messages are neither fetched nor passed on.

    Everybody can read whom you block. Undo it with unfollow.
    """
    await _relate(session, "social.block", who, is_dry_run, _("Undo: lichen unfollow ID"))


@command(
    "name",
    examples=("lichen name @8UlX9W anna", 'lichen name @anna "Anna of the mill"'),
    exits=EXITS,
)
@click.argument("who", metavar="ID")
@click.argument("name")
@dry_run_option
async def name_command(session: Session, who: str, name: str, is_dry_run: bool) -> None:
    """Give somebody, yourself or a message a name. Everybody can read it."""
    with giving_back(session, "name", who, name, is_dry_run=is_dry_run):
        async with session.client() as client:
            subject = await resolve(client, who, ANY)
            answer = await client.call(
                "social.setName", {"id": subject, "name": name, "dryRun": is_dry_run}
            )
    report_published(session.out, answer, "")


async def _relate(
    session: Session, method: str, who: str, is_dry_run: bool, next_step: str
) -> None:
    with giving_back(session, method.removeprefix("social."), who, is_dry_run=is_dry_run):
        async with session.client() as client:
            feed = await resolve(client, who, FEED)
            answer = await client.call(method, {"id": feed, "dryRun": is_dry_run})
    report_published(session.out, answer, next_step)
