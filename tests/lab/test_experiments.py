"""Experiments: the same bytes from the same seed, bounds, and what each is there to show."""

import gc
import os
import subprocess
import sys

import pytest

from lichen.lab.experiments.catalogue import (
    BROADCAST,
    DEGREE,
    ELECTION,
    EXPERIMENTS,
    FLOOD,
    GOSSIP,
    JOINING,
    TOPOLOGY,
)
from lichen.lab.experiments.experiment import Impossible, ResultRow, Values, perform
from lichen.lab.experiments.topology import best_of_both
from lichen.lab.world.garbage import rare_collections

SMALL: dict[str, Values] = {
    "topology": {"peers": 120, "loss": 0.05},
    "degree": {"peers": 200},
    "election": {"peers": 120, "net": "random", "loss": 0.05},
    "broadcast": {"peers": 200},
    "flood": {"peers": 3000, "loss": 0.1, "gone": 0.1},
    "gossip": {"peers": 30, "churn": 0.2, "loss": 0.5, "byzantine": 0.2},
    "joining": {"messages": 2000, "feeds": 50},
}


def number(row: ResultRow, name: str) -> float:
    value = row[name]
    assert isinstance(value, int | float), name
    return value


def by(rows: list[ResultRow], name: str) -> dict[object, ResultRow]:
    return {row[name]: row for row in rows}  # type: ignore[misc]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_seed_is_the_whole_story(name: str) -> None:
    first, again, other = (perform(EXPERIMENTS[name], seed, SMALL[name]) for seed in (7, 7, 8))
    assert first.line() == again.line()
    assert first.hash != other.hash
    assert set(first.parameters) == {one.name for one in EXPERIMENTS[name].parameters}


def test_a_newcomer_reads_the_nearest_people_long_before_all_is_there() -> None:
    (row,) = perform(JOINING, 7, {"messages": 5000, "megabits": 1.0}).results
    ways_s = 1.0
    assert number(row, "near_s") < number(row, "least_s") * 1.2 + ways_s
    assert number(row, "near_s") < number(row, "all_s") / 5


def test_nothing_depends_on_pythons_hash_seed() -> None:
    script = (
        "from lichen.lab.experiments.catalogue import EXPERIMENTS\n"
        "from lichen.lab.experiments.experiment import perform\n"
        "from lichen.lab.report.page import report\n"
        "from lichen.words import words_for\n"
        "from lichen.lab.reproduce.catalogue import load\n"
        "from lichen.lab.reproduce.table import Effort\n"
        "for name, one in EXPERIMENTS.items():\n"
        "    run = perform(one, 7, {'peers': 30 if name == 'gossip' else 200})\n"
        "    print(run.line())\n"
        "    print(report([run], words_for('en')))\n"
        "for name in ('gossip/trees', 'beeps/loss', 'small_world/repair', 'slime/shortest-path'):\n"
        "    print(load(name).rows(Effort(3, 0.1)))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "4242")
    }
    assert len(outputs) == 1
    assert len(outputs.pop()) > 10_000


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_parameters_say_what_they_are(name: str) -> None:
    experiment = EXPERIMENTS[name]
    for one in experiment.parameters:
        assert one.parse(str(one.default)) == one.default
        assert one.words
        with pytest.raises(Impossible, match=one.flag):
            one.parse("nan")
        if not one.choices:
            with pytest.raises(Impossible, match="between"):
                one.parse("-1")


def test_hubs_fall_to_an_attack_and_sparse_nets_without_hubs_do_not() -> None:
    values: Values = {"peers": 400, "cost": "equal", "loss": 0.0, "latency": 0.0}
    rows = by(perform(TOPOLOGY, 1, values).results, "net")
    assert number(rows["star"], "reach_attack") < 0.02
    assert number(rows["scale-free"], "reach_attack") < 0.7
    assert number(rows["regular"], "reach_attack") > 0.98
    assert number(rows["small-world"], "reach_attack") > 0.8
    assert number(rows["clique"], "infected") > 0.9
    assert number(rows["regular"], "infected") < 0.2
    assert number(rows["star"], "rounds_p99") > 100
    assert rows["regular"]["is_best_of_both"] is True
    assert rows["ring"]["is_best_of_both"] is False


