"""Huge pages of recorded programs: as x86 6.18 flushes them, and small again once a fault or an operation says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.truth.recorded.differences import Replayed
from core.truth.recorded.faults import serve
from core.truth.recorded.replay import replay
from core.truth.recorded.spaces import Area, Space
from tests.truth.recorded.made_up import ARCHS, write

BASE = 0x700000000000
MAPPED = (
    "mmap> 0 0x800000 3 0x22 0xffffffff 0",
    f"mmap< {BASE:#x}",
    f"madvise> {BASE:#x} 0x800000 0xe",
    "madvise< 0x0",
)
"""8 MiB, with MADV_HUGEPAGE."""

MiB = 1 << 20


def touched(*at: int, error: str = "6") -> tuple[str, ...]:
    """A fault in each of some MiB of the mapping."""
    return tuple(f"pf {BASE + n * MiB:x} {error}" for n in at)


def found(tmp_path: Path, *lines: str) -> list[Replayed]:
    return list(replay(write(tmp_path / "r.gz", *MAPPED, *lines), ARCHS))


def test_munmap_flushes_in_strides_of_huge_pages(tmp_path: Path) -> None:
    (call,) = found(tmp_path, *touched(0, 2, 4), f"munmap> {BASE:#x} 0x800000", "F 3 0", "munmap< 0x0")
    assert (call.pages, call.exact, call.predicted) == (3 * 512, True, ((3, False),))
    assert call.counts["6.12"]["pages_freed"] == 3


def test_a_second_fault_shows_that_a_page_was_small(tmp_path: Path) -> None:
    (call,) = found(tmp_path, *touched(0, 2, 3), f"munmap> {BASE:#x} 0x800000", "munmap< 0x0")
    assert (call.pages, call.predicted) == (512 + 2, ((-1, False),))


@pytest.mark.parametrize("call", ["munmap> {0:#x} 0x100000", "madvise> {0:#x} 0x100000 4"])
def test_what_is_about_a_part_splits_it(call: str, tmp_path: Path) -> None:
    """A flush of all 512 pages under the lock of the pmd, then what the call does."""
    name = call.split(">")[0]
    end = (f"munmap> {BASE:#x} 0x800000", "munmap< 0x0")
    first, rest = found(tmp_path, *touched(0), call.format(BASE), f"{name}< 0x0", *end)
    assert first.predicted == ((-1, True), (-1, False))
    assert (first.pages, rest.pages, rest.predicted) == (256, 256, ((-1, False),))


def test_a_store_to_the_huge_zero_page_replaces_it(tmp_path: Path) -> None:
    lines = (*touched(0, error="4"), *touched(0, error="7"), "F -1 1")
    copy, gone = found(tmp_path, *lines, f"munmap> {BASE:#x} 0x800000", "munmap< 0x0")
    assert (copy.name, copy.difference) == ("copy on write of the huge zero page", "")
    assert (gone.pages, gone.predicted, gone.counts["6.12"]["pages_freed"]) == (512, ((1, False),), 1)


@pytest.mark.parametrize(
    ("advice", "flushes"),
    [
        ("8", ((-1, True), (-1, True), (2, False))),  # pmdp_invalidate() flushes, and the gather at the end
        ("14", ((-1, True), (-1, True), (2, False))),  # so does MADV_COLD of 6.18
        ("4", ((2, False),)),
    ],
)
def test_advice_of_whole_huge_pages(advice: str, flushes: object, tmp_path: Path) -> None:
    (call,) = found(tmp_path, *touched(0, 2), f"madvise> {BASE:#x} 0x400000 {advice}", "madvise< 0x0")
    assert call.predicted == flushes


def test_mprotect_changes_huge_entries(tmp_path: Path) -> None:
    (call,) = found(tmp_path, *touched(0, 2), f"mprotect> {BASE:#x} 0x400000 1", "mprotect< 0x0")
    assert call.predicted == ((2, False),)


def test_a_move_flushes_each_under_its_lock(tmp_path: Path) -> None:
    lines = (f"mremap> {BASE:#x} 0x800000 0x800000 1", "mremap< 0x710000000000")
    (call,) = found(tmp_path, *touched(0, 2), *lines)
    assert call.predicted[:2] == ((-1, True), (-1, True))


def test_munmap_behind_a_collapse(tmp_path: Path) -> None:
    """Without MADV_HUGEPAGE: small pages, made a huge one, which goes as one."""
    mapped = ("mmap> 0 0x400000 3 0x22 0xffffffff 0", f"mmap< {BASE:#x}", *touched(0, 1, 2))
    calls = (f"madvise> {BASE:#x} 0x200000 0x19", "madvise< 0x0", f"munmap> {BASE:#x} 0x200000", "munmap< 0x0")
    collapse, gone = replay(write(tmp_path / "r.gz", *mapped, *calls), {})
    assert (collapse.predicted, gone.pages, gone.predicted) == (((-1, True),), 512, ((1, False),))


def test_where_a_table_is_no_huge_page_is_mapped() -> None:
    space = Space()
    space.map(Area(0, 2048, "anon"))
    serve(space, 3, 6)
    space.advise(0, 2048, huge=True)
    serve(space, 4, 6)
    serve(space, 515, 6)
    assert space.huge == {1: 515}
    assert len(space.pages) == 2 + 512
    assert space.fork().huge == {1: 515}


def test_a_store_after_fork_splits_and_copies(tmp_path: Path) -> None:
    """do_huge_pmd_wp_page(): 512 pages under the lock of the pmd, then the page that is copied; a second is small."""
    after = ("F -1 0", "new 2 0", *touched(0, error="7"), "F -1 1", "F 1 1", *touched(1, error="7"), "F 1 1")
    fork, part, small = found(tmp_path, *touched(0), *after)
    assert [call.difference for call in (fork, part, small)] == ["", "", ""]
    assert part.name == "copy on write of a part of a huge page"
    assert [call.counts["6.12"]["flushes"] for call in (part, small)] == [2, 1]


def test_a_child_unmaps_what_is_still_huge(tmp_path: Path) -> None:
    lines = ("F -1 0", "new 2 0", f"0 2 munmap> {BASE:#x} 0x800000", "0 2 munmap< 0x0", *touched(0, error="7"))
    fork, gone = found(tmp_path, *touched(0, 2), *lines)
    assert (fork.name, gone.predicted) == ("fork", ((2, False),))
