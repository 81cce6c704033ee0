"""The calls about people and connections: who follows whom, who is near."""

import asyncio
from collections.abc import AsyncIterator

from lichen.feed.addresses import NetAddress, parse_addresses
from lichen.feed.canonical import JsonValue
from lichen.feed.content import Contact
from lichen.feed.message import FeedId
from lichen.feed.refs import is_feed_id
from lichen.gossip import events
from lichen.node import limits
from lichen.node.app import Call, Send, to_json
from lichen.node.errors import ApiError
from lichen.words import N_

HOPS_MAX = 8
Inbound = AsyncIterator[JsonValue]


async def is_following(call: Call, inbound: Inbound, send: Send) -> None:
    """Return whether ``source`` follows ``dest``."""
    await send(_edge(call) == 1)


async def is_blocking(call: Call, inbound: Inbound, send: Send) -> None:
    """Return whether ``source`` blocks ``dest``."""
    await send(_edge(call) == -1)


def _edge(call: Call) -> int | None:
    options = call.options()
    source, target = options.get("source"), options.get("dest")
    if not isinstance(source, str) or not isinstance(target, str):
        raise ApiError("usage", N_("{names} must be feed ids.", names="source, dest"))
    edges = call.service.shell.brain.graph.edges(FeedId(source))
    return edges.get(FeedId(target))


async def hops(call: Call, inbound: Inbound, send: Send) -> None:
    """Return feed to hops; negative: blocked or no longer followed."""
    await send({str(feed): far for feed, far in call.service.shell.brain.hops().items()})


async def graph(call: Call, inbound: Inbound, send: Send) -> None:
    """Return source to target to 1 (follows), -1 (blocks) or -2 (neither any more)."""
    found: dict[str, dict[str, JsonValue]] = {}
    for contact in await _contacts(call):
        found.setdefault(contact.source, {})[contact.target] = contact.value
    await send(found)  # type: ignore[arg-type]


async def _contacts(call: Call) -> list[Contact]:
    # Waits for the fold, so not on the event loop.
    return await asyncio.get_running_loop().run_in_executor(None, call.service.store.contacts)


async def known_people(call: Call, beginning: str, limit: int) -> set[FeedId]:
    """Return whose ids begin like this, of those in the follow graph and those connected."""
    await asyncio.wrap_future(call.service.store.wait_folded("contacts"))
    ask = call.service.store.views.contacts_with_prefix
    found = set(await asyncio.to_thread(ask, beginning, limit))
    peers = (peer.peer for peer in call.service.shell.brain.snapshot().peers)
    return found | {peer for peer in peers if peer.startswith(beginning)}


async def connect(call: Call, inbound: Inbound, send: Send) -> None:
    """Connect to a multiserver address, and again whenever it is lost; return the peer's id."""
    text = call.args[0] if call.args else None
    address, peer = parse_peer_address(text)
    service = call.service
    if service.doors is None:
        raise ApiError(
            "unreachable",
            N_("No peer is running that could connect."),
            N_("Start one: lichen start"),
        )
    if peer == service.keyring.id:
        raise ApiError("usage", N_("That is your own address."))
    if not service.shell.brain.may_connect(peer):
        raise ApiError(
            "refused",
            N_("You block this peer."),
            N_("Unblock it first: lichen unfollow {peer}", peer=peer),
        )
    waiting = asyncio.ensure_future(service.shell.connected(peer))
    service.shell.deliver(events.AddressAdded(events.Address(address, peer)))
    try:
        async with asyncio.timeout(limits.DIAL_S_MAX + limits.HANDSHAKE_S_MAX):
            await waiting
    except (ConnectionError, TimeoutError) as error:
        raise ApiError(
            "unreachable",
            N_(
                "No connection to {address}: {reason}.",
                address=text,
                reason=explain_failure(str(error)),
            ),
            N_("The address is remembered and tried again, less and less often."),
        ) from error
    await send({"peer": peer, "address": address})