def test_free_cost_makes_the_star_fast_and_noise_breaks_the_tree() -> None:
    quiet: Values = {"peers": 400, "cost": "free", "loss": 0.0, "latency": 0.0}
    free = by(perform(TOPOLOGY, 1, quiet).results, "net")
    assert number(free["star"], "rounds_p99") <= 2
    assert number(free["clique"], "rounds_p99") == 1
    values: Values = {"peers": 400, "cost": "equal", "loss": 0.2}
    noisy = by(perform(TOPOLOGY, 1, values).results, "net")
    assert noisy["tree"]["rounds_p90"] is None
    assert number(noisy["tree"], "rounds_p90_quiet") < 40
    assert number(noisy["regular"], "reach") > 0.98


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_small_worlds_win_where_links_cost_their_length_and_only_there(seed: int) -> None:
    dear = by(perform(TOPOLOGY, seed, {}).results, "net")
    small, regular = dear["small-world"], dear["regular"]
    assert small["is_best_of_both"] is True
    assert number(small, "rounds_p90") < number(regular, "rounds_p90")
    assert number(small, "robustness") > number(regular, "robustness") + 0.1
    assert "clique" not in dear
    assert all(number(row, "length_each") <= 20 for row in dear.values())
    cheap = by(perform(TOPOLOGY, seed, {"length": 40.0}).results, "net")
    assert number(cheap["regular"], "rounds_p90") < number(cheap["small-world"], "rounds_p90")
    assert cheap["regular"]["is_best_of_both"] is True


def test_a_longer_way_takes_longer() -> None:
    values: Values = {"peers": 300, "cost": "equal", "loss": 0.0}
    near, far = (
        by(perform(TOPOLOGY, 1, {**values, "latency": latency}).results, "net")
        for latency in (0.0, 1.0)
    )
    # Every step on the lattice is one to two long; random links are several times that.
    assert number(far["lattice"], "rounds_p90") < 2.5 * number(near["lattice"], "rounds_p90")
    assert number(far["regular"], "rounds_p90") > 2.5 * number(near["regular"], "rounds_p90")


def test_best_of_both_is_a_pareto_front() -> None:
    points = [(5, 0.9), (4, 0.9), (3, 0.5), (None, 1.0), (6, 0.4)]
    rows: list[ResultRow] = [{"rounds_p90": r, "robustness": s} for r, s in points]
    assert best_of_both(rows) == [False, True, True, True, False]


def test_the_best_degree_falls_as_contamination_rises() -> None:
    def best(contamination: float, catching: float) -> int:
        values: Values = {"contamination": contamination, "catching": catching}
        rows = perform(DEGREE, 1, values).results
        return max(int(number(row, "degree")) for row in rows if row["is_best"])

    assert best(0.0, 0.2) > best(0.1, 0.2) > best(5.0, 0.35)


def test_names_in_the_worst_order_take_as_many_rounds_as_peers() -> None:
    rows = by(perform(ELECTION, 1, {"peers": 300}).results, "way")
    assert number(rows["names, coordinated"], "rounds") >= 290
    assert number(rows["beeps, feedback"], "rounds") < 30
    assert number(rows["beeps, feedback"], "bits_each") * 50 < number(
        rows["names, coordinated"], "bits_each"
    )
    assert all(row["conflicts"] == row["without_leader"] == 0 for row in rows.values())


