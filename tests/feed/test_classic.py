"""The classic format: every rule, each refusal by its reason, and the two ways to the text."""

import json
from binascii import b2a_base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lichen.feed.canonical import JsonValue, canonicalize_exactly, encode_compact, encode_indented
from lichen.feed.formats import ContentError, FeedFormat
from lichen.feed.formats.classic import RECEIVED_BYTES_MAX, ClassicFormat
from lichen.feed.formats.classic_rules import TEXT_UNITS_MAX
from lichen.feed.identity import bytes_to_sign, generate_identity, parse_hmac_key
from lichen.feed.message import (
    ChainedMessage,
    FeedId,
    FeedState,
    Message,
    MsgId,
    RawMessage,
    Reason,
    Rejected,
)
from lichen.feed.refs import is_feed_id, msg_key_bytes

Vectors = Callable[[str], list[dict[str, Any]]]

ME = generate_identity(b"\x07" * 32)
OTHER = generate_identity(b"\x08" * 32)
PREVIOUS = MsgId("%" + "A" * 43 + "=.sha256")
STATE = FeedState(1, PREVIOUS)
FORMAT: FeedFormat = ClassicFormat()


def write(**changed: Any) -> bytes:
    """Write a second message of ME, signed, with members changed; ``...`` leaves one out."""
    value: dict[str, JsonValue] = {
        "previous": PREVIOUS,
        "sequence": 2,
        "author": ME.id,
        "timestamp": 1500000000000,
        "hash": "sha256",
        "content": {"type": "post", "text": "hello"},
    }
    value.update(changed)
    value = {name: item for name, item in value.items() if item is not ...}
    if "signature" not in changed:
        value["signature"] = sign(value)
    return encode_compact(value).encode()


def sign(unsigned: dict[str, JsonValue]) -> str:
    text = canonicalize_exactly(encode_compact(unsigned).encode()).indented
    return b2a_base64(ME.sign(text), newline=False).decode() + ".sig.ed25519"


def judge(
    data: bytes, state: FeedState | None = STATE, feed_format: FeedFormat = FORMAT
) -> Message | Rejected:
    raw = feed_format.parse(data)
    if isinstance(raw, Rejected):
        return raw
    chained = feed_format.chain(raw, state)
    return chained if isinstance(chained, Rejected) else feed_format.verify(chained)


def reason(data: bytes, state: FeedState | None = STATE) -> Reason | None:
    verdict = judge(data, state)
    return verdict.reason if isinstance(verdict, Rejected) else None


def test_recorded_feeds_hold_and_are_made_again_alike(vectors: Vectors) -> None:
    made_again = 0
    for case in vectors("classic/feeds.json"):
        hmac_key = case["hmac_key"]
        feed_format = ClassicFormat(None if hmac_key is None else parse_hmac_key(hmac_key))
        identity = generate_identity(bytes.fromhex(case["seed_hex"]))
        assert identity.id == case["id"]
        state = None
        for recorded in case["messages"]:
            data = recorded["value_text"].encode()
            message = judge(data, state, feed_format)
            assert isinstance(message, Message), (case["name"], message)
            assert message.key == recorded["key"]
            if data.index(b'"sequence"') < data.index(b'"author"'):
                made = feed_format.create(message.content, identity, state, message.timestamp)
                assert made == message
                made_again += 1
            state = FeedState(message.sequence, message.key)
    assert made_again > 10


def test_verdicts_are_those_of_both_javascript_validators(vectors: Vectors) -> None:
    differing = {
        "timestamp string": "invalid",
        "other author same state": "invalid",
        "content box uncanonical": "invalid",
        "content box9": "valid",
        "content boxs": "valid",
    }
    for case in vectors("classic/verdicts.json"):
        expected = case["validate"] if case["agree"] else differing[case["name"]]
        try:
            hmac_key = None if case["hmac_key"] is None else parse_hmac_key(case["hmac_key"])
        except ValueError:
            assert expected == "invalid"
            continue
        feed_format = ClassicFormat(hmac_key)
        author = json.loads(case["message_text"])["author"]
        of_this_feed = json.loads(case["previous_text"])["author"] == author
        state = case["state"] if of_this_feed or not is_feed_id(author) else None
        verdict = judge(
            case["message_text"].encode(),
            None if state is None else FeedState(state["sequence"], MsgId(state["id"])),
            feed_format,
        )
        assert isinstance(verdict, Message) is (expected == "valid"), (case["name"], verdict)


