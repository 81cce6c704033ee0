"""numba where it is installed (extra ``lab-fast``), numpy alone where it is not; equal results."""

import functools
import importlib.util
from collections.abc import Callable
from enum import StrEnum
from typing import Any


class Engine(StrEnum):
    """What computes: the results are the same."""

    NUMPY = "numpy"
    NUMBA = "numba"


def best_engine() -> Engine:
    """Return the fastest engine that is installed."""
    return Engine.NUMBA if importlib.util.find_spec("numba") else Engine.NUMPY


@functools.cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of arrays and numbers as machine code. Needs numba."""
    import numba  # noqa: PLC0415 (optional)

    made: Callable[..., Any] = numba.njit(cache=False)(function)
    return made
