"""Mappings that exec made: faulted around as others are, as far as nothing in the recording speaks against it."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.truth.recorded.differences import AROUND, OTHER
from core.truth.recorded.faults import serve
from core.truth.recorded.recordings import read_events
from core.truth.recorded.replay import replay
from core.truth.recorded.spaces import Area, Space
from core.truth.recorded.system_calls import apply
from tests.truth.recorded.made_up import write

TEXT = 0x10000
"""Page 64 KiB x 4096: where a window of fault-around begins."""


def resident(space: Space) -> set[int]:
    return set(space.pages)


def test_a_read_of_a_mapping_of_exec_maps_sixteen_pages() -> None:
    space = Space()
    serve(space, TEXT + 5, 0x14)
    assert resident(space) == set(range(TEXT, TEXT + 16))


def test_it_ends_where_a_known_mapping_begins() -> None:
    space = Space()
    space.map(Area(TEXT + 8, TEXT + 32, "anon"))
    serve(space, TEXT + 5, 0x14)
    assert resident(space) == set(range(TEXT, TEXT + 8))


def test_a_fault_where_a_page_should_be_shows_where_another_mapping_begins() -> None:
    space = Space()
    serve(space, TEXT + 2, 0x14)
    serve(space, TEXT + 6, 6)  # not present: the first window ended before; this is data
    assert resident(space) == set(range(TEXT, TEXT + 7))
    assert space.pages[TEXT + 6].kind == "anon_dirty"
    serve(space, TEXT + 9, 4)  # in the second mapping: 16 pages from where it begins
    assert resident(space) == set(range(TEXT, TEXT + 22))


def test_a_fault_below_shows_where_the_first_mapping_began() -> None:
    space = Space()
    serve(space, TEXT + 9, 0x14)
    serve(space, TEXT + 3, 6)
    assert resident(space) == {TEXT + 3, *range(TEXT + 4, TEXT + 16)}


def test_a_protection_fault_says_that_the_page_was_there() -> None:
    space = Space()
    serve(space, TEXT + 2, 4)
    serve(space, TEXT + 6, 7)
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


def test_mappings_of_exec_that_end_sooner_explain_one_flush_of_exit(tmp_path: Path) -> None:
    """If each mapping had been of one page, the gather would not have been full."""
    faults = tuple(f"pf {0x10000000 + n * 0x10000:x} 14" for n in range(700))
    other = ("new 2 3d0f00", "1 2 pf 200000000000 6", "1 2 exit")
    start = ("exec x", *faults, *other, "exit")
    (sooner,) = replay(write(tmp_path / "a.gz", *start, "I -1 0", "1 1 R wrong", "mmgone"), {})
    assert sooner.kind == AROUND
    (neither,) = replay(write(tmp_path / "b.gz", *start, "I 5 0", "1 1 R wrong", "mmgone"), {})
    assert neither.kind == OTHER


@pytest.mark.parametrize(
    ("prot", "flags", "kinds"),
    [
        (3, 0x8022, {"anon_dirty"}),
        (1, 0x8022, {"zero"}),
        (3, 0x8002, {"anon_dirty"}),  # a private file mapping that may be written: copied at once
        (1, 0x8002, {"file_clean"}),
        (3, 0x8021, {"file_clean"}),  # shared pages are not dirtied for nothing
        (3, 0x2022, {"anon_dirty"}),  # MAP_LOCKED
        (3, 0x18022, set()),  # MAP_NONBLOCK
        (0, 0x8022, set()),  # PROT_NONE
    ],
)
def test_a_populated_mapping_has_its_pages_without_faults(
    tmp_path: Path, prot: int, flags: int, kinds: set[str]
) -> None:
    mapped = (f"mmap> 0 0x3000 {prot} {flags:#x} 0xffffffff 0", "mmap< 0x700000000000")
    unmap = ("munmap> 0x700000000000 0x3000", "munmap< 0")
    (munmap,) = replay(write(tmp_path / "r.gz", *mapped, *unmap), {})
    assert munmap.pages == (3 if kinds else 0)
    space, lines = Space(), list(read_events(write(tmp_path / "m.gz", *mapped)))
    apply(space, lines[0], 0x700000000000)
    assert {folio.kind for folio in space.pages.values()} == kinds


def test_madv_populate_faults_in_what_is_not_there(tmp_path: Path) -> None:
    mapped = ("mmap> 0 0x3000 3 0x22 0xffffffff 0", "mmap< 0x700000000000", "pf 700000001000 6")
    read = ("madvise> 0x700000000000 0x3000 0x16", "madvise< 0")
    write_ = ("madvise> 0x700000000000 0x2000 0x17", "madvise< 0")
    unmap = ("munmap> 0x700000000000 0x3000", "munmap< 0")
    (munmap,) = replay(write(tmp_path / "r.gz", *mapped, *read, *write_, *unmap), {})
    assert (munmap.pages, munmap.anonymous) == (3, True)
