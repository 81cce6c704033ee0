"""Many peers of the real brain: everybody hears everything, soon, and hardly anything twice."""

import pytest

from lichen.lab.scenarios import gossip
from lichen.lab.scenarios.gossip import Impossible


def test_everybody_hears_everything_for_little() -> None:
    report = gossip(100, 7, messages=20)
    assert report.delivery == 1.0
    assert 0.0 <= report.redundancy < 0.6
    assert 0.0 < report.latency_p50_s < report.latency_p99_s < 5.0
    assert report == gossip(100, 7, messages=20)


def test_who_was_away_hears_it_later() -> None:
    calm, busy = gossip(60, 7, messages=20), gossip(60, 7, messages=20, churn=0.3)
    assert busy.delivery == 1.0
    assert busy.latency_p99_s > 2 * calm.latency_p99_s
    assert busy.trace_hash != calm.trace_hash


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"peers": 1}, "there are 2 to 20000 peers, not 1"),
        ({"links": 10}, "a peer among 10 has 1 to 9 links, not 10"),
        ({"authors": 11}, "of 10 peers 1 to 10 write, not 11"),
        ({"messages": 0}, "at least one message is written, not 0"),
        ({"churn": 1.0}, "churn is a share"),
    ],
)
def test_what_cannot_be_is_refused_in_words(given: dict[str, float], words: str) -> None:
    with pytest.raises(Impossible, match=words):
        gossip(**{"peers": 10, "seed": 1, **given})  # type: ignore[arg-type]
