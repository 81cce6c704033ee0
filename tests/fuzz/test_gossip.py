"""The fuzz targets of the gossip room: briefly with every test run, for long on demand.

``LICHEN_FUZZ_EXAMPLES`` says how many inputs each target gets.
"""

import os
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("LICHEN_FUZZ_EXAMPLES", "150"))
GOSSIP = runpy.run_path(str(Path(__file__).parent / "gossip_targets.py"))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Take a good text and spoil it in a few places, or take bytes from nowhere."""
    data = draw(st.sampled_from(GOSSIP["SEEDS"]) | st.binary(max_size=64))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(data)))
        end = draw(st.integers(place, min(len(data), place + 4)))
        data = data[:place] + draw(st.binary(max_size=4)) + data[end:]
    return data


@pytest.mark.parametrize("target", GOSSIP["TARGETS"], ids=lambda target: target.__name__)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=damaged())
def test_nothing_is_raised(target: Callable[[bytes], None], data: bytes) -> None:
    target(data)
