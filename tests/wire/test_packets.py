"""Vectors of packet-stream-codec, lying headers, and the JSON bodies."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lichen.wire.events import BodyType, CallKind
from lichen.wire.limits import (
    ARGS_BYTES_MAX,
    ERROR_CHARS_MAX,
    ERROR_DETAILS_BYTES_MAX,
    FRAME_BYTES_MAX,
    NAME_CHARS_MAX,
    NAME_PARTS_MAX,
)
from lichen.wire.packets import (
    END,
    GOODBYE,
    STREAM,
    Frame,
    FrameReader,
    encode_error,
    encode_request,
    missing_method,
    pack_header,
    parse_end,
    parse_request,
)

BODY_TYPES = {"binary": BodyType.BINARY, "string": BodyType.TEXT, "json": BodyType.JSON}


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def body_of(case: dict[str, Any]) -> bytes:
    value = case["message"]["value"]
    if case["value_type"] == "binary":
        return bytes.fromhex(value["hex"])
    return value.encode() if case["value_type"] == "string" else compact(value)


def test_codec_vectors(load_vectors: Callable[[str], list[dict[str, Any]]]) -> None:
    cases = load_vectors("packet-stream/codec.json")
    assert cases
    for case in cases:
        data, message = bytes.fromhex(case["frame"]), case["message"]
        reader = FrameReader()
        if message == "GOODBYE":
            assert data == GOODBYE
            assert reader.receive_data(data) == []
            assert reader.is_ended
            continue
        body = body_of(case)
        flags = BODY_TYPES[case["value_type"]] | STREAM * message["stream"] | END * message["end"]
        assert pack_header(flags, len(body), message["req"]) + body == data
        assert reader.receive_data(data) == [Frame(flags, message["req"], body)]
        assert reader.is_between_frames


frames = st.builds(
    Frame,
    st.integers(0, 255).filter(lambda flags: flags & 3 != 3),
    st.integers(-(2**31), 2**31 - 1),
    st.binary(min_size=1, max_size=300),
)


@given(st.lists(frames, max_size=10), st.lists(st.integers(1, 400), max_size=30))
def test_any_cutting_gives_the_same_frames(sent: list[Frame], sizes: list[int]) -> None:
    data = b"".join(pack_header(f.flags, len(f.body), f.number) + f.body for f in sent)
    reader, received, offset = FrameReader(), [], 0
    for size in sizes:
        received += reader.receive_data(data[offset : offset + size])
        offset += size
    received += reader.receive_data(data[offset:] + GOODBYE + b"ignored")
    assert received == sent
    assert reader.is_ended
    assert reader.fault is None


@pytest.mark.parametrize("length", [FRAME_BYTES_MAX + 1, 2**32 - 1])
def test_a_frame_too_long_fails_before_it_is_kept(length: int) -> None:
    good = pack_header(STREAM, 1, 1) + b"x"
    reader = FrameReader()
    assert reader.receive_data(good + pack_header(STREAM, length, 1)) == [Frame(STREAM, 1, b"x")]
    assert reader.fault is not None
    assert reader.fault.reason == "frame-too-long"
    assert reader.receive_data(bytes(100_000)) == []
    assert not reader._buffer


def test_the_longest_frame_is_read() -> None:
    reader = FrameReader()
    body = bytes(FRAME_BYTES_MAX)
    data = pack_header(STREAM, len(body), 1) + body
    assert reader.receive_data(data[:-1]) == []
    assert reader.receive_data(data[-1:]) == [Frame(STREAM, 1, body)]


def test_the_fourth_body_type_is_refused() -> None:
    reader = FrameReader()
    assert reader.receive_data(pack_header(STREAM | 3, 1, 1) + b"x") == []
    assert reader.fault is not None
    assert reader.fault.reason == "frame-body-type"


@pytest.mark.parametrize("flags", [1, STREAM, STREAM | END | 2, 255])
def test_a_frame_without_body_is_the_goodbye(flags: int) -> None:
    reader = FrameReader()
    assert reader.receive_data(pack_header(flags, 0, 5)) == []
    assert reader.is_ended


def test_requests_are_written_as_javascript_peers_do() -> None:
    assert (
        encode_request(("room", "metadata"), b"[]", CallKind.ASYNC)
        == b'{"name":["room","metadata"],"args":[]}'
    )
    assert (
        encode_request(("ebt", "replicate"), b'[{"version":3}]', CallKind.DUPLEX)
        == b'{"name":["ebt","replicate"],"args":[{"version":3}],"type":"duplex"}'
    )


def test_requests_of_all_ages_are_read() -> None:
    request = parse_request(b'{"name":["a","b"],"args":[1, 2],"type":"source"}')
    assert request is not None
    assert (request.name, request.args, request.type) == (("a", "b"), b"[1, 2]", "source")
    old = parse_request(b'{"type":null,"args":[],"name":"createHistoryStream","more":[{}]}')
    assert old is not None
    assert (old.name, old.type) == (("createHistoryStream",), "async")


def test_half_a_surrogate_pair_is_kept() -> None:
    request = parse_request(b'{"name":["publish"],"args":[{"text":"\\ud800!"}]}')
    assert request is not None
    assert request.args == b'[{"text":"\\ud800!"}]'
    assert parse_request(b'{"name":["publish"],"args":"\\ud800"}') is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"true",
        b"[]",
        b"{}",
        b'{"name":[],"args":[]}',
        b'{"name":[1],"args":[]}',
        b'{"name":null,"args":[]}',
        b'{"name":["a"]}',
        b'{"name":["a"],"args":{}}',
        b'{"name":["a"],"args":"[]"}',
        b'{"name":["a"],"args":[1,,2]}',
        b'{"name":["a"],"args":[]',
        b'{"name":["a"],"args":[],"type":7}',
        b'{"name":["\xff"],"args":[]}',
        b'{"name":["a"],"args":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        compact({"name": ["a"] * (NAME_PARTS_MAX + 1), "args": []}),
        compact({"name": ["a" * (NAME_CHARS_MAX + 1)], "args": []}),
        compact({"name": ["a"], "args": ["x" * ARGS_BYTES_MAX]}),
    ],
)
def test_malformed_requests(body: bytes) -> None:
    assert parse_request(body) is None


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"true", None),
        (b"false", None),
        (b"null", None),
        (b'{"message":"no","name":"TypeError","stack":"at x"}', "no"),
        (b'{"message":"","name":"Error"}', ""),
        (b'"plain"', "plain"),
        (b"{}", "an error without words"),
        (b'{"message":5}', "an error without words"),
        (b"7", "an error without words"),
        (b"{", "an error without words"),
        (b"[" * 100_000, "an error without words"),
    ],
)
def test_ends_are_read(body: bytes, error: str | None) -> None:
    assert parse_end(Frame(STREAM | END | BodyType.JSON, 1, body))[0] == error


def test_names_and_lengths_of_errors() -> None:
    named = Frame(END | BodyType.JSON, 1, b'{"message":"no","name":"TypeError"}')
    assert parse_end(named) == ("no", "TypeError", b"")
    odd = Frame(END | BodyType.JSON, 1, b'{"message":"no","name":[1]}')
    assert parse_end(odd) == ("no", "Error", b"")
    long = Frame(END | BodyType.TEXT, 1, b"x" * 10_000)
    assert parse_end(long) == ("x" * ERROR_CHARS_MAX, "Error", b"")


@given(st.text(max_size=50))
@example("half a pair: \ud83c")
def test_errors_survive_the_way(message: str) -> None:
    body = encode_error(message)
    assert list(json.loads(body)) == ["name", "message", "stack"]
    assert json.loads(body)["stack"] == ""
    frame = Frame(STREAM | END | BodyType.JSON, 1, body)
    assert parse_end(frame) == (message.encode("utf-8", "replace").decode(), "Error", b"")


def test_the_refusal_that_javascript_peers_compare() -> None:
    assert (
        missing_method(("ebt", "replicate"))
        == "method:ebt,replicate is not in list of allowed methods"
    )


def test_details_of_an_error_are_json_for_programs() -> None:
    body = encode_error("no", "usage", b'{"hint":1}')
    assert parse_end(Frame(END | BodyType.JSON, 1, body)) == ("no", "usage", b'{"hint":1}')
    long = encode_error("no", "usage", b'"' + b"x" * ERROR_DETAILS_BYTES_MAX + b'"')
    assert parse_end(Frame(END | BodyType.JSON, 1, long)) == ("no", "usage", b"")
