"""The six ways to grow: leaf, ring, map, branch, cup, script.

Nothing is ever marked with two or three dots: they would look like the face of an animal.
"""

import math
from collections.abc import Callable

import msgspec

from lichen.web.faces.canvas import Canvas
from lichen.web.faces.colours import Palette, mix, shade
from lichen.web.faces.shapes import cell, closed, patch, polar


class Traits(msgspec.Struct, frozen=True):
    """What the bytes of a key choose, beside the form."""

    palette: Palette
    lobes: int
    turn: float
    """Radians."""
    fruit: int
    parts: int
    """How many patches or cups, as one of four steps."""

    @property
    def step(self) -> float:
        """Return the angle from one lobe to the next."""
        return math.tau / self.lobes


def _leaf(canvas: Canvas, traits: Traits) -> None:
    thallus, inner, mark = traits.palette.thallus, traits.palette.inner, traits.palette.mark
    lobes, turn, rim = traits.lobes, traits.turn, traits.palette.rim
    canvas.storey(lobes, 44, turn, fill=thallus, edge=rim, width=1.8)
    between = turn + traits.step / 2
    middle = mix(thallus, inner, 0.42)
    canvas.storey(lobes, 31, between, fill=middle, edge=mix(rim, inner, 0.5), width=1.6)
    canvas.storey(max(5, lobes - 2), 18.5, turn, fill=inner, edge=shade(inner, -0.12), width=1.4)
    if traits.fruit == 1:
        canvas.disc(50, 50, 6.5, mark)
    elif traits.fruit == 2:
        for i in range(lobes):
            canvas.disc(*polar(36, turn + i * traits.step), 3.6, mark)
    elif traits.fruit == 3:
        for i in range(5):
            canvas.disc(*polar(10, turn + i * math.tau / 5), 3, mark)


def _ring(canvas: Canvas, traits: Traits) -> None:
    thallus, inner, mark = traits.palette.thallus, traits.palette.inner, traits.palette.mark
    lobes, turn, rim, fruit = traits.lobes, traits.turn, traits.palette.rim, traits.fruit
    canvas.storey(lobes + 3, 44.5, turn, fill=thallus, edge=rim, width=1.8)
    canvas.storey(lobes + 3, 37, turn + 0.3, fill=mix(thallus, mark, 0.5), edge=rim, width=1.2)
    canvas.fill(patch(25, canvas.wobble, lobes, 0.16, turn), inner, shade(inner, -0.1))
    if fruit:
        middle = patch(5 + fruit * 3.2, canvas.wobble, 5, 0.14, turn)
        canvas.fill(middle, thallus if fruit > 1 else mark)


def _map(canvas: Canvas, traits: Traits) -> None:
    thallus, inner, mark = traits.palette.thallus, traits.palette.inner, traits.palette.mark
    turn, fruit, wobble = traits.turn, traits.fruit, canvas.wobble
    edge = shade(inner, 0.22 if inner[0] < 0.45 else -0.08)
    canvas.fill(patch(46.5, wobble, traits.lobes + 4, 0.06, turn), inner, edge)
    count = 8 + traits.parts * 2
    seeds = [
        polar(
            40 * math.sqrt((i + 0.4 + wobble() * 0.12) / count),
            turn + i * 2.399963 + wobble() * 0.12,
        )
        for i in range(count)
    ]
    for i, seed in enumerate(seeds):
        is_marked = bool(fruit) and i % (fruit + 3) == 1
        colour = mark if is_marked else mix(thallus, mark, 0.1 + 0.1 * wobble())
        canvas.fill(closed(cell(seed, seeds, 41.5, 1.7)), colour)


