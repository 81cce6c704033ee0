"""A muxrpc session: many calls of both sides over one stream of frames.

Rules: muxrpc, packet-stream (npm); Scuttlebutt Protocol Guide, "RPC protocol". A call is named by
the number on the frames *we* send for it: positive if it is ours, negative if it is the remote's.

Life of a call, as seen from here:

=============  ====================================  ===========================================
call           over when                             reported as
=============  ====================================  ===========================================
our async      its answer comes                      ``AnswerReceived`` or ``CallEnded``
our async      we end it, and drop its answer        nothing
their async    we answer or end it                   nothing
any stream     both sides have ended it              ``CallEnded``, when *their* end comes
=============  ====================================  ===========================================

Each side ends a stream exactly once; an end that comes in is answered here, an error with the very
same error. After our end, further items are dropped. Frames for numbers that were never a call, or
are one no more, are dropped too; so is what we are told to send on a call that is over by now,
because its end may have crossed our decision.

Refused: a number used twice at once, and more streams kept half ended than any honest peer has.
Malformed calls, and calls above the limit, are answered with an error like any other refusal.
"""

from lichen.wire.errors import LocalProtocolError, RemoteProtocolError
from lichen.wire.events import (
    Answer,
    AnswerReceived,
    BodyType,
    CallEnded,
    CallKind,
    CallReceived,
    Command,
    EndCall,
    GoodbyeReceived,
    ItemsReceived,
    MuxrpcEvent,
    OpenCall,
    SendItems,
)
from lichen.wire.limits import CALLS_ENDING_MAX, FRAME_BYTES_MAX, MALFORMED_CALLS_MAX
from lichen.wire.packets import (
    BODY_TYPE_MASK,
    END,
    GOODBYE,
    HEADER_BYTES,
    STREAM,
    TRUE,
    WORDLESS,
    Frame,
    FrameReader,
    encode_error,
    encode_request,
    pack_header,
    parse_end,
    parse_request,
)

CALL_NUMBER_MAX = 2**31 - 1

SessionEvent = MuxrpcEvent | GoodbyeReceived

STREAM_KINDS = {kind.value: kind for kind in (CallKind.SOURCE, CallKind.SINK, CallKind.DUPLEX)}
BODY_TYPES = (BodyType.BINARY, BodyType.TEXT, BodyType.JSON)


class Call:
    """One call that is not over. A source is received by its caller, a sink by its callee."""

    __slots__ = ("is_ended_here", "is_stream", "receives", "sends")

    def __init__(self, kind: CallKind, *, is_ours: bool) -> None:
        self.is_stream = kind is not CallKind.ASYNC
        self.receives = kind is CallKind.DUPLEX or (kind is CallKind.SOURCE) == is_ours
        self.sends = kind is CallKind.DUPLEX or (kind is CallKind.SINK) == is_ours
        self.is_ended_here = False


