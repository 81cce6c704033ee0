"""The map of the network page: honest, steady, and nobody stands on somebody else."""

import base64
import itertools
import math
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.feed.message import FeedId
from lichen.web import map as plan_of
from lichen.web.map import NODES_MAX, Neighbour, Node, Plan, Spore, draw_map, label_of
from lichen.web.rendering import Renderer
from lichen.words import words_for

Box = tuple[float, float, float, float]


def feed(seed: int) -> FeedId:
    key = random.Random(seed).randbytes(32)
    return FeedId(f"@{base64.b64encode(key).decode()}.ed25519")


OWN = feed(2**40)


def linked(*seeds: int, received: int = 3) -> list[Neighbour]:
    return [Neighbour(feed(seed), "wifi", "on this Wi-Fi", received) for seed in seeds]


def drawn(plan: Plan | None) -> Plan:
    assert plan is not None
    return plan


def boxes(node: Node) -> list[Box]:
    """Return the room of a face and that of the name above or below it."""
    radius, half = plan_of.RADIUS, plan_of.LABEL_WIDTH / 2
    top = node.y - radius - plan_of.LABEL_HEIGHT if node.is_label_above else node.y + radius
    return [
        (node.x - radius, node.y - radius, node.x + radius, node.y + radius),
        (node.x - half, top, node.x + half, top + plan_of.LABEL_HEIGHT),
    ]


def spore_box(spore: Spore) -> Box:
    return (spore.x - 6, spore.y - 6, spore.x + 6, spore.y + 6)


def is_apart(one: Box, other: Box) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def corners(ring: plan_of._Ring, number: int) -> list[Node]:
    """Somebody at a place, as far beside it as can be, each way."""
    x, y = ring.place(number)
    ways = itertools.product((-plan_of.JITTER, 0, plan_of.JITTER), repeat=2)
    who = Neighbour(feed(1), "wifi", "")
    return [Node(who, x + a, y + b, is_asleep=True, vein="", flow="") for a, b in ways]


def test_places_are_apart_however_far_each_stands_beside_its_own() -> None:
    rings = (plan_of.INNER, plan_of.OUTER)
    places = [corners(ring, number) for ring in rings for number in range(ring.places)]
    for one, other in itertools.combinations(places, 2):
        for a, b in itertools.product(one, other):
            assert all(is_apart(*pair) for pair in itertools.product(boxes(a), boxes(b)))


PEOPLE = st.lists(st.integers(0, 2**32), min_size=1, max_size=40, unique=True)


@settings(max_examples=200)
@given(PEOPLE, st.integers(0, 40), st.lists(st.integers(2**33, 2**34), max_size=8, unique=True))
def test_nobody_stands_on_somebody_else_or_outside(
    seeds: list[int], linked_count: int, at_the_door: list[int]
) -> None:
    links, asleep = linked(*seeds[:linked_count]), linked(*seeds[linked_count:])
    plan = drawn(draw_map(OWN, links, asleep, [feed(seed) for seed in at_the_door]))
    assert len(plan.nodes) == min(len(seeds), NODES_MAX)
    assert plan.more == len(seeds) + len(at_the_door) - len(plan.nodes) - len(plan.spores)
    (x, y), radius = plan_of.MIDDLE, plan_of.OWN_RADIUS
    groups = [[(x - radius, y - radius, x + radius, y + radius + 24)]]
    groups += [boxes(node) for node in plan.nodes]
    groups += [[spore_box(spore)] for spore in plan.spores]
    for one, other in itertools.combinations(groups, 2):
        assert all(is_apart(a, b) for a in one for b in other)
    left, top, width, height = map(float, plan.view_box.split())
    for box in itertools.chain.from_iterable(groups):
        assert left <= box[0]
        assert top <= box[1]
        assert box[2] <= left + width
        assert box[3] <= top + height