def test_the_plain_message_is_taken_in_both_member_orders() -> None:
    modern = judge(write())
    assert isinstance(modern, Message)
    assert modern.content == b'{"type":"post","text":"hello"}'
    assert (modern.previous, modern.sequence, modern.author) == (PREVIOUS, 2, ME.id)
    legacy_value: dict[str, JsonValue] = {
        "previous": PREVIOUS,
        "author": ME.id,
        "sequence": 2,
        "timestamp": 1500000000000,
        "hash": "sha256",
        "content": {"type": "post", "text": "hello"},
    }
    legacy_value["signature"] = sign(legacy_value)
    data = encode_compact(legacy_value).encode()
    legacy = judge(data)
    assert isinstance(legacy, Message)
    assert legacy.data == data
    assert legacy.key != modern.key


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"extra": 1}, Reason.MEMBERS),
        ({"hash": ...}, Reason.MEMBERS),
        ({"signature": ...}, Reason.MEMBERS),
        ({"author": ME.id.replace(".ed25519", ".sha256")}, Reason.AUTHOR),
        ({"author": ME.id[1:]}, Reason.AUTHOR),
        ({"author": None}, Reason.AUTHOR),
        ({"author": ["@"]}, Reason.AUTHOR),
        ({"sequence": "2"}, Reason.SEQUENCE),
        ({"sequence": 2.5}, Reason.SEQUENCE),
        ({"sequence": True}, Reason.SEQUENCE),
        ({"sequence": 0}, Reason.SEQUENCE),
        ({"sequence": -1}, Reason.SEQUENCE),
        ({"sequence": 2**31}, Reason.SEQUENCE),
        ({"sequence": 1e400}, Reason.SEQUENCE),
        ({"sequence": 1}, Reason.SEQUENCE_GAP),
        ({"sequence": 3}, Reason.SEQUENCE_GAP),
        ({"previous": None}, Reason.PREVIOUS),
        ({"previous": "%" + "B" * 42 + "A=.sha256"}, Reason.PREVIOUS),
        ({"previous": 1}, Reason.PREVIOUS),
        ({"timestamp": "1500000000000"}, Reason.TIMESTAMP),
        ({"timestamp": None}, Reason.TIMESTAMP),
        ({"timestamp": True}, Reason.TIMESTAMP),
        ({"hash": "sha512"}, Reason.HASH),
        ({"hash": None}, Reason.HASH),
        ({"content": None}, Reason.CONTENT),
        ({"content": []}, Reason.CONTENT),
        ({"content": 1}, Reason.CONTENT),
        ({"content": {}}, Reason.TYPE),
        ({"content": {"type": "ab"}}, Reason.TYPE),
        ({"content": {"type": "a" * 53}}, Reason.TYPE),
        ({"content": {"type": "\U0001f600" * 27}}, Reason.TYPE),
        ({"content": {"type": 123}}, Reason.TYPE),
        ({"content": ""}, Reason.PRIVATE_TEXT),
        ({"content": "hello"}, Reason.PRIVATE_TEXT),
        ({"content": "YWJ.box"}, Reason.PRIVATE_TEXT),
        ({"content": "YR==.box"}, Reason.PRIVATE_TEXT),
        ({"content": "YWJj.Box"}, Reason.PRIVATE_TEXT),
        ({"content": "YWJj.box\n"}, Reason.PRIVATE_TEXT),
        ({"content": "YWJj.box\u2028"}, Reason.PRIVATE_TEXT),
        ({"content": " YWJj.box"}, Reason.PRIVATE_TEXT),
        ({"signature": None}, Reason.SIGNATURE_FORM),
        ({"signature": "A" * 86 + "==.sig.ed25519\n"}, Reason.SIGNATURE_FORM),
        ({"signature": "A" * 85 + "B==.sig.ed25519"}, Reason.SIGNATURE_FORM),
        ({"signature": "A" * 88 + ".sig.ed25519"}, Reason.SIGNATURE_FORM),
        ({"signature": "A" * 86 + "==.sig.ed25518"}, Reason.SIGNATURE_FORM),
        ({"signature": "A" * 86 + "==.sig.ed25519"}, Reason.SIGNATURE),
    ],
)
def test_each_fault_has_its_reason(changed: dict[str, Any], expected: Reason) -> None:
    assert reason(write(**changed)) is expected


