"""The map of the network page: you in the middle, a vein to each neighbour, drawn from real links.

A slime mould feeds the tubes that bring it most. So a vein is as wide as its conductance: what came
in over it, relative to the busiest link. An address that is known and not connected is a dotted
line to somebody asleep, and who is heard at the door is a spore. Nothing is drawn that is not so.

Places follow from keys: the same people stand in the same places however often the page is loaded,
and whoever comes or goes moves at most those who wanted the same place. Only coordinates and path
data come out; a template draws them, so that names and addresses of strangers pass through its
escaping.
"""

import hashlib
import math
import unicodedata
from collections.abc import Sequence

import msgspec

from lichen.feed.message import FeedId
from lichen.web.faces.shapes import Point, Wobble, closed

NODES_MAX = 24
"""More faces than this cannot be told apart on one screen; the rest is counted."""
SPORES_MAX = 6
LABEL_COLUMNS_MAX = 13
"""Columns of a name under its face, wide letters counting two: what fits between neighbours."""

MIDDLE: Point = (500.0, 330.0)
OWN_RADIUS = 54.0
RADIUS = 30.0
LABEL_WIDTH, LABEL_HEIGHT = 112.0, 36.0
"""The room that a name and the line below it take."""
LABEL_ABOVE_FROM = 70.0
"""Who stands higher above the middle than this has the name above the face."""
JITTER = 3.0
"""Each stands so far beside its place that a ring does not look like a clock."""

WIDTH_MIN, WIDTH_GROWTH = 3.0, 16.0
"""A vein is ``WIDTH_MIN + WIDTH_GROWTH * conductance`` units wide."""
_LOOSE = " .,:;-"
"""What does not stand well before an ellipsis."""
_STEPS = 14
"""Points on each side of a vein."""


class _Ring(msgspec.Struct, frozen=True):
    """An ellipse with places on it. ``stride`` is how far on the next place is tried."""

    places: int
    width: float
    height: float
    turn: float
    stride: int

    def place(self, number: int) -> Point:
        return self.at(self.turn + number * math.tau / self.places)

    def at(self, angle: float) -> Point:
        return (
            MIDDLE[0] + self.width * math.cos(angle),
            MIDDLE[1] + self.height * math.sin(angle),
        )


# Strides have no divisor in common with the number of places, so every place is tried in the end.
INNER = _Ring(places=9, width=224.0, height=172.0, turn=-1.75, stride=4)
OUTER = _Ring(places=15, width=432.0, height=287.0, turn=-1.57, stride=4)
_SPORES = _Ring(places=9, width=286.0, height=230.0, turn=-1.75 + math.pi / 9, stride=4)


class Neighbour(msgspec.Struct, frozen=True):
    """A link to draw. ``way`` is how we met, as the veins' colours say it, and ``met`` in words."""

    feed: FeedId
    way: str
    met: str
    received: int = 0


class Node(msgspec.Struct, frozen=True):
    """Somebody on the map: where, and the vein from the middle; asleep it is a dotted line."""

    who: Neighbour
    x: float
    y: float
    is_asleep: bool
    vein: str
    flow: str
    """The way that news takes to the middle; empty where none came."""

    @property
    def is_label_above(self) -> bool:
        """Tell whether the name stands above the face, where no vein crosses it."""
        return self.y < MIDDLE[1] - LABEL_ABOVE_FROM


class Spore(msgspec.Struct, frozen=True):
    """Somebody at the door."""

    feed: FeedId
    x: float
    y: float


class Plan(msgspec.Struct, frozen=True):
    """The whole map, in units of its view box."""

    nodes: tuple[Node, ...]
    spores: tuple[Spore, ...]
    more: int
    """How many there are beside those that are drawn."""
    hops: tuple[str, ...]
    """Growth rings: around those who are heard directly, and the edge of the map."""
    is_wide: bool
    """Whether the outer ring is in use."""

    @property
    def view_box(self) -> str:
        """Return the part of the plane that is shown."""
        return "0 -36 1000 728" if self.is_wide else "0 50 1000 580"


