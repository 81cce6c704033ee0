"""The fuzz targets of the web room, on any bytes and on spoilt and joined payloads.

``LICHEN_FUZZ_EXAMPLES`` says how many inputs each target gets.
"""

import os
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("LICHEN_FUZZ_EXAMPLES", "200"))
WEB = runpy.run_path(str(Path(__file__).parent / "web_targets.py"))


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """Join payloads and bytes from nowhere, and change a few places."""
    piece = st.sampled_from(WEB["SEEDS"]) | st.binary(max_size=12)
    data = b"".join(draw(st.lists(piece, max_size=4)))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(data)))
        data = data[:place] + draw(st.binary(max_size=4)) + data[place + draw(st.integers(0, 3)) :]
    return data


@pytest.mark.parametrize("target", WEB["TARGETS"], ids=lambda target: target.__name__)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=spoilt())
def test_any_bytes(target: Callable[[bytes], None], data: bytes) -> None:
    target(data)