@pytest.mark.parametrize(
    "changed",
    [
        {"timestamp": 0},
        {"timestamp": -1.5},
        {"timestamp": 1500000000000.001},
        {"timestamp": 1e-7},
        {"timestamp": 1e300},
        {"content": {"type": "abc"}},
        {"content": {"type": "a" * 52}},
        {"content": {"type": "\U0001f600" * 26}},
        {"content": "YWJj.box"},
        {"content": "YWJj.box2"},
        {"content": "YWJj.box9 and more"},
        {"content": ".box"},
        {"content": {"type": "post", "1": 2, "x": [1.5, -0.0, 1e21, {}], "\ud800": "\udfff"}},
        {"content": {"text": ',"signature":"', "type": '"content":', "content": 1}},
    ],
)
def test_odd_but_valid_messages_are_taken(changed: dict[str, Any]) -> None:
    data = write(**changed)
    message = judge(data)
    assert isinstance(message, Message), message
    assert message.data == data
    assert json.loads(message.content) == json.loads(data)["content"]


def test_the_order_of_members_counts() -> None:
    value = json.loads(write())
    for name in list(value):
        moved = {name: value[name], **value}
        if list(moved) == list(value):
            continue
        assert reason(encode_compact(moved).encode()) is Reason.MEMBERS, name


