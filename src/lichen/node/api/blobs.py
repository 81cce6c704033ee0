"""The calls about blobs, with the names of ssb-blobs where they do what it does.

Added is a file by its path, not a stream of bytes: ``blobs.addFile``. Peers of the network are
served by the brain and never reach these.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from lichen.feed.canonical import JsonValue, encode_compact
from lichen.feed.message import BlobId
from lichen.feed.refs import is_blob_id
from lichen.gossip.exchange.blob_requests import BlobRequest, parse_ids, parse_request
from lichen.gossip.limits import BLOB_FRAME_BYTES
from lichen.node.app import Binary, Call, Method, Send
from lichen.node.errors import ApiError
from lichen.store.blobs import EMPTY_BLOB
from lichen.words import N_, phrase_of

Inbound = AsyncIterator[JsonValue]


async def add_file(call: Call, inbound: Inbound, send: Send) -> None:
    """Keep a file as a blob, ``{path}``, and have peers fetch it; return its id."""
    path = call.options().get("path")
    if not isinstance(path, str):
        raise ApiError("usage", N_("{method} takes the path of a file.", method="blobs.addFile"))
    await send(await call.service.blobs.add_file(Path(path)))


async def has(call: Call, inbound: Inbound, send: Send) -> None:
    """Return whether a blob is here; for a list of ids a list."""
    ids, is_list = _ids(call)
    found: list[JsonValue] = [call.service.blobs.size(blob) is not None for blob in ids]
    await send(found if is_list else found[0])


async def size(call: Call, inbound: Inbound, send: Send) -> None:
    """Return the size of a blob, null if it is not here; for a list of ids a list."""
    ids, is_list = _ids(call)
    found: list[JsonValue] = [call.service.blobs.size(blob) for blob in ids]
    await send(found if is_list else found[0])


async def get(call: Call, inbound: Inbound, send: Send) -> None:
    """Stream the bytes of a blob: by its id or ``{key, size, max}``."""
    await _stream(call, send, is_slice=False)


async def get_slice(call: Call, inbound: Inbound, send: Send) -> None:
    """Stream the bytes of a blob from ``start`` up to ``end``: ``{key, start, end}``."""
    await _stream(call, send, is_slice=True)


async def _stream(call: Call, send: Send, *, is_slice: bool) -> None:
    request = parse_request(_args(call), is_slice=is_slice)
    if isinstance(request, str):
        raise ApiError("usage", phrase_of(request))
    blob = request.blob
    found = call.service.blobs.size(blob)
    objection = None if found is None else request.find_objection(found)
    if objection is not None:
        raise ApiError("limit", phrase_of(objection))
    if found is None:
        raise _missing(blob)
    await _send_bytes(call, send, request, found if request.end is None else request.end)


async def _send_bytes(call: Call, send: Send, request: BlobRequest, end: int) -> None:
    at = request.start
    while at < end:
        upto = min(at + BLOB_FRAME_BYTES, end)
        data = await call.service.blobs.read(request.blob, at, upto)
        if data is None:
            raise _missing(request.blob)
        if not data:
            return
        await send(Binary(data))
        at += len(data)


async def want(call: Call, inbound: Inbound, send: Send) -> None:
    """Ask peers for a blob; return true once it is here. ``{nowait: true}``: return at once."""
    blob = _one_id(call)
    blobs = call.service.blobs
    options = call.args[1] if len(call.args) > 1 else None
    is_waiting = not (isinstance(options, dict) and options.get("nowait"))
    if blobs.size(blob) is not None:
        await send(True)
        return
    if call.service.doors is None:
        raise ApiError(
            "unreachable",
            N_("No peer is running that could ask others."),
            N_("Start one: lichen start"),
        )
    if is_waiting:
        await blobs.wait(blob)
    await send(is_waiting or blobs.want(blob))


async def push(call: Call, inbound: Inbound, send: Send) -> None:
    """Have other peers fetch a blob that is here."""
    blob = _one_id(call)
    if call.service.blobs.size(blob) is None:
        raise _missing(blob)
    if blob != EMPTY_BLOB:
        call.service.blobs.push(blob)
    await send(True)


async def remove(call: Call, inbound: Inbound, send: Send) -> None:
    """Throw a blob away; return whether it was here. Other peers keep theirs."""
    await send(await call.service.blobs.remove(_one_id(call)))


async def ls(call: Call, inbound: Inbound, send: Send) -> None:
    """Stream the ids of the blobs that are here; ``{meta: true}``: ``{id, size}`` of each."""
    with_size = bool(call.options().get("meta"))
    for number, (blob, found) in enumerate(call.service.store.blobs.sizes().items()):
        await send({"id": blob, "size": found} if with_size else blob)
        if number % 1000 == 0:
            await asyncio.sleep(0)


def _args(call: Call) -> bytes:
    return encode_compact(list(call.args)).encode("utf-8", "replace")


def _ids(call: Call) -> tuple[list[BlobId], bool]:
    asked = parse_ids(_args(call))
    if isinstance(asked, str):
        raise ApiError("usage", phrase_of(asked), N_("It looks like &…=.sha256"))
    return asked


def _one_id(call: Call) -> BlobId:
    first = call.args[0] if call.args else None
    blob = first.get("id") if isinstance(first, dict) else first
    if not is_blob_id(blob):
        raise ApiError(
            "usage", N_("{id} is not a blob id.", id=repr(blob)), N_("It looks like &…=.sha256")
        )
    return blob


def _missing(blob: BlobId) -> ApiError:
    return ApiError(
        "not-found",
        N_("The blob {id} is not here.", id=blob),
        N_("Ask peers for it: {command}", command=f"lichen blob want '{blob}'"),
    )


METHODS: dict[str, Method] = {
    "blobs.addFile": Method("async", add_file),
    "blobs.has": Method("async", has),
    "blobs.size": Method("async", size),
    "blobs.get": Method("source", get),
    "blobs.getSlice": Method("source", get_slice),
    "blobs.want": Method("async", want),
    "blobs.push": Method("async", push),
    "blobs.rm": Method("async", remove),
    "blobs.ls": Method("source", ls),
}
