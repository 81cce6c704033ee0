"""Big pages: which memory may lie in them, and that looking for garbage goes on as before."""

import gc

from lichen.lab.world.garbage import no_collections, rare_collections
from lichen.lab.world.pages import HUGE_BYTES, find_regions, use_huge_pages

MAPS = """\
00400000-00a00000 r-xp 00000000 fd:00 131 /usr/bin/python3.11
00c00000-01000000 rw-p 00600000 fd:00 131 /usr/bin/python3.11
01100000-01900000 rw-p 00000000 00:00 0 [heap]
7f0000000000-7f0000100000 rw-p 00000000 00:00 0
7f0000200000-7f0000600000 rw-p 00000000 00:00 0
7f0000600000-7f0000800000 ---p 00000000 00:00 0
7f0000900000-7f0000d00000 rw-s 00000000 00:01 7 /dev/zero (deleted)
7ffc00000000-7ffc00400000 rw-p 00000000 00:00 0 [stack]
"""


def test_only_whole_pages_of_private_memory_are_moved() -> None:
    assert find_regions(MAPS) == [(0x1200000, 3 * HUGE_BYTES), (0x7F0000200000, 2 * HUGE_BYTES)]
    assert find_regions("") == []


def test_moving_memory_changes_nothing_in_it() -> None:
    kept = [bytes([number % 256]) * 4096 for number in range(2000)]
    assert use_huge_pages() >= 0
    assert all(each == bytes([number % 256]) * 4096 for number, each in enumerate(kept))


def test_what_is_made_meanwhile_is_collected_when_the_world_ends() -> None:
    class Node:
        other: "Node"

    gc.collect()
    before = gc.get_freeze_count()
    with rare_collections():
        with no_collections():
            assert not gc.isenabled()
            one, two = Node(), Node()
            one.other, two.other = two, one
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
    assert gc.get_freeze_count() == 0
    assert gc.is_tracked(one)
