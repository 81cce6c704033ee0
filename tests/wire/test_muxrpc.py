"""Lives of calls: what is sent, what is reported, what is refused."""

import pytest

from lichen.wire.errors import LocalProtocolError, RemoteProtocolError
from lichen.wire.events import (
    Answer,
    AnswerReceived,
    BodyType,
    CallEnded,
    CallKind,
    CallReceived,
    EndCall,
    GoodbyeReceived,
    ItemsReceived,
    OpenCall,
    SendItems,
)
from lichen.wire.limits import CALLS_ENDING_MAX, FRAME_BYTES_MAX
from lichen.wire.muxrpc import Session, SessionEvent
from lichen.wire.packets import (
    END,
    GOODBYE,
    STREAM,
    Frame,
    FrameReader,
    encode_error,
    pack_header,
)

JSON = BodyType.JSON
END_STREAM = STREAM | END | JSON
NO_STACK_ERROR = b'{"name":"Error","message":"no","stack":""}'
FOREIGN_ERROR = b'{"message":"no","name":"TypeError","stack":"at /home/x"}'


def frame(flags: int, number: int, body: bytes) -> bytes:
    return pack_header(flags, len(body), number) + body


def request(number: int, name: str = "a", kind: str = "duplex") -> bytes:
    body = b'{"name":["%b"],"args":[],"type":"%b"}' % (name.encode(), kind.encode())
    return frame(STREAM | JSON, number, body)


def async_request(number: int) -> bytes:
    return frame(JSON, number, b'{"name":["a"],"args":[]}')


def sent_by(session: Session) -> list[Frame]:
    return FrameReader().receive_data(session.data_to_send())


def session_with(data: bytes) -> Session:
    """A session that has received a call, with nothing left to send."""
    session = Session(calls_max=8)
    session.receive_data(data)
    return session


def call_of(event: SessionEvent) -> CallReceived:
    assert isinstance(event, CallReceived)
    return event


class TestAsync:
    def test_our_call_gets_its_answer(self) -> None:
        session = Session(8)
        session.perform(OpenCall(1, ("blobs", "has"), b'["&x"]', CallKind.ASYNC))
        assert sent_by(session) == [Frame(JSON, 1, b'{"name":["blobs","has"],"args":["&x"]}')]
        answer = frame(JSON, -1, b"false")
        assert session.receive_data(answer) == [AnswerReceived(1, JSON, b"false")]
        assert session.receive_data(answer) == []

    def test_an_error_answer_has_the_end_flag(self) -> None:
        session = Session(8)
        session.perform(OpenCall(1, ("a",), b"[]", CallKind.ASYNC))
        events = session.receive_data(frame(END | JSON, -1, FOREIGN_ERROR))
        assert events == [CallEnded(1, "no", "TypeError")]
        session.perform(OpenCall(2, ("a",), b"[]", CallKind.ASYNC))
        assert session.receive_data(frame(END | JSON, -2, b"true")) == [
            CallEnded(2, "an error without words")
        ]

    def test_their_call_is_answered(self) -> None:
        session = Session(8)
        (event,) = session.receive_data(async_request(5))
        assert event == CallReceived(-5, ("a",), b"[]", CallKind.ASYNC)
        session.perform(Answer(-5, JSON, b"7"))
        session.perform(Answer(-5, JSON, b"8"))
        assert sent_by(session) == [Frame(JSON, -5, b"7")]

    def test_their_call_is_refused(self) -> None:
        session = session_with(async_request(5))
        session.perform(EndCall(-5, "no"))
        assert sent_by(session) == [Frame(END | JSON, -5, NO_STACK_ERROR)]

    def test_the_type_of_an_async_call_does_not_matter(self) -> None:
        body = b'{"name":["manifest"],"args":[],"type":"sync"}'
        (event,) = Session(8).receive_data(frame(JSON, 1, body))
        assert call_of(event).kind is CallKind.ASYNC

    def test_their_call_cannot_end_without_an_answer(self) -> None:
        session = session_with(async_request(5))
        with pytest.raises(LocalProtocolError):
            session.perform(EndCall(-5))

    def test_our_call_given_up_drops_its_answer(self) -> None:
        session = Session(8)
        session.perform(OpenCall(1, ("a",), b"[]", CallKind.ASYNC))
        session.data_to_send()
        session.perform(EndCall(1))
        assert session.data_to_send() == b""
        assert session.receive_data(frame(JSON, -1, b"7")) == []