@pytest.mark.parametrize("text", ["x", "é", "€", "\U0001f600", "\n", "\x00"])
def test_the_length_is_counted_in_utf16_units_with_the_signature(text: str) -> None:
    units = len(text.encode("utf-16-le")) // 2
    written = {"\n": 2, "\x00": 6}.get(text, units)
    empty = canonicalize_exactly(write(content={"type": "post", "text": ""})).indented
    room = TEXT_UNITS_MAX - len(empty)
    fitting = text * (room // written) + "x" * (room % written)
    message = judge(write(content={"type": "post", "text": fitting}))
    assert isinstance(message, Message)
    longer = write(content={"type": "post", "text": fitting + "x"})
    assert reason(longer) is Reason.TOO_LONG


def test_spelling_and_space_do_not_matter_and_are_not_kept() -> None:
    data = write(content={"type": "post", "text": "é/\n", "n": 100})
    expected = judge(data)
    assert isinstance(expected, Message)
    value = json.loads(data)
    spelt = json.dumps(value, indent=1).replace("/", "\\/").replace(" 100", " 1E2").encode()
    assert spelt != data
    twice = data[:-1] + data[data.index(b',"signature"') :]
    slower = data.replace(b'"sequence":2', b'"sequence":2.0')
    for other in (spelt, twice, slower):
        assert judge(other) == expected


def test_a_fault_that_json_parse_finds_is_one() -> None:
    data = write()
    for bad in (
        data[:-1],
        data + b"x",
        data.replace(b"hello", b"he\tllo"),
        data.replace(b"hello", b"he\xffllo"),
        b"\xef\xbb\xbf" + data,
        data.replace(b'"hello"', b"01"),
        data.replace(b'"hello"', b"[" * 3000 + b"]" * 3000),
    ):
        assert reason(bad) is Reason.NOT_JSON


def test_other_json_is_refused_when_it_is_read() -> None:
    for data in (b"null", b"[]", b'"x"', b"1", b"true"):
        assert FORMAT.parse(data) == Rejected(Reason.NOT_OBJECT)
    no_content = b'{"author":"%b","sequence":1}' % ME.id.encode()
    assert FORMAT.parse(no_content) == Rejected(Reason.MEMBERS, ME.id, 1)
    assert FORMAT.parse(b" " * RECEIVED_BYTES_MAX + b"[]") == Rejected(Reason.TOO_LONG)
    assert reason(b" " * RECEIVED_BYTES_MAX + write()) is Reason.TOO_LONG


def test_claims_that_are_not_those_of_the_text_are_refused() -> None:
    data = write()
    assert FORMAT.chain_alone(RawMessage(OTHER.id, 2, data)) == Rejected(Reason.AUTHOR, OTHER.id, 2)
    state = FeedState(2, PREVIOUS)
    assert FORMAT.chain(RawMessage(ME.id, 3, data), state) == Rejected(Reason.SEQUENCE, ME.id, 3)
    for claimed, changed in ((1, {}), (2, {"sequence": 1, "previous": None})):
        raw = RawMessage(ME.id, claimed, write(**changed))
        assert isinstance(FORMAT.chain_alone(raw), Rejected)


def test_alone_a_message_needs_no_state_but_a_previous_that_can_be() -> None:
    later = write(sequence=77)
    chained = FORMAT.chain_alone(RawMessage(ME.id, 77, later))
    assert isinstance(chained, ChainedMessage)
    assert isinstance(FORMAT.verify(chained), Message)
    for sequence, previous in ((77, None), (77, "%x"), (1, PREVIOUS)):
        raw = RawMessage(ME.id, sequence, write(sequence=sequence, previous=previous))
        assert FORMAT.chain_alone(raw) == Rejected(Reason.PREVIOUS, ME.id, sequence)


def test_an_id_does_not_authenticate_a_text() -> None:
    data = write(content={"type": "post", "text": 'say "hi"'})
    genuine = judge(data)
    assert isinstance(genuine, Message)
    # The low byte of U+0168 is that of the letter h, so the id stays; the signature does not fit.
    forged = FORMAT.chain_alone(RawMessage(ME.id, 2, data.replace(b"hi", "\u0168i".encode())))
    assert isinstance(forged, ChainedMessage)
    assert forged.key == genuine.key
    assert forged.data != genuine.data
    assert FORMAT.verify(forged) == Rejected(Reason.SIGNATURE, ME.id, 2)


@pytest.mark.parametrize(
    "content",
    [
        {"type": "post", "text": "hello"},
        {"type": "post", "text": "héllo \ud83d, and on", "5": [1.5, 1e21, {}, []]},
    ],
)
def test_the_id_of_a_text_alone(content: dict[str, JsonValue]) -> None:
    message = judge(write(content=content))
    assert isinstance(message, Message)
    key = msg_key_bytes(message.key)
    assert FORMAT.has_key(message.data, key)
    assert not FORMAT.has_key(message.data, key[::-1])
    for at in range(len(message.data)):
        spoilt = bytearray(message.data)
        spoilt[at] ^= 1
        # The id hashes the low byte of each unit, so some letters of others leave it as it was.
        assert not FORMAT.has_key(bytes(spoilt), key) or message.data[at] > 127


@pytest.mark.parametrize(
    "content",
    [
        {"type": "post", "text": "hello"},
        {"type": "post", "text": "héllo \ud83d, and on", "5": [1.5, 1e21, {}, []]},
    ],
)
def test_the_signature_of_a_text_alone(content: dict[str, JsonValue]) -> None:
    message = judge(write(content=content))
    assert isinstance(message, Message)
    assert FORMAT.is_signed(ME.id, message.data)
    assert not FORMAT.is_signed(OTHER.id, message.data)
    assert not ClassicFormat(b"\x09" * 32).is_signed(ME.id, message.data)
    for spoilt in (
        message.data.replace(b"llo", b"lla"),
        message.data.replace(b"2,", b"3,", 1),
        message.data[:-100] + message.data[-98:],
        message.data[:90],
        b"",
    ):
        assert not FORMAT.is_signed(ME.id, spoilt)


def test_a_message_of_another_network_does_not_verify() -> None:
    keyed = ClassicFormat(b"\x01" * 32)
    message = keyed.create(b'{"type":"post"}', ME, None, 1.0)
    assert judge(message.data, None, keyed) == message
    for other in (ClassicFormat(b"\x02" * 32), FORMAT):
        verdict = judge(message.data, None, other)
        assert verdict == Rejected(Reason.SIGNATURE, ME.id, 1)
    plain = FORMAT.create(b'{"type":"post"}', ME, None, 1.0)
    assert judge(plain.data, None, keyed) == Rejected(Reason.SIGNATURE, ME.id, 1)
    # The id does not depend on the key, only on what is signed.
    assert bytes_to_sign(b"x", b"\x01" * 32) != bytes_to_sign(b"x", b"\x02" * 32)
    with pytest.raises(ValueError, match="32 bytes"):
        ClassicFormat(b"\x01" * 31)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", Reason.NOT_JSON),
        (b"{", Reason.NOT_JSON),
        (b"[]", Reason.CONTENT),
        (b"{}", Reason.TYPE),
        (b'"text"', Reason.PRIVATE_TEXT),
        (b'{"type":"post","text":"%b"}' % (b"x" * 8192), Reason.TOO_LONG),
    ],
)
def test_content_that_others_would_refuse_is_not_made(content: bytes, expected: Reason) -> None:
    with pytest.raises(ContentError) as caught:
        FORMAT.create(content, ME, None, 1.0)
    assert caught.value.reason is expected
    assert str(caught.value) == expected.value


