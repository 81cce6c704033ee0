"""The fuzz targets of the wire room: any bytes, and bytes that look like frames or addresses.

``LICHEN_FUZZ_EXAMPLES`` says how many inputs each target gets.
"""

import os
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.wire.packets import pack_header

EXAMPLES = int(os.environ.get("LICHEN_FUZZ_EXAMPLES", "150"))
TARGETS = runpy.run_path(str(Path(__file__).parent / "wire_targets.py"))["TARGETS"]

bodies = st.one_of(
    st.sampled_from(
        [
            b"true",
            b'{"name":["a"],"args":[]}',
            b'{"name":["a"],"args":[],"type":"source"}',
            b'{"name":"a","args":[1],"type":"duplex"}',
            b'{"name":["a"],"args":[],"type":"sink"}',
            b'{"message":"no","name":"Error","stack":""}',
        ]
    ),
    st.binary(max_size=40),
)
plausible_frames = st.lists(
    st.builds(
        lambda flags, number, body: pack_header(flags, len(body), number) + body,
        st.sampled_from([0, 1, 2, 3, 4, 6, 8, 9, 10, 12, 13, 14, 0xFA]),
        st.integers(-6, 6) | st.integers(-(2**31), 2**31 - 1),
        bodies,
    ),
    max_size=12,
).map(b"".join)

plausible_addresses = st.lists(
    st.sampled_from(
        [
            b"net:192.168.1.2:8008~shs:izoMgEFmjBZ0VJkaRQ3nSBYYUv5wdBpuUFdVPTgRDaI=",
            b"192.168.1.2:8008:@izoMgEFmjBZ0VJkaRQ3nSBYYUv5wdBpuUFdVPTgRDaI=.ed25519",
            b"net:fe80::1%x:8008~shs:izoMgEFmjBZ0VJkaRQ3nSBYYUv5wdBpuUFdVPTgRDaI=",
            b"ws://a.example~shs:izoMgEFmjBZ0VJkaRQ3nSBYYUv5wdBpuUFdVPTgRDaI=",
            b";", b"~", b":", b"!", b"@", b"net", b"\\u0000", b'"',
        ]
    )
    | st.binary(max_size=3),
    max_size=8,
).map(b"".join)  # fmt: skip


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.binary(max_size=400) | plausible_frames | plausible_addresses)
def test_nothing_but_refusals(target: Callable[[bytes], None], data: bytes) -> None:
    target(data)
