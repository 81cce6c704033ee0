"""Scuttlebutt reconciliation under load: digests, packets that fill up, and flow control.

R. van Renesse, D. Dumitriu, V. Gough, C. Thomas, "Efficient reconciliation and flow control for
anti-entropy protocols", LADIS 2008. Once a second everybody compares with one other what is known
of each origin, and each gets what it misses, oldest first and without a gap, the largest backlog
first (scuttle-depth), as far as one packet goes. With flow control whoever fills a packet lowers
its rate of new updates by a share and else raises it by a step, and two that meet share the mean of
their rates.
"""

import msgspec
import numpy as np

from lichen.lab.chance import Chance, Floats, Ints


class Control(msgspec.Struct, frozen=True):
    """How a rate follows what packets tell."""

    step: float
    share: float


class Reconciled(msgspec.Struct, frozen=True):
    """What a run showed, second by second."""

    staleness: Floats
    """How many seconds the oldest update that anybody misses has been there."""
    rates: Floats
    """Updates a second of each participant at the end."""


def reconcile(
    wanted: Floats, packet: int, seconds: int, control: Control | None, chance: Chance
) -> Reconciled:
    """Let participants update and compare; ``wanted`` are the updates a second that each has."""
    count = len(wanted)
    known = np.zeros((count, count), dtype=np.int64)
    made = np.zeros((seconds + 1, count), dtype=np.int64)
    credit = chance.fractions(count)
    rates = wanted.copy() if control is None else wanted * chance.fractions(count)
    staleness = np.zeros(seconds)
    own = np.arange(count)
    for now in range(seconds):
        credit += rates
        known[own, own] += credit.astype(np.int64)
        credit %= 1
        made[now + 1] = known[own, own]
        for one in chance.order(count):
            other = int(chance.others(count, np.array([one]))[0])
            is_full = _send(known, one, other, packet), _send(known, other, one, packet)
            if control is not None:
                rates[one] = rates[other] = (rates[one] + rates[other]) / 2
                for sender, full in zip((one, other), is_full, strict=True):
                    rates[sender] *= 1 - control.share if full else 1
                    rates[sender] += 0 if full else control.step
                    rates[sender] = min(rates[sender], wanted[sender])
        oldest = _first_missed(made[: now + 2], known.min(axis=0))
        staleness[now] = now + 1 - oldest
    return Reconciled(staleness, rates)


def fairness(rates: Floats) -> float:
    """Return Jain's index: 1 if all are alike, 1/n if one has everything."""
    return float(rates.sum() ** 2 / (len(rates) * (rates**2).sum()))


def _send(known: Ints, sender: int, receiver: int, packet: int) -> bool:
    """Fill one packet, and say whether something was left over."""
    missing = np.maximum(known[sender] - known[receiver], 0)
    order = np.argsort(-missing, kind="stable")
    before = np.cumsum(missing[order]) - missing[order]
    known[receiver, order] += np.clip(packet - before, 0, missing[order])
    return bool(missing.sum() > packet)


def _first_missed(made: Ints, known_by_all: Ints) -> int:
    """Return the second in which the oldest update that somebody misses was made; else the last."""
    is_missed = (made > known_by_all).any(axis=1)
    return int(np.argmax(is_missed)) if is_missed.any() else len(made) - 1
