"""Ants: the exact law of their rate, and how they fare in a narrow link."""

import os
import subprocess
import sys

import numpy as np
import pytest

from lichen.lab.arrays.ants import expected_rates, rates
from lichen.lab.arrays.bottleneck import STEP_S, Carried, Control, Rule, carry
from lichen.lab.chance import Chance
from lichen.lab.reproduce.ants import _fairness
from lichen.lab.reproduce.catalogue import load
from lichen.lab.reproduce.table import Effort


def test_the_law_is_the_mean_of_many_runs() -> None:
    means = np.repeat((0.5, 0.1), 60)
    chance = Chance(1, "law")
    drawn = rates(chance.poisson(means[:, None] * np.ones((1, 8_000))), 0.1, 0.1, 0.01, chance)
    assert np.abs(expected_rates(means, 0.1, 0.01) - drawn.mean(axis=1)).max() < 0.01


def test_without_a_floor_that_matters_the_law_is_the_filter_that_the_page_derives() -> None:
    law = expected_rates(np.full(100, 0.5), 0.02, 0.001)
    filtered = 0.5 * (1 - 0.98 ** np.arange(1, 101))
    # The first slots see the floor; then an error of 2 % dies out as 0.98 to the slot.
    assert np.abs(law - filtered).max() < 0.01


def test_no_number_of_runs_meets_the_gate_of_the_plateau() -> None:
    rows = {row.label: row for row in load("ants/open-loop").rows(Effort(1, 0.25))}
    by_law = rows["plateau by law, q = 0.1, change 2"].ours
    assert by_law == pytest.approx(0.1061, abs=0.0001)
    assert by_law > 1.03 * 0.1
    assert rows["90 % response by law, q = 0.1, change 1"].ours == 22


def narrow(rule: Rule, *, buffer: float = 50, flows: int = 1, seconds: int = 30) -> Carried:
    capacity = np.full(round(seconds / STEP_S), 200.0)
    return carry(Control(rule), capacity, buffer, np.zeros(flows), Chance(1, "narrow", rule))


@pytest.mark.parametrize("rule", Rule)
def test_what_is_sent_is_served_lost_or_still_waits(rule: Rule) -> None:
    done = narrow(rule, buffer=10)
    kept = float(done.served.sum()) + done.lost + float(done.waiting[-1])
    assert kept == pytest.approx(done.sent)
    assert done.waiting.max() <= 10 + 1e-9
    assert done.served.sum(axis=1).max() <= 200 * STEP_S + 1e-9


def test_a_colony_keeps_the_queue_short_where_a_window_fills_it() -> None:
    colony, window = narrow(Rule.COLONY), narrow(Rule.WINDOW)
    assert colony.lost == 0 < window.lost
    assert colony.waiting[1000:].mean() < window.waiting[1000:].mean() / 3
    # Five ants of four hundred may be at home: pool * BDP - BDP + add stand in the queue.
    assert colony.waiting[1000:].max() <= 9 + 1e-6


def test_the_raw_rule_drives_the_link_too_hard() -> None:
    raw = narrow(Rule.RAW)
    assert raw.lost / raw.sent > 0.1


def test_one_flow_that_came_first_shares_with_one_that_comes_later() -> None:
    capacity = np.full(round(40 / STEP_S), 200.0)
    begins = np.array([0.0, 20.0])
    served = carry(Control(Rule.COLONY), capacity, 50, begins, Chance(1, "share")).served
    assert served[: round(20 / STEP_S), 1].sum() == 0
    late = served[-round(10 / STEP_S) :].sum(axis=0)
    assert late.min() / late.max() > 0.9


def test_the_closed_loop_meets_what_its_gates_say_of_a_colony() -> None:
    rows = {row.label: row for row in load("ants/closed-loop").rows(Effort(1, 0.1))}
    for label in (
        "utilisation, AIMD, buffer 50",
        "utilisation, colony, buffer 50",
        "utilisation, AIMD, buffer 10",
        "utilisation, colony, buffer 10",
        "loss in %, colony, buffer 50",
        "mean queue, AIMD, buffer 50",
        "round trips from cold to 90 %",
        "round trips down to 90 %",
        "round trips up to 90 %",
        "mean queue, colony against AIMD",
        "loss in %, colony against AIMD",
    ):
        assert rows[label].passes, (label, rows[label].ours)
    assert all(row.why for row in rows.values() if row.passes is False)


def test_colonies_share_a_link() -> None:
    for index in _fairness(Effort(1), 4):
        assert index >= 0.98


def test_a_table_and_what_it_misses_are_told_in_german() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lichen", "lab", "reproduce", "ants/open-loop", "--jobs", "1"],
        capture_output=True,
        text=True,
        env={**os.environ, "LICHEN_LANGUAGE": "de"},
        check=False,
    )
    assert done.returncode == 1
    assert "ants/open-loop: Die Rate des Aufbruchs folgt der Rate der Heimkehr" in done.stdout
    assert "Der Zufall verschiebt eine Rate" in done.stdout
    assert "Keine Zahl von Läufen kann sie erfüllen" in done.stderr
    assert "No number of runs" not in done.stderr
