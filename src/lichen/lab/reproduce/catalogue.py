"""Every table by name, without importing what computes them."""

import importlib

from lichen.lab.reproduce.table import Table

PAGES: dict[str, tuple[str, ...]] = {
    "gossip": (
        "rounds",
        "demers-1",
        "demers-2",
        "demers-3",
        "ssb-flood",
        "ssb-connectivity",
        "trees",
    ),
    "reconciliation": ("flow-control",),
    "small_world": ("watts-strogatz", "kleinberg", "errors-attacks", "threshold", "repair"),
    "beeps": (
        "feedback",
        "drift",
        "loss",
        "100000",
        "stop-signals",
        "quorum",
        "five-sites",
        "threshold",
    ),
    "slime": ("tero", "tero-flow", "shortest-path"),
    "ants": ("open-loop", "closed-loop", "fairness"),
    "stigmergy": ("double-bridge", "unequal-branches", "evaporation", "crowd", "traces"),
    "crosscheck": ("flood", "sources", "jitter"),
}
NAMES = tuple(f"{page}/{table}" for page, tables in PAGES.items() for table in tables)


def named(text: str) -> list[str]:
    """Return the tables that a name means: one, or all of a page; none if there is no such name."""
    if text in PAGES:
        return [f"{text}/{table}" for table in PAGES[text]]
    return [text] if text in NAMES else []


def load(name: str) -> Table:
    """Return a table. Needs the libraries of the lab."""
    page = name.partition("/")[0]
    module = importlib.import_module(f"lichen.lab.reproduce.{page}")
    tables: tuple[Table, ...] = module.TABLES
    return next(table for table in tables if table.name == name)
