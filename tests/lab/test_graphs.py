"""Graphs: what they promise, and their measures beside networkx."""

import networkx as nx
import numpy as np
import pytest

from lichen.lab.chance import Chance
from lichen.lab.graphs.graph import Graph, ImpossibleGraph
from lichen.lab.graphs.measures import (
    anybody,
    best_connected,
    breakdown_share,
    clustering,
    hops_from,
    largest_part,
    mean_distance,
)
from lichen.lab.graphs.orderly import clique, grid, ring, star, tree
from lichen.lab.graphs.plane import Plane
from lichen.lab.graphs.random import (
    likely_links,
    links_made,
    random_graph,
    random_regular,
    scale_free,
    small_world,
)

GRAPHS = {
    "ring": ring(60, 4),
    "star": star(40),
    "clique": clique(20),
    "tree": tree(50, 3),
    "grid": grid(7),
    "regular": random_regular(80, 5, Chance(1, "r")),
    "small world": small_world(90, 6, 0.2, Chance(1, "s")),
    "scale-free": scale_free(100, 3, Chance(1, "f")),
    "random": random_graph(70, 200, Chance(1, "g")),
    "sparse": random_graph(70, 40, Chance(1, "h")),
    "likely": likely_links(40, 0.5, Chance(1, "l")),
    "made": links_made(100, 2.5, Chance(1, "m")),
    "near": Plane(97).near(6),
    "near and far": Plane(97).near_and_far(6, 0.2, Chance(1, "n")),
}


def networkx_of(graph: Graph) -> nx.Graph:
    other = nx.Graph()
    other.add_nodes_from(range(graph.peers))
    other.add_edges_from(zip(graph.first.tolist(), graph.second.tolist(), strict=True))
    return other


@pytest.mark.parametrize("name", GRAPHS)
def test_links_are_simple_and_rows_agree(name: str) -> None:
    graph = GRAPHS[name]
    pairs = set(zip(graph.first.tolist(), graph.second.tolist(), strict=True))
    assert len(pairs) == graph.links
    assert all(first < second for first, second in pairs)
    rows = {
        (peer, end)
        for peer in range(graph.peers)
        for end in graph.ends[graph.starts[peer] : graph.starts[peer + 1]].tolist()
    }
    assert rows == pairs | {(second, first) for first, second in pairs}


@pytest.mark.parametrize("name", GRAPHS)
def test_measures_agree_with_networkx(name: str) -> None:
    graph = GRAPHS[name]
    other = networkx_of(graph)
    assert clustering(graph) == pytest.approx(nx.average_clustering(other))
    assert largest_part(graph) == max(map(len, nx.connected_components(other)))
    lengths = nx.single_source_shortest_path_length(other, 3)
    hops = hops_from(graph, np.array([3]))[0]
    assert {peer: int(hop) for peer, hop in enumerate(hops) if np.isfinite(hop)} == lengths
    if nx.is_connected(other):
        assert mean_distance(graph) == pytest.approx(nx.average_shortest_path_length(other))


def test_regular_graphs_are_regular() -> None:
    for degree in (0, 1, 2, 3, 10, 24, 25, 33, 48, 49):
        graph = random_regular(50, degree, Chance(1, "regular", degree))
        assert set(graph.degrees.tolist()) == {degree}


def test_small_world_keeps_the_number_of_links() -> None:
    for rewired in (0.0, 0.01, 0.5, 1.0):
        assert small_world(200, 6, rewired, Chance(1, "w")).links == 600
    nearest, kept = ring(200, 6), small_world(200, 6, 0.1, Chance(1, "w"))
    same = np.isin(nearest.first * 200 + nearest.second, kept.first * 200 + kept.second).mean()
    assert 0.85 < same < 0.95
    # Any link may be rewired, wherever it lies on the ring.
    left = np.isin(
        nearest.first * 200 + nearest.second, kept.first * 200 + kept.second, invert=True
    )
    for quarter in np.array_split(left, 4):
        assert 0.02 < quarter.mean() < 0.2


def test_scale_free_has_hubs_and_the_right_number_of_links() -> None:
    graph = scale_free(2000, 2, Chance(1, "hubs"))
    assert graph.links == 2 + 2 * (2000 - 3)
    assert graph.degrees.max() > 60
    assert graph.degrees.min() >= 1


def test_losses_take_whom_they_should() -> None:
    graph = star(100)
    attacked = best_connected(graph, 1, Chance(1, "x"))
    assert attacked[0]
    assert attacked.sum() == 1
    assert largest_part(graph, attacked) == 1
    chosen = anybody(graph, 30, Chance(1, "x"))
    assert chosen.sum() == 30
    assert largest_part(clique(20), anybody(clique(20), 5, Chance(1, "y"))) == 15


def test_breakdown_of_a_regular_graph_is_the_law() -> None:
    graph = random_regular(100, 5, Chance(1, "law"))
    assert breakdown_share(graph) == pytest.approx(0.75)


@pytest.mark.parametrize(
    "make",
    [
        lambda: random_regular(10, 10, Chance(1, "i")),
        lambda: random_regular(9, 3, Chance(1, "i")),
        lambda: random_regular(9, -2, Chance(1, "i")),
        lambda: small_world(10, 3, 0.1, Chance(1, "i")),
        lambda: small_world(10, 4, 1.5, Chance(1, "i")),
        lambda: random_graph(10, 46, Chance(1, "i")),
        lambda: random_graph(10, -1, Chance(1, "i")),
        lambda: scale_free(5, 5, Chance(1, "i")),
        lambda: links_made(5, 5, Chance(1, "i")),
        lambda: likely_links(5, -0.1, Chance(1, "i")),
        lambda: clique(10_001),
        lambda: tree(5, 0),
        lambda: ring(5, 6),
        lambda: Graph(0, np.empty(0, np.int64), np.empty(0, np.int64)),
    ],
)
def test_what_cannot_be_is_refused_in_words(make: object) -> None:
    assert callable(make)
    with pytest.raises(ImpossibleGraph, match=r"\w+ \w+"):
        make()


@pytest.mark.parametrize("peers", [16, 97, 1000])
def test_everybody_sees_the_same_plane_around(peers: int) -> None:
    plane = Plane(peers)
    columns = int(peers**0.5)
    places = np.arange(peers)
    for step, length in ((1, 1), (columns, 1), (columns + 1, 2**0.5), (peers - 1, 1), (0, 0)):
        assert plane.distance(places, (places + step) % peers) == pytest.approx(length)
    ways = plane.distance(places, np.zeros(peers, dtype=np.int64))
    assert ways.max() < 1.1 * (peers / 2) ** 0.5 + 1
    near = plane.near(4)
    assert set(near.degrees.tolist()) == {4}
    assert plane.length_each(near) == pytest.approx(2)


def test_a_plane_refuses_what_cannot_be() -> None:
    for degree in (3, -2, 10):
        with pytest.raises(ImpossibleGraph, match="even degree below 10"):
            Plane(10).near(degree)