def test_under_loss_beeps_clash_a_little_and_names_wait_for_the_dead() -> None:
    values: Values = {"peers": 500, "net": "random", "names": "random", "loss": 0.1, "silent": 0.1}
    rows = by(perform(ELECTION, 1, values).results, "way")
    assert number(rows["names, coordinated"], "undecided") > 10
    assert rows["names, coordinated"]["conflicts"] == 0
    # Its peers try a dead neighbour twenty times.
    assert number(rows["names, coordinated"], "rounds") > 20
    assert rows["beeps, feedback"]["undecided"] == 0
    assert 0 < number(rows["beeps, feedback"], "conflicts") < 40


def test_a_tree_sends_least_and_loses_branches() -> None:
    rows = by(perform(BROADCAST, 1, {"peers": 500, "loss": 0.0, "gone": 0.1}).results, "way")
    tree, flooding, pushing = (rows[way] for way in ("acknowledged tree", "flooding", "push-pull"))
    assert number(tree, "reach") < 0.95
    assert number(flooding, "reach") == number(pushing, "reach") == 1
    assert number(pushing, "copies_each") < 1.5
    assert number(flooding, "copies_each") > 5
    assert number(flooding, "rounds_all") <= number(pushing, "rounds_all")
    whole = by(perform(BROADCAST, 1, {"peers": 500, "loss": 0.0, "gone": 0.0}).results, "way")
    assert number(whole["acknowledged tree"], "copies_each") == pytest.approx(499 / 500)


def test_flood_counts_exactly() -> None:
    (row,) = perform(FLOOD, 1, {"peers": 1000, "degree": 6}).results
    assert row["sends"] == 2 * number(row, "links") - 999
    assert row["bytes"] == number(row, "sends") * 660
    assert row["delivery"] == 1
    reached_at = row["reached_at"]
    assert isinstance(reached_at, list)
    assert sum(reached_at) == 1000


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("flood", {"peers": 50, "degree": 60}),
        ("flood", {"peers": 101, "degree": 3}),
        ("topology", {"peers": 20, "degree": 30}),
        ("topology", {"peers": 40, "length": 0.5}),
        ("broadcast", {"peers": 5, "degree": 5}),
        ("election", {"peers": 5, "degree": 50, "net": "random"}),
    ],
)
def test_impossible_nets_are_refused(name: str, values: Values) -> None:
    with pytest.raises(Impossible, match=r"\w+ \w+"):
        perform(EXPERIMENTS[name], 1, values)


def test_the_deployed_code_reaches_everybody_with_less_than_a_flood() -> None:
    (calm,) = perform(GOSSIP, 3, {"peers": 60}).results
    assert calm["delivery"] == 1.0
    assert number(calm, "redundancy") < 1.0, "a flood over six links has four"
    assert 0.1 < number(calm, "latency_p50_s") < number(calm, "latency_p99_s") < 5.0
    assert 2 <= number(calm, "hops_p50") < number(calm, "hops_p99") < 12
    curve = calm["delay_curve_ms"]
    assert isinstance(curve, list)
    assert curve == sorted(curve)
    (rough,) = perform(GOSSIP, 3, {"peers": 60, "churn": 0.3, "loss": 1, "byzantine": 0.1}).results
    assert rough["delivery"] == 1.0, "who was away, or cut off, catches up"
    assert number(rough, "latency_p99_s") > 10 * number(calm, "latency_p99_s")
    assert number(rough, "bytes_each") > number(calm, "bytes_each")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"peers": 10, "degree": 10}, "fewer links than peers"),
        ({"peers": 9, "feeds": 10}, "10 feeds take as many peers"),
    ],
)
def test_a_net_that_cannot_be_is_refused(values: Values, words: str) -> None:
    with pytest.raises(Impossible, match=words):
        perform(GOSSIP, 1, values)


def test_collections_are_as_often_as_before_when_a_world_ends() -> None:
    before = gc.get_threshold()
    with rare_collections():
        assert gc.get_threshold() > before
    assert gc.get_threshold() == before