def _branch(canvas: Canvas, traits: Traits) -> None:
    thallus, inner, mark = traits.palette.thallus, traits.palette.inner, traits.palette.mark
    lobes, wobble = traits.lobes, canvas.wobble
    edge = shade(inner, 0.22 if inner[0] < 0.45 else -0.10)
    canvas.fill(patch(46, wobble, lobes * 2, 0.055, traits.turn), inner, edge)
    stems = twigs = tips = ""
    for i in range(lobes):
        main = traits.turn + i * traits.step + wobble() * 0.06
        bend = wobble() * 0.14
        fork = polar(21, main + bend)
        stems += f"M50 50L{fork[0]:.1f} {fork[1]:.1f}"
        for side in (-1, 1):
            tip_angle = main + bend + side * traits.step * 0.25
            joint = polar(31, main + bend + side * traits.step * 0.12)
            tip = polar(39.5 + wobble() * 2, tip_angle)
            twigs += f"M{fork[0]:.1f} {fork[1]:.1f}"
            twigs += f"Q{joint[0]:.1f} {joint[1]:.1f} {tip[0]:.1f} {tip[1]:.1f}"
            if traits.fruit > 1:
                tips += f"M{tip[0]:.1f} {tip[1]:.1f}h.01"
    wide = 10.5 - lobes * 0.45
    canvas.stroke(stems, thallus, wide)
    canvas.stroke(twigs, thallus, wide * 0.78)
    if tips:
        canvas.stroke(tips, mark, wide * 1.05)
    canvas.disc(50, 50, 9, mark if traits.fruit % 2 else thallus)


def _cup(canvas: Canvas, traits: Traits) -> None:
    thallus, inner, mark = traits.palette.thallus, traits.palette.inner, traits.palette.mark
    rim = traits.palette.rim
    canvas.storey(traits.lobes + 4, 44.5, traits.turn, fill=thallus, edge=rim, width=1.8)
    cups = (1, 4, 5, 6)[traits.parts]
    if cups == 1:
        canvas.disc(50, 50, 24, inner, edge=mark, width=6)
        canvas.disc(50, 50, 9, thallus)
        return
    away = {4: 19, 5: 21, 6: 23}[cups]
    size = {4: 10, 5: 8.8, 6: 8}[cups]
    for i in range(cups):
        x, y = polar(away, traits.turn + i * math.tau / cups)
        canvas.disc(x, y, size * (1 + canvas.wobble() * 0.08), inner, edge=mark, width=3.6)
    if traits.fruit:
        canvas.disc(50, 50, 5.5, mark)


def _script(canvas: Canvas, traits: Traits) -> None:
    thallus, inner, mark = traits.palette.thallus, traits.palette.inner, traits.palette.mark
    lobes, turn, wobble = traits.lobes, traits.turn, canvas.wobble
    ground, ink = (thallus, inner) if thallus[0] > inner[0] else (inner, thallus)
    canvas.fill(patch(46, wobble, lobes + 3, 0.09, turn), ground, shade(ground, -0.17))
    pale = mix(ground, (0.98, 0.01, ground[2]), 0.35)
    canvas.fill(patch(35, wobble, lobes + 3, 0.08, turn + 0.2), pale)
    strokes = ""
    for i in range(lobes):
        angle = turn + i * traits.step
        p = polar(10 + wobble() * 2, angle + 0.5)
        c1 = polar(20, angle + (-0.35 + wobble() * 0.3))
        c2 = polar(26, angle + (0.45 + wobble() * 0.3))
        q = polar(37 + wobble() * 3, angle + 0.05)
        strokes += f"M{p[0]:.1f} {p[1]:.1f}C{c1[0]:.1f} {c1[1]:.1f} "
        strokes += f"{c2[0]:.1f} {c2[1]:.1f} {q[0]:.1f} {q[1]:.1f}"
    canvas.stroke(strokes, shade(ink, -0.06), 9 - lobes * 0.4)
    if traits.fruit:
        can_be_seen = abs(mark[0] - ground[0]) > 0.14
        canvas.disc(50, 50, 3.5 + traits.fruit * 1.6, mark if can_be_seen else ink)


FORMS: tuple[tuple[str, Callable[[Canvas, Traits], None]], ...] = (
    ("leaf", _leaf),
    ("ring", _ring),
    ("map", _map),
    ("branch", _branch),
    ("cup", _cup),
    ("script", _script),
)