class Session:
    """The calls of one connection.

    ``calls_max`` is how many calls the remote peer may have open at once; it may be changed at
    any time, for instance when a stranger is followed.
    """

    __slots__ = (
        "_calls",
        "_ending_count",
        "_last_call",
        "_malformed_count",
        "_outgoing",
        "_reader",
        "_remote_count",
        "calls_max",
        "has_received_goodbye",
        "has_said_goodbye",
        "queued_bytes",
    )

    def __init__(self, calls_max: int) -> None:
        self.calls_max = calls_max
        self.queued_bytes = 0
        self.has_said_goodbye = False
        self.has_received_goodbye = False
        self._calls: dict[int, Call] = {}
        self._remote_count = 0
        self._ending_count = 0
        self._last_call = 0
        self._malformed_count = 0
        self._outgoing: list[bytes] = []
        self._reader = FrameReader()

    @property
    def is_between_frames(self) -> bool:
        """Nothing of an unfinished frame is kept."""
        return self._reader.is_between_frames

    def receive_data(self, data: bytes) -> list[SessionEvent]:
        """Take bytes in, return what they mean; RemoteProtocolError carries what came before."""
        if self.has_received_goodbye:
            return []
        events: list[SessionEvent] = []
        calls = self._calls
        # Items are handled in place: a call per frame would double the time of a busy session.
        run_call: Call | None = None
        run_type = 0
        run_items: list[bytes] = []
        for frame in self._reader.receive_data(data):
            flags = frame.flags
            if flags & (STREAM | END) == STREAM:
                call = calls.get(-frame.number)
                if call is not None and call.is_stream:
                    if call.is_ended_here or not call.receives:
                        continue
                    body_type = flags & BODY_TYPE_MASK
                    if call is not run_call or body_type != run_type:
                        run_call, run_type, run_items = call, body_type, []
                        items_event = ItemsReceived(-frame.number, BODY_TYPES[body_type], run_items)
                        events.append(items_event)
                    run_items.append(frame.body)
                    continue
            run_call = None
            try:
                self._receive_frame(frame, events)
            except RemoteProtocolError as error:
                error.events = list(events)
                raise
        if self._reader.fault is not None:
            fault = self._reader.fault
            raise RemoteProtocolError(fault.reason, fault.words, events)
        if self._reader.is_ended:
            self.has_received_goodbye = True
            events.append(GoodbyeReceived())
        return events

    def perform(self, command: Command) -> None:
        """Do what is asked; what the protocol does not allow raises LocalProtocolError."""
        if self.has_said_goodbye:
            return
        match command:
            case SendItems():
                self._send_items(command)
            case OpenCall():
                self._open_call(command)
            case Answer():
                self._answer(command)
            case EndCall():
                self._end_call(command)

    def say_goodbye(self) -> None:
        """Say that nothing more comes from here; commands are dropped from now on."""
        if not self.has_said_goodbye:
            self.has_said_goodbye = True
            self._outgoing.append(GOODBYE)
            self.queued_bytes += HEADER_BYTES

    def drop(self) -> None:
        """Forget every call and all that was to be sent; nothing is sent any more."""
        self.has_said_goodbye = True
        self._calls.clear()
        self.data_to_send()

    def data_to_send(self) -> bytes:
        """Bytes for the layer below; each is given once."""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        self.queued_bytes = 0
        return data

    def _receive_frame(self, frame: Frame, events: list[SessionEvent]) -> None:
        """Handle any frame but an item of an open stream."""
        number = -frame.number
        call = self._calls.get(number)
        is_stream = bool(frame.flags & STREAM)
        is_end = bool(frame.flags & END)
        if call is None:
            if number < 0 and not (is_stream and is_end):
                self._receive_request(number, frame, events)
        elif call.is_stream is not is_stream:
            if number < 0:
                raise _reused(number)
        elif is_stream:
            self._receive_end(number, call, frame, events)
        elif number < 0:
            raise _reused(number)
        else:
            del self._calls[number]
            if is_end:
                error, error_name, details = parse_end(frame)
                error = WORDLESS if error is None else error
                events.append(CallEnded(number, error, error_name, details))
            else:
                body_type = BODY_TYPES[frame.flags & BODY_TYPE_MASK]
                events.append(AnswerReceived(number, body_type, frame.body))

    def _receive_request(self, number: int, frame: Frame, events: list[SessionEvent]) -> None:
        is_stream = bool(frame.flags & STREAM)
        is_json = frame.flags & BODY_TYPE_MASK == BodyType.JSON
        request = parse_request(frame.body) if is_json else None
        kind = CallKind.ASYNC
        refusal = None
        if request is None:
            refusal = "malformed request"
            self._malformed_count += 1
            if self._malformed_count > MALFORMED_CALLS_MAX:
                raise RemoteProtocolError("malformed-calls", "the peer's calls make no sense")
        elif is_stream and request.type not in STREAM_KINDS:
            refusal = "unsupported stream type"
        elif self._remote_count >= self.calls_max:
            refusal = "too many open calls"
        if is_stream:
            kind = CallKind.DUPLEX if refusal or request is None else STREAM_KINDS[request.type]
        self._calls[number] = Call(kind, is_ours=False)
        self._remote_count += 1
        if refusal is not None or request is None:
            self._end_call(EndCall(number, refusal))
        else:
            events.append(CallReceived(number, request.name, request.args, kind))
        if self._ending_count > CALLS_ENDING_MAX:
            raise RemoteProtocolError("too-many-calls", "the peer opens calls and never ends them")

    def _receive_end(
        self, number: int, call: Call, frame: Frame, events: list[SessionEvent]
    ) -> None:
        error, error_name, details = parse_end(frame)
        if not call.is_ended_here:
            if error is None:
                self._send(STREAM | END | BodyType.JSON, number, TRUE)
            else:
                self._send(frame.flags & (STREAM | END | BODY_TYPE_MASK), number, frame.body)
            if number < 0:
                self._remote_count -= 1
        elif number < 0:
            self._ending_count -= 1
        del self._calls[number]
        events.append(CallEnded(number, error, error_name, details))

    def _open_call(self, command: OpenCall) -> None:
        number = command.call
        if not self._last_call < number <= CALL_NUMBER_MAX:
            raise LocalProtocolError(f"call number {number} does not follow {self._last_call}")
        is_stream = command.kind is not CallKind.ASYNC
        body = encode_request(command.name, command.args, command.kind)
        self._send(BodyType.JSON | (STREAM if is_stream else 0), number, body)
        self._last_call = number
        self._calls[number] = Call(command.kind, is_ours=True)

    def _send_items(self, command: SendItems) -> None:
        number = command.call
        call = self._find_call(number)
        if call is None or call.is_ended_here:
            return
        if not call.sends:
            raise LocalProtocolError(f"call {number} takes no items from this side")
        flags = STREAM | command.body_type
        parts: list[bytes] = []
        queued_bytes = 0
        for item in command.items:
            size = len(item)
            if not 0 < size <= FRAME_BYTES_MAX:
                raise LocalProtocolError(f"an item of {size} bytes cannot be sent")
            parts.append(pack_header(flags, size, number))
            parts.append(item)
            queued_bytes += HEADER_BYTES + size
        self._outgoing += parts
        self.queued_bytes += queued_bytes

    def _answer(self, command: Answer) -> None:
        number = command.call
        call = self._find_call(number)
        if number > 0 or (call is not None and call.is_stream):
            raise LocalProtocolError(f"call {number} is no async call of the remote peer")
        if call is not None:
            self._send(int(command.body_type), number, command.body)
            del self._calls[number]
            self._remote_count -= 1

    def _end_call(self, command: EndCall) -> None:
        number, error = command.call, command.error
        call = self._find_call(number)
        if call is None or call.is_ended_here:
            return
        body = TRUE
        if error is not None:
            body = encode_error(error, command.error_name, command.error_details)
        if call.is_stream:
            self._send(STREAM | END | BodyType.JSON, number, body)
            call.is_ended_here = True
            if number < 0:
                self._remote_count -= 1
                self._ending_count += 1
        else:
            if number < 0:
                if error is None:
                    raise LocalProtocolError(f"async call {number} needs an answer or an error")
                self._send(END | BodyType.JSON, number, body)
                self._remote_count -= 1
            del self._calls[number]

    def _find_call(self, number: int) -> Call | None:
        """Find an open call; None if it is over. Our own must have been opened."""
        if number > self._last_call or number == 0:
            raise LocalProtocolError(f"call {number} was never opened")
        return self._calls.get(number)

    def _send(self, flags: int, number: int, body: bytes) -> None:
        size = len(body)
        if not 0 < size <= FRAME_BYTES_MAX:
            raise LocalProtocolError(f"a body of {size} bytes cannot be sent")
        if not self.has_said_goodbye:
            self._outgoing.append(pack_header(flags, size, number))
            self._outgoing.append(body)
            self.queued_bytes += HEADER_BYTES + size


def _reused(number: int) -> RemoteProtocolError:
    return RemoteProtocolError("call-number-reused", f"call {-number} is open and opened again")
