"""Frames: how muxrpc's packets stand in a byte stream, and the few JSON bodies of fixed form.

Rules: packet-stream-codec; muxrpc. A frame is nine bytes of header (flags, body length, request
number) and a body. A frame without body is the goodbye whatever its flags say, as the JavaScript
decoder has it; so an empty item cannot be sent.

Refused before anything of it is kept: a frame longer than the limit, a body of the fourth type.
"""

import struct

import msgspec

from lichen.feed.canonical import encode_compact, parse_json
from lichen.wire.errors import RemoteProtocolError
from lichen.wire.events import BodyType, CallKind
from lichen.wire.limits import (
    ARGS_BYTES_MAX,
    ERROR_CHARS_MAX,
    ERROR_DETAILS_BYTES_MAX,
    EXACT_BYTES_MAX,
    FRAME_BYTES_MAX,
    NAME_CHARS_MAX,
    NAME_PARTS_MAX,
)

STREAM = 8
END = 4
BODY_TYPE_MASK = 3
BODY_TYPE_UNUSED = 3
HEADER_BYTES = 9
GOODBYE = bytes(HEADER_BYTES)
TRUE = b"true"
ERROR_NAME = "Error"
WORDLESS = "an error without words"

_header = struct.Struct(">BIi")
pack_header = _header.pack
"""Encode a frame's header: flags, body length, request number."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One frame: flags, request number as it stands on the wire, body (never empty)."""

    flags: int
    number: int
    body: bytes


class FrameReader:
    """Cuts a byte stream into frames. ``fault`` and ``is_ended`` are looked at after reading."""

    __slots__ = ("_buffer", "_needed_bytes", "fault", "is_ended")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed_bytes = HEADER_BYTES
        self.fault: RemoteProtocolError | None = None
        self.is_ended = False

    @property
    def is_between_frames(self) -> bool:
        """Nothing of a next frame has come yet."""
        return not self._buffer

    def receive_data(self, data: bytes) -> list[Frame]:
        """Take bytes in, return the frames that are whole."""
        if self.is_ended or self.fault is not None:
            return []
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._needed_bytes:
                return []
            data = bytes(self._buffer)
            self._buffer.clear()
        frames: list[Frame] = []
        offset = self._cut(data, frames)
        if not self.is_ended and self.fault is None:
            self._buffer += memoryview(data)[offset:]
        return frames

    def _cut(self, data: bytes, frames: list[Frame]) -> int:
        """Append every whole frame; return how many bytes were used."""
        offset, size = 0, len(data)
        self._needed_bytes = HEADER_BYTES
        while size - offset >= HEADER_BYTES:
            flags, length, number = _header.unpack_from(data, offset)
            if not length:
                self.is_ended = True
                break
            if length > FRAME_BYTES_MAX:
                words = f"a frame of {length} bytes, more than {FRAME_BYTES_MAX}"
                self.fault = RemoteProtocolError("frame-too-long", words)
                break
            if flags & BODY_TYPE_MASK == BODY_TYPE_UNUSED:
                self.fault = RemoteProtocolError("frame-body-type", "a frame of no known type")
                break
            start = offset + HEADER_BYTES
            end = start + length
            if end > size:
                self._needed_bytes = HEADER_BYTES + length
                break
            frames.append(Frame(flags, number, data[start:end]))
            offset = end
        return offset


class Request(msgspec.Struct, frozen=True):
    """A call as the caller asks for it; ``args`` is the JSON text of a list."""

    name: tuple[str, ...]
    args: bytes
    type: str


class _RequestBody(msgspec.Struct):
    name: list[str] | str
    args: msgspec.Raw
    type: str | None = None


class _ErrorBody(msgspec.Struct):
    message: str
    name: object = None
    details: msgspec.Raw = msgspec.Raw()


_request_decoder = msgspec.json.Decoder(_RequestBody)
_end_decoder = msgspec.json.Decoder(bool | str | None | _ErrorBody)
_MALFORMED = (msgspec.MsgspecError, RecursionError, ValueError)


def parse_request(body: bytes) -> Request | None:
    """Read a request; None if it is malformed or beyond the limits."""
    request: _RequestBody | None
    try:
        request = _request_decoder.decode(body)
    except _MALFORMED:
        request = _read_exactly(body)
        if request is None:
            return None
    name = (request.name,) if isinstance(request.name, str) else tuple(request.name)
    args = bytes(request.args)
    if not 0 < len(name) <= NAME_PARTS_MAX or sum(map(len, name)) > NAME_CHARS_MAX:
        return None
    if not args.startswith(b"[") or len(args) > ARGS_BYTES_MAX:
        return None
    return Request(name, args, request.type or CallKind.ASYNC.value)


def _read_exactly(body: bytes) -> _RequestBody | None:
    """Read what only V8's rules allow, such as half of a surrogate pair in a text."""
    if len(body) > EXACT_BYTES_MAX or b"\\u" not in body:
        return None
    try:
        value = parse_json(body)
        if not isinstance(value, dict):
            return None
        args = encode_compact(value.get("args")).encode()
        return msgspec.convert({**value, "args": msgspec.Raw(args)}, _RequestBody)
    except _MALFORMED:
        return None


def encode_request(name: tuple[str, ...], args: bytes, kind: CallKind) -> bytes:
    """Write a request; async calls name no type, as JavaScript peers do."""
    tail = "" if kind is CallKind.ASYNC else f',"type":"{kind.value}"'
    return b'{"name":%b,"args":%b%b}' % (msgspec.json.encode(name), args, tail.encode())


def encode_error(message: str, name: str = ERROR_NAME, details: bytes = b"") -> bytes:
    """Write an error as peers expect it. No stack: ours is nobody's business."""
    text = message.encode("utf-8", "replace").decode()
    error: dict[str, object] = {"name": name, "message": text, "stack": ""}
    if details:
        error["details"] = msgspec.Raw(details)
    body: bytes = msgspec.json.encode(error)
    return body


def parse_end(frame: Frame) -> tuple[str | None, str, bytes]:
    """Read the body of an end: the error's message (None: a normal end), its name, its details.

    Text and bytes are the errors of peers that know no error objects.
    """
    if frame.flags & BODY_TYPE_MASK != BodyType.JSON:
        return frame.body[:ERROR_CHARS_MAX].decode("utf-8", "replace"), ERROR_NAME, b""
    try:
        end = _end_decoder.decode(frame.body)
    except _MALFORMED:
        return WORDLESS, ERROR_NAME, b""
    if isinstance(end, str):
        return end[:ERROR_CHARS_MAX], ERROR_NAME, b""
    if isinstance(end, _ErrorBody):
        name = end.name if isinstance(end.name, str) else ERROR_NAME
        # Copied: a raw part keeps the whole frame alive.
        details = bytes(end.details) if len(end.details) <= ERROR_DETAILS_BYTES_MAX else b""
        return end.message[:ERROR_CHARS_MAX], name[:ERROR_CHARS_MAX], details
    return None, ERROR_NAME, b""


def missing_method(name: tuple[str, ...]) -> str:
    """Refuse a method we do not offer, in the very text that JavaScript peers compare."""
    return f"method:{','.join(name)} is not in list of allowed methods"
