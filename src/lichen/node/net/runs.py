"""What is read from the store for a peer: runs of messages, runs of a blob's bytes."""

from collections.abc import Sequence

import orjson

from lichen.feed.message import FeedId
from lichen.feed.refs import msg_key_bytes
from lichen.gossip import events
from lichen.gossip.effects import MessageForm, ReadBlob, SendMessages
from lichen.gossip.exchange.blob_requests import split_blob
from lichen.node import limits
from lichen.store.errors import DAMAGED, StoreReadFailed
from lichen.store.log import Log, Stored
from lichen.store.store import Store
from lichen.wire.events import BodyType, SendItems

Run = SendMessages | ReadBlob


def is_short(run: Run) -> bool:
    """Tell whether a run is in memory most likely: what has just been written, and little of it."""
    return isinstance(run, SendMessages) and run.last - run.first < limits.SHORT_RUN


def read_run(store: Store, run: Run) -> SendItems:
    """Read a run as the items to send, none of a blob that is here no more.

    Raises ``StoreError``.
    """
    if isinstance(run, ReadBlob):
        data = store.blobs.read(run.blob, run.start, run.end)
        return SendItems(run.call, BodyType.BINARY, split_blob(data))
    kind = BodyType.TEXT if run.form is MessageForm.KEY else BodyType.JSON
    return SendItems(run.call, kind, _read_messages(store, run))


def report_run(run: Run, sent: SendItems, queued_bytes: int) -> events.Event:
    """Return what to tell the brain of a run that was sent, as far as it was found."""
    if isinstance(run, ReadBlob):
        end = run.start + sum(map(len, sent.items))
        return events.BlobRead(run.connection, run.call, run.blob, end, queued_bytes)
    return events.MessagesSent(
        connection=run.connection,
        call=run.call,
        feed=run.feed,
        first=run.first,
        last=run.first + len(sent.items) - 1,
        queued_bytes=queued_bytes,
    )


def _read_messages(store: Store, run: SendMessages) -> list[bytes]:
    """Read a run of messages as the items to send, up to one that the disk has changed.

    A peer would blame us for that one. Feeds have no gaps, so the run has none.
    """
    place = (run.feed, run.first, run.last, limits.RUN_BYTES_MAX)
    if run.form is MessageForm.VALUE:
        texts = store.log.run_texts(*place)
        return [data for _, data in texts[: _count_sound(store, run.feed, texts)]]
    stored = store.log.run(*place)
    texts = [(msg_key_bytes(message.key), message.data) for message in stored]
    sound = stored[: _count_sound(store, run.feed, texts)]
    if run.form is MessageForm.KEY:
        return [message.key.encode() for message in sound]
    return [encode_key_value(message) for message in sound]


def _count_sound(store: Store, feed: FeedId, texts: Sequence[tuple[bytes, bytes]]) -> int:
    """Return how many texts, from the first on, still have their ids."""
    if not texts:
        return 0
    feed_format = store.formats.get(store.log.format_of(feed))
    for number, (key, data) in enumerate(texts):
        if feed_format is None or not feed_format.has_key(data, key):
            store.faults.note_fault(StoreReadFailed(DAMAGED))
            return number
    return len(texts)


def encode_key_value(stored: Stored) -> bytes:
    """Return the JSON text of ``{key, value, timestamp}``, the value byte for byte as stored."""
    return b'{"key":"%s","value":%s,"timestamp":%s}' % (
        stored.key.encode(),
        stored.data,
        orjson.dumps(stored.received_ms),
    )


def encode_for_program(messages: Log, stored: Stored) -> bytes:
    """Return ``encode_key_value`` for a program of this machine.

    ``"audited": false`` is added while its signature is not checked yet; other peers are never
    sent such a message.
    """
    encoded = encode_key_value(stored)
    if messages.is_checked(stored):
        return encoded
    return encoded[:-1] + b',"audited":false}'
