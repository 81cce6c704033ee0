"""Chance for arrays: streams of their own, fair draws, the same bytes everywhere."""

import numpy as np
import pytest

from lichen.lab.chance import Chance

KNOWN = ["0x1.075e4bf20fc42p-1", "0x1.4c60edb4d7a00p-7", "0x1.5c9e32debbbf8p-2"]


def test_first_draws_of_a_seed_never_change() -> None:
    # A known answer: a change of it changes every published hash of the lab.
    drawn = Chance(7, "known").fractions(3)
    assert [value.hex() for value in drawn.tolist()] == KNOWN


def test_streams_do_not_disturb_each_other() -> None:
    first = Chance(1, "a")
    before = Chance(1, "a").stream("b").fractions(5).tolist()
    first.fractions(1000)
    assert first.stream("b").fractions(5).tolist() == before
    assert Chance(1, "c").fractions(5).tolist() != Chance(2, "c").fractions(5).tolist()


def test_whole_numbers_are_fair() -> None:
    counts = np.bincount(Chance(1, "fair").below(10, 100_000), minlength=10)
    assert counts.min() > 9_600
    assert counts.max() < 10_400
    assert len(counts) == 10


def test_nobody_is_their_own_partner() -> None:
    places = np.arange(50).repeat(200)
    others = Chance(1, "others").others(50, places)
    assert (others != places).all()
    assert set(others.tolist()) == set(range(50))


def test_order_is_a_permutation() -> None:
    order = Chance(1, "order").order(1000)
    assert sorted(order.tolist()) == list(range(1000))
    assert order.tolist() != list(range(1000))


@pytest.mark.parametrize("mean", [0.05, 0.7, 6.0])
def test_poisson_has_its_mean_and_variance(mean: float) -> None:
    drawn = Chance(1, "poisson", str(mean)).poisson(np.full(50_000, mean))
    assert drawn.mean() == pytest.approx(mean, rel=0.04)
    assert drawn.var() == pytest.approx(mean, rel=0.05)


@pytest.mark.parametrize(("count", "probability"), [(200, 0.01), (20, 0.4), (1, 0.9)])
def test_binomial_has_its_mean_and_bounds(count: int, probability: float) -> None:
    counts = np.full(50_000, count)
    drawn = Chance(1, "binomial", count).binomial(counts, np.full(50_000, probability))
    assert drawn.mean() == pytest.approx(count * probability, rel=0.02)
    assert drawn.var() == pytest.approx(count * probability * (1 - probability), rel=0.04)
    assert 0 <= drawn.min() <= drawn.max() <= count


def test_normal_is_centred_and_scaled() -> None:
    drawn = Chance(1, "normal").normal(50_000)
    assert drawn.mean() == pytest.approx(0, abs=0.02)
    assert drawn.std() == pytest.approx(1, abs=0.02)
