"""Power cuts: a life of several runs, and at many instants of each the images that may be found.

``python tests/crash/power/power.py --cuts 10000 --seed 1`` makes a campaign and prints the seed
of each life that fails; ``--life`` lives one of them again.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

import msgspec  # noqa: E402 (found by the line above, as are others)
from checks import Expected, check_image  # noqa: E402
from disk import Image, Platter, Promised  # noqa: E402
from lives import Run  # noqa: E402
from memory import Memory  # noqa: E402
from older import make_older  # noqa: E402
from people import identity_of  # noqa: E402

RUNS_MAX = 4
CUTS_PER_RUN = 24
OLDER_SHARE = 0.3
"""How often a run begins on data of an earlier version."""


class Tally(msgspec.Struct):
    """How much was done."""

    cuts: int = 0
    lives: int = 0


class CutFailed(AssertionError):  # noqa: N818 (says what is the case)
    """A cut after which something was wrong; ``life`` and ``cut`` find it again."""


@contextmanager
def quick_folder() -> Iterator[Path]:
    """Make a folder in memory, where the system has such a place."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def live(life: str, folder: Path, tally: Tally) -> None:
    """Live a life of a few runs, each from what a power cut left of the one before."""
    rng = Random(f"cuts {life}")
    directory, image_directory = folder / "live", folder / "image"
    Image({}).write(directory)
    memory = Memory()
    for number in range(rng.randint(1, RUNS_MAX)):
        run = Run(directory, f"{life} {number}", life, memory.noted)
        try:
            run.live()
        except AssertionError as fault:
            raise CutFailed(f"life {life}, run {number}: {fault!r}") from fault
        memory, image = cut_everywhere(
            run, memory, f"{life} {number}", life, image_directory, tally
        )
        image.write(directory)
        if rng.random() < OLDER_SHARE and make_older(directory, rng):
            memory.halved = set(range(1, memory.noted + 1))
    tally.lives += 1


def cut_everywhere(
    run: Run, memory: Memory, seed: str, own: str, directory: Path, tally: Tally
) -> tuple[Memory, Image]:
    """Cut a run at many instants and look; return what one of them left, to go on from."""
    rng = Random(f"images {seed}")
    platter, memory = Platter(run.start), memory.copy()
    expected = Expected(run.logs, run.views)
    chosen = sorted(choose_instants(run, rng))
    last: tuple[Memory, Image] = memory, run.start
    going_on = rng.randrange(len(chosen))
    done = 0
    for number, instant in enumerate(chosen):
        for record in run.records[done:instant]:
            platter.apply(record)
            if isinstance(record, Promised):
                memory.hear(record.what)
        done = instant
        image = platter.draw(rng)
        image.write(directory)
        try:
            after = check_image(directory, memory, expected, identity_of(own))
        except Exception as fault:
            raise CutFailed(f"run {seed}, cut at {instant}: {fault!r}") from fault
        tally.cuts += 1
        if number == going_on:
            last = after, image
    return last


def choose_instants(run: Run, rng: Random) -> list[int]:
    """Choose when to cut: often right after somebody was told something, or while it opens."""
    promises = [n + 1 for n, record in enumerate(run.records) if isinstance(record, Promised)]
    return [
        rng.choice(
            (
                rng.choice(promises),
                rng.choice(promises),
                rng.randint(0, run.opened_at),
                rng.randint(0, len(run.records)),
                rng.randint(0, len(run.records)),
            )
        )
        for _ in range(CUTS_PER_RUN)
    ]


def cut_many(cuts: int, seed: str) -> Tally:
    """Live lives until there were enough cuts."""
    tally = Tally()
    with quick_folder() as folder:
        while tally.cuts < cuts:
            live(f"{seed}.{tally.lives}", folder, tally)
    return tally


def main() -> int:
    """Make a campaign, or live one life again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=1000)
    parser.add_argument("--seed", default=str(time.time_ns()))
    parser.add_argument("--life")
    chosen = parser.parse_args()
    began = time.monotonic()
    if chosen.life is not None:
        tally = Tally()
        with quick_folder() as folder:
            live(chosen.life, folder, tally)
    else:
        print(f"seed {chosen.seed}", flush=True)
        tally = cut_many(chosen.cuts, chosen.seed)
    spent = time.monotonic() - began
    print(f"{tally.cuts} power cuts in {tally.lives} lives, nothing lost, {spent:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
