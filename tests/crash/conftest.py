"""What these tests are made of lies beside them: a recorded disk, lives and stories by seed."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / place) for place in ("crash", "crash/power", "crash/kills", "js")]

collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]
"""Files are followed through /proc, and processes forked."""
