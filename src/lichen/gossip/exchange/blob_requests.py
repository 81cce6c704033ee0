"""What blob calls carry: objects of wants and haves, ids, and what a get asks for.

Forms and error texts are those of ssb-blobs and multiblob (npm), which JavaScript peers send and
compare. In an object of wants a number below 0 is a want, so many hops from who wants it; one
above is the size of a blob that the sender has. Other keys and values are ignored, an item that is
no object at all is not. Refused: ids that are none, more of them than a call may have.
"""

from collections.abc import Mapping

import msgspec
import orjson

from lichen.feed.canonical import encode_compact
from lichen.feed.message import BlobId
from lichen.feed.refs import is_blob_id
from lichen.gossip.limits import BLOB_FRAME_BYTES, BLOBS_PER_HAS_MAX, WANTS_BYTES_MAX

NOT_HERE = "could not get blob"

_SIZE_MAX = 2**53


class BlobRequest(msgspec.Struct, frozen=True):
    """What blobs.get or blobs.getSlice asks for; ``end`` None: to the last byte."""

    blob: BlobId
    start: int = 0
    end: int | None = None
    size: float | None = None
    """Serve only a blob of this size."""
    bytes_max: float | None = None
    """Serve no bigger one."""

    def find_objection(self, size: int) -> str | None:
        """Return why a blob of this size is not served, None if it is."""
        is_other = self.size is not None and self.size != size
        is_bigger = self.bytes_max is not None and self.bytes_max < size
        if not is_other and not is_bigger:
            return None
        asked = "undefined" if self.size is None else encode_compact(self.size)
        return f"incorrect file length, requested:{asked} file was:{size} for file:{self.blob}"


def parse_wants(item: bytes) -> dict[BlobId, int] | None:
    """Read an item of createWants: blob to hops (negative) or size (positive); None: no object."""
    if len(item) > WANTS_BYTES_MAX:
        return None
    try:
        members = orjson.loads(item)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(members, dict):
        return None
    wants: dict[BlobId, int] = {}
    for key, value in members.items():
        number = int(value) if isinstance(value, float) and value.is_integer() else value
        is_number = isinstance(number, int) and not isinstance(number, bool)
        if is_number and number and abs(number) <= _SIZE_MAX and is_blob_id(key):
            wants[key] = number
    return wants


def encode_wants(wants: Mapping[BlobId, int]) -> bytes:
    """Return the item of createWants that says this."""
    return orjson.dumps(wants)


def parse_ids(args: bytes) -> tuple[list[BlobId], bool] | str:
    """Read the ids of blobs.has or blobs.size, and whether they were a list; a text: refused."""
    values = _first(args)
    is_list = isinstance(values, list)
    if isinstance(values, dict):
        values = values.get("id")
    asked = values if isinstance(values, list) else [values]
    if len(asked) > BLOBS_PER_HAS_MAX:
        return "too many ids"
    ids: list[BlobId] = []
    for each in asked:
        if not is_blob_id(each):
            return f"invalid id:{str(each)[:80] if is_list else 'null'}"
        ids.append(each)
    return ids, is_list


def parse_request(args: bytes, *, is_slice: bool) -> BlobRequest | str:
    """Read what blobs.get or blobs.getSlice asks for; a text says why it is refused."""
    name = "getSlice" if is_slice else "get"
    options = _first(args)
    if isinstance(options, str):
        options = {"id": options}
    if not isinstance(options, dict):
        options = {}
    given = (options.get(key) for key in ("id", "hash", "key"))
    blob = next((each for each in given if each), None)
    if not is_blob_id(blob):
        return f"multiblob.{name}: {{id}} is mandatory"
    start, end = 0, None
    if is_slice:
        first, last = _number(options.get("start")), _number(options.get("end"))
        if first is None:
            return "multiblob.getSlice: {start} must be a number"
        if last is None:
            return "multiblob.getSlice: {end} must be a number"
        start, end = max(0, int(first)), max(0, int(last))
    size, bytes_max = _number(options.get("size")), _number(options.get("max"))
    return BlobRequest(blob, start, end, size, bytes_max)


def parse_haves(body: bytes, asked: int) -> list[bool]:
    """Read the answer to blobs.has with a list of so many ids; empty if it is none."""
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    if not isinstance(values, list) or len(values) != asked:
        return []
    return [bool(value) for value in values]


def parse_change(item: bytes) -> BlobId | None:
    """Read an item of blobs.changes: an id, as text or as JSON."""
    text = item.decode("utf-8", "replace").strip('"')
    return text if is_blob_id(text) else None


def split_blob(data: bytes) -> tuple[bytes, ...]:
    """Cut bytes into the items in which a blob travels."""
    return tuple(data[at : at + BLOB_FRAME_BYTES] for at in range(0, len(data), BLOB_FRAME_BYTES))


def _first(args: bytes) -> object:
    try:
        values = orjson.loads(args)
    except orjson.JSONDecodeError:
        return None
    return values[0] if isinstance(values, list) and values else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _SIZE_MAX:
        return None
    return value
