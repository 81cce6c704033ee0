"""The models as arrays: exact laws, equal engines, small cases worked out by hand."""

import math

import networkx as nx
import numpy as np
import pytest

from lichen.lab.arrays.ants import rates
from lichen.lab.arrays.beeps import Schedule, conflicts, elect, heal, uncovered
from lichen.lab.arrays.flood import flood, settled
from lichen.lab.arrays.forks import choice, crowd, equal_branches
from lichen.lab.arrays.quorum import SCOUTS, Swarm, committed_at
from lichen.lab.arrays.reconcile import Control, fairness, reconcile
from lichen.lab.arrays.repair import mend
from lichen.lab.arrays.rounds import Way, rounds_to_all
from lichen.lab.arrays.routing import greedy_steps
from lichen.lab.arrays.rumours import pull_feedback, push_blind, push_feedback
from lichen.lab.arrays.shortest import maze, solve
from lichen.lab.arrays.slime import Mesh, grow, one_in_each_cell, strewn
from lichen.lab.chance import Chance
from lichen.lab.compiled import Engine
from lichen.lab.graphs.graph import Graph
from lichen.lab.graphs.measures import anybody
from lichen.lab.graphs.orderly import clique, grid, ring, star, tree
from lichen.lab.graphs.random import random_graph, random_regular, scale_free

NETS = {
    "regular": random_regular(3000, 5, Chance(1, "a")),
    "hubs": scale_free(3000, 2, Chance(1, "b")),
    "parts": random_graph(3000, 3500, Chance(1, "c")),
    "ring": ring(500),
    "star": star(300),
}


@pytest.mark.parametrize("engine", Engine)
@pytest.mark.parametrize("net", NETS)
def test_flood_hears_at_the_distance(net: str, engine: Engine) -> None:
    graph = NETS[net]
    other = nx.Graph(zip(graph.first.tolist(), graph.second.tolist(), strict=True))
    source = int(graph.first[0])
    hops = nx.single_source_shortest_path_length(other, source)
    told = flood(graph, source, engine=engine)
    assert list(told.reached_at) == np.bincount(list(hops.values())).tolist()
    degrees = sum(dict(other.degree(hops)).values())
    assert told.sends == degrees - (len(hops) - 1)


