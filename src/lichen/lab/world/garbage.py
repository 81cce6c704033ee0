"""Looking for garbage less often while a world runs.

A world of thousands of peers holds millions of objects that live as long as it does, and makes few
cycles: a link that broke. Python looks through all of them again and again; in a world of 4,000
peers that took a third of the time.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lichen.lab.world.pages import use_huge_pages

OBJECTS_NEW_MAX: Final = 100_000
"""So many new objects before Python looks for cycles among them: some 10 MB."""
OLDER_AFTER: Final = 20
"""And so many looks before one at what has survived."""
LASTING_MIN: Final = 1_000_000
"""Objects from which on it is worth the while to move them into big pages: some 100 MB."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let Python look for cycles rarely until the block ends."""
    before = gc.get_threshold()
    gc.set_threshold(OBJECTS_NEW_MAX, OLDER_AFTER, OLDER_AFTER)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


@contextmanager
def no_collections() -> Iterator[None]:
    """Let Python not look for cycles while a world is set up, and never at what is made here.

    What is made in the block lasts as long as the world: it is looked at again after the end of
    ``rare_collections``.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
    if gc.get_freeze_count() >= LASTING_MIN:
        use_huge_pages()
