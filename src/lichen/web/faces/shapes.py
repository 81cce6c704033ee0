"""The shapes that faces are made of, as SVG path data in a box of 100 x 100 units."""

import hashlib
import math
from collections.abc import Sequence

Point = tuple[float, float]

ROUNDING_EDGE_MIN = 5
"""Longer edges of a patch keep a straight part; shorter ones become round altogether."""


class Wobble:
    """Endless small numbers in -1..1 from a hash of the key."""

    __slots__ = ("_at", "_pool")

    def __init__(self, key: bytes) -> None:
        self._pool = hashlib.blake2b(b"lichen avatar 1" + key, digest_size=64).digest()
        self._at = 0

    def __call__(self) -> float:
        """Return the next number."""
        value = self._pool[self._at % 64] ^ (self._at // 64 * 37 & 255)
        self._at += 1
        return value / 127.5 - 1


def polar(radius: float, angle: float) -> Point:
    """Return the point at this distance and direction from the middle."""
    return 50 + radius * math.cos(angle), 50 + radius * math.sin(angle)


def closed(points: Sequence[Point]) -> str:
    """Return a smooth closed path through the points (Catmull-Rom as cubics)."""
    count = len(points)
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for i in range(count):
        p0, p1, p2, p3 = (points[(i + k) % count] for k in (-1, 0, 1, 2))
        c1 = (p1[0] + (p2[0] - p0[0]) / 6, p1[1] + (p2[1] - p0[1]) / 6)
        c2 = (p2[0] - (p3[0] - p1[0]) / 6, p2[1] - (p3[1] - p1[1]) / 6)
        path += f"C{c1[0]:.1f} {c1[1]:.1f} {c2[0]:.1f} {c2[1]:.1f} {p2[0]:.1f} {p2[1]:.1f}"
    return path + "z"


def lobe(angle: float, reach: float, width: float, notch: float) -> str:
    """Return one rounded lobe from near the middle; a notch makes its tip heart-shaped."""
    half = width / 2
    local = [
        (4, -half * 0.30),
        (reach * 0.55, -half * 0.72),
        (reach * 0.84, -half),
        (reach, -half * 0.52),
        (reach * (1.01 - notch), 0),
        (reach, half * 0.52),
        (reach * 0.84, half),
        (reach * 0.55, half * 0.72),
        (4, half * 0.30),
    ]
    cos, sin = math.cos(angle), math.sin(angle)
    return closed([(50 + x * cos - y * sin, 50 + x * sin + y * cos) for x, y in local])


def patch(radius: float, wobble: Wobble, bumps: int, depth: float, turn: float) -> str:
    """Return a round patch with a bumpy edge."""
    points = []
    for i in range(bumps * 2):
        bump = 1.0 if i % 2 == 0 else 1 - depth
        points.append(polar(radius * bump * (1 + wobble() * 0.05), turn + i * math.pi / bumps))
    return closed(points)


def cell(seed: Point, seeds: Sequence[Point], radius: float, gap: float) -> list[Point]:
    """Return the part of a disc nearer to ``seed`` than to any other, shrunk by ``gap``."""
    shape = [polar(radius, i * math.tau / 24) for i in range(24)]
    for other in seeds:
        if other is not seed:
            shape = _cut(shape, seed, other, gap)
    return _rounded(shape)


def _cut(shape: Sequence[Point], seed: Point, other: Point, gap: float) -> list[Point]:
    """Return what lies on the seed's side of the line between two seeds."""
    nx, ny = other[0] - seed[0], other[1] - seed[1]
    length = math.hypot(nx, ny)
    nx, ny = nx / length, ny / length
    limit = length / 2 - gap
    kept: list[Point] = []
    for i, point in enumerate(shape):
        before = shape[i - 1]
        d0 = (before[0] - seed[0]) * nx + (before[1] - seed[1]) * ny - limit
        d1 = (point[0] - seed[0]) * nx + (point[1] - seed[1]) * ny - limit
        if (d0 > 0) != (d1 > 0):
            kept.append(_between(before, point, d0 / (d0 - d1)))
        if d1 <= 0:
            kept.append(point)
    return kept


def _rounded(shape: Sequence[Point]) -> list[Point]:
    """Replace every edge by its middle, a long one by its two quarter points."""
    rounded: list[Point] = []
    for i, point in enumerate(shape):
        after = shape[(i + 1) % len(shape)]
        if math.dist(point, after) > ROUNDING_EDGE_MIN:
            rounded += [_between(point, after, share) for share in (0.25, 0.75)]
        else:
            rounded.append(((point[0] + after[0]) / 2, (point[1] + after[1]) / 2))
    return rounded


def _between(one: Point, two: Point, share: float) -> Point:
    return one[0] + (two[0] - one[0]) * share, one[1] + (two[1] - one[1]) * share
