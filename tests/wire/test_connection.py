"""The whole stack: two connections joined in memory, cut in every way, tampered with, hung up."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.feed.identity import Identity, generate_identity
from lichen.wire.boxstream import BODY_BYTES_MAX, HEADER_BYTES
from lichen.wire.connection import Connection
from lichen.wire.errors import LocalProtocolError, RemoteProtocolError
from lichen.wire.events import (
    Answer,
    BodyType,
    CallEnded,
    CallKind,
    CallReceived,
    EndCall,
    GoodbyeReceived,
    Identified,
    ItemsReceived,
    OpenCall,
    Ready,
    SendItems,
    WireEvent,
)
from lichen.wire.limits import CALLS_STRANGER_MAX, FRAME_BYTES_MAX
from lichen.wire.packets import GOODBYE, pack_header

Pair = tuple[Connection, Connection]
MakePair = Callable[[], Pair]
OPEN = OpenCall(1, ("ebt", "replicate"), b'[{"version":3}]', CallKind.DUPLEX)


def open_stream(pair: Pair) -> Pair:
    client, server = pair
    client.perform(OPEN)
    server.receive_data(client.data_to_send())
    return pair


def fault_of(connection: Connection, data: bytes) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        connection.receive_data(data)
    assert connection.close_reason == caught.value.reason
    assert connection.data_to_send() == b""
    assert connection.queued_bytes == 0
    assert connection.receive_data(data) == []
    return caught.value


def joined(events: list[WireEvent]) -> list[WireEvent]:
    """Events with runs of items of one stream put together: how reads fall does not matter."""
    result: list[WireEvent] = []
    for event in events:
        last = result[-1] if result else None
        if (
            isinstance(event, ItemsReceived)
            and isinstance(last, ItemsReceived)
            and (last.call, last.body_type) == (event.call, event.body_type)
        ):
            result[-1] = ItemsReceived(last.call, last.body_type, last.items + event.items)
        else:
            result.append(event)
    return result


class TestHandshake:
    def test_both_sides_learn_who_the_other_is(
        self, make_strangers: MakePair, client_identity: Identity, server_identity: Identity
    ) -> None:
        client, server = make_strangers()
        assert server.receive_data(client.data_to_send()) == []
        assert client.receive_data(server.data_to_send()) == []
        hello = client.data_to_send()
        assert server.receive_data(hello) == [Identified(client_identity.id)]
        assert server.data_to_send() == b""
        assert (server.is_ready, client.is_ready) == (False, False)
        assert server.accept() == [Ready()]
        assert client.receive_data(server.data_to_send()) == [
            Identified(server_identity.id),
            Ready(),
        ]
        assert (server.is_ready, client.is_ready) == (True, True)
        assert (client.peer, server.peer) == (server_identity.id, client_identity.id)

    def test_a_refusal_is_silent(self, make_strangers: MakePair) -> None:
        client, server = make_strangers()
        server.receive_data(client.data_to_send())
        client.receive_data(server.data_to_send())
        server.receive_data(client.data_to_send())
        server.refuse()
        assert server.data_to_send() == b""
        assert server.close_reason == "refused"
        with pytest.raises(RemoteProtocolError, match="handshake-not-accepted"):
            client.receive_eof()

    def test_another_network_is_turned_away_in_silence(
        self, make_strangers: MakePair, server_identity: Identity
    ) -> None:
        client, _ = make_strangers()
        other = Connection(
            identity=server_identity,
            network_key=b"n" * 32,
            ephemeral_seed=b"2" * 32,
            remote=None,
        )
        assert fault_of(other, client.data_to_send()).reason == "handshake-challenge"
        with pytest.raises(RemoteProtocolError, match="handshake-unanswered"):
            client.receive_eof()

    def test_a_server_that_is_not_the_one_dialled(
        self, make_strangers: MakePair, client_identity: Identity
    ) -> None:
        _, server = make_strangers()
        client = Connection(
            identity=client_identity,
            network_key=bytes(range(32)),
            ephemeral_seed=b"1" * 32,
            remote=generate_identity(b"x" * 32).id,
        )
        server.receive_data(client.data_to_send())
        client.receive_data(server.data_to_send())
        assert fault_of(server, client.data_to_send()).reason == "handshake-hello"

    def test_boxes_may_follow_the_acceptance_at_once(self, make_strangers: MakePair) -> None:
        client, server = make_strangers()
        server.receive_data(client.data_to_send())
        client.receive_data(server.data_to_send())
        server.receive_data(client.data_to_send())
        server.accept()
        server.perform(OpenCall(1, ("a",), b"[]", CallKind.SOURCE))
        events = client.receive_data(server.data_to_send())
        assert events[1:] == [Ready(), CallReceived(-1, ("a",), b"[]", CallKind.SOURCE)]

    def test_what_a_hasty_client_says_is_read_once_it_is_accepted(
        self, make_strangers: MakePair
    ) -> None:
        client, server = make_strangers()
        twin = make_strangers()
        for one, two in ((client, server), twin):
            two.receive_data(one.data_to_send())
            one.receive_data(two.data_to_send())
        hello = client.data_to_send()
        twin[1].receive_data(twin[0].data_to_send())
        twin[1].accept()
        twin[0].receive_data(twin[1].data_to_send())
        twin[0].perform(OPEN)
        assert len(server.receive_data(hello + twin[0].data_to_send())) == 1
        assert server.accept() == [Ready()]
        assert server.receive_data(b"") == [CallReceived(-1, OPEN.name, OPEN.args, OPEN.kind)]

    def test_no_calls_and_no_decision_before_time(self, make_strangers: MakePair) -> None:
        client, server = make_strangers()
        for connection in (client, server):
            with pytest.raises(LocalProtocolError):
                connection.perform(OPEN)
            with pytest.raises(LocalProtocolError):
                connection.accept()
            with pytest.raises(LocalProtocolError):
                connection.refuse()

    def test_a_goodbye_gives_the_handshake_up(self, make_strangers: MakePair) -> None:
        client, _ = make_strangers()
        client.say_goodbye()
        assert client.data_to_send() == b""
        assert client.close_reason == "given-up"
        assert client.receive_eof() == []


def converse(first: Connection, second: Connection, cut: Callable[[bytes], list[bytes]]) -> None:
    """Let two strangers shake hands and talk, their bytes cut by ``cut``; check what they hear."""
    heard: dict[Connection, list[WireEvent]] = {first: [], second: []}

    def exchange() -> None:
        for _ in range(4):
            for sender, receiver in ((first, second), (second, first)):
                for piece in cut(sender.data_to_send()):
                    events = receiver.receive_data(piece)
                    heard[receiver] += events
                    if any(isinstance(event, Identified) for event in events) and (
                        receiver is second
                    ):
                        heard[receiver] += receiver.accept()

    exchange()
    items = [b"%d" % number * (number % 40 + 1) for number in range(300)]
    first.perform(OPEN)
    first.perform(OpenCall(2, ("whoami",), b"[]", CallKind.ASYNC))
    first.perform(SendItems(1, BodyType.JSON, items))
    exchange()
    second.perform(SendItems(-1, BodyType.BINARY, [bytes(9000), b"\0"]))
    second.perform(Answer(-2, BodyType.TEXT, b"me"))
    second.perform(EndCall(-1))
    exchange()
    first.say_goodbye()
    second.say_goodbye()
    exchange()
    assert joined(heard[second])[1:] == [
        Ready(),
        CallReceived(-1, OPEN.name, OPEN.args, OPEN.kind),
        CallReceived(-2, ("whoami",), b"[]", CallKind.ASYNC),
        ItemsReceived(-1, BodyType.JSON, items),
        CallEnded(-1, None),
        GoodbyeReceived(),
    ]
    names = [type(event).__name__ for event in joined(heard[first])[1:]]
    assert names == ["Ready", "ItemsReceived", "AnswerReceived", "CallEnded", "GoodbyeReceived"]
    assert first.close_reason == second.close_reason == "goodbye"
    assert first.receive_eof() == second.receive_eof() == []


class TestTalk:
    def test_any_cutting_gives_the_same_events(self, make_strangers: MakePair) -> None:
        @settings(max_examples=60, deadline=None)
        @given(st.lists(st.integers(1, 300), min_size=1, max_size=30))
        def check(sizes: list[int]) -> None:
            def cut(data: bytes) -> list[bytes]:
                pieces, offset, turn = [], 0, 0
                while offset < len(data):
                    size = sizes[turn % len(sizes)]
                    pieces.append(data[offset : offset + size])
                    offset, turn = offset + size, turn + 1
                return pieces

            converse(*make_strangers(), cut)

        check()

    def test_byte_by_byte(self, make_strangers: MakePair) -> None:
        converse(*make_strangers(), lambda data: [bytes([byte]) for byte in data])

    def test_many_small_frames_fill_boxes(self, make_pair: MakePair) -> None:
        client, server = open_stream(make_pair())
        items = [b"x" * 91] * 1000
        client.perform(SendItems(1, BodyType.BINARY, items))
        plain_bytes = client.queued_bytes
        assert plain_bytes == 100_000
        data = client.data_to_send()
        box_count = -(-plain_bytes // BODY_BYTES_MAX)
        assert len(data) == plain_bytes + box_count * HEADER_BYTES
        assert server.receive_data(data) == [ItemsReceived(-1, BodyType.BINARY, items)]

    def test_a_stranger_may_open_less_than_a_friend(self, make_pair: MakePair) -> None:
        client, server = make_pair()
        server.calls_max = CALLS_STRANGER_MAX
        for number in range(1, 10 * CALLS_STRANGER_MAX):
            client.perform(OpenCall(number, ("a",), b"[]", CallKind.SOURCE))
        assert len(server.receive_data(client.data_to_send())) == CALLS_STRANGER_MAX
        assert server.calls_max == CALLS_STRANGER_MAX

    def test_plain_connections_are_ready_at_once(self) -> None:
        client, server = Connection.plain(), Connection.plain()
        assert client.is_ready
        assert client.receive_data(b"") == [Ready()]
        client.perform(OPEN)
        data = client.data_to_send()
        assert data[9:] == (b'{"name":["ebt","replicate"],"args":[{"version":3}],"type":"duplex"}')
        (ready, call) = server.receive_data(data)
        assert ready == Ready()
        assert isinstance(call, CallReceived)
        client.say_goodbye()
        assert client.data_to_send() == GOODBYE


class TestFaults:
    def test_a_flipped_bit_is_found_and_what_came_before_is_kept(self, make_pair: MakePair) -> None:
        for position in range(HEADER_BYTES + 10):
            client, server = open_stream(make_pair())
            client.perform(SendItems(1, BodyType.JSON, [b"1"]))
            good = client.data_to_send()
            client.perform(SendItems(1, BodyType.JSON, [b"2"]))
            bad = bytearray(client.data_to_send())
            assert len(bad) == HEADER_BYTES + 10
            bad[position] ^= 1 << position % 8
            fault = fault_of(server, good + bad)
            assert fault.reason == "box-tampered"
            assert fault.events == [ItemsReceived(-1, BodyType.JSON, [b"1"])]

    def test_a_frame_of_4_gib_is_refused_at_its_header(self, make_pair: MakePair) -> None:
        client, server = open_stream(make_pair())
        server.perform(SendItems(-1, BodyType.JSON, [b"never sent"]))
        client.perform(SendItems(1, BodyType.JSON, [b"1"]))
        client._session._outgoing.append(pack_header(10, 2**32 - 1, 1))
        fault = fault_of(server, client.data_to_send())
        assert fault.reason == "frame-too-long"
        assert fault.events == [ItemsReceived(-1, BodyType.JSON, [b"1"])]

    def test_what_is_kept_of_a_long_frame_is_what_came(self, make_pair: MakePair) -> None:
        client, server = open_stream(make_pair())
        client._session._outgoing += [pack_header(10, FRAME_BYTES_MAX, 1), bytes(5000)]
        assert server.receive_data(client.data_to_send()) == []
        assert len(server._session._reader._buffer) == 5009

    def test_a_hang_up_without_goodbye(self, make_pair: MakePair) -> None:
        client, server = open_stream(make_pair())
        with pytest.raises(RemoteProtocolError, match="unexpected-hangup"):
            server.receive_eof()
        assert server.close_reason == "unexpected-hangup"
        server.perform(EndCall(-1))
        assert server.data_to_send() == b""
        assert client.is_ready

    def test_a_goodbye_of_boxes_alone_is_one(self, make_pair: MakePair) -> None:
        client, server = make_pair()
        assert client._boxer is not None
        assert server.receive_data(client._boxer.goodbye()) == [GoodbyeReceived()]
        server.say_goodbye()
        assert server.close_reason == "goodbye"
        assert len(server.data_to_send()) == HEADER_BYTES + len(GOODBYE) + HEADER_BYTES
        assert server.data_to_send() == b""

    def test_a_goodbye_inside_a_frame(self, make_pair: MakePair) -> None:
        client, server = open_stream(make_pair())
        assert client._boxer is not None
        data = client._boxer.box(pack_header(10, 50, 1)) + client._boxer.goodbye()
        assert fault_of(server, data).reason == "frame-cut-short"

    def test_reading_after_the_goodbye_is_over(self, make_pair: MakePair) -> None:
        client, server = open_stream(make_pair())
        client.say_goodbye()
        assert server.receive_data(client.data_to_send() + b"trailing") == [GoodbyeReceived()]
        server.perform(SendItems(-1, BodyType.JSON, [b"1"]))
        assert client.receive_data(server.data_to_send()) == [
            ItemsReceived(1, BodyType.JSON, [b"1"])
        ]
        assert server.receive_eof() == []
        assert server.close_reason == "goodbye"

    def test_a_fault_of_a_call_ends_the_connection(self, make_pair: MakePair) -> None:
        client, server = open_stream(make_pair())
        client._session._outgoing += [pack_header(2, 2, 1), b"{}"]
        assert fault_of(server, client.data_to_send()).reason == "call-number-reused"
