"""The box stream: a byte stream in boxes that nobody can read, change, reorder or cut short.

Rules: Scuttlebutt Protocol Guide, "Box stream"; vectors from pull-box-stream. A box is a header of
34 bytes (the body's length and tag, boxed) and a body of 1 to 4096 bytes; each takes the next
nonce. A header of zeros is the goodbye: a stream that stops without one was cut off.

Refused: a header or body that does not open, a length of 0 or above 4096. Bytes after the goodbye
mean nothing and are dropped, as JavaScript peers do.
"""

import struct

from nacl.bindings import crypto_secretbox_easy, crypto_secretbox_open_easy
from nacl.exceptions import CryptoError

from lichen.wire.errors import LocalProtocolError, RemoteProtocolError

BODY_BYTES_MAX = 4096
HEADER_BYTES = 34
TAG_BYTES = 16
NONCE_BYTES = 24
NONCE_MASK = (1 << 8 * NONCE_BYTES) - 1
GOODBYE_HEADER = bytes(2 + TAG_BYTES)

_length_bytes = struct.Struct(">H")


class Boxer:
    """The sending side of one direction."""

    __slots__ = ("_key", "_nonce", "is_ended")

    def __init__(self, key: bytes, nonce: bytes) -> None:
        self._key = key
        self._nonce = int.from_bytes(nonce, "big")
        self.is_ended = False

    def box(self, data: bytes) -> bytes:
        """Box any amount of data, in as few boxes as hold it; empty data needs none."""
        if self.is_ended:
            raise LocalProtocolError("nothing is boxed after the goodbye")
        key, nonce = self._key, self._nonce
        boxes: list[bytes] = []
        for offset in range(0, len(data), BODY_BYTES_MAX):
            body = data[offset : offset + BODY_BYTES_MAX]
            body_nonce = (nonce + 1) & NONCE_MASK
            body_box = crypto_secretbox_easy(body, body_nonce.to_bytes(NONCE_BYTES, "big"), key)
            header = _length_bytes.pack(len(body)) + body_box[:TAG_BYTES]
            boxes.append(crypto_secretbox_easy(header, nonce.to_bytes(NONCE_BYTES, "big"), key))
            boxes.append(body_box[TAG_BYTES:])
            nonce = (nonce + 2) & NONCE_MASK
        self._nonce = nonce
        return b"".join(boxes)

    def goodbye(self) -> bytes:
        """Box the goodbye; nothing can be boxed after it."""
        if self.is_ended:
            raise LocalProtocolError("a goodbye is said once")
        self.is_ended = True
        nonce = self._nonce.to_bytes(NONCE_BYTES, "big")
        return crypto_secretbox_easy(GOODBYE_HEADER, nonce, self._key)


class Unboxer:
    """The receiving side of one direction.

    ``fault`` is set once something did not open: what was returned before it is genuine, nothing
    is read after it.
    """

    __slots__ = ("_body_bytes", "_body_tag", "_buffer", "_key", "_nonce", "fault", "is_ended")

    def __init__(self, key: bytes, nonce: bytes) -> None:
        self._key = key
        self._nonce = int.from_bytes(nonce, "big")
        self._buffer = bytearray()
        self._body_bytes = 0
        self._body_tag = b""
        self.is_ended = False
        self.fault: RemoteProtocolError | None = None

    def receive_data(self, data: bytes) -> bytes:
        """Take bytes in, return what opened. Look at ``fault`` and ``is_ended`` afterwards."""
        if self.is_ended or self.fault is not None:
            return b""
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < (self._body_bytes or HEADER_BYTES):
                return b""
            data = bytes(self._buffer)
            self._buffer.clear()
        else:
            data = bytes(data)
        bodies: list[bytes] = []
        offset = self._open_boxes(data, bodies)
        if not self.is_ended and self.fault is None:
            self._buffer += memoryview(data)[offset:]
        return b"".join(bodies)

    def _open_boxes(self, data: bytes, bodies: list[bytes]) -> int:
        """Open every whole header and body; return how many bytes were used."""
        offset, size = 0, len(data)
        try:
            while True:
                if not self._body_bytes:
                    end = offset + HEADER_BYTES
                    if end > size:
                        return offset
                    header = self._open(data[offset:end])
                    offset = end
                    if header == GOODBYE_HEADER:
                        self.is_ended = True
                        return offset
                    (self._body_bytes,) = _length_bytes.unpack_from(header)
                    self._body_tag = header[2:]
                    if not 0 < self._body_bytes <= BODY_BYTES_MAX:
                        self._fail("box-length", "a box of a length that does not occur")
                        return offset
                end = offset + self._body_bytes
                if end > size:
                    return offset
                bodies.append(self._open(self._body_tag + data[offset:end]))
                offset = end
                self._body_bytes = 0
        except CryptoError:
            self._fail("box-tampered", "a box does not open: changed, cut or out of order")
            return offset

    def _open(self, box: bytes) -> bytes:
        nonce = self._nonce.to_bytes(NONCE_BYTES, "big")
        opened = crypto_secretbox_open_easy(box, nonce, self._key)
        self._nonce = (self._nonce + 1) & NONCE_MASK
        return opened

    def _fail(self, reason: str, words: str) -> None:
        self.fault = RemoteProtocolError(reason, words)
