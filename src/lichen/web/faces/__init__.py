"""Faces: a lichen drawn for each key, so that people are told apart at a glance.

Each large trait comes from one named byte of the key, so two keys differ in several things one can
say aloud: the leafy gold one with nine lobes. A hash of the key adds small irregularities that make
it look grown. A face is an aid to the eye, no proof: keys can be searched for that look alike.
"""

import math
from functools import lru_cache

from lichen.web.faces.canvas import Canvas
from lichen.web.faces.colours import PALETTES
from lichen.web.faces.forms import FORMS, Traits
from lichen.web.faces.shapes import Wobble

FACES_MAX = 1024
"""Faces kept drawn: some 5 MB."""


@lru_cache(FACES_MAX)
def face_svg(key: bytes) -> str:
    """Draw the face of a key of 32 bytes: what stands inside a ``<symbol>`` of 100 x 100 units."""
    if len(key) != 32:
        raise ValueError("a key has 32 bytes")
    palette = PALETTES[key[1] % len(PALETTES)]
    traits = Traits(
        palette=palette,
        lobes=5 + key[2] % 6,
        turn=key[3] / 256 * math.tau,
        fruit=key[6] % 4,
        parts=key[7] % 4,
    )
    canvas = Canvas(
        wobble=Wobble(key),
        notch=(0.0, 0.0, 0.10, 0.17)[key[4] % 4],
        fullness=1.0 + key[5] / 255 * 0.35,
    )
    _name, draw = FORMS[key[0] % len(FORMS)]
    draw(canvas, traits)
    return canvas.markup()


def describe_face(key: bytes) -> str:
    """Return what a person would say of the face; the names of palettes are those of lichens."""
    form, _draw = FORMS[key[0] % len(FORMS)]
    return f"{PALETTES[key[1] % len(PALETTES)].name} {form}, {5 + key[2] % 6} lobes"