class TestStreams:
    def test_items_of_one_stream_come_together(self) -> None:
        session = session_with(request(1) + request(2))
        items = [frame(STREAM | JSON, 1, b"%d" % n) for n in range(5)]
        other = frame(STREAM, 2, b"bytes")
        events = session.receive_data(b"".join(items) + other + items[0])
        assert events == [
            ItemsReceived(-1, JSON, [b"0", b"1", b"2", b"3", b"4"]),
            ItemsReceived(-2, BodyType.BINARY, [b"bytes"]),
            ItemsReceived(-1, JSON, [b"0"]),
        ]

    def test_items_of_two_types_do_not(self) -> None:
        session = session_with(request(1))
        data = frame(STREAM | JSON, 1, b"1") + frame(STREAM | BodyType.TEXT, 1, b"1")
        assert session.receive_data(data) == [
            ItemsReceived(-1, JSON, [b"1"]),
            ItemsReceived(-1, BodyType.TEXT, [b"1"]),
        ]

    def test_events_stay_in_order(self) -> None:
        session = session_with(request(1))
        item = frame(STREAM | JSON, 1, b"1")
        events = session.receive_data(item + request(2) + item)
        assert events == [
            ItemsReceived(-1, JSON, [b"1"]),
            CallReceived(-2, ("a",), b"[]", CallKind.DUPLEX),
            ItemsReceived(-1, JSON, [b"1"]),
        ]

    def test_an_end_is_answered_with_an_end(self) -> None:
        session = session_with(request(1))
        assert session.receive_data(frame(END_STREAM, 1, b"true")) == [CallEnded(-1, None)]
        assert sent_by(session) == [Frame(END_STREAM, -1, b"true")]

    def test_an_error_is_echoed_whole(self) -> None:
        session = session_with(request(1))
        events = session.receive_data(frame(END_STREAM, 1, FOREIGN_ERROR))
        assert events == [CallEnded(-1, "no", "TypeError")]
        assert sent_by(session) == [Frame(END_STREAM, -1, FOREIGN_ERROR)]

    def test_after_our_end_items_are_dropped_and_their_end_is_not_answered(self) -> None:
        session = session_with(request(1))
        session.perform(EndCall(-1, "no"))
        session.perform(EndCall(-1))
        session.perform(SendItems(-1, JSON, [b"1"]))
        assert sent_by(session) == [Frame(END_STREAM, -1, NO_STACK_ERROR)]
        assert session.receive_data(frame(STREAM | JSON, 1, b"1")) == []
        assert session.receive_data(frame(END_STREAM, 1, b"true")) == [CallEnded(-1, None)]
        assert session.data_to_send() == b""

    def test_what_crosses_their_end_is_dropped(self) -> None:
        session = session_with(request(1))
        session.receive_data(frame(END_STREAM, 1, b"true"))
        session.data_to_send()
        session.perform(SendItems(-1, JSON, [b"1"]))
        session.perform(EndCall(-1))
        assert session.data_to_send() == b""

    def test_our_stream_ends_when_both_sides_have_said_so(self) -> None:
        session = Session(8)
        session.perform(OpenCall(1, ("a",), b"[]", CallKind.SOURCE))
        session.perform(EndCall(1))
        assert [f.body for f in sent_by(session)] == [
            b'{"name":["a"],"args":[],"type":"source"}',
            b"true",
        ]
        assert session.receive_data(frame(STREAM | JSON, -1, b"1")) == []
        assert session.receive_data(frame(END_STREAM, -1, b"true")) == [CallEnded(1, None)]
        assert session.receive_data(frame(END_STREAM, -1, b"true")) == []

    def test_a_name_is_kept_in_the_error(self) -> None:
        session = session_with(request(1))
        session.perform(EndCall(-1, "no", "Locked"))
        assert sent_by(session)[0].body == b'{"name":"Locked","message":"no","stack":""}'

    def test_a_number_can_be_used_again_after_both_ends(self) -> None:
        session = session_with(request(1) + frame(END_STREAM, 1, b"true"))
        assert call_of(session.receive_data(request(1))[0]).call == -1

    @pytest.mark.parametrize("kind", ["source", "sink"])
    def test_items_flow_one_way_in_sources_and_sinks(self, kind: str) -> None:
        theirs = session_with(request(1, kind=kind))
        ours = Session(8)
        ours.perform(OpenCall(1, ("a",), b"[]", CallKind(kind)))
        receiver, sender = (theirs, ours) if kind == "sink" else (ours, theirs)
        sign = -1 if sender is theirs else 1
        sender.data_to_send()
        sender.perform(SendItems(sign, JSON, [b"1"]))
        assert receiver.receive_data(sender.data_to_send()) == [ItemsReceived(-sign, JSON, [b"1"])]
        with pytest.raises(LocalProtocolError):
            receiver.perform(SendItems(-sign, JSON, [b"1"]))
        assert sender.receive_data(frame(STREAM | JSON, -sign, b"1")) == []


