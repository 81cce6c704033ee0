"""What the lab needs beside a peer, and whether it is there. Imports none of it."""

import importlib.util
import os

NEEDED = ("numpy", "scipy", "matplotlib")
"""A peer runs without them: they come with the extra ``lab``."""

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def missing() -> list[str]:
    """Return the libraries of the lab that are not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def one_thread_each() -> None:
    """Keep linear algebra to one thread a process; call it before numpy is imported.

    Our matrices are small: threads cost more than they bring, every core has a run of its own, and
    sums come out the same whatever the number of cores.
    """
    for name in _THREADS:
        os.environ.setdefault(name, "1")
