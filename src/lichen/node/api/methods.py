"""What local programs may call: the names of ``ssb-server``, and our own under ``lichen.``.

Each method is ``async def method(call, inbound, send)``; the table at the end is the manifest.
"""

from collections.abc import AsyncIterator

import msgspec

from lichen import __version__
from lichen.feed.canonical import JsonValue
from lichen.feed.message import FeedId, Message, MsgId
from lichen.feed.refs import is_feed_id, is_msg_id
from lichen.feed.uris import from_uri
from lichen.node.api import blobs, keeping, nearby, people, streams
from lichen.node.api.doctor import distrusted_peers, examine, free_bytes
from lichen.node.api.files import import_file
from lichen.node.api.keeping import phrase_json
from lichen.node.app import Call, Encoded, Method, Send, to_json
from lichen.node.errors import ApiError
from lichen.node.hub import content_of
from lichen.node.net.runs import encode_for_program
from lichen.store.log import Stored
from lichen.words import N_, phrase_of

CANDIDATES_MAX = 20
Inbound = AsyncIterator[JsonValue]


async def whoami(call: Call, inbound: Inbound, send: Send) -> None:
    """Return the own id."""
    await send({"id": call.service.keyring.id})


async def manifest(call: Call, inbound: Inbound, send: Send) -> None:
    """Return every method and its kind, as a tree of names."""
    tree: dict[str, JsonValue] = {}
    for name, method in sorted(call.service.methods.items()):
        *parents, last = name.split(".")
        place = tree
        for parent in parents:
            inner = place.setdefault(parent, {})
            assert isinstance(inner, dict), "no method is named like a group of methods"
            place = inner
        place[last] = method.kind
    await send(tree)


async def publish(call: Call, inbound: Inbound, send: Send) -> None:
    """Publish one content; return the message once it is durable."""
    content = call.args[0] if call.args else None
    messages = await call.service.publish([_with_options(content)])
    await send(_key_value(call, messages[0]))


def _with_options(content: JsonValue) -> JsonValue:
    """Accept ``{content: {...}}`` as well, as newer programs call it."""
    if isinstance(content, dict) and "type" not in content and "content" in content:
        return content["content"]
    return content


async def publish_many(call: Call, inbound: Inbound, send: Send) -> None:
    """Publish contents in one durable batch: all of them or none."""
    contents = call.args[0] if call.args else None
    if not isinstance(contents, list):
        raise ApiError("usage", N_("{method} takes a list of contents.", method="publishMany"))
    messages = await call.service.publish(contents)
    await send([{"key": message.key, "sequence": message.sequence} for message in messages])


def _key_value(call: Call, message: Message) -> Encoded:
    stored = call.service.store.log.get(message.key)
    assert stored is not None, "a published message is in the log"
    return Encoded(encode_for_program(call.service.store.log, stored))


async def get(call: Call, inbound: Inbound, send: Send) -> None:
    """Return the value of a message by its id; with ``{id, meta: true}`` key and value."""
    first = call.args[0] if call.args else None
    wanted = first.get("id") if isinstance(first, dict) else first
    stored = find_message(call, wanted)
    if isinstance(first, dict) and first.get("meta"):
        await send(Encoded(encode_for_program(call.service.store.log, stored)))
    else:
        await send(Encoded(stored.data))


def find_message(call: Call, wanted: JsonValue) -> Stored:
    """Return a stored message by id or ``ssb:`` URI. Raises ApiError if it is not here."""
    if isinstance(wanted, str) and wanted.startswith("ssb:"):
        wanted = _sigil(wanted)
    if not isinstance(wanted, str) or not is_msg_id(wanted):
        raise ApiError(
            "usage",
            N_("{id} is not a message id.", id=repr(wanted)),
            N_("It looks like %…=.sha256"),
        )
    stored = call.service.store.log.get(MsgId(wanted))
    if stored is None:
        raise ApiError("not-found", N_("The message {id} is not here.", id=wanted))
    return stored


def _sigil(uri: str) -> str:
    try:
        return from_uri(uri)
    except ValueError as error:
        reason = phrase_of(str(error))
        raise ApiError(
            "usage", N_("{uri} is not a known ssb: address: {reason}.", uri=uri, reason=reason)
        ) from error


async def resolve(call: Call, inbound: Inbound, send: Send) -> None:
    """Return the ids that begin like a prefix: ``(prefix, "feed" | "msg" | "any")``."""
    prefix = call.args[0] if call.args else ""
    kind = call.args[1] if len(call.args) > 1 else "any"
    if not isinstance(prefix, str) or not prefix:
        raise ApiError("usage", N_("An id, or the beginning of one, is needed."))
    if prefix.startswith("ssb:"):
        prefix = _sigil(prefix)
    if is_feed_id(prefix) or is_msg_id(prefix):
        await send([prefix])
        return
    found: list[JsonValue] = []
    if kind in {"feed", "any"} and not prefix.startswith("%"):
        found += await _known_feeds(call, prefix)
    if kind in {"msg", "any"} and not prefix.startswith("@"):
        found += call.service.store.log.ids_with_prefix(prefix, CANDIDATES_MAX)
    await send(found)


async def _known_feeds(call: Call, prefix: str) -> list[FeedId]:
    wanted = "@" + prefix.removeprefix("@")
    known = set(call.service.store.log.feeds_with_prefix(prefix, CANDIDATES_MAX))
    known |= await people.known_people(call, wanted, CANDIDATES_MAX)
    return sorted(known)[:CANDIDATES_MAX]


