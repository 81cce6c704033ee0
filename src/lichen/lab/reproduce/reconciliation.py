"""Reconciliation: what happens to gossip when more is new than packets can carry."""

import numpy as np

from lichen.lab.arrays.reconcile import Control, fairness, reconcile
from lichen.lab.reproduce.table import Effort, Figure, Table, at_least, at_most
from lichen.words import N_

PARTICIPANTS = 128
PACKET = 100
SECONDS = 300
CASES: dict[str, tuple[float, Control | None]] = {
    "half of capacity": (0.75, None),
    "twice capacity": (3.0, None),
    "twice capacity, controlled": (3.0, Control(step=0.02, share=0.2)),
}
"""Updates a second that each wants. In a second a participant takes part in two exchanges and gets
200 updates, of 128 origins: 1.56 of each."""


def _flow(effort: Effort) -> dict[str, float]:
    found = {}
    for name, (wanted, control) in CASES.items():
        chance = effort.chance("scuttlebutt", name)
        want = np.full(PARTICIPANTS, wanted)
        done = reconcile(want, PACKET, SECONDS, control, chance)
        middle, end = (
            float(part.max()) for part in (done.staleness[100:200], done.staleness[200:])
        )
        found[f"max staleness in the last 100 s, {name}"] = end
        found[f"last 100 s against the 100 s before, {name}"] = end / middle
        found[f"Jain's index of the rates, {name}"] = fairness(done.rates)
        found[f"updates a second each, {name}"] = float(done.rates.mean())
    return found


SCUTTLEBUTT_FLOW = Table(
    name="reconciliation/flow-control",
    title=N_("More news than packets carry: how stale, with and without flow control"),
    source="R. van Renesse and others, LADIS 2008 (summary read)",
    parameters="128 participants, one exchange begun by each a second, packets of 100 updates each "
    "way, largest backlog first, 300 s; rates begin between 0 and what is wanted, by lot; after a "
    "full packet a fifth less, else 0.02 more, both take the mean; one run",
    gate="above capacity the greatest staleness grows without control (here: by a quarter in the "
    "last 100 s) and is bounded with it (here: by no more than a tenth); Jain's index >= 0.95",
    figures=tuple(
        Figure(
            f"{figure}, {name}",
            gate={
                ("last 100 s against the 100 s before", "twice capacity"): at_least(1.25),
                ("last 100 s against the 100 s before", "twice capacity, controlled"): at_most(1.1),
                ("Jain's index of the rates", "twice capacity, controlled"): at_least(0.95),
            }.get((figure, name)),
        )
        for name in CASES
        for figure in (
            "max staleness in the last 100 s",
            "last 100 s against the 100 s before",
            "Jain's index of the rates",
            "updates a second each",
        )
    ),
    measure=_flow,
    note=N_(
        "The paper's step and share are not known to us. Updates are never overtaken by newer "
        "ones, as in a log."
    ),
)

TABLES = (SCUTTLEBUTT_FLOW,)