@given(st.permutations(range(7)))
def test_places_do_not_depend_on_the_order_or_on_what_came_in(order: list[int]) -> None:
    first = drawn(draw_map(OWN, linked(*range(7)), [], []))
    again = drawn(draw_map(OWN, linked(*order, received=9), [], []))
    assert {node.who.feed: (node.x, node.y) for node in first.nodes} == {
        node.who.feed: (node.x, node.y) for node in again.nodes
    }


def test_most_stay_when_somebody_comes() -> None:
    before = drawn(draw_map(OWN, linked(*range(5)), [], []))
    after = drawn(draw_map(OWN, linked(*range(6)), [], []))
    places = {node.who.feed: (node.x, node.y) for node in after.nodes}
    moved = [node for node in before.nodes if places[node.who.feed] != (node.x, node.y)]
    assert len(moved) <= 1


def test_nobody_at_all_is_no_map() -> None:
    assert draw_map(OWN, [], [], []) is None
    assert draw_map(OWN, linked(2**40), linked(2**40), [OWN]) is None, "not even oneself"


def test_each_is_drawn_once_as_what_is_nearest() -> None:
    plan = drawn(draw_map(OWN, linked(1), linked(1, 2, 2), [feed(1), feed(2), feed(3)]))
    assert sorted(node.is_asleep for node in plan.nodes) == [False, True]
    assert [spore.feed for spore in plan.spores] == [feed(3)]
    assert plan.more == 0


def test_a_vein_is_as_wide_as_what_came_in() -> None:
    rows = [*linked(1, received=100), *linked(2, received=50), *linked(3, received=0)]
    plan = drawn(draw_map(OWN, rows, [], []))
    width = {node.who.feed: widest(node.vein) for node in plan.nodes}
    assert width[feed(1)] > 1.5 * width[feed(2)] > 2 * width[feed(3)] > 0
    assert [node.who.feed for node in plan.nodes if not node.flow] == [feed(3)]


def widest(outline: str) -> float:
    """Return how far the two sides of a vein are apart half-way: points 7 of 15 and back."""
    numbers = [float(text) for text in re.findall(r"-?\d+\.\d", outline)]
    points = list(zip(numbers[::6], numbers[1::6], strict=True))
    return math.dist(points[7], points[22])


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Anna", "Anna"),
        ("Ana Lucía Quispe", "Ana Lucía…"),
        ("Bartholomew Featherstonehaugh", "Bartholomew…"),
        ("x" * 99, "x" * 13 + "…"),
        ("one.tidepool.example", "one.tidepool…"),
        ("中村さくら中村さくら", "中村さくら中…"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}evil", "\N{RIGHT-TO-LEFT OVERRIDE}evil"),
    ],
)
def test_labels_are_short_and_stand_for_themselves(name: str, label: str) -> None:
    assert label_of(name) == f"\u2068{label}\u2069"


def test_names_of_strangers_are_escaped_and_nothing_is_inline() -> None:
    hostile = '"><script>1</script>&'
    plan = drawn(draw_map(OWN, linked(1), linked(2), [feed(3)]))
    made = Renderer(())._environment(words_for("en"))
    made.globals |= {"name": lambda _feed: hostile, "face_path": lambda _feed: "/face/x.svg"}
    text = made.from_string('{% import "web/map.html" as map with context %}{{ map.draw(plan) }}')
    html = text.render(plan=plan, frame={"own": OWN}, ways=[("wifi", "on this Wi-Fi")])
    assert "<script" not in html
    assert hostile not in html
    assert html.count("&#34;&gt;&lt;script&gt;1&lt;/script&gt;&amp;") == 3, "labels of all"
    assert not re.search(r"\sstyle=|\son\w+=", html)
    links = re.findall(r'<a [^>]*href="/people/[A-Za-z0-9_-]{43}"[^>]*aria-label="[^"]+"', html)
    assert len(links) == 4, "two nodes, a spore and oneself"
