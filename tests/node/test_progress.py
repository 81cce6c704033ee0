"""How fast a peer catches up, by a clock that a test sets."""

from lichen.node.progress import BEHIND_MIN, RATE_S_MIN, SAMPLE_S, SAMPLES_MAX, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_next_to_nothing_is_nothing() -> None:
    pace = Pace(Clock())
    assert pace.measure(10, 0) is None
    assert pace.measure(10, BEHIND_MIN - 1) is None
    assert pace.measure(10, BEHIND_MIN) is not None


def test_a_pace_is_told_once_it_was_measured() -> None:
    clock = Clock()
    pace = Pace(clock)
    first = pace.measure(0, 1000)
    assert first is not None
    assert (first.have, first.behind, first.rate, first.left_s) == (0, 1000, 0.0, None)
    clock.now += RATE_S_MIN - 0.1
    early = pace.measure(50, 950)
    assert early is not None
    assert early.left_s is None
    clock.now += 0.1 + RATE_S_MIN
    later = pace.measure(200, 800)
    assert later is not None
    assert later.rate == 200 / (2 * RATE_S_MIN)
    assert later.left_s == 800 / later.rate


def test_what_stands_still_has_no_end() -> None:
    clock = Clock()
    pace = Pace(clock)
    for _ in range(5):
        found = pace.measure(10, 500)
        clock.now += 1
    assert found is not None
    assert (found.rate, found.left_s) == (0.0, None)


def test_the_pace_is_that_of_the_last_seconds() -> None:
    clock = Clock()
    pace = Pace(clock)
    have = 0
    for speed in (1000, 10):
        for _ in range(2 * SAMPLES_MAX):
            found = pace.measure(have, 100_000)
            clock.now += SAMPLE_S
            have += int(speed * SAMPLE_S)
    assert found is not None
    assert found.rate == 10


def test_asking_often_changes_nothing() -> None:
    clock = Clock()
    pace = Pace(clock)
    for number in range(1000):
        found = pace.measure(number, 5000)
        clock.now += 0.01
    assert found is not None
    assert 99 < found.rate < 101


def test_a_new_flood_is_measured_anew() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.measure(0, 1000)
    clock.now += 10
    assert pace.measure(1000, 0) is None
    clock.now += 1000
    found = pace.measure(1000, 1000)
    assert found is not None
    assert found.left_s is None