async def trust(call: Call, inbound: Inbound, send: Send) -> None:
    """Trust a peer again (its id) that once passed on what its author had not signed."""
    peer = call.args[0] if call.args else None
    service = call.service
    if not is_feed_id(peer) or peer not in service.shell.brain.snapshot().distrusted:
        raise ApiError(
            "not-found",
            N_("{peer} is not doubted.", peer=repr(peer)),
            N_("lichen doctor lists who is."),
        )
    service.store.local.trust(peer)
    service.shell.deliver(events.PeerTrusted(peer))
    await send({"peer": peer})


def parse_peer_address(text: JsonValue) -> tuple[str, FeedId]:
    """Return an address and the peer it belongs to. Raises ApiError."""
    if isinstance(text, str):
        try:
            parts = parse_addresses(text.strip())
        except ValueError:
            parts = []
        for part in parts:
            if isinstance(part, NetAddress) and is_feed_id(part.key):
                return text.strip(), FeedId(part.key)
    raise ApiError(
        "usage",
        N_("{address} is not an address that can be dialled.", address=repr(text)),
        N_(
            "It looks like net:192.168.1.7:8008~shs:BASE64KEY= or "
            "192.168.1.7:8008:@BASE64KEY=.ed25519"
        ),
    )


FAILURES = {
    "no-answer": N_("it did not answer in time"),
    "connection-refused": N_("no peer listens there"),
    "unknown-host": N_("the name of the machine is not known"),
    "no-way-there": N_("there is no way to that network from here"),
    "dismissed": N_("you disconnected it"),
    "idle": N_("nothing was heard of it for a long time"),
    "blocked": N_("you block it"),
    "stopping": N_("it was stopped"),
    "handshake-timeout": N_("it did not answer the handshake in time"),
    "handshake-unanswered": N_(
        "it hung up at the first word; it uses another network key, is busy, or is no such peer"
    ),
    "handshake-challenge": N_("it uses another network key, or is no such peer"),
    "handshake-not-accepted": N_(
        "it hung up when it heard your name; it has another identity than "
        "the address says, or does not want to talk to you"
    ),
    "handshake-accept": N_("it cannot prove that it is who the address says"),
    "closed-by-peer": N_("it hung up"),
    "connection-reset": N_("it broke off the connection"),
    "replaced": N_("it connected anew"),
    "gave-way": N_("it made room for somebody you keep"),
    "never-reads": N_("it does not read what it is sent"),
    "peer-does-not-read": N_("it does not read what it is sent"),
    "invalid-messages": N_("it sent messages that are not valid"),
    "call-flood": N_("it asked for too much at once"),
    "ebt-flood": N_("it asked for too much at once"),
    "wants-flood": N_("it asked for too much at once"),
    "too-many-calls": N_("it asked for too much at once"),
    "too-many-connections": N_("there was no room for another connection"),
    "too-many-handshakes": N_("too many wanted to come in at once"),
    "other-user": N_("it is a program of another user"),
    **dict.fromkeys(
        (
            "box-length",
            "box-tampered",
            "call-number-reused",
            "frame-body-type",
            "frame-cut-short",
            "frame-too-long",
            "handshake-early-data",
            "handshake-hello",
            "handshake-key",
            "handshake-low-order",
            "malformed-calls",
            "malformed-items",
            "unexpected-hangup",
        ),
        N_("it broke the rules of the protocol"),
    ),
}
"""Why connections do not come about or end, by the slugs under which they are counted."""


def explain_failure(reason: str) -> str:
    """Return the words for the reason of a failed dial."""
    return FAILURES.get(reason, reason or FAILURES["no-answer"])


async def peers(call: Call, inbound: Inbound, send: Send) -> None:
    """Return the connected peers: who, where, since when, how much was exchanged."""
    await send(to_json(call.service.shell.brain.snapshot().peers))
