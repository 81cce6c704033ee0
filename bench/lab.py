"""Measure the lab: ``make bench-lab``, or some of it by name; rivals in the same run.

python bench/lab.py                     everything, as tables
python bench/lab.py broadcast rivals    some of it
python bench/lab.py --json              a line of JSON for each row

Rivals compute the same model on the same graph; results are compared before times are. The best of
three is taken on both sides, since other programs share the machine. Mesa, NDlib and SimPy run in
an environment of their own, build/rivals, that ``make bench-lab`` installs.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import figures
import networkx as nx
import numpy as np

from lichen.gossip.events import Address
from lichen.lab.arrays.flood import flood
from lichen.lab.arrays.rounds import Way, rounds_to_all
from lichen.lab.chance import Chance, Floats
from lichen.lab.compiled import Engine, best_engine
from lichen.lab.experiments.spreading import delivery_rounds
from lichen.lab.graphs.graph import Graph
from lichen.lab.graphs.measures import anybody, largest_part, mean_distance
from lichen.lab.graphs.random import random_regular, small_world
from lichen.lab.world.eager import EagerBrain
from lichen.lab.world.garbage import rare_collections
from lichen.lab.world.network import Uniform
from lichen.lab.world.peers import LabPeer
from lichen.lab.world.world import World

MILLION = 1_000_000
RIVAL_PEERS = 100_000
EVENTS_PEERS = 20_000
"""For rivals that go from event to event: more would take minutes."""
WHOLE_PEERS = 1_000
"""For peers with links and logs, on the model of those rivals: compare what a copy costs."""
WORLD_PEERS = (100, 1_000, 4_000)
RIVALS = Path("build/rivals/bin/python")
REPEATS = 3

Result = TypeVar("Result")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description="Measure the lab beside other programs.")
    benches: dict[str, Callable[[], list[figures.Row]]] = {
        "broadcast": broadcast,
        "rivals": rivals,
        "world": world,
        "tables": tables,
    }
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(benches))
    parser.add_argument("--json", action="store_true", help="write a line of JSON for each row")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(benches)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    tell = figures.print_json if chosen.json else figures.print_table
    tell([figures.machine()])
    for name in chosen.names or benches:
        for table in by_bench(benches[name]()):
            tell(table)


def by_bench(rows: list[figures.Row]) -> list[list[figures.Row]]:
    """Return rows that belong to one bench together, for a table each."""
    names = dict.fromkeys(row.bench for row in rows)
    return [[row for row in rows if row.bench == name] for name in names]


def broadcast() -> list[figures.Row]:
    """Flood one message to a million peers."""
    graph = random_regular(MILLION, 8, Chance(1, "bench"))
    small = random_regular(100, 4, Chance(1, "bench"))
    rows = []
    for engine in Engine:
        if engine is Engine.NUMBA and best_engine() is not Engine.NUMBA:
            continue
        compile_s, _told = timed(partial(flood, small, 0, engine=engine))
        seconds, told = best(partial(flood, graph, 0, engine=engine))
        assert told.reached == MILLION
        measured = {
            "seconds": seconds,
            "deliveries_per_s": told.sends / seconds,
            "first_call_s": compile_s,
        }
        rows.append(figures.Row(f"one broadcast to {MILLION:,} peers, 8 links", engine, measured))
    return rows


def rivals() -> list[figures.Row]:
    """Compute equal models with networkx and with the lab."""
    graph = random_regular(RIVAL_PEERS, 8, Chance(1, "rivals"))
    other = networkx_of(graph)
    world = small_world(1000, 10, 0.1, Chance(1, "rivals"))
    other_world = networkx_of(world)
    is_gone = anybody(graph, RIVAL_PEERS // 2, Chance(1, "gone"))
    return [
        *beside(
            f"flood to {RIVAL_PEERS:,} peers: peers at each hop",
            lambda: list(flood(graph, 0).reached_at),
            lambda: levels(other),
        ),
        *beside(
            f"largest part of {RIVAL_PEERS:,} peers, half of them gone",
            lambda: largest_part(graph, is_gone),
            lambda: survivors(other, is_gone.tolist()),
        ),
        *beside(
            "mean distance of a small world of 1,000",
            lambda: round(mean_distance(world), 9),
            lambda: round(nx.average_shortest_path_length(other_world), 9),
        ),
        *beside(
            "push-pull among 10,000, in plain Python",
            lambda: 5 < rounds_to_all(Way.BOTH, 10_000, Chance(1, "rounds")) < 20,
            lambda: 5 < plain_push_pull(10_000) < 20,
        ),
        *cascade(),
        *arrivals(),
    ]


def cascade() -> list[figures.Row]:
    """Spread something that each link passes on with probability 0.3, beside NDlib."""
    graph = random_regular(EVENTS_PEERS, 8, Chance(1, "cascade"))
    asked = {"first": graph.first.tolist(), "second": graph.second.tolist(), "probability": 0.3}
    told = ask_rival({"model": "cascade", "runs": REPEATS, **asked})

    def ours() -> int:
        return flood(graph, 0, loss=0.7, chance=Chance(1, "caught")).reached

    ours()
    seconds, reached = best(ours)
    assert abs(reached - told["result"]) < 0.03 * told["result"], (reached, told["result"])
    return pair(f"cascade among {EVENTS_PEERS:,} peers, p = 0.3", seconds, told)


def arrivals() -> list[figures.Row]:
    """Tell everybody over links that take their time, beside SimPy and Mesa.

    Three ways of ours: as arrays; as bare events of a world, which is what the others do; and as
    peers of a world with links, frames, logs and verdicts on every message, which they have not.
    """
    graph = random_regular(EVENTS_PEERS, 8, Chance(1, "arrivals"))
    delays = 1 + Chance(1, "delays").fractions(len(graph.ends))
    links = {
        "starts": graph.starts.tolist(),
        "ends": graph.ends.tolist(),
        "delays": delays.tolist(),
        "until": 1000.0,
    }
    told = [ask_rival({"model": model, **links}) for model in ("arrivals", "agents")]
    sources = np.zeros(1, dtype=np.int64)

    def as_arrays() -> Floats:
        chance = Chance(1, "arrivals")
        return delivery_rounds(graph, sources, chance, uplink=None, loss=0, delays=delays - 1)

    array_s, heard = best(as_arrays)
    event_s, heard_as_events = best(lambda: flood_as_events(**links))
    for rival in told:
        assert np.allclose(heard[0], rival["result"])
    assert np.allclose(heard[0], heard_as_events)
    # Everybody passes a copy on to all neighbours, Mesa's and SimPy's peers back to its giver too.
    copies = len(graph.ends)
    ours = {"lichen, arrays": array_s, "lichen, events of a world": event_s}
    theirs = {each["rival"]: each["seconds"] for each in told}
    few = random_regular(WHOLE_PEERS, 8, Chance(1, "arrivals"))
    few_s = flood_among_peers(few)
    measured = {
        **{way: (seconds, copies / seconds) for way, seconds in (ours | theirs).items()},
        f"lichen, {WHOLE_PEERS:,} whole peers": (few_s, (len(few.ends) - WHOLE_PEERS) / few_s),
    }
    return [
        figures.Row(
            f"when each of {EVENTS_PEERS:,} peers hears, links 1 to 2 s",
            subject,
            {
                "seconds": seconds,
                "copies_per_s": rate,
                **{f"times_{rival}": rate * s / copies for rival, s in theirs.items()},
            },
        )
        for subject, (seconds, rate) in measured.items()
    ]


def flood_as_events(
    starts: list[int], ends: list[int], delays: list[float], until: float
) -> list[float]:
    """Flood with nothing but the heap of a world; return when each peer heard."""
    lab = World(1)
    heard: list[float | None] = [None] * (len(starts) - 1)

    def hear(peer: int) -> None:
        if heard[peer] is None:
            heard[peer] = lab.now
            for slot in range(starts[peer], starts[peer + 1]):
                lab.after(delays[slot], hear, ends[slot])

    lab.after(0.0, hear, 0)
    lab.run(until)
    return [-1.0 if at is None else at for at in heard]


def flood_among_peers(graph: Graph) -> float:
    """Flood among brains that do nothing else, over links with frames; return how long it took.

    Once the links are up, which is not part of the model.
    """
    lab = World(1, latency=Uniform(1.0, 2.0))
    lab.jitter = 0.0
    lab.ingest_s = (0.0, 0.0)
    peers = [LabPeer(lab, number, make_brain=EagerBrain) for number in range(graph.peers)]
    for first, second in zip(graph.first.tolist(), graph.second.tolist(), strict=True):
        address = peers[first].address
        peers[second].addresses[address] = Address(address, peers[first].id)
    with rare_collections():
        for peer in peers:
            lab.admit(peer)
        lab.run(10.0)
        began = time.perf_counter()
        peers[0].publish()
        lab.run(1000.0)
        seconds = time.perf_counter() - began
    assert all(peer.has(peers[0]) for peer in peers)
    return seconds


def ask_rival(asked: dict[str, Any]) -> dict[str, Any]:
    """Let the program in the rivals' environment compute a model."""
    if not RIVALS.exists():
        sys.exit(f"{RIVALS} is not there: make bench-lab installs the rivals.")
    script = Path(__file__).with_name("rivals.py")
    done = subprocess.run(
        [RIVALS, script], input=json.dumps(asked), capture_output=True, check=True, text=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def pair(name: str, seconds: float, told: dict[str, Any]) -> list[figures.Row]:
    """Return the rows of one comparison with a program elsewhere."""
    faster = told["seconds"] / seconds
    return [
        figures.Row(name, "lichen", {"seconds": seconds, "times_faster": faster}),
        figures.Row(name, told["rival"], {"seconds": told["seconds"]}),
    ]


def world() -> list[figures.Row]:
    """Run the deployed brains in virtual time, as a person would; events for each CPU second."""
    rows = []
    for peers in WORLD_PEERS:
        command = [sys.executable, "-m", "lichen", "lab", "run", "gossip", "--json", "--peers"]
        before = children_cpu_s()
        seconds, done = timed(
            partial(subprocess.run, [*command, str(peers)], capture_output=True, check=True)
        )
        (told,) = json.loads(done.stdout)["results"]
        measured = {
            "seconds": seconds,
            "events": float(told["events"]),
            "events_per_cpu_s": told["events"] / (children_cpu_s() - before),
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        }
        rows.append(figures.Row("lichen lab run gossip", f"{peers:,} peers", measured))
    return rows


def children_cpu_s() -> float:
    """Return the CPU seconds of all programs that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tables() -> list[figures.Row]:
    """Reproduce every published table, as a person would."""
    command = [sys.executable, "-m", "lichen", "lab", "reproduce", "--all", "--json"]
    seconds, done = timed(lambda: subprocess.run(command, capture_output=True, check=False))
    count = float(len(done.stdout.splitlines()))
    measured = {"seconds": seconds, "rows": count}
    return [figures.Row("lichen lab reproduce --all", "lichen", measured)]


def beside(
    name: str, ours: Callable[[], object], theirs: Callable[[], object]
) -> list[figures.Row]:
    """Return the rows of one comparison; both sides must say the same.

    Ours is the first row, and has the ratio.
    """
    ours()
    our_s, our_result = best(ours)
    their_s, their_result = best(theirs)
    assert our_result == their_result, name
    rival = "plain Python" if "plain Python" in name else f"networkx {nx.__version__}"
    return [
        figures.Row(name, "lichen", {"seconds": our_s, "times_faster": their_s / our_s}),
        figures.Row(name, rival, {"seconds": their_s}),
    ]


def networkx_of(graph: Graph) -> nx.Graph:
    """Return the same graph as networkx holds it."""
    made = nx.Graph()
    made.add_nodes_from(range(graph.peers))
    made.add_edges_from(zip(graph.first.tolist(), graph.second.tolist(), strict=True))
    return made


def levels(graph: nx.Graph) -> list[int]:
    """Return how many nodes lie at each distance from node 0."""
    counts: list[int] = []
    for distance in nx.single_source_shortest_path_length(graph, 0).values():
        counts += [0] * (distance + 1 - len(counts))
        counts[distance] += 1
    return counts


def survivors(graph: nx.Graph, is_gone: list[bool]) -> int:
    """Return the largest part without the nodes that are gone."""
    left = graph.subgraph([node for node in graph if not is_gone[node]])
    return max(map(len, nx.connected_components(left)))


def plain_push_pull(peers: int) -> int:
    """Return the rounds of push-pull, written the way agents usually are."""
    draw = iter(Chance(2, "plain").below(peers - 1, 60 * peers).tolist())
    knows = [False] * peers
    knows[0] = True
    rounds = 0
    while not all(knows):
        rounds += 1
        before = list(knows)
        for peer in range(peers):
            partner = (peer + 1 + next(draw)) % peers
            if before[peer]:
                knows[partner] = True
            elif before[partner]:
                knows[peer] = True
    return rounds


def timed(function: Callable[[], Result]) -> tuple[float, Result]:
    """Return how long a call took, and its result."""
    began = time.perf_counter()
    result = function()
    return time.perf_counter() - began, result


def best(function: Callable[[], Result]) -> tuple[float, Result]:
    """Return the least time of some calls, and the result."""
    return min((timed(function) for _repeat in range(REPEATS)), key=lambda pair: pair[0])


if __name__ == "__main__":
    main()
