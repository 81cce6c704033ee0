"""Drawing a life from a seed: a small world, mostly friendly, in which much goes wrong at once."""

import itertools
from typing import Final

from lichen.lab.faults.plan import Fault, Plan
from lichen.lab.world.chance import Chance

ROLES: Final = (
    *("mute", "lie", "withhold", "replay", "garbage", "forge", "lower", "splice"),
    *("equivocate", "old"),
)
"""What a peer can be besides honest."""

_ACTS: Final = (
    *("publish",) * 10,
    *("burst",) * 3,
    *("start",) * 4,
    *("crash", "stop", "restore", "tear", "relapse"),
    *("cut", "cut", "heal", "heal", "sever", "cut_one_way", "freeze"),
    *("connect",) * 3,
    *("clog", "swizzle", "slow", "slow_peer"),
    *("fill", "empty", "spoil", "spoil", "detour"),
    *("follow", "unfollow", "block", "unblock", "change_hops"),
    *("see", "see", "dismiss", "forget_address"),
    *("push_blob", "keep_blob", "want_blob", "want_blob", "want_blob", "remove_blob"),
)


_ON_LINKS: Final = frozenset(
    {"cut", "sever", "relapse", "cut_one_way", "freeze", "connect", "clog", "slow", "detour"}
)
"""What happens between two peers that have a link."""


def draw_plan(seed: int, faults: int = 40) -> Plan:
    """Return the life of a seed."""
    chance = Chance(seed, "plan")
    peers = chance.between(2, 6)
    roles = _draw_roles(chance, peers)
    pairs = list(itertools.combinations(range(peers), 2))
    links = chance.sample(pairs, chance.between(min(peers - 1, len(pairs)), len(pairs)))
    links = [pair if chance.happens(0.5) else pair[::-1] for pair in links]
    density = chance.pick((0.4, 0.7, 1.0, 1.0))
    follows = [pair for pair in itertools.permutations(range(peers), 2) if chance.happens(density)]
    found: list[Fault] = []
    at_s = 2.0
    blocks = chance.happens(0.5)
    for _ in range(faults):
        at_s += chance.exponential(1.2)
        fault = _draw_fault(chance, round(at_s, 3), peers, links, tuple(roles))
        if blocks or fault.kind not in {"block", "unblock"}:
            found.append(fault)
    return Plan(
        seed=seed,
        peers=peers,
        hops_max=chance.pick((1, 2, 2, 3)),
        follows=tuple(follows),
        links=tuple(links),
        roles=roles,
        posts=tuple(chance.between(0, 30) for _ in range(peers)),
        faults=tuple(found),
        lasts_s=round(at_s + 5.0, 3),
        sync_s=chance.pick((1.0, 1.0, 20.0)),
        audit_s=chance.pick((0.05, 1.0, 5.0)),
    )


def _draw_roles(chance: Chance, peers: int) -> dict[int, str]:
    """At most a third of all peers are crooks, in half of the lives none."""
    if chance.happens(0.5):
        return {}
    count = chance.between(1, max(1, peers // 3))
    return {
        number: chance.pick((*ROLES, "withhold", "lower"))
        for number in chance.sample(range(peers), count)
    }


def _draw_fault(
    chance: Chance,
    at_s: float,
    peers: int,
    links: list[tuple[int, int]],
    roles: tuple[int, ...],
) -> Fault:
    kind = chance.pick(_ACTS)
    first = chance.below(peers)
    second = (first + 1 + chance.below(peers - 1)) % peers
    count = 0
    if kind in _ON_LINKS:
        first, second = chance.pick(links)
        count = chance.between(1, 15)
    elif kind == "burst":
        count = chance.between(2, 300)
    elif kind in {"swizzle", "slow_peer", "spoil"}:
        count = chance.between(1, 10)
    elif kind in {"restore", "change_hops"}:
        count = chance.between(0, 3)
    elif kind == "keep_blob":
        first = chance.pick(roles) if roles else first
        second = second if second != first else (first + 1) % peers
        count = chance.between(1, 50_000)
    elif kind == "push_blob":
        count = chance.between(1, chance.pick((10_000, 200_000, 1_500_000)))
    elif kind in {"want_blob", "remove_blob"}:
        count = chance.below(8)
    return Fault(at_s, kind, first, second, count)
