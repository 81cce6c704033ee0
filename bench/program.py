"""The program that is measured: Lichen as people install it, without what its engineers need.

``make bench`` installs it beside the working tree, compiled; it changes only with the source.
"""

import os
from pathlib import Path

from lichen_peer import LichenPeer

PYTHON = str(Path(__file__).resolve().parents[1] / "build" / "installed" / "bin" / "python")

# What Python compiled is kept, as on everybody's machine, whatever is usual on this one.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
LichenPeer.python = PYTHON
