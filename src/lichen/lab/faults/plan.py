"""A life of a world as a value: who there is, who follows whom, and what happens when.

Everything that a life does is in its plan, and the rest follows from the seed, so that leaving out
a fault changes nothing but what that fault caused. A plan that broke something is written down as
JSON and played again by the tests.
"""

from pathlib import Path

import msgspec

PLAN_BYTES_MAX = 1_000_000
"""A plan on disk is not longer; a life of an hour takes a tenth."""


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that happens at a time: ``kind`` is a method of ``acts.Acts``.

    ``first`` and ``second`` are numbers of peers, ``count`` whatever the kind needs.
    """

    at_s: float
    kind: str
    first: int = 0
    second: int = 0
    count: int = 0


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """A whole life."""

    seed: int
    peers: int
    hops_max: int
    follows: tuple[tuple[int, int], ...]
    links: tuple[tuple[int, int], ...]
    """Who dials whom."""
    roles: dict[int, str]
    """Peers that are not as others: a kind of crook, or ``old`` for one without EBT."""
    posts: tuple[int, ...]
    """How many messages each peer has written before the start."""
    faults: tuple[Fault, ...]
    lasts_s: float = 60.0
    """When the calm begins."""
    sync_s: float = 1.0
    """How long a power cut may cost others' messages."""
    audit_s: float = 0.05
    """How long a step of an audit may take."""


def write_plan(path: Path, plan: Plan) -> None:
    """Write a plan as JSON, a fault a line."""
    text = msgspec.json.format(msgspec.json.encode(plan), indent=1)
    path.write_bytes(text + b"\n")


def read_plan(path: Path) -> Plan:
    """Read a plan. Raises ValueError."""
    data = path.read_bytes()
    if len(data) > PLAN_BYTES_MAX:
        raise ValueError(f"{path} is too long for a plan")
    return msgspec.json.decode(data, type=Plan)
