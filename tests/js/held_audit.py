"""``lichen`` as a process whose audit stops after a while, until a file is there.

    python held_audit.py FILE start --home ...

Only the pace of the audit is changed: small errands, each written down, and a pause in between.
"""

import sys
import time
from pathlib import Path
from typing import Any

from lichen.cli.main import run
from lichen.store.audit import auditor
from lichen.store.audit.auditor import Auditor

ERRANDS_BEFORE = 10
ERRAND_MESSAGES = 100
PAUSE_S = 0.02


def hold(file: Path) -> None:
    """Let audits come to a stop after some errands, and go on slowly once the file is there."""
    auditor.ERRAND_MESSAGES = ERRAND_MESSAGES
    auditor.MARK_MESSAGES = 1
    check = Auditor._check
    done: list[None] = []

    def check_slowly(self: Auditor, errand: list[Any]) -> Any:
        done.append(None)
        while len(done) > ERRANDS_BEFORE and not file.exists():
            time.sleep(PAUSE_S)
        time.sleep(PAUSE_S)
        return check(self, errand)

    Auditor._check = check_slowly  # type: ignore[method-assign]


if __name__ == "__main__":
    hold(Path(sys.argv[1]))
    sys.exit(run(sys.argv[2:]))
