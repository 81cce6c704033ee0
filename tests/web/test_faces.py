"""Faces of keys: the same key has the same face, now and in every version."""

import hashlib
import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.web.faces import FACES_MAX, describe_face, face_svg
from lichen.web.faces.colours import PALETTES

KEYS = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize(
    ("key", "sha256", "words"),
    [
        (
            "0001010700c80001000102030405060708090a0b0c0d0e0f1011121314151617",
            "45a3e9f01bb41b7e911e3ac292b15b82a0cfc6229faab255ffe0a3aebb664c51",
            "parmelia leaf, 6 lobes",
        ),
        (
            "0103022f01aa0102000102030405060708090a0b0c0d0e0f1011121314151617",
            "7ef8232489140fa6e99fc9ce415403b25f71dce01ca76f5fc6229f3b78a3cff7",
            "lungwort ring, 7 lobes",
        ),
        (
            "02050357028c0203000102030405060708090a0b0c0d0e0f1011121314151617",
            "926f242dd592447e9141eb8ac3117a1e1fbeadf3204d66bf2ab13c0382f455d0",
            "dog map, 8 lobes",
        ),
        (
            "0307047f036e0304000102030405060708090a0b0c0d0e0f1011121314151617",
            "7f36ad9edbe9103b98802c7ea18682e678f97c5e5738d024372a5c87b67ede9a",
            "atlas branch, 9 lobes",
        ),
        (
            "040905a700500005000102030405060708090a0b0c0d0e0f1011121314151617",
            "88689fd154f1736faf75e0ac49725452eaf96b9331d83a9b46ec860f0b44fd80",
            "rain cup, 10 lobes",
        ),
        (
            "050b06cf01320106000102030405060708090a0b0c0d0e0f1011121314151617",
            "aea0587d37d06ac883a7f82c2affd75fd30cb32998cf7dc8cab5d0a555687838",
            "tar script, 5 lobes",
        ),
    ],
    ids=["leaf", "ring", "map", "branch", "cup", "script"],
)
def test_known_answers(key: str, sha256: str, words: str) -> None:
    assert hashlib.sha256(face_svg(bytes.fromhex(key)).encode()).hexdigest() == sha256
    assert describe_face(bytes.fromhex(key)) == words


def test_known_end_of_a_drawing() -> None:
    assert face_svg(bytes([4, 4, 3]) + bytes(29)).endswith(
        '<circle cx="50.0" cy="50.0" r="23.1" fill="#b3cfc2"/>'
        '<circle cx="50.0" cy="50.0" r="24.0" fill="#254a42" stroke="#da4339" stroke-width="6"/>'
        '<circle cx="50.0" cy="50.0" r="9.0" fill="#b3cfc2"/>'
    )


@settings(deadline=None)
@given(KEYS)
def test_any_key_is_drawn_with_nothing_but_shapes(key: bytes) -> None:
    drawing = ET.fromstring(f"<svg>{face_svg(key)}</svg>")
    for element in drawing.iter():
        assert element.tag in {"svg", "path", "circle"}
        assert not {"id", "style", "class", "href"} & set(element.attrib)
    assert 1_000 < len(face_svg(key)) < 12_000
    for x in places(drawing):
        assert -5 <= x <= 105


def places(drawing: ET.Element) -> Iterator[float]:
    for path in drawing.iter("path"):
        numbers = re.sub("h.01", "", path.attrib["d"])
        yield from map(float, re.findall(r"-?\d+\.?\d*", numbers))


@settings(deadline=None)
@given(KEYS, st.integers(0, 6), st.integers(1, 255))
def test_another_byte_is_another_face(key: bytes, place: int, change: int) -> None:
    other = bytearray(key)
    other[place] ^= change
    assert face_svg(bytes(other)) != face_svg(key)


def test_only_keys_have_faces() -> None:
    for length in (0, 31, 33):
        with pytest.raises(ValueError, match="32 bytes"):
            face_svg(bytes(length))


def test_faces_are_kept_within_bounds() -> None:
    for number in range(FACES_MAX + 50):
        face_svg(number.to_bytes(32, "little"))
    assert face_svg.cache_info().currsize == FACES_MAX


def test_body_and_inside_differ_in_lightness() -> None:
    for palette in PALETTES:
        assert abs(palette.thallus[0] - palette.inner[0]) >= 0.14
