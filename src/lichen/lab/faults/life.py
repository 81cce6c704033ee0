"""Living a plan: a world is made, things go wrong, calm comes, and all is looked at.

``live(plan)`` is the whole of it. Whatever goes wrong, also an exception inside a brain, is the
outcome, in words; nothing is raised.
"""

import msgspec

from lichen.lab.checkers.ledger import Ledger
from lichen.lab.checkers.liveness import CALM_S, Liveness
from lichen.lab.checkers.liveness import CHECKS as LIVENESS
from lichen.lab.checkers.safety import CHECKS as SAFETY
from lichen.lab.checkers.safety import Safety
from lichen.lab.checkers.tally import Broken, Tally
from lichen.lab.faults.acts import Acts, next_post
from lichen.lab.faults.crooks import TwoFaced, make_crook
from lichen.lab.faults.plan import Plan
from lichen.lab.world.chance import Chance
from lichen.lab.world.peers import LabPeer
from lichen.lab.world.world import World

CHECKS = (*SAFETY, *LIVENESS)
STEPS_MAX = 3_000_000
"""Steps of one life: more means that peers chatter for ever."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of a life."""

    seed: int
    trace_hash: str
    events: int
    virtual_s: float
    failure: str | None
    """What was wrong, in words; None if all was well."""
    check: str | None
    """Which checker saw it; ``exception`` if a brain raised one."""


class Life:
    """One plan, being lived."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.world = World(plan.seed)
        self.world.steps_max = STEPS_MAX
        self.world.sync_s = plan.sync_s
        self.world.audit_s = (plan.audit_s / 10, plan.audit_s)
        self.ledger = Ledger(self.world.feed_format)
        old = {number for number, role in plan.roles.items() if role == "old"}
        self.crooks = frozenset(plan.roles) - old
        self.safety = Safety(self.ledger, crooks=self.crooks)
        self.world.watcher = self.safety
        self.acts = Acts(self.world, self.ledger)

    @property
    def tally(self) -> Tally:
        """Return what was looked at."""
        return self.safety.tally

    def live(self) -> None:
        """Live to the end. Raises ``Broken``, or whatever a brain raises."""
        self._begin()
        for fault in self.plan.faults:
            self.world.run(fault.at_s)
            self.acts.perform(fault)
        self.world.run(self.plan.lasts_s)
        self._calm()
        self._look()

    def _begin(self) -> None:
        plan, world = self.plan, self.world
        for number in range(plan.peers):
            role = plan.roles.get(number, "")
            kind = TwoFaced if role == "equivocate" else LabPeer
            peer = world.admit(kind(world, number, hops_max=plan.hops_max))
            peer.crook = make_crook(role, Chance(plan.seed, "crook", number))
            peer.speaks_ebt = role != "old"
        for source, target in plan.follows:
            world.peers[source].follow(world.peers[target])
        for peer, count in zip(world.peers, plan.posts, strict=True):
            for _ in range(count):
                peer.publish(next_post(peer))
        for client, server in plan.links:
            world.connect(world.peers[client], world.peers[server])

    def _calm(self) -> None:
        world = self.world
        world.heal()
        world.audit_s = (0.001, 0.05)
        for peer in world.peers:
            for end in list(peer.ends.values()):
                if end.is_stuck or end.pipe.is_behind:
                    world.break_link(end, "reset")
                end.pipe.clogged_until = 0.0
                end.pipe.bytes_per_s = world.bytes_per_s
            peer.uplink_bytes_per_s = 0.0
            peer.uplink_free_at = 0.0
            peer.disk.is_full = False
            peer.disk.faults_left = 0
            peer.disk.write_s = world.ingest_s
            if not peer.is_up:
                peer.start()
        for client, server in self.plan.links:
            world.connect(world.peers[client], world.peers[server])
        world.run(world.now + CALM_S)

    def _look(self) -> None:
        liveness = Liveness(self.ledger, self.tally, self.crooks)
        peers = self.world.peers
        for peer in peers:
            if peer.number in self.crooks:
                continue
            self.safety.look_at_all(peer)
            liveness.look_at_logs(peer)
            liveness.look_at_truth(peer, self.safety.cuts.get(peer.number, {}))
            if peer.number in self.acts.restored:
                liveness.look_at_guard(peer)
        for client, server in self.plan.links:
            liveness.look_at_link(peers[client], peers[server])
        for (number, blob), run in self.acts.wanted.items():
            if number not in self.crooks and peers[number].run_count == run:
                liveness.look_at_blob(peers[number], blob)


def live(plan: Plan, tally: Tally | None = None) -> Outcome:
    """Live a plan; add what was looked at to a tally."""
    life = Life(plan)
    failure = check = None
    try:
        life.live()
    except Broken as broken:
        failure, check = str(broken), broken.check
    except Exception as error:  # noqa: BLE001 (whatever a brain raises is a finding)
        failure, check = f"exception: {type(error).__name__}: {error}", "exception"
    if tally is not None:
        tally.add(life.tally)
    world = life.world
    return Outcome(plan.seed, world.trace_hash, world.event_count, world.now, failure, check)