def test_the_signature_counts_when_a_message_is_made() -> None:
    # Other programs measure before they sign, and make messages that their peers refuse.
    empty = FORMAT.create(b'{"type":"post","text":""}', ME, None, 1.0)
    room = TEXT_UNITS_MAX - len(canonicalize_exactly(empty.data).indented)
    FORMAT.create(b'{"type":"post","text":"%b"}' % (b"x" * room), ME, None, 1.0)
    with pytest.raises(ContentError) as caught:
        FORMAT.create(b'{"type":"post","text":"%b"}' % (b"x" * (room + 1)), ME, None, 1.0)
    assert caught.value.reason is Reason.TOO_LONG


def test_a_time_that_json_cannot_hold_is_not_made() -> None:
    for timestamp in (float("nan"), float("inf")):
        with pytest.raises(ContentError):
            FORMAT.create(b'{"type":"post"}', ME, None, timestamp)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["\ud800", "\udfff", "\x7f", "\u2028"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 2**33).map(str), inner, max_size=3)
    ),
    max_leaves=8,
)
contents = st.dictionaries(
    st.text(max_size=3) | st.integers(0, 2**33).map(str), json_values, max_size=4
).map(lambda members: encode_compact({**members, "type": "test"}).encode())
timestamps = st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 2**53).map(float)


@given(st.lists(st.tuples(contents, timestamps), min_size=1, max_size=4), st.booleans())
def test_what_is_made_is_believed(made: list[tuple[bytes, float]], is_keyed: bool) -> None:
    feed_format = ClassicFormat(b"\x09" * 32 if is_keyed else None)
    state = None
    for content, timestamp in made:
        message = feed_format.create(content, ME, state, timestamp)
        raw = feed_format.parse(message.data)
        assert raw == RawMessage(ME.id, 1 if state is None else state.sequence + 1, message.data)
        assert judge(message.data, state, feed_format) == message
        assert message.content == canonicalize_exactly(content).compact
        assert message.timestamp == timestamp
        state = FeedState(message.sequence, message.key)


# Compact content as a peer that is no JavaScript may write it: keys and numbers are not V8's.
foreign_contents = st.builds(
    lambda members, is_ascii: json.dumps(
        {**members, "type": "test"}, ensure_ascii=is_ascii, separators=(",", ":")
    ).encode("utf-8", "replace"),
    st.dictionaries(st.sampled_from(["a", "b", "10", "9", "01", "0"]), json_values, max_size=4),
    st.booleans(),
)
foreign_timestamps = st.builds(
    lambda number, write: write(number),
    timestamps,
    st.sampled_from([msgspec.json.encode, lambda number: repr(number).encode()]),
)


