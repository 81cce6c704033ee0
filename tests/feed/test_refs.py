"""Ids, links and channel names, against ssb-ref."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.feed.refs import (
    Link,
    RefError,
    blob_id_from_bytes,
    blob_key_bytes,
    extract_ref,
    feed_id_from_bytes,
    feed_key_bytes,
    is_blob_id,
    is_canonical_base64,
    is_cloaked_id,
    is_feed_id,
    is_msg_id,
    is_typed_id,
    msg_id_from_bytes,
    msg_key_bytes,
    normalize_channel,
    parse_blob_id,
    parse_feed_id,
    parse_link,
    parse_msg_id,
)

Vectors = Callable[[str], list[dict[str, Any]]]

FEED = "@KZlk189daeeoWUrnj0EBp0y1VFvNdNtemaAIHHNknvs=.ed25519"
MESSAGE = "%KZlk189daeeoWUrnj0EBp0y1VFvNdNtemaAIHHNknvs=.sha256"
BLOB = "&KZlk189daeeoWUrnj0EBp0y1VFvNdNtemaAIHHNknvs=.sha256"


def is_odd_feed(text: object) -> bool:
    """ssb-ref takes this suffix for a feed, but nothing signed by such a feed could verify."""
    return isinstance(text, str) and text.startswith("@") and text.endswith(".sha256")


def test_ids_are_told_as_by_ssb_ref(vectors: Vectors) -> None:
    for case in vectors("ids/refs.json"):
        text, verdict = case["input"], case["is"]
        assert is_feed_id(text) is (verdict["isFeed"] and not is_odd_feed(text)), text
        assert is_msg_id(text) is verdict["isMsg"], text
        assert is_blob_id(text) is verdict["isBlob"], text
        assert is_cloaked_id(text) is verdict["isCloakedMsg"], text
        is_typed = verdict["isFeedType"] or verdict["isMsgType"] or verdict["isBlobType"]
        assert is_typed_id(text) is is_typed, text


def test_links_are_read_as_by_ssb_ref(vectors: Vectors) -> None:
    for case in vectors("ids/refs.json"):
        text = case["input"]
        if not isinstance(text, str):
            continue
        link = parse_link(text)
        if not case["is"]["isLink"] or is_odd_feed(text):
            assert link is None, text
            continue
        assert link is not None, text
        assert link.target == case["parseLink"]["link"]
        unbox = case["parseLink"].get("query", {}).get("unbox")
        assert link.unbox == (unbox and unbox.removesuffix(".boxs"))


def test_references_are_found_in_text_as_by_ssb_ref(vectors: Vectors) -> None:
    for case in vectors("ids/refs.json"):
        if isinstance(case["input"], str):
            assert extract_ref(case["input"]) == case["extract"], case["input"]
    assert extract_ref(f"see [{MESSAGE}](x) and {FEED}") == MESSAGE
    assert extract_ref("https://viewer.example/" + MESSAGE.replace("%", "%25")) == MESSAGE
    assert extract_ref("&amp;KZlk189daeeoWUrnj0EBp0y1VFvNdNtemaAIHHNknvs=.sha256") == BLOB


def test_channels_are_normalized_as_by_ssb_ref(vectors: Vectors) -> None:
    for case in vectors("ids/channels.json"):
        if case["input"] is not None:
            assert normalize_channel(case["input"]) == case["normalized"], case["input"]
    assert normalize_channel("x" * 31) == "x" * 30
    assert normalize_channel("\ufeffa\x1cb\xa0c") == "a\x1cbc"
    # Half a character stands in no table and on no page.
    assert normalize_channel("x" * 29 + "\U0001f33f") == "x" * 29
    assert normalize_channel("x\ud83cy") == "xy"
    assert normalize_channel("\ud83c") is None


@given(st.binary(min_size=32, max_size=32))
def test_bytes_and_ids_are_the_same_thing(key: bytes) -> None:
    assert feed_key_bytes(parse_feed_id(feed_id_from_bytes(key))) == key
    assert msg_key_bytes(parse_msg_id(msg_id_from_bytes(key))) == key
    assert blob_key_bytes(parse_blob_id(blob_id_from_bytes(key))) == key


@pytest.mark.parametrize("parse", [parse_feed_id, parse_msg_id, parse_blob_id])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        FEED + "\n",
        " " + FEED,
        FEED.replace("vs=", "vt="),
        FEED.replace("=.", "."),
        FEED.replace("=.", "=x"),
        MESSAGE.replace("sha256", "SHA256"),
        MESSAGE.replace("+", "-").replace("K", "_"),
        "x" * 10_000,
    ],
)
def test_what_is_no_id_is_refused_in_few_words(parse: Callable[[str], str], text: str) -> None:
    with pytest.raises(RefError) as caught:
        parse(text)
    assert len(str(caught.value)) < 160


def test_ids_have_32_bytes() -> None:
    with pytest.raises(RefError):
        feed_id_from_bytes(bytes(31))


def test_no_other_value_is_an_id() -> None:
    for value in (None, 1, b"@", [FEED], {"link": FEED}):
        assert not any(is_id(value) for is_id in (is_feed_id, is_msg_id, is_blob_id))


def test_the_key_of_a_private_blob_survives_its_plus_signs() -> None:
    key = "a+/b" + FEED[5:45]
    assert parse_link(f"{BLOB}?unbox={key}") == Link(BLOB, key)
    assert parse_link(f"{BLOB}?unbox={key}.boxs") == Link(BLOB, key)
    assert parse_link(f"{BLOB}?contentType=x") == Link(BLOB)


@pytest.mark.parametrize("text", ["YQ", "YQ=", "YR==", "Y Q==", "YQ==\n", "YWJ=", "é", "YQ==YQ=="])
def test_base64_has_one_spelling(text: str) -> None:
    assert not is_canonical_base64(text)


def test_base64_in_its_one_spelling() -> None:
    for text in ("", "YQ==", "YWI=", "YWJj", "+/+/"):
        assert is_canonical_base64(text)
