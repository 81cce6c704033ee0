"""Other programs on the models of bench/lab.py: read a graph and a model, tell time and result.

Runs in an environment of its own (build/rivals, from rivals.lock), started by bench/lab.py: one
JSON object on stdin, one on stdout. Each is written as the program's own documentation does it.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import networkx as nx
import simpy
from ndlib.models import ModelConfig
from ndlib.models.epidemics import IndependentCascadesModel

REPEATS = 3


def main() -> None:
    asked = json.load(sys.stdin)
    seconds, result = {"cascade": cascade, "arrivals": arrivals}[asked["model"]](asked)
    json.dump({"rival": rival_of(asked["model"]), "seconds": seconds, "result": result}, sys.stdout)


def rival_of(model: str) -> str:
    name, package = ("SimPy", "simpy") if model == "arrivals" else ("NDlib", "ndlib")
    return f"{name} {version(package)}"


def cascade(asked: dict[str, Any]) -> tuple[float, float]:
    """Spread from node 0, every link passing it on once with a probability; the widest reach.

    Runs that die out at the start say nothing about time and are left out.
    """
    graph = nx.Graph(zip(asked["first"], asked["second"], strict=True))
    taken, reached = [], []
    for seed in range(asked["runs"]):
        model = IndependentCascadesModel(graph, seed=seed)
        config = ModelConfig.Configuration()
        config.add_model_initial_configuration("Infected", [0])
        for link in graph.edges():
            config.add_edge_configuration("threshold", link, asked["probability"])
        model.set_initial_status(config)
        began = time.perf_counter()
        counts = model.iteration(node_status=False)["node_count"]
        while counts[1]:
            counts = model.iteration(node_status=False)["node_count"]
        taken.append(time.perf_counter() - began)
        reached.append(counts[2])
    widest = max(reached)
    return min(s for s, count in zip(taken, reached, strict=True) if count > widest / 2), widest


def arrivals(asked: dict[str, Any]) -> tuple[float, list[float]]:
    """Tell everybody over links that take their time; when each one heard."""
    starts, ends, delays = asked["starts"], asked["ends"], asked["delays"]

    def once() -> dict[int, float]:
        heard: dict[int, float] = {}
        world = simpy.Environment()

        def copy(peer: int, delay: float) -> Iterator[simpy.Event]:
            yield world.timeout(delay)
            if peer not in heard:
                heard[peer] = world.now
                for slot in range(starts[peer], starts[peer + 1]):
                    world.process(copy(ends[slot], delays[slot]))

        world.process(copy(0, 0.0))
        world.run()
        return heard

    seconds, heard = min((timed(once) for _repeat in range(REPEATS)), key=lambda pair: pair[0])
    return seconds, [heard[peer] for peer in range(len(starts) - 1)]


def timed(function: Callable[[], dict[int, float]]) -> tuple[float, dict[int, float]]:
    began = time.perf_counter()
    result = function()
    return time.perf_counter() - began, result


if __name__ == "__main__":
    main()
