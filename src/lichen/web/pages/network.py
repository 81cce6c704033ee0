"""Who is near: links that are open, people at the door, addresses and when they are tried again."""

import asyncio
from collections.abc import Iterable

import msgspec

from lichen.apps.social.pages.shared import digest_of, known_faces
from lichen.apps.social.rules import clean_line
from lichen.feed.canonical import JsonValue
from lichen.feed.message import FeedId
from lichen.node.api.people import FAILURES
from lichen.node.client import OfflineClient
from lichen.node.page import Answer, Moved, Shown, Visit
from lichen.web.map import Neighbour, draw_map
from lichen.words import Words

RATE_S = 10.0
"""The speed of catching up is measured over so long."""
FAULT_CHARACTERS_MAX = 200
"""Characters of a reason: ours are a sentence."""


class LinkRow(msgspec.Struct, frozen=True):
    """A link that is open. ``way`` says how we met, as the map's colours do."""

    peer: FeedId
    way: str
    met: str
    address: str
    since_s: float
    received: int
    sent: int
    fault: str


class AddressRow(msgspec.Struct, frozen=True):
    """An address that is not connected now. ``next_s``: when it is tried again, None for never."""

    peer: FeedId
    address: str
    met: str
    failures: int
    next_s: float | None
    fault: str


class DoorRow(msgspec.Struct, frozen=True):
    """Somebody who can be heard nearby and is not connected."""

    peer: FeedId
    address: str
    is_verified: bool


async def show_network(visit: Visit) -> Answer:
    """Show the links, the door and the address book."""
    service = visit.service
    links, addresses, door = rows_of(visit)
    feeds = {row.peer for rows in (links, addresses, door) for row in rows}
    return Shown(
        "web/network.html",
        {
            "links": links,
            "addresses": addresses,
            "door": door,
            "map": draw_map(
                service.keyring.id,
                [Neighbour(row.peer, row.way, row.met, row.received) for row in links],
                [Neighbour(row.peer, "", row.met) for row in addresses],
                [row.peer for row in door],
            ),
            "ways": _ways(visit.words),
            "faces": await known_faces(visit, feeds),
            "lan": service.lan.mode,
            "reachable": service.doors.addresses() if service.doors else [],
            "version": version_of(visit),
            "typed": visit.query.get("address", ""),
            "sync": await watch_sync(visit),
        },
    )


def rows_of(visit: Visit) -> tuple[list[LinkRow], list[AddressRow], list[DoorRow]]:
    """Return what there is to show of connections, as of now."""
    status = visit.service.shell.brain.snapshot()
    loop_now = asyncio.get_running_loop().time()
    links = [
        LinkRow(
            peer=peer.peer,
            way=_way(peer.source),
            met=_met(peer.source, visit.words),
            address=peer.address,
            since_s=visit.now - (loop_now - peer.since_s),
            received=peer.messages_received,
            sent=peer.messages_sent,
            fault=fault_words(peer.last_error, visit.words),
        )
        for peer in status.peers
    ]
    connected = {peer.peer for peer in status.peers}
    addresses = [
        AddressRow(
            peer=entry.peer,
            address=entry.address,
            met=_met(entry.source, visit.words),
            failures=entry.failures,
            next_s=None if entry.next_at is None else visit.now + entry.next_at - loop_now,
            fault=fault_words(entry.last_error, visit.words),
        )
        for entry in status.addresses
        if entry.peer not in connected
    ]
    door = [
        DoorRow(seen.peer, seen.address, seen.is_verified)
        for seen in status.staged
        if seen.peer not in connected
    ]
    return links, addresses, door


def fault_words(reason: str | None, words: Words) -> str:
    """Return in words why a connection did not come about or did not last."""
    if not reason:
        return ""
    # An unknown reason may be a text of the peer.
    return clean_line(words.tell(FAILURES.get(reason, reason)), FAULT_CHARACTERS_MAX)


def _way(source: str) -> str:
    return {"lan": "wifi", "room": "room", "invite": "invite"}.get(source, "friend")


def _ways(words: Words) -> list[tuple[str, str]]:
    """Return the ways of meeting that the map tells apart, each with its words."""
    return [
        ("wifi", words.gettext("on this Wi-Fi")),
        ("room", words.gettext("through a room")),
        ("invite", words.gettext("by invite")),
        ("friend", words.gettext("by address, or called here")),
    ]


def _met(source: str, words: Words) -> str:
    return {
        "lan": words.gettext("on this Wi-Fi"),
        "called-us": words.gettext("called here"),
        "invite": words.gettext("by invite"),
        "room": words.gettext("through a room"),
    }.get(source, words.gettext("by address"))


async def watch_network(visit: Visit) -> JsonValue:
    """Tell that the network page would look otherwise now."""
    return {"version": version_of(visit)}


def version_of(visit: Visit) -> str:
    """Return a short text that changes when the network page's rows do."""
    status = visit.service.shell.brain.snapshot()
    shown: Iterable[object] = (
        [
            (p.peer, p.source, p.messages_received, p.messages_sent, p.last_error)
            for p in status.peers
        ],
        [(a.peer, a.address, a.failures, a.last_error) for a in status.addresses],
        [(s.peer, s.address) for s in status.staged],
        visit.service.lan.mode,
    )
    return digest_of(shown)


async def watch_sync(visit: Visit) -> JsonValue:
    """Tell how far catching up is: text, value and max; null when there is nothing to catch up."""
    progress = visit.service.catching_up()
    if progress is None:
        return None
    words = visit.words
    text = words.gettext("{have} of about {all} messages.").format(
        have=words.number(progress.have), all=words.number(progress.have + progress.behind)
    )
    if progress.left_s is not None:
        text += " " + words.gettext("{rate} a second, {left} left at this pace.").format(
            rate=words.number(round(progress.rate)), left=words.duration(progress.left_s)
        )
    return {"text": text, "value": progress.have, "max": progress.have + progress.behind}


async def add_peer(visit: Visit) -> Answer:
    """Connect to an address that was typed or that stands at the door."""
    address = visit.form.get("address", "").strip()
    await OfflineClient(visit.service).call("conn.connect", address)
    return Moved(visit.form.get("back", "/network") if _is_own_path(visit) else "/network")


async def disconnect_peer(visit: Visit) -> Answer:
    """Hang up on a peer."""
    await OfflineClient(visit.service).call("conn.disconnect", visit.form.get("peer", ""))
    return Moved("/network")


async def forget_address(visit: Visit) -> Answer:
    """Take an address out of the address book."""
    await OfflineClient(visit.service).call("conn.forget", visit.form.get("address", ""))
    return Moved("/network")


async def allow_lan(visit: Visit) -> Answer:
    """Say whether this peer may be seen on the local network."""
    await OfflineClient(visit.service).call("lichen.lan", visit.form.get("lan", ""))
    return Moved(visit.form.get("back", "/network") if _is_own_path(visit) else "/network")


def _is_own_path(visit: Visit) -> bool:
    return visit.form.get("back", "") in {"/network", "/welcome"}
