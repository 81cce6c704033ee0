"""Ids as segments of a path, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.feed.refs import blob_id_from_bytes, feed_id_from_bytes, msg_id_from_bytes
from lichen.node.paths import blob_of, feed_of, message_of, segment_of


@given(st.binary(min_size=32, max_size=32))
def test_there_and_back(key: bytes) -> None:
    for make, read in (
        (feed_id_from_bytes, feed_of),
        (msg_id_from_bytes, message_of),
        (blob_id_from_bytes, blob_of),
    ):
        segment = segment_of(make(key))
        assert read(segment) == make(key)
        assert len(segment) == 43
        assert set(segment) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        )


def test_known_answer() -> None:
    feed = "@+MDEgxFBU1cqQ/gsr1m0ISOda5K3F3B60Rg9yudbYNc=.ed25519"
    assert segment_of(feed) == "-MDEgxFBU1cqQ_gsr1m0ISOda5K3F3B60Rg9yudbYNc"
    assert feed_of("-MDEgxFBU1cqQ_gsr1m0ISOda5K3F3B60Rg9yudbYNc") == feed


@pytest.mark.parametrize(
    "segment",
    [
        *("", "A" * 42, "A" * 44, "A" * 42 + "B", "A" * 42 + "=", "+" + "A" * 42, "A" * 42 + "A\n"),
        *("../../../etc/passwd", "é" * 43),
    ],
)
def test_other_segments_are_refused(segment: str) -> None:
    for read in (feed_of, message_of, blob_of):
        with pytest.raises(ValueError, match="no id"):
            read(segment)


@pytest.mark.parametrize("ref", ["", "@x", "#garden", "%" + "A" * 43 + "=.cloaked"])
def test_other_refs_have_no_path(ref: str) -> None:
    with pytest.raises(ValueError, match="has a path"):
        segment_of(ref)