async def status(call: Call, inbound: Inbound, send: Send) -> None:
    """Return how the peer is: identity, log, views, connections, guard."""
    service = call.service
    brain, closed = service.shell.brain.snapshot(), service.shell.close_reasons
    await send(
        {
            "version": __version__,
            "id": service.keyring.id,
            "directory": str(service.home.directory),
            "isRunning": service.doors is not None,
            "startedAt": service.started_at,
            "addresses": list(service.doors.addresses()) if service.doors else [],
            "hops": service.hops_max,
            "messages": service.store.log.count(),
            "unaudited": service.store.log.unaudited_count(),
            "audit": to_json(service.auditing()),
            "feeds": len(service.store.log.clock()),
            "ownSequence": service.store.log.received(service.keyring.id),
            "blobs": {
                "count": service.store.blobs.count,
                "bytes": service.store.blobs.total_bytes,
            },
            "freeBytes": free_bytes(service),
            "writeTrouble": to_json(service.store.trouble),
            "damage": service.store.faults.damage or None,
            "distrustedPeers": [*distrusted_peers(service)],
            "forkedFeeds": [*sorted(service.store.log.forked())],
            "isGuarded": service.shell.is_guarded,
            "lan": to_json(service.lan),
            "views": to_json(service.store.views.progress()),
            "folding": to_json(service.store.views.behind()),
            "network": to_json(msgspec.structs.replace(brain, close_reasons=closed)),
        }
    )


async def folding(call: Call, inbound: Inbound, send: Send) -> None:
    """Return what the views do not show yet, ``{messages, total, rate, left_s}``; null if all."""
    await send(to_json(call.service.store.views.behind()))


async def get_address(call: Call, inbound: Inbound, send: Send) -> None:
    """Return the first multiserver address at which this peer can be reached; "" for none."""
    addresses = call.service.doors.addresses() if call.service.doors else []
    await send(addresses[0] if addresses else "")


async def hear(call: Call, inbound: Inbound, send: Send) -> None:
    """Stream notices of what happens from now on."""
    async for notice in call.service.hub.notices():
        await send(to_json(notice))


async def doctor(call: Call, inbound: Inbound, send: Send) -> None:
    """Examine everything; return a list of findings with remedies."""
    findings = await examine(call.service)
    await send(
        [
            {
                "check": finding.check,
                "verdict": finding.verdict,
                "words": str(finding.words),
                "remedy": str(finding.remedy),
                "feeds": [*finding.feeds],
                "phrases": {
                    "words": phrase_json(finding.words),
                    "remedy": phrase_json(finding.remedy),
                },
            }
            for finding in findings
        ]
    )


async def lift_guard(call: Call, inbound: Inbound, send: Send) -> None:
    """Allow publishing although too few peers were asked for the own feed."""
    call.service.shell.lift_guard()
    await send(True)


async def set_hops(call: Call, inbound: Inbound, send: Send) -> None:
    """Set how far to replicate; without an argument return it."""
    hops = call.args[0] if call.args else None
    if hops is not None:
        if not isinstance(hops, int) or isinstance(hops, bool) or not 0 <= hops <= people.HOPS_MAX:
            raise ApiError(
                "usage", N_("Steps are a whole number from 0 to {most}.", most=people.HOPS_MAX)
            )
        call.service.set_hops(hops)
    await send(call.service.hops_max)


def type_of(stored: Stored) -> str | None:
    """Return the content type of a stored message; None for private text."""
    content = content_of(stored)
    found = content.get("type") if isinstance(content, dict) else None
    return found if isinstance(found, str) else None


METHODS: dict[str, Method] = {
    "whoami": Method("async", whoami),
    "manifest": Method("async", manifest),
    "publish": Method("async", publish),
    "get": Method("async", get),
    "status": Method("async", status),
    "getAddress": Method("async", get_address),
    "createLogStream": Method("source", streams.create_log_stream),
    "createUserStream": Method("source", streams.create_user_stream),
    "createHistoryStream": Method("source", streams.create_history_stream),
    "messagesByType": Method("source", streams.messages_by_type),
    "links": Method("source", streams.links),
    "friends.isFollowing": Method("async", people.is_following),
    "friends.isBlocking": Method("async", people.is_blocking),
    "friends.hops": Method("async", people.hops),
    "friends.graph": Method("async", people.graph),
    "conn.connect": Method("async", people.connect),
    "conn.peers": Method("async", people.peers),
    "conn.disconnect": Method("async", nearby.disconnect),
    "conn.forget": Method("async", nearby.forget),
    "conn.addresses": Method("async", nearby.addresses),
    "lichen.trust": Method("async", people.trust),
    "lichen.nearby": Method("async", nearby.nearby),
    "lichen.lan": Method("async", nearby.lan),
    **blobs.METHODS,
    **keeping.METHODS,
    "lichen.publishMany": Method("async", publish_many),
    "lichen.resolve": Method("async", resolve),
    "lichen.folding": Method("async", folding),
    "lichen.hear": Method("source", hear),
    "lichen.doctor": Method("async", doctor),
    "lichen.importFile": Method("source", import_file),
    "lichen.liftGuard": Method("async", lift_guard),
    "lichen.setHops": Method("async", set_hops),
}