def draw_map(
    own: FeedId,
    links: Sequence[Neighbour],
    asleep: Sequence[Neighbour],
    door: Sequence[FeedId],
) -> Plan | None:
    """Return the map of these links, of addresses not connected, of peers at the door; None: empty.

    Each peer is drawn once, as the first of link, address and door that it has.
    """
    linked = _by_feed(links, {own})
    absent = _by_feed(asleep, {own, *linked})
    waiting = dict.fromkeys(feed for feed in door if feed not in {own, *linked, *absent})
    if not linked and not absent and not waiting:
        return None
    drawn = [*_in_order(linked), *_in_order(absent)][:NODES_MAX]
    busiest = max((each.received for each in linked.values()), default=0)
    is_wide = len(drawn) > INNER.places
    nodes = [
        _draw(each, place, busiest, is_asleep=each.feed not in linked)
        for each, place in zip(drawn, _places(drawn), strict=True)
    ]
    spores = _spores(sorted(waiting, key=_order)[:SPORES_MAX])
    wobble = Wobble(_digest(own))
    return Plan(
        nodes=tuple(nodes),
        spores=tuple(spores),
        more=len(linked) + len(absent) - len(nodes) + len(waiting) - len(spores),
        hops=(
            _growth_ring(310.0, 232.0, wobble),
            _growth_ring(470.0 if is_wide else 440.0, 318.0 if is_wide else 264.0, wobble),
            _growth_ring(482.0 if is_wide else 456.0, 328.0 if is_wide else 274.0, wobble),
        ),
        is_wide=is_wide,
    )


def label_of(name: str) -> str:
    """Return a name short enough to stand under a face, kept apart from texts of its direction."""
    columns, kept = 0, ""
    for character in name:
        columns += _columns(character)
        if columns > LABEL_COLUMNS_MAX:
            whole_words = kept.rpartition(" ")[0].rstrip()
            kept = f"{(whole_words or kept).rstrip(_LOOSE)}…"
            break
        kept += character
    return f"\N{FIRST STRONG ISOLATE}{kept}\N{POP DIRECTIONAL ISOLATE}"


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _by_feed(rows: Sequence[Neighbour], taken: set[FeedId]) -> dict[FeedId, Neighbour]:
    found: dict[FeedId, Neighbour] = {}
    for row in rows:
        if row.feed not in taken:
            found.setdefault(row.feed, row)
    return found


def _digest(feed: FeedId) -> bytes:
    return hashlib.blake2b(b"lichen map 1" + feed.encode(), digest_size=32).digest()


def _order(feed: FeedId) -> bytes:
    return _digest(feed)


def _in_order(rows: dict[FeedId, Neighbour]) -> list[Neighbour]:
    return [rows[feed] for feed in sorted(rows, key=_order)]


def _places(drawn: Sequence[Neighbour]) -> list[Point]:
    """Return a place for each: the one its key asks for, or the next that is free."""
    free = {ring.width: set(range(ring.places)) for ring in (INNER, OUTER)}
    found: list[Point] = []
    for each in drawn:
        ring = INNER if free[INNER.width] else OUTER
        found.append(_settle(each.feed, ring, free[ring.width]))
    return found


def _settle(feed: FeedId, ring: _Ring, free: set[int]) -> Point:
    digest = _digest(feed)
    number = digest[0] % ring.places
    while number not in free:
        number = (number + ring.stride) % ring.places
    free.remove(number)
    x, y = ring.place(number)
    return (
        round(x + (digest[1] / 127.5 - 1) * JITTER, 1),
        round(y + (digest[2] / 127.5 - 1) * JITTER, 1),
    )


def _spores(feeds: Sequence[FeedId]) -> list[Spore]:
    free = set(range(_SPORES.places))
    found: list[Spore] = []
    for feed in feeds:
        number = _digest(feed)[0] % _SPORES.places
        while number not in free:
            number = (number + _SPORES.stride) % _SPORES.places
        free.remove(number)
        x, y = _SPORES.place(number)
        found.append(Spore(feed, round(x, 1), round(y, 1)))
    return found


