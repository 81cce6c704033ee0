"""The calls about finding peers and letting go of them: who is near, which addresses are known."""

import asyncio
from collections.abc import AsyncIterator

from lichen.feed.canonical import JsonValue
from lichen.feed.message import FeedId
from lichen.feed.refs import is_feed_id
from lichen.gossip import events
from lichen.gossip.connections.schedule import AddressStatus
from lichen.node.api.people import explain_failure, parse_peer_address
from lichen.node.app import Call, Send, to_json
from lichen.node.errors import ApiError
from lichen.node.net.lan import MODES
from lichen.words import N_

Inbound = AsyncIterator[JsonValue]


async def nearby(call: Call, inbound: Inbound, send: Send) -> None:
    """Return the peers seen on the local network that are not connected, the last seen first."""
    staged = call.service.shell.brain.snapshot().staged
    now = asyncio.get_running_loop().time()
    await send(
        [
            {
                "peer": each.peer,
                "address": each.address,
                "is_verified": each.is_verified,
                "seen_s_ago": round(now - each.seen_at, 1),
            }
            for each in sorted(staged, key=lambda each: -each.seen_at)
        ]
    )


async def lan(call: Call, inbound: Inbound, send: Send) -> None:
    """Return what is done on the local network; with ``announce``, ``listen`` or ``off`` set it."""
    mode = call.args[0] if call.args else None
    if mode is not None:
        if not isinstance(mode, str) or mode not in MODES:
            raise ApiError(
                "usage", N_("The local network knows only: {modes}.", modes=", ".join(MODES))
            )
        await call.service.set_lan(mode)
    await send(to_json(call.service.lan))


async def addresses(call: Call, inbound: Inbound, send: Send) -> None:
    """Return the known addresses: whose, how met, how it went, when they are tried next."""
    service = call.service
    found = service.shell.brain.snapshot().addresses
    if service.doors is None:
        found = tuple(
            AddressStatus(
                address=each.address,
                peer=each.peer,
                source=each.source,
                autoconnect=each.autoconnect,
                failures=each.failures,
                next_at=None,
                is_dialling=False,
                last_error=None,
            )
            for each in service.store.local.addresses()
        )
    now = asyncio.get_running_loop().time()
    await send([_describe(each, now) for each in found])


def _describe(status: AddressStatus, now: float) -> JsonValue:
    due = status.next_at
    return {
        "address": status.address,
        "peer": status.peer,
        "source": status.source,
        "autoconnect": status.autoconnect,
        "failures": status.failures,
        "next_in_s": None if due is None else max(0.0, round(due - now, 1)),
        "is_dialling": status.is_dialling,
        "last_error": status.last_error,
        "last_error_words": explain_failure(status.last_error) if status.last_error else None,
    }


async def disconnect(call: Call, inbound: Inbound, send: Send) -> None:
    """Close the connection with a peer (its id or address), and dial it only when asked again."""
    text = call.args[0] if call.args else None
    peer = FeedId(text) if is_feed_id(text) else parse_peer_address(text)[1]
    service = call.service
    before = service.shell.brain.snapshot()
    known = {each.peer for each in before.peers} | {each.peer for each in before.addresses}
    if peer not in known:
        raise ApiError("not-found", N_("There is no connection with {peer}.", peer=peer))
    service.shell.deliver(events.PeerDismissed(peer))
    await send({"peer": peer})


async def forget(call: Call, inbound: Inbound, send: Send) -> None:
    """Take an address out of the address book; a connection over it stays until it ends."""
    text = call.args[0] if call.args else None
    service = call.service
    known = {each.address for each in service.store.local.addresses()}
    known.update(each.address for each in service.shell.brain.snapshot().addresses)
    if not isinstance(text, str) or text.strip() not in known:
        raise ApiError(
            "not-found",
            N_("{address} is not in the address book.", address=repr(text)),
            N_("lichen addresses lists what is in it."),
        )
    service.shell.deliver(events.AddressForgotten(text.strip()))
    await send({"address": text.strip()})