class TestTolerated:
    @pytest.mark.parametrize("number", [7, -7, 0, 2**31 - 1, -(2**31)])
    @pytest.mark.parametrize("flags", [STREAM | JSON, END_STREAM, END | JSON, JSON])
    def test_frames_of_unknown_calls_crash_nothing(self, flags: int, number: int) -> None:
        session = Session(8)
        assert session.receive_data(frame(flags, number, b"true")) == []
        for answer in sent_by(session):
            assert answer.number == -number
            assert answer.flags & END
        assert number > 0 or session.data_to_send() == b""

    def test_an_end_of_a_stream_never_opened_is_not_answered(self) -> None:
        session = Session(8)
        assert session.receive_data(frame(END_STREAM, 3, b"true")) == []
        assert session.data_to_send() == b""

    def test_a_malformed_stream_call_gets_one_end(self) -> None:
        session = Session(8)
        data = frame(STREAM | JSON, 1, b"[]") + frame(STREAM | JSON, 1, b"[]")
        assert session.receive_data(data) == []
        (end,) = sent_by(session)
        assert end == Frame(END_STREAM, -1, encode_error("malformed request"))

    def test_a_call_must_be_json(self) -> None:
        session = Session(8)
        body = b'{"name":["a"],"args":[]}'
        assert session.receive_data(frame(BodyType.TEXT, 1, body)) == []
        assert sent_by(session) == [Frame(END | JSON, -1, encode_error("malformed request"))]

    def test_a_stream_needs_a_type_of_stream(self) -> None:
        session = Session(8)
        assert session.receive_data(request(1, kind="async")) == []
        assert sent_by(session)[0].body == encode_error("unsupported stream type")

    def test_an_answer_of_the_other_manner_is_dropped(self) -> None:
        session = Session(8)
        session.perform(OpenCall(1, ("a",), b"[]", CallKind.ASYNC))
        session.perform(OpenCall(2, ("a",), b"[]", CallKind.SOURCE))
        assert session.receive_data(frame(STREAM | JSON, -1, b"1")) == []
        assert session.receive_data(frame(JSON, -2, b"1")) == []


