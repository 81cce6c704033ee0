"""Commands about finding peers and letting go of them."""

import click

from lichen.cli import ids
from lichen.cli.command import OPENS_DATA, command
from lichen.cli.exits import Exit
from lichen.cli.ids import Names
from lichen.cli.rendering import failure_words
from lichen.cli.session import Session, member, number_member, text_member
from lichen.cli.words import _, ngettext
from lichen.feed.canonical import JsonValue

_MODES = {"on": "announce", "quiet": "listen", "off": "off"}
_MODE_WORDS = {
    "announce": _("Peers on the local network are heard, and can see you."),
    "listen": _(
        "Peers on the local network are heard, and cannot see you. To be seen: lichen lan on"
    ),
    "off": _("The local network is left alone. To hear peers there: lichen lan quiet"),
}


@command("nearby", examples=("lichen nearby", "lichen nearby --json | jq -r .address"))
async def nearby_command(session: Session) -> None:
    """List the peers seen on the local network that are not connected. With --json one a line.

    Whom you follow is connected by itself; the others wait for you to say so. "Signed" means that
    the peer itself said so; anybody could have said the rest.
    """
    async with session.client() as client:
        answer = await client.call("lichen.nearby")
        found = answer if isinstance(answer, list) else []
        if session.out.is_json:
            for each in found:
                session.out.line_of_json(each)
            return
        if not found:
            words = _("Nobody is seen nearby.") if client.is_live else _("No peer is running here.")
            next_step = "lichen lan" if client.is_live else "lichen start"
            session.out.words(words + " " + _("Next: {command}").format(command=next_step))
            return
        names = Names(client)
        await names.learn(text_member(each, "peer") for each in found)
    session.out.table(
        [_("PEER"), _("SIGNED"), _("SEEN"), _("ADDRESS")],
        [
            [
                names.name(text_member(each, "peer")),
                _("yes") if member(each, "is_verified") else _("no"),
                _seconds_ago(number_member(each, "seen_s_ago")),
                text_member(each, "address"),
            ]
            for each in found
        ],
    )
    session.out.words(_("Next: {command}").format(command="lichen connect ADDRESS"))


def _seconds_ago(seconds: float) -> str:
    return ngettext("{n} second ago", "{n} seconds ago", int(seconds)).format(n=int(seconds))


@command("lan", examples=("lichen lan", "lichen lan on", "lichen lan quiet", "lichen lan off"))
@click.argument("mode", metavar="[on|quiet|off]", type=click.Choice(list(_MODES)), required=False)
async def lan_command(session: Session, mode: str | None) -> None:
    """Show or set what is done on the local network; it is remembered.

    on: hear peers there and let them see you. quiet: hear them and stay unseen, which is how it is
    until you choose. off: neither.
    """
    async with session.client() as client:
        answer = await client.call("lichen.lan", *([] if mode is None else [_MODES[mode]]))
    session.out.value(answer, str(_MODE_WORDS.get(text_member(answer, "mode"), "")))
    if not client.is_live:
        session.out.words(_("No peer is running here; it counts from the next start."))
    problems = member(answer, "problems")
    for problem in problems if isinstance(problems, list) else ():
        session.out.words(str(problem))


@command("addresses", examples=("lichen addresses", "lichen addresses --json | jq -r .address"))
async def addresses_command(session: Session) -> None:
    """List the addresses at which peers are dialled, and how that goes. With --json one a line."""
    async with session.client() as client:
        answer = await client.call("conn.addresses")
        found = answer if isinstance(answer, list) else []
        if session.out.is_json:
            for each in found:
                session.out.line_of_json(each)
            return
        if not found:
            words = _("No address is known. Next: {command}")
            session.out.words(words.format(command="lichen connect ADDRESS"))
            return
        names = Names(client)
        await names.learn(text_member(each, "peer") for each in found)
    session.out.table(
        [_("PEER"), _("MET"), _("STATE"), _("ADDRESS")],
        [
            [
                names.name(text_member(each, "peer")),
                text_member(each, "source"),
                _state_words(each),
                text_member(each, "address"),
            ]
            for each in found
        ],
    )


def _state_words(address: JsonValue) -> str:
    why = failure_words(text_member(address, "last_error"))
    due_s = member(address, "next_in_s")
    if member(address, "is_dialling"):
        state = _("being dialled")
    elif isinstance(due_s, int | float):
        state = _("dialled in {seconds} s").format(seconds=int(due_s))
    else:
        state = _("not dialled") if why else _("good")
    return f"{state}: {why}" if why else state


@command(
    "disconnect",
    examples=("lichen disconnect @8UlX9W", "lichen disconnect @anna"),
    exits=(*OPENS_DATA, Exit.NOT_FOUND),
)
@click.argument("peer", metavar="ID")
async def disconnect_command(session: Session, peer: str) -> None:
    """Close the connection with a peer.

    It is not dialled again until you run lichen connect, or the peer here is started anew. It may
    still call; to turn it away for good, block it.
    """
    async with session.client() as client:
        feed = await ids.resolve(client, peer, ids.FEED)
        answer = await client.call("conn.disconnect", feed)
    session.out.value(answer, text_member(answer, "peer"))


@command(
    "forget",
    examples=(
        "lichen forget 'net:192.168.1.7:8008~shs:izoMgEFmjBZ0VJkaRQ3nSBYYUv5wdBpuUFdVPTgRDaI='",
    ),
    exits=(*OPENS_DATA, Exit.NOT_FOUND),
)
@click.argument("address")
async def forget_command(session: Session, address: str) -> None:
    """Take an address out of the address book. A connection over it stays until it ends."""
    async with session.client() as client:
        answer = await client.call("conn.forget", address)
    session.out.value(answer, text_member(answer, "address"))
