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

import mesa
import networkx as nx
import simpy
from mesa.experimental.devs import DEVSimulator
from ndlib.models import ModelConfig
from ndlib.models.epidemics import IndependentCascadesModel

REPEATS = 3


def main() -> None:
    asked = json.load(sys.stdin)
    rival, package, compute = MODELS[asked["model"]]
    seconds, result = compute(asked)
    told = {"rival": f"{rival} {version(package)}", "seconds": seconds, "result": result}
    json.dump(told, sys.stdout)


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


class Crowd(mesa.Model):
    """Peers that pass on the first copy that they get."""

    def __init__(self, asked: dict[str, Any]) -> None:
        super().__init__(seed=1)
        self.simulator = DEVSimulator()
        self.simulator.setup(self)
        starts, ends, delays = asked["starts"], asked["ends"], asked["delays"]
        self.listeners = [Listener(self) for _peer in range(len(starts) - 1)]
        for peer, listener in enumerate(self.listeners):
            slots = range(starts[peer], starts[peer + 1])
            listener.links = [(self.listeners[ends[slot]], delays[slot]) for slot in slots]


class Listener(mesa.Agent):
    """One peer."""

    links: list[tuple["Listener", float]]
    heard: float | None = None

    def hear(self) -> None:
        if self.heard is None:
            simulator = self.model.simulator
            self.heard = simulator.time
            for other, delay in self.links:
                simulator.schedule_event_relative(other.hear, delay)


def agents(asked: dict[str, Any]) -> tuple[float, list[float]]:
    """The same as ``arrivals``, among agents."""

    def once() -> dict[int, float]:
        crowd = Crowd(asked)
        began = time.perf_counter()
        crowd.simulator.schedule_event_now(crowd.listeners[0].hear)
        crowd.simulator.run_until(asked["until"])
        taken.append(time.perf_counter() - began)
        return {
            peer: listener.heard
            for peer, listener in enumerate(crowd.listeners)
            if listener.heard is not None
        }

    taken: list[float] = []
    heard = min((once() for _repeat in range(REPEATS)), key=len)
    return min(taken), [heard[peer] for peer in range(len(asked["starts"]) - 1)]


MODELS: dict[str, tuple[str, str, Callable[[dict[str, Any]], tuple[float, object]]]] = {
    "cascade": ("NDlib", "ndlib", cascade),
    "arrivals": ("SimPy", "simpy", arrivals),
    "agents": ("Mesa", "mesa", agents),
}
"""Name of a model to the program that computes it, its package, and the function."""


def timed(function: Callable[[], dict[int, float]]) -> tuple[float, dict[int, float]]:
    began = time.perf_counter()
    result = function()
    return time.perf_counter() - began, result


if __name__ == "__main__":
    main()
