"""Commands about the peer itself: who it is, how it does, whom it talks to."""

import click

from lichen.cli.command import OPENS_DATA, command
from lichen.cli.exits import Exit
from lichen.cli.folding import progress_words
from lichen.cli.ids import FEED, Names, resolve
from lichen.cli.output import Output
from lichen.cli.session import Session, member, number_member, text_member
from lichen.cli.terminal import text_width
from lichen.cli.words import WORDS, _, ngettext
from lichen.feed.canonical import JsonValue
from lichen.node.errors import ApiError
from lichen.words import parse_phrase, phrase_of

NAME_CELLS_MIN = 10
"""Columns of what stands first in a line of the status, where no language needs more."""
_VERDICT_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


@command("whoami", examples=("lichen whoami", "lichen whoami --json | jq -r .id"))
async def whoami_command(session: Session) -> None:
    """Print the own feed id. It is public: give it to people who want to follow you."""
    async with session.client() as client:
        answer = await client.call("whoami")
    session.out.value(answer, text_member(answer, "id"))


@command("status", examples=("lichen status", "lichen status --json | jq .messages"))
async def status_command(session: Session) -> None:
    """Show identity, log, addresses and connections, in short."""
    async with session.client() as client:
        answer = await client.call("status")
    if session.out.is_json:
        session.out.line_of_json(answer)
        return
    rows = _status_rows(answer)
    width = max(NAME_CELLS_MIN, *(text_width(name) for name, _words in rows))
    for name, words in rows:
        session.out.text(f"{name:<{width}}  {words}")
    if not member(answer, "isRunning"):
        session.out.words(_("No peer is running here. Next: lichen start"))


def _status_rows(answer: JsonValue) -> list[tuple[str, str]]:
    addresses = member(answer, "addresses")
    peers = member(answer, "network", "peers")
    rows = [
        (_("identity"), text_member(answer, "id")),
        (_("directory"), text_member(answer, "directory")),
        (
            _("log"),
            _("messages {messages}, feeds {feeds}, of your own {own}").format(
                messages=WORDS.number(int(number_member(answer, "messages"))),
                feeds=WORDS.number(int(number_member(answer, "feeds"))),
                own=WORDS.number(int(number_member(answer, "ownSequence"))),
            ),
        ),
        (_("hops"), str(int(number_member(answer, "hops")))),
    ]
    behind = member(answer, "folding")
    if behind is not None:
        rows.append((_("sorted in"), progress_words(behind)))
    waiting = int(number_member(answer, "unaudited"))
    if waiting:
        pace = member(answer, "audit")
        rate = round(number_member(answer, "audit", "rate")) if isinstance(pace, dict) else 0
        words = ngettext(
            "{n} message waits for its check; {rate} are checked a second",
            "{n} messages wait for their check; {rate} are checked a second",
            waiting,
        )
        rows.append(
            (_("signatures"), words.format(n=WORDS.number(waiting), rate=WORDS.number(rate)))
        )
    doubted = member(answer, "distrustedPeers")
    if isinstance(doubted, list) and doubted:
        words = ngettext(
            "{n} peer once passed on what its author had not signed; all that it sends is checked"
            " whole. What to do: lichen doctor",
            "{n} peers once passed on what its author had not signed; all that they send is checked"
            " whole. What to do: lichen doctor",
            len(doubted),
        )
        rows.append((_("doubted"), words.format(n=WORDS.number(len(doubted)))))
        rows += [("", str(peer)) for peer in doubted]
    if isinstance(addresses, list):
        rows += [(_("address"), str(address)) for address in addresses]
    if member(answer, "isRunning"):
        count = len(peers) if isinstance(peers, list) else 0
        rows.append(
            (_("connected"), ngettext("{n} peer", "{n} peers", count).format(n=WORDS.number(count)))
        )
    if member(answer, "writeTrouble"):
        reason = WORDS.tell(phrase_of(text_member(answer, "writeTrouble", "reason")))
        rows.append((_("disk"), _("nothing can be written: {reason}").format(reason=reason)))
    damage = text_member(answer, "damage")
    if damage:
        words = _("damaged: {reason}. Mend it with: lichen fsck --heal")
        rows.append((_("disk"), words.format(reason=WORDS.tell(phrase_of(damage)))))
    if member(answer, "isGuarded"):
        rows.append((_("publishing"), _("waits until other peers were asked for the own feed")))
    forked = member(answer, "forkedFeeds")
    if isinstance(forked, list) and forked:
        rows.append(
            (
                _("forked"),
                _("{n} feeds; nothing is added to them").format(n=WORDS.number(len(forked))),
            )
        )
    return rows