@settings(max_examples=300)
@given(contents | foreign_contents, foreign_timestamps, st.booleans())
@example(b'{"type":"post","text":"hello"}', b"1500000000000.0625", True)
@example(b'{"type":"post","5":"hello"}', b"0.1", False)
@example(b'{"type":"post","a":{"b":1,"5":2}}', b"1", False)
@example(b'{"type":"post","text":1.5}', b"1e15", False)
@example(b'{"type":"post"}', b"1e21", False)
@example(b'{"type":"post"}', b"1.5e-7", True)
@example(b'{"type":"post"}', b"100000.0", False)
@example(b'{"type":"post","text":9007199254740993}', b"0.001", False)
@example(b'{"type":"post","text":"Infinity"}', b"1", False)
@example(b'{"type":"post","text":-Infinity}', b"1", False)
@example(b'{"type":"post","text":"\\ud800"}', b"-0.0001", True)
def test_the_quick_way_and_the_exact_way_agree(
    content: bytes, timestamp: bytes, is_legacy: bool
) -> None:
    author, sequence = b'"author":"%b"' % ME.id.encode(), b'"sequence":2'
    second, third = (author, sequence) if is_legacy else (sequence, author)
    data = (
        b'{"previous":"%b",%b,%b,"timestamp":%b,"hash":"sha256","content":%b,"signature":"%b"}'
    ) % (PREVIOUS.encode(), second, third, timestamp, content, b"A" * 86 + b"==.sig.ed25519")
    quick = FORMAT.chain_alone(RawMessage(ME.id, 2, data))
    # White space alone sends a message the exact way.
    exact = FORMAT.chain_alone(RawMessage(ME.id, 2, b" " + data))
    assert quick == exact
    if holds_constant(content):
        # Python's json writes what is no JSON; both ways must say so.
        assert exact == Rejected(Reason.NOT_JSON, ME.id, 2)
        return
    assert isinstance(exact, ChainedMessage)
    text = canonicalize_exactly(data)
    assert exact.data == text.compact
    assert isinstance(text.value, dict)
    unsigned = {name: item for name, item in text.value.items() if name != "signature"}
    assert ClassicFormat().signed_bytes(exact.data) == encode_indented(unsigned).encode()


def holds_constant(content: bytes) -> bool:
    """Tell whether a number of Python's that JSON lacks is in a content; in a text it is a word."""
    found: list[str] = []
    json.loads(content, parse_constant=found.append)
    return bool(found)


def read_as_any_peer_would(data: bytes) -> RawMessage | Rejected:
    raw = FORMAT.parse(data)
    assert isinstance(raw, RawMessage | Rejected)
    return raw


@settings(max_examples=300)
@given(st.data())
def test_a_changed_message_is_never_believed_nor_raises(draw: st.DataObject) -> None:
    data = write(content={"type": "post", "text": "héllo", "n": [1, 2.5, {"0": None}]})
    place = draw.draw(st.integers(0, len(data) - 1))
    patch = draw.draw(
        st.binary(max_size=3) | st.sampled_from([b'"', b"\\u0000", b"1e", b"{", b"0"])
    )
    end = draw.draw(st.integers(place, min(len(data), place + 3)))
    changed = data[:place] + patch + data[end:]
    raw = read_as_any_peer_would(changed)
    if isinstance(raw, RawMessage):
        verdict = judge(changed)
        if isinstance(verdict, Message):
            genuine = judge(data)
            assert isinstance(genuine, Message)
            assert verdict == genuine


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    raw = read_as_any_peer_would(data)
    claimed = RawMessage(FeedId(ME.id), 2, data)
    if isinstance(raw, RawMessage):
        claimed = raw
    assert isinstance(FORMAT.chain(claimed, STATE), Rejected)
    assert isinstance(FORMAT.chain_alone(claimed), Rejected)
