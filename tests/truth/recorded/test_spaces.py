"""Mappings that exec made: faulted around as others are, as far as nothing in the recording speaks against it."""

from __future__ import annotations

from pathlib import Path

from core.truth.recorded.replay import replay
from core.truth.recorded.spaces import Area, Space
from tests.truth.recorded.made_up import write

TEXT = 0x10000
"""Page 64 KiB x 4096: where a window of fault-around begins."""


def resident(space: Space) -> set[int]:
    return set(space.pages)


def test_a_read_of_a_mapping_of_exec_maps_sixteen_pages() -> None:
    space = Space()
    space.fault(TEXT + 5, 0x14)
    assert resident(space) == set(range(TEXT, TEXT + 16))


def test_it_ends_where_a_known_mapping_begins() -> None:
    space = Space()
    space.map(Area(TEXT + 8, TEXT + 32, "anon"))
    space.fault(TEXT + 5, 0x14)
    assert resident(space) == set(range(TEXT, TEXT + 8))


def test_a_fault_where_a_page_should_be_shows_where_another_mapping_begins() -> None:
    space = Space()
    space.fault(TEXT + 2, 0x14)
    space.fault(TEXT + 6, 6)  # not present: the first window ended before; this is data
    assert resident(space) == set(range(TEXT, TEXT + 7))
    assert space.pages[TEXT + 6].kind == "anon_dirty"
    space.fault(TEXT + 9, 4)  # in the second mapping: 16 pages from where it begins
    assert resident(space) == set(range(TEXT, TEXT + 22))


def test_a_fault_below_shows_where_the_first_mapping_began() -> None:
    space = Space()
    space.fault(TEXT + 9, 0x14)
    space.fault(TEXT + 3, 6)
    assert resident(space) == {TEXT + 3, *range(TEXT + 4, TEXT + 16)}


def test_a_protection_fault_says_that_the_page_was_there() -> None:
    space = Space()
    space.fault(TEXT + 2, 4)
    space.fault(TEXT + 6, 7)
    assert resident(space) == set(range(TEXT, TEXT + 16))


def test_where_the_kernel_places_a_mapping_nothing_was(tmp_path: Path) -> None:
    """ld.so is read, and the next mmap() lands below it, inside the window: no operation, and nothing to unmap."""
    start = 0x7F0000000000
    lines = (f"pf {start + 0xA000:x} 4", "mmap> 0 0x5000 3 0x22 0xffffffff 0", f"mmap< {start + 0x3000:#x}", "mmgone")
    exits = list(replay(write(tmp_path / "r.gz", *lines), {}))
    assert [(call.name, call.pages) for call in exits] == [("exit", 8)]


def test_a_mapping_placed_by_the_program_replaces_what_is_there(tmp_path: Path) -> None:
    start = 0x7F0000000000
    lines = (f"pf {start + 0xA000:x} 4", "mmap> 0 0x5000 3 0x32 0xffffffff 0", f"mmap< {start + 0x3000:#x}")
    (over,) = replay(write(tmp_path / "r.gz", *lines), {})
    assert (over.name, over.pages) == ("mmap over", 5)


def test_a_gather_that_mappings_of_exec_fill_flushes_under_the_lock(tmp_path: Path) -> None:
    """700 windows are 11200 entries, more than a gather of 10000 pages takes: the exit flushes twice."""
    faults = tuple(f"pf {0x10000000 + n * 0x10000:x} 14" for n in range(700))
    other = ("new 2 3d0f00", "1 2 pf 200000000000 6", "1 2 exit")
    lines = ("exec x", *faults, *other, "exit", "I -1 1", "I -1 0", "1 1 R wrong", "mmgone")
    (exits,) = replay(write(tmp_path / "r.gz", *lines), {})
    assert (exits.pages, exits.predicted) == (11201, ((-1, True), (-1, False)))
    assert exits.exact
