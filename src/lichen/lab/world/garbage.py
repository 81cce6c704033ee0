"""Looking for garbage less often while a world runs.

A world of thousands of peers holds millions of objects that live as long as it does, and makes few
cycles: a link that broke. Python looks through all of them again and again; in a world of 4,000
peers that took a third of the time.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

OBJECTS_NEW_MAX: Final = 100_000
"""So many new objects before Python looks for cycles among them: some 10 MB."""
OLDER_AFTER: Final = 20
"""And so many looks before one at what has survived."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let Python look for cycles rarely until the block ends."""
    before = gc.get_threshold()
    gc.set_threshold(OBJECTS_NEW_MAX, OLDER_AFTER, OLDER_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
