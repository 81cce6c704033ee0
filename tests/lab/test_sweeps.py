"""Sweeps: planned, kept line by line, resumed, put in order; on all cores or on a real cluster."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from lichen.lab import parallel
from lichen.lab.experiments.catalogue import FLOOD
from lichen.lab.experiments.experiment import Impossible, Run
from lichen.lab.seeds import parse_seeds
from lichen.lab.sweeps import RESULTS, Failed, Results, perform_task, plan, sweep

Lichen = Callable[..., Any]
LICHEN = (sys.executable, "-m", "lichen")
PEERS = [200, 300]


def lines(folder: Path) -> list[str]:
    return (folder / RESULTS).read_text("utf-8").splitlines()


def test_seeds_as_people_write_them() -> None:
    assert parse_seeds("7") == [7]
    assert parse_seeds("1-4") == [1, 2, 3, 4]
    assert parse_seeds("9,1-3,2") == [9, 1, 2, 3]


@pytest.mark.parametrize("text", ["", "a", "1-", "-3", "4-1", "1,,2", "1-9999999", "1.5"])
def test_seeds_that_are_none(text: str) -> None:
    with pytest.raises(Impossible, match="seeds"):
        parse_seeds(text)


def test_a_plan_has_every_run_once() -> None:
    tasks = plan(FLOOD, [1, 2], {"peers": PEERS, "degree": [4, 6]})
    assert len({task.key for task in tasks}) == 8
    assert {(task.seed, task.values["peers"], task.values["degree"]) for task in tasks} == {
        (seed, peers, degree) for seed in (1, 2) for peers in PEERS for degree in (4, 6)
    }
    assert all(task.values["graph"] == "regular" for task in tasks)
    assert len(plan(FLOOD, [1], {"peers": [200, 200]})) == 1
    with pytest.raises(Impossible, match="100001"):
        plan(FLOOD, list(range(100_001)), {})


def test_finished_runs_are_not_made_again_and_order_does_not_matter(tmp_path: Path) -> None:
    tasks = plan(FLOOD, [1, 2], {"peers": PEERS})
    results = Results(tmp_path / "a")
    made = list(sweep(tasks, results, 2))
    assert len(made) == 4
    results.put_in_order()
    whole = lines(tmp_path / "a")
    other = Results(tmp_path / "b")
    for task in (tasks[3], tasks[0]):
        run = perform_task(task)
        assert isinstance(run, Run)
        other.add(run)
    resumed = Results(tmp_path / "b")
    assert {task.key for task in resumed.missing(tasks)} == {tasks[1].key, tasks[2].key}
    assert len(list(sweep(tasks, resumed, 1))) == 2
    assert lines(tmp_path / "b") != whole
    resumed.put_in_order()
    assert lines(tmp_path / "b") == whole
    assert list(sweep(tasks, Results(tmp_path / "b"), 1)) == []


def test_a_line_cut_short_is_dropped_and_its_run_made_again(tmp_path: Path) -> None:
    tasks = plan(FLOOD, [1, 2], {"peers": [200]})
    results = Results(tmp_path)
    for task in tasks:
        run = perform_task(task)
        assert isinstance(run, Run)
        results.add(run)
    file = tmp_path / RESULTS
    file.write_bytes(file.read_bytes()[:-20])
    again = Results(tmp_path)
    assert [task.seed for task in again.missing(tasks)] == [2]
    assert len(lines(tmp_path)) == 1


def test_a_file_that_is_no_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / RESULTS).write_text('{"weather": "fine"}\n')
    with pytest.raises(Impossible, match="line 1"):
        Results(tmp_path)


def test_a_run_that_cannot_be_is_told_and_the_others_are_kept(
    lichen: Lichen, tmp_path: Path
) -> None:
    ended = lichen(
        *("lab", "sweep", "flood", "--peers", "100,101", "--degree", "5"),
        *("--seeds", "1", "--out", str(tmp_path), "--jobs", "1"),
    )
    assert ended.code == 3
    assert "101 peers cannot have 5 links each" in ended.err
    assert len(lines(tmp_path)) == 1
    assert (tmp_path / "report.html").exists()
    (task,) = plan(FLOOD, [1], {"peers": [101], "degree": [5]})
    assert isinstance(perform_task(task), Failed)


def test_an_interrupted_sweep_keeps_what_is_done_and_goes_on(tmp_path: Path) -> None:
    command = (*LICHEN, "lab", "sweep", "flood", "--peers", "20000", "--out", str(tmp_path))
    with subprocess.Popen(
        [*command, "--seeds", "1-4000", "--jobs", "2"],
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as started:
        file = tmp_path / RESULTS
        for _wait in range(600):
            if file.exists() and file.stat().st_size > 0:
                break
            time.sleep(0.1)
        os.killpg(started.pid, signal.SIGINT)
        _out, said = started.communicate(timeout=60)
    assert started.returncode == 130
    assert b"goes on from there" in said
    kept = [msgspec.json.decode(line, type=Run) for line in lines(tmp_path)]
    assert 0 < len(kept) < 4000
    some = ",".join(str(run.seed) for run in kept[:3]) + ",5000"
    done = subprocess.run(
        [*command, "--seeds", some, "--jobs", "1", "--json"], capture_output=True, check=True
    )
    assert len(done.stdout.splitlines()) == len(kept[:3]) + 1
    assert len(lines(tmp_path)) == len(kept) + 1


def test_workers_leave_when_their_parent_is_killed(tmp_path: Path) -> None:
    command = (*LICHEN, "lab", "sweep", "flood", "--peers", "20000", "--out", str(tmp_path))
    with subprocess.Popen(
        [*command, "--seeds", "1-4000", "--jobs", "2"], stderr=subprocess.DEVNULL
    ) as started:
        file = tmp_path / RESULTS
        for _wait in range(600):
            if file.exists() and file.stat().st_size > 0:
                break
            time.sleep(0.1)
        workers = psutil.Process(started.pid).children(recursive=True)
        started.kill()
    assert len(workers) >= 2
    _gone, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler and two workers, processes of their own on loopback."""
    file = tmp_path / "scheduler.json"
    here = ("--scheduler-file", str(file), "--host", "127.0.0.1", "--no-dashboard")
    scheduler = subprocess.Popen(
        [sys.executable, "-m", "dask", "scheduler", *here, "--port", "0"],
        stderr=subprocess.DEVNULL,
    )
    for _wait in range(300):
        if file.exists():
            break
        time.sleep(0.1)
    workers = subprocess.Popen(
        [
            *(sys.executable, "-m", "dask", "worker", *here),
            *("--nworkers", "2", "--nthreads", "1", "--local-directory", str(tmp_path)),
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield msgspec.json.decode(file.read_bytes())["address"], scheduler
    finally:
        for process in (workers, scheduler):
            process.terminate()
            process.wait(30)


def test_a_cluster_gives_the_same_bytes_and_its_loss_is_told(
    cluster: tuple[str, subprocess.Popen[bytes]],
    lichen: Lichen,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, scheduler = cluster
    near, far = Results(tmp_path / "near"), tmp_path / "far"
    for task in plan(FLOOD, [1, 2, 3, 4], {"peers": PEERS}):
        run = perform_task(task)
        assert isinstance(run, Run)
        near.add(run)
    near.put_in_order()
    common = ("lab", "sweep", "flood", "--peers", "200,300", "--out", str(far))
    ended = lichen(*common, "--seeds", "1-4", "--scheduler", address)
    assert ended.code == 0, ended.err
    assert lines(tmp_path / "near") == lines(far)
    assert len(lines(far)) == 8
    scheduler.terminate()
    scheduler.wait(30)
    monkeypatch.setattr(parallel, "CONNECT_S_MAX", 1)
    ended = lichen(*common, "--seeds", "1-9", "--scheduler", address)
    assert ended.code == 5
    assert "No scheduler answers at" in ended.err
    assert "8 runs are kept" in ended.err


@pytest.mark.parametrize("address", ["127.0.0.1:1", "tcp://127.0.0.1:1", "nowhere://x", "rubbish"])
def test_a_scheduler_that_is_not_there(
    address: str, lichen: Lichen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "CONNECT_S_MAX", 1)
    results = Results(tmp_path)
    (task,) = plan(FLOOD, [1], {"peers": [200]})
    run = perform_task(task)
    assert isinstance(run, Run)
    results.add(run)
    ended = lichen(
        *("lab", "sweep", "flood", "--peers", "200", "--seeds", "1-2"),
        *("--out", str(tmp_path), "--scheduler", address),
    )
    assert ended.code == 5
    assert address in ended.err
    assert "1 runs are kept" in ended.err
    assert len(lines(tmp_path)) == 1