class TestLimits:
    def test_calls_above_the_limit_are_refused_until_one_ends(self) -> None:
        session = Session(calls_max=2)
        assert len(session.receive_data(request(1) + async_request(2))) == 2
        assert session.receive_data(request(3) + async_request(4)) == []
        assert [(f.number, f.flags) for f in sent_by(session)] == [
            (-3, END_STREAM),
            (-4, END | JSON),
        ]
        session.perform(Answer(-2, JSON, b"1"))
        assert len(session.receive_data(request(5))) == 1
        session.perform(EndCall(-1))
        assert len(session.receive_data(request(6))) == 1
        assert session.receive_data(request(7)) == []
        session.calls_max = 3
        assert len(session.receive_data(request(8))) == 1

    def test_their_end_frees_a_place_too(self) -> None:
        session = Session(calls_max=1)
        for number in range(1, 20):
            assert len(session.receive_data(request(number))) == 1
            assert len(session.receive_data(frame(END_STREAM, number, b"true"))) == 1

    def test_streams_that_are_never_ended_end_the_connection(self) -> None:
        session = Session(calls_max=1)
        data = b"".join(request(number) for number in range(1, CALLS_ENDING_MAX + 3))
        with pytest.raises(RemoteProtocolError, match="too-many-calls") as caught:
            session.receive_data(data)
        assert len(caught.value.events) == 1
        assert len(session._calls) <= CALLS_ENDING_MAX + 2

    def test_refused_streams_that_are_ended_cost_nothing(self) -> None:
        session = Session(calls_max=0)
        for number in range(1, CALLS_ENDING_MAX + 100):
            session.receive_data(request(number))
            session.receive_data(frame(END_STREAM, number, b"true"))
            session.data_to_send()
        assert not session._calls

    @pytest.mark.parametrize("second", [async_request(1), frame(END | JSON, 1, b"true")])
    @pytest.mark.parametrize("first", [async_request(1), request(1)])
    def test_a_number_used_twice_ends_the_connection(self, first: bytes, second: bytes) -> None:
        session = session_with(first)
        with pytest.raises(RemoteProtocolError, match="call-number-reused"):
            session.receive_data(second)

    def test_events_before_a_fault_are_kept(self) -> None:
        session = session_with(request(1))
        data = frame(STREAM | JSON, 1, b"1") + pack_header(STREAM, 2**32 - 1, 1)
        with pytest.raises(RemoteProtocolError, match="frame-too-long") as caught:
            session.receive_data(data)
        assert caught.value.events == [ItemsReceived(-1, JSON, [b"1"])]


class TestMisuse:
    @pytest.mark.parametrize("item", [b"", bytes(FRAME_BYTES_MAX + 1)])
    def test_items_that_cannot_be_sent(self, item: bytes) -> None:
        session = session_with(request(1))
        with pytest.raises(LocalProtocolError):
            session.perform(SendItems(-1, BodyType.BINARY, [b"good", item]))
        assert session.data_to_send() == b""

    def test_an_empty_answer(self) -> None:
        session = session_with(async_request(1))
        with pytest.raises(LocalProtocolError):
            session.perform(Answer(-1, BodyType.TEXT, b""))

    def test_an_answer_to_a_stream_or_to_ourselves(self) -> None:
        session = session_with(request(1))
        session.perform(OpenCall(1, ("a",), b"[]", CallKind.ASYNC))
        for number in (-1, 1):
            with pytest.raises(LocalProtocolError):
                session.perform(Answer(number, JSON, b"1"))

    @pytest.mark.parametrize("number", [0, -1, 3, 2**31])
    def test_numbers_that_do_not_follow(self, number: int) -> None:
        session = Session(8)
        session.perform(OpenCall(3, ("a",), b"[]", CallKind.ASYNC))
        with pytest.raises(LocalProtocolError):
            session.perform(OpenCall(number, ("a",), b"[]", CallKind.ASYNC))

    @pytest.mark.parametrize("command", [SendItems(1, JSON, [b"1"]), EndCall(1), EndCall(0)])
    def test_calls_never_opened(self, command: SendItems | EndCall) -> None:
        with pytest.raises(LocalProtocolError):
            Session(8).perform(command)


class TestGoodbye:
    def test_theirs_is_reported_once_and_ends_reading(self) -> None:
        session = session_with(request(1))
        events = session.receive_data(GOODBYE + frame(STREAM | JSON, 1, b"1"))
        assert events == [GoodbyeReceived()]
        assert session.receive_data(GOODBYE) == []

    def test_after_ours_nothing_is_sent(self) -> None:
        session = session_with(request(1) + async_request(2))
        session.say_goodbye()
        session.say_goodbye()
        session.perform(SendItems(-1, JSON, [b"1"]))
        session.perform(Answer(-2, JSON, b"1"))
        assert session.receive_data(frame(END_STREAM, 1, b"true")) == [CallEnded(-1, None)]
        assert session.data_to_send() == GOODBYE

    def test_queued_bytes_are_what_is_sent(self) -> None:
        session = session_with(request(1))
        session.perform(SendItems(-1, JSON, [b"1", b"22"]))
        session.perform(EndCall(-1, "no"))
        session.say_goodbye()
        queued_bytes = session.queued_bytes
        assert queued_bytes == len(session.data_to_send())
        assert session.queued_bytes == 0
