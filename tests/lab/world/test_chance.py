"""Chance is the same on every machine: fixed numbers, and curves with the right middle."""

import pytest

from lichen.lab.world.chance import Chance

BELOW = [704409, 692387, 103953, 383042, 55432, 255768]
RANDOM = [0.5224016890152633, 0.6225669831112983, 0.817215113030806]
EXPONENTIAL = [2.020877445173683, 0.5845872385504189, 0.5588957366978284]
LOGNORMAL = [0.04334418601151556, 0.08606057210369036, 0.06569310066431762]
SHUFFLED = [1, 2, 7, 4, 0, 5, 6, 3]
SAMPLE = [2, 69, 50, 19]
OCTETS = "0b07a7a9"


def test_a_stream_gives_these_numbers_for_ever() -> None:
    chance = Chance(7, "peer", 3)
    assert [chance.below(1_000_000) for _ in range(6)] == BELOW
    assert [chance.random() for _ in range(3)] == RANDOM
    assert [chance.exponential(1.0) for _ in range(3)] == EXPONENTIAL
    assert [chance.lognormal(0.08) for _ in range(3)] == LOGNORMAL
    items = list(range(8))
    chance.shuffle(items)
    assert items == SHUFFLED
    assert chance.sample(range(100), 4) == SAMPLE
    assert chance.octets(4).hex() == OCTETS


def test_streams_with_other_names_have_nothing_in_common() -> None:
    streams = [Chance(1, "peer", 1), Chance(1, "peer", 2), Chance(2, "peer", 1), Chance(1, "plan")]
    drawn = {tuple(stream.below(2**32) for _ in range(4)) for stream in streams}
    assert len(drawn) == len(streams)


def test_curves_have_their_means_and_tails() -> None:
    chance = Chance(1, "curves")
    drawn = sorted(chance.exponential(10.0) for _ in range(20_000))
    assert sum(drawn) / len(drawn) == pytest.approx(10.0, rel=0.03)
    assert drawn[10_000] == pytest.approx(6.93, rel=0.05)
    drawn = sorted(chance.lognormal(0.08) for _ in range(20_000))
    assert drawn[10_000] == pytest.approx(0.08, rel=0.03)
    assert drawn[18_000] == pytest.approx(0.08 * 1.898, rel=0.05)


def test_whole_numbers_fill_their_range_evenly() -> None:
    chance = Chance(1, "range")
    counts = [0] * 6
    for _ in range(12_000):
        counts[chance.between(1, 6) - 1] += 1
    assert all(1800 < count < 2200 for count in counts)
    assert sorted(chance.sample(range(5), 5)) == [0, 1, 2, 3, 4]
    assert chance.octets(0) == b""
