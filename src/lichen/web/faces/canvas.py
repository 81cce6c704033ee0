"""A face while it is drawn: elements of SVG with presentation attributes, no styles, no ids."""

import math

from lichen.web.faces.colours import Colour, hex_of
from lichen.web.faces.shapes import Wobble, lobe


class Canvas:
    """Collects what is drawn, the lowest first."""

    __slots__ = ("_drawn", "_fullness", "_notch", "wobble")

    def __init__(self, wobble: Wobble, notch: float, fullness: float) -> None:
        self.wobble = wobble
        self._notch = notch
        self._fullness = fullness
        self._drawn: list[str] = []

    def markup(self) -> str:
        """Return all that was drawn."""
        return "".join(self._drawn)

    def fill(
        self, path: str, colour: Colour, edge: Colour | None = None, width: float = 1.6
    ) -> None:
        """Draw a filled path, perhaps with a line around it."""
        self._drawn.append(f'<path d="{path}" fill="{hex_of(colour)}"{_line(edge, width)}/>')

    def disc(
        self,
        x: float,
        y: float,
        radius: float,
        colour: Colour,
        *,
        edge: Colour | None = None,
        width: float = 2,
    ) -> None:
        """Draw a disc, perhaps with a line around it."""
        self._drawn.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{hex_of(colour)}"'
            f"{_line(edge, width)}/>"
        )

    def stroke(self, path: str, colour: Colour, width: float) -> None:
        """Draw an open path as a line with round ends."""
        self._drawn.append(
            f'<path d="{path}" fill="none" stroke="{hex_of(colour)}" '
            f'stroke-width="{width:.1f}" stroke-linecap="round"/>'
        )

    def storey(
        self, count: int, reach: float, start: float, *, fill: Colour, edge: Colour, width: float
    ) -> None:
        """Draw a whorl of overlapping lobes, and a disc that closes the middle."""
        step = math.tau / count
        wobble = self.wobble
        paths = ""
        for i in range(count):
            far = reach * (1 + wobble() * 0.05)
            wide = 2 * far * 0.84 * math.tan(step / 2) * self._fullness * (1 + wobble() * 0.07)
            angle = start + i * step + wobble() * step * 0.07
            paths += lobe(angle, far, min(wide, far * 1.05), self._notch)
        # One path for all lobes: the fill joins them, the line shows each.
        self.fill(paths, fill, edge, width)
        self.disc(50, 50, reach * 0.52, fill)


def _line(edge: Colour | None, width: float) -> str:
    return f' stroke="{hex_of(edge)}" stroke-width="{width}"' if edge else ""