def _draw(who: Neighbour, place: Point, busiest: int, *, is_asleep: bool) -> Node:
    course = _course(place, Wobble(_digest(who.feed)))
    if is_asleep:
        return Node(who, *place, is_asleep=True, vein=_curve(course), flow="")
    conductance = who.received / busiest if busiest else 0.0
    vein = _vein(course, WIDTH_MIN + WIDTH_GROWTH * conductance, Wobble(_digest(who.feed)))
    flow = _curve(course[::-1]) if who.received else ""
    return Node(who, *place, is_asleep=False, vein=vein, flow=flow)


def _course(end: Point, wobble: Wobble) -> tuple[Point, Point, Point, Point]:
    """Return the four points of a curve from under the own face to under another one.

    The way to the outer ring leads through the nearest gap of the inner one.
    """
    across, down = end[0] - MIDDLE[0], end[1] - MIDDLE[1]
    length = math.hypot(across, down)
    along = (across / length, down / length)
    first, last = OWN_RADIUS * 0.7, length - RADIUS * 0.6
    bend = wobble() * length * 0.13

    def point(reach: float, aside: float) -> Point:
        return (
            MIDDLE[0] + along[0] * reach - along[1] * aside,
            MIDDLE[1] + along[1] * reach + along[0] * aside,
        )

    span = last - first
    if length > INNER.width + RADIUS or abs(down) > INNER.height + RADIUS:
        gap = _gap_towards(end)
        return _between(MIDDLE, gap, 0.2), _between(MIDDLE, gap, 0.75), gap, point(last, 0)
    return (
        point(first, 0),
        point(first + span / 3, bend),
        point(first + span * 2 / 3, -bend),
        point(last, 0),
    )


def _gap_towards(end: Point) -> Point:
    """Return a point beyond the middle of that gap of the inner ring which leads to a place."""
    angle = math.atan2((end[1] - MIDDLE[1]) / OUTER.height, (end[0] - MIDDLE[0]) / OUTER.width)
    step = math.tau / INNER.places
    gap = INNER.turn + (math.floor((angle - INNER.turn) / step) + 0.5) * step
    return _between(MIDDLE, INNER.at(gap), 1.3)


def _between(start: Point, end: Point, share: float) -> Point:
    return (
        start[0] + (end[0] - start[0]) * share,
        start[1] + (end[1] - start[1]) * share,
    )


def _curve(course: Sequence[Point]) -> str:
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = course
    return f"M{ax:.1f} {ay:.1f}C{bx:.1f} {by:.1f} {cx:.1f} {cy:.1f} {dx:.1f} {dy:.1f}"


def _vein(course: Sequence[Point], width: float, wobble: Wobble) -> str:
    """Return the outline of a tube that is ``width`` wide in the middle and thinner outwards."""
    left: list[Point] = []
    right: list[Point] = []
    for step in range(_STEPS + 1):
        t = step / _STEPS
        (x, y), (across, down) = _on_curve(course, t), _direction(course, t)
        flare = 0.35 * (1 - t) ** 6
        half = width / 2 * (1.2 - 0.4 * t + flare + 0.07 * wobble())
        left.append((x - down * half, y + across * half))
        right.append((x + down * half, y - across * half))
    return closed([*left, *reversed(right)])


def _on_curve(course: Sequence[Point], t: float) -> Point:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    return (
        sum(weight * point[0] for weight, point in zip(weights, course, strict=True)),
        sum(weight * point[1] for weight, point in zip(weights, course, strict=True)),
    )


def _direction(course: Sequence[Point], t: float) -> Point:
    ahead, behind = _on_curve(course, min(1.0, t + 0.01)), _on_curve(course, max(0.0, t - 0.01))
    across, down = ahead[0] - behind[0], ahead[1] - behind[1]
    length = math.hypot(across, down)
    return across / length, down / length


def _growth_ring(width: float, height: float, wobble: Wobble) -> str:
    points = []
    for step in range(18):
        angle = step * math.tau / 18
        reach = 1 + 0.025 * wobble()
        points.append(
            (
                MIDDLE[0] + width * reach * math.cos(angle),
                MIDDLE[1] + height * reach * math.sin(angle),
            )
        )
    return closed(points)