@command("peers", examples=("lichen peers", "lichen peers --json | jq -r .peer"))
async def peers_command(session: Session) -> None:
    """List the peers that the running peer is connected to. With --json one a line."""
    async with session.client() as client:
        answer = await client.call("conn.peers")
        peers = answer if isinstance(answer, list) else []
        if session.out.is_json:
            for peer in peers:
                session.out.line_of_json(peer)
            return
        if not peers:
            words = _("Connected to nobody.") if client.is_live else _("No peer is running here.")
            next_step = "lichen connect ADDRESS" if client.is_live else "lichen start"
            session.out.words(words + " " + _("Next: {command}").format(command=next_step))
            return
        names = Names(client)
        await names.learn(text_member(peer, "peer") for peer in peers)
    session.out.table(
        [_("PEER"), _("CALLED"), _("RECEIVED"), _("SENT"), _("ADDRESS")],
        [
            [
                names.name(text_member(peer, "peer")),
                _("by us") if member(peer, "is_client") else _("by them"),
                WORDS.number(int(number_member(peer, "messages_received"))),
                WORDS.number(int(number_member(peer, "messages_sent"))),
                text_member(peer, "address"),
            ]
            for peer in peers
        ],
    )


@command(
    "connect",
    examples=(
        "lichen connect 'net:192.168.1.7:8008~shs:izoMgEFmjBZ0VJkaRQ3nSBYYUv5wdBpuUFdVPTgRDaI='",
        "lichen connect 192.168.1.7:8008:@izoMgEFmjBZ0VJkaRQ3nSBYYUv5wdBpuUFdVPTgRDaI=.ed25519",
    ),
    exits=(*OPENS_DATA, Exit.UNREACHABLE),
)
@click.argument("address")
async def connect_command(session: Session, address: str) -> None:
    """Connect to a peer now, and again whenever the connection is lost.

    The address is the one that the other peer prints: machine, port and key. Messages are exchanged
    of those whom you, or people you follow, follow.
    """
    async with session.client() as client:
        answer = await client.call("conn.connect", address)
    peer = text_member(answer, "peer")
    session.out.value(answer, peer)
    session.out.words(_("Connected. Next: lichen follow {peer}").format(peer=peer))


@command(
    "trust",
    examples=("lichen trust @8UlX9W", "lichen trust @anna"),
    exits=(*OPENS_DATA, Exit.NOT_FOUND),
)
@click.argument("who", metavar="ID")
async def trust_command(session: Session, who: str) -> None:
    """Trust a peer again that once passed on what its author had not signed.

    Since then all that it sends is checked whole before it is shown. When what was broken there is
    mended, that is only slow. lichen doctor lists the peers that are doubted.
    """
    async with session.client() as client:
        peer = await resolve(client, who, FEED)
        answer = await client.call("lichen.trust", peer)
    session.out.value(answer, text_member(answer, "peer"))
    session.out.words(_("It is trusted as others are."))


@command("hops", examples=("lichen hops", "lichen hops 3"))
@click.argument("number", metavar="[N]", type=click.IntRange(0, 8), required=False)
async def hops_command(session: Session, number: int | None) -> None:
    """Show or set how far other people's feeds are fetched.

    0: only your own; 1: those you follow; 2: also those whom they follow; and so on.
    """
    async with session.client() as client:
        answer = await client.call("lichen.setHops", *([] if number is None else [number]))
    session.out.value({"hops": answer}, str(answer))


@command(
    "doctor",
    examples=("lichen doctor", "lichen doctor --json | jq 'select(.verdict != \"ok\")'"),
)
async def doctor_command(session: Session) -> int:
    """Check secret, log, views, network and disk; say what is wrong and what helps.

    Exit code 1 if anything failed; warnings do not count.
    """
    try:
        async with session.client() as client:
            answer = await client.call("lichen.doctor")
    except ApiError as error:
        message, hint = error.told(WORDS)
        _show_finding(
            session.out,
            {
                "check": "open",
                "verdict": "fail",
                "words": message,
                "remedy": hint,
            },
        )
        return error.exit_code
    findings = answer if isinstance(answer, list) else []
    for finding in findings:
        _show_finding(session.out, _told(finding))
    if any(text_member(finding, "verdict") == "fail" for finding in findings):
        return Exit.FAILED
    return Exit.DONE


def _told(finding: JsonValue) -> JsonValue:
    """Return a finding in the language of the terminal."""
    return {
        "check": text_member(finding, "check"),
        "verdict": text_member(finding, "verdict"),
        **({"feeds": member(finding, "feeds")} if member(finding, "feeds") else {}),
        **{
            name: WORDS.tell(
                parse_phrase(member(finding, "phrases", name)) or text_member(finding, name)
            )
            for name in ("words", "remedy")
        },
    }


def _show_finding(out: Output, finding: JsonValue) -> None:
    if out.is_json:
        out.line_of_json(finding)
        return
    verdict = text_member(finding, "verdict")
    shown = out.style(f"{verdict:<4}", _VERDICT_STYLES.get(verdict, "bold"))
    out.text(f"{shown}  {text_member(finding, 'check')}: {text_member(finding, 'words')}")
    remedy = text_member(finding, "remedy")
    if remedy:
        out.text(f"      {remedy}")
    feeds = member(finding, "feeds")
    for feed in feeds if isinstance(feeds, list) else []:
        out.text(f"      {feed}")
