"""Making a failing plan small: faults are left out as long as the same checker still objects.

The way is delta debugging (Zeller and Hildebrandt 2002): first large parts are left out, then
smaller ones, at last single faults; then messages, follows, links and roles.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec

from lichen.lab.faults.life import live
from lichen.lab.faults.plan import Fault, Plan

LIVES_MAX: Final = 400
"""Lives lived to make one plan smaller."""

Part = TypeVar("Part")


class Shrinker:
    """Makes one plan smaller."""

    def __init__(self, plan: Plan, fails: Callable[[Plan], bool]) -> None:
        self.plan = plan
        self._fails = fails
        self._lives = 0

    def shrink(self) -> Plan:
        """Return the smallest plan found that still fails."""
        self._reduce(self.plan.faults, lambda faults: self._with(faults=faults))
        self._reduce(self.plan.links, lambda links: self._with(links=links))
        self._reduce(self.plan.follows, lambda follows: self._with(follows=follows))
        self._reduce(tuple(self.plan.roles.items()), lambda roles: self._with(roles=dict(roles)))
        self._try(self._with(posts=(0,) * self.plan.peers))
        self._reduce(self.plan.faults, lambda faults: self._with(faults=faults))
        return self.plan

    def _with(self, **parts: object) -> Plan:
        return msgspec.structs.replace(self.plan, **parts)

    def _try(self, plan: Plan) -> bool:
        self._lives += 1
        if self._lives > LIVES_MAX or not self._fails(plan):
            return False
        self.plan = plan
        return True

    def _reduce(self, parts: tuple[Part, ...], rebuild: Callable[[tuple[Part, ...]], Plan]) -> None:
        size = max(1, len(parts) // 2)
        while parts:
            start, was_reduced = 0, False
            while start < len(parts):
                rest = parts[:start] + parts[start + size :]
                if self._try(rebuild(rest)):
                    parts, was_reduced = rest, True
                else:
                    start += size
            if size == 1 and not was_reduced:
                return
            size = max(1, size // 2)


def shrink(plan: Plan) -> Plan:
    """Return a plan with as few faults as possible at which the same checker objects."""
    check = live(plan).check
    assert check is not None, "only what fails can be made smaller"
    return Shrinker(plan, lambda smaller: live(smaller).check == check).shrink()


def describe(faults: Sequence[Fault]) -> str:
    """Return faults in a line each, for people."""
    return "\n".join(
        f"{fault.at_s:8.3f} s  {fault.kind} {fault.first} {fault.second} {fault.count}"
        for fault in faults
    )
