"""Why connections end is told in words: no slug of the code lacks them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import lichen
from lichen.node.api.people import FAILURES

SOURCE = Path(lichen.__file__).parent
ENDS = {"RemoteProtocolError": 0, "doom": 1, "close": 1, "abort": 0, "_fail": 0}
"""What ends a connection, and which argument is the reason; a link's ``close`` has only that."""


def reasons_in(module: ast.Module) -> Iterator[str]:
    for call in ast.walk(module):
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if name not in ENDS:
            continue
        place = min(ENDS[name], len(call.args) - 1)
        reason = call.args[place] if call.args else None
        if isinstance(reason, ast.Constant) and isinstance(reason.value, str):
            yield reason.value


def test_every_reason_has_words() -> None:
    found = {
        reason
        for room in ("wire", "gossip", "node")
        for path in (SOURCE / room).rglob("*.py")
        if path.name != "client.py"  # there only a program hangs up
        for reason in reasons_in(ast.parse(path.read_text("utf-8")))
    }
    assert {"idle", "box-tampered", "stopping", "wants-flood"} <= found
    assert not found - FAILURES.keys()
