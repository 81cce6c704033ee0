"""Many independent computations at once: on all cores, or on a Dask cluster.

Tasks and results are plain values; what a task gives does not depend on where or when it ran. Every
result is handed on as soon as it is there, so that an interruption loses only what was under way.
"""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from lichen.words import N_

Task = TypeVar("Task")
Result = TypeVar("Result")

CONNECT_S_MAX = 5
"""A scheduler that does not answer in this time is not there."""
WORKERS_S_MAX = 10
"""A cluster without any worker in this time does nothing."""


class ClusterFault(Exception):  # noqa: N818 (it says what is the matter)
    """The scheduler or the workers of a cluster cannot be used, or are lost; in words."""


class WorkerLost(Exception):  # noqa: N818 (it says what is the matter)
    """A process of this machine ended in the middle of its work."""


def perform_here(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int
) -> Iterator[tuple[int, Result]]:
    """Yield number and result of each task as it is done, computed by processes of this machine."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker)
    try:
        futures: dict[Future[Result], int] = {
            pool.submit(function, task): number for number, task in enumerate(tasks)
        }
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise WorkerLost(N_("A process of the lab ended in the middle of its work")) from error
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def perform_on_cluster(
    function: Callable[[Task], Result], tasks: Sequence[Task], address: str
) -> Iterator[tuple[int, Result]]:
    """Yield number and result of each task, computed by the workers of a Dask scheduler.

    Raises ClusterFault.
    """
    import distributed  # noqa: PLC0415 (a second to import, and only for clusters)

    client = _connect(address)
    try:
        numbers: dict[Any, int] = {
            client.submit(function, task, pure=False): number for number, task in enumerate(tasks)
        }
        for future in distributed.as_completed(list(numbers), loop=client.loop):
            yield numbers[future], future.result()
    except distributed.scheduler.KilledWorker as error:
        raise ClusterFault(N_("Workers of the cluster die in the middle of their work")) from error
    except (OSError, CancelledError) as error:
        raise ClusterFault(N_("The scheduler at {address} went away", address=address)) from error
    finally:
        client.close(timeout=CONNECT_S_MAX)


def _connect(address: str) -> Any:
    import distributed  # noqa: PLC0415 (see above)

    # A cluster that is lost is said once, by us; its own log would add a page of traces.
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = distributed.Client(address, timeout=CONNECT_S_MAX, set_as_default=False)
    except (OSError, TimeoutError, ValueError, AssertionError) as error:
        # It asserts that its own thread begins within ten seconds, which a busy machine may not do.
        raise ClusterFault(N_("No scheduler answers at {address}", address=address)) from error
    try:
        client.wait_for_workers(1, timeout=WORKERS_S_MAX)
    except TimeoutError as error:
        client.close(timeout=CONNECT_S_MAX)
        raise ClusterFault(
            N_("The scheduler at {address} has no workers", address=address)
        ) from error
    return client


def _begin_worker() -> None:
    # Ctrl-C goes to the whole terminal; the parent alone decides what becomes of the work.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """End this process when its parent does: killed, a parent cannot tell its workers to stop."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has a parent"
    parent.join()
    os._exit(1)