def test_redundancy_of_a_regular_net_is_the_law() -> None:
    told = flood(NETS["regular"], 0)
    assert told.reached == 3000
    assert told.sends == 2 * NETS["regular"].links - 2999
    assert told.redundancy == pytest.approx(5 - 2, abs=0.01)
    assert flood(tree(500), 0).redundancy == 0


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_engines_agree_under_loss_and_crashes(net: str, loss: float) -> None:
    graph = NETS[net]
    is_gone = anybody(graph, graph.peers // 4, Chance(1, "gone"))
    is_gone[0] = False
    told = [
        flood(graph, 0, loss=loss, is_gone=is_gone, chance=Chance(1, "f"), engine=engine)
        for engine in Engine
    ]
    assert told[0] == told[1]
    assert told[0].reached <= (~is_gone).sum()


def test_hops_of_shares() -> None:
    told = flood(ring(11), 0)
    assert told.reached_at == (1, 2, 2, 2, 2, 2)
    assert (told.hops_at(0.5), told.hops_at(0.99), told.hops_last) == (3, 5, 5)


def test_two_peers_need_one_round_and_pull_is_no_faster_than_both() -> None:
    assert all(rounds_to_all(way, 2, Chance(1, way)) == 1 for way in Way)
    means = {
        way: np.mean([rounds_to_all(way, 500, Chance(run, way)) for run in range(30)])
        for way in Way
    }
    assert means[Way.BOTH] < means[Way.PULL] < means[Way.PUSH]


def test_rumours_lose_fewer_peers_the_longer_they_last() -> None:
    for spread in (push_feedback, push_blind, pull_feedback):
        found = [spread(300, k, 40, Chance(1, spread.__name__, k)) for k in (1, 2, 3)]
        assert found[0].residue > found[1].residue > found[2].residue
        assert found[0].traffic < found[1].traffic < found[2].traffic
    told = push_feedback(1000, 2, 100, Chance(1, "law"))
    assert told.residue == pytest.approx(math.exp(-told.traffic), rel=0.15)


def test_one_coin_at_k_1_stops_after_one_push_each() -> None:
    # Everybody who hears pushes once: messages and hearers differ by the last, useless push.
    told = push_blind(200, 1, 50, Chance(1, "coin"))
    assert told.traffic == pytest.approx(1 - told.residue, abs=1e-9)


def test_greedy_routing_without_useful_long_links_walks_the_grid() -> None:
    # With r = 8 long links are as good as neighbours: the mean distance on a torus is side / 2.
    steps = greedy_steps(20, 8, 4000, Chance(1, "walk"))
    assert 8.5 < steps.mean() < 10.2
    far = greedy_steps(400, 0, 100, Chance(1, "far")).mean()
    assert far < 100


def test_mending_respects_the_number_of_links_and_finds_nobody_dead() -> None:
    graph = random_regular(400, 5, Chance(1, "mend"))
    views = Chance(1, "views").others(400, np.repeat(np.arange(400)[:, None], 30, axis=1))
    is_gone = anybody(graph, 280, Chance(1, "gone"))
    mended = mend(graph.without(is_gone), views, is_gone, 5, Chance(1, "sweeps"))
    assert mended.degrees.max() <= 5
    assert not is_gone[mended.first].any()
    assert not is_gone[mended.second].any()
    source = int(np.flatnonzero(~is_gone)[0])
    assert flood(mended, source).reached == 120
    assert flood(graph.without(is_gone), source).reached < 120


@pytest.mark.parametrize("schedule", Schedule)
@pytest.mark.parametrize(
    "graph", [clique(40), ring(41), star(50), grid(12), NETS["parts"], NETS["hubs"]]
)
def test_leaders_are_apart_and_everybody_has_one(graph: Graph, schedule: Schedule) -> None:
    made = elect(graph, schedule, Chance(1, "mis"))
    assert conflicts(graph, made.members) == 0
    assert uncovered(graph, made.members) == 0
    assert made.beeps >= made.members.sum()


def test_faults_of_elections_are_seen() -> None:
    graph = ring(6)
    nobody, everybody = np.zeros(6, dtype=bool), np.ones(6, dtype=bool)
    assert (conflicts(graph, nobody), uncovered(graph, nobody)) == (0, 6)
    assert (conflicts(graph, everybody), uncovered(graph, everybody)) == (6, 0)


def test_members_that_clash_heal() -> None:
    graph = NETS["regular"]
    made = elect(graph, Schedule.FEEDBACK, Chance(1, "loss"), loss=0.3)
    assert conflicts(graph, made.members) > 0
    joined_at = np.array(made.joined_at)
    epochs, members = heal(graph, joined_at, Chance(1, "heal"), loss=0.3, epochs_max=50)
    assert 0 < epochs <= 50
    assert conflicts(graph, members) == 0


def test_stop_signals_break_a_tie() -> None:
    stopped = committed_at(Swarm((1.0, 1.0), 2.0), 60, 20, Chance(1, "stop")).max(axis=1)
    assert (stopped > 0.8 * SCOUTS).all()
    split = committed_at(Swarm((1.0, 1.0), 0.0), 60, 20, Chance(1, "stop")).max(axis=1)
    assert (split < 0.75 * SCOUTS).mean() > 0.5


def test_choice_at_a_fork() -> None:
    even, odd = np.array([5.0]), np.array([65.0])
    assert choice(even, even, 2, 20)[0] == 0.5
    assert choice(odd, even, 2, 20)[0] == pytest.approx(85**2 / (85**2 + 25**2))
    _share, late = equal_branches(1, 20, 200, Chance(1, "linear"), ants=400, last=200)
    assert (late < 0.8).all()


def test_a_crowd_that_nobody_begins_never_acts_without_pledges() -> None:
    plain, pledged = crowd(1000, 0.25, 0.05, Chance(1, "crowd"))
    assert (plain, pledged) == (0.0, 1.0)


def test_rates_settle_where_the_law_says() -> None:
    returns = Chance(1, "returns").poisson(np.full((400, 200), 0.5))
    alpha = rates(returns, 0.1, 0.05, 0.01, Chance(1, "ants"))
    assert alpha[200:].mean() == pytest.approx(0.1 * 0.5 / 0.05, rel=0.03)


def test_mould_finds_the_shortest_path() -> None:
    mazes = [maze(30, 70, Chance(number, "maze")) for number in range(6)]
    clear = [one for one in mazes if one.margin >= 0.05]
    assert len(clear) >= 3
    assert all(solve(clear, 30, 0.1, 1500))


def test_mould_joins_cities_with_more_than_a_tree() -> None:
    chance = Chance(3, "mould")
    mesh = Mesh(strewn(150, chance), 8, 0.25, chance)
    mould = grow(mesh, chance, flow=3.65, gamma=1.8, dt=0.03, steps=800)
    assert mould.is_connected
    assert 1.0 <= mould.cost < 3.0
    assert 0.4 < mould.distance < 1.2
    assert 0.0 <= mould.fault_tolerance <= 1.0
    assert mould.share_whole == 1


def test_an_even_mesh_has_one_point_in_each_cell() -> None:
    places = one_in_each_cell(4, 3, Chance(1, "mesh"))
    cells = (places * [4, 3]).astype(int)
    assert {(int(column), int(row)) for column, row in cells} == {
        (column, row) for column in range(4) for row in range(3)
    }


def test_flow_control_bounds_how_stale_news_gets_and_is_fair() -> None:
    # 32 participants, about 50 updates a second for each: 1.56 of every origin.
    wanted = np.full(32, 4.0)
    free = reconcile(wanted, 25, 120, None, Chance(1, "free"))
    assert free.staleness[-1] > 1.5 * free.staleness[60]
    assert free.staleness[-1] > 60
    held = reconcile(wanted, 25, 120, Control(step=0.02, share=0.2), Chance(1, "held"))
    assert held.staleness[60:].max() < 15
    assert fairness(held.rates) > 0.95
    assert 0.3 < held.rates.mean() < 1.6


def test_what_fits_arrives_within_the_rounds_that_gossip_takes() -> None:
    done = reconcile(np.full(16, 1.0), 100, 40, None, Chance(1, "fits"))
    assert done.staleness[10:].max() <= 8


def test_fairness_is_jains_index() -> None:
    assert fairness(np.array([2.0, 2.0, 2.0])) == pytest.approx(1)
    assert fairness(np.array([1.0, 0.0, 0.0, 0.0])) == pytest.approx(0.25)


def test_settled_sources_are_the_tree_of_shortest_delays() -> None:
    square = Graph(5, np.array([0, 0, 1, 2, 1]), np.array([1, 2, 3, 3, 2]))
    delays_s = np.where(np.repeat(np.arange(5), square.degrees) == 2, 1.0, 3.0)
    told = settled(square, delays_s, 0, 0.5)
    # 0 tells 1 and 2 at once, both know at 3.5; 2 is the quicker one and tells 3 at 5.
    assert told.at_s.tolist() == [0.0, 3.5, 3.5, 5.0, np.inf]
    assert told.hops.tolist() == [0, 1, 1, 2, -1]
    assert told.sends == 3
    assert told.reached == 4
    assert told.redundancy == 0.0
    # 1 and 2 note to each other, so do 1 and 3: nobody's note comes before the other's.
    assert told.notes == 4


def test_a_note_is_spared_where_the_other_side_has_told_before() -> None:
    triangle = Graph(3, np.array([0, 1, 0]), np.array([1, 2, 2]))
    speakers = np.repeat(np.arange(3), triangle.degrees)
    is_slow = (speakers != 1) & (triangle.ends != 1)
    # By way of 1 the message is in the log of 2 at 3.0; what 0 notes to it comes at 5.0, or 2.7.
    for slow_s, notes in ((5.0, 2), (2.7, 1)):
        told = settled(triangle, np.where(is_slow, slow_s, 1.0), 0, 0.5)
        assert (told.hops.tolist(), told.at_s.tolist()) == ([0, 1, 2], [0.0, 1.5, 3.0])
        assert (told.sends, told.notes) == (2, notes)
