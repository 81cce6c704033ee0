"""Flows through one narrow link: the window of TCP, the raw rule of the ants, and a colony.

The link is a fluid: in each step everybody sends, what the buffer cannot hold is dropped, the rest
waits and is served as far as the capacity goes. Who sent learns of an arrival or a loss one round
trip later. Windows grow by one a round trip (twofold until the first loss) and are halved at most
once a round trip (V. Jacobson, SIGCOMM 1988). Ants leave at a rate alpha that follows what comes
home (B. Prabhakar and others, 2012), by departures or, in a colony, by time:
alpha <- max(alpha + q g A - q alpha dt, floor), and a colony has only so many ants to send.
"""

from enum import StrEnum

import msgspec
import numpy as np

from lichen.lab.chance import Chance, Floats

STEP_S = 0.01
ROUND_TRIP_S = 0.1
LEAK = 10.0
"""q of a colony, a second: one round trip."""
FLOOR = 5.0
"""Packets a second that are sent whatever comes home."""


class Rule(StrEnum):
    """What decides how much a flow sends."""

    WINDOW = "AIMD"
    RAW = "raw"
    COLONY = "colony"


class Control(msgspec.Struct, frozen=True):
    """A rule and what it can be set to."""

    rule: Rule
    gain: float = 2.0
    pool: float = 1.25
    add: float = 4.0


class Carried(msgspec.Struct, frozen=True):
    """What became of the packets, step by step."""

    served: Floats
    """Packets of each flow: steps by flows."""
    waiting: Floats
    sent: float
    lost: float


class _Flows:
    """What each flow knows: its rate or window, and what it waits for."""

    __slots__ = ("alpha", "chance", "control", "cut_at", "flying", "has_lost", "left", "window")

    def __init__(self, control: Control, flows: int, chance: Chance) -> None:
        self.control, self.chance = control, chance
        self.alpha = np.full(flows, FLOOR)
        self.left = np.zeros(flows)
        self.flying = np.zeros(flows)
        self.window = np.ones(flows)
        self.has_lost = np.zeros(flows, dtype=bool)
        self.cut_at = np.full(flows, -1.0)

    def send(self, now_s: float, came: Floats, lost: Floats) -> Floats:
        """Take in what came home and what was lost, and return what is sent."""
        self.flying -= came + lost
        if self.control.rule is Rule.WINDOW:
            grown = np.where(self.has_lost, came / self.window, came)
            self.window += grown
            is_cut = (lost > 0) & (now_s - self.cut_at >= ROUND_TRIP_S)
            self.window = np.where(is_cut, np.maximum(1.0, self.window / 2), self.window)
            self.cut_at[is_cut] = now_s
            self.has_lost |= is_cut
            sent = np.maximum(0.0, self.window - self.flying)
        else:
            sent = self._forage(came)
        self.flying += sent
        self.left = sent
        return sent

    def _forage(self, came: Floats) -> Floats:
        gain = LEAK * self.control.gain * came
        is_colony = self.control.rule is Rule.COLONY
        cost = LEAK * self.alpha * STEP_S if is_colony else LEAK * self.left
        self.alpha = np.maximum(self.alpha + gain - cost, FLOOR)
        wanted = self.chance.poisson(self.alpha * STEP_S).astype(np.float64)
        if not is_colony:
            return wanted
        ants = self.control.pool * self.alpha / self.control.gain * ROUND_TRIP_S + self.control.add
        return np.minimum(wanted, np.maximum(0.0, ants - self.flying))


def carry(
    control: Control, capacity: Floats, buffer: float, begins_s: Floats, chance: Chance
) -> Carried:
    """Send through the link; ``capacity`` is packets a second, step by step."""
    steps, flows = len(capacity), len(begins_s)
    crowd = _Flows(control, flows, chance)
    later = round(ROUND_TRIP_S / STEP_S)
    came, lost = np.zeros((steps + later + 1, flows)), np.zeros((steps + later + 1, flows))
    waiting = np.zeros(flows)
    served, queue = np.zeros((steps, flows)), np.zeros(steps)
    sent_all = 0.0
    for step, room in enumerate(capacity * STEP_S):
        now_s = step * STEP_S
        sent = crowd.send(now_s, came[step], lost[step])
        sent = np.where(begins_s <= now_s, sent, 0.0)
        crowd.flying = np.where(begins_s <= now_s, crowd.flying, 0.0)
        sent_all += float(sent.sum())
        waiting += sent
        total = float(waiting.sum())
        over = max(0.0, total - room - buffer)
        dropped = sent * (over / sent.sum()) if over and sent.sum() else np.zeros(flows)
        waiting -= dropped
        total -= float(dropped.sum())
        passed = waiting * min(1.0, room / total) if total else np.zeros(flows)
        waiting -= passed
        served[step], queue[step] = passed, waiting.sum()
        came[step + later], lost[step + later] = passed, dropped
    return Carried(served, queue, sent_all, float(lost.sum()))
