"""Networks of a few machines on one: network namespaces joined by a bridge, cut off from the rest.

Each network has a namespace for the bridge and one for each machine, with names of their own, so
that nothing is ever sent on a real interface and tests beside each other do not meet. It needs root
and the program ``ip``: a test that cannot have them is left out, except on a CI machine (``CI`` is
set), where it fails.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

INTERFACE = "eth0"


class Machine(NamedTuple):
    """One namespace: what to write before a command to run it there, and its address."""

    within: tuple[str, ...]
    host: str


@contextmanager
def network(count: int) -> Iterator[list[Machine]]:
    """Join so many machines; everything is taken away again in the end."""
    _require()
    name = f"lichen-{os.getpid()}-{secrets.token_hex(3)}"
    bridge = f"{name}-bridge"
    names = [f"{name}-{number}" for number in range(1, count + 1)]
    made: list[str] = []
    try:
        for each in (bridge, *names):
            _ip("netns", "add", each)
            made.append(each)
            _ip("-n", each, "link", "set", "lo", "up")
        _ip("-n", bridge, "link", "add", "bridge", "type", "bridge")
        _ip("-n", bridge, "link", "set", "bridge", "up")
        yield [_join(bridge, each, number) for number, each in enumerate(names, start=1)]
    finally:
        for each in made:
            _ip("netns", "delete", each)


def _join(bridge: str, name: str, number: int) -> Machine:
    port, host = f"port{number}", f"10.77.0.{number}"
    _ip("-n", bridge, "link", "add", port, "type", "veth", "peer", "name", INTERFACE, "netns", name)
    _ip("-n", bridge, "link", "set", port, "master", "bridge", "up")
    _ip("-n", name, "address", "add", f"{host}/24", "dev", INTERFACE)
    _ip("-n", name, "link", "set", INTERFACE, "up")
    return Machine(("ip", "netns", "exec", name), host)


def _require() -> None:
    missing = _find_missing()
    if missing:
        pytest.skip(f"network namespaces cannot be made: {missing}")


def _find_missing() -> str:
    if shutil.which("ip") is None:
        return "the program ip (iproute2) is missing"
    if os.geteuid() != 0:
        return "this needs root"
    probe = f"lichen-probe-{secrets.token_hex(4)}"
    try:
        _ip("netns", "add", probe)
        try:
            _ip("netns", "exec", probe, "true")
        finally:
            _ip("netns", "delete", probe)
    except subprocess.CalledProcessError as error:
        return str(error.stderr).strip()
    return ""


def _ip(*arguments: str) -> None:
    subprocess.run(("ip", *arguments), check=True, capture_output=True, text=True, timeout=30)
